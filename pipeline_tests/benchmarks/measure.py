"""Measuring one command: CPU of the process and of the children it waited for, and the memory of the largest of them."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


class CommandFailed(Exception):
    """The measured command did not do its work, so there is nothing to measure."""


@dataclass(frozen=True)
class Measured:
    cpu: float  # seconds, user + system
    rss: int  # bytes
    wall: float  # seconds
    output: bytes


def run(command: Sequence[str], env: Mapping[str, str]) -> Measured:
    """Run a command to its end; raises CommandFailed with the end of its error output."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        started = time.monotonic()
        process = subprocess.Popen(command, env=dict(env), stdin=subprocess.DEVNULL, stdout=output, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        if process.returncode != 0:
            tail = (errors.read() or output.read())[-2000:].decode(errors="replace")
            raise CommandFailed(f"{' '.join(command)} ended with {process.returncode}:\n{tail}")
        return Measured(usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, wall, output.read())
