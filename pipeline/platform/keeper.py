"""Runs a command whose processes must not outlive it: `python -m pipeline.platform.keeper LOCK DATA_DIR COMMAND ...`.

Two processes: the front, which people see, signal and kill, and the guard, in a session of its own, whose child the command is.
A pipe from one to the other closes when the front ends, however it ends; then the guard ends the command in order, and after it
whatever is left. Processes of one data directory are known by the variable MARK in their environment, never by name or number.
Both hold the lock LOCK (a file descriptor) to their end, so that nobody begins anew before everything is gone. Only the standard
library is loaded while it waits. An embedded database that is killed meanwhile is started again.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

#: Environment variable of all processes below a keeper; its value is their data directory.
MARK = "PIPELINE_UP"
#: What the lock file says while the guard ends what is left; before that, whatever its owner wrote.
ENDING = b"ending"
#: How long the command may take to end by itself, and then what is left of it.
ORDERLY_SECONDS, LEFT_SECONDS = 30.0, 10.0
_LOOK_SECONDS = 0.5
_STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def keep(lock: int, data_dir: Path, command: Sequence[str]) -> int:
    """Run `command` until it ends or we are told to; returns its exit code, 0 when we were told."""
    ended, alive = os.pipe()
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)  # until each process has its own handlers
    guard = os.fork()
    if guard == 0:
        os.close(alive)
        os.setsid()  # Ctrl-C, and a kill of the terminal's whole job, is for the front
        os._exit(_guard(lock, ended, data_dir, command))
    os.close(ended)
    _on_stop(lambda: os.close(alive))
    _, status = os.waitpid(guard, 0)
    return os.waitstatus_to_exitcode(status)


def end_left(data_dir: Path, patience: float = LEFT_SECONDS) -> int:
    """End all processes marked with `data_dir` but ourselves and our parent; returns how many there were.

    Call it only with the lock held: who has the mark then is an orphan."""
    seen: set[int] = set()
    while found := _marked(str(data_dir)):
        asked = [process for process in found if process.pid not in seen]
        for process in found:  # psutil looks again at when it began, so that no other process of this number is met
            _send(process, "terminate" if process in asked else "kill")
        seen |= {process.pid for process in found}
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline and any(map(_works, found)):
            time.sleep(0.05)
    return len(seen)


def _guard(lock: int, ended: int, data_dir: Path, command: Sequence[str]) -> int:
    stopped = False

    def stop() -> None:
        nonlocal stopped
        stopped = True

    _on_stop(stop)
    process = subprocess.Popen(command)  # noqa: S603 - our own program, no shell; it gets neither the lock nor the pipe
    while process.poll() is None and not stopped:
        stopped = bool(select.select([ended], [], [], _LOOK_SECONDS)[0])
        if not stopped and _database_died(data_dir):
            _start_database(data_dir)
    os.pwrite(lock, ENDING, 0)
    process.terminate()  # not SIGINT: that would be a traceback while it still loads
    try:
        code = process.wait(ORDERLY_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        code = process.wait()
    code = 0 if stopped else code
    end_left(data_dir)
    if (data_dir / "postgres").exists():
        from pipeline.platform.embedded import stop_unused

        stop_unused(data_dir)  # who was killed could not
    return code


def _database_died(data_dir: Path) -> bool:
    """Whether the embedded database has left its number and is gone."""
    try:
        os.kill(int((data_dir / "postgres" / "postmaster.pid").read_text().partition("\n")[0]), 0)
    except ProcessLookupError:
        return True
    except (OSError, ValueError):  # there is none, it is just starting, or it is another user's
        pass
    return False


def _start_database(data_dir: Path) -> None:
    """Start it again: whoever uses it only asks again and again."""
    from pipeline.model.errors import PipelineError
    from pipeline.platform.embedded import EmbeddedServer

    try:
        EmbeddedServer(data_dir).close()  # stays, as the command's processes use it
    except PipelineError as error:
        print(error, file=sys.stderr, flush=True)


def _on_stop(act: Callable[[], None]) -> None:
    """`act` at the first signal to stop, nothing at further ones. A background shell starts us with some of them ignored."""

    def handler(number: int, frame: object) -> None:
        for each in _STOPS:
            signal.signal(each, signal.SIG_IGN)
        act()

    for each in _STOPS:
        if each != signal.SIGHUP or signal.getsignal(each) != signal.SIG_IGN:  # nohup means it
            signal.signal(each, handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)


def _marked(value: str) -> list[psutil.Process]:
    import psutil

    ours = {os.getpid(), os.getppid()}
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid not in ours and process.environ().get(MARK) == value and _works(process):
                found.append(process)
        except (psutil.Error, OSError):  # it ended, or belongs to another user
            continue
    return found


def _works(process: psutil.Process) -> bool:
    """Not dead; a dead one whose parent does not ask for it (a container without an init) keeps its number."""
    import psutil

    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _send(process: psutil.Process, what: str) -> None:
    import psutil

    with suppress(psutil.Error):  # it ended meanwhile
        getattr(process, what)()


if __name__ == "__main__":
    sys.exit(keep(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]))
