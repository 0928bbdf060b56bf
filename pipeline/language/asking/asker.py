"""Asking a model within a budget: each attempt is reserved before it leaves and settled with its record; retries, waits, and
fewer calls at once when the server is busy. What is left of a budget may be reserved by calls under way, which cost less in the
end: then the next one waits for them.

Three moments matter if the process is killed. After the reservation: it counts as spent. After the reply: so does it, and the
question will be asked again. After the record: the answer is there, and so is its real cost, since both are one transaction.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import psycopg

from pipeline.language.asking.client import ModelClient, Prompt, Reply
from pipeline.language.asking.ledger import Account, BudgetExhausted, Reservation, release, reserve, settle
from pipeline.language.asking.limiter import Limiter
from pipeline.language.asking.prices import FREE, Price, Usage, price_of
from pipeline.model.errors import UsageError
from pipeline.platform.points import point
from pipeline.settings import ModelEndpoint

MAX_ATTEMPTS = 5
#: A server that wants a longer pause is left alone; the texts stay for the next run.
MAX_WAIT_SECONDS = 120.0
_MAX_LOST = 2
#: How long the silence is after which nothing more is asked in this run: three questions in a row, each tried to the end, which
#: are two apiece. A part of a question that got no answer is tried once, which is one.
_GIVE_UP, _QUESTION, _PART = 6, 2, 1
#: Answers in a row that are no JSON, after which it is asked for in a simpler way.
_DEGRADE = 3
_NO_ANSWER = ("overloaded", "lost", "unsupported", "unusable")
_Judged = TypeVar("_Judged")
_Text = TypeVar("_Text")


@dataclass
class Asker:
    """Asks questions of one account over one client. `connection` is in autocommit mode and used by nothing else meanwhile."""

    client: ModelClient
    connection: psycopg.Connection[Any]
    account: Account
    price: Price
    task: str
    limiter: Limiter = field(default_factory=Limiter)
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    calls: int = 0
    stopped: str | None = None  # why nothing more is asked
    unusable: bool = False  # because no call can succeed: somebody has to change the settings
    _silent: int = 0
    _silence: str = ""  # how the last question was not answered
    _invalid: int = 0
    _under_way: set[int] = field(default_factory=set)  # calls that are reserved and not closed
    _before: set[int] = field(default_factory=set)  # those that were when the silence began
    _closed: asyncio.Event = field(default_factory=asyncio.Event)
    _paying: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def ask(
        self, prompt: Prompt, judge: Callable[[Reply], _Judged], *, texts: int = 1, part: bool = False
    ) -> tuple[Reply, _Judged | None]:
        """The reply, and what `judge` made of it: `judge` runs in the transaction that settles the call and records there.

        It is not called, and None is returned, when there is no answer; `stopped` then may say that there will be none. If not,
        and the reply is `in_doubt`, one of several `texts` may be to blame: ask for each of the `halves`, as a `part`. Parts go
        before other questions, because they tell whether the server is dead, and those of several texts are tried once.
        """
        reply = Reply("overloaded", detail="not asked")
        lost = attempt = 0
        once = part and texts > 1
        while attempt < MAX_ATTEMPTS and self.stopped is None:
            async with self.limiter.turn(first=part) as begun_in:
                reservation = await self._reserve(prompt)
                if reservation is None:
                    break
                try:
                    point("llm_reserved")
                    reply = await self.client.ask(prompt)
                    point("llm_replied_unsaved")
                    judged = self._close(prompt, reply, reservation, judge)
                    if reply.kind not in _NO_ANSWER:
                        self._silent = 0
                finally:
                    self._under_way.discard(reservation.call_id)
                    self._closed.set()
                if reply.kind == "overloaded":
                    self.limiter.overloaded(begun_in)
            if reply.kind == "unsupported":  # asked differently the next time; each way is refused once
                continue
            if reply.kind == "unusable":
                self.stopped, self.unusable = reply.detail, True
            elif reply.kind in ("overloaded", "lost"):
                attempt, lost = attempt + 1, lost + (reply.kind == "lost")
                wait = self._wait(reply, attempt)
                if lost >= _MAX_LOST or wait > MAX_WAIT_SECONDS or (once and reply.in_doubt):
                    break
                if attempt < MAX_ATTEMPTS:
                    await self.pause(wait)
            else:
                self._watch(reply)
                return reply, judged
        if self.stopped is None and (part or texts == 1 or not reply.in_doubt):  # else its parts will tell
            if self._silent == 0:
                self._before = set(self._under_way)
            self._silent, self._silence = self._silent + (_PART if once else _QUESTION), reply.detail
            self._may_go_on()
        return reply, None

    async def _reserve(self, prompt: Prompt) -> Reservation | None:
        """None when nothing more is asked: another reason came up meanwhile, or a budget is at its end. That is so only when no
        call of ours is under way: each of them holds its worst case and gives back what it does not cost."""
        worst = self.price.most(prompt.most_tokens, prompt.max_tokens)
        async with self._paying:
            while True:
                self._closed.clear()
                if self._may_go_on():
                    try:
                        found = reserve(self.connection, self.account, worst, task=self.task, model=self.client.endpoint.model)
                    except BudgetExhausted as error:
                        if not self._under_way:
                            self.stopped = str(error)
                    else:
                        self.calls += 1
                        self._under_way.add(found.call_id)
                        return found
                if self.stopped is not None:
                    return None
                await self._closed.wait()

    def _may_go_on(self) -> bool:
        """Not in a long silence. A server is dead and given up when also the calls have ended that were under way when it began:
        it may be slow with good texts and fail at once at others."""
        if self._silent >= _GIVE_UP and self.stopped is None and self._before.isdisjoint(self._under_way):
            self.stopped = f"the model does not answer ({self._silence}); run it again later"
        return self.stopped is None and self._silent < _GIVE_UP

    def _close(self, prompt: Prompt, reply: Reply, reservation: Reservation, judge: Callable[[Reply], _Judged]) -> _Judged | None:
        with self.connection.transaction():
            if reply.kind in ("overloaded", "unsupported", "unusable") or (reply.kind == "bad_request" and reply.usage is None):
                release(self.connection, reservation, reply.detail or reply.kind)
                return judge(reply) if reply.kind == "bad_request" else None
            if reply.kind == "lost":
                usage = Usage(prompt.most_tokens, prompt.max_tokens, estimated=True)
                settle(self.connection, reservation, reservation.usd_micro, usage, reply.detail)
                return None
            usage = reply.usage or Usage(prompt.most_tokens, prompt.max_tokens, estimated=True)
            judged = judge(reply)
            cost = self.price.cost(usage) if reply.usage else reservation.usd_micro
            settle(self.connection, reservation, cost, usage, reply.kind)
            return judged

    def _watch(self, reply: Reply) -> None:
        """Answers that are no JSON, again and again, mean that the server does not enforce what it was asked for."""
        self._invalid = self._invalid + 1 if reply.kind == "invalid" else 0
        if self._invalid >= _DEGRADE:
            self.client.degrade(self.client.mode)
            self._invalid = 0
        if reply.kind == "ok":
            self.limiter.succeeded()

    def _wait(self, reply: Reply, attempt: int) -> float:
        if reply.retry_after is not None:
            return reply.retry_after
        return min(30.0, 0.5 * 2.0**attempt) * random.uniform(0.75, 1.25)  # noqa: S311 -- spreads retries, guards nothing


def halves(texts: Sequence[_Text]) -> list[list[_Text]]:
    """One of them for a single text, none for none."""
    middle = (len(texts) + 1) // 2
    return [list(half) for half in (texts[:middle], texts[middle:]) if half]


def endpoint_price(endpoint: ModelEndpoint, today: date, own_file: Path) -> Price:
    """The price of the configured model; a model on this machine is free. Raises UsageError when it is not known, because a
    budget cannot be kept without one."""
    found = price_of(endpoint.model, today, own_file)
    if found is not None:
        return found
    if endpoint.local:
        return FREE
    raise UsageError(
        f"the price of the model {endpoint.model} is not known, so no budget can be kept; add it to {own_file}, like: "
        f"models: {{{endpoint.model}: [{{from: 2026-01-01, input: 0.10, cached: 0.01, cache_write: 0.125, output: 0.50}}]}}"
    )
