"""Plans for people: the exports of a connection, and what one of them does to each SKU, before and after."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from psycopg.rows import dict_row
from upath import UPath

from pipeline.listings.lane import Lane
from pipeline.listings.pins import KINDS
from pipeline.listings.plan_files import Plan, load_plan, plan_folder
from pipeline.listings.rollback import find_rows
from pipeline.platform.tables import Table

_EXPORTS = b"""
    SELECT e.export_id, e.status, e.import_id, e.planned_at, e.committed_at, e.counts,
        (SELECT jsonb_build_object('who', a.who, 'why', a.why, 'at', a.approved_at, 'only', a.only_changes)
         FROM approvals a WHERE (a.store_id, a.site, a.transport, a.export_id) = (e.store_id, e.site, e.transport, e.export_id)
        ) AS approval
    FROM exports e WHERE e.store_id = %s AND e.site = %s AND e.transport = %s AND (%s::text IS NULL OR e.export_id = %s)
    ORDER BY e.status IN ('waiting_approval', 'planned') DESC, coalesce(e.committed_at, e.planned_at) DESC LIMIT %s
"""
_REJECTED = b"""
    SELECT who, why, export_id, count(*) AS changes, max(rejected_at) AS at FROM rejected_changes
    WHERE store_id = %s AND site = %s AND transport = %s AND stands GROUP BY who, why, export_id ORDER BY at DESC
"""
_PINNED = b"""
    SELECT export_id, kind, count(*) AS "values", max(pinned_at) AS at FROM pinned_values
    WHERE store_id = %s AND site = %s AND transport = %s GROUP BY export_id, kind ORDER BY at DESC, kind
"""


#: Kind of value -> the change that says it.
_CHANGE = {"content": "update", "images": "images"}
_NOTHING: dict[str, Any] = {}


def exports_of(
    connection: psycopg.Connection[Any], lane: Lane, *, export_id: str | None = None, limit: int = 20
) -> list[dict[str, Any]]:
    """Rows of the ledger of exports with who approved them: what waits to be sent, then the newest; or the one with an id."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_EXPORTS, (*lane.key, export_id, export_id, limit)).fetchall()


def in_force(connection: psycopg.Connection[Any], lane: Lane, root: Path | UPath) -> Iterator[tuple[Plan, Collection[str]]]:
    """The plans that say what is held and blocked now, newest first, each with the products that newer ones speak of: those of
    some products, and then the one of the whole store. A plan that is not kept any more is left out."""
    rows = connection.execute(
        b"SELECT export_id FROM exports WHERE store_id = %s AND site = %s AND transport = %s"
        b" AND status NOT IN ('dry_run', 'superseded') ORDER BY planned_at DESC",
        lane.key,
    )
    newer: set[str] = set()
    for (export_id,) in rows:
        folder = plan_folder(root, lane.store, lane.site, export_id)
        if (folder / "plan.json").exists():
            plan = load_plan(folder)
            yield plan, frozenset(newer)
            if not plan.product_ids:
                return
            newer.update(plan.product_ids)


def standing_decisions(connection: psycopg.Connection[Any], lane: Lane) -> dict[str, list[dict[str, Any]]]:
    """What is `rejected` and `pinned` now, counted."""
    with connection.cursor(row_factory=dict_row) as cursor:
        rejected = cursor.execute(_REJECTED, lane.key).fetchall()
        return {"rejected": rejected, "pinned": cursor.execute(_PINNED, lane.key).fetchall()}


def held_by_guards(plan: Plan) -> list[dict[str, Any]]:
    """What the guards of a plan hold, counted by change and reason."""
    found = Counter((row["change"], row["reason"]) for row in plan.guarded.arrow(["change", "reason"]).to_pylist())
    return [{"change": change, "reason": reason, "changes": count} for (change, reason), count in sorted(found.items())]


def rows_of(plan: Plan, *, skus: Collection[str] = (), kinds: Collection[str] = ()) -> Iterator[dict[str, Any]]:
    """What a plan does with each SKU that is not simply unchanged (schema DETAILS), of these SKUs and kinds (none: all)."""
    for index in range(plan.changes.batches):
        batch = plan.changes.arrow_batch(index)
        if skus:
            batch = batch.filter(pc.is_in(batch["sku"], value_set=pa.array(sorted(skus), pa.string())))
        for row in batch.to_pylist():
            if not kinds or not set(kinds).isdisjoint(row["changes"]):
                yield row


def fields_changed(plan: Plan, plans: Iterable[Plan], row: dict[str, Any], listings: Table | None) -> list[dict[str, Any]]:
    """Which fields of a row's content and pictures differ between the marketplace and what the listing says now, with their
    values; `plans` are asked for what was said before. Empty when that is not kept any more; of what no export has said (a new
    listing, one that was found there otherwise) every field, with nothing before."""
    changed: list[dict[str, Any]] = []
    for kind, column in (("content", "content_hash"), ("images", "images_hash")):
        before, after = row[f"{column}_before"], row[column]
        if not after or before == after or {"create", _CHANGE[kind], "hold"}.isdisjoint(row["changes"]):
            continue
        old = find_rows(plans, column, {(row["sku"], before)}).get((row["sku"], before)) if before else _NOTHING
        new = find_rows([plan], column, {(row["sku"], after)}).get((row["sku"], after))
        if new is None and listings is not None:  # what is held is in no plan's listings
            new = _listed(listings, row["sku"], after, column)
        if old is not None and new is not None:
            fields = [name for name in KINDS[kind] if name != column and old.get(name) != new[name]]
            changed += [
                {"field": name, "before": old.get(name), "after": new[name], "said_before": bool(before)} for name in fields
            ]
    return changed


def _listed(listings: Table, sku: str, wanted: str, column: str) -> dict[str, Any] | None:
    """The listing as it is now, if it is what is wanted."""
    for index in range(listings.batches):
        keys = listings.arrow_batch(index, ["sku", column])
        found = pc.and_(pc.equal(keys["sku"], sku), pc.equal(keys[column], wanted))
        if pc.any(found).as_py():
            row: dict[str, Any] = listings.arrow_batch(index).filter(found).to_pylist()[0]
            return row
    return None


def unknown_skus(connection: psycopg.Connection[Any], lane: Lane, listings: Table | None, skus: Collection[str]) -> list[str]:
    """Those of `skus` that are neither listings nor live."""
    rows = connection.execute(
        b"SELECT sku FROM listing_state WHERE store_id = %s AND site = %s AND transport = %s AND sku = ANY(%s)",
        (*lane.key, list(skus)),
    )
    known = {row[0] for row in rows}
    if listings is not None and skus:
        column = listings.arrow(["sku"])["sku"]
        known.update(column.filter(pc.is_in(column, value_set=pa.array(sorted(skus), pa.string()))).to_pylist())
    return [sku for sku in skus if sku not in known]
