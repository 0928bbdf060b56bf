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


class Storage(DagsterPostgresStorage):
    """DATABASE_URL, or the embedded Postgres. Raises PipelineError when the database cannot be opened."""

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Storage:
        return cls(postgres_url=_database(Settings.load()).sqlalchemy_url, inst_data=inst_data)


@cache
def _database(settings: Settings) -> Database:
    """Open as long as the process lives: Dagster keeps the parts of a storage, and does not say when it is done with them."""
    return Database.open(settings)
