"""People looking at guessed categories and deciding: what there is to decide, in bulk, and as a CSV file to edit and give back.

A decision counts from the next time that `listing_categories` is made; it is shown at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg

from pipeline.listings.categories import decisions
from pipeline.listings.categories.decided import as_decided
from pipeline.listings.categories.decisions import Decision, Decisions, Scope, decide, key_of, read_decisions
from pipeline.listings.categories.inputs import category_file
from pipeline.listings.categories.overlay import NAME
from pipeline.listings.categories.taxonomy import Taxonomy, shopify
from pipeline.listings.cell import Cell, find_cell
from pipeline.listings.schema import CATEGORIES
from pipeline.listings.spreadsheets import read_rows, unknown, write_rows
from pipeline.model.errors import PipelineError, UsageError
from pipeline.platform.io_manager import stored_table
from pipeline.platform.tables import Table
from pipeline.quality.schema import FIXED_PRODUCTS
from pipeline.settings import Settings
from pipeline.stores.actions import Person, record_action
from pipeline.stores.text import known_names, shown

COLUMNS = (
    "product_id", "title", "product_type", "category", "name", "status", "confidence", "engine", "reason", "taxonomy",
    "taxonomy_name", "google_category", "candidates", "decision",
)  # fmt: skip
_NEEDED = ("product_id", "category", "decision")
_OF_PRODUCT = ["product_id", "title", "product_type"]
_MOST_BYTES = 64_000_000
#: Decisions that one line of the audit names; all of them are in `category_decisions`.
_MOST_AUDITED = 20


@dataclass(frozen=True)
class Which:
    """Products of `listing_categories`: those named, or of named product types, or all; at least as sure as `minimum`."""

    product_ids: Sequence[str] = ()
    product_types: Sequence[str] = ()
    everything: bool = False
    minimum: float = 0.0


@dataclass(frozen=True)
class Refused:
    """A line of a file of decisions that was not taken."""

    line: int
    product_id: str
    reason: str


@dataclass(frozen=True)
class Shelf:
    """The stored categories of a connection as they are decided now, with the products that they are of."""

    cell: Cell
    categories: Table
    fixed_products: Table
    decisions: Decisions

    def rows(self, status: str | None = None, which: Which | None = None) -> Iterator[dict[str, Any]]:
        """Rows of COLUMNS (but `decision`), in the order of the catalog."""
        texts = self.fixed_products.arrow(_OF_PRODUCT)
        texts_of = {row["product_id"]: row for row in texts.to_pylist()}
        kinds = {key_of("product_type", one) for one in which.product_types} if which else set()
        ids = set(which.product_ids) if which else set()
        for number in range(self.categories.batches):
            for row in self.categories.arrow_batch(number).to_pylist():
                text = texts_of.get(row["product_id"], {"product_type": None})
                kind = key_of("product_type", text["product_type"] or "")
                if which is None or which.everything or row["product_id"] in ids or kind in kinds:
                    said = self._as_decided({**row, **text})
                    sure = which is None or not which.minimum or (said["confidence"] or 0.0) >= which.minimum
                    if sure and status in (None, said["status"]):
                        yield {name: said.get(name) for name in COLUMNS[:-1]}

    def counts(self) -> Counter[str]:
        """Products by status."""
        return Counter(row["status"] for row in self.rows())

    def _as_decided(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        place = f"{self.cell.store.key} {self.cell.site.key}"
        threshold = self.cell.connection.export_settings.category_confidence
        return as_decided(row, self.decisions, threshold, self._name, f"pipeline categories map {place}")

    def _name(self, category: str) -> str | None:
        row = self._file.by_id.get(category) if self._file is not None else None
        return self._file.full(row) if self._file is not None and row is not None else None

    @cached_property
    def _file(self) -> Taxonomy | None:
        return category_file(self.cell.connection.export_settings)


def connected_cell(connection: psycopg.Connection[Any], store: str, site: str) -> Cell:
    """Raises UsageError for a store that is not connected to the site."""
    cell = find_cell(connection, store, site)
    if cell is None:
        raise UsageError(f"{store} is not connected to {site}; connect it with: pipeline connect {store} {site}")
    return cell


def require_products(settings: Settings, cell: Cell, ids: Collection[str], command: str) -> None:
    """Raises UsageError for an id of no product of the store; `command` lists them. Before its first import all are taken."""
    products = stored_table(settings, "fixed_products", FIXED_PRODUCTS, cell.store.key) if ids else None
    if products is None:
        return
    if unknown := set(ids) - set(products.arrow(["product_id"])["product_id"].to_pylist()):
        said = ", ".join(repr(shown(one)) for one in sorted(unknown)[:_MOST_AUDITED])
        place = f"{cell.store.key} {cell.site.key}"
        raise UsageError(f"{cell.store.key} has no product {said}; --product takes ids as shown by: pipeline {command} {place}")


def open_shelf(connection: psycopg.Connection[Any], settings: Settings, cell: Cell) -> Shelf:
    """Raises PipelineError while there are no categories yet."""
    categories = stored_table(settings, NAME, CATEGORIES, cell.site.key, cell.store.key)
    products = stored_table(settings, "fixed_products", FIXED_PRODUCTS, cell.store.key)
    if categories is None or products is None:
        place = f"{cell.store.key} {cell.site.key}"
        raise PipelineError(f"there are no categories of {place} yet; make them with: pipeline categories map {place}")
    return Shelf(cell, categories, products, read_decisions(connection, cell.store.id, cell.site.key))


def accept(connection: psycopg.Connection[Any], cell: Cell, rows: Iterator[dict[str, Any]], person: Person) -> int:
    """Take the suggested category of each product for good; how many."""
    return record(connection, cell, "accept_categories", [_decision(row, True) for row in rows], person)


def reject(
    connection: psycopg.Connection[Any], cell: Cell, rows: Iterator[dict[str, Any]], person: Person, *, named: bool = False
) -> int:
    """Do not guess this category of each product again; how many. What was accepted or chosen for the product itself is taken
    back, if the products are `named`; what rules say, or people chose for a type of products, is no guess."""
    accepted = read_decisions(connection, cell.store.id, cell.site.key).accepted if named else {}
    own = {(key, category) for (scope, key), category in accepted.items() if scope == "product"}
    guesses = (
        row for row in rows if row["engine"] not in (None, "choice", "rule") or (row["product_id"], row["category"]) in own
    )
    chosen = [_decision(row, False) for row in guesses]
    return record(connection, cell, "reject_categories", chosen, person)


def choose(
    connection: psycopg.Connection[Any], cell: Cell, category: str, scope: Scope, keys: Sequence[str], person: Person
) -> int:
    """One category for products, product types or categories of Shopify's taxonomy. Raises UsageError for an unknown category
    where the marketplace's categories are known, and for one that Shopify's taxonomy does not have."""
    _check_category(cell, [category])
    absent = [key for key in keys if scope == "taxonomy" and key.strip() not in shopify().by_id]
    if absent:
        raise UsageError(
            f"Shopify's taxonomy has no {shown(absent[0])!r}; its ids are as in the column taxonomy of: categories list --csv"
        )
    return record(connection, cell, "choose_categories", [Decision(scope, key, category) for key in keys], person)


def record(connection: psycopg.Connection[Any], cell: Cell, action: str, made: Sequence[Decision], person: Person) -> int:
    """Keep decisions, and that they were made in the audit; how many."""
    with connection.transaction():
        count = decide(connection, cell.store.id, cell.site.key, made, person.who, person.why)
        if count:
            about = [f"{one.scope} {one.key}: {one.category}" for one in made[:_MOST_AUDITED]]
            record_action(connection, person, action, cell.store.key, cell.site.key, decisions=count, about=about)
    return count


def forget(connection: psycopg.Connection[Any], cell: Cell, keys: Mapping[Scope, Sequence[str]], person: Person) -> int:
    """Take decisions back; how many there were."""
    with connection.transaction():
        gone = sum(decisions.forget(connection, cell.store.id, cell.site.key, scope, found) for scope, found in keys.items())
        if gone:
            about = [f"{scope} {key}" for scope, found in keys.items() for key in found][:_MOST_AUDITED]
            record_action(connection, person, "forget_categories", cell.store.key, cell.site.key, decisions=gone, about=about)
    return gone


def write_csv(rows: Iterator[dict[str, Any]], file: Path) -> int:
    """For a spreadsheet: write `accept` or `reject` into the column `decision`, or another category and `accept`."""
    return write_rows(file, COLUMNS, rows, lambda value: " ".join(value) if isinstance(value, (list, tuple)) else str(value))


def read_csv(file: Path, cell: Cell, categories: Table) -> tuple[list[Decision], list[Refused]]:
    """The decisions of an edited file; lines without one are left alone. Raises BadInputError for a file that is none."""
    known = set(categories.arrow(["product_id"])["product_id"].to_pylist())
    taxonomy = category_file(cell.connection.export_settings)
    found: dict[str, Decision] = {}
    refused = []
    for line, row in read_rows(file, _NEEDED, "pipeline categories list --csv", _MOST_BYTES):
        product_id, category, said = (row[name].strip() for name in _NEEDED)
        said = said.lower()
        if not said:
            continue
        problem = None
        if said not in ("accept", "reject"):
            problem = f"decision must be accept or reject, not {shown(said)}"
        elif product_id not in known:
            problem = unknown(product_id, "there is no such product")
        elif not category:
            problem = "there is no category"
        elif said == "accept" and taxonomy is not None and category not in taxonomy.by_id:
            problem = f"{shown(category)} is not in {taxonomy.name}"
        elif product_id in found:
            problem = "the product is decided in a line before"
        if problem is not None:
            refused.append(Refused(line, shown(product_id), problem))
        else:
            found[product_id] = Decision("product", product_id, category, said == "accept")
    return list(found.values()), refused


def _check_category(cell: Cell, categories: Sequence[str]) -> None:
    taxonomy = category_file(cell.connection.export_settings)
    for category in categories:
        if taxonomy is not None and category not in taxonomy.by_id:
            raise UsageError(
                f"{taxonomy.name} has no category {shown(category)!r}; it has: {known_names(category, taxonomy.ids, 10)}"
            )


def _decision(row: Mapping[str, Any], accepted: bool) -> Decision:
    return Decision("product", row["product_id"], row["category"], accepted)
