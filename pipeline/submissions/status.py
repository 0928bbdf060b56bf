"""What the marketplace said, as tables for people: each message of the last export with a verdict, and each listing as it is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd
import psycopg

from pipeline.listings.cell import Cell
from pipeline.listings.lane import Lane
from pipeline.listings.overrides import Override, read_overrides
from pipeline.submissions.repairing import MENDED
from pipeline.submissions.schema import LISTING_REPAIRS, LISTING_STATUS

#: Rows in memory at once.
_ROWS = 20_000
_REPORTS = b"""
    SELECT s.id AS submission_id, s.export_id, s.kind AS feed, s.feed_id, r.message_id, r.sku, r.outcome, r.reason
    FROM submission_results r JOIN submissions s ON s.id = r.submission_id
    WHERE s.store_id = %(store)s AND s.site = %(site)s AND s.transport = %(transport)s AND s.export_id = (
        SELECT export_id FROM submissions e WHERE e.store_id = %(store)s AND e.site = %(site)s AND e.transport = %(transport)s
            AND e.ended_at IS NOT NULL ORDER BY e.id DESC LIMIT 1)
    ORDER BY s.id, r.message_id
"""
_STATUS = b"""
    WITH sent AS (
        SELECT sku, max(product_id) AS product_id, max(role) AS role, bool_or(status = 'pending') AS pending,
            string_agg(change, ', ' ORDER BY change) FILTER (WHERE status = 'rejected') AS refused,
            min(reason) FILTER (WHERE status = 'rejected') AS reason,
            max(submission_id) FILTER (WHERE status = 'rejected') AS submission_id,
            min(repair) FILTER (WHERE status = 'rejected') AS repair
        FROM listing_changes_sent WHERE store_id = %(store)s AND site = %(site)s AND transport = %(transport)s GROUP BY sku
    ), state AS (
        SELECT * FROM listing_state WHERE store_id = %(store)s AND site = %(site)s AND transport = %(transport)s
    ), mended AS (
        SELECT sku, string_agg(field, ', ' ORDER BY field) AS fixed FROM listing_overrides
        WHERE store_id = %(store)s AND site = %(site)s AND transport = %(transport)s AND ended IS NULL GROUP BY sku
    ), said AS (
        SELECT sku, count(*) FILTER (WHERE severity = 'error') AS errors,
            count(*) FILTER (WHERE severity = 'warning') AS warnings,
            (array_agg(ARRAY[code, text, attribute, field, rule]
                ORDER BY array_position('{error,warning,info}', severity), code))[1:1] AS worst
        FROM marketplace_issues WHERE store_id = %(store)s AND site = %(site)s AND transport = %(transport)s GROUP BY sku
    ), drifted AS (
        SELECT sku, string_agg(kind || ': ' || theirs, '; ' ORDER BY kind) AS drift FROM listing_drift
        WHERE store_id = %(store)s AND site = %(site)s AND transport = %(transport)s AND state = 'open' GROUP BY sku
    )
    SELECT sku, coalesce(s.product_id, p.product_id) AS product_id, coalesce(s.role, p.role) AS role,
        CASE WHEN s.uncertain AND p.pending IS NOT TRUE THEN 'uncertain' WHEN p.refused IS NOT NULL THEN 'rejected'
            WHEN p.pending THEN 'pending' WHEN s.left_at IS NOT NULL THEN 'leaving' ELSE 'live' END AS state,
        p.refused, p.reason, p.submission_id, p.repair, m.fixed,
        s.marketplace_item_id AS item_id, s.marketplace_status, s.price, s.quantity,
        coalesce(i.errors, 0) AS errors, coalesce(i.warnings, 0) AS warnings,
        i.worst[1][1] AS code, i.worst[1][2] AS issue, i.worst[1][3] AS attribute, i.worst[1][4] AS field, i.worst[1][5] AS rule,
        d.drift
    FROM state s FULL JOIN sent p USING (sku) LEFT JOIN said i USING (sku) LEFT JOIN mended m USING (sku)
        LEFT JOIN drifted d USING (sku) ORDER BY sku
"""


def processing_reports(connection: psycopg.Connection[Any], cell: Cell) -> Iterator[pd.DataFrame]:
    """PROCESSING_REPORTS in pieces: one row a message of the newest export of which a feed has ended."""
    return _pieces(connection, _REPORTS, cell)


def listing_status(connection: psycopg.Connection[Any], cell: Cell) -> Iterator[pd.DataFrame]:
    """LISTING_STATUS in pieces: one row a SKU that is live, on its way or refused, with what to do about it."""
    store, site = cell.store.key, cell.site.key
    for piece in _pieces(connection, _STATUS, cell):
        told = piece[["sku", "state", "field", "reason", "repair", "submission_id"]].itertuples(index=False)
        hints = [hint(store, site, *one) for one in told]
        live = piece["state"] == "live"
        faulty = piece[["sku", "field", "code", "issue"]].itertuples(index=False)
        errors = [
            fault(store, site, *one) if wrong else None for one, wrong in zip(faulty, live & (piece["errors"] > 0), strict=True)
        ]
        moved = [drifted(store, site) if one else None for one in piece["drift"]]
        piece["hint"] = [one or another or third for one, another, third in zip(hints, errors, moved, strict=True)]
        yield pd.DataFrame(piece, columns=LISTING_STATUS.names)


def hint(
    store: str, site: str, sku: str, state: str, field: str | None, reason: str | None, repair: str | None, submission: Any
) -> str | None:
    """What to do about a listing: it names the store, the SKU, the cause, and the next command."""
    if state == "rejected" and (reason or "").startswith("cancelled by "):
        again = f"pipeline submissions resend {int(submission)}" if pd.notna(submission) else f"pipeline export {store} {site}"
        return f"{sku} of {store}: not sent to {site}, since it was {reason}; to send it after all: {again}"
    if state == "rejected":
        begin = f"{sku} of {store}: {site} refused it ({reason or 'without a reason'})"
        if repair == MENDED:
            return f"{begin}; it was mended and is sent again by itself, or now with: pipeline submissions poll"
        why = f"; {repair}" if repair else ""
        what = f"the {field}" if field else "what it names"
        back = f"; to send the same again: pipeline submissions resend {int(submission)}" if pd.notna(submission) else ""
        return f"{begin}{why}; correct {what} at the source, then pipeline import {store}{back}"
    if state == "uncertain":
        return f"{sku} of {store}: nobody knows what {site} holds; all of it is said again by: pipeline export {store} {site}"
    return None


def fault(store: str, site: str, sku: str, field: str | None, code: str | None, issue: str | None) -> str:
    """What to do about a listing that was taken, but that the marketplace finds an error in: it may not be shown to buyers."""
    what = f"the {field}" if field else "what it names"
    return (
        f"{sku} of {store}: {site} took it, but finds an error ({code}: {issue}) and may not show it; correct {what} at the "
        f"source, then pipeline import {store}"
    )


def drifted(store: str, site: str) -> str:
    """What to do about a listing that somebody changed there."""
    return f"{site} holds something else than it acknowledged; decide: pipeline connection drift {store} {site}"


def repair_states(connection: psycopg.Connection[Any], lane: Lane, overrides: Sequence[Override]) -> dict[int, str]:
    """By id, what became of values that listings have in place of their own: how they ended, else whether they are live."""
    words: dict[str, str] = {}
    rows = connection.execute(
        b"SELECT sku, status, repair FROM listing_changes_sent WHERE store_id = %s AND site = %s AND transport = %s"
        b" AND sku = ANY(%s) AND status IN ('pending', 'rejected')",
        (*lane.key, sorted({one.sku for one in overrides})),
    )
    for sku, status, repair in rows:
        said = "on its way" if status == "pending" else "to be sent" if repair == MENDED else "refused again"
        words[sku] = max(said, words.get(sku, ""), key=("", "on its way", "to be sent", "refused again").index)
    return {one.id: one.ended or words.get(one.sku, "holds") for one in overrides}


def listing_repairs(connection: psycopg.Connection[Any], cell: Cell) -> pd.DataFrame:
    """LISTING_REPAIRS: everything that was mended by itself, also what no longer holds."""
    overrides = read_overrides(connection, cell.lane, ended=True)
    states = repair_states(connection, cell.lane, overrides)
    rows = [
        {
            **{name: getattr(one, name) for name in LISTING_REPAIRS.names if hasattr(one, name)},
            "before": as_words(one.source_value), "after": as_words(one.value), "issue": one.text, "state": states[one.id],
        }
        for one in overrides
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=LISTING_REPAIRS.names, dtype=object)


def as_words(value: Any) -> str | None:
    """A value of a listing as one text."""
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _pieces(connection: psycopg.Connection[Any], query: bytes, cell: Cell) -> Iterator[pd.DataFrame]:
    store, site, transport = cell.lane.key
    with connection.cursor(name="status") as cursor:
        cursor.execute(query, {"store": store, "site": site, "transport": transport})
        names = [column.name for column in cursor.description or ()]
        while rows := cursor.fetchmany(_ROWS):
            yield pd.DataFrame(rows, columns=names, dtype=object)
