"""Dagster's storage of runs, events and schedules: our database. The only module that uses Dagster's internals.

Named in dagster.yaml, so that the UI, the daemon, code servers, run workers and the command line all load it. Its configuration
is empty: where the database is comes from the settings, and no secret enters a serialized instance.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import cache, lru_cache, partial
from typing import Any

from dagster._config.config_schema import UserConfigSchema
from dagster._core.events import ASSET_CHECK_EVENTS, ASSET_EVENTS
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log import SqlEventLogStorageTable
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage, PostgresEventLogStorage, PostgresRunStorage
from dagster_postgres.utils import create_pg_engine
from sqlalchemy.engine import Connection

from pipeline.platform.database import Database
from pipeline.settings import Settings

_POOL_SECONDS = 600
_POOL_SIZE = 2  # Dagster asks within what it reads
_REMEMBERED_SECONDS = 1.0
_COMPLETE = """
    SELECT bool_and(to_regclass('public.' || name) IS NOT NULL)
    FROM unnest(ARRAY['runs', 'instance_info', 'event_logs', 'jobs', 'alembic_version']) AS name
"""


_EVENT = SqlEventLogStorageTable.insert().inline()
_INDEXED = ASSET_EVENTS | ASSET_CHECK_EVENTS


class _Shared:
    """What all parts of all instances of this process on one database share. A run writes hundreds of events, and Dagster opens a
    connection for each statement unless told to keep one; SQLAlchemy compiles each statement once for an engine."""

    def __init__(self, url: str) -> None:
        # No limit at which a thread would fail: what is opened beyond the pool is closed again.
        self.engine = create_pg_engine(
            url,
            isolation_level="AUTOCOMMIT",
            pool_size=_POOL_SIZE,
            max_overflow=-1,
            pool_recycle=_POOL_SECONDS,
            pool_use_lifo=True,
        )
        self._there: set[str] = set()

    def has(self, what: str, look: Callable[[], bool]) -> bool:
        """Whether a table, column or index is there; one that is does not go away."""
        if what not in self._there and look():
            self._there.add(what)
        return what in self._there


#: A process has one database; tests have many, a few at a time.
_shared = lru_cache(maxsize=4)(_Shared)


class _Runs(PostgresRunStorage):
    """Remembers which columns its tables have; Dagster looks at each event of a run that says how far it is."""

    def __init__(self, url: str, should_autocreate_tables: bool) -> None:
        self._shared = _shared(url)
        super().__init__(url, should_autocreate_tables)

    def has_run_stats_index_cols(self) -> bool:
        return self._shared.has("columns of times", super().has_run_stats_index_cols)

    def has_backfill_id_column(self) -> bool:
        return self._shared.has("column of backfills", super().has_backfill_id_column)


class _Events(PostgresEventLogStorage):
    """Remembers which of its tables, columns and indexes there are, and for a second which dynamic partitions: a run of some
    assets asks a hundred times for the former, and two hundred times for its own partition."""

    def __init__(self, url: str, should_autocreate_tables: bool) -> None:
        self._shared = _shared(url)
        super().__init__(url, should_autocreate_tables)
        self._seen: dict[tuple[str, str], float] = {}

    def store_event(self, event: EventLogEntry) -> None:
        """All but debug lines, which say of each table what its event says too: a third of what a run would write."""
        if event.dagster_event is None and event.level == logging.DEBUG:
            return
        if event.dagster_event is not None and event.dagster_event.event_type in _INDEXED:
            return super().store_event(event)
        # As Dagster does, without the notice that nobody listens to any more: one statement, built once.
        with self._connect() as connection:
            connection.execute(_EVENT, self._event_to_row(event))

    def dispose(self) -> None:
        super().dispose()
        self._engine.dispose()  # connections; the next instance finds what is compiled

    def has_table(self, table_name: str) -> bool:
        return self._shared.has(f"table {table_name}", partial(super().has_table, table_name))

    def has_secondary_index(self, name: str) -> bool:
        return self._shared.has(f"index {name}", partial(super().has_secondary_index, name))

    def _has_asset_key_col_on_connection(self, conn: Connection, column_name: str) -> bool:
        look = partial(super()._has_asset_key_col_on_connection, conn, column_name)
        return self._shared.has(f"column {column_name}", look)

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
        self._run_storage = _Runs(postgres_url, self.should_autocreate_tables)
        self._event_log_storage = _Events(postgres_url, self.should_autocreate_tables)
        for part in (self._event_log_storage, self._run_storage, self._schedule_storage):
            part._engine = _shared(postgres_url).engine

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Storage:
        database = _database(Settings.load())
        url = database.sqlalchemy_url
        complete = _shared(url).has("all tables", partial(_is_complete, database))
        database.release()  # Dagster has its own
        return cls(url, complete, inst_data)


@cache
def _database(settings: Settings) -> Database:
    """Open as long as the process lives: Dagster keeps the parts of a storage, and does not say when it is done with them."""
    return Database.open(settings)


def _is_complete(database: Database) -> bool:
    """Whether Dagster has made its tables; the last ones that it makes of each part."""
    with database.transaction() as connection:
        row = connection.execute(_COMPLETE).fetchone()
    return bool(row and row[0])
