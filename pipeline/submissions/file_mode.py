"""File mode: the transport without a marketplace behind it. Its verdict comes at once: what was written is acknowledged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg

from pipeline.listings.lane import Lane
from pipeline.listings.plan_files import Plan
from pipeline.submissions.commit import hand_over
from pipeline.submissions.state import record


def commit(connection: psycopg.Connection[Any], lane: Lane, plan: Plan, feed_files: Sequence[Mapping[str, Any]] = ()) -> bool:
    """Record that a plan was carried out; as `hand_over`."""

    def write(transaction: psycopg.Connection[Any], version: int) -> None:
        record(transaction, lane, plan.effects, version, plan.import_id)

    return hand_over(connection, lane, plan, feed_files, write)
