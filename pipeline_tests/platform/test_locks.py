"""Advisory locks: one holder, a name for who waits, free as soon as the holder is dead."""

from __future__ import annotations

import signal
import subprocess
import sys

import psycopg
import pytest

from pipeline.model.errors import PipelineError
from pipeline.platform.database import Database
from pipeline.platform.locks import advisory_lock, is_locked, run_lock_name

HOLD = (
    "import sys; from pipeline.settings import Settings; from pipeline.platform.database import Database;"
    "from pipeline.platform.locks import advisory_lock\n"
    "with advisory_lock(Database.open(Settings.load()).connect, 'demo on amazon-us', wait_seconds=0, holder='run 1b2c'):\n"
    "    print('held', flush=True); sys.stdin.read()"
)


def holders(connection: psycopg.Connection) -> list[tuple[str, str]]:
    return connection.execute("SELECT name, holder FROM locks").fetchall()


def test_the_second_is_told_who_holds_it(database: Database, connection: psycopg.Connection) -> None:
    with advisory_lock(database.connect, "demo on amazon-us", wait_seconds=0, holder="run 1b2c"):
        assert holders(connection) == [("demo on amazon-us", "run 1b2c")]
        with (
            pytest.raises(
                PipelineError, match=r"^demo on amazon-us is being exported by run 1b2c since \d{4}-\d\d-\d\d [\d:]+ UTC;"
            ),
            advisory_lock(database.connect, "demo on amazon-us", wait_seconds=0.05, holder="run 3d4e"),
        ):
            pytest.fail("held twice")
        with advisory_lock(database.connect, "demo on ebay-us", wait_seconds=0, holder="run 3d4e"):
            assert is_locked(connection, "demo on ebay-us")
    assert not is_locked(connection, "demo on amazon-us")
    connection.rollback()
    assert holders(connection) == []


def test_waiting_asks_whether_to_go_on(database: Database) -> None:
    asked = 0

    def canceled() -> None:
        nonlocal asked
        asked += 1
        if asked == 3:
            raise KeyboardInterrupt

    with (
        advisory_lock(database.connect, "a", wait_seconds=0, holder="run 1"),
        pytest.raises(KeyboardInterrupt),
        advisory_lock(database.connect, "a", wait_seconds=60, holder="run 2", check=canceled),
    ):
        pytest.fail("held twice")


def test_a_lock_freed_while_another_waits_is_taken(database: Database) -> None:
    first = advisory_lock(database.connect, "a", wait_seconds=0, holder="run 1")
    first.__enter__()
    with advisory_lock(database.connect, "a", wait_seconds=60, holder="run 2", check=lambda: first.__exit__(None, None, None)):
        pass


def test_an_error_inside_releases(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), advisory_lock(database.connect, "a", wait_seconds=0, holder="run 1"):
        _ = 1 / 0
    with advisory_lock(database.connect, "a", wait_seconds=0, holder="run 2"):
        pass


@pytest.mark.usefixtures("settings")
def test_a_killed_holders_lock_is_free(database: Database, connection: psycopg.Connection) -> None:
    process = subprocess.Popen([sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    assert is_locked(connection, "demo on amazon-us")
    with (
        pytest.raises(PipelineError, match="by run 1b2c"),
        advisory_lock(database.connect, "demo on amazon-us", wait_seconds=0, holder="run 3d4e"),
    ):
        pytest.fail("held twice")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    with advisory_lock(database.connect, "demo on amazon-us", wait_seconds=30, holder="run 3d4e"):
        connection.rollback()
        assert holders(connection) == [("demo on amazon-us", "run 3d4e")]


def test_a_lost_session_is_noticed(database: Database) -> None:
    with advisory_lock(database.connect, "a", wait_seconds=0, holder="run 1") as lock:
        lock.verify()
        with database.connect(autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory'")
        with pytest.raises(PipelineError, match="lock on a was lost"):
            lock.verify()


def test_any_name_works(database: Database, connection: psycopg.Connection) -> None:
    for name in ("", "ä" * 300, run_lock_name("f00"), "x'; DROP TABLE locks"):
        with advisory_lock(database.connect, name, wait_seconds=0, holder="run 1", busy="is running"):
            assert is_locked(connection, name)
