"""Days, in all the ways of writing them: 12/31/2026, 31.12.2026, 2026-12-31, December 31, 2026. Names of months are data
(`words/dates.yaml`)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from pipeline.language.languages import base
from pipeline.language.reading.pairing import first_shared
from pipeline.language.reading.wording import lists

_ISO = re.compile(r"(?<![\d.,/-])(?P<year>\d{4})[-/.](?P<month>\d{1,2})[-/.](?P<day>\d{1,2})(?![\d/-]|[.,]\d)")
_DIGITS = re.compile(r"(?<![\d.,/-])(\d{1,2})([/.-])\s?(\d{1,2})\2\s?(\d{4}|\d{2})(?![\d/-]|[.,]\d)")
#: Without a year: 12/24, 24.12.
_SHORT = re.compile(r"(?<![\d.,/-])(?:(\d{1,2})/(\d{1,2})(?![\d/]|[.,]\d)|(\d{1,2})\.\s?(\d{1,2})\.(?!\d))")


@dataclass(frozen=True)
class Day:
    """A day of a text, with all that it may mean: (year or None, month, day or None). `named`: its month is a word."""

    shown: str
    start: int
    end: int
    readings: frozenset[tuple[int | None, int, int | None]]
    named: bool = False

    @property
    def keys(self) -> set[tuple[int | None, ...]]:
        """What a day that may be this one `asks` for."""
        return {key for year, *day in self.readings for key in ((*day,), (*day, year))}

    @property
    def asks(self) -> set[tuple[int | None, ...]]:
        """The same year or none, if it has one."""
        return {key for year, *day in self.readings for key in (((*day, year), (*day, None)) if year is not None else ((*day,),))}

    @property
    def months(self) -> set[int]:
        return {month for _, month, _ in self.readings}


def without_same(source: str, target: str, source_locale: str, target_locale: str) -> tuple[str, str, list[str]]:
    """Both without the days that they have in common, and what is wrong with the names of months that are left."""
    before, after = list(_days(source, source_locale)), list(_days(target, target_locale))
    found = list(first_shared((day.asks for day in before), [day.keys for day in after]))
    taken = {place for place in found if place is not None}
    source = _blank(source, (day for day, place in zip(before, found, strict=True) if place is not None))
    target = _blank(target, (after[place] for place in taken))
    before = [day for day, place in zip(before, found, strict=True) if place is None]
    after = [day for place, day in enumerate(after) if place not in taken]
    problems = []
    named, others = [day for day in before if day.named], [day for day in after if day.named]
    months = {month for day in others for month in day.months}
    names_one = not _months(base(target_locale)) or _name(base(target_locale)).search(target) is not None
    for day in named:
        if others and months.isdisjoint(day.months):
            problems.append(f"{day.shown} became {others[0].shown}")
        elif not after and not names_one:
            problems.append(f"the month of {day.shown} is missing")
    return source, target, problems


def _blank(text: str, days: Iterable[Day]) -> str:
    left = list(text)
    for day in days:
        left[day.start : day.end] = " " * (day.end - day.start)
    return "".join(left)


def _days(text: str, locale: str) -> Iterator[Day]:
    """In order of how sure they are; none of them overlap."""
    taken = bytearray(len(text))
    for found in (*_written(text, locale), *_in_words(text, base(locale))):
        if found.readings and not any(taken[found.start : found.end]):
            taken[found.start : found.end] = b"\1" * (found.end - found.start)
            yield found


def _written(text: str, locale: str) -> Iterator[Day]:
    for match in _ISO.finditer(text):
        yield _day(match, {(int(match["year"]), int(match["month"]), int(match["day"]))})
    for match in _DIGITS.finditer(text):
        one, two, year = int(match[1]), int(match[3]), int(match[4])
        year += 2000 if year < 100 else 0
        yield _day(match, {(year, two, one)} | ({(year, one, two)} if match[2] != "." and base(locale) == "en" else set()))
    for match in _SHORT.finditer(text):
        if match[1]:
            one, two = int(match[1]), int(match[2])
            yield _day(match, {(None, one, two), (None, two, one)} if max(one, two) > 12 else set())
        else:
            yield _day(match, {(None, int(match[4]), int(match[3]))})


def _day(match: re.Match[str], readings: set[tuple[int | None, int, int | None]]) -> Day:
    good = {one for one in readings if 1 <= one[1] <= 12 and 1 <= (one[2] or 1) <= 31}
    return Day(match[0], match.start(), match.end(), frozenset(good))


def _in_words(text: str, language: str) -> Iterator[Day]:
    if not _months(language):
        return
    for match in _name(language).finditer(text):
        month = _months(language)[match["month"].casefold().rstrip(".")]
        day, year = match["before"] or match["after"], match["year"]
        if day or year:
            reading = (int(year) if year else None, month, int(day) if day else None)
            yield Day(" ".join(match[0].split()), match.start(), match.end(), frozenset({reading}), named=True)


@cache
def _months(language: str) -> Mapping[str, int]:
    names = lists("dates")["months"].get(language, ())
    return {form: number for number, forms in enumerate(names, 1) for form in str(forms).split("|")}


@cache
def _name(language: str) -> re.Pattern[str]:
    names = "|".join(sorted(_months(language), key=len, reverse=True)) or "(?!)"
    after = r"(?:\s(?P<after>\d{1,2})(?:st|nd|rd|th)?(?![\d:.]\d|\d|\s?[ap]\.?m))?" if language == "en" else "(?P<after>(?!))?"
    return re.compile(
        rf"(?:(?<![\d.,/:-])(?P<before>\d{{1,2}})(?:st|nd|rd|th|er|º|°|\.)?\s(?:of\s|de\s|do\s)?)?"
        rf"(?<!\w)(?P<month>{names})\.?(?!\w){after}"
        rf"(?:,?\s(?:de\s|del\s|of\s)?(?P<year>(?:19|20)\d\d)(?!\d))?",
        re.IGNORECASE,
    )
