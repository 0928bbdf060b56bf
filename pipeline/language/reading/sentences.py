"""Where sentences and clauses of a text end; whatever reads a text piece by piece takes the pieces from here.

A stop with white space behind it ends a sentence, together with the quotation marks and brackets that close there. So does a
stop of Chinese or Japanese, a line break, and the sign of an item of a list. The period of a shortening (`words/shortened.yaml`),
a single letter ("z. B."), a day or an ordinal ("3. Mai"), or the number of an item ("1. Rinse") ends none.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache, lru_cache

from pipeline.language.reading.wording import bounded, fold, instructs, lists, visible, words

#: What no clause goes beyond, for patterns that look on from a word of a folded text: without its capitals a
#: shortening is not told from the end of a sentence.
CLAUSE_END = r"[.!?…。！？;:\n|•●▪◦✔✓]|\s[-–—]\s"
_CLOSED = r"(?:(?:[\"'”’“»›)\]}*_]|[ \u00a0\u202f]»)[.!?…]*)*"
_END = rf"(?P<stop>[.!?…]+)(?P<closed>{_CLOSED})(?P<space>[^\S\n]*)|(?P<full>[。！？]+[」』）”\"]*)|\n|[•●▪◦✔✓]"
_ENDS = re.compile(_END)
_ENDS_OR_DASHES = re.compile(rf"{_END}|\s[-–—](?=\s)")
_INSIDE = re.compile(r"[:;](?=\s)|[；：]|\s[-–—|](?=\s)")
_WORD = re.compile(r"(?P<number>\d\s?|/)?(?P<word>[^\W\d_]+(?:['’][^\W\d_]+)*)$")
_ORDINAL = re.compile(r"(?:^|(?<!\w)(?:der|die|das|dem|den|des|im|am|zum|zur|vom)\s)\d{1,2}$", re.IGNORECASE)
_DAY = re.compile(r"(?<![\w.,])\d{1,2}$")
_LONGEST_UNIT, _LOOKED_BACK = 3, 40
_INITIAL = re.compile(r"(?:^|\.\s?|(?<!\w)(?:by|von|par|por)\s)[^\W\d_]$", re.IGNORECASE)
_HALF_OF_DAY = re.compile(r"(?<![^\W\d_])[ap]\.?\s?m$", re.IGNORECASE)


def sentences(text: str) -> list[str]:
    """The sentences, lines and items of a text."""
    return [text[start:end] for start, end in spans(text, 0, len(text))]


def clauses(text: str) -> list[str]:
    """Its sentences, parted at colons, semicolons, dashes and bars as well. What is in brackets belongs to what stands before."""
    return [clause.strip() for sentence in sentences(text) for clause in _INSIDE.split(sentence) if clause.strip()]


@lru_cache(maxsize=4)  # of one pair, for all who compare it
def side_by_side(source: str, target: str) -> Sequence[tuple[str, str]]:
    """The sentences of a text and its translation; the whole texts where one has more."""
    before, after = sentences(source), sentences(target)
    return tuple(zip(before, after, strict=True)) if len(before) == len(after) else ((source, target),)


def plain_sentences(text: str) -> str:
    """`text` without what instructs a machine: what that names is no fact of the product."""
    if instructs(text) is None:
        return visible(text)
    return " ".join(one for one in sentences(visible(text)) if instructs(one) is None)


def spans(text: str, start: int, end: int, *, dashes: bool = False) -> Iterator[tuple[int, int]]:
    """(start, end) of the sentences between two places of a text. `dashes` end one too: a remark may stand between them."""
    for match in (_ENDS_OR_DASHES if dashes else _ENDS).finditer(text, start, end):
        if match["stop"] and _goes_on(text, start, match, end):
            continue
        yield from _trimmed(text, start, match.end() if match["stop"] or match["full"] else match.start())
        start = match.end()
    yield from _trimmed(text, start, end)


def _trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    if said := text[start:end].strip():
        start = text.index(said, start)
        yield start, start + len(said)


def _goes_on(text: str, start: int, stop: re.Match[str], end: int) -> bool:
    """Whether the sentence that begins at `start` does not end with a stop."""
    if not stop["space"] and stop.end() < end and text[stop.end()] != "\n":
        return True  # 2.5
    following = text[stop.end() : min(end, stop.end() + 12)]
    small = following[:1].islower()
    if stop["closed"] or stop["stop"] != ".":
        return small and (bool(stop["closed"]) or stop["stop"] in ("...", "…"))  # "Wow!" she says
    said = text[max(start, stop.start() - _LOOKED_BACK) : stop.start()].lstrip()
    last = _WORD.search(said)
    if last is None:
        return bool(_ORDINAL.search(said) or (_DAY.search(said) and (small or _month().match(following))))
    word = last["word"]
    kind = _shortened().get(fold(word), "")
    if last["number"] and kind == "unit":
        first = re.match(r"[^\W\d_]+", following)
        return first is None or fold(first[0]) not in _small_words()  # 24 Std. Laufzeit
    if _HALF_OF_DAY.search(said) or (last["number"] and len(word) <= _LONGEST_UNIT):
        return small  # 12 in. wide
    if len(word) == 1:
        return word.islower() or _INITIAL.search(said) is not None
    return (
        kind == "followed" or (kind == "numbered" and (small or following[:1].isdigit())) or (kind in ("last", "unit") and small)
    )


@cache
def _month() -> re.Pattern[str]:
    """After the day, as German writes it, also in digits."""
    return re.compile(rf"(?i){bounded('|'.join(map(str, lists('dates')['months']['de'])))}|\d{{1,2}}\.(?!\d)")


@cache
def _small_words() -> Collection[str]:
    """With which a sentence may begin, and what is counted does not."""
    return frozenset(fold(word) for word in words(lists("tongues")["common"]["de"]))


@cache
def _shortened() -> Mapping[str, str]:
    """Shortening -> when the sentence goes on after it."""
    return {word: kind for kind, listed in lists("shortened").items() for word in words(listed)}
