"""Writing the state of a lane: in bulk, in the caller's transaction, and only on the version that a plan was made from.

In file mode a hand-over is the verdict, so everything is recorded at once (`record`). Through an API it is only on its way
(`record_sent`), and `verdicts` moves it on.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.csv
from psycopg import sql

from pipeline.listings.lane import Lane
from pipeline.listings.plan_files import EFFECTS, Plan
from pipeline.model.errors import PipelineError
from pipeline.platform.tables import Table

_VALUES = EFFECTS.names[2:]  # sku first
_SET = sql.SQL(
    "INSERT INTO listing_state AS s (store_id, site, transport, version, price_version, quantity_version, {columns}) "
    "SELECT %s, %s, %s, %s, CASE WHEN string_to_array(sent, ',') && '{{create,price}}' THEN %s END, "
    "CASE WHEN string_to_array(sent, ',') && '{{create,quantity}}' THEN %s END, {columns} FROM effects WHERE op = 'set' "
    "ON CONFLICT (store_id, site, transport, sku) DO UPDATE SET {values}, "
    "price_version = coalesce(excluded.price_version, s.price_version), "
    "quantity_version = coalesce(excluded.quantity_version, s.quantity_version), "
    "version = excluded.version, left_at = NULL, updated_at = now()"
).format(
    columns=sql.SQL(", ").join(map(sql.Identifier, _VALUES)),
    values=sql.SQL(", ").join(sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in _VALUES[1:]),
)
_LEAVE = b"""
    UPDATE listing_state s SET left_at = coalesce(s.left_at, now()), quantity = e.quantity, version = %s, updated_at = now(),
        quantity_version = CASE WHEN e.sent = 'quantity' THEN %s ELSE s.quantity_version END
    FROM effects e WHERE e.op = 'leave' AND s.sku = e.sku AND s.store_id = %s AND s.site = %s AND s.transport = %s
"""
_DELETE = b"""
    DELETE FROM listing_state s USING effects e
    WHERE e.op = 'delete' AND s.sku = e.sku AND s.store_id = %s AND s.site = %s AND s.transport = %s
"""
#: What is said anew replaces what was refused before.
_FORGET_REFUSED = b"""
    DELETE FROM listing_changes_sent c USING effects e, unnest(string_to_array(e.sent, ',')) AS said (change)
    WHERE c.store_id = %s AND c.site = %s AND c.transport = %s AND c.status = 'rejected' AND c.sku = e.sku
        AND (c.change = said.change OR said.change IN ('create', 'delete'))
"""
_SENT = sql.SQL(
    "INSERT INTO listing_changes_sent (store_id, site, transport, version, export_id, source_version, change, {columns}) "
    "SELECT %s, %s, %s, %s, %s, %s, said.change, {prefixed} FROM effects e, unnest(string_to_array(e.sent, ',')) AS said (change)"
).format(
    columns=sql.SQL(", ").join(map(sql.Identifier, _VALUES)),
    prefixed=sql.SQL(", ").join(sql.SQL("e.{}").format(sql.Identifier(name)) for name in _VALUES),
)
#: What waits to be said one by one and is said anew: an older value must not follow a newer one.
_OVERTAKEN = b"""
    DELETE FROM listing_changes_sent c USING effects e, unnest(string_to_array(e.sent, ',')) AS said (change)
    WHERE c.store_id = %s AND c.site = %s AND c.transport = %s AND c.status = 'pending' AND c.via = 'items' AND c.sku = e.sku
        AND (c.change = said.change OR said.change IN ('create', 'delete'))
"""
_AT_ONCE = b"""
    UPDATE listing_changes_sent c SET via = 'items'
    FROM unnest(%s::text[], %s::text[]) AS u (sku, feed)
    WHERE c.store_id = %s AND c.site = %s AND c.transport = %s AND c.version = %s AND c.sku = u.sku
        AND c.change = CASE u.feed WHEN 'inventory' THEN 'quantity' ELSE u.feed END
"""
#: Our own notes, which no message carries: whose family it is, and since when it has left.
_NOTE = b"""
    UPDATE listing_state s SET
        left_at = CASE e.op WHEN 'leave' THEN coalesce(s.left_at, now()) END,
        product_id = CASE e.op WHEN 'set' THEN e.product_id ELSE s.product_id END,
        role = CASE e.op WHEN 'set' THEN e.role ELSE s.role END,
        parent_sku = CASE e.op WHEN 'set' THEN e.parent_sku ELSE s.parent_sku END
    FROM effects e
    WHERE e.op IN ('set', 'leave') AND s.sku = e.sku AND s.store_id = %s AND s.site = %s AND s.transport = %s
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


def record(connection: psycopg.Connection[Any], lane: Lane, effects: Table, version: int, source_version: str) -> None:
    """Write EFFECTS rows: `set` replaces a SKU's record, `leave` sets quantity 0 and when it left, `delete` removes it.
    `source_version` is the import that prices and quantities are of."""
    with connection.cursor() as cursor, _loaded(cursor, effects):
        cursor.execute(_SET, (*lane.key, version, source_version, source_version))
        cursor.execute(_LEAVE, (version, source_version, *lane.key))
        cursor.execute(_DELETE, lane.key)


def record_sent(connection: psycopg.Connection[Any], lane: Lane, plan: Plan, version: int) -> None:
    """Note EFFECTS rows as on their way: a row for each SKU and kind of change that a message carries."""
    urgent = plan.urgent.arrow()
    with connection.cursor() as cursor, _loaded(cursor, plan.effects):
        cursor.execute(_FORGET_REFUSED, lane.key)
        cursor.execute(_OVERTAKEN, lane.key)
        cursor.execute(_SENT, (*lane.key, version, plan.export_id, plan.import_id))
        if len(urgent):
            cursor.execute(_AT_ONCE, (urgent["sku"].to_pylist(), urgent["feed"].to_pylist(), *lane.key, version))
        cursor.execute(_NOTE, lane.key)


@contextmanager
def _loaded(cursor: psycopg.Cursor[Any], effects: Table) -> Iterator[None]:
    """The rows as the temporary table `effects`."""
    cursor.execute(
        b"CREATE TEMP TABLE effects (op text, sent text, sku text, product_id text, role text, parent_sku text, "
        b"content_hash text, images_hash text, price bigint, list_price bigint, sale_price bigint, sale_start timestamptz, "
        b"sale_end timestamptz, quantity bigint) ON COMMIT DROP"
    )
    with cursor.copy(b"COPY effects FROM STDIN (FORMAT csv)") as copy:
        for index in range(effects.batches):
            copy.write(_csv(effects.arrow_batch(index)))
    # Without the index the planner, which knows nothing of a state that was just written, may compare each row with each.
    cursor.execute(b"CREATE INDEX ON effects (op, sku)")
    cursor.execute(b"ANALYZE effects")
    yield
    cursor.execute(b"DROP TABLE effects")


def _csv(rows: pa.Table) -> bytes:
    """Text as Postgres reads it: null is nothing, an empty text is quoted."""
    sink = io.BytesIO()
    pa.csv.write_csv(rows, sink, pa.csv.WriteOptions(include_header=False))
    return sink.getvalue()
