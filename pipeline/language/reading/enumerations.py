"""Whether a translation has all items of what its source enumerates. Words are data (`words/enumerations.yaml`).

What is told apart by joints is counted, not what it is. Two items are a list only beside words such as "contains" and "included",
since a language may have one word for both ("terms and conditions"); three are one anywhere in a short text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from pipeline.language.reading.sentences import side_by_side
from pipeline.language.reading.wording import bounded, fold, lists, supported

#: Longer sentences are worded more freely.
_MOST_WORDS = 16
_ITEM = r"(?<![\w-])[^\W\d_][\w'-]*(?: [^\W_][\w'-]*){0,2}?"
#: What else parts items: not the comma of 1,5.
_MARKS = r"[&+/;·•|\n]|(?<=\w)[.!?](?=\s)|,(?!\d)"


def compare(source: str, target: str, source_language: str, target_language: str) -> Iterator[str]:
    """What is wrong, in sentences; nothing if the words of one of the languages are not known. The texts are without markup."""
    languages = source_language, target_language
    if not all(map(supported, languages)):
        return
    for before, after in side_by_side(source, target):
        if before.count(" ") >= _MOST_WORDS:
            continue
        given, found = (
            _open(language).sub(" ", fold(text).strip()) for text, language in zip((before, after), languages, strict=True)
        )
        listed = list(_lists(source_language).finditer(given))
        items = max((_count(match[str(match.lastgroup)], source_language) for match in listed), default=0)
        count = _count(found, target_language)
        if all(match["told"] is None for match in listed) and _named(target_language).search(found):
            count += 1  # "Trimmer, battery not included": "Schere ohne Akku"
        if items and count < items:
            yield f"of {items + 1} items of the source, fewer are left"


def _count(text: str, language: str) -> int:
    """How many places part items."""
    return len(_parts(language).findall(text))


@cache
def _parts(language: str) -> re.Pattern[str]:
    joints = lists("enumerations")[language]["joints"]
    return re.compile(rf"(?:,\s)?(?:(?<![^\W_])(?:{joints})(?![^\W_])|&)|{_MARKS}")


@cache
def _open(language: str) -> re.Pattern[str]:
    """Words such as "and up", with which nothing is enumerated."""
    return re.compile(bounded(lists("enumerations")[language]["open"]))


@cache
def _named(language: str) -> re.Pattern[str]:
    """Words such as "without" between a product and what it comes with."""
    return re.compile(rf"(?<=[^\W_] )(?:{lists('enumerations')[language]['before']}) (?=[^\W_])")


@cache
def _lists(language: str) -> re.Pattern[str]:
    words = lists("enumerations")[language]
    last = rf",?\s(?:(?:{words['joints']})(?![^\W_])|&)\s{_ITEM}(?![\w-])"
    some, more = rf"{_ITEM}(?:,\s{_ITEM})*{last}", rf"{_ITEM}(?:,\s{_ITEM})+{last}"
    told = rf"(?<![^\W_])(?:{words['before']}):?\s(?P<told>{some})|(?P<said>{some})\s(?:{words['after']})(?![^\W_])"
    return re.compile(
        rf"{told}|^(?P<first>{more})|:\s(?P<row>{_ITEM}(?:,\s{_ITEM}){{2,}})(?=[.!?;)]|$)|(?P<last>{more})(?=[.!?;)]|$)"
    )
