"""What exports came to, connection by connection, and what a store's texts cost: the numbers of `pipeline stats`."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import psycopg

from pipeline.language.asking.ledger import spending
from pipeline.listings.cell import find_cell
from pipeline.stores.connections import get_connection, list_connections
from pipeline.stores.stores import get_store, list_stores
from pipeline.submissions import statistics

#: The newest exports that are shown of one connection.
SHOWN = 10
_NUMBERS = (
    "total_exports", "successful_exports", "failed_exports", "success_count", "failure_count", "waiting_count", "products_synced",
    "last_duration_seconds",
)  # fmt: skip


def stats(connection: psycopg.Connection[Any], store: str | None = None, site: str | None = None) -> dict[str, Any]:
    """`connections`, one object each (of a store, of one connection), with its newest exports where only one is asked for;
    `language`, one object a store. Raises UsageError for an unknown store or connection."""
    chosen = (
        [get_connection(connection, store, site)] if store is not None and site is not None
        else list_connections(connection, store)
    )  # fmt: skip
    rows = []
    for one in chosen:
        numbers = {name: one.statistics.get(name, 0 if name != "last_duration_seconds" else None) for name in _NUMBERS}
        named = {"store": one.store_key, "marketplace": one.site, "status": one.status, "last_sync_at": one.last_sync_at}
        row: dict[str, Any] = {**named, **numbers}
        cell = find_cell(connection, one.store_key, one.site) if len(chosen) == 1 else None
        if cell is not None:
            row["exports"] = statistics.exports(connection, cell.lane, SHOWN)
        rows.append(row)
    month = datetime.now(timezone.utc).strftime("%Y-%m")
    language = []
    stores = [get_store(connection, store)] if store is not None else list_stores(connection)  # labels need no connection
    for key, store_id in sorted((one.key, one.id) for one in stores):
        spent = {"month": spending(connection, month=month, store_id=store_id), "total": spending(connection, store_id=store_id)}
        costs = {name: round(sums.usd_micro / 1e6, 6) for name, sums in spent.items()}
        language.append({"store": key, "month": month, "usd_month": costs["month"], "usd_total": costs["total"],
                         "calls": spent["total"].calls})  # fmt: skip
    return {"connections": rows, "language": language}
