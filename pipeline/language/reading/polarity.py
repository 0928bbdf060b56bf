"""Whether a translation denies what its source affirms, or the reverse. Words are data (`words/polarity.yaml`).

Only whether something is denied is compared, sentence by sentence where both have as many, not what. What one language denies,
another says in one word ("unscented", "hand wash only"): such words are no denial, and yet enough for one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from pipeline.language.reading import mishaps
from pipeline.language.reading.sentences import side_by_side
from pipeline.language.reading.wording import fold, lists


def compare(source: str, target: str, source_language: str, target_language: str) -> Iterator[str]:
    """What is wrong, in sentences; nothing if one of the languages is not known. The texts are without markup."""
    known = lists("polarity")
    if source_language not in known or target_language not in known:
        return
    for before, after in side_by_side(source, target):
        if (words := mishaps.turned(before, after, source_language, target_language)) is not None:
            yield f"{words[0]!r} became {words[1]!r}"
        if (denial := _unmatched(before, after, source_language, target_language)) is not None:
            yield f"{denial!r} of the source is lost: the translation denies nothing"
        if (denial := _unmatched(after, before, target_language, source_language)) is not None:
            yield f"{denial!r} is new: the source denies nothing"


def denies(text: str, language: str) -> bool:
    """Whether it denies something in so many words; False for a language whose words are not known."""
    return language in lists("polarity") and _denial(text, language) is not None


def _unmatched(text: str, other: str, language: str, other_language: str) -> str | None:
    """What `text` denies, where `other` denies nothing."""
    denial = _denial(text, language)
    if denial is None or _may_deny(other, other_language) or _has(other, denial):
        return None
    return None if mishaps.excluded(other, text, other_language, language) else denial


def _denial(text: str, language: str) -> str | None:
    found = _pattern(language, "denies").search(_plain(text, language))
    return found[0] if found else None


def _may_deny(text: str, language: str) -> bool:
    folded = fold(text)
    return any(_pattern(language, part).search(folded) for part in ("denies", "may"))


def _has(text: str, denial: str) -> bool:
    """Whether a longer word stands there as it is, in a name for example."""
    return len(denial) > 2 and re.search(rf"(?<![^\W_]){re.escape(denial)}(?![^\W_])", fold(text)) is not None


def _plain(text: str, language: str) -> str:
    return _pattern(language, "idioms").sub(" ", fold(text))


@cache
def _pattern(language: str, part: str) -> re.Pattern[str]:
    written = lists("polarity")[language][part]
    return re.compile(rf"(?<![^\W_])(?:{fold(written) if part == 'idioms' else written})(?![^\W_])")
