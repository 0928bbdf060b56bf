"""What a text says that a product is or has not. Words are data (`words/facts.yaml`)."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, pairwise

from pipeline.language.reading.sentences import CLAUSE_END
from pipeline.language.reading.telling import telling, tells
from pipeline.language.reading.wording import WORD, any_of, bounded, fold, folded, lists, neutral, stem, words

_FREE = {
    "en": re.compile(r"(?<!\w)([^\W_]+)[- ]free(?!\w)|(?<!\w)([^\W\d_]{3,})less(?!\w)", re.IGNORECASE),
    "de": re.compile(r"(?<!\w)([^\W_]+)[- ]frei\w{0,2}(?!\w)|(?<!\w)([^\W\d_]{3,})(?:frei|los)(?:e[nrsm]?)?(?!\w)", re.I),
}
#: "Im Freien" and "der Griff liegt frei" deny nothing.
_NOT_FREE = frozenset(
    ("im", "ins", "am", "vom", "zum", "der", "die", "das", "den", "dem", "des", "ist", "liegt", "bleibt", "sind", "und", "ganz",
     "for", "feel")
)  # fmt: skip
#: Where what a negation is of ends: after so many words, or with its clause.
_CLAUSE = re.compile(
    rf"{CLAUSE_END}|[()\[\]{{}}]|,(?!\s*(?:which|that|die|der|das|qui|que)(?!\w))|(?<!\w)(?:but|aber|sondern|mais|pero|sino|weil|because|dank|thanks|while|wahrend|tandis|mientras)(?!\w)"
)
#: And where it begins, if what is denied stands before: "washable and not for dryers".
_BEGIN = re.compile(rf"{_CLAUSE.pattern}|(?<!\w)(?:and|so|or|und|oder|also|et|ou|donc|y|o|asi)(?!\w)")
#: "Seams that do not chafe" are seams.
_RELATIVE = re.compile(r"(?<!\w)(?:that|which|qui|que)(?=\W*$)")
_MOST_WORDS = 8
#: What these are of is the next word alone.
_SHORT = (
    "without", "free of", "free from", "non", "instead of", "ohne", "frei von", "statt", "anstelle von", "sans", "se passe de",
    "se passe d'", "a la place des", "a la place de", "au lieu de", "sin", "libre de", "en lugar de",
)  # fmt: skip
#: Between a negation and what it is of.
_SMALL = frozenset(
    ("be", "is", "are", "it", "this", "any", "se", "le", "la", "les", "un", "une", "ist", "sind", "werden", "suitable",
     "geeignet", "es", "son", "other", "more", "been",
     "contain", "contains", "have", "has", "enthält", "hat", "contient", "contiene", "lleva", "tiene")
)  # fmt: skip


def negated(text: str, languages: Iterable[str]) -> Iterator[tuple[str, str]]:
    """(the stem of what is negated, as written)."""
    text = _without_false_ones(text)
    for language in languages:
        yield from ((stem(match[1] or match[2]), match[0]) for match in _free(text, language))
        for match in _negations(language).finditer(text):
            following = WORD.findall(text[match.end() : match.end() + 60].split(".")[0].split(",")[0])
            content = [word for word in following if fold(word) not in neutral(language) and fold(word) not in _SMALL][:1]
            for word in content:
                yield stem(word), f"{match[0]} {word}"


@dataclass(frozen=True)
class Denial:
    """What a product is or has not, by the stems of telling words: `about` of what is denied (where that comes first, as in "bulb
    not included", of what stands before), `clause` of all around it, which is `shown` as written."""

    about: frozenset[str]
    clause: frozenset[str]
    shown: str


def denials(text: str, languages: Sequence[str]) -> Iterator[Denial]:
    """Each denial of a text, in words such as "not" or "sugar-free". Those without telling words are left out."""
    plain = folded(_without_false_ones(text))
    for language in languages:
        for match in _free(plain.text, language):
            about = frozenset({stem(match[1] or match[2])})
            yield Denial(about, about, plain.shown(*match.span()))
    for start, end in _clauses(plain.text):
        for language in languages:
            found = list(_negations(language).finditer(plain.text, start, end))
            shown = " ".join(plain.shown(start, end).split()) if found else ""
            for before, after in _around(found, plain.text, start, end, languages[0]):
                if before or after:
                    yield Denial(after or before, before | after, shown)


def _around(
    found: Sequence[re.Match[str]], text: str, start: int, end: int, language: str
) -> Iterator[tuple[frozenset[str], frozenset[str]]]:  # fmt: skip
    """The stems of telling words before and after each of some negations of a clause."""
    if not found:
        return
    bounds = [start, *(place for match in found for place in match.span()), end]
    parts = [_stems(text[one:other], language) for one, other in pairwise(bounds)]
    before, after = (list(accumulate(each, _both)) for each in (parts, reversed(parts)))
    yield from zip(before[:-1:2], after[-3::-2], strict=True)


def _both(one: frozenset[str], other: frozenset[str]) -> frozenset[str]:
    return one if other <= one else one | other


def _stems(text: str, language: str) -> frozenset[str]:
    return frozenset(stem(fold(word).rpartition("'")[2]) for word in telling(text, language))


def _free(text: str, language: str) -> Iterator[re.Match[str]]:
    """Words such as "sugar-free" and "cordless"."""
    for match in _FREE[language].finditer(text) if language in _FREE else ():
        word = fold(match[1] or match[2])
        if word not in neutral("en") and word not in _NOT_FREE and fold(match[0]) not in _not_without():
            yield match


def _clauses(text: str) -> Iterator[tuple[int, int]]:
    """(start, end) of the clauses of a folded text."""
    yield from pairwise([0, *(match.end() for match in _CLAUSE.finditer(text)), len(text)])


def implied(text: str) -> Iterator[str]:
    """Stems of what a folded text says is absent without a negation, as "cordless" does."""
    for pattern, absent in _absent():
        if pattern.search(text):
            yield from map(stem, absent)


@dataclass(frozen=True)
class Spans:
    """Parts of a text, which may overlap: where each starts, in order, and how far those that have started by then reach."""

    starts: Sequence[int]
    reach: Sequence[int]

    @classmethod
    def of(cls, found: Iterable[tuple[int, int]]) -> Spans:
        ordered = sorted(found)
        return cls([start for start, _ in ordered], list(accumulate((end for _, end in ordered), max)))

    def meet(self, start: int, end: int) -> bool:
        """Whether one starts before `end` and ends after `start`."""
        started = bisect_left(self.starts, end)
        return started > 0 and start < self.reach[started - 1]

    def cover(self, place: int) -> bool:
        """Whether a place is within one."""
        return self.meet(place, place + 1)

    def go_on_at(self, place: int) -> bool:
        """Whether it is within one, and not where that starts."""
        return self.meet(place, place)


def denied(text: str, languages: Iterable[str], *, whole: bool = False) -> Spans:
    """Where a folded text denies something: from a negation to the end of what it is of; in German, where it may come last, from
    the beginning of its clause. `whole`: in every language the clause from its beginning, but for words such as "without"."""
    text = _without_false_ones(text)
    stops = [*_CLAUSE.finditer(text)]
    starts, ends = [0, *(stop.end() for stop in stops)], [*(stop.start() for stop in stops), len(text)]
    words = [word for clause in zip(starts, ends, strict=True) for word in WORD.finditer(text, *clause)]
    found = []
    for language in languages:
        found_here = _negations(language).finditer(text)
        negations = [match for match in found_here if text[match.end() : match.end() + 1] != "-"]  # no-pull
        if not negations:
            continue
        content = [word.end() for word in words if word[0] not in neutral(language)]
        tell = [word.end() for word in words if tells(word[0], language)]
        for match in negations:
            end = ends[bisect_left(ends, match.end())]
            first, last = bisect_right(content, match.end()), bisect_right(content, end)
            short, determiner = match[0] in _SHORT, (language, match[0]) == ("en", "no")
            following = content[first : min(last, first + ((3 if whole else 1) if short or determiner else _MOST_WORDS))]
            start = match.start()
            tells_on = bisect_right(tell, match.end()) < bisect_right(tell, end)
            # "Ampoule non fournie": what is denied stands before.
            if language == "de" or (whole and not (short and tells_on)):
                before = text[max(0, start - 60) : start]
                given = not determiner and text[end : end + 1] != ":" and _given(language).fullmatch(text, match.end(), end)
                begin = _begin(before, language) if whole and given else _last(_BEGIN, before)
                start -= len(before) - (begin if given else max(begin, _last(_RELATIVE, before)))
            found.append((start, following[-1] if following else match.end()))
    return Spans.of(found)


def _begin(before: str, language: str) -> int:
    """Where what is not included begins: "a bulb is needed and not included", "with a bulb (not included)"."""
    begin = _last(_CLAUSE, before)
    while begin and not telling(before[begin:], language):
        begin = _last(_CLAUSE, before[: begin - 1])
    return begin


def _last(pattern: re.Pattern[str], text: str) -> int:
    return max((match.end() for match in pattern.finditer(text)), default=0)


def _without_false_ones(text: str) -> str:
    return _not_negations().sub(lambda match: " " * len(match[0]), text)


@cache
def _given(language: str) -> re.Pattern[str]:
    """Words such as "included", of what stands before."""
    return re.compile(
        rf"\W*(?:[^\W\d_]{{1,5}}\s+){{0,2}}(?:{any_of(lists('positions')['part'][language]['before'], language)})\W*"
    )


@cache
def _absent() -> Sequence[tuple[re.Pattern[str], Sequence[str]]]:
    return [(re.compile(bounded(any_of(names))), words) for names, words in lists("facts")["absent"].items()]


@cache
def _negations(language: str) -> re.Pattern[str]:
    found = {form for word in lists("facts")["negations"].get(language, ()) for form in (word, fold(word))}
    parts = (re.escape(word).replace(r"\ ", r"\s+") for word in sorted(found, key=len, reverse=True))
    return re.compile(rf"(?<![^\W_])(?:{'|'.join(parts) or '(?!)'})(?![^\W_])", re.IGNORECASE)


@cache
def _not_negations() -> re.Pattern[str]:
    return re.compile("|".join(re.escape(form) for one in lists("facts")["not_negations"] for form in (one, fold(one))), re.I)


@cache
def _not_without() -> frozenset[str]:
    """Words that end like "odorless" and negate nothing."""
    return frozenset(fold(word) for word in words(lists("facts")["not_without"]))
