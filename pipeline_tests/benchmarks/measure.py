"""Measuring one command: CPU of the process and of the children it waited for, and the memory of the largest of them."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
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


def run(command: Sequence[str], env: Mapping[str, str], limit_seconds: float = 600.0) -> Measured:
    """Run a command to its end; raises CommandFailed with the end of its error output, also when it takes too long."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        started = time.monotonic()
        process = subprocess.Popen(command, env=dict(env), stdin=subprocess.DEVNULL, stdout=output, stderr=errors)
        too_long = threading.Timer(limit_seconds, process.kill)
        too_long.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            raise
        finally:
            too_long.cancel()
        wall = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        if process.returncode != 0:
            tail = (errors.read() or output.read())[-2000:].decode(errors="replace")
            ending = f"ended with {process.returncode}" if wall < limit_seconds else f"took longer than {limit_seconds:.0f} s"
            raise CommandFailed(f"{' '.join(command)} {ending}:\n{tail}")
        return Measured(usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, wall, output.read())
