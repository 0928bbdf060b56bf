"""Whether the numbers of a translation measure what they measure in its source: a height stays a height. Words are data
(`words/dimensions.yaml`).

A number belongs to the name of a dimension that stands directly beside it. That all numbers are there is judged by `numbers.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cache

from pipeline.language.languages import base, decimal_marks
from pipeline.language.reading.numbers import NUMBER, values
from pipeline.language.reading.wording import bounded, fold, lists, supported

_Measured = Mapping[Decimal, frozenset[str]]
#: Between a name and its number: "height of the lamp is 12".
_BEFORE = r"[\s:=(~≈–-]*(?:[^\W\d_]+\.?[\s:]+){0,3}"
#: Between a number and a name after it: its unit, and "de" or "in".
_UNIT = r"[^\W\d_]{1,3}|\"|″|[^\W\d_]*(?:met(?:er|re|ro)|inch|zoll|pouce|pulgada|gram|kilo)[^\W\d_]*"
_AFTER = rf"[\s-]?(?:{_UNIT})?\s(?:(?:de|in|in der|an)\s)?"
_CHAIN = re.compile(r"\s?[^\W\d_]{0,2}\s?[x×]\s?\d|\d\s?[^\W\d_]{0,2}\s?[x×]\s?$")


def compare(source: str, target: str, source_locale: str, target_locale: str) -> Iterator[str]:
    """What is wrong, in sentences; nothing if the words of one of the languages are not known. The texts are without markup."""
    if not (supported(base(source_locale)) and supported(base(target_locale))):
        return
    given = _measured(fold(source), source_locale)
    found = _measured(fold(target), target_locale) if given else {}
    known = frozenset[str]().union(*given.values())
    for number in given.keys() & found.keys():
        before, after = given[number], found[number]
        if before.isdisjoint(after) and any(_differ(one, other, known) for one in before for other in after):
            yield f"{number:f} is the {min(before)} in the source, here the {min(after)}"


def _differ(one: str, other: str, known: frozenset[str]) -> bool:
    """Whether a translation may not call `one` the `other`: the source has both, or they are never the same."""
    return other in known or [one, other] in lists("dimensions")["apart"] or [other, one] in lists("dimensions")["apart"]


def _measured(text: str, locale: str) -> _Measured:
    """Number, in all its readings -> what it measures."""
    found: dict[Decimal, frozenset[str]] = {}
    marks = decimal_marks(locale)
    for match in NUMBER.finditer(text):
        if _CHAIN.match(text, match.end()) or _CHAIN.search(text[max(0, match.start() - 8) : match.start()]):
            continue
        name = _beside(text, match.start(), match.end(), base(locale))
        if name:
            for value in values(match[0], marks):
                found[value] = found.get(value, frozenset()) | {name}
    return found


def _beside(text: str, start: int, end: int, language: str) -> str | None:
    after = _after(language).match(text, end)
    if after:
        name = str(after.lastgroup)
        if name.startswith("only_") or not re.match(rf"{_BEFORE}\d", text[after.end() :]):
            return name.removeprefix("only_")
    before = list(_names(language).finditer(text, max(0, start - 50), start))
    if before and re.fullmatch(_BEFORE, text[before[-1].end() : start]):
        return str(before[-1].lastgroup)
    return None


@cache
def _names(language: str) -> re.Pattern[str]:
    known = lists("dimensions")["named"].items()
    return re.compile(bounded("|".join(f"(?P<{name}>{words[language]})" for name, words in reversed(known))))


@cache
def _after(language: str) -> re.Pattern[str]:
    known = lists("dimensions")
    only = "|".join(f"(?P<only_{name}>{words[language]})" for name, words in known["describing"].items())
    also = "|".join(f"(?P<{name}>{words[language]})" for name, words in known["named"].items())
    return re.compile(rf"{_AFTER}(?:{only}|{also})(?![^\W_])")
