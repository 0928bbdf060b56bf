"""The whole way of one SKU, from its line in the source to the marketplace's answer: what `pipeline explain` tells.

Everything is looked up in the stored tables and ledgers as they are; nothing is computed anew. The result is plain data.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from psycopg.rows import dict_row

from pipeline.catalog.imports import latest_import
from pipeline.catalog.schema import INVENTORY, PRODUCTS, REJECTED, VARIANTS
from pipeline.language.optimize import TASK as OPTIMIZATION
from pipeline.language.reading.orders import is_unseen
from pipeline.listings.categories.decisions import list_decisions
from pipeline.listings.cell import Cell, find_cell
from pipeline.listings.localized.build import TASK as TRANSLATION
from pipeline.listings.open_texts import by_hand, missing, read_open, what_next
from pipeline.listings.overlays import LOCALIZED, OPTIMIZED
from pipeline.listings.overrides import plain, read_overrides
from pipeline.listings.plan_files import plan_folder
from pipeline.listings.preview import in_force, rows_of
from pipeline.listings.provenance import provenance
from pipeline.listings.schema import CATEGORIES, CHANGES, LISTINGS
from pipeline.listings.unsent import CHANGES as CARRIED
from pipeline.model.errors import UsageError
from pipeline.model.money import format_minor
from pipeline.operations.next_step import next_step
from pipeline.platform.io_manager import stored_table
from pipeline.platform.tables import Table
from pipeline.quality.schema import FIXED_PRODUCTS, FIXED_VARIANTS, FIXES, ISSUES, SCORES
from pipeline.settings import Settings
from pipeline.stores.connections import get_connection, list_connections
from pipeline.stores.stores import Store, get_store
from pipeline.stores.text import known_names, shown

Row = dict[str, Any]

#: Field of a listing -> where its value comes from: (table, column of the source).
_ORIGIN: Mapping[str, tuple[str, str]] = {
    "title": ("products", "title"), "description": ("products", "description_html"), "brand": ("products", "vendor"),
    "keywords": ("products", "tags"), "category": ("products", "product_type"), "attributes": ("products", "metafields"),
    "bullets": ("products", "description_html"), "mpn": ("products", "metafields"), "condition": ("products", "metafields"),
    "images": ("products", "images"), "gtin": ("variants", "barcode"), "option1": ("variants", "option1"),
    "option2": ("variants", "option2"), "option3": ("variants", "option3"), "price": ("variants", "price"),
    "list_price": ("variants", "compare_at_price"), "weight_grams": ("variants", "weight_grams"), "sku": ("variants", "sku"),
    "quantity": ("inventory", "available"),
}  # fmt: skip
#: Columns in minor units of a currency.
_AMOUNTS = (
    "price", "compare_at_price", "list_price", "sale_price", "price_before", "price_after", "list_price_after",
    "sale_price_after",
)  # fmt: skip
_SENT = b"""
    SELECT s.id AS submission, s.kind AS feed, s.export_id, s.feed_id, s.state, s.submitted_at, s.ended_at, r.message_id,
        r.outcome, r.reason
    FROM submission_results r JOIN submissions s ON s.id = r.submission_id
    WHERE s.store_id = %s AND s.site = %s AND s.transport = %s AND r.sku = %s ORDER BY s.id DESC LIMIT 20
"""
#: By feed, not by file: one of several files of an export's feed carries it.
_OPEN = b"""
    SELECT s.id AS submission, s.kind AS feed, s.export_id, s.feed_id, s.state, s.submitted_at, s.ended_at,
        NULL::integer AS message_id, 'waiting' AS outcome, s.reason
    FROM submissions s WHERE s.store_id = %s AND s.site = %s AND s.transport = %s AND s.ended_at IS NULL AND EXISTS (
        SELECT 1 FROM listing_changes_sent c JOIN unnest(%s::text[], %s::text[]) AS carried (change, feed) USING (change)
        WHERE (c.store_id, c.site, c.transport, c.export_id, c.via, carried.feed)
            = (s.store_id, s.site, s.transport, s.export_id, s.via, s.kind) AND c.sku = %s AND c.status = 'pending')
    ORDER BY s.id DESC
"""
_HELD = b"""
    SELECT id AS submission, reason FROM submissions WHERE store_id = %s AND site = %s AND transport = %s AND state = 'held'
    ORDER BY id LIMIT 1
"""
_ON_ITS_WAY = b"""
    SELECT change, status, export_id, reason, repair, submission_id, price, list_price, sale_price, sale_start,
        sale_end, quantity FROM listing_changes_sent
    WHERE store_id = %s AND site = %s AND transport = %s AND sku = %s ORDER BY version, change
"""
_STATE = b"""
    SELECT role, price, list_price, sale_price, sale_start, sale_end, quantity, marketplace_item_id AS item_id,
        marketplace_status, uncertain, left_at, updated_at
    FROM listing_state WHERE store_id = %s AND site = %s AND transport = %s AND sku = %s
"""
_DRIFT = b"""
    SELECT kind, ours, theirs, state, first_seen, last_seen FROM listing_drift
    WHERE store_id = %s AND site = %s AND transport = %s AND sku = %s ORDER BY kind
"""
_SAID = b"""
    SELECT severity, code, text, attribute, field, rule, fix, actions, of_message, submission_id FROM marketplace_issues
    WHERE store_id = %s AND site = %s AND transport = %s AND sku = %s ORDER BY severity, code
"""


def explain(connection: psycopg.Connection[Any], settings: Settings, store_key: str, sku: str, site: str | None = None) -> Row:
    """The lineage of one SKU (the listing's; the source's own counts too where only one variant has it).

    Raises UsageError for an unknown store, marketplace or SKU, and for one that several variants have.
    """
    store = get_store(connection, store_key)
    sites = [get_connection(connection, store_key, site).site] if site else [
        one.site for one in list_connections(connection, store_key)
    ]  # fmt: skip
    book = _Book(settings, store)
    variant = _variant(connection, book, store, sku, sites)
    imported = latest_import(connection, store.id)
    listed = variant["sku"] if variant else sku
    product_id = variant["product_id"] if variant else book.listing(sites, sku)["product_id"]
    source = {
        "import_id": imported.id if imported else None,
        "source": imported.source if imported else None,
        "name": imported.source_name if imported else None,
        "at": imported.finished_at if imported else None,
        "raw": imported.raw_location if imported else None,
        "product_id": product_id,
        "variant_id": variant["variant_id"] if variant else None,
        "product_line": _first(book.rows("products", PRODUCTS, product_id=product_id)).get("line"),
        "line": variant["line"] if variant else None,
    }
    variant_id = source["variant_id"]
    return {
        "store": store.key,
        "sku": listed,
        "source": source,
        "values": _values(book, product_id, variant_id, store.currency),
        "rules": book.of_variant("product_issues", ISSUES, product_id, variant_id),
        "score": _first(book.rows("product_scores", SCORES, variant_id=variant_id)) if variant_id else None,
        "marketplaces": {key: _market(connection, settings, book, store, key, listed, product_id) for key in sites},
    }


class _Book:
    """The stored tables of a store, asked for single rows."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self.settings, self._store = settings, store

    def rows(self, name: str, schema: pa.Schema, *partition: str, **wanted: str | None) -> list[Row]:
        """Rows where every named column has the value; none where the table is not there."""
        table = stored_table(self.settings, name, schema, *partition, self._store.key)
        return list(_find(table, wanted)) if table is not None else []

    def of_variant(self, name: str, schema: pa.Schema, product_id: str, variant_id: str | None, *partition: str) -> list[Row]:
        """Rows of a product and one of its variants: of that variant, or of the product itself."""
        found = self.rows(name, schema, *partition, product_id=product_id)
        return [row for row in found if row["variant_id"] in (None, variant_id)]

    def listing(self, sites: Iterable[str], sku: str) -> Row:
        """The listing of a SKU on the first of these sites that has it."""
        return next((row for site in sites for row in self.rows("listings", LISTINGS, site, sku=sku)), {})


def _find(table: Table, wanted: Mapping[str, str | None]) -> Iterable[Row]:
    for index in range(table.batches):
        keys = table.arrow_batch(index, list(wanted))
        mask = None
        for name, value in wanted.items():
            same = pc.equal(keys[name], value) if value is not None else pc.is_null(keys[name])
            mask = same if mask is None else pc.and_(mask, same)
        if pc.any(mask).as_py():
            for row in table.batch(index)[pc.fill_null(mask, False).to_numpy()].to_dict("records"):
                yield {str(name): _plain(value) for name, value in row.items()}


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list):
        return plain(value)
    return None if pd.isna(value) else value


def _first(rows: list[Row]) -> Row:
    return rows[0] if rows else {}


def _variant(connection: psycopg.Connection[Any], book: _Book, store: Store, sku: str, sites: list[str]) -> Row | None:
    """The fixed variant with this SKU; None for the parent of a family. Raises UsageError when there is none, or several."""
    fixed = book.rows("fixed_variants", FIXED_VARIANTS, sku=sku)
    if fixed:
        return fixed[0]
    own = [row["variant_id"] for row in book.rows("variants", VARIANTS, sku=sku)]
    listed = [row for one in own for row in book.rows("fixed_variants", FIXED_VARIANTS, variant_id=one)]
    if len(listed) == 1:
        return listed[0]
    if listed:
        names = ", ".join(f"{row['sku']} (line {row['line']})" for row in listed)
        raise UsageError(f"the SKU {shown(sku)} stands at {len(listed)} variants of {store.key}; they are listed as: {names}")
    if book.listing(sites, sku):
        return None
    rejected = _first(book.rows("rejected_rows", REJECTED, key=sku))
    if rejected:
        raise UsageError(f"{shown(sku)} was rejected at the import (line {rejected['line']}): {rejected['reason']}")
    raise _unknown(connection, book, store, sku)


def _unknown(connection: psycopg.Connection[Any], book: _Book, store: Store, sku: str) -> UsageError:
    table = stored_table(book.settings, "fixed_variants", FIXED_VARIANTS, store.key)
    if table is None:
        return UsageError(f"{store.key} has no catalog yet; read it with: pipeline import {store.key}")
    others = [str(row[0]) for row in connection.execute(
        b"SELECT DISTINCT s.key FROM listing_state l JOIN stores s ON s.id = l.store_id WHERE l.sku = %s ORDER BY 1", [sku]
    )]  # fmt: skip
    elsewhere = f"; it is live in: {', '.join(others)}" if others else ""
    known = table.arrow(["sku"])["sku"].drop_null().to_pylist()
    return UsageError(f"{store.key} has no SKU {shown(sku)}{elsewhere}; the nearest: {known_names(sku, known, 5)}")


def _values(book: _Book, product_id: str, variant_id: str | None, currency: str) -> list[Row]:
    """Field by field: what the source says, and what the fixes of the catalog made of it."""
    tables = {
        "products": (_first(book.rows("products", PRODUCTS, product_id=product_id)),
                     _first(book.rows("fixed_products", FIXED_PRODUCTS, product_id=product_id))),
        "variants": (_first(book.rows("variants", VARIANTS, variant_id=variant_id)) if variant_id else {},
                     _first(book.rows("fixed_variants", FIXED_VARIANTS, variant_id=variant_id)) if variant_id else {}),
    }  # fmt: skip
    fixes = _by_field(book.of_variant("product_fixes", FIXES, product_id, variant_id))
    stock = book.rows("inventory", INVENTORY, variant_id=variant_id) if variant_id else []
    told: list[Row] = []
    for name, (table, column) in _ORIGIN.items():
        if table == "inventory":
            amounts = {row["location"] or "all": row["available"] for row in stock}
            told.append({"field": name, "from": "inventory.available", "source": amounts or None, "fixed": None, "fixes": []})
        elif tables[table][0]:
            before, after = (_priced(one, currency).get(column) for one in tables[table])
            told.append(
                {"field": name, "from": f"{table}.{column}", "source": before, "fixed": after, "fixes": fixes.get(column, [])}
            )
    return told


def _priced(row: Row, currency: str) -> Row:
    """`row` with its amounts of money as people write them."""
    amounts = {name: row[name] for name in _AMOUNTS if row.get(name) is not None}
    return {**row, **{name: f"{format_minor(amount, currency)} {currency}" for name, amount in amounts.items()}}


def _by_field(fixes: Iterable[Row]) -> dict[str, list[Row]]:
    found: defaultdict[str, list[Row]] = defaultdict(list)
    for row in fixes:
        found[row["field"]].append({name: row[name] for name in ("fix", "fix_class", "before", "after")})
    return found


def _market(
    connection: psycopg.Connection[Any], settings: Settings, book: _Book, store: Store, site: str, sku: str, product_id: str
) -> Row:
    """What one marketplace has of it."""
    cell = find_cell(connection, store.key, site)
    if cell is None:  # gone in between
        return {"next": f"pipeline connect {store.key} {site}"}
    sku = _mapped(connection, cell, sku)
    listing = _first(book.rows("listings", LISTINGS, site, sku=sku))
    variant_id = listing.get("variant_id")
    plan = _plan(connection, book, cell, sku)
    lane = (*cell.lane.key, sku)
    with connection.cursor(row_factory=dict_row) as cursor:
        carried = [(change, feed) for feed, changes in CARRIED.items() for change in changes]
        held = cursor.execute(_HELD, cell.lane.key).fetchone()
        open_ = cursor.execute(_OPEN, (*cell.lane.key, *map(list, zip(*carried, strict=True)), sku)).fetchall()
        sent, way, state, said, drift = (
            cursor.execute(query, lane).fetchall() for query in (_SENT, _ON_ITS_WAY, _STATE, _SAID, _DRIFT)
        )
    export = _export(connection, settings, cell, sku, plan.pop("export_id", ""))
    found: Row = {
        "sku": sku,
        "mode": cell.lane.transport,
        "listing": _priced(listing, cell.site.currency) if listing else None,
        "fixes": _by_field(book.of_variant("listing_fixes", FIXES, product_id, variant_id, site)) if listing else {},
        "rules": [row for row in book.rows("listing_issues", ISSUES, site, product_id=product_id) if row["sku"] in (None, sku)],
        "score": _first(book.rows("listing_scores", SCORES, site, sku=sku)).get("display"),
        "texts": _texts(connection, book, cell, product_id, listing),
        "texts_left": _texts_left(connection, book, cell, product_id),
        "overrides": read_overrides(connection, cell.lane, sku=sku, ended=True),
        "plan": {**_priced(plan, cell.site.currency), **export} if plan else None,
        "sent": open_ + sent,
        "on_its_way": [_priced(one, cell.site.currency) for one in way],
        "state": _priced(state[0], cell.site.currency) if state else None,
        "held_submission": held,
        "answers": said,
        "drift": drift,
    }
    return {**found, "next": next_step(cell, found, sku)}


def _texts(connection: psycopg.Connection[Any], book: _Book, cell: Cell, product_id: str, listing: Row) -> list[Row]:
    """Where each text and the category come from; see `provenance`."""
    site = cell.site.key
    overlays = {"localized_products": LOCALIZED, "optimized_products": OPTIMIZED, "listing_categories": CATEGORIES}
    localized, optimized, category = (
        _first(book.rows(name, schema, site, product_id=product_id)) for name, schema in overlays.items()
    )
    product = _first(book.rows("fixed_products", FIXED_PRODUCTS, product_id=product_id))
    decisions = list_decisions(connection, cell.store.id, site)
    return provenance(product, localized, optimized, category, listing, decisions)


def _texts_left(connection: psycopg.Connection[Any], book: _Book, cell: Cell, product_id: str) -> list[str]:
    """Which texts of the product are still to come, and why they did not: a model was not asked, or somebody must decide."""
    tasks = {TRANSLATION: ("localized_products", LOCALIZED), OPTIMIZATION: ("optimized_products", OPTIMIZED)}
    why = {(one.task, one.why): what_next(one) for one in read_open(connection, cell.store.key, cell.site.key)}
    rows = {task: _first(book.rows(*of, cell.site.key, product_id=product_id)) for task, of in tasks.items()}
    left = {task: why.get((task, row.get("open") or "")) for task, row in rows.items()}
    said = [f"it has not got {missing(task)} yet: {next_}" for task, next_ in left.items() if next_ is not None]
    localized, optimized = rows[TRANSLATION], rows[OPTIMIZATION]
    return [
        *said, *_not_shown(localized, optimized, cell), *_untranslated(localized, cell), *_undecided(optimized, cell),
    ]  # fmt: skip


def _untranslated(localized: Row, cell: Cell) -> list[str]:
    """A title or description that a guard keeps in the store's language, and what to do about it."""
    problems = [] if localized.get("open") else localized.get("problems") or ()
    found = next((one for one in problems if one.startswith(("title: ", "description: ")) and not is_unseen(one)), None)
    if found is None:
        return []
    command = by_hand(cell.store.key, cell.site.language)
    return [f"it stays in the store's language ({found}); change the text in the store, or translate it by hand: {command}"]


def _undecided(optimized: Row, cell: Cell) -> list[str]:
    """Better texts of the product that somebody must accept or reject."""
    fields = [one["field"] for one in optimized.get("fields") or () if one["state"] == "suggested"]
    place = f"{cell.store.key} {cell.site.key} --product {optimized.get('product_id')}"
    return [f"better texts wait for your decision ({', '.join(fields)}): pipeline suggestions list {place}"] if fields else []


def _not_shown(localized: Row, optimized: Row, cell: Cell) -> list[str]:
    """A text of the product that no model may see, if there is one, and what to do about it."""
    problems = [*(localized.get("problems") or ()), *(text for one in optimized.get("fields") or () for text in one["problems"])]
    found = next(filter(is_unseen, problems), None)
    ask = f"change that sentence in the source to have one asked: pipeline import {cell.store.key}"
    return [] if found is None else [f"{found}; {'or ' if 'by hand' in found else ''}{ask}"]


def _mapped(connection: psycopg.Connection[Any], cell: Cell, sku: str) -> str:
    """The SKU of the account that this one is sold as there; itself, unless somebody said so."""
    row = connection.execute(
        b"SELECT account_sku FROM account_lookups WHERE store_id = %s AND site = %s AND transport = %s AND sku = %s"
        b" AND decided = 'map'",
        (*cell.lane.key, sku),
    ).fetchone()
    return str(row[0]) if row and row[0] else sku


def _plan(connection: psycopg.Connection[Any], book: _Book, cell: Cell, sku: str) -> Row:
    """What the newest plan that is about the SKU does with it, and its export id."""
    store, site = cell.store.key, cell.site.key
    table = stored_table(book.settings, "listing_changes", CHANGES, site, store)
    if table is None:
        return {}
    found = _first(list(_find(table, {"sku": sku})))
    if found and "out_of_scope" in found["changes"]:
        for plan, newer in in_force(connection, cell.lane, book.settings.storage()):
            row = next(rows_of(plan, skus=[sku]), None) if found["product_id"] not in newer else None
            if row is not None:
                return {**{name: row[name] for name in CHANGES.names if name in row}, "export_id": plan.export_id}
    return {**found, "export_id": table.metadata.get("export_id", "")} if found else {}


def _export(connection: psycopg.Connection[Any], settings: Settings, cell: Cell, sku: str, export_id: str) -> Row:
    """An export that a plan is, and its messages about the SKU."""
    row = connection.execute(
        b"SELECT status, planned_at, committed_at FROM exports WHERE store_id = %s AND site = %s AND transport = %s"
        b" AND export_id = %s",
        (*cell.lane.key, export_id),
    ).fetchone()
    if row is None:
        return {"export_id": export_id or None}
    messages = Table(plan_folder(settings.storage(), cell.store.key, cell.site.key, export_id) / "messages.parquet")
    try:
        said = [{"feed": one["feed"], "operation": one["operation"], "payload": _text(one["payload"])}
                for one in _find(messages, {"sku": sku})]  # fmt: skip
    except FileNotFoundError:  # tidied away
        said = []
    return {"export_id": export_id, "status": row[0], "planned_at": row[1], "committed_at": row[2], "messages": said}


def _text(payload: Any) -> str:
    return payload.decode("utf-8", "replace") if isinstance(payload, bytes) else str(payload)


def require_arguments(store: str | None, sku: str | None) -> tuple[str, str]:
    """Both, or a UsageError that says what is missing."""
    if store is None or sku is None:
        raise UsageError("explain takes a store and a SKU: pipeline explain STORE SKU; the stores: pipeline store list")
    return store, sku
