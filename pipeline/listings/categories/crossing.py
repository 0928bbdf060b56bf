"""From Shopify's taxonomy into Google's: the number of where a product belongs, or of what it names below that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.listings.categories.ranker import Place, Ranker, quoted
from pipeline.listings.categories.taxonomy import Taxonomy, shopify
from pipeline.listings.categories.text import Query, stem, words

MOST_CANDIDATES = 10
#: As sure are words about what is below the category that the store says.
_FINER = 0.97


@dataclass(frozen=True)
class Crossed:
    """Google's number (`key`), how sure it is, and what else it may be. `own`: of the store's own category, no guess."""

    key: str
    confidence: float
    reason: str
    own: bool
    candidates: Sequence[str]


def crossed(
    file: Taxonomy, ranker: Ranker, query: Query, places: Sequence[Place], refused: frozenset[str] = frozenset(), *, least: float
) -> Crossed | None:
    """In `file`, which has Google's taxonomy, for `places` in Shopify's, the likeliest first. None where the file has no number
    for the likeliest, or all are `refused`. Below the store's own category only what is at least `least` sure."""
    google = shopify().google
    if not places or google[places[0].row] not in file.by_id:
        return None
    left = [one for one in places if google[one.row] in file.by_id and google[one.row] not in refused]
    numbers = [google[one.row] for one in left]
    if (finer := _finer(file, ranker, query, places[0], refused, least)) is not None:
        key, confidence, reason = finer
        return Crossed(key, confidence, reason, False, list(dict.fromkeys([key, *numbers]))[:MOST_CANDIDATES])
    if not left:
        return None
    return Crossed(numbers[0], left[0].confidence, _number_of(left[0]), left[0].own, list(dict.fromkeys(numbers)))


def _finer(
    file: Taxonomy, ranker: Ranker, query: Query, place: Place, refused: frozenset[str], least: float
) -> tuple[str, float, str] | None:
    """Below the category that has Google's number, the one that the product names in full, if it is called what Shopify's is: a
    pet bed is a dog bed there. Its key, confidence and reason."""
    rejected = {file.by_id[key] for key in refused if key in file.by_id}
    named = file.index.named_below(file.by_id[shopify().google[place.row]], query, rejected)
    sure = _FINER if place.own else place.confidence
    if named is None or (place.own and sure < least):
        return None
    row, term = named
    called = ranker.called(place).union(stem(words(one)[-1]) for one in shopify().aliases.get(place.row, ()))
    if called.isdisjoint(map(stem, words(file.paths[row][-1]))):
        return None
    return file.ids[row], sure, f"{quoted([term])} in its words, below {_number_of(place)}"


def _number_of(place: Place) -> str:
    return f"Google's number for {shopify().full(place.row)}, where it belongs {place.said()}"
