"""Handing over a plan: once, whole or not at all, on the state that it was made from. What that means is the transport's.

Through the file transport, writing is the verdict. Through the API transport, each feed file becomes a submission, and what it
says is on its way until the marketplace has answered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from psycopg.types.json import Jsonb

from pipeline.listings.lane import Lane
from pipeline.listings.plan_files import Plan
from pipeline.listings.state import require_newest
from pipeline.model.errors import PipelineError
from pipeline.submissions.state import advance
from pipeline.submissions.withdrawal import withdraw

#: Records a plan's effects in the transaction of the hand-over: (connection, version of the lane from now on).
Record = Callable[[psycopg.Connection[Any], int], None]


#: What an operator rejected stands only while the source says it; it counts again should the same come back.
_REJECTED_STILL = b"""
    UPDATE rejected_changes SET stands = sku = ANY(%s) WHERE store_id = %s AND site = %s AND transport = %s
"""


def _kept_back(plan: Plan) -> list[str]:
    """SKUs of which a plan holds or blocks something."""
    rows = plan.changes.arrow(["sku", "changes"])
    kinds = pc.list_flatten(rows["changes"])
    kept = pc.list_parent_indices(rows["changes"]).filter(pc.is_in(kinds, value_set=pa.array(["hold", "blocked"])))
    skus: list[str] = rows["sku"].take(kept).to_pylist()
    return skus


def hand_over(
    connection: psycopg.Connection[Any], lane: Lane, plan: Plan, feed_files: Sequence[Mapping[str, Any]], record: Record
) -> bool:
    """Commit a plan in one transaction; `feed_files` (kind, path, messages, bytes) go into the ledger of exports.

    Feeds that the plan takes the place of are withdrawn. Returns False for a plan that is committed already, without doing
    anything. Raises PipelineError for a dry run, a stale or superseded plan, one that is not registered, and one that waits for
    approval. The connection must be outside of a
    transaction; a process killed at any point leaves all of it or nothing.
    """
    with connection.transaction():
        row = connection.execute(
            b"SELECT status, supersedes FROM exports WHERE store_id = %s AND site = %s AND transport = %s AND export_id = %s "
            b"FOR UPDATE",
            (*lane.key, plan.export_id),
        ).fetchone()
        status, unsent = row or ("unknown", [])
        if status == "committed":
            return False
        if status != "planned":
            raise PipelineError(_refusal(lane, plan, status))
        if not withdraw(connection, lane, unsent, f"nothing of it was sent; export {plan.export_id} says what is newer"):
            raise PipelineError(
                f"export {plan.export_id} is stale: a feed that it replaces has gone out or was cancelled after it was planned; "
                "materialize listing_changes again"
            )
        require_newest(connection, lane, plan.import_id)
        if plan.effects.rows:
            record(connection, advance(connection, lane, plan))
        if not plan.product_ids:
            connection.execute(_REJECTED_STILL, (_kept_back(plan), *lane.key))
            connection.execute(
                b"UPDATE export_lanes SET source_version = %s WHERE store_id = %s AND site = %s AND transport = %s",
                (plan.import_id, *lane.key),
            )
        connection.execute(
            b"UPDATE exports SET status = 'committed', committed_at = now(), feed_files = %s "
            b"WHERE store_id = %s AND site = %s AND transport = %s AND export_id = %s",
            (Jsonb([dict(file) for file in feed_files]), *lane.key, plan.export_id),
        )
    return True


def _refusal(lane: Lane, plan: Plan, status: str) -> str:
    if status == "waiting_approval":
        return (
            f"export {plan.export_id} of {lane.store} to {lane.site} waits for approval: look at listing_changes, then "
            f"`pipeline export {lane.store} {lane.site} --approve {plan.export_id}`"
        )
    if status == "dry_run":
        return f"export {plan.export_id} was a dry run: nothing is sent from it; materialize listing_changes without dry_run"
    if status == "superseded":
        return f"export {plan.export_id} is replaced by a newer plan; materialize listing_changes again"
    return f"export {plan.export_id} is not registered for {lane.store} on {lane.site}; materialize listing_changes again"
