"""Asking a model for the texts of plans: packs in parallel, each answer judged by the guards and recorded as it arrives.

A pack that the server or the model refuses as a whole is halved until the text that is to blame is alone; that one is set aside
with its reason, and the others go on. So is a pack at which the server fails or hangs up; that text is left for the next run. A
text whose answer fails the guards is asked once more with the problems named, by the next run if this one ends before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

from pipeline.language.asking.asker import Asker, halves
from pipeline.language.asking.batches import read
from pipeline.language.asking.client import Reply
from pipeline.language.asking.results import Status, record
from pipeline.language.translation import prompts
from pipeline.language.translation.batch_plans import Received
from pipeline.language.translation.plan import Item, Plan, first_numbers, packs
from pipeline.language.translation.segments import Result

#: Called with (texts done, texts in all) whenever some are done; what it raises stops the work after the calls under way.
Progress = Callable[[int, int], None]
#: So many judged texts are enough to say that a model cannot do it: then nothing more is paid for.
_ENOUGH, _WORST_SHARE = 100, 0.4


@dataclass(frozen=True)
class Work:
    """What came of it. `stopped` says why texts were left out, which stay for the next run; `silent` how the model failed to
    answer the last text that has no answer. `received` texts were answered by batches. `unusable`: nobody will be answered before
    the settings of the model are changed, as `stopped` says."""

    accepted: int
    rejected: int
    quarantined: int
    pending: int
    calls: int
    stopped: str | None
    silent: str | None = None
    received: int = 0
    unusable: bool = False


@dataclass
class _Judged:
    """One reply: texts to ask for again because of the guards, and texts that it left out."""

    again: list[Item] = field(default_factory=list)
    missing: list[Item] = field(default_factory=list)


def part(progress: Progress, before: int, size: int, total: int) -> Progress:
    """The progress of a whole, told by that of a part: `size` of `total`, after `before` that are done."""
    return lambda done, of: progress(before + (size * done // of if of else 0), total)


async def translate(asker: Asker, plans: Sequence[Plan], progress: Progress, received: Sequence[Received] = ()) -> Work:
    """Ask for every item of the plans, read what batches answered, and put the results into the plans."""
    worker = _Worker(asker, plans, progress, sum(len(each.items) for each in received))
    jobs = [worker.receive(each) for each in received]
    jobs += [worker.pack(pack) for plan in plans for pack in packs(plan.items)]
    await _all(jobs)
    if worker.failure is not None:
        raise worker.failure
    counts = (worker.accepted, worker.rejected, worker.quarantined, worker.pending)
    read_ = sum(len(each.items) for each in received)
    return Work(*counts, asker.calls, asker.stopped, worker.silent, read_, asker.unusable)


async def _all(jobs: Iterable[object]) -> None:
    """Wait for all, also when one fails: a call under way is paid, so its answer is recorded."""
    ended = await asyncio.gather(*jobs, return_exceptions=True)  # type: ignore[call-overload]
    for result in ended:
        if isinstance(result, BaseException):
            raise result


class _Worker:
    def __init__(self, asker: Asker, plans: Sequence[Plan], progress: Progress, more: int) -> None:
        self.asker, self._progress = asker, progress
        self._plans = {id(plan.pair): plan for plan in plans}
        self._engine = f"model:{asker.client.endpoint.model}"
        self._total = sum(len(plan.items) for plan in plans) + more
        self.accepted = self.rejected = self.quarantined = self.pending = 0
        self.silent: str | None = None
        self.failure: BaseException | None = None

    async def pack(self, items: list[Item], *, last: bool = False, room: int = 1, part: bool = False) -> None:
        """Ask for some items. `last`: what is wrong with the answer now is final. `part`: of a pack that got no answer."""
        pair = items[0].pair
        prompt = prompts.translation([item.ask for item in items], pair.source_locale, pair.target_locale, room)
        numbers = first_numbers(items)
        judge = partial(self._judge, items, numbers, last=last)
        reply, judged = await self.asker.ask(prompt, judge, texts=len(items), part=part)
        await self._follow(items, reply, judged, last, room)

    async def receive(self, received: Received) -> None:
        """Read an answer that is there and paid."""
        with self.asker.connection.transaction():
            judged = self._judge(received.items, received.numbers, received.answer.reply, last=False)
            read(self.asker.connection, received.answer, {item.question.key for item in received.items})
        await self._follow(received.items, received.answer.reply, judged, False, 1)

    async def _follow(self, items: list[Item], reply: Reply, judged: _Judged | None, last: bool, room: int) -> None:
        """Ask again for what is not good."""
        if judged is None and reply.in_doubt and len(items) > 1 and self.asker.stopped is None:
            await _all(self.pack(half, last=last, room=room, part=True) for half in halves(items))
        elif judged is None:
            if self.asker.stopped is None:
                self.silent = f"the model did not answer ({reply.detail}); run it again"
            self._leave(items, self.asker.stopped or self.silent or "")
        elif reply.kind == "ok":
            more = [self.pack(items, last=True) for items in packs(judged.again)]
            await _all([*more, *self._smaller(judged.missing, len(items), last)])
        elif not last or len(items) > 1:
            await _all(self._smaller(items, len(items), last, room=2 if reply.kind == "truncated" else room))
        self._report()

    def _smaller(self, items: list[Item], of: int, last: bool, room: int = 1) -> list[object]:
        """Halves of a pack, or a single text once more and for the last time."""
        if not items:
            return []
        if of == 1:
            return [self.pack(items, last=True, room=room)]
        return [self.pack(half, last=last, room=room) for half in halves(items)]

    def _judge(self, items: list[Item], numbers: list[int], reply: Reply, *, last: bool) -> _Judged:
        """Record what is final of a reply, whose texts have `numbers`; in the transaction that settles its call."""
        judged = _Judged()
        if reply.kind != "ok":
            if last and len(items) == 1:
                self._final(items[0], "quarantined", {}, [f"the model gave no answer twice: {reply.detail}"])
            return judged
        try:
            texts = prompts.texts_of(reply.value)
        except ValueError:
            texts = {}
        for item, first in zip(items, numbers, strict=True):
            answer = {form: texts[number] for number, form in enumerate(item.wanted, first) if number in texts}
            if len(answer) < len(item.wanted):
                if last and len(items) == 1:
                    self._final(item, "quarantined", answer, ["the model left it out of its answer twice"])
                else:
                    judged.missing.append(item)
                continue
            problems = item.check(answer)
            if not problems:
                self._final(item, "accepted", answer, [])
            elif last or item.rejected:
                self._final(item, "rejected", answer, problems)
            else:
                self._record(item, "refused", answer, problems)
                item.rejected, item.problems = answer, problems
                judged.again.append(item)
        return judged

    def _final(self, item: Item, status: Status, answer: dict[str, str], problems: list[str]) -> None:
        self._record(item, status, answer, problems)
        setattr(self, status, getattr(self, status) + 1)
        results = self._plans[id(item.pair)].results
        if status == "accepted":
            for index, result in item.results(answer, self._engine):
                results[index] = result
        else:
            for use in item.uses:
                results[use.index] = Result("untranslated", self._engine, problems=tuple(problems))
        judged = self.accepted + self.rejected + self.quarantined
        if judged >= _ENOUGH and (judged - self.accepted) / judged > _WORST_SHARE and self.asker.stopped is None:
            self.asker.stopped = (
                f"the model {self.asker.client.endpoint.model} got {judged - self.accepted} of {judged} texts wrong; "
                "nothing more is paid for it in this run, try another model"
            )

    def _record(self, item: Item, status: Status, answer: dict[str, str], problems: list[str]) -> None:
        question, piece = item.question, item.piece
        record(self.asker.connection, item.pair.store_id, question, status, answer, problems, self._engine, piece=piece)

    def _leave(self, items: list[Item], why: str) -> None:
        self.pending += len(items)
        for item in items:
            for use in item.uses:
                self._plans[id(item.pair)].results[use.index] = Result("untranslated", "none", problems=(why,))

    def _report(self) -> None:
        done = self.accepted + self.rejected + self.quarantined + self.pending
        try:
            self._progress(done, self._total)
        except BaseException as error:  # the run was canceled; raised again when the calls under way are recorded
            self.failure = self.failure or error
            self.asker.stopped = self.asker.stopped or "the run was canceled"
