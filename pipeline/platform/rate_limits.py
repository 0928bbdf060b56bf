"""Token buckets in Postgres: the rate limit of one account and operation, shared by every process that calls it."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any

import psycopg

#: Refills for the time that has passed; the row stays locked until its token is taken or not.
_FILL = b"""
    INSERT INTO rate_limits AS b (bucket, rate, burst, tokens) VALUES (%(bucket)s, %(rate)s, %(burst)s, %(burst)s)
    ON CONFLICT (bucket) DO UPDATE SET
        burst = excluded.burst, updated_at = clock_timestamp(),
        tokens = least(excluded.burst, b.tokens
            + b.rate * extract(epoch FROM greatest(clock_timestamp() - b.updated_at, interval '0'))::float8)
    RETURNING tokens, rate
"""


class Buckets:
    """Use it as a context: it keeps one database connection, opened when the first token is taken."""

    def __init__(self, connect: Callable[[], psycopg.Connection[Any]]) -> None:
        self._connect = connect
        self._connection: psycopg.Connection[Any] | None = None

    def __enter__(self) -> Buckets:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def take(self, bucket: str, rate: float, burst: float) -> float:
        """0.0 when a token was taken, else the seconds until there is one. `rate` (a second) counts for a new bucket only: what
        the service said since is better."""
        connection = self._open()
        with connection.transaction():
            row = connection.execute(_FILL, {"bucket": bucket, "rate": rate, "burst": burst}).fetchone()
            tokens, allowed = (float(row[0]), float(row[1])) if row else (burst, rate)
            if tokens < 1:
                return (1 - tokens) / allowed
            connection.execute(b"UPDATE rate_limits SET tokens = tokens - 1 WHERE bucket = %s", [bucket])
        return 0.0

    def correct(self, bucket: str, rate: float) -> None:
        """The service said how many it allows a second."""
        self._open().execute(b"UPDATE rate_limits SET rate = %s WHERE bucket = %s AND rate <> %s", [rate, bucket, rate])

    def empty(self, bucket: str) -> None:
        """The service said that it was asked too often: everybody waits for the next token."""
        self._open().execute(
            b"UPDATE rate_limits SET tokens = least(tokens, 0), updated_at = clock_timestamp() WHERE bucket = %s", [bucket]
        )

    def _open(self) -> psycopg.Connection[Any]:
        if self._connection is None:
            self._connection = self._connect()
            self._connection.autocommit = True
        return self._connection
