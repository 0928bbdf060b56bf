"""Offers, and calls to buy or to go elsewhere: a translation makes none that its source does not make. What a model was
talked into reads like that. Words are data (`words/appeals.yaml`, and the claim `promo` of `words/facts.yaml`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from pipeline.language.reading.wording import any_of, both, bounded, fold, lists, supported, words

_WITHOUT = re.compile(r"-(?:free|frei\w*)(?!\w)|(?<!\w)free (?:of|from)(?! \w+day|\w)")  # BPA-free is no gift


def added(source: str, target: str, source_language: str, target_language: str) -> str | None:
    """The first appeal of a translation whose source has none about the same; None too for a source in a language whose words
    are not known."""
    if not supported(source_language):
        return None
    given = _WITHOUT.sub(" ", fold(source))
    ordinary = words(lists("appeals")["ordinary"].get(target_language))
    for match in _appeals(target_language).finditer(fold(target)):
        if match[0] not in ordinary and not any(
            _about(source_language)[name].search(given) for name in about(match[0], target_language)
        ):
            return match[0]
    return None


def about(appeal: str, language: str) -> list[str]:
    """What a folded appeal is about; it may be several things, as a limited offer."""
    return [name for name, pattern in _about(language).items() if pattern.search(appeal)]


@cache
def _appeals(language: str) -> re.Pattern[str]:
    listed = (lists("appeals")["calls"], lists("facts")["claim"]["promo"])
    return re.compile("|".join(bounded(any_of(one.get(tongue), tongue)) for one in listed for tongue in both(language)))


@cache
def _about(language: str) -> Mapping[str, re.Pattern[str]]:
    """German words also at the end of others: Werberabatt."""

    def said(one: Mapping[str, str], tongue: str) -> str:
        found = any_of(one.get(tongue), tongue)
        return rf"(?:{found})(?![^\W_])" if tongue == "de" else bounded(found)

    known = lists("appeals")["about"].items()
    return {name: re.compile("|".join(said(one, tongue) for tongue in both(language))) for name, one in known}
