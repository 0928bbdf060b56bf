"""Taking feeds back before anything of them has gone out: what they say is not on its way any more, newer plans say it anew."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg

from pipeline.listings.lane import Lane
from pipeline.listings.unsent import CHANGES, STATES, find_unsent

_WITHDRAW = b"""
    UPDATE submissions SET state = 'cancelled', withdrawn = true, reason = %s, ended_at = clock_timestamp()
    WHERE id = ANY(%s) AND state = ANY(%s) RETURNING id, export_id, kind
"""
_NOTE = b"""
    INSERT INTO submission_events (submission_id, at, state, who, note)
    SELECT id, clock_timestamp(), 'cancelled', %s, %s FROM unnest(%s::bigint[]) AS id
"""
_FORGET = b"""
    DELETE FROM listing_changes_sent WHERE store_id = %s AND site = %s AND transport = %s AND export_id = %s
        AND status = 'pending' AND change = ANY(%s)
"""
#: Others may have waited for them.
_WAKE = b"""
    UPDATE submissions SET next_at = clock_timestamp() WHERE store_id = %s AND site = %s AND transport = %s
        AND state = ANY(%s) AND next_at > clock_timestamp()
"""


def withdraw(
    connection: psycopg.Connection[Any], lane: Lane, submissions: Sequence[int], why: str, who: str | None = None
) -> bool:
    """Withdraw all of these submissions in the caller's transaction. False, with none to be kept, when one of them is not
    unsent any more: a worker sends it, or it has ended. Whoever is uploading one of them finds it gone and stops."""
    rows = connection.execute(_WITHDRAW, (why, list(submissions), list(STATES))).fetchall()
    if len(rows) < len(submissions):
        return False
    connection.execute(_NOTE, (who, why, list(submissions)))
    for export_id, kind in {(export_id, kind) for _, export_id, kind in rows}:
        connection.execute(_FORGET, (*lane.key, export_id, list(CHANGES[kind])))
    if rows:
        connection.execute(_WAKE, (*lane.key, list(STATES)))
    return True


def withdraw_unsent(connection: psycopg.Connection[Any], lane: Lane, why: str, who: str) -> int:
    """Withdraw whatever of a lane has not gone out; returns how many feeds. One that a worker takes meanwhile is left to it."""
    connection.execute(
        b"SELECT 1 FROM submissions WHERE store_id = %s AND site = %s AND transport = %s AND ended_at IS NULL FOR UPDATE",
        lane.key,
    )
    found = find_unsent(connection, lane).submissions
    withdraw(connection, lane, found, why, who)
    return len(found)
