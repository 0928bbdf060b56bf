"""Whether a translation declares what its source declares: what a product contains or is free from, above all what people are
allergic to. Words are data (`words/substances.yaml`).

Judged are texts that declare something ("contains", "traces of", "without", "-free"): what is named in one of them must be in the
other, and be there or be absent in both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache

from pipeline.language.reading import polarity
from pipeline.language.reading.sentences import sentences, side_by_side
from pipeline.language.reading.wording import bounded, fold, lists, supported

_PARTS = r"[,;:()&]"


def compare(source: str, target: str, source_language: str, target_language: str) -> Iterator[str]:
    """What is wrong, in sentences; nothing if the words of one of the languages are not known. The texts are without markup."""
    if not (supported(source_language) and supported(target_language)):
        return
    for before, after in side_by_side(source, target):
        texts = fold(before), fold(after)
        if _cue("declares", source_language).search(texts[0]) or _cue("declares", target_language).search(texts[1]):
            yield from _compare(before, after, source_language, target_language)


def _compare(source: str, target: str, source_language: str, target_language: str) -> Iterator[str]:
    given, found = _declared(source, source_language), _declared(target, target_language)
    source, target = fold(source), fold(target)
    for name, (shown, free) in given.items():
        same = [found[other][1] for other in (name, *_implying(name)) if other in found]
        if not same and not _within(name, shown, target, target_language):
            yield f"{shown!r} is lost"
        elif same and free is not None and set(same) == {not free}:
            yield f"{shown!r} is {'no longer denied' if free else 'denied'}"
    for name, (shown, _) in found.items():
        if not any(other in given for other in (name, *_implying(name))) and not _within(name, shown, source, source_language):
            yield f"{shown!r} is not in the source"


def _declared(text: str, language: str) -> Mapping[str, tuple[str, bool | None]]:
    """Substance -> its word, and whether the text says that it is free from it; None where it says neither, or both."""
    found: dict[str, tuple[str, bool | None]] = {}
    for sentence in map(fold, sentences(text)):
        free: bool | None = None
        for part in _joint(language).split(sentence):
            word = _cue("word", language).search(part) is not None
            if _cue("free", language).search(part) or polarity.denies(_cue("word", language).sub(" ", part), language):
                free = True
            elif _cue("contains", language).search(part) or _cue("with", language).search(part):
                free = False
            for match in _named(language).finditer(part):
                name, said = str(match.lastgroup), True if word else free
                found[name] = (match[0], said if name not in found or found[name][1] == said else None)
    return found


def _within(name: str, shown: str, text: str, language: str) -> bool:
    """Whether the word stands there as it is, or in a longer German one: Mandelmilch."""
    if len(shown) > 3 and shown in text:
        return True
    written = lists("substances")["substances"][name]["de"].split("|") if language == "de" else ()
    return any(len(word) > 3 and re.search(word, text) for word in written)


def _implying(name: str) -> list[str]:
    found: list[str] = lists("substances")["implied_by"].get(name, [])
    return found


@cache
def _joint(language: str) -> re.Pattern[str]:
    return re.compile(rf"{_PARTS}|{bounded(lists('substances')['joints'][language])}")


@cache
def _cue(kind: str, language: str) -> re.Pattern[str]:
    cues = lists("substances")["cues"][language]
    declares = "|".join(words for name, words in cues.items() if name != "with")
    return re.compile(bounded(declares if kind == "declares" else cues[kind]))


@cache
def _named(language: str) -> re.Pattern[str]:
    known = lists("substances")["substances"].items()
    return re.compile(bounded("|".join(f"(?P<{name}>{words[language]})" for name, words in known)))
