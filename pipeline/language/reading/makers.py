"""Whether a translation names a maker that its source does not: "Messer von Zwilling" for "Knife"."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pipeline.language.reading.wording import fold

_NAME = r"([A-ZÄÖÜÉÈÁÓÑ][\w&'’-]+)"
#: Words before a name. German "von" may be any genitive, so it counts only where the source has no such word.
_BY = {
    "en": re.compile(rf"(?<!\w)(?i:by|made by)\s{_NAME}"),
    "de": re.compile(rf"(?<!\w)(?i:von|by|der Marke|Marke)\s{_NAME}"),
    "fr": re.compile(rf"(?<!\w)(?i:par|signée?|de la marque|marque)\s{_NAME}"),
    "es": re.compile(rf"(?<!\w)(?i:por|de la marca|marca)\s{_NAME}"),
}
_MOST_WORDS = 8  # of a title or a short sentence; in more, "von Köchen" is no name
_OF = re.compile(r"(?i)(?<!\w)(?:by|of|from|for|von|vom|aus|des|der|par|de|du|por|del|di|da|van)(?!\w)|(?<!\w)d['’]|['’]s?(?!\w)")


def compare(source: str, target: str, source_language: str, target_language: str) -> Iterator[str]:
    """What is wrong, in sentences; nothing for a language whose words are not known. The texts are without markup."""
    cue = _BY.get(target_language)
    if cue is None:
        return
    known, said = fold(source), fold(target)
    theirs = _BY.get(source_language)
    lost = [name for name in theirs.findall(source) if fold(name) not in said] if theirs else []
    for name in cue.findall(target):
        short = len(target.split()) <= _MOST_WORDS
        if fold(name) not in known and (lost or (short and not _OF.search(source))):
            yield f"{name!r} is a name that the source does not have"
