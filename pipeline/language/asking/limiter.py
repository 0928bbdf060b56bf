"""How many calls are under way at once: one more after each 20 that succeed, half as many after a 429 (AIMD)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_STEP = 20


class Limiter:
    """Gives each call its turn."""

    def __init__(self, start: int = 4, most: int = 16) -> None:
        self.limit, self._most = start, most
        self._busy = self._succeeded = self.round = 0
        self._first: deque[asyncio.Future[None]] = deque()
        self._others: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def turn(self, *, first: bool = False) -> AsyncIterator[int]:
        """Around a call; gives the round that `overloaded` wants to know. `first`: before those that wait and are not."""
        while self._busy >= self.limit:
            turn = asyncio.get_running_loop().create_future()
            (self._first if first else self._others).append(turn)
            await turn
        self._busy += 1
        try:
            yield self.round
        finally:
            self._busy -= 1
            self._wake()

    def succeeded(self) -> None:
        self._succeeded += 1
        if self._succeeded % _STEP == 0 and self.limit < self._most:
            self.limit += 1

    def overloaded(self, begun_in: int) -> None:
        """Halve; calls that had begun before the last halving say nothing new."""
        if begun_in == self.round:
            self.limit, self.round, self._succeeded = max(1, self.limit // 2), self.round + 1, 0

    def _wake(self) -> None:
        free = self.limit - self._busy
        while (waiting := self._first or self._others) and free > 0:
            turn = waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                free -= 1
