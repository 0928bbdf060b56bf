"""What exports came to: messages by the marketplace's verdict, products that it has, how long it took.

The numbers of a connection are counted anew whenever something ended, not added up at the hand-over: a verdict may come days
later. File mode's acknowledgments count only while a connection is in file mode.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from pipeline.listings.lane import Lane
from pipeline.submissions.schema import EXPORT_STATISTICS

#: Rows of the table, and as far back as the trend of single exports is shown.
SHOWN = 100

#: Messages of the exports of a lane by outcome; in file mode writing is the verdict.
_EXPORTS = """
    SELECT e.export_id, e.committed_at, e.duration_seconds AS run_seconds, jsonb_array_length(e.feed_files) AS files,
        CASE WHEN e.transport = 'file' THEN w.messages ELSE coalesce(s.messages, 0) END AS messages,
        CASE WHEN e.transport = 'file' THEN w.messages ELSE coalesce(s.accepted, 0) END AS accepted,
        coalesce(s.rejected, 0) AS rejected, coalesce(s.unknown, 0) AS unknown, coalesce(s.waiting, 0) AS waiting,
        CASE WHEN s.waiting = 0 THEN extract(epoch FROM s.ended_at - e.committed_at)::float8 END AS verdict_seconds
    FROM exports e
    CROSS JOIN LATERAL (
        SELECT coalesce(sum((file ->> 'messages')::bigint), 0)::bigint AS messages FROM jsonb_array_elements(e.feed_files) file
    ) w
    LEFT JOIN LATERAL (
        SELECT sum(u.messages)::bigint AS messages, sum(coalesce((u.counts ->> 'accepted')::bigint, 0))::bigint AS accepted,
            sum(coalesce((u.counts ->> 'rejected')::bigint, 0))::bigint AS rejected,
            sum(coalesce((u.counts ->> 'unknown')::bigint, 0))::bigint AS unknown,
            sum(CASE WHEN u.ended_at IS NULL THEN u.messages ELSE 0 END)::bigint AS waiting, max(u.ended_at) AS ended_at
        FROM submissions u WHERE u.store_id = e.store_id AND u.site = e.site AND u.transport = e.transport
            AND u.export_id = e.export_id
    ) s ON true
    WHERE e.store_id = %(store)s AND e.site = %(site)s AND e.transport = %(transport)s AND e.status = 'committed'
"""
_TOTALS = f"""
    SELECT coalesce(sum(accepted), 0)::bigint AS success_count, coalesce(sum(rejected + unknown), 0)::bigint AS failure_count,
        coalesce(sum(waiting), 0)::bigint AS waiting_count,
        (SELECT count(DISTINCT product_id) FROM listing_state l WHERE l.store_id = %(store)s AND l.site = %(site)s
            AND l.transport = %(transport)s AND l.left_at IS NULL) AS products_synced
    FROM ({_EXPORTS}) found
"""  # noqa: S608 (our own texts)


def note_duration(connection: psycopg.Connection[Any], lane: Lane, export_id: str, seconds: float) -> None:
    """How long the run took that handed an export over."""
    connection.execute(
        b"UPDATE exports SET duration_seconds = %s WHERE store_id = %s AND site = %s AND transport = %s AND export_id = %s",
        (round(seconds, 3), *lane.key, export_id),
    )


def refresh(connection: psycopg.Connection[Any], lane: Lane) -> Mapping[str, Any]:
    """Count the messages by verdict and the products, and note them among the connection's statistics; returns all of these."""
    with connection.cursor(row_factory=dict_row) as cursor:
        totals = cursor.execute(_TOTALS.encode(), _values(lane)).fetchone()
        row = cursor.execute(
            b"UPDATE marketplace_credentials SET statistics = statistics || %s WHERE store_id = %s AND site = %s"
            b" RETURNING statistics",
            (Jsonb(totals), lane.store_id, lane.site),
        ).fetchone()
    found: Mapping[str, Any] = row["statistics"] if row else {}
    return found


def exports(connection: psycopg.Connection[Any], lane: Lane, limit: int = SHOWN) -> list[dict[str, Any]]:
    """The newest exports of a lane, one object each (names of EXPORT_STATISTICS)."""
    query = f"{_EXPORTS} ORDER BY e.committed_at DESC LIMIT %(limit)s"
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.encode(), {**_values(lane), "limit": limit}).fetchall()


def as_table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """EXPORT_STATISTICS."""
    frame = pd.DataFrame(rows, columns=EXPORT_STATISTICS.names)
    return frame.astype({"committed_at": "datetime64[us, UTC]", "run_seconds": "float64", "verdict_seconds": "float64"})


def _values(lane: Lane) -> dict[str, Any]:
    store, site, transport = lane.key
    return {"store": store, "site": site, "transport": transport}
