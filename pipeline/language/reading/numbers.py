"""Whether a translation has the numbers of its source, each read as its language writes it, with their signs and units.

What people rightly write otherwise is the same number: 5 pm and 17 Uhr, ½ and 1/2, "three" and 3, the 19th century and the
XIXe siècle. Nothing is converted: 5 cm are not 50 mm, which a reader would have to check. Units are judged in `units.py`.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from functools import cache
from typing import NamedTuple

from pipeline.language.languages import base, decimal_marks, minus_words, number_words
from pipeline.language.reading import dates, numerals
from pipeline.language.reading.pairing import first_shared

NUMBER = re.compile(r"\d+(?:[.,'’٬\u00a0\u202f ]\d{3}(?!\d))*(?:[.,٫]\d+)?")
_VULGAR = re.compile(r"(?<=\d)\s?([½⅓⅔¼¾⅛⅜⅝⅞])|([½⅓⅔¼¾⅛⅜⅝⅞])")
_FRACTION = re.compile(r"(?:(?<![\d.,/])(\d{1,4}) )?(?<![\d.,/])(\d{1,2})[/⁄](\d{1,2})(?![\d/])")
_FULL_HOUR = re.compile(r"(?<=\d)(?::|\s?[hH]\s?)00(?!\d)")
_TIME_ZERO = re.compile(r"(?<![\d:.])0(?=\d(?::|\s?[hH]\s?)[0-5]\d(?!\d))")  # 09:30
_CLOCK = re.compile(r"(?::[0-5]\d)?\s?([ap])\.?\s?m(?!\w)", re.IGNORECASE)
_ALWAYS = re.compile(r"(?<![\d/])24\s?/\s?7(?![\d/])")  # no number: "around the clock", or "24 hours, 7 days"
#: "A 4-season tent" may be one for the whole year.
_SEASONS = re.compile(
    r"(?<![\w.,/-])(?:4|four|vier|quatre|cuatro|quattro)[\s-]?(?=seasons?|jahreszeiten|saisons|estaciones|stagioni)",
    re.IGNORECASE,
)
_WHOLE_YEAR = re.compile(
    r"ganzjahr|all[- ]season|all[- ]year|year[- ]round|toutes? saisons?|toute l'ann|todo el a|toda estaci|tutto l'anno", re.I
)
_HOURS_AND_DAYS = re.compile(
    r"(?<!\d)(?:24\s?(?:h|hours?|std|stunden|heures?|horas|ore|uur|timmar|godzin\w*)"
    r"|7\s?(?:days?|tagen?|j|jours?|d[ií]as|giorni|dagen|dagar|dni))(?!\w)",
    re.IGNORECASE,
)
#: 24h/24, 7 jours sur 7
_OF_ALL = re.compile(r"(?<!\d)(24\s?h(?:eures?)?|7\s?j(?:ours?)?)\s?(?:/|sur)\s?(?:24|7)(?!\d)", re.IGNORECASE)
_PLUS_MINUS = re.compile(
    r"\+\s?/\s?[-−–]|\+[-−]|(?<!\w)(?:plus[- ]?(?:or|oder|ou)?[- ]?(?:minus|moins)|más o menos|mehr oder weniger|più o meno"
    r"|mais ou menos)(?!\w)",
    re.IGNORECASE,
)
_CENTURY = re.compile(
    r"(?<!\w)(?:[IVXL]+(?:e|è|ème|er)?(?=\s(?:siècles?|secol[oi]|wiek\w*)(?!\w))|(?<=siglo\s)[IVXL]+|(?<=século\s)[IVXL]+"
    r"|(?<=secolo\s)[IVXL]+)(?!\w)",
    re.IGNORECASE,
)
#: años 80, les années 80, die 80er, the '80s
_DECADE = re.compile(
    r"(?:(?<=años\s)|(?<=años\s')|(?<=années\s)|(?<=anni\s)|(?<=anni\s')|(?<=anos\s)|(?<=lata\s))\d0(?!\d)"
    r"|\d0(?=er(?!\w)|s(?!\w)|-tal)"
)
_PERCENT = re.compile(r"[\s\u00a0\u202f-]?(?:%|percent|per cent|prozent|pour cent|por ciento|per cento|procent)", re.IGNORECASE)
_POWER = re.compile(r"(?<=[a-z])[23](?!\w)")  # m2
_SIGN = re.compile(r"(?:^|[\s([{~≤≥<>:;,±])[-−–][$€£¥]?$")


class _Number(NamedTuple):
    """A number as it is written, and all that it may mean."""

    shown: str
    readings: frozenset[Decimal | str]  # a text for digits that begin with a zero, as telephone numbers do


def compare(source: str, target: str, source_locale: str, target_locale: str) -> Iterator[str]:
    """What is wrong with the numbers of a translation, in sentences. The texts are without markup and codes."""
    source, target, problems = dates.without_same(evened(source), evened(target), source_locale, target_locale)
    yield from problems
    if _ALWAYS.search(source) or _ALWAYS.search(target):
        source, target = (_HOURS_AND_DAYS.sub(" ", text) for text in (source, target))
    if _WHOLE_YEAR.search(source) or _WHOLE_YEAR.search(target):
        source, target = (_SEASONS.sub(" ", text) for text in (source, target))
    words = _words(source, source_locale), _words(target, target_locale)
    for fractions in (False, True):
        before, after = (
            list(_read(text, locale, fractions)) for text, locale in ((source, source_locale), (target, target_locale))
        )
        lost, new = _difference(before, after)
        problems = [
            *(f"the number {number.shown} is missing" for number in _unsaid(lost, words[1])[:3]),
            *(f"the number {number.shown} is not in the source, or there too rarely" for number in _unsaid(new, words[0])[:3]),
        ]
        if not problems:
            break
    yield from problems or numerals.compare(source, target, base(source_locale), base(target_locale))


def evened(text: str) -> str:
    """The text with what languages write in ways of their own as others write it: 24h/24, plus or minus, the XIXe siècle."""
    text = _PLUS_MINUS.sub("±", _OF_ALL.sub(r"\1", text))
    return _CENTURY.sub(lambda match: str(_roman(match[0])), text)


def _roman(written: str) -> int:
    digits = [{"I": 1, "V": 5, "X": 10, "L": 50}[letter] for letter in re.sub("[^IVXL]", "", written.upper())]
    return sum(-one if one < two else one for one, two in zip(digits, [*digits[1:], 0], strict=True))


def _read(text: str, locale: str, fractions: bool) -> Iterator[_Number]:
    """`fractions`: 1/2 is a half, not a one and a two."""
    text = _ALWAYS.sub(" ", text)
    text = _POWER.sub("", _FULL_HOUR.sub("", _TIME_ZERO.sub("", _VULGAR.sub(_spelled, text))))
    if fractions:
        for match in _FRACTION.finditer(text):
            if 0 < int(match[2]) < int(match[3]):
                value = int(match[1] or 0) + Decimal(int(match[2])) / int(match[3])
                yield _Number(match[0], frozenset({round(value, 3).normalize()}))
        text = _FRACTION.sub(lambda m: m[0] if int(m[2]) >= int(m[3]) or not int(m[2]) else " ", text)
    marks = decimal_marks(locale)
    for match in NUMBER.finditer(text):
        found = values(match[0], marks)
        clock = _CLOCK.match(text, match.end()) if len(match[0]) <= 2 else None
        if clock:
            found |= {value % 12 + (12 if clock[1].lower() == "p" else 0) for value in found}
        if _DECADE.match(text, match.start()):
            found |= {1900 + value for value in found}
        if re.match(r"0\d", match[0]) and not clock:
            yield _Number(match[0], frozenset({re.sub(r"\D", ".", match[0])}))
        elif _negative(text, match.start()):
            less = {-value for value in found}
            yield _Number(f"-{match[0]}", frozenset(less | found if _PERCENT.match(text, match.end()) else less))  # up to -70 %
        else:
            yield _Number(match[0], frozenset(found))


def values(written: str, marks: str) -> frozenset[Decimal]:
    """Of digits of any script. Where a mark may group thousands or begin decimals, the language decides."""
    plain = "".join(str(unicodedata.digit(c)) if c.isdigit() else c for c in written)
    plain = re.sub(r"['’٬\u00a0\u202f ]", "", plain).replace("٫", ".")
    whole, mark, rest = re.fullmatch(r"(.*?)([.,]?)(\d*)", plain, re.DOTALL).groups()  # type: ignore[union-attr]
    thousands, decimals = Decimal(re.sub("[.,]", "", plain)), Decimal(f"{re.sub('[.,]', '', whole) or 0}.{rest}")
    if not mark or mark in whole:  # 1.250.000
        return frozenset({thousands})
    if len(rest) != 3 or "٫" in written or re.search("[.,]", whole) or len(whole) > 3 or whole.startswith("0"):
        return frozenset({decimals.normalize()})
    return frozenset({decimals.normalize() if each == mark else thousands for each in marks})


def _negative(text: str, start: int) -> bool:
    """Whether a minus stands before a number: not the dash of a range, nor that of a list."""
    before = text[max(0, start - 20) : start]
    if _SIGN.search(before):
        return not before.rstrip("-−–$€£¥ ")[-1:].isdigit()
    return bool(_minus().search(before))


@cache
def _minus() -> re.Pattern[str]:
    words = "|".join(map(re.escape, minus_words()))
    return re.compile(rf"(?<![^\W\d_])(?<!au )(?<!al )(?<!lo )(?<!ao )(?:{words})\s?$", re.IGNORECASE)  # au moins 8: at least


def _spelled(match: re.Match[str]) -> str:
    fraction = unicodedata.normalize("NFKC", match[1] or match[2])
    return f" {fraction}" if match[1] else fraction


def _difference(before: Iterable[_Number], after: Iterable[_Number]) -> tuple[list[_Number], list[_Number]]:
    """What is only in one of them; numbers that can only mean one thing are paired first."""
    wanted = sorted(before, key=lambda number: len(number.readings))
    given = list(after)
    order = sorted(range(len(given)), key=lambda place: len(given[place].readings))
    found = list(first_shared((number.readings for number in wanted), [given[place].readings for place in order]))
    taken = {order[place] for place in found if place is not None}
    lost = [number for number, place in zip(wanted, found, strict=True) if place is None]
    return lost, [number for place, number in enumerate(given) if place not in taken]


def _words(text: str, locale: str) -> Counter[int]:
    """How often a text says each number in words, so that it need not be there in digits."""
    known = number_words(locale)
    found = Counter(known[word] for word in re.findall(r"[^\W\d_]+", text.casefold()) if word in known)
    return found | Counter(numerals.said(text, base(locale)))


def _unsaid(numbers: Iterable[_Number], words: Mapping[int, int]) -> list[_Number]:
    """The numbers that are not written as words either."""
    left, found = Counter(words), []
    for number in numbers:
        whole = (int(value) for value in number.readings if isinstance(value, Decimal) and value == int(value))
        value = next((value for value in whole if left[value] > 0), None)
        if value is None:
            found.append(number)
        else:
            left[value] -= 1
    return found
