"""What a product's words say: the best categories of a taxonomy, and where it belongs in Shopify's.

The store's own category is taken as it is; everything else is a guess.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pipeline.language.languages import base, language_name
from pipeline.listings.categories.index import Match
from pipeline.listings.categories.localized import shopify_in
from pipeline.listings.categories.rerank import Reranker, configured_reranker
from pipeline.listings.categories.taxonomy import Taxonomy, shopify
from pipeline.listings.categories.text import Query, Term, names_in
from pipeline.settings import shopify_taxonomy_dir
from pipeline.stores.stores import Store

#: Weights of the words of the product type, of tags, and of its category in Shopify's taxonomy; those of the title count 1.
_TYPE, _TAG, LEAF = 1.2, 0.4, 1.0
_MOST_TAGS = 20
#: How sure a guess is at most where products and names are in different languages: what they share is mostly chance.
_FOREIGN = 0.4


@dataclass(frozen=True)
class Place:
    """A category in Shopify's taxonomy, how sure that is, and the words that say so (none: the store says it)."""

    row: int
    confidence: float
    because: Sequence[Term] = ()
    weak: str = ""  # why it is a weak guess, if it is

    @property
    def own(self) -> bool:
        """The store's own category, not a guess."""
        return not self.because

    def reason(self) -> str:
        return "the store says it" if self.own else f"{quoted(self.because)} in its words{self.weak}"

    def said(self) -> str:
        """The reason as the end of a sentence about it."""
        return "as the store says" if self.own else f"because of {quoted(self.because)}{self.weak}"


@dataclass(frozen=True)
class Ranker:
    """Ranks by words, and with a reranker by what they mean too. Products are rows of quality.schema.FIXED_PRODUCTS.

    `names` is Shopify's taxonomy, row by row as `shopify()`, in the language of the products where operators have it."""

    language: str = "en"  # of the products
    reranker: Reranker | None = None
    names: Taxonomy = field(default_factory=shopify)

    @property
    def version(self) -> list[str | None]:
        """Changes when the same product may be ranked otherwise."""
        return [base(self.language), self.names.version, self.reranker.version if self.reranker is not None else None]

    def query(self, product: Mapping[str, Any]) -> Query:
        query = self.names.index.query()
        query.add(product["title"], without=product["vendor"])
        query.add(product["product_type"], _TYPE, kind=True)
        for tag in (product["tags"] or ())[:_MOST_TAGS]:
            query.add(tag, _TAG)
        return query

    def best(self, taxonomy: Taxonomy, query: Query, product: Mapping[str, Any], most: int) -> list[Match]:
        """The best categories, the best first; none without a known word."""
        if self.reranker is None:
            found = taxonomy.index.rank(query, most)
        else:
            text = " ".join(product[name] for name in ("title", "product_type") if product[name])
            found = self.reranker.rank(taxonomy, query, text, most)
        if not self._foreign(taxonomy):
            return found
        return [replace(match, confidence=min(match.confidence, _FOREIGN)) for match in found]

    def weak(self, taxonomy: Taxonomy) -> str:
        """What to say of guesses in it, if they are weak: its names are not in the language of the products."""
        if not self._foreign(taxonomy):
            return ""
        said = "in English" if taxonomy.english else "not in English"
        help_ = "SHOPIFY_TAXONOMY_DIR can name others" if taxonomy is self.names else "a category_file in their language helps"
        return f"; a weak guess, as products are in {language_name(self.language)} and the names of categories {said}: {help_}"

    def called(self, place: Place) -> set[str]:
        """What it is in Shopify's taxonomy, in a stemmed word each."""
        return {name[-1] for name in names_in(self.names.paths[place.row][-1])}

    def _foreign(self, taxonomy: Taxonomy) -> bool:
        return taxonomy.english != (base(self.language) == "en")

    def place(self, product: Mapping[str, Any], query: Query | None) -> Place | None:
        """Where it belongs in Shopify's taxonomy; without a query only what the store says."""
        return next(iter(self.places(product, query, 1)), None)

    def places(self, product: Mapping[str, Any], query: Query | None, most: int) -> list[Place]:
        """Where it may belong in Shopify's taxonomy, the likeliest first; what the store says is the only one."""
        own = shopify().find(product["category"])
        if own is not None:
            return [Place(own, 1.0)]
        if query is None:
            return []
        if product["category"]:  # a name that this release of the taxonomy does not have
            query = query.copy()
            query.add(product["category"].rpartition(">")[2], LEAF)
        weak = self.weak(self.names)
        return [Place(one.row, one.confidence, one.because, weak) for one in self.best(self.names, query, product, most)]


def quoted(because: Sequence[Term]) -> str:
    """The product's own words; those that something else implies are not quoted."""
    own = (term for term in because if not term.implied)
    return ", ".join(f'"{term.written}"' + (f" (taken for {term.meant})" if term.meant else "") for term in own)


def ranker_of(store: Store, data_dir: Path) -> Ranker:
    """As the environment says. Raises UsageError and BadInputError for files that cannot be used."""
    names = shopify_in(store.language, shopify_taxonomy_dir())
    return Ranker(store.language, configured_reranker(data_dir), names)
