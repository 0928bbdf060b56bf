"""Whether the numbers of a translation have the units, currencies and comparison signs of its source. Words are data
(`words/units.yaml`).

A unit is compared with what stands beside the same number on the other side. One that is a word, too, such as the English
"in", says nothing by itself. Of a language whose words are not known only another unit is wrong, not none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache, cached_property

from pipeline.language.languages import base, decimal_marks
from pipeline.language.reading import dates
from pipeline.language.reading.numbers import NUMBER, evened, values
from pipeline.language.reading.wording import lists, words

_SIGNS = {"±": "about", "<": "less", "≤": "less", "＜": "less", ">": "more", "≥": "more", "＞": "more", "+": "more"}
_OPPOSITE = {"less": "more", "more": "less"}
_HYPHENED = re.compile(r"-[^\W\d_]")
_PLUS = re.compile(r"\+(?!\s?\d|\w)")
#: Also the time: 9:30 is nine hours, 17h00 too.
_CLOCK = re.compile(r":[0-5]\d(?!\d)|[hH][0-5]\d(?!\d)")


@dataclass
class _Amount:
    """A number with the units that stand beside it: their names, and whether it can be nothing else. `sign`: less | more |
    about, or ""."""

    values: frozenset[Decimal]
    shown: str
    units: frozenset[str] = frozenset()
    sure: bool = False
    sign: str = ""


@dataclass(frozen=True)
class _Side:
    text: str
    language: str
    amounts: Sequence[_Amount]
    mentioned: frozenset[str]

    @cached_property
    def by_value(self) -> Mapping[Decimal, Mapping[tuple[str, str], tuple[int, _Amount]]]:
        """The first amount, with its place, of each number that has a unit or a sign; by ("", "") the first of all."""
        found: dict[Decimal, dict[tuple[str, str], tuple[int, _Amount]]] = {}
        for place, amount in enumerate(self.amounts):
            kinds = [("", ""), ("sign", amount.sign), *(("unit", unit) for unit in amount.units)]
            for value in amount.values:
                known = found.setdefault(value, {})
                for kind in kinds:
                    known.setdefault(kind, (place, amount))
        return found

    def like(self, amount: _Amount) -> list[_Amount]:
        """Those of the same number, in order: of many that say the same, the first."""
        found = dict(one for value in amount.values for one in self.by_value.get(value, {}).values())
        return [found[place] for place in sorted(found)]


def compare(source: str, target: str, source_locale: str, target_locale: str) -> Iterator[str]:
    """What is wrong with the units and sizes of a translation that has the numbers of its source, in sentences."""
    before, after = _side(source, source_locale), _side(target, target_locale)
    problems = [
        *_units(before, after, "lost"),
        *_units(after, before, "new"),
        *_signs(before, after),
        *_signs(after, before),
        *_order(*dates.without_same(source, target, source_locale, target_locale)[:2]),
        *_sizes(source, target),
    ]
    yield from dict.fromkeys(problems[:3])


def _order(source: str, target: str) -> Iterator[str]:
    """Dimensions and ranges whose numbers changed places."""
    before, after = ([(re.findall(r"[\d.,]*\d", row[0]), row[0]) for row in _row().finditer(text)] for text in (source, target))
    same = {tuple(numbers) for numbers, _ in after}
    moved = {tuple(sorted(numbers)): shown for numbers, shown in reversed(after)}  # the first of each
    for numbers, shown in before:
        if tuple(numbers) not in same and (other := moved.get(tuple(sorted(numbers)))):
            yield f"{shown} became {other}"


def _sizes(source: str, target: str) -> Iterator[str]:
    """Sizes in letters that are other ones now."""
    before, after = ({_even_size(match[1] or match[2]) for match in _size().finditer(text)} for text in (source, target))
    if before and after and before != after:
        yield f"the size {min(before - after or before)} became {min(after - before or after)}"


def _even_size(size: str) -> str:
    return "X" * int(size[0]) + size[2:] if size[0].isdigit() else size  # 3XL


def _units(one: _Side, other: _Side, what: str) -> Iterator[str]:
    for amount in one.amounts:
        same = other.like(amount)
        if not amount.sure or not same or amount.units & other.mentioned or any(amount.units & each.units for each in same):
            continue
        another = next((each for each in same if each.units), None)
        if another is not None:
            old, new = (amount, another) if what == "lost" else (another, amount)
            yield f"{old.shown} became {new.shown}"
        elif _known(other.language) and what == "lost":
            yield f"{amount.shown} has lost its unit"
        elif _known(other.language):
            yield f"the unit of {amount.shown} is not in the source"


def _signs(one: _Side, other: _Side) -> Iterator[str]:
    for amount in one.amounts:
        same = other.like(amount)
        if not amount.sign or not same or any(each.sign == amount.sign for each in same):
            continue
        contrary = next((each for each in same if each.sign == _OPPOSITE.get(amount.sign)), None)
        if contrary is not None:
            yield f"{amount.shown} became {contrary.shown}"
        elif other.language in lists("units")["signs"][amount.sign] and not _says(amount.sign, other.language).search(other.text):
            yield f"{amount.shown} and {same[0].shown} are not the same"


def _known(language: str) -> bool:
    return language in lists("units")["words"]


def _side(text: str, locale: str) -> _Side:
    text, language, marks = evened(text), base(locale), decimal_marks(locale)
    amounts: list[_Amount] = []
    apart: list[tuple[int, int]] = []  # what a unit takes up
    ends: list[tuple[int, int]] = []
    for match in NUMBER.finditer(text):
        amount = _Amount(values(match[0], marks), match[0])
        start = _before(text, match.start(), amount, apart)
        end = _after(text, match.end(), amount, language, apart)
        _sign(text, match, start, end, amount)
        amounts.append(amount)
        ends.append((start, end))
    _share(text, amounts, ends)
    left = list(text)
    for start, end in apart:
        left[start:end] = " " * (end - start)
    return _Side(text.casefold(), language, amounts, _mentioned("".join(left).casefold(), language))


def _before(text: str, start: int, amount: _Amount, apart: list[tuple[int, int]]) -> int:
    found = _prefixes().search(text, max(0, start - 6), start)
    if found is None or any(begin <= found.start(1) < end for begin, end in apart[-1:]):
        return start
    amount.units, amount.sure, amount.shown = _named(found[1]), True, text[found.start() : start] + amount.shown
    apart.append(found.span(1))
    return found.start()


def _after(text: str, end: int, amount: _Amount, language: str, apart: list[tuple[int, int]]) -> int:
    if _CLOCK.match(text, end):
        amount.units |= {"h"}
        return end
    match = _suffixes().match(text, end)
    if match is None:
        return end
    if len(match[2]) == 1 and _HYPHENED.match(text, match.end()) and match[1] != "-":
        return end  # 5 T-shirts
    if match[2] == "s" and not match[1]:
        return end  # the 90s
    found = _named(match[2])
    doubtful = match[2].casefold() in _doubtful(language)
    single = len(match[2]) == 1 and match[2].isalpha() and not _known(language)
    amount.sure = amount.sure or not (doubtful or single)
    amount.units, amount.shown = amount.units | found, amount.shown + match[0]
    apart.append(match.span(2))
    return match.end()


def _sign(text: str, match: re.Match[str], start: int, end: int, amount: _Amount) -> None:
    before = re.search(r"(?:^|(?<=[\s(:,]))([±<>≤≥＜＞])\s?$", text[max(0, start - 3) : start])
    after = _PLUS.match(text, match.end()) or _PLUS.match(text, end)
    if before or after:
        amount.sign = _SIGNS[before[1] if before else "+"]
        amount.shown = f"{before[1]}{amount.shown}" if before else f"{amount.shown}+"
        amount.units |= {"year"} if after else set()  # 3+ may be an age


def _share(text: str, amounts: list[_Amount], ends: list[tuple[int, int]]) -> None:
    """The unit of a list, a range or dimensions is of all their numbers: 20, 25 and 30 cm; $5-10."""
    for step in (-1, 1):
        order = range(len(amounts))[::step]
        for at in order:
            near = at - step
            if not 0 <= near < len(amounts) or amounts[at].units or not amounts[near].units:
                continue
            gap = text[ends[min(at, near)][1] : ends[max(at, near)][0]]
            if _between().fullmatch(gap):
                amounts[at].units = amounts[near].units


@cache
def _doubtful(language: str) -> frozenset[str]:
    known = lists("units")["words"]
    return frozenset([*words(known["any"]), *words(known.get(language))])


@cache
def _spelled() -> Mapping[str, frozenset[str]]:
    """Spelling -> the units that it may stand for; those of three letters and more in small letters."""
    found: dict[str, set[str]] = {}
    for unit, spellings in lists("units")["units"].items():
        for word in words(spellings):
            found.setdefault(word if len(word) < 3 else word.casefold(), set()).add(unit)
    return {word: frozenset(units) for word, units in found.items()}


@cache
def _named(spelling: str) -> frozenset[str]:
    known, folded = _spelled(), spelling.casefold()
    exact = known.get(spelling) or known.get(folded if len(folded) > 2 else "") or known.get(f"{folded}*")
    starts = [word for word in known if word.endswith("*") and folded.startswith(word[:-1])]
    return exact or (known[max(starts, key=len)] if starts else frozenset())


@cache
def _suffixes() -> re.Pattern[str]:
    return re.compile(rf"([\s\u00a0\u202f-]?)({_any(list(_spelled()))})(?![^\W_]|['’][^\W\d_])")


@cache
def _prefixes() -> re.Pattern[str]:
    return re.compile(rf"(?<![^\W_])({_any(words(lists('units')['before']))})[\s\u00a0\u202f]?$")


def _any(spellings: list[str]) -> str:
    parts = []
    for word in sorted(spellings, key=len, reverse=True):
        body = re.escape(word.rstrip("*")).replace(r"\ ", r"\s")
        body = body + (r"[^\W_]*" if word.endswith("*") else "")
        parts.append(body if len(word) < 3 else f"(?i:{body})")
    return "|".join(parts)


@cache
def _between() -> re.Pattern[str]:
    one = lists("units")["between"]
    return re.compile(rf"\s?(?:(?:{one})\s?){{0,2}}|\s", re.IGNORECASE)


def _mentioned(text: str, language: str) -> frozenset[str]:
    """Units of which a text speaks, without a number beside them, or as a part of a longer word."""
    found: set[str] = set()
    for match in _alone(language).finditer(text):
        found |= _named(match[0])
    found.update(unit for unit, spellings in _mentions().items() if spellings.search(text))
    return frozenset(found)


@cache
def _mentions() -> Mapping[str, re.Pattern[str]]:
    return {
        unit: re.compile(rf"(?<![^\W_])(?:{'|'.join(map(re.escape, words(spellings)))})(?![^\W_])")
        for unit, spellings in lists("units")["mentions"].items()
    }


@cache
def _alone(language: str) -> re.Pattern[str]:
    """Spellings that are no words of the language; the longer ones also inside of other words."""
    doubtful = _doubtful(language)
    plain = {word.casefold().rstrip("*") for word in _spelled()} - doubtful
    short = [word for word in plain if len(word) < 5 and (len(word) > 1 or not word.isalpha()) and word not in "\"'”″′"]
    return re.compile(
        rf"(?<![^\W_])(?:{'|'.join(map(re.escape, sorted(short, key=len, reverse=True)))})(?![^\W_])"
        rf"|{'|'.join(map(re.escape, sorted(plain - set(short) - {''}, key=len, reverse=True))) or '(?!)'}"
    )


@cache
def _says(sign: str, language: str) -> re.Pattern[str]:
    found = (
        re.escape(word.rstrip("*")) + (r"\w*" if word.endswith("*") else "")
        for word in words(lists("units")["signs"][sign][language])
    )
    return re.compile(rf"(?<!\w)(?:{'|'.join(found)})(?!\w)|[{'>≥+' if sign == 'more' else '<≤' if sign == 'less' else '±'}]")


@cache
def _row() -> re.Pattern[str]:
    number = r"\d+(?:[.,]\d+)?"
    return re.compile(
        rf"(?<![\d.,/-]){number}(?:\s?[^\W\d_]{{0,2}}\s?(?<![^\W_])(?:{lists('units')['row']})\s?{number})+(?![\d/-])", re.I
    )


@cache
def _size() -> re.Pattern[str]:
    names = "|".join(re.escape(word) for word in words(lists("units")["sizes"]))
    return re.compile(rf"(?<![\w-])(?:(?i:{names})\s([SML])|(X{{1,4}}[SL]|[2-6]X[SL]))(?![\w'’])")
