"""Abbreviations are the same in all languages but for a few: one that became another is another thing ("FSC" and "PEFC", "USB-C"
and "USB-A", "AA" and "AAA"). Those that differ are data (`words/abbreviations.yaml`)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache

from pipeline.language.reading.wording import fold, lists, words

_ABBREVIATION = re.compile(r"(?<![\w-])[A-Z]{2,5}(?:-[A-Z0-9]{1,2}(?![\w]))?(?!\w)")
#: What could be a word in capitals has a vowel, and no letter alone.
_SURELY = re.compile(r"[^aeiouy]+|(.)\1+|.*-.*")


def compare(source: str, target: str, source_language: str, target_language: str) -> Iterator[str]:
    """What is wrong, in sentences: only where one of the source is lost and another one is new."""
    given, found = _all(source), _all(target)
    lost, new = _missing(given, found, target), _missing(found, given, source)
    if lost and new:
        yield f"{given[min(lost)]!r} became {found[min(new)]!r}"


def _all(text: str) -> Mapping[str, str]:
    """What it means -> as it is written; none of a text in capitals."""
    if not any(map(str.islower, text)):
        return {}
    found = {fold(one): one for one in _ABBREVIATION.findall(text)}
    return {_same().get(key, key): one for key, one in found.items() if key not in _sizes()}


def _missing(given: Mapping[str, str], found: Mapping[str, str], text: str) -> list[str]:
    """What another text has not, in small letters either ("Wi-Fi")."""
    surely = (key for key in given.keys() - found.keys() if _SURELY.fullmatch(key) or key in _same())
    said = set(re.findall(r"[\w-]+", fold(text)))
    return [key for key in surely if said.isdisjoint({key, *(one for one, same in _same().items() if same == key)})]


@cache
def _same() -> Mapping[str, str]:
    return {word: line.split()[0] for line in lists("abbreviations")["same"] for word in line.split()}


@cache
def _sizes() -> frozenset[str]:
    return frozenset(words(lists("abbreviations")["sizes"]))
