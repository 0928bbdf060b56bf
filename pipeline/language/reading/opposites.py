"""Whether a translation says the opposite of its source: in stock and sold out, hot and cold, Monday and Tuesday. Words are data
(`words/opposites.yaml`).

Only where each text says one side and the other says another is something wrong. A text that denies anything else is left to
`polarity.py`: what it says the opposite of, nobody knows.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from functools import cache

from pipeline.language.reading import polarity
from pipeline.language.reading.sentences import side_by_side
from pipeline.language.reading.wording import fold, lists

_BESIDE = ("before", "after")
_BEGIN = re.compile(r"(?<![^\W_])[^\W_](?:[^\W_]|')?")
#: How most words begin: with two characters, or with a short word.
_PLAIN = re.compile(r"\^?([^\W\d_](?:[^\W\d_]|'|(?= )))(?![?*{])")
_CHOICE = re.compile(r"\(\?:([^()]*)\)(\??)")


def compare(source: str, target: str, source_language: str, target_language: str) -> Iterator[str]:
    """What is wrong, in sentences. The texts are without markup."""
    for before, after in side_by_side(source, target):
        for one, other in _pairs(fold(before).strip(), fold(after).strip(), source_language, target_language):
            yield f"{one!r} became {other!r}"


def _pairs(source: str, target: str, source_language: str, target_language: str) -> Iterator[tuple[str, str]]:
    for name in _possible(source, source_language):
        before, after = _pattern(name, source_language), _pattern(name, target_language)
        if before is None or after is None:
            continue
        given = _sides(before, source)
        found = _sides(after, target) if given else {}
        if not found or given.keys() <= found.keys() or found.keys() <= given.keys():
            continue
        rests = (before.sub(" ", source), source_language), (after.sub(" ", target), target_language)
        if not any(polarity.denies(rest, language) for rest, language in rests):
            yield (
                next(word for side, word in given.items() if side not in found),
                next(word for side, word in found.items() if side not in given),
            )


def _sides(pattern: re.Pattern[str], text: str) -> Mapping[str, str]:
    """Side -> the first words that say it."""
    found: dict[str, str] = {}
    for match in pattern.finditer(text):
        found.setdefault(str(match.lastgroup), match[str(match.lastgroup)])
    return found


def _possible(text: str, language: str) -> Iterator[str]:
    """The groups of which a text may have words, by how these begin."""
    begins = set(_BEGIN.findall(text))
    return (name for name, known in _begins(language).items() if known is None or not begins.isdisjoint(known))


@cache
def _begins(language: str) -> Mapping[str, Collection[str] | None]:
    """Group -> the first two characters of its words; None if some begin in many ways."""
    found: dict[str, Collection[str] | None] = {}
    for name, group in lists("opposites").items():
        if _pattern(name, language) is None:
            continue
        sides = (said[language] for side, said in group.items() if side not in _BESIDE)
        begins = [_PLAIN.match(word) for said in sides for word in _words(said)]
        plain = frozenset(match[1] for match in begins if match)
        found[name] = plain if all(begins) and "before" not in group else None
    return found


def _words(pattern: str) -> Iterator[str]:
    """The alternatives of a pattern, also those that it begins with in parentheses."""
    depth, start = 0, 0
    for place, char in enumerate([*pattern, "|"]):
        depth += (char == "(") - (char == ")")
        if char != "|" or depth:
            continue
        word, start = pattern[start:place], place + 1
        match = _CHOICE.match(word)
        if not match:
            yield word
            continue
        for choice in [*match[1].split("|"), *([""] if match[2] else [])]:
            yield from _words(choice + word[match.end() :])


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
