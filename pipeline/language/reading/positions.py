"""Words of a text that stand where a fact is stated, whether a list knows them or not: "made of X", "X lid", "approved by X".

The cues are data (`words/positions.yaml`), and so are words that state nothing there ("made of the finest materials").
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from pipeline.language.reading.sentences import CLAUSE_END
from pipeline.language.reading.wording import Folded, any_of, as_pattern, bounded, fold, lists, words

#: What may stand in such a place.
KINDS = ("material", "origin", "part", "endorsement", "use")
_STOP = re.compile(rf"{CLAUSE_END}|[()\[\]{{}}/–—]")
_LONGEST, _MOST_WORDS = 90, 4
#: Where a number stood; an item of a list that has one is a clause.
_BLANKED = re.compile(r"\s{3}")
_WORD = re.compile(r"[^\W_]+")
#: Between a cue and its link: "is made entirely of", "le corps est en".
_BETWEEN = r"(?![^\W_])(?:\s+(?:[^\W\d_]+ly|is|are|ist|sind|est|sont|es|son))?"
#: English words that describe rather than name. Those in -ing name uses.
_DESCRIBING = re.compile(r"[a-z]{2,}(?:(?<!e)ed|able|ible|ful|less|ive|ous|ish)|[a-z]{3,}ly")
_DOING = re.compile(r"[a-z]{3,}ing")


@dataclass(frozen=True)
class Named:
    """A word in a place for facts of a kind. `names` is whether it names the fact, or only stands with the word that does."""

    kind: str
    word: str
    shown: str
    start: int
    names: bool


def named(text: Folded, language: str) -> Iterator[Named]:
    for kind in KINDS:
        rules = lists("positions")[kind].get(language, {})
        for match in _after(kind, language).finditer(text.text):
            yield from _phrase(text, match.end(), kind, language)
        for match in _before(kind, language).finditer(text.text):
            if _may_name(text, match.start(1), match[1], kind, language):
                yield Named(kind, match[1], text.shown(*match.span()), match.start(1), names=True)
        if "endings" in rules:
            for match in _compounds(kind, language).finditer(text.text):
                if match[1] not in _plain(language) and text.original[text.places[match.start()]].isupper():
                    yield Named(kind, match[1], text.shown(*match.span()), match.start(), names=True)


def _phrase(text: Folded, start: int, kind: str, language: str) -> Iterator[Named]:
    """The words that name something in a list such as "soft wool, cork and some felt"."""
    stop = _STOP.search(text.text, start, start + _LONGEST)
    end = stop.start() if stop else len(text.text)
    if end > start + _LONGEST:
        end = max(text.text.rfind(" ", start, start + _LONGEST + 1), start)  # no half word
    begin, first = start, True
    for joint in [*_joints(language).finditer(text.text, start, end), None]:
        item = list(_WORD.finditer(text.text, begin, joint.start() if joint else end))
        blanked = _BLANKED.search(text.text, begin, joint.start() if joint else end)
        if first or (not blanked and _is_noun(item, language)):
            yield from _item(text, item, kind, language)
        begin, first = (joint.end() if joint else end), False
        if len(item) > _MOST_WORDS or any(word[0] in _stops(language) for word in item):
            return  # a clause: what follows is no further item


def _is_noun(item: Sequence[re.Match[str]], language: str) -> bool:
    """Whether what follows in a list is short enough to be no clause: "felt", "a soft brush"."""
    return len(item) == 1 or (2 <= len(item) <= 3 and (language == "de" or item[0][0] in _plain(language)))


def _item(text: Folded, item: list[re.Match[str]], kind: str, language: str) -> Iterator[Named]:
    def seen(word: re.Match[str], *, names: bool) -> Named:
        return Named(kind, word[0], text.shown(*word.span()), word.start(), names)

    for place, word in enumerate(item):
        if word[0] in _stops(language):
            return
        last_of_part = kind == "part" and place == len(item) - 1  # a keyring, but a cleaning brush
        if not _may_name(text, word.start(), word[0], "use" if last_of_part else kind, language):
            yield seen(word, names=False)
            continue
        yield seen(word, names=True)
        rest = item[place + 1 :]
        if language == "en" and len(rest) == 1 and _may_name(text, rest[0].start(), rest[0][0], kind, language):
            yield seen(rest[0], names=rest[0][0] not in _stops(language))
        if language in ("fr", "es") and len(rest) >= 2 and rest[0][0] in ("de", "en") and rest[1][0] not in _stops(language):
            yield seen(rest[1], names=_may_name(text, rest[1].start(), rest[1][0], kind, language))
        return


def _may_name(text: Folded, start: int, word: str, kind: str, language: str) -> bool:
    if word in _plain(language) or word in _stops(language) or len(word) < 3 or word[0].isdigit():
        return False
    if language == "de":
        return text.original[text.places[start]].isupper()
    if language == "en":
        return not _DESCRIBING.fullmatch(word) and (kind == "use" or not _DOING.fullmatch(word))
    return True


def _rules(kind: str, language: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = lists("positions")[kind].get(language, {})
    return found


@cache
def _after(kind: str, language: str) -> re.Pattern[str]:
    """A cue, perhaps an adverb, a link to what follows."""
    parts = []
    for rule in _rules(kind, language).get("after", ()):
        cues = any_of(rule["cues"], language)
        links = rf"{_BETWEEN}\s*(?:{any_of(rule['links'])})" if "links" in rule else r"\s*:?"
        # Not after a dash, as one is left between the numbers that were taken out.
        begin = r"(?:(?<=^)|(?<=[.!?\n•:]))\s*" if rule.get("begins") else r"(?<![^\W_])"
        parts.append(rf"{begin}(?:{cues}){links}(?:(?<=[':])|(?![^\W_]))\s*")
    return re.compile("|".join(parts) or r"(?!)")


@cache
def _before(kind: str, language: str) -> re.Pattern[str]:
    heads = any_of(_rules(kind, language).get("before"), language)
    return re.compile(rf"(?<![^\W_])([^\W\d_]+)(?:'s)?(?:[\s-]+(?:is|are|ist|sind|est|sont))?[\s-]+(?:{heads})(?![^\W_])")


@cache
def _compounds(kind: str, language: str) -> re.Pattern[str]:
    """Griff of Korkgriff and Kork-Griff."""
    heads = "|".join(as_pattern(fold(word), language) for word in words(_rules(kind, language)["endings"]))
    return re.compile(bounded(rf"([^\W\d_]{{3,}}?)(?:en|es|s|n)?-?(?:{heads})"))


@cache
def _joints(language: str) -> re.Pattern[str]:
    return re.compile(rf",|&|\+|{bounded(any_of(lists('positions')['joints'][language]))}")


@cache
def _plain(language: str) -> frozenset[str]:
    return frozenset(fold(word) for word in " ".join(lists("positions")["plain"][language].values()).split())


@cache
def _stops(language: str) -> frozenset[str]:
    return frozenset(fold(word) for word in lists("positions")["stops"][language].split())
