"""Requests for exports of some products: what asked for them, and whether they were done. Rows of `export_requests`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import class_row

from pipeline.listings.lane import Lane

#: Tag of the runs that answer a request: its id.
REQUEST_TAG = "pipeline/export_request"
#: Products of one request: the scope of a run is part of its configuration.
_MOST_PRODUCTS = 5_000


@dataclass(frozen=True)
class ExportRequest:
    """One open request."""

    id: int
    store: str
    site: str
    product_ids: list[str]
    reason: str


def request_export(connection: psycopg.Connection[Any], lane: Lane, product_ids: Sequence[str], reason: str) -> None:
    """Ask for an export of these products, unless nothing is connected there any more; in the caller's transaction."""
    wanted = sorted(set(product_ids))
    for start in range(0, len(wanted), _MOST_PRODUCTS):
        connection.execute(
            b"INSERT INTO export_requests (store_id, site, product_ids, reason)"
            b" SELECT store_id, site, %s, %s FROM marketplace_credentials WHERE store_id = %s AND site = %s",
            (wanted[start : start + _MOST_PRODUCTS], reason, lane.store_id, lane.site),
        )


def open_requests(connection: psycopg.Connection[Any]) -> list[ExportRequest]:
    """Requests that were not done, oldest first; those of paused connections wait."""
    with connection.cursor(row_factory=class_row(ExportRequest)) as cursor:
        return cursor.execute(
            b"SELECT r.id, s.key AS store, r.site, r.product_ids, r.reason FROM export_requests r"
            b" JOIN stores s ON s.id = r.store_id JOIN marketplace_credentials c ON c.store_id = r.store_id AND c.site = r.site"
            b" WHERE r.closed_at IS NULL AND c.status <> 'inactive' ORDER BY r.id"
        ).fetchall()


def close_request(connection: psycopg.Connection[Any], request_id: int, error: str | None = None) -> None:
    """It was done, or (`error`) is not tried any more."""
    connection.execute(
        b"UPDATE export_requests SET closed_at = clock_timestamp(), error = %s WHERE id = %s AND closed_at IS NULL",
        (error, request_id),
    )
