"""Google's number for each product of a store, without any connection: through its category in Shopify's taxonomy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pyarrow.compute as pc

from pipeline.listings.categories.crossing import crossed
from pipeline.listings.categories.overlay import OF_PRODUCT
from pipeline.listings.categories.ranker import Ranker, ranker_of
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
    """Of one store, read batch by batch. `names`: Google's published taxonomy, where an operator has the file; with it a product
    gets what Google has below the number of its category too, as on a marketplace with that file."""

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
        query = self.ranker.query(product)
        place = self.ranker.place(product, query)
        found = {**dict.fromkeys(COLUMNS), "product_id": product["product_id"], "title": product["title"]}
        if place is None:
            return {**found, "status": "none", "reason": "no word of it is in Shopify's taxonomy; set its category in the store"}
        number, reason = shopify().google[place.row], place.reason()
        own, confidence = place.own, place.confidence
        if not number:
            reason = f"{reason}; Google has no category for that"
        elif self.names is not None and self.names.is_google:
            finer = crossed(self.names, self.ranker, query, [place], least=self.threshold)
            if finer is not None and finer.key != number:
                number, reason, own, confidence = finer.key, finer.reason, finer.own, finer.confidence
        return {
            **found,
            "google_category": number or None,
            "google_name": self._name(number),
            "status": "own" if own else "guessed" if confidence >= self.threshold else "suggested",
            "confidence": confidence,
            "reason": reason,
            "taxonomy": shopify().ids[place.row],
            "taxonomy_name": shopify().full(place.row),
        }

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
