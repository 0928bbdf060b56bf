"""Locks that every process on the database respects, and that die with their holder.

A lock belongs to a database session of its own. When the holder's process ends, however, its session ends and the lock is free.
The table `locks` only says who holds what, for people. Not for connections through a transaction pooler.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psycopg

from pipeline.model.errors import PipelineError

POLL_SECONDS = 0.2
#: A holder whose machine vanished without a word is noticed after about a minute (only matters over TCP).
_SESSION = """
    SELECT set_config('tcp_keepalives_idle', '30', false), set_config('tcp_keepalives_interval', '10', false),
           set_config('tcp_keepalives_count', '3', false), set_config('idle_session_timeout', '0', false)
"""


class LockBusy(PipelineError):
    """Somebody else holds the lock."""


class HeldLock:
    """A lock that we hold as long as its session lives."""

    def __init__(self, name: str, connection: psycopg.Connection) -> None:
        self.name = name
        self._connection = connection

    def verify(self) -> None:
        """Raise PipelineError when the session, and with it the lock, is gone. Call it right before what the lock protects."""
        try:
            self._connection.execute("SELECT 1")
        except psycopg.Error:
            raise PipelineError(f"the lock on {self.name} was lost with its database connection; start again") from None


@contextmanager
def advisory_lock(
    connection_factory: Callable[[], psycopg.Connection],
    name: str,
    *,
    wait_seconds: float,
    holder: str,
    check: Callable[[], None] | None = None,
    busy: str = "is being exported",
) -> Iterator[HeldLock]:
    """Hold the lock `name` as `holder` (what others read: "run 1b2c"). While waiting, `check` is called and may raise.

    Raises PipelineError "<name> <busy> by <holder> since <time>" when `wait_seconds` have passed.
    """
    connection = connection_factory()
    try:
        if not connection.autocommit:
            connection.rollback()  # connecting may have begun a transaction
            connection.autocommit = True
        connection.execute(_SESSION)
        _acquire(connection, name, wait_seconds, check, busy)
        connection.execute(
            "INSERT INTO locks (name, holder, since) VALUES (%s, %s, now()) "
            "ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, since = excluded.since",
            (name, holder),
        )
        try:
            yield HeldLock(name, connection)
        finally:
            with suppress(psycopg.Error):  # a lost session has released the lock already
                connection.execute("DELETE FROM locks WHERE name = %s AND holder = %s", (name, holder))
                # Closing would release it too, but some time after we went on.
                connection.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", (name,))
    finally:
        connection.close()


def is_locked(connection: psycopg.Connection, name: str) -> bool:
    """Whether any session holds the lock `name` now."""
    # An advisory lock on one 64-bit key shows as (high half, low half, 1) in pg_locks.
    row = connection.execute(
        "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        " AND (classid::bigint << 32 | objid::bigint) = hashtextextended(%s, 0))",
        (name,),
    ).fetchone()
    return bool(row and row[0])


def died(connection: psycopg.Connection, name: str) -> bool:
    """Whether the last holder of the lock ended without giving it back; who is only about to take it has not died.

    The connection must be in autocommit mode, since the two looks must be in this order: whoever gives a lock back takes its
    row away first."""
    if is_locked(connection, name):
        return False
    row = connection.execute("SELECT EXISTS (SELECT FROM locks WHERE name = %s)", (name,)).fetchone()
    return bool(row and row[0])


def run_lock_name(run_id: str) -> str:
    """The lock that a Dagster run holds while it lives."""
    return f"run {run_id}"


def _acquire(connection: psycopg.Connection, name: str, wait_seconds: float, check: Callable[[], None] | None, busy: str) -> None:
    # Polled, not waited for inside Postgres: see migrations._lock, and so that `check` is asked.
    deadline = time.monotonic() + wait_seconds
    while True:
        row = connection.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", (name,)).fetchone()
        if row and row[0]:
            return
        if check is not None:
            check()
        left = deadline - time.monotonic()
        if left <= 0:
            raise LockBusy(_busy_message(connection, name, busy))
        time.sleep(min(POLL_SECONDS, left))


def _busy_message(connection: psycopg.Connection, name: str, busy: str) -> str:
    row = connection.execute(
        "SELECT holder, to_char(since, 'YYYY-MM-DD HH24:MI:SS') FROM locks WHERE name = %s", (name,)
    ).fetchone()
    who = f"{row[0]} since {row[1]} UTC" if row else "another process"
    return f"{name} {busy} by {who}; wait until that has ended, or cancel it (pipeline jobs list)"
