"""Whether a translation says the opposite of its source: in stock and sold out, sign in and sign out, Monday and Tuesday. Words
are data (`words/opposites.yaml`).

Only where each text says one side and the other says another is something wrong. A text that denies anything is left to
`polarity.py`: what it says the opposite of, nobody knows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache

from pipeline.language import polarity
from pipeline.language.wording import fold, lists

_BESIDE = ("before", "after")


def compare(source: str, target: str, source_language: str, target_language: str) -> Iterator[str]:
    """What is wrong, in sentences. The texts are without markup."""
    for before, after in polarity.sentences(source, target):
        if polarity.denies(before, source_language) or polarity.denies(after, target_language):
            continue
        for one, other in _pairs(fold(before), fold(after), source_language, target_language):
            yield f"{one!r} became {other!r}"


def _pairs(source: str, target: str, source_language: str, target_language: str) -> Iterator[tuple[str, str]]:
    for name in lists("opposites"):
        before, after = _pattern(name, source_language), _pattern(name, target_language)
        if before is None or after is None:
            continue
        given = _sides(before, source)
        found = _sides(after, target) if given else {}
        if found and not given.keys() <= found.keys() and not found.keys() <= given.keys():
            yield (
                next(word for side, word in given.items() if side not in found),
                next(word for side, word in found.items() if side not in given),
            )


def _sides(pattern: re.Pattern[str], text: str) -> Mapping[str, str]:
    """Side -> the first words that say it."""
    found: dict[str, str] = {}
    for match in pattern.finditer(text.strip()):
        found.setdefault(str(match.lastgroup), match[str(match.lastgroup)])
    return found


@cache
def _pattern(name: str, language: str) -> re.Pattern[str] | None:
    """None for a language in which not all sides are known. Words that begin alike are tried from the longest."""
    group = lists("opposites")[name]
    sides = {side: words.get(language) for side, words in group.items() if side not in _BESIDE}
    if not all(sides.values()):
        return None
    before, after = group.get("before", ""), group.get("after", "")
    beside = rf"(?<![^\W_]){before}", rf"(?![^\W_])(?={after})"
    parts = (f"(?P<{side}>{words})" for side, words in reversed(sides.items()))
    return re.compile(rf"{beside[0]}(?:{'|'.join(parts)}){beside[1]}")
