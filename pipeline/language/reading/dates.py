"""Days, in all the ways of writing them: 12/31/2026, 31.12.2026, 2026-12-31, December 31, 2026. Names of months are data
(`words/dates.yaml`)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from pipeline.language.languages import base
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

    def agrees(self, other: Day) -> bool:
        return any(
            one[1:] == two[1:] and (one[0] == two[0] or None in (one[0], two[0]))
            for one in self.readings
            for two in other.readings
        )

    @property
    def months(self) -> set[int]:
        return {month for _, month, _ in self.readings}


def without_same(source: str, target: str, source_locale: str, target_locale: str) -> tuple[str, str, list[str]]:
    """Both without the days that they have in common, and what is wrong with the names of months that are left."""
    before, after = list(_days(source, source_locale)), list(_days(target, target_locale))
    for day in list(before):
        same = next((other for other in after if day.agrees(other)), None)
        if same is not None:
            before.remove(day)
            after.remove(same)
            source, target = _blank(source, day), _blank(target, same)
    problems = []
    named, others = [day for day in before if day.named], [day for day in after if day.named]
    for day in named:
        months = day.months
        if others and not any(months & other.months for other in others):
            problems.append(f"{day.shown} became {others[0].shown}")
        elif not after and _months(base(target_locale)) and not _name(base(target_locale)).search(target):
            problems.append(f"the month of {day.shown} is missing")
    return source, target, problems


def _blank(text: str, day: Day) -> str:
    return f"{text[: day.start]}{' ' * (day.end - day.start)}{text[day.end :]}"


def _days(text: str, locale: str) -> Iterator[Day]:
    """In order of how sure they are; none of them overlap."""
    taken: list[tuple[int, int]] = []
    for found in (*_written(text, locale), *_in_words(text, base(locale))):
        if found.readings and not any(start < found.end and found.start < end for start, end in taken):
            taken.append((found.start, found.end))
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
