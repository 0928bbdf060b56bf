"""Numbers of texts with their units, in digits and in words ("half a liter", "twenty-five"). Words are data
(`words/measures.yaml`)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache

from pipeline.language.reading.wording import Folded, bounded, fold, folded, lists, visible

_NUMBER = re.compile(r"(?<![\w.,])\d+(?:[.,'’\u00a0\u202f ]\d{3}(?!\d))*(?:[.,]\d+)?")
_CHAINED = re.compile(r"\s?(?:[x×]|[-–](?=\d))\s?\d+(?:[.,]\d+)?")
_LISTED = re.compile(r"\s?(?:[,/&]|(?<=\s)(?:and|or|und|oder|et|ou|y|o)(?=\s))\s?\d+(?:[.,]\d+)?")
#: Letters right after a number are those of a model number, unless it is a range, dimensions or the first part of a compound.
_GOES_ON = re.compile(r"[-./]?[^\W_]")
_APART = re.compile(r"[-./x×]\s?\d|-[^\W\d_]{2,}")
_FRACTIONS = {"½": "0.5", "¼": "0.25", "¾": "0.75", "⅓": "0.333", "⅔": "0.667"}
#: "a pound" states an amount, "a day" and "a second" rarely do.
_OF_ONE = ("mass", "volume", "length")


@dataclass(frozen=True)
class Measure:
    """A number as it was written, all that it may mean, and its dimension ('' without a unit) with the size in its base unit."""

    shown: str
    values: frozenset[Decimal]
    dimension: str
    factor: Decimal

    @property
    def sizes(self) -> frozenset[Decimal]:
        return frozenset(rounded(value * self.factor) for value in self.values)


def measures(text: str, languages: Iterable[str]) -> Iterator[Measure]:
    """The numbers of a text, with their units; number words of `languages`."""
    for each, _, _ in placed_measures(visible(text), languages):
        yield each


def placed_measures(text: str, languages: Iterable[str]) -> Iterator[tuple[Measure, int, int]]:
    """With where each begins and ends."""
    chained: dict[int, int] = {}
    for match in _NUMBER.finditer(text):
        end = match.end()
        chain = _last_of(_CHAINED, text, end, chained)  # 40 x 30 x 2 cm: the unit is of all
        unit = _unit_pattern().match(text, end) or (_unit_pattern().match(text, chain) if chain > end else None)
        before = text[: match.start()].rstrip()[-1:]
        word = fold(unit[1]) if unit else before if before in "$€£" and before else ""
        if not word and _GOES_ON.match(text, end) and not _APART.match(text, end):
            continue  # the beginning of a model number
        dimension, factor = _units().get(word, ("", Decimal(1)))
        stop = unit.end() if unit and word and not end < chain <= unit.start() else end
        yield Measure(text[match.start() : stop].strip(), _values(match[0]), dimension, factor), match.start(), stop
    for match in re.finditer("[½¼¾⅓⅔]", text):
        value = rounded(Decimal(_FRACTIONS[match[0]]))
        yield Measure(match[0], frozenset({value}), "", Decimal(1)), match.start(), match.end()
    for language in languages:
        yield from _in_words(text, language)


def shared(text: str) -> Iterator[Measure]:
    """The numbers of a list whose unit stands at its end, each with that unit: 20, 25 and 30 cm. A guess, good enough for what a
    source may have said."""
    listed: dict[int, int] = {}
    for match in _NUMBER.finditer(text):
        last = _last_of(_LISTED, text, match.end(), listed)
        unit = _unit_pattern().match(text, last) if last > match.end() else None
        if unit:
            dimension, factor = _units().get(fold(unit[1]), ("", Decimal(1)))
            yield Measure(match[0], _values(match[0]), dimension, factor)


def _last_of(following: re.Pattern[str], text: str, place: int, known: dict[int, int]) -> int:
    """Where the last of the numbers ends that follow one another from a place on; that itself if none does. `known` are the ends
    that were found before, as each number of a chain has the same."""
    passed = []
    while place not in known and (match := following.match(text, place)):
        passed.append(place)
        place = match.end()
    end = known.get(place, place)
    known.update(dict.fromkeys(passed, end))
    return end


def inside(text: str) -> Iterator[Decimal]:
    """Numbers inside model numbers and compounds: they are known, too."""
    for match in re.finditer(r"\d+(?:[.,]\d+)?", text):
        yield from _values(match[0])


def rounded(value: Decimal) -> Decimal:
    return Decimal(f"{value:.6g}").normalize()


def _in_words(text: str, language: str) -> Iterator[tuple[Measure, int, int]]:
    plain = folded(text)
    for match in _part_of_unit(language).finditer(plain.text):
        value = rounded(Decimal(str(_parts(language)[re.sub(r"[\s-]+", " ", match[1])])))
        dimension, factor = _units()[match[2]]
        if value != 1 or dimension in _OF_ONE:
            yield _found(plain, match.start(), match.end(), value, dimension, factor)
    for match in _number_words(language).finditer(plain.text):
        unit = _unit_pattern().match(plain.text, match.end())
        named = unit if unit and len(unit[1]) > 2 else None
        dimension, factor = _units().get(named[1] if named else "", ("", Decimal(1)))
        for number in _together([_numbers(language)[word] for word in match.groups() if word]):
            yield _found(plain, match.start(), named.end() if named else match.end(), Decimal(number), dimension, factor)


def _together(numbers: list[int]) -> list[int]:
    """twenty-five and fünfundzwanzig are one number, two hundred also, "two-three" is not."""
    if len(numbers) == 2:
        low, high = sorted(numbers)
        if high >= 20 and high % 10 == 0 and low < 10 and high < 100:
            return [low + high]
        if numbers[1] in (12, 100, 1000):
            return [numbers[0] * numbers[1]]
    return numbers


def _found(
    plain: Folded, start: int, end: int, value: Decimal, dimension: str, factor: Decimal
) -> tuple[Measure, int, int]:  # fmt: skip
    shown = plain.shown(start, end).strip()
    return Measure(shown, frozenset({value}), dimension, factor), plain.places[start], plain.places[end]


def _values(written: str) -> frozenset[Decimal]:
    """1.500 may be one and a half, or fifteen hundred."""
    plain = re.sub(r"['’\u00a0\u202f ]", "", written)
    readings = {plain.replace(",", ""), plain.replace(".", "").replace(",", ".")}
    if plain.count(",") == 1 and "." not in plain:
        readings.add(plain.replace(",", "."))
    if plain.count(".") == 1 and "," not in plain:
        readings.add(plain)
    found = set()
    for reading in readings:
        try:
            found.add(rounded(Decimal(reading)))
        except InvalidOperation:
            continue
    if "," in plain and "." not in plain and not re.search(r",\d{3}$", plain):
        found.discard(rounded(Decimal(plain.replace(",", ""))))
    return frozenset(found)


@cache
def _units() -> Mapping[str, tuple[str, Decimal]]:
    return {
        fold(str(unit)): (dimension, Decimal(str(factor)))
        for dimension, units in lists("measures")["units"].items()
        for unit, factor in units.items()
    }


@cache
def _unit_pattern() -> re.Pattern[str]:
    written = {str(unit) for units in lists("measures")["units"].values() for unit in units}
    names = sorted(written | {fold(unit) for unit in written}, key=len, reverse=True)
    return re.compile(rf"[\s\u00a0\u202f-]?({'|'.join(map(re.escape, names))})(?![^\W_])", re.IGNORECASE)


@cache
def _numbers(language: str) -> Mapping[str, int]:
    return {fold(word): value for word, value in lists("measures")["number_words"].get(language, {}).items()}


@cache
def _number_words(language: str) -> re.Pattern[str]:
    found = "|".join(sorted(_numbers(language), key=len, reverse=True)) or r"(?!)"
    joints, endings, none = (
        lists("measures")[name].get(language, r"(?!)") for name in ("number_joints", "number_endings", "no_numbers")
    )
    return re.compile(rf"(?<![^\W_])({found})(?!{none})(?:(?:{joints})({found}))?(?:{endings})?(?![^\W_])")


@cache
def _parts(language: str) -> Mapping[str, float]:
    return {fold(word): value for word, value in lists("measures")["parts"].get(language, {}).items()}


@cache
def _part_of_unit(language: str) -> re.Pattern[str]:
    found = sorted(_parts(language), key=len, reverse=True)
    parts = "|".join(re.escape(word).replace(r"\ ", r"[\s-]+") for word in found) or r"(?!)"
    units = "|".join(re.escape(unit) for unit in sorted(_units(), key=len, reverse=True) if len(unit) > 3)
    return re.compile(bounded(rf"({parts})[\s-]*({units})"))
