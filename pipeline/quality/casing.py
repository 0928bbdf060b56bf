"""Capitalization of titles: when a title shouts or whispers, and how its words are spelled instead.

A word takes the spelling that the store itself uses most in its mixed-case titles, else the shipped spelling (acronyms, names,
units after a number, roman numerals); words with digits and short words without vowels stay; all others are capitalized.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.quality.words import small_words, spellings, units

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_TOKEN = re.compile(r"[^\W_]+(?:['’.][^\W_]+)*")
_ORDINAL = re.compile(r"^\d+(?:st|nd|rd|th)$", re.IGNORECASE)
_MEASURE = re.compile(r"^(\d+(?:[.,]\d+)?)([^\W\d_]+)$")
_VOWELS = frozenset("aeiouyаеёиоуыэюяαεηιουω")
_LETTERS_I = frozenset("iıIİ")
_ENDS_SENTENCE = re.compile(r"[:.!?|–—(\[\"“]\s*$|\s[-/]\s*$|^\W*$")


def is_all_caps(title: str, min_words: int = 4) -> bool:
    """At least `min_words` words of three letters or more (acronyms and units aside), over 70 % of their letters capital."""
    known = spellings()
    cased = [
        word for word in _WORD.findall(title) if len(word) >= 3 and word.casefold() not in known and word.lower() != word.upper()
    ]
    if len(cased) < min_words:
        return False
    letters = "".join(cased)
    return sum(letter.isupper() for letter in letters) * 10 > 7 * len(letters)


def is_all_lower(title: str, min_words: int = 2) -> bool:
    """At least `min_words` words of three letters or more and not one capital letter."""
    return title == title.lower() and sum(len(word) >= 3 and word.upper() != word for word in _WORD.findall(title)) >= min_words


def is_shouting_store(titles: Iterable[str]) -> bool:
    """Half of the titles or more, and at least three, have no small letter: there capitals are a style, even in short titles."""
    cased = [title for title in titles if title.lower() != title.upper()]
    shouting = sum(title == title.upper() for title in cased)
    return shouting >= 3 and shouting * 2 >= len(cased)


def learn_lexicon(titles: Iterable[str], brands: Iterable[str]) -> dict[str, str]:
    """Usual spelling of each word (casefolded) of the mixed-case `titles`, and of the words of the `brands`.

    Only titles with few capitals are witnesses. A spelling needs two of them, or a brand; small letters say nothing, since
    a title in sentence case writes every word so.
    """
    # A token has no space in it, and the words of a store are few beside its titles; numbers have no spelling.
    words = pc.list_flatten(pc.split_pattern(witnesses(titles), " "))
    counted = pc.value_counts(words.filter(pc.invert(pc.match_substring_regex(words, "^[0-9]*$"))))
    times_of: Counter[str] = Counter()
    for word, times in zip(*(counted.field(name).to_pylist() for name in ("values", "counts")), strict=True):
        for token in _TOKEN.findall(word):
            times_of[token] += times
    found: dict[str, list[tuple[int, str]]] = {}
    for token, times in times_of.items():
        found.setdefault(token.casefold(), []).append((-times, token))
    lexicon = {}
    for key, counts in found.items():
        times, spelling = min(counts)
        if times <= -2 and not spelling.islower() and not spelling.isdigit():
            lexicon[key] = spelling
    for brand in sorted(set(brands)):
        words = _TOKEN.findall(brand)
        if brand not in (brand.upper(), brand.lower()) or len(words) == 1:
            for token in words:
                if len(token) > 1 and not token.islower():
                    lexicon.setdefault(token.casefold(), token)
    return lexicon


def witnesses(titles: Iterable[str]) -> Any:
    """The titles (a string array) with a few capitals: at least one, and fewer than one character in three."""
    column = pa.array(titles, pa.string())
    capitals = pc.count_substring_regex(column, r"\p{Lu}")
    few = pc.and_(pc.greater(capitals, 0), pc.less(pc.multiply(capitals, 3), pc.utf8_length(column)))
    return column.filter(few)


def tokens(title: str) -> list[str]:
    """The casefolded words whose spelling a lexicon may decide."""
    return [token.casefold() for token in _TOKEN.findall(title)]


def recase(title: str, lexicon: Mapping[str, str], language: str) -> str:
    """The title in title case. Letters change their case only, never their number."""
    small = small_words(language)
    matches = list(_TOKEN.finditer(title))
    pieces, position = [], 0
    for index, match in enumerate(matches):
        before, token = title[position : match.start()], match.group()
        first = index == 0 or bool(_ENDS_SENTENCE.search(title[: match.start()]))
        after_number = index > 0 and matches[index - 1].group().isdigit() and before in ("", " ", "-")
        inner = small if not first and index < len(matches) - 1 else frozenset()
        initials = len(token) <= 2 and token.isupper() and (before == "&" or title.startswith("&", match.end()))
        word = token if initials else _spell(token, lexicon, language, inner, after_number)
        pieces += [before, word if len(word) == len(token) else token]
        position = match.end()
    return "".join(pieces) + title[position:]


def _spell(token: str, lexicon: Mapping[str, str], language: str, small: frozenset[str], after_number: bool) -> str:
    key = _key(token, language)
    if key in small:
        return token.lower()
    if key in lexicon:
        return lexicon[key]
    if after_number and key in units():
        return units()[key]
    if key in spellings():
        return spellings()[key]
    measure = _MEASURE.match(token)
    if measure and measure[2].casefold() in units():
        return measure[1] + units()[measure[2].casefold()]
    if _ORDINAL.match(token):
        return token.lower()
    if any(letter.isdigit() for letter in token):
        return token
    if len(token) <= 4 and token.isupper() and not _VOWELS & set(unicodedata.normalize("NFD", key)):
        return token
    return _capitalize(token, language)


def _key(token: str, language: str) -> str:
    """What a spelling is looked up by. In Turkish the two letters i of a word in mixed case are not each other's capitals."""
    turkish = language in ("tr", "az") and not (token.isupper() or token.islower()) and not _LETTERS_I.isdisjoint(token)
    return token if turkish else token.casefold()


def _capitalize(token: str, language: str) -> str:
    head, tail = token[0], token[1:]
    if language in ("tr", "az"):
        head = "İ" if head == "i" else head.upper()
        return head + tail.replace("I", "ı").replace("İ", "i").lower()
    if len(token) > 3 and token[1] in "'’" and (language == "fr" or head in "oO"):
        return (head.lower() if language == "fr" else head.upper()) + token[1] + token[2].upper() + token[3:].lower()
    # A letter whose capital is another letter's (ı, ſ) has none of its own here.
    return (head.upper() if head.upper().lower() == head.lower() else head) + tail.lower()
