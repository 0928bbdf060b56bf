"""Google's number for each product of a store, without any connection: through its category in Shopify's taxonomy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pyarrow.compute as pc

from pipeline.listings.categories.overlay import OF_PRODUCT
from pipeline.listings.categories.ranker import Place, Ranker, ranker_of
from pipeline.listings.categories.taxonomy import Taxonomy, read_taxonomy, shopify
from pipeline.model.errors import PipelineError
from pipeline.platform.io_manager import stored_table
from pipeline.platform.tables import Table
from pipeline.quality.schema import FIXED_PRODUCTS
from pipeline.settings import Settings
from pipeline.stores.stores import get_store

STATUSES = ("own", "guessed", "suggested", "none")
COLUMNS = (
    "product_id", "title", "google_category", "google_name", "status", "confidence", "reason", "taxonomy", "taxonomy_name",
)  # fmt: skip
#: As `category_confidence` of a connection: guesses that are less sure are only suggested.
THRESHOLD = 0.9
UNKNOWN = "unknown number"


@dataclass(frozen=True)
class GoogleView:
    """Of one store, read batch by batch. `names`: Google's published taxonomy, where an operator has the file."""

    fixed_products: Table
    ranker: Ranker
    names: Taxonomy | None = None
    threshold: float = THRESHOLD

    def rows(self) -> Iterator[dict[str, Any]]:
        """A row of COLUMNS for each active product, in the order of the catalog."""
        for number in range(self.fixed_products.batches):
            batch = self.fixed_products.arrow_batch(number, [*OF_PRODUCT, "status"])
            for product in batch.filter(pc.equal(batch["status"], "active")).to_pylist():
                yield self.row(product)

    def row(self, product: Mapping[str, Any]) -> dict[str, Any]:
        """`own`: the store says its category; `guessed` and `suggested`: its words do; `none`: nothing does."""
        place = self.ranker.place(product, self.ranker.query(product))
        found = {**dict.fromkeys(COLUMNS), "product_id": product["product_id"], "title": product["title"]}
        if place is None:
            return {**found, "status": "none", "reason": "no word of it is in Shopify's taxonomy; set its category in the store"}
        number = shopify().google[place.row]
        return {
            **found,
            "google_category": number or None,
            "google_name": self._name(number),
            "status": self._status(place),
            "confidence": place.confidence,
            "reason": place.reason() if number else f"{place.reason()}; Google has no category for that",
            "taxonomy": shopify().ids[place.row],
            "taxonomy_name": shopify().full(place.row),
        }

    def _status(self, place: Place) -> str:
        if place.own:
            return "own"
        return "guessed" if place.confidence >= self.threshold else "suggested"

    def _name(self, number: str) -> str | None:
        if self.names is None or not number:
            return None
        row = self.names.by_id.get(number)
        return UNKNOWN if row is None else self.names.full(row)


class Summary:
    """How many products there are by status."""

    def __init__(self) -> None:
        self.counts = dict.fromkeys(STATUSES, 0)

    def counted(self, rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for row in rows:
            self.counts[row["status"]] += 1
            yield row

    def __str__(self) -> str:
        own, guessed, suggested, none = (self.counts[status] for status in STATUSES)
        return f"{own} from the store, {guessed} guessed and sure, {suggested} only suggested, {none} without"


def open_view(
    connection: psycopg.Connection[Any], settings: Settings, store: str, names: Path | None = None, threshold: float = THRESHOLD
) -> GoogleView:
    """Raises PipelineError before the first import, BadInputError for a file of names that is none."""
    found = get_store(connection, store)
    products = stored_table(settings, "fixed_products", FIXED_PRODUCTS, found.key)
    if products is None:
        raise PipelineError(f"there are no products of {found.key} yet; read them with: pipeline import {found.key}")
    known = read_taxonomy(names, "the option --names") if names is not None else None
    return GoogleView(products, ranker_of(found, settings.data_dir), known, threshold)
