"""A command at a terminal of its own, in a process of its own, answered as a person does."""

from __future__ import annotations

import os
import pty
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.cli.app import run
from pipeline_tests.flows.place import CHILDREN


def in_terminal(arguments: Sequence[str], answers: Sequence[tuple[str, str]]) -> tuple[int, str]:
    """Exit code, and everything that the terminal showed. The command sees this process's environment.

    A question is waited for to its last space: what is typed before that is thrown away, with the echo."""
    ours, theirs = pty.openpty()
    opened, tell = CHILDREN.Pipe(duplex=False)
    child = CHILDREN.Process(target=_command, args=(os.ttyname(theirs), tell, dict(os.environ), arguments))
    child.start()
    tell.close()
    opened.recv()  # a terminal that nobody has open is at its end
    os.close(theirs)
    shown = b""
    for question, answer in answers:
        while question.encode() not in shown.rpartition(b"\n")[2]:
            block = os.read(ours, 4096)
            assert block, shown
            shown += block
        os.write(ours, answer.encode() + b"\n")
    while True:
        try:
            block = os.read(ours, 4096)
        except OSError:  # Linux: the other side is gone
            break
        if not block:
            break
        shown += block
    os.close(ours)
    child.join()
    assert child.exitcode is not None
    return child.exitcode, shown.decode()


def _command(terminal: str, opened: Any, environment: Mapping[str, str], arguments: Sequence[str]) -> None:
    os.setsid()
    handle = os.open(terminal, os.O_RDWR)
    for number in range(3):
        os.dup2(handle, number)
    os.close(handle)
    opened.send(None)
    opened.close()
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w", 1), open(2, "w", 1)  # noqa: SIM115 - as Python's own
    os.environ.clear()
    os.environ.update(environment)
    sys.exit(run(list(arguments)))
