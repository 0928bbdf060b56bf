"""Dagster's storage of runs, events and schedules: our database. The only module that uses Dagster's internals.

Named in dagster.yaml, so that the UI, the daemon, code servers, run workers and the command line all load it. Its configuration
is empty: where the database is comes from the settings, and no secret enters a serialized instance.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from dagster._config.config_schema import UserConfigSchema
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage

from pipeline.platform.database import Database
from pipeline.settings import Settings

_POOL_SECONDS = 600


class Storage(DagsterPostgresStorage):
    """DATABASE_URL, or the embedded Postgres. Raises PipelineError when the database cannot be opened."""

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Storage:
        storage = cls(postgres_url=_database(Settings.load()).sqlalchemy_url, inst_data=inst_data)
        # A run writes hundreds of events, and Dagster opens a connection for each statement unless told to keep one. It keeps
        # one and opens more when threads need them, without a limit at which a thread would fail.
        for part in (storage.event_log_storage, storage.run_storage, storage.schedule_storage):
            part.optimize_for_webserver(statement_timeout=0, pool_recycle=_POOL_SECONDS, max_overflow=-1)
        return storage


@cache
def _database(settings: Settings) -> Database:
    """Open as long as the process lives: Dagster keeps the parts of a storage, and does not say when it is done with them."""
    return Database.open(settings)
