"""Writing the state of a lane: in bulk, in the caller's transaction, and only on the version that a plan was made from."""

from __future__ import annotations

import io
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.csv
from psycopg import sql

from pipeline.listings.plan_files import EFFECTS, Plan
from pipeline.listings.state import Lane
from pipeline.model.errors import PipelineError
from pipeline.platform.tables import Table

_SET = sql.SQL(
    "INSERT INTO listing_state (store_id, site, transport, version, {columns}) "
    "SELECT %s, %s, %s, %s, {columns} FROM effects WHERE op = 'set' "
    "ON CONFLICT (store_id, site, transport, sku) DO UPDATE SET {values}, "
    "version = excluded.version, left_at = NULL, updated_at = now()"
).format(
    columns=sql.SQL(", ").join(map(sql.Identifier, EFFECTS.names[1:])),
    values=sql.SQL(", ").join(sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in EFFECTS.names[2:]),
)
_LEAVE = b"""
    UPDATE listing_state s SET left_at = now(), quantity = e.quantity, version = %s, updated_at = now()
    FROM effects e WHERE e.op = 'leave' AND s.sku = e.sku AND s.store_id = %s AND s.site = %s AND s.transport = %s
"""
_DELETE = b"""
    DELETE FROM listing_state s USING effects e
    WHERE e.op = 'delete' AND s.sku = e.sku AND s.store_id = %s AND s.site = %s AND s.transport = %s
"""


def advance(connection: psycopg.Connection[Any], lane: Lane, plan: Plan) -> int:
    """Lock the lane and move it to its next version, if it still is at the plan's. Returns the new version.

    Raises PipelineError when another export was committed since the plan was made.
    """
    row = connection.execute(
        b"UPDATE export_lanes SET version = version + 1 WHERE store_id = %s AND site = %s AND transport = %s AND version = %s "
        b"RETURNING version",
        (*lane.key, plan.base_version),
    ).fetchone()
    if row is None:
        raise PipelineError(
            f"export {plan.export_id} is stale: another export of {lane.store} to {lane.site} was committed after it was "
            "planned; materialize listing_changes again"
        )
    return int(row[0])


def record(connection: psycopg.Connection[Any], lane: Lane, effects: Table, version: int) -> None:
    """Write EFFECTS rows: `set` replaces a SKU's record, `leave` sets quantity 0 and when it left, `delete` removes it."""
    with connection.cursor() as cursor:
        cursor.execute(
            b"CREATE TEMP TABLE effects (op text, sku text, product_id text, role text, parent_sku text, content_hash text, "
            b"images_hash text, price bigint, list_price bigint, quantity bigint) ON COMMIT DROP"
        )
        with cursor.copy(b"COPY effects FROM STDIN (FORMAT csv)") as copy:
            for index in range(effects.batches):
                copy.write(_csv(effects.arrow_batch(index)))
        # Without the index the planner, which knows nothing of a state that was just written, may compare each row with each.
        cursor.execute(b"CREATE INDEX ON effects (op, sku)")
        cursor.execute(b"ANALYZE effects")
        cursor.execute(_SET, (*lane.key, version))
        cursor.execute(_LEAVE, (version, *lane.key))
        cursor.execute(_DELETE, lane.key)
        cursor.execute(b"DROP TABLE effects")


def _csv(rows: pa.Table) -> bytes:
    """Text as Postgres reads it: null is nothing, an empty text is quoted."""
    sink = io.BytesIO()
    pa.csv.write_csv(rows, sink, pa.csv.WriteOptions(include_header=False))
    return sink.getvalue()
