"""What should not happen to a product, and words that say in one that it does not: "einlaufsicher" is what "doesn't shrink" says.
Words are data (`words/mishaps.yaml`)."""

from __future__ import annotations

import re
from functools import cache

from pipeline.language.reading.wording import bounded, fold, lists


def excluded(text: str, other: str, language: str, other_language: str) -> bool:
    """Whether a word of `text` excludes what `other` denies, or denies it as well."""
    said, denying = fold(text), fold(other)
    for mishap in lists("mishaps")["mishaps"]:
        excludes = [_pattern(how, mishap, language) for how in ("formed", "denied")]
        denies = _pattern("denied", mishap, other_language)
        if denies and denies.search(denying) and any(one and one.search(said) for one in excludes):
            return True
    return False


def turned(source: str, target: str, source_language: str, target_language: str) -> tuple[str, str] | None:
    """The words of both where only one of them is denied: "not colorfast" and "farbecht"."""
    before, after = fold(source), fold(target)
    for mishap in lists("mishaps")["mishaps"]:
        one, other = _excluding(mishap, before, source_language), _excluding(mishap, after, target_language)
        if one and other and one[1] != other[1]:
            return one[0], other[0]
    return None


def _excluding(mishap: str, text: str, language: str) -> tuple[str, bool] | None:
    """The first word of a folded text that excludes a mishap, with its denial, and whether it has one."""
    pattern = _pattern("formed", mishap, language)
    word = pattern.search(text) if pattern else None
    if word is None:
        return None
    denial = re.search(rf"(?<![^\W_])(?:{lists('mishaps')['not'][language]}) (?:[a-z]+ )?$", text[: word.start()])
    return (f"{denial[0]}{word[0]}", True) if denial else (word[0], False)


@cache
def _pattern(how: str, mishap: str, language: str) -> re.Pattern[str] | None:
    """None for a language whose words are not known."""
    known, begins = lists("mishaps"), lists("mishaps")["mishaps"][mishap]
    if language not in begins:
        return None
    found = known[how][language].replace("{}", begins[language])
    also = begins.get("also", {}).get(language) if how == "formed" else None
    return re.compile(bounded(f"{found}|{also}" if also else found))
