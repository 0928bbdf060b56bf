"""Dagster's storage of runs, events and schedules: our database. The only module that uses Dagster's internals.

Named in dagster.yaml, so that the UI, the daemon, code servers, run workers and the command line all load it. Its configuration
is empty: where the database is comes from the settings, and no secret enters a serialized instance.
"""

from __future__ import annotations

import logging
import time
from functools import cache
from typing import Any

from dagster._config.config_schema import UserConfigSchema
from dagster._core.events.log import EventLogEntry
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage, PostgresEventLogStorage
from sqlalchemy.engine import Connection

from pipeline.platform.database import Database
from pipeline.settings import Settings

_POOL_SECONDS = 600
_REMEMBERED_SECONDS = 1.0
_COMPLETE = """
    SELECT bool_and(to_regclass('public.' || name) IS NOT NULL)
    FROM unnest(ARRAY['runs', 'instance_info', 'event_logs', 'jobs', 'alembic_version']) AS name
"""


class _Events(PostgresEventLogStorage):
    """Remembers which of its tables and columns there are, and for a second which dynamic partitions: a run of some assets
    asks a hundred times for the former, which never go away, and two hundred times for its own partition."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._seen: dict[tuple[str, str], float] = {}
        self._tables: set[str] = set()
        self._columns: set[str] = set()

    def store_event(self, event: EventLogEntry) -> None:
        """All but debug lines, which say of each table what its event says too: a third of what a run would write."""
        if event.dagster_event is not None or event.level != logging.DEBUG:
            super().store_event(event)

    def has_table(self, table_name: str) -> bool:
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    def _has_asset_key_col_on_connection(self, conn: Connection, column_name: str) -> bool:
        if column_name not in self._columns and super()._has_asset_key_col_on_connection(conn, column_name):
            self._columns.add(column_name)
        return column_name in self._columns

    def has_dynamic_partition(self, partitions_def_name: str, partition_key: str) -> bool:
        key, now = (partitions_def_name, partition_key), time.monotonic()
        if now - self._seen.get(key, -_REMEMBERED_SECONDS) < _REMEMBERED_SECONDS:
            return True
        found = super().has_dynamic_partition(partitions_def_name, partition_key)
        if found:
            self._seen[key] = now
        return found

    def delete_dynamic_partition(self, partitions_def_name: str, partition_key: str) -> None:
        self._seen.pop((partitions_def_name, partition_key), None)
        super().delete_dynamic_partition(partitions_def_name, partition_key)


class Storage(DagsterPostgresStorage):
    """DATABASE_URL, or the embedded Postgres. Raises PipelineError when the database cannot be opened."""

    def __init__(self, postgres_url: str, complete: bool = False, inst_data: ConfigurableClassData | None = None) -> None:
        # Each of its parts would open two connections and read the catalog, to see whether its tables are to be made.
        super().__init__(postgres_url=postgres_url, should_autocreate_tables=not complete, inst_data=inst_data)
        self._event_log_storage = _Events(postgres_url, self.should_autocreate_tables)

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Storage:
        database = _database(Settings.load())
        storage = cls(database.sqlalchemy_url, _is_complete(database), inst_data)
        # A run writes hundreds of events, and Dagster opens a connection for each statement unless told to keep one. It keeps
        # one and opens more when threads need them, without a limit at which a thread would fail.
        for part in (storage.event_log_storage, storage.run_storage, storage.schedule_storage):
            part.optimize_for_webserver(statement_timeout=0, pool_recycle=_POOL_SECONDS, max_overflow=-1)
        return storage


@cache
def _database(settings: Settings) -> Database:
    """Open as long as the process lives: Dagster keeps the parts of a storage, and does not say when it is done with them."""
    return Database.open(settings)


def _is_complete(database: Database) -> bool:
    """Whether Dagster has made its tables; the last ones that it makes of each part."""
    with database.connect() as connection:
        row = connection.execute(_COMPLETE).fetchone()
    return bool(row and row[0])
