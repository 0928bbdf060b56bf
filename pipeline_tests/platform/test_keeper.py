"""Processes below a keeper end with it, however it ends; nobody else's do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
import pytest

from pipeline.cli.up import hold
from pipeline.platform.embedded import EmbeddedServer
from pipeline.platform.keeper import MARK, end_left
from pipeline_tests.conftest import data_folder

#: A child in a session of its own that does not listen to SIGTERM, as Dagster's workers may be busy; prints both numbers.
FAMILY = """
import os, signal, subprocess, sys
deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
child = subprocess.Popen([sys.executable, "-c", deaf], start_new_session=True, stdout=subprocess.PIPE, text=True)
child.stdout.readline()
print(os.getpid(), child.pid, flush=True)
signal.pause()
"""
SLEEPER = [sys.executable, "-c", "print('there', flush=True); import time; time.sleep(600)"]


@pytest.fixture
def folder() -> Iterator[Path]:
    with data_folder() as found:
        found.mkdir()
        yield found


def keep(folder: Path, lock: int, *command: str) -> subprocess.Popen[str]:
    code = "import pipeline.platform.keeper as k, sys; k.end_left.__defaults__ = (0.2,);" + (
        "sys.exit(k.keep(int(sys.argv[1]), k.Path(sys.argv[2]), sys.argv[3:]))"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, str(lock), str(folder), *command],
        env={**os.environ, MARK: str(folder)}, stdout=subprocess.PIPE, text=True, pass_fds=[lock],
    )  # fmt: skip


def sleeper(mark: str) -> subprocess.Popen[str]:
    found = subprocess.Popen(SLEEPER, env={**os.environ, MARK: mark}, stdout=subprocess.PIPE, text=True)
    assert found.stdout is not None and found.stdout.readline() == "there\n"
    return found


def dead(number: int) -> bool:
    """Whether there is no such process, or one that nobody has asked how it ended."""
    try:
        return bool(psutil.Process(number).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def wait_for_end(folder: Path) -> None:
    """Until front and guard are gone: the lock is free then."""
    os.close(hold(folder, "http://127.0.0.1:3001"))


@pytest.mark.parametrize("signal_", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_everything_ends_with_the_front(folder: Path, signal_: signal.Signals) -> None:
    stranger = sleeper(f"{folder}-of-another")
    lock = hold(folder, "http://127.0.0.1:3000")
    with keep(folder, lock, sys.executable, "-c", FAMILY) as front:
        os.close(lock)
        assert front.stdout is not None
        parent, child = map(int, front.stdout.readline().split())
        front.send_signal(signal_)
        assert front.wait() == (-signal.SIGKILL if signal_ == signal.SIGKILL else 0)
        wait_for_end(folder)  # whoever comes now waits, rather than to be told to take another port
        assert dead(parent) and dead(child)
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_the_exit_code_is_that_of_the_command(folder: Path) -> None:
    lock = hold(folder, "http://127.0.0.1:3000")
    with keep(folder, lock, "/bin/sh", "-c", "exit 3") as front:
        assert front.wait() == 3
    os.close(lock)


def test_the_command_has_neither_lock_nor_pipe(folder: Path) -> None:
    lock = hold(folder, "http://127.0.0.1:3000")
    listed = "import os,sys\nfor n in range(3, 64):\n try: os.fstat(n); print('open', n)\n except OSError: pass"
    with keep(folder, lock, sys.executable, "-c", listed) as front:
        assert front.stdout is not None and front.stdout.read() == ""
    os.close(lock)


def test_orphans_of_a_killed_keeper_and_guard_are_ended_and_strangers_are_not(folder: Path) -> None:
    orphans = [sleeper(str(folder)) for _ in range(2)]
    strangers = [sleeper(""), sleeper(str(folder.parent))]
    assert end_left(folder, patience=10) == 2
    assert all(dead(orphan.pid) for orphan in orphans)
    assert [stranger.poll() for stranger in strangers] == [None, None]
    assert end_left(folder) == 0
    for process in (*orphans, *strangers):
        process.kill()
        process.wait()


def test_the_database_of_killed_users_is_stopped(folder: Path) -> None:
    user = (
        "import sys, pathlib, time; from pipeline.platform.embedded import EmbeddedServer\n"
        "server = EmbeddedServer(pathlib.Path(sys.argv[1])); print('up', flush=True); time.sleep(600)"
    )
    lock = hold(folder, "http://127.0.0.1:3000")
    with keep(folder, lock, sys.executable, "-c", user, str(folder)) as front:
        os.close(lock)
        assert front.stdout is not None and front.stdout.readline() == "up\n"
        postmaster = int((folder / "postgres" / "postmaster.pid").read_text().split()[0])
        front.kill()
        wait_for_end(folder)
        assert dead(postmaster)


def test_the_database_stays_for_others_who_use_it(folder: Path) -> None:
    server = EmbeddedServer(folder)
    postmaster = int((folder / "postgres" / "postmaster.pid").read_text().split()[0])
    lock = hold(folder, "http://127.0.0.1:3000")
    with keep(folder, lock, "/bin/sh", "-c", "exit 0") as front:
        front.wait()
    assert not dead(postmaster)
    server.close()
    with suppress(psutil.NoSuchProcess, psutil.TimeoutExpired):  # one that nobody asks how it ended never goes away
        psutil.Process(postmaster).wait(timeout=30)
    assert dead(postmaster)
    os.close(lock)


def test_a_database_that_is_killed_is_started_again(folder: Path) -> None:
    server = EmbeddedServer(folder)
    killed = int((server.pgdata / "postmaster.pid").read_text().splitlines()[0])
    lock = hold(folder, "http://127.0.0.1:3000")
    with keep(folder, lock, *SLEEPER) as front:
        os.close(lock)
        assert front.stdout is not None and front.stdout.readline() == "there\n"
        os.kill(killed, signal.SIGKILL)
        deadline = time.monotonic() + 60
        while (found := answering(server)) in (None, killed) and time.monotonic() < deadline:
            pass
        assert found not in (None, killed)
        front.send_signal(signal.SIGINT)
        assert front.wait() == 0
    server.close()
    wait_for_end(folder)


def answering(server: EmbeddedServer) -> int | None:
    """The number of the server that answers."""
    try:
        with psycopg.connect(**server.conninfo(), connect_timeout=1) as connection:
            row = connection.execute("SELECT split_part(pg_read_file('postmaster.pid'), chr(10), 1)::int").fetchone()
    except psycopg.OperationalError:
        return None
    return None if row is None else int(row[0])
