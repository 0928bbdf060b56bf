"""What must be asked: texts resolved without a model where that is possible, the rest deduplicated, packed and estimated.

Order: nothing to translate; people's translation for this place, then from elsewhere; the glossary; an answer that a model gave
before. Every one of them is judged by the guards of today, so that a changed glossary is obeyed by old translations too. A text
that speaks to machines is never shown to one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any
from uuid import UUID

import psycopg

from pipeline.language.asking.prices import Price
from pipeline.language.asking.results import Question, Recorded
from pipeline.language.asking.results import recall as recall_answers
from pipeline.language.reading.disguises import unsmuggled
from pipeline.language.reading.orders import instructs, unseen
from pipeline.language.translation import guards, prompts
from pipeline.language.translation.apart import Apart, apart
from pipeline.language.translation.glossary import Glossary, whole
from pipeline.language.translation.masks import Masked, has_letters, mask
from pipeline.language.translation.memory import Remembered, text_hash
from pipeline.language.translation.memory import recall as recall_people
from pipeline.language.translation.segments import Result, Segment, tidy
from pipeline.language.translation.similar import Examples

#: A request has at most so many texts and source characters: enough to make calls few, few enough to lose little with one.
PACK_TEXTS = 40
PACK_CHARACTERS = 6_000
_CHARACTERS_PER_TOKEN = 3.5
REVIEW = "a model translated it, and people look before it is used (review_translations)"


@dataclass(frozen=True)
class Pair:
    """A store's texts from one language into another. `task` keeps the answers of different prompts apart."""

    store_id: UUID
    task: str
    source_locale: str
    target_locale: str
    glossary: Glossary
    model: str | None  # None: nobody to ask
    nobody: str = "no model is configured, and neither memory nor glossary has it"  # why not
    used: Collection[str] = ()  # all languages that the store uses such texts in
    by_hand: str = ""  # the command that people begin with who translate what no model may see
    review: bool = False  # what a model says waits for people


@dataclass(frozen=True)
class Use:
    """A segment (by index) that waits for a text, with what its own tokens stand for. `piece`: it is one of a text in pieces."""

    index: int
    segment: Segment
    masked: Masked
    piece: bool = False


@dataclass
class Item:
    """One distinct text to ask for; its uses differ only in what is masked. `rejected` is the answer before, if asked again."""

    pair: Pair
    question: Question
    wanted: tuple[str, ...]
    terms: dict[str, str]
    uses: list[Use] = field(default_factory=list)
    rejected: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    similar: tuple[tuple[str, str], ...] = ()

    @property
    def ask(self) -> prompts.Ask:
        first = self.uses[0]
        return prompts.Ask(first.segment, first.masked, self.wanted, self.terms, self.rejected, self.problems, self.similar)

    @property
    def alone(self) -> bool:
        return any(use.segment.alone for use in self.uses)

    @property
    def piece(self) -> bool:
        """Whether no text is this one as a whole."""
        return all(use.piece for use in self.uses)

    @property
    def origin(self) -> str:
        return self.uses[0].segment.origin

    @property
    def characters(self) -> int:
        return sum(map(len, self.uses[0].masked.forms.values()))

    def check(self, answer: Mapping[str, str]) -> list[str]:
        """What is wrong with an answer, whose texts have tokens, for one use of each kind: a word may stand beside a
        placeholder where it may not beside an address."""
        judged = {use.masked.kinds: use for use in reversed(self.uses)} if len(self.uses) > 1 else {(): self.uses[0]}
        return next(filter(None, (self._forms(answer, use)[1] for use in reversed(judged.values()))), [])

    def results(self, answer: Mapping[str, str], engine: str) -> Iterator[tuple[int, Result]]:
        """A result for each use, judged for itself: limits may differ."""
        for use in self.uses:
            forms, problems = self._forms(answer, use)
            state = "untranslated" if problems else "translated"
            yield use.index, Result(state, engine, {} if problems else forms, tuple(problems))

    def _forms(self, answer: Mapping[str, str], use: Use) -> tuple[dict[str, str], list[str]]:
        locale = self.pair.target_locale
        try:
            forms = {
                form: tidy(use.segment.references(form, locale)[-1], use.masked.unmask(answer.get(form, "")))
                for form in self.wanted
            }
        except ValueError as error:
            return {}, [str(error)]
        forms = {form: tidy(use.segment.references(form, locale)[-1], text) for form, text in forms.items()}
        return forms, guards.check(use.segment, forms, self.pair.source_locale, locale, self.pair.glossary)


@dataclass(frozen=True)
class InPieces:
    """A text that is translated in pieces, whose results begin at `first`. `question` names the text as a whole, which is never
    asked for, `questions` name the pieces."""

    apart: Apart
    first: int
    question: Question
    questions: Sequence[Question]

    @property
    def places(self) -> range:
        """Where the results of the pieces are."""
        return range(self.first, self.first + len(self.apart.pieces))


@dataclass
class Plan:
    """`results` has one place a segment, empty where an item still has to be asked for. Those of texts that are translated in
    pieces (by index) come from `finished`."""

    pair: Pair
    segments: Sequence[Segment]
    results: list[Result | None]
    items: list[Item]
    pieces: Mapping[int, InPieces] = field(default_factory=dict)

    @property
    def texts(self) -> int:
        """How many texts its items are of: one in pieces is one."""
        open_ = {use.index for item in self.items for use in item.uses}
        return sum(not item.piece for item in self.items) + sum(
            not open_.isdisjoint(one.places) and one.apart.rest is not None for one in self.pieces.values()
        )

    def finished(self) -> list[Result | None]:
        """One result a segment, empty where it was not asked for or not answered."""
        found = self.results[: len(self.segments)]
        for index, one in self.pieces.items():
            found[index] = self.joined(one)
        return [self._for_people(result) for result in found] if self.pair.review else found

    def joined(self, one: InPieces) -> Result | None:
        """A text in pieces, judged as a whole, before people look at it; None while a piece is open."""
        joined = one.apart.joined([self.results[place] for place in one.places])
        if joined is None or joined.state != "translated":
            return joined
        locales = self.pair.source_locale, self.pair.target_locale
        problems = guards.check(one.apart.segment, joined.forms, *locales, self.pair.glossary, meaning=False)
        refused = Result("untranslated", joined.engine, problems=tuple(problems), unused=joined.forms)
        return refused if problems else joined

    def _for_people(self, result: Result | None) -> Result | None:
        if result is None or result.state != "translated" or not result.engine.startswith("model:"):
            return result
        return Result("untranslated", result.engine, problems=(REVIEW + _command(self.pair),), unused=result.forms)


@dataclass(frozen=True)
class Estimate:
    """What asking would take: `usd_micro` is expected, `most_usd_micro` would be reserved; None without a model."""

    texts: int
    calls: int
    tokens_in: int
    tokens_out: int
    usd_micro: int | None
    most_usd_micro: int | None


def make_plan(connection: psycopg.Connection[Any], pair: Pair, segments: Sequence[Segment], *, again: bool = False) -> Plan:
    """Resolve what can be. `again`: ask once more for what a model could not do before."""
    items = _Questions(pair)
    results = _resolved(connection, pair, segments)
    pieces = dict[int, InPieces]()
    asked = list(segments)
    for index, segment in enumerate(segments):
        if results[index] is None and (parts := apart(segment)) is not None:
            questions = [items.question(each)[0] for each in (segment, *parts.pieces)]
            pieces[index] = InPieces(parts, len(asked), questions[0], questions[1:])
            asked += parts.pieces
    results += _resolved(connection, pair, asked[len(segments) :])
    of_several = {place for one in pieces.values() if one.apart.rest is not None for place in one.places}
    for index, segment in enumerate(asked):
        if results[index] is None and index not in pieces and not items.add(index, segment, piece=index in of_several):
            results[index] = _copied(pair, segment)
    hashes = [item.question.source_hash for item in items]
    recorded = recall_answers(connection, pair.store_id, pair.task, pair.source_locale, pair.target_locale, hashes)
    left = []
    for item in items:
        known = recorded.get(item.question.source_hash, [])
        found = dict(_answered(item, known, again))
        if not found and pair.model is None:
            refused = _refused(item, known)
            found = {
                use.index: Result("untranslated", "none", problems=(pair.nobody,), unused=refused.get(use.index, {}))
                for use in item.uses
            }
        for index, result in found.items():
            results[index] = result
        if not found:
            left.append(item)
    if left:
        examples = Examples.read(connection, pair.store_id, pair.source_locale, pair.target_locale)
        for item in left:
            item.similar = examples.like(item.uses[0].segment.forms.values(), item.origin)
    return Plan(pair, segments, results, left, pieces)


def packs(items: Iterable[Item]) -> list[list[Item]]:
    """Items of one pair in requests of a good size: those of an origin together, and each one by itself that is to be alone."""
    found: list[list[Item]] = []
    texts = characters = 0
    for item in sorted(items, key=lambda item: (item.alone, item.origin)):
        texts, characters = texts + len(item.wanted), characters + item.characters
        more = texts > PACK_TEXTS or characters > PACK_CHARACTERS
        if not found or more or item.alone or item.origin != found[-1][0].origin:
            found.append([])
            texts, characters = len(item.wanted), item.characters
        found[-1].append(item)
    return found


def first_numbers(items: Sequence[Item]) -> list[int]:
    """The number that each item's first text has in a request, see `prompts.numbered`."""
    return list(accumulate((len(item.wanted) for item in items[:-1]), initial=1))


def estimate(plans: Iterable[Plan], price: Price | None) -> Estimate:
    """For all items of some plans, without asking anybody."""
    texts = calls = tokens_in = tokens_out = worst = 0
    for plan in plans:
        texts += plan.texts
        for pack in packs(plan.items):
            prompt = prompts.translation([item.ask for item in pack], plan.pair.source_locale, plan.pair.target_locale)
            answer = sum(len(item.wanted) * 12 + item.characters / 2.5 for item in pack)
            calls, tokens_out = calls + 1, tokens_out + round(answer)
            tokens_in += round(len(prompt.instructions + prompt.content) / _CHARACTERS_PER_TOKEN)
            worst += price.most(prompt.most_tokens, prompt.max_tokens) if price else 0
    expected = price.most(tokens_in, tokens_out) if price else None
    return Estimate(texts, calls, tokens_in, tokens_out, expected, worst if price else None)


class _Questions:
    """Distinct texts of each origin, in order of first appearance. The same text with other placeholders is the same question."""

    def __init__(self, pair: Pair) -> None:
        self._pair = pair
        self._found: dict[tuple[str, int | None], Item] = {}
        self._kept = pair.glossary.kept(pair.target_locale)

    def __iter__(self) -> Iterator[Item]:
        return iter(self._found.values())

    def add(self, index: int, segment: Segment, *, piece: bool) -> bool:
        """False if nothing is left to translate beside what stays as it is."""
        question, masked, terms = self.question(segment)
        if not any(map(has_letters, masked.forms.values())):
            return False
        place = question.source_hash, segment.max_length
        if place not in self._found:
            self._found[place] = Item(self._pair, question, segment.wanted(self._pair.target_locale), terms)
        self._found[place].uses.append(Use(index, segment, masked, piece))
        return True

    def question(self, segment: Segment) -> tuple[Question, Masked, dict[str, str]]:
        """What identifies a text, the text as it is asked for, and the terms that its answer depends on."""
        pair, wanted = self._pair, segment.wanted(self._pair.target_locale)
        kept = pair.glossary.kept(pair.target_locale, segment.kept) if segment.kept else self._kept
        masked = mask({form: unsmuggled(text) for form, text in segment.forms.items()}, kept)
        # What was answered beside other texts is no answer for a text from elsewhere.
        source_hash = text_hash(masked.forms, wanted, segment.html, *([segment.origin] if segment.origin else []))
        terms = pair.glossary.occurring(" ".join(segment.forms.values()), pair.target_locale)
        parts = [source_hash, pair.task, pair.source_locale, pair.target_locale, pair.model, prompts.VERSION, guards.VERSION]
        key = hashlib.sha256(json.dumps([*parts, segment.max_length, sorted(terms.items())]).encode()).hexdigest()
        return Question(key, source_hash, pair.task, pair.source_locale, pair.target_locale), masked, terms


def _resolved(connection: psycopg.Connection[Any], pair: Pair, segments: Sequence[Segment]) -> list[Result | None]:
    """What needs no question, or may be none."""
    forms = [segment.forms for segment in segments]
    places = recall_people(connection, pair.store_id, pair.source_locale, pair.target_locale, forms, pair.used)
    return [_known(pair, each, places.get(text_hash(each.forms), [])) or _not_shown(each, pair) for each in segments]


def _known(pair: Pair, segment: Segment, remembered: Sequence[Remembered]) -> Result | None:
    """A result that needs neither a model nor its earlier answers."""
    if not any(has_letters(text) for text in segment.forms.values()):
        return _copied(pair, segment)
    for found in sorted(remembered, key=lambda found: found.context != segment.context):
        forms = {form: tidy(segment.references(form, pair.target_locale)[-1], text) for form, text in found.target.items()}
        # What it says was judged when it came in; people may insist.
        if not guards.check(segment, forms, pair.source_locale, pair.target_locale, pair.glossary, meaning=False):
            return Result("translated", "human", forms)
    term = whole(segment.forms, pair.glossary, pair.target_locale)
    if term is not None:
        forms = {form: tidy(text, term) for form, text in segment.forms.items()}
        if not guards.check(segment, forms, pair.source_locale, pair.target_locale, pair.glossary):
            return Result("translated", "glossary", forms)
    return None


def _copied(pair: Pair, segment: Segment) -> Result:
    general = segment.forms.get("other", list(segment.forms.values())[-1])
    return Result("copied", "copy", {form: segment.forms.get(form, general) for form in segment.wanted(pair.target_locale)})


def _not_shown(segment: Segment, pair: Pair) -> Result | None:
    """A text that wants to be obeyed by a machine stays as it is."""
    said = next(filter(None, map(instructs, segment.forms.values())), None)
    if said is None:
        return None
    why = f"it {unseen(said)}; if it is meant for buyers, translate it by hand{_command(pair)}"
    return Result("untranslated", "rules", problems=(why,))


def _command(pair: Pair) -> str:
    return f": {pair.by_hand}" if pair.by_hand else ""


def _answered(item: Item, recorded: Sequence[Recorded], again: bool) -> Iterator[tuple[int, Result]]:
    """Results from what a model said before; none if the question is still open, if for the second time with what was wrong."""
    for row in recorded:
        if row.status == "accepted":
            if not item.check(row.answer):
                yield from item.results(row.answer, row.engine)
                return
        elif row.key == item.question.key and row.status == "refused":
            item.rejected, item.problems = dict(row.answer), list(row.problems)
            return
        elif row.key == item.question.key and not again:
            refused = _refused(item, recorded)
            for use in item.uses:
                problems, answer = tuple(row.problems), refused.get(use.index, {})
                yield use.index, Result("untranslated", row.engine, problems=problems, unused=answer)
            return


def _refused(item: Item, recorded: Sequence[Recorded]) -> dict[int, dict[str, str]]:
    """The newest answer that guards refuse, also those of today, as it would stand in each use; {} without one."""
    for row in recorded:
        if row.status in ("refused", "rejected") and row.answer and item.check(row.answer):
            try:
                return {use.index: {form: use.masked.unmask(text) for form, text in row.answer.items()} for use in item.uses}
            except ValueError:  # it has tokens that were never given
                continue
    return {}
