"""What a product's words say: the best categories of a taxonomy, and where it belongs in Shopify's.

The store's own category is taken as it is; everything else is a guess.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.listings.categories.index import Match
from pipeline.listings.categories.rerank import Reranker
from pipeline.listings.categories.taxonomy import Taxonomy, shopify
from pipeline.listings.categories.text import Query

#: Weights of the words of the product type, of tags, and of its category in Shopify's taxonomy; those of the title count 1.
_TYPE, _TAG, LEAF = 1.2, 0.4, 1.0
_MOST_TAGS = 20


@dataclass(frozen=True)
class Place:
    """A category in Shopify's taxonomy, how sure that is, and the words that say so (none: the store says it)."""

    row: int
    confidence: float
    because: Sequence[str] = ()

    @property
    def own(self) -> bool:
        """The store's own category, not a guess."""
        return not self.because

    def reason(self) -> str:
        return "the store says it" if self.own else f"{quoted(self.because)} in its words"


@dataclass(frozen=True)
class Ranker:
    """Ranks by words, and with a reranker by what they mean too. Products are rows of quality.schema.FIXED_PRODUCTS."""

    reranker: Reranker | None = None

    @property
    def version(self) -> str | None:
        return self.reranker.version if self.reranker is not None else None

    def query(self, product: Mapping[str, Any]) -> Query:
        query = shopify().index.query()
        query.add(product["title"], without=product["vendor"])
        query.add(product["product_type"], _TYPE)
        for tag in (product["tags"] or ())[:_MOST_TAGS]:
            query.add(tag, _TAG)
        return query

    def best(self, taxonomy: Taxonomy, query: Query, product: Mapping[str, Any], most: int) -> list[Match]:
        """The best categories, the best first; none without a known word."""
        if self.reranker is None:
            return taxonomy.index.rank(query, most)
        text = " ".join(product[name] for name in ("title", "product_type") if product[name])
        return self.reranker.rank(taxonomy, query, text, most)

    def place(self, product: Mapping[str, Any], query: Query | None) -> Place | None:
        """Where it belongs in Shopify's taxonomy; without a query only what the store says."""
        taxonomy = shopify()
        own = taxonomy.find(product["category"])
        if own is not None:
            return Place(own, 1.0)
        if query is None:
            return None
        if product["category"]:  # a name that this release of the taxonomy does not have
            query = Query(query.plain, dict(query.terms))
            query.add(product["category"].rpartition(">")[2], LEAF)
        best = self.best(taxonomy, query, product, 1)
        return Place(best[0].row, best[0].confidence, best[0].because) if best else None


def quoted(because: Sequence[str]) -> str:
    return ", ".join(f'"{word}"' for word in because)
