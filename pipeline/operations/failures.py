"""A failed export is noted on its connection, where `pipeline status` and `pipeline connection list` show it."""

from __future__ import annotations

from pipeline.platform.database import Database
from pipeline.stores.connections import find_connection, record_sync
from pipeline.stores.stores import find_store


def note_failed_export(database: Database, store_key: str, site: str, error: str) -> None:
    """Status error, last error and statistics of the connection; nothing when store or connection are gone since."""
    with database.transaction() as connection:
        if find_store(connection, store_key) is None:
            return
        found = find_connection(connection, store_key, site)
        if found is not None:
            record_sync(connection, found.id, error=error)
