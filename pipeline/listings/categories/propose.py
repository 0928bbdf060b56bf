"""The category of one product on one marketplace site: people's choices, then rules, then a guess by its words.

A guess below the connection's `category_confidence` is a suggestion, which listings do not use until somebody accepts it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from hashlib import blake2b
from typing import Any

import orjson

from pipeline.listings.categories import index
from pipeline.listings.categories.crossing import MOST_CANDIDATES, crossed
from pipeline.listings.categories.decisions import Decisions, Scope, key_of
from pipeline.listings.categories.index import Match
from pipeline.listings.categories.ranker import LEAF, Place, Ranker, quoted
from pipeline.listings.categories.taxonomy import Taxonomy, shipped_words, shopify
from pipeline.listings.categories.text import Query, stem, words
from pipeline.stores.export_settings import ExportSettings

#: Bump when this module decides otherwise about the same product.
VERSION = "4"
#: Below it the likeliest category in Shopify's taxonomy is no help in finding the marketplace's.
_HELPFUL = 0.6
_PARENT = 0.4  # weight of the words of the category above the one in Shopify's taxonomy
_MOST_REASON = 400
_OTHERWISE = 0.75  # as sure at most is a guess that Shopify's taxonomy has another name for
#: How sure the first of a marketplace's own suggestions is, alone and among others, where its name shares no word.
_ALONE, _FIRST = 0.8, 0.5


@dataclass(frozen=True)
class Proposal:
    """The columns of listings.schema.CATEGORIES beside product and revision."""

    status: str  # accepted | suggested | none
    category: str | None = None
    name: str | None = None
    confidence: float | None = None
    engine: str | None = None
    reason: str = ""
    attributes: str | None = None
    taxonomy: str | None = None
    taxonomy_name: str | None = None
    taxonomy_confidence: float | None = None
    google_category: str | None = None
    candidates: Sequence[str] = ()
    candidate_names: Sequence[str] = ()


@dataclass(frozen=True)
class Proposer:
    """Decides for the products of one connection."""

    store: str  # keys, for what people are told to press
    site: str
    settings: ExportSettings
    decisions: Decisions = field(default_factory=Decisions)
    file: Taxonomy | None = None  # the marketplace's categories
    suggested: Mapping[str, Sequence[str]] = field(default_factory=dict)  # by the marketplace itself, for titles
    ranker: Ranker = field(default_factory=Ranker)

    @cached_property
    def fingerprint(self) -> bytes:
        """Changes when any product may get another category."""
        facts = [VERSION, index.VERSION, shopify().version, self.ranker.version, self.given]
        return blake2b(orjson.dumps(facts), digest_size=32).digest()

    @cached_property
    def given(self) -> str:
        """Version of what operators gave: settings, decisions, file."""
        return given_version(self.settings, self.decisions, self.file)

    def propose(self, product: Mapping[str, Any], rule: int) -> Proposal:
        """For a row of quality.schema.FIXED_PRODUCTS; `rule` is the number of the first rule that matches, or -1."""
        query = self.ranker.query(product) if self._ranks else None
        places = self.ranker.places(product, query, MOST_CANDIDATES if self._crosses else 1)
        place = places[0] if places else None
        found = self._decided(product, rule, place) or self._guessed(product, query, places)
        if place is None:
            return found
        taxonomy = shopify()
        return replace(
            found,
            taxonomy=taxonomy.ids[place.row],
            taxonomy_name=taxonomy.full(place.row),
            taxonomy_confidence=place.confidence,
            google_category=taxonomy.google[place.row] or None,
        )

    @cached_property
    def _ranks(self) -> bool:
        """Whether the words of a product can lead anywhere: to the marketplace's categories, or to what people chose for one of
        Shopify's. Ranking is most of the work."""
        of_taxonomy = any(scope == "taxonomy" for scope, _ in self.decisions.accepted)
        return self.file is not None or bool(self.suggested) or of_taxonomy

    @cached_property
    def _crosses(self) -> bool:
        """Whether the file has Google's taxonomy, of which Shopify's says the numbers."""
        return self.file is not None and self.file.is_google

    def _decided(self, product: Mapping[str, Any], rule: int, place: Place | None) -> Proposal | None:
        """By people, beforehand."""
        for scope, key in keys_of(product):
            chosen = self.decisions.accepted.get((scope, key))
            if chosen is not None:
                what = "this product" if scope == "product" else f'product type "{product["product_type"]}"'
                return self._accepted(chosen, "choice", f"chosen for {what}")
        if rule >= 0:
            found = self.settings.category_rules[rule]
            made = self._accepted(found.category, "rule", f"rule {rule + 1}: {found.field} is {found.pattern}")
            if not found.attributes:
                return made
            return replace(made, attributes=orjson.dumps(found.attributes, option=orjson.OPT_SORT_KEYS).decode())
        if place is None:
            return None
        for key in upwards(shopify().ids[place.row]):
            chosen = self.decisions.accepted.get(("taxonomy", key))
            if chosen is not None and chosen not in self.decisions.refuses(keys_of(product)):
                name = shopify().full(shopify().by_id[key]) if key in shopify().by_id else key
                reason = f"chosen for {name}, where it belongs {place.said()}"
                return self._judged(chosen, self._name(chosen), place.confidence, "choice", reason)
        return None

    def _guessed(self, product: Mapping[str, Any], query: Query | None, places: Sequence[Place]) -> Proposal:
        if query is None:
            return self._unknown()
        place = places[0] if places else None
        refused = self.decisions.refuses([*keys_of(product), *_taxonomy_keys(place)])
        if (found := self._crossed(query, places, refused)) is not None:
            return found
        suggested = [one for one in self.suggested.get(product["title"] or "", ()) if one not in refused][:MOST_CANDIDATES]
        if suggested:
            return self._suggested(suggested, self._with_place(query, place), place)
        if self.file is None:
            return self._unknown()
        matches = self.ranker.best(self.file, self._with_place(query, place), product, MOST_CANDIDATES + len(refused))
        left = [match for match in matches if self.file.ids[match.row] not in refused][:MOST_CANDIDATES]
        if not left:
            return Proposal("none", reason=f"no word of it is in the categories of {self.file.name}; {self._press()}")
        candidates = [(self.file.ids[match.row], self.file.full(match.row)) for match in left]
        reason = f"{_why(left[0], place)}{self.ranker.weak(self.file)}"
        sure = self._sure(left[0], self.file.paths[left[0].row], place)
        return self._judged(*candidates[0], sure, "lexical", reason, candidates)

    def _sure(self, match: Match, path: Sequence[str], place: Place | None) -> float:
        """Of the category at `path`: no surer than where the same words put it among all that is sold, as a file with little in
        it has nothing to mistake it for. And no more than a suggestion where that is called otherwise."""
        if place is None or self.ranker.weak(self.ranker.names):
            return match.confidence
        alike = self.ranker.called(place) & {stem(word) for name in path for word in words(name)}
        return min(match.confidence, place.confidence, 1.0 if alike else _OTHERWISE)

    def _crossed(self, query: Query, places: Sequence[Place], refused: frozenset[str]) -> Proposal | None:
        """Google's number for where it belongs in Shopify's taxonomy, if the file has Google's taxonomy: as sure as that is."""
        if self.file is None or not self._crosses:
            return None
        found = crossed(self.file, self.ranker, query, places, refused, least=self.settings.category_confidence)
        if found is None:
            return None
        if found.own:
            return self._accepted(found.key, "taxonomy", found.reason)
        named = [(key, self.file.full(self.file.by_id[key])) for key in found.candidates]
        return self._judged(found.key, self._name(found.key), found.confidence, "lexical", found.reason, named)

    def _unknown(self) -> Proposal:
        name = f"name a file of them: pipeline connection set {self.store} {self.site} category_file=FILE"
        return Proposal("none", reason=f"the categories of {self.site} are not known here; {name}, or {self._press()}")

    def _suggested(self, suggested: Sequence[str], query: Query, place: Place | None) -> Proposal:
        """The marketplace's own suggestions for the title, ordered by the product's words. It says nothing of how sure it is."""
        names = [self._name(key) or key.replace("_", " ").capitalize() for key in suggested]
        matches = _small_index(tuple(names)).rank(query, len(names))
        order = list(dict.fromkeys([*(match.row for match in matches), *range(len(names))]))
        least = _ALONE if len(names) == 1 else _FIRST
        sure = max(least, self._sure(matches[0], names[matches[0].row].split(">"), place)) if matches else least
        said = f", {_why(matches[0], place)}" if matches else ""
        candidates = [(suggested[row], names[row]) for row in order]
        found = self._judged(*candidates[0], sure, "marketplace", f"suggested by {self.site} for its title{said}", candidates)
        return replace(found, status="accepted") if self.settings.accept_suggested_product_types else found

    def _with_place(self, query: Query, place: Place | None) -> Query:
        if place is None or place.confidence < _HELPFUL:
            return query
        path = self.ranker.names.paths[place.row]
        wider = query.copy()
        wider.add(path[-1], LEAF * place.confidence, implied=True)
        if len(path) > 1:
            wider.add(path[-2], _PARENT * place.confidence, implied=True)
        return wider

    def _accepted(self, category: str, engine: str, reason: str) -> Proposal:
        return Proposal("accepted", category, self._name(category), 1.0, engine, reason[:_MOST_REASON])

    def _judged(
        self,
        category: str,
        name: str | None,
        confidence: float,
        engine: str,
        reason: str,
        candidates: Sequence[tuple[str, str]] = (),
    ) -> Proposal:
        status = "accepted" if confidence >= self.settings.category_confidence else "suggested"
        keys, names = [one for one, _ in candidates], [one for _, one in candidates]
        return Proposal(
            status, category, name, confidence, engine, reason[:_MOST_REASON], candidates=keys, candidate_names=names
        )  # fmt: skip

    def _name(self, category: str) -> str | None:
        row = self.file.by_id.get(category) if self.file is not None else None
        return self.file.full(row) if self.file is not None and row is not None else None

    def _press(self) -> str:
        return f"choose one: pipeline categories set {self.store} {self.site} CATEGORY --product ID"


def given_version(settings: ExportSettings, decisions: Decisions, file: Taxonomy | None) -> str:
    """Changes when operators change anything that categories depend on."""
    rules = [rule.model_dump() for rule in settings.category_rules]
    sure = [settings.category_confidence, settings.accept_suggested_product_types]
    facts = [rules, sure, decisions.version, file.version if file is not None else None]
    return blake2b(orjson.dumps(facts), digest_size=16).hexdigest()


def keys_of(product: Mapping[str, Any]) -> list[tuple[Scope, str]]:
    """What decisions about the product itself and its product type are about."""
    keys: list[tuple[Scope, str]] = [("product", product["product_id"])]
    kind = key_of("product_type", product["product_type"] or "")
    return [*keys, ("product_type", kind)] if kind else keys


def _taxonomy_keys(place: Place | None) -> list[tuple[Scope, str]]:
    return [] if place is None else [("taxonomy", key) for key in upwards(shopify().ids[place.row])]


def upwards(key: str) -> Iterator[str]:
    """An id of Shopify's taxonomy and those of its parents, the nearest first."""
    while key:
        yield key
        key = key.rpartition("-")[0]


def _why(match: Match, place: Place | None) -> str:
    """The product's own words; and where others come from, if it rests on them too."""
    own = f"{said} in its words" if (said := quoted(match.because)) else ""
    if place is None or not match.implied:
        return own
    implied = f"the name of {shopify().full(place.row)}, where it belongs {place.said()}"
    return f"{own}, and {implied}" if own else implied


@lru_cache(maxsize=512)
def _small_index(names: tuple[str, ...]) -> index.Index:
    return index.Index([tuple(part.strip() for part in name.split(">")) for name in names], {}, shipped_words())
