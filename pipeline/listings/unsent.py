"""Feeds that were handed over and of which certainly nothing has gone out: an outage, a pause, a queue that is too long.

Where something is newer, a plan is made as if they were not there, and its commit withdraws them: only the newest state is sent,
once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
import pyarrow as pa

from pipeline.listings.lane import Lane
from pipeline.listings.plan import PlanResult

#: Feed -> the kinds of change that its messages carry.
CHANGES: Mapping[str, tuple[str, ...]] = {
    "product": ("create", "update", "delete"), "price": ("price",), "inventory": ("quantity",), "images": ("images",),
}  # fmt: skip
#: States of a submission before the one request that has an effect.
STATES = ("planned", "documented", "uploaded")


@dataclass(frozen=True)
class Unsent:
    """Submissions, and the (export, change) pairs that only they carry."""

    submissions: tuple[int, ...] = ()
    pairs: frozenset[tuple[str, str]] = frozenset()


NOTHING = Unsent()

# Where one file of a feed has gone out, its other files are not withdrawn: what is on its way is known by feed, not by file.
# What is said SKU by SKU may have been said in part.
_FIND = b"""
    SELECT export_id, kind, array_agg(id ORDER BY id) FROM submissions
    WHERE store_id = %s AND site = %s AND transport = %s AND kind = ANY(%s) GROUP BY export_id, kind
    HAVING bool_and(state = ANY(%s) AND via = 'feed') ORDER BY min(id)
"""


def find_unsent(connection: psycopg.Connection[Any], lane: Lane) -> Unsent:
    """What a new plan of the whole lane takes the place of."""
    rows = connection.execute(_FIND, (*lane.key, list(CHANGES), list(STATES))).fetchall()
    ids = [number for _, _, numbers in rows for number in numbers]
    return Unsent(tuple(ids), frozenset((export_id, change) for export_id, kind, _ in rows for change in CHANGES[kind]))


def plan_newest(
    plan: Callable[[pa.Table], PlanResult], state: Callable[[Unsent], pa.Table], waiting: Unsent
) -> tuple[PlanResult, Unsent]:
    """The plan against a state, and what its commit takes the place of. When nothing is newer than what waits, that stays.

    `state` gives the state as if something was not said."""
    result = plan(state(NOTHING))
    if not waiting.submissions or not result.plan.effects.rows:
        return result, NOTHING
    return plan(state(waiting)), waiting
