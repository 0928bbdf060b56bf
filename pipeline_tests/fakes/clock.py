"""A clock that tests move. Servers, ledgers and buckets of a test read the same one."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone


class Clock:
    def __init__(self, start: datetime = datetime(2026, 11, 26, 9, 0, tzinfo=timezone.utc)) -> None:
        self._now = start

    def now(self) -> datetime:
        return self._now

    def seconds(self) -> float:
        return self._now.timestamp()

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
