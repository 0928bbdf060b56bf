"""What the watcher knows of each live store, and when that calls for an import: rows of the table `source_watches`.

A change is waited for until it is over, since a merchant's upload of 3,000 rows is to be one import. Functions work in the
caller's transaction; asking the source is the caller's part.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from pipeline.catalog.requests import add_request
from pipeline.catalog.source import Newest
from pipeline.stores.stores import Store

#: A change this old is over; one that goes on for so long is not waited for any more.
OVER = timedelta(minutes=10)
#: An import that failed is tried again after this, so many times.
RETRY_AFTER = timedelta(minutes=15)
ATTEMPTS = 3
_MAX_TEXT = 500


@dataclass(frozen=True)
class Watch:
    """One row; all None before the first look."""

    seen_change: datetime | None = None
    seen_products: int | None = None
    waiting_since: datetime | None = None
    requested_change: datetime | None = None
    requested_products: int | None = None


def changed(before: Watch, newest: Newest) -> bool:
    """Whether there is something that no import was requested of: a newer change, or fewer products."""
    return _moved(before, newest) or (before.requested_products is not None and newest.products < before.requested_products)


def is_over(before: Watch, newest: Newest, now: datetime) -> bool:
    """Whether a change can be imported now: two looks saw the same, it is old, or it never ends."""
    if (newest.updated_at, newest.products) == (before.seen_change, before.seen_products):
        return True
    if before.waiting_since is not None and before.waiting_since <= now - OVER:
        return True
    return newest.updated_at is not None and _moved(before, newest) and newest.updated_at <= now - OVER


def _moved(before: Watch, newest: Newest) -> bool:
    if newest.updated_at is None:
        return False
    return before.requested_change is None or newest.updated_at > before.requested_change


def note_look(connection: psycopg.Connection[Any], store: Store, newest: Newest, now: datetime) -> int | None:
    """Keep what a look saw, and request an import when it is time; returns the id of the new request."""
    connection.execute("INSERT INTO source_watches (store_id) VALUES (%s) ON CONFLICT DO NOTHING", (store.id,))
    before = _locked(connection, store.id)
    _clear_error(connection, store)
    request_id, waiting_since = None, before.waiting_since
    requested = (before.requested_change, before.requested_products)
    if before.requested_products is None:
        requested = (before.requested_change, newest.products)
    failed = _failed_request(connection, store.id, now) if newest.updated_at is not None else None
    if failed is not None or changed(before, newest):
        waiting_since = before.waiting_since or now
        if failed is not None or is_over(before, newest, now):
            reference = f"{newest.updated_at.isoformat() if newest.updated_at else '-'} {newest.products}"
            if failed is not None:
                reference += f" after {failed}"
            request_id = add_request(connection, store.id, "all", "change", reference)
            requested, waiting_since = (newest.updated_at, newest.products), None
    else:
        waiting_since = None
    connection.execute(
        "UPDATE source_watches SET looked_at = %s, seen_change = %s, seen_products = %s, waiting_since = %s, "
        "requested_change = %s, requested_products = %s WHERE store_id = %s",
        (now, newest.updated_at, newest.products, waiting_since, *requested, store.id),
    )
    return request_id


def note_error(connection: psycopg.Connection[Any], store_id: UUID, error: str) -> None:
    """The store could not be looked at, or its app is gone; `pipeline status` says so until a good look."""
    connection.execute(
        "INSERT INTO source_watches (store_id, error) VALUES (%(store)s, %(error)s) "
        "ON CONFLICT (store_id) DO UPDATE SET error = excluded.error, looked_at = excluded.looked_at",
        {"store": store_id, "error": error[:_MAX_TEXT]},
    )
    connection.execute("UPDATE stores SET status = 'error', last_error = %s WHERE id = %s", (error[:_MAX_TEXT], store_id))


def _locked(connection: psycopg.Connection[Any], store_id: UUID) -> Watch:
    """The row; what an import has seen, whoever asked for it, counts as requested."""
    with connection.cursor(row_factory=class_row(Watch)) as cursor:
        found = cursor.execute(
            "SELECT seen_change, seen_products, waiting_since, requested_products, greatest(requested_change, "
            "(SELECT max(watermark) FROM imports i WHERE i.store_id = w.store_id AND i.status = 'complete')) AS requested_change "
            "FROM source_watches w WHERE store_id = %s FOR UPDATE OF w",
            (store_id,),
        ).fetchone()
    return found or Watch()


def _clear_error(connection: psycopg.Connection[Any], store: Store) -> None:
    connection.execute(
        "UPDATE stores s SET status = 'active', last_error = NULL FROM source_watches w "
        "WHERE w.store_id = s.id AND s.id = %s AND s.status = 'error' AND s.last_error = w.error",
        (store.id,),
    )
    connection.execute("UPDATE source_watches SET error = NULL WHERE store_id = %s AND error IS NOT NULL", (store.id,))


def _failed_request(connection: psycopg.Connection[Any], store_id: UUID, now: datetime) -> int | None:
    """The store's newest request, if its import failed a while ago and not too often in a row."""
    rows = connection.execute(
        "SELECT id, closed_at, error FROM import_requests WHERE store_id = %s AND (lead_id = id OR lead_id IS NULL) "
        "ORDER BY id DESC LIMIT %s",
        (store_id, ATTEMPTS),
    ).fetchall()
    if not rows or rows[0][2] is None or rows[0][1] > now - RETRY_AFTER:
        return None
    return None if len(rows) == ATTEMPTS and all(row[2] is not None for row in rows) else int(rows[0][0])
