"""Whether a translation is in its language, and nothing but a translation. Words are data (`words/tongues.yaml`)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from functools import cache

from pipeline.language.languages import language_name
from pipeline.language.reading.wording import fold, lists, words

#: Not the ending of "6er".
_WORD = re.compile(r"(?<![^\W_])[^\W\d_]+")
#: A text with fewer words may be a name, or a title in another language.
_FEWEST, _FEWEST_COMMON = 4, 2
#: The source's own words are in names ("Lord of the Rings") more often than in texts that were not translated.
_FEWEST_OF_SOURCE = 4


def compare(source: str, target: str, source_language: str, target_language: str) -> Iterator[str]:
    """What is wrong, in sentences. The texts are without markup and codes."""
    before, after = fold(source).strip(), fold(target).strip()
    if _begins("begins").match(after) and not _begins("begins").match(before) and not _begins("begun").match(before):
        yield "it begins with words that are no translation"
    said = _about("target").search(after)
    if said and not _about("source").search(before):
        yield f"{said[0]!r} speaks of translating, and the source does not"
    other = _other(source, target, source_language, target_language)
    if other is not None:
        yield f"it reads like {language_name(other)}"


def _other(source: str, target: str, source_language: str, target_language: str) -> str | None:
    """The language whose small words a text has, if it has hardly any of its own."""
    own, given = _common(target_language), set(_WORD.findall(source.casefold()))
    found = _WORD.findall(target.casefold())
    if not own or len(found) < _FEWEST:
        return None
    for other in lists("tongues")["common"]:
        if other == target_language:
            continue
        theirs, ours = {word for word in _common(other) - own if len(word) > 1 or not word.isascii()}, own - _common(other)
        count = sum(word in theirs and (other == source_language or word not in given) for word in found)
        if count < (_FEWEST_OF_SOURCE if other == source_language else _FEWEST_COMMON) or count * 4 < len(found):
            continue
        if sum(word in ours for word in found) * 4 <= count:
            return str(other)
    return None


@cache
def _common(language: str) -> Set[str]:
    return frozenset(words(lists("tongues")["common"].get(language)))


@cache
def _about(side: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![^\W_])(?:{lists('tongues')['about_itself'][side]})(?![^\W_])")


@cache
def _begins(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?:{lists('tongues')[name]})")
