"""What a plan is made from: the recorded state of a lane. Only `submissions` changes that state; here a plan is registered."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pandas as pd
import psycopg
import pyarrow as pa
from psycopg import sql
from psycopg.rows import class_row
from psycopg.types.json import Jsonb
from upath import UPath

from pipeline.listings.diff import STATE, VERSIONS
from pipeline.listings.guards import GUARDED, WINDOW_HOURS
from pipeline.listings.lane import Lane
from pipeline.listings.plan_files import Plan, load_plan, plan_folder
from pipeline.listings.refused import REFUSED
from pipeline.listings.schema import PRICES
from pipeline.listings.unsent import NOTHING, Unsent
from pipeline.model.errors import PipelineError
from pipeline.platform.tables import empty_frame


@dataclass(frozen=True)
class Export:
    """One row of the ledger of exports."""

    export_id: str
    status: str  # planned | dry_run | waiting_approval | superseded | committed
    import_id: str
    counts: Mapping[str, Any]
    feed_files: Sequence[Mapping[str, Any]]  # kind, path (relative to the storage), messages, bytes, via; once committed


_LANE = sql.SQL("store_id = %s AND site = %s AND transport = %s")


def lane_version(connection: psycopg.Connection[Any], lane: Lane) -> int:
    """The version of a lane's state; 0 before anything was committed."""
    row = connection.execute(sql.SQL("SELECT version FROM export_lanes WHERE {}").format(_LANE), lane.key).fetchone()
    return 0 if row is None else int(row[0])


def require_newest(connection: psycopg.Connection[Any], lane: Lane, import_id: str) -> None:
    """Raise PipelineError when a whole plan from a newer import was handed over already; locks the lane within a transaction."""
    row = connection.execute(
        sql.SQL("SELECT source_version FROM export_lanes WHERE {} FOR UPDATE").format(_LANE), lane.key
    ).fetchone()
    if row is not None and row[0] is not None and row[0] > import_id:
        raise PipelineError(
            f"the listings of {lane.store} on {lane.site} are of import {import_id}, and import {row[0]}, which is newer, was "
            f"exported already: nothing older is sent over it; export again (pipeline export {lane.store} {lane.site})"
        )


#: What is on its way, by SKU: the newest of each kind counts over what was acknowledged.
_SENT = """
    SELECT sku, (array_agg(change ORDER BY version DESC) FILTER (WHERE change IN ('create', 'delete')))[1] = 'delete' AS gone,
        bool_or(change = 'create') AS created, {values}
    FROM listing_changes_sent WHERE {lane} AND status = 'pending'
        AND (export_id, change) NOT IN (SELECT * FROM unnest(%s::text[], %s::text[])) GROUP BY sku
"""
#: Column -> the changes that set it. `has_<column>` says whether one is on its way, since the value may be null.
_SET_BY = {
    **dict.fromkeys(("product_id", "role", "parent_sku", "content_hash"), ("create", "update")),
    "images_hash": ("create", "images"), "quantity": ("create", "quantity"),
    **dict.fromkeys((*PRICES, "price_version"), ("create", "price")), "quantity_version": ("create", "quantity"),
}  # fmt: skip
_NEWEST = (
    "(array_agg({source} ORDER BY version DESC) FILTER (WHERE change IN ({changes})))[1] AS {column}, "
    "bool_or(change IN ({changes})) AS {has}"
)
_MICROSECONDS = sql.SQL("(extract(epoch FROM {}) * 1000000)::bigint")
#: Whole columns as JSON arrays in one row: COPY hands over a row at a time, which costs the client ten times as much.
_COLUMNS = sql.SQL("SELECT json_build_object({columns})::text FROM ({rows}) AS found")


def _state_query() -> sql.Composed:
    named = {column: sql.Identifier(column) for column in _SET_BY}
    values = sql.SQL(", ").join(
        sql.SQL(_NEWEST).format(
            column=named[column],
            source=sql.Identifier("source_version" if column in VERSIONS else column),
            changes=sql.SQL(", ").join(map(sql.Literal, changes)),
            has=sql.Identifier(f"has_{column}"),
        )
        for column, changes in _SET_BY.items()
    )
    overlaid = sql.SQL(", ").join(
        sql.SQL("CASE WHEN p.{has} THEN p.{column} ELSE s.{column} END AS {column}").format(
            has=sql.Identifier(f"has_{column}"), column=named[column]
        )
        for column in _SET_BY
    )
    rows = sql.SQL(
        "SELECT sku, {overlaid},"
        " CASE WHEN p.created THEN NULL ELSE s.left_at END AS left_at,"
        " coalesce(s.uncertain AND NOT coalesce(p.created, false), false) AS uncertain,"
        " coalesce(s.stock_elsewhere, false) AS stock_elsewhere"
        " FROM (SELECT * FROM listing_state WHERE {lane}) s FULL JOIN ({sent}) p USING (sku)"
        " WHERE NOT coalesce(p.gone, false) AND (s.sku IS NOT NULL OR p.created)"
    ).format(overlaid=overlaid, lane=_LANE, sent=sql.SQL(_SENT).format(values=values, lane=_LANE))
    return _as_columns(STATE, rows)


def _as_columns(schema: pa.Schema, rows: sql.Composable) -> sql.Composed:
    columns = sql.SQL(", ").join(
        sql.SQL("{}, coalesce(json_agg({}), '[]')").format(
            sql.Literal(field.name),
            (_MICROSECONDS if pa.types.is_timestamp(field.type) else sql.SQL("{}")).format(sql.Identifier(field.name)),
        )
        for field in schema
    )
    return _COLUMNS.format(columns=columns, rows=rows)


def read_state(connection: psycopg.Connection[Any], lane: Lane, unsent: Unsent = NOTHING) -> pa.Table:
    """What every live SKU of a lane is, or will be when all that is on its way is acknowledged (schema diff.STATE).

    What is `unsent` counts as not said."""
    exports, changes = [export_id for export_id, _ in unsent.pairs], [change for _, change in unsent.pairs]
    return _read(connection, _state_query(), (*lane.key, *lane.key, exports, changes), STATE)


def read_refused(connection: psycopg.Connection[Any], lane: Lane) -> pa.Table:
    """What the marketplace refused, with the values that were sent (schema refused.REFUSED)."""
    rows = sql.SQL("SELECT * FROM listing_changes_sent WHERE {} AND status = 'rejected' ORDER BY sku, change, version").format(
        _LANE
    )
    return _read(connection, _as_columns(REFUSED, rows), lane.key, REFUSED)


def read_rejected(connection: psycopg.Connection[Any], lane: Lane) -> pa.Table:
    """What operators do not want, with the values that were planned (schema refused.REFUSED)."""
    rows = sql.SQL("SELECT *, why || ' (' || who || ')' AS reason FROM rejected_changes WHERE {} ORDER BY sku, change").format(
        _LANE
    )
    return _read(connection, _as_columns(REFUSED, rows), lane.key, REFUSED)


def _read(connection: psycopg.Connection[Any], query: sql.Composed, values: Sequence[Any], schema: pa.Schema) -> pa.Table:
    row = connection.execute(query, values).fetchone()
    columns = orjson.loads(row[0]) if row else {}
    wire = {field.name: pa.int64() if pa.types.is_timestamp(field.type) else field.type for field in schema}
    return pa.table({name: pa.array(columns.get(name, []), kind) for name, kind in wire.items()}).cast(schema)


def register(connection: psycopg.Connection[Any], lane: Lane, plan: Plan, unsent: Unsent = NOTHING) -> str:
    """Enter a plan into the ledger of exports; returns its status. Older plans of the lane that nobody committed are superseded.

    A plan that is already committed stays so. A dry run supersedes nothing. `unsent` is what its commit takes the place of.
    """
    connection.execute(
        b"INSERT INTO export_lanes (store_id, site, transport) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING", lane.key
    )
    status = "dry_run" if plan.dry_run else "planned"
    if plan.requires_approval and not plan.dry_run and not _approved(connection, lane, plan):
        status = "waiting_approval"
    row = connection.execute(
        b"""
        INSERT INTO exports (store_id, site, transport, export_id, import_id, base_version, status, counts, scope, supersedes)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
        ON CONFLICT (store_id, site, transport, export_id) DO UPDATE SET
            status = CASE exports.status WHEN 'committed' THEN 'committed' ELSE excluded.status END,
            import_id = excluded.import_id, planned_at = clock_timestamp(), supersedes = excluded.supersedes
        RETURNING status
        """,
        (
            *lane.key, plan.export_id, plan.import_id, plan.base_version, status,
            Jsonb(dict(plan.counts)), Jsonb(_scope(plan)), list(unsent.submissions),
        ),
    ).fetchone()  # fmt: skip
    if not plan.dry_run:
        connection.execute(
            sql.SQL(
                "UPDATE exports SET status = 'superseded' "
                "WHERE {} AND export_id <> %s AND status IN ('planned', 'waiting_approval')"
            ).format(_LANE),
            (*lane.key, plan.export_id),
        )
    return str(row[0]) if row else status


def _scope(plan: Plan) -> dict[str, Any]:
    return {"product_ids": list(plan.product_ids), "recipe": plan.recipe}


def _approved(connection: psycopg.Connection[Any], lane: Lane, plan: Plan) -> bool:
    """Whether this plan was approved, or the one that differs from it only by the held changes which that approval let pass."""
    query = sql.SQL(
        "SELECT 1 FROM approvals a JOIN exports e USING (store_id, site, transport, export_id) "
        "WHERE {} AND a.only_changes IS NULL AND (export_id = %s OR "
        "e.base_version = %s AND e.import_id = %s AND e.scope = %s AND a.approved_at > now() - make_interval(hours => %s))"
    ).format(_LANE)
    values = (plan.export_id, plan.base_version, plan.import_id, Jsonb(_scope(plan)), WINDOW_HOURS)
    return connection.execute(query, (*lane.key, *values)).fetchone() is not None


#: A later approval of a part adds to one that still counts.
_APPROVE = b"""
    INSERT INTO approvals AS a (store_id, site, transport, export_id, who, why, only_changes) VALUES (%s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (store_id, site, transport, export_id) DO UPDATE SET who = excluded.who, why = excluded.why, approved_at = now(),
        only_changes = CASE WHEN a.approved_at < now() - make_interval(hours => %s) THEN excluded.only_changes
            ELSE a.only_changes || excluded.only_changes END
"""


def export_status(connection: psycopg.Connection[Any], lane: Lane, export_id: str) -> str | None:
    """planned | dry_run | waiting_approval | superseded | committed, or None for an export nobody registered."""
    row = connection.execute(
        sql.SQL("SELECT status FROM exports WHERE {} AND export_id = %s").format(_LANE), (*lane.key, export_id)
    ).fetchone()
    return None if row is None else str(row[0])


def latest_export(connection: psycopg.Connection[Any], lane: Lane) -> Export | None:
    """The plan that was made last, dry runs included."""
    query = sql.SQL(
        "SELECT export_id, status, import_id, counts, feed_files FROM exports WHERE {} ORDER BY planned_at DESC LIMIT 1"
    )
    with connection.cursor(row_factory=class_row(Export)) as cursor:
        return cursor.execute(query.format(_LANE), lane.key).fetchone()


def removed_lately(connection: psycopg.Connection[Any], lane: Lane, now: datetime) -> int:
    """Deletions and zero-outs that were committed without approval within the window of the guard, and not withdrawn since."""
    row = connection.execute(
        sql.SQL(
            "SELECT coalesce(sum((counts->>'removals')::bigint), 0) FROM exports e "
            "WHERE {} AND status = 'committed' AND committed_at > %s AND NOT coalesce((SELECT bool_and(withdrawn) "
            "FROM submissions s WHERE (s.store_id, s.site, s.transport, s.export_id) = "
            "(e.store_id, e.site, e.transport, e.export_id) AND s.kind IN ('product', 'inventory')), false)"
        ).format(_LANE),
        (*lane.key, now - timedelta(hours=WINDOW_HOURS)),
    ).fetchone()
    return int(row[0]) if row else 0


def approved_changes(connection: psycopg.Connection[Any], lane: Lane, root: Path | UPath, now: datetime) -> pd.DataFrame:
    """The held changes (columns of guards.GUARDED) that a person approved within the window."""
    rows: Sequence[tuple[str, list[list[str]] | None]] = connection.execute(
        sql.SQL("SELECT export_id, only_changes FROM approvals WHERE {} AND approved_at > %s ORDER BY export_id").format(_LANE),
        (*lane.key, now - timedelta(hours=WINDOW_HOURS)),
    ).fetchall()
    found = [empty_frame(GUARDED)]
    for export_id, only in rows:
        held = load_plan(plan_folder(root, lane.store, lane.site, export_id)).guarded.read()
        chosen = None if only is None else {(sku, change) for sku, change in only}
        keys = zip(held["sku"], held["change"], strict=True)
        found.append(held if chosen is None else held[[key in chosen for key in keys]])
    return pd.concat([rows for rows in found if len(rows)] or found[:1], ignore_index=True)


def approve(
    connection: psycopg.Connection[Any],
    lane: Lane,
    export_id: str,
    who: str,
    why: str,
    only: Collection[tuple[str, str]] | None = None,
) -> None:
    """Let a plan that waits pass, and the changes that its guards held in the next plan; for 24 hours. With `only`, these
    (SKU, change) pairs of what its guards held.

    Raises PipelineError for an export that does not exist, was a dry run or is replaced by a newer plan, and for a part of a plan
    that waits as a whole.
    """
    row = connection.execute(
        sql.SQL("SELECT status FROM exports WHERE {} AND export_id = %s FOR UPDATE").format(_LANE), (*lane.key, export_id)
    ).fetchone()
    if row is None:
        raise PipelineError(
            f"{lane.store} has no export {export_id} on {lane.site}; see `pipeline status` for the one that waits"
        )
    if row[0] in ("dry_run", "superseded"):
        word = "was a dry run" if row[0] == "dry_run" else "is replaced by a newer plan"
        raise PipelineError(f"export {export_id} {word}; approve the current plan of {lane.store} on {lane.site} instead")
    if only is not None and row[0] == "waiting_approval":
        raise PipelineError(
            f"export {export_id} waits as a whole; reject what is not wanted (pipeline changes reject {lane.store} {lane.site} "
            "--sku SKU), then approve the plan that is left"
        )
    pairs = None if only is None else Jsonb(sorted(map(list, only)))
    connection.execute(_APPROVE, (*lane.key, export_id, who, why, pairs, WINDOW_HOURS))
    if only is not None:
        return
    connection.execute(
        sql.SQL("UPDATE exports SET status = 'planned' WHERE {} AND export_id = %s AND status = 'waiting_approval'").format(
            _LANE
        ),
        (*lane.key, export_id),
    )
