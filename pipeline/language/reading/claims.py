"""What a text states of a product in words that lists know: materials, colors, certifications, countries, amounts, claims.

A concept has words in each language. A text that is judged is read strictly, by the words of its own language; what is known is
read in all languages, also inside compounds. Claims that no list knows are read by how they are formed ("-proof", "anti-").
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from pipeline.language.reading.wording import Folded, as_pattern, both, bounded, fold, folded, lists, words

KINDS = ("material", "color", "certification", "country", "compatibility", "quantity", "claim")
#: Not even when the source says so.
NEVER = "promo"
#: What a concept begins with whose words do not mean the same: each is known only by itself.
OTHER = "other_"
#: In a concept, beside its languages: words that say it in a source only ("shoes" for a pair).
_SOURCE = "source"
_BEGIN = re.compile(r"(?<![^\W_])\S")


@dataclass(frozen=True)
class Statement:
    """A fact as it was written, from `start` to `end` in the folded text."""

    kind: str
    concept: str
    shown: str
    start: int
    end: int


def stated(text: Folded, language: str, kinds: Collection[str] = KINDS) -> Iterator[Statement]:
    """Each fact of a text, by the words of its language and of English."""
    for tongue in both(language):
        for kind, concept, start, end in _found(text.text, tongue, kinds):
            yield Statement(kind, concept, text.shown(start, end), start, end)
    for kind, concept, first, last in _found(text.original, "any", kinds):  # written just so
        start, end = (bisect_left(text.places, place) for place in (first, last))
        yield Statement(kind, concept, text.original[first:last], start, end)


def _found(text: str, language: str, kinds: Collection[str]) -> Iterator[tuple[str, str, int, int]]:
    """(kind, concept, start, end). Only the words that begin like one of the text are tried."""
    index, ends = _index(language), dict.fromkeys(kinds, 0)
    for begin in _BEGIN.finditer(text):
        start = begin.start()
        for key in (text[start : start + 2], text[start]):
            for kind, pattern, concepts in index.get(key, ()):
                if kind in ends and start >= ends[kind] and (match := pattern.match(text, start)):
                    ends[kind] = match.end()
                    yield kind, concepts[match.lastgroup or ""], start, match.end()


def formed(text: Folded, language: str) -> Iterator[Statement]:
    """Claims by how they are formed; the concept is what must be known: "scratch" of "scratch-proof"."""
    for tongue in both(language):
        for match in _formed(tongue).finditer(text.text):
            name = next(group for group in match.groups() if group)
            if name not in _not_formed(tongue) and match[0] not in _not_formed(tongue):
                yield Statement("claim", name, text.shown(*match.span()), *match.span())


@lru_cache(maxsize=65_536)
def listed(word: str, language: str, kinds: Collection[str] = KINDS) -> bool:
    """Whether the lists of these kinds know a word, so that they judge it."""
    return next(stated(folded(word), language, kinds), None) is not None


@cache
def lenient(kind: str, concept: str) -> re.Pattern[str]:
    """What says a concept in a folded source. Words of some length are found inside others, German ones also short ones."""
    found = []
    for language, listed_words in _concepts(kind)[concept].items():
        for word in words(listed_words):
            pattern = as_pattern(fold(word.rstrip("*")), language)
            within = len(word.rstrip("*")) >= (4 if language in ("de", _SOURCE) else 5)
            found.append(pattern if within else bounded(pattern))
    return re.compile("|".join(found))


def amounts() -> list[str]:
    """The concepts that mean a number."""
    return [concept for concept in _concepts("quantity") if concept.isdigit()]


def _concepts(kind: str) -> Mapping[str, Mapping[str, Any]]:
    found = lists("materials") if kind == "material" else lists("facts")[kind]
    return {str(concept): by_language for concept, by_language in found.items()}


@cache
def _index(language: str) -> Mapping[str, Sequence[tuple[str, re.Pattern[str], Mapping[str, str]]]]:
    """By how words begin: (kind, pattern, concept by group)."""
    found: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for kind in KINDS:
        for concept, by_language in _concepts(kind).items():
            for listed_word in words(by_language.get(language)):
                word = listed_word if language == "any" else fold(listed_word)
                key = word[:2] if word[:2].isalnum() else word[0]
                found.setdefault((key, kind), []).append((word, concept))
    index: dict[str, list[tuple[str, re.Pattern[str], Mapping[str, str]]]] = {}
    for (key, kind), listed_words in found.items():
        longest = sorted(listed_words, key=lambda one: -len(one[0]))
        parts = (f"(?P<c{place}>{as_pattern(word, language)})" for place, (word, _) in enumerate(longest))
        concepts = {f"c{place}": concept for place, (_, concept) in enumerate(longest)}
        index.setdefault(key, []).append((kind, re.compile(bounded("|".join(parts))), concepts))
    return index


@cache
def _formed(language: str) -> re.Pattern[str]:
    return re.compile("|".join(bounded(pattern) for pattern in lists("positions")["formed"].get(language, ())) or r"(?!)")


@cache
def _not_formed(language: str) -> frozenset[str]:
    return frozenset(fold(word) for word in words(lists("positions")["not_formed"].get(language)))
