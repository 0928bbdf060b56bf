"""API mode: the transport with a marketplace behind it. A hand-over puts each feed file into the ledger; nothing is sent here."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg

from pipeline.listings.lane import Lane
from pipeline.listings.plan_files import Plan
from pipeline.platform.points import point
from pipeline.submissions.commit import hand_over
from pipeline.submissions.state import record_sent

_PLAN = b"""
    INSERT INTO submissions (store_id, site, transport, export_id, lane, kind, path, sha256, messages, via, idem_key, next_at)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, clock_timestamp()) ON CONFLICT (idem_key) DO NOTHING
"""


def commit(
    connection: psycopg.Connection[Any],
    lane: Lane,
    plan: Plan,
    feed_files: Sequence[Mapping[str, Any]],
    digests: Mapping[str, str],
    feed_lane: str,
) -> bool:
    """Plan the submissions of a plan's feed files, and note what they say as on its way; as `hand_over`.

    `digests` are the files' SHA-256 by path, `feed_lane` is `FeedService.lane`.
    """
    point("before_plan")

    def record(transaction: psycopg.Connection[Any], version: int) -> None:
        record_sent(transaction, lane, plan, version)
        transaction.execute(b"INSERT INTO submission_lanes (lane) VALUES (%s) ON CONFLICT DO NOTHING", [feed_lane])
        for file in feed_files:
            path, digest = str(file["path"]), digests[str(file["path"])]
            transaction.execute(
                _PLAN,
                (
                    *lane.key, plan.export_id, feed_lane, file["kind"], path, digest, file["messages"], file["via"],
                    _key(lane, plan, feed_lane, path, digest),
                ),
            )  # fmt: skip
        point("in_plan_tx")

    new = hand_over(connection, lane, plan, feed_files, record)
    point("after_plan")
    return new


def _key(lane: Lane, plan: Plan, *parts: str) -> str:
    """The same file of the same plan is the same submission."""
    return hashlib.sha256("\0".join((str(lane.store_id), plan.export_id, *parts)).encode()).hexdigest()
