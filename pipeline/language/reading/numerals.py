"""Numbers in words: what a text says so, and whether its translation says the same. Words are data (`words/numerals.yaml`)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache

from pipeline.language.reading.wording import fold, lists, words

_PERCENT = re.compile(r"(?:per|pour|por)\s?cent\w*|(?<!\w)pro\s?cent\w*|prozent\w*")


def compare(source: str, target: str, source_language: str, target_language: str) -> Iterator[str]:
    """What is wrong with the numbers in words of a translation; nothing if one of the languages is not known."""
    known = lists("numerals")
    if source_language not in known or target_language not in known:
        return
    for one, other, languages, what in (
        (source, target, (source_language, target_language), "is missing"),
        (target, source, (target_language, source_language), "is not in the source"),
    ):
        doubtful = {fold(word) for word in known[languages[0]]["doubtful"]}
        found = {value: word for value, word in _found(one, languages[0]) if word not in doubtful}
        for value, word in found.items():
            if not _says(other, value, languages[1]) and word not in fold(other):  # names stay
                yield f"the number {word!r} {what}"


def said(text: str, language: str) -> list[int]:
    """The numbers from two to 99 that a text says in words; [] for a language whose words are not known."""
    return [value for value, _ in _found(text, language)] if language in lists("numerals") else []


def _found(text: str, language: str) -> Iterator[tuple[int, str]]:
    text = _idioms(language).sub(" ", _PERCENT.sub(" % ", fold(text)))
    for match in _pattern(language).finditer(text):
        if match["more"] is None:
            yield _values(language)[" ".join(re.split(r"[\s-]+", match["number"]))], match["number"]


def _says(text: str, value: int, language: str) -> bool:
    """Whether a text may say a number: in digits, in words, as a part of a word, or "double"."""
    folded = fold(text)
    if re.search(rf"(?<!\d){value}(?!\d)", folded):
        return True
    parts = {word for word, each in _values(language).items() if each == value}
    parts |= {fold(part) for part in words(lists("numerals")[language]["like"].get(value))}
    plain = re.sub(r"[\s-]+", " ", folded)
    return any(part in plain for part in parts)


@cache
def _values(language: str) -> Mapping[str, int]:
    """Folded words, with a space where they have a space or a hyphen."""
    data = lists("numerals")[language]
    ones = {fold(word): value for value, forms in enumerate(data["ones"], 2) for word in words(forms)}
    tens = {fold(word): value * 10 for value, forms in enumerate(data["tens"], 2) for word in words(forms)}
    found = {**ones, **tens}
    for ten, high in tens.items():
        for one, low in {**ones, fold(data["one"]): 1}.items():
            if low < 10 or (language == "fr" and high in (60, 80) and low < 20):
                for shape in words(data["compound"]):
                    found[shape.format(ten=ten, one=one, start=ten[:-1])] = high + low
    return {" ".join(re.split(r"[\s-]+", word)): value for word, value in found.items()}


@cache
def _pattern(language: str) -> re.Pattern[str]:
    numbers = "|".join(
        re.escape(word).replace(r"\ ", r"[\s-]+") for word in sorted(_values(language), key=lambda word: (-len(word), word))
    )
    more = "|".join(fold(word) for word in words(lists("numerals")[language]["hundred"]))
    return re.compile(rf"(?<![^\W_])(?P<number>{numbers})(?P<more>[\s-]?(?:{more})[^\W_]*)?(?![^\W_])")


@cache
def _idioms(language: str) -> re.Pattern[str]:
    found = (re.escape(fold(one)) for one in words(lists("numerals")[language]["idioms"]))
    return re.compile(rf"(?<![^\W_])(?:{'|'.join(found)})(?![^\W_])")
