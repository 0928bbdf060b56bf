"""Words of texts: how they are folded, stemmed and found, and the lists of words that the guards read (`words/`)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from pipeline.language.reading.disguises import visible as visible
from pipeline.language.reading.orders import instructs as instructs

#: Languages whose words are known well enough to judge a text that a model wrote.
LANGUAGES = ("en", "de", "fr", "es")
WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_ENDINGS = ("ings", "ing", "edly", "ed", "ern", "ers", "es", "en", "er", "em", "e", "s", "n")
#: What a word of a list may end with in a text, beside its `*`.
_FORMS = {"en": "s?", "de": "(?:e[nrsm]?)?", "fr": "e?s?", "es": "(?:e?s)?"}
_GAP = r"(?:[^\w.!?;:\n]+[^\W_]+){0,4}[^\w.!?;:\n]+"


@lru_cache(maxsize=1_024)
def fold(text: str) -> str:
    """Lower case without accents, for comparing."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text.casefold().replace("’", "'"))
    return "".join(char for char in decomposed if not unicodedata.combining(char))


@dataclass(frozen=True)
class Folded:
    """A text and its folded form, which may be longer: `places` has where each of its characters stands in the text."""

    original: str
    text: str
    places: Sequence[int]

    def shown(self, start: int, end: int) -> str:
        return self.original[self.places[start] : self.places[end]]


def folded(text: str) -> Folded:
    parts = [_fold_char(char) for char in text]
    places = [place for place, part in enumerate(parts) for _ in part]
    return Folded(text, "".join(parts), [*places, len(text)])


@lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    """A folded word without the ending of its form; equal for most forms of a word, no word of any language."""
    folded = fold(word).removesuffix("'s")
    for ending in _ENDINGS:
        if folded.endswith(ending) and len(folded) - len(ending) >= 3:
            return folded.removesuffix(ending)
    return folded


def supported(language: str) -> bool:
    return language in LANGUAGES


def both(language: str) -> tuple[str, ...]:
    """A language and English, whose words are in texts of any language."""
    return (language,) if language == "en" else (language, "en")


@cache
def lists(name: str) -> Mapping[str, Any]:
    """The lists of words in a file of `words/`."""
    import yaml

    found: Mapping[str, Any] = yaml.safe_load(Path(__file__).with_name("words").joinpath(f"{name}.yaml").read_bytes())
    return found


def words(listed: Any) -> list[str]:
    """The words of a list that is written with "|"; [] for none."""
    return [] if listed is None else [word.strip() for word in str(listed).split("|")]


@cache
def neutral(language: str) -> frozenset[str]:
    """Words that state nothing, folded."""
    found = lists("facts")["neutral"]
    return frozenset(fold(word) for word in found.get(language, found["en"]))


def as_pattern(word: str, language: str = "any") -> str:
    """A folded word of a list: `*` at its end stands for any letters, ` ~ ` for up to four words; a space or hyphen in it may
    also be the other, or missing. Longer words stand for their forms."""
    body = re.escape(word.rstrip("*")).replace(r"\ \~\ ", _GAP)
    body = re.sub(r"(?<=\w)(?:\\ |\\-)(?=\w)", r"[\\s-]*", body)
    if word.endswith("*"):
        return rf"{body}[^\W_]*"
    if language == "es" and len(word) > 4 and word.endswith("o"):
        return rf"{body[:-1]}[oa]s?"
    return body + (_FORMS.get(language, "") if len(word) > 4 and word[-1].isalpha() else "")


def bounded(pattern: str) -> str:
    """A pattern that is a word of its own."""
    return rf"(?<![^\W_])(?:{pattern})(?![^\W_])"


def any_of(listed: Any, language: str = "any") -> str:
    """A pattern for any word of a list, the longest first; one that matches nothing for an empty list."""
    found = sorted(words(listed), key=len, reverse=True)
    return "|".join(as_pattern(fold(word), language) for word in found) or r"(?!)"


@cache
def _fold_char(char: str) -> str:
    return fold(char)
