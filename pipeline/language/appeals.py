"""Offers, and calls to buy or to go elsewhere: a translation makes none that its source does not make. What a model was
talked into reads like that. Words are data (`appeals.yaml`, and the claim `promo` of `facts.yaml`)."""

from __future__ import annotations

import re
from functools import cache

from pipeline.language.wording import any_of, both, bounded, fold, lists, supported

_WITHOUT = re.compile(r"-(?:free|frei\w*)(?!\w)|(?<!\w)free (?:of|from)(?!\w)")  # BPA-free is no gift


def added(source: str, target: str, source_language: str, target_language: str) -> str | None:
    """The first appeal of a translation whose source has none; None too for a source in a language whose words are not known."""
    if not supported(source_language) or _may_appeal(source, source_language):
        return None
    found = _pattern(target_language, "words").search(fold(target))
    return found[0] if found else None


def _may_appeal(text: str, language: str) -> bool:
    """Whether it has an appeal, or a word that is often translated as one."""
    folded = _WITHOUT.sub(" ", fold(text))
    return any(_pattern(language, part).search(folded) for part in ("words", "hints"))


@cache
def _pattern(language: str, part: str) -> re.Pattern[str]:
    known = [lists("appeals")[part], *([lists("facts")["claim"]["promo"]] if part == "words" else [])]
    return re.compile(bounded("|".join(any_of(one.get(tongue), tongue) for one in known for tongue in both(language))))
