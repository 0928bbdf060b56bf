"""A clock that tests move. Servers, ledgers and buckets of a test read the same one."""

from __future__ import annotations

import json
import urllib.request
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


class RemoteClock(Clock):
    """The clock of a fake in another process."""

    def __init__(self, url: str) -> None:
        self._url = url

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._ask("GET", "now"), timezone.utc)

    def seconds(self) -> float:
        return self._ask("GET", "now")

    def advance(self, seconds: float) -> None:
        self._ask("POST", f"advance/{seconds}")

    def _ask(self, method: str, what: str) -> float:
        request = urllib.request.Request(f"{self._url}/ctl/{what}", method=method)  # noqa: S310 (this machine)
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return float(json.loads(answer.read()))
