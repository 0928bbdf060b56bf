"""Whether a translation states what its source states: the countries, materials, colors, certifications and claims that lists
know (`words/facts.yaml`, `words/materials.yaml`). What both may say otherwise is data (`words/restated.yaml`).

What a text states is read strictly, by the words of its language, and whether the other one knows it leniently.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from pipeline.language.reading import claims, mishaps
from pipeline.language.reading.facts import Known
from pipeline.language.reading.wording import bounded, folded, lists, supported

_KINDS = ("country", "material", "color", "certification", "claim")


def compare(source: str, target: str, source_language: str, target_language: str) -> Iterator[str]:
    """What is wrong, in sentences; nothing if the words of one of the languages are not known well enough."""
    if not (supported(source_language) and supported(target_language)):
        return
    for said in _missing(target, source, target_language, source_language):
        yield f"{said.shown!r} is a {said.kind} that the source does not state"
    kept = lists("restated")["kept"]
    for said in _missing(source, target, source_language, target_language):
        if said.concept in kept.get(said.kind, ()):
            yield f"the {said.kind} {said.shown!r} is lost"


def _missing(text: str, other: str, language: str, other_language: str) -> Iterator[claims.Statement]:
    """What a text states and the other does not."""
    known = Known([other])
    plain = folded(text)
    others = [match.span() for match in _homonym(language).finditer(plain.text)]
    stated = [
        said
        for said in claims.stated(plain, language, _KINDS)
        if not any(start <= said.start and said.end <= end for start, end in others)
    ]
    each_once = {(said.kind, said.concept, said.shown): said for said in stated}
    for said in each_once.values():
        if not _judged(said) or _knows(known, said, language):
            continue
        if not mishaps.excluded(said.shown, other, language, other_language):
            yield said


def _judged(said: claims.Statement) -> bool:
    """Offers are judged by `appeals.py`."""
    other = said.concept == claims.NEVER or said.concept.startswith(claims.OTHER)
    return not other and said.concept not in lists("restated")["unjudged"]


def _knows(known: Known, said: claims.Statement, language: str) -> bool:
    implying = lists("restated")["implied_by"].get(said.kind, {}).get(said.concept, ())
    if known.has(said.shown) or any(known.says(said.kind, concept) for concept in (said.concept, *implying)):
        return True
    also = _also(said.concept, language)
    return also is not None and also.search(known.folded) is not None


@cache
def _also(concept: str, language: str) -> re.Pattern[str] | None:
    found = lists("restated")["also"].get(concept, {})
    written = [found[key] for key in ("any", language) if key in found]
    return re.compile("|".join(written)) if written else None


@cache
def _homonym(language: str) -> re.Pattern[str]:
    return re.compile(bounded(lists("restated")["homonyms"][language]))
