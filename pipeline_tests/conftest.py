"""Fixtures that every part of the suite shares: a database of its own for each test, on one server a worker."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest

from pipeline.platform.database import Database
from pipeline.platform.migrations import migrate
from pipeline.settings import Settings

_numbers = count(1)
#: Variables that decide how the code under test behaves; the developer's own must not reach it.
_FOREIGN = ("PIPELINE_DATA_DIR", "PIPELINE_STORAGE_URI", "DATABASE_URL", "DAGSTER_HOME")


@pytest.fixture(autouse=True, scope="session")
def _own_environment() -> None:
    for name in _FOREIGN:
        os.environ.pop(name, None)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """The embedded server of this worker. Not durable: tests need no data after a power cut."""
    folder = tmp_path_factory.mktemp("server")
    with Database.open(Settings(folder, str(folder))) as database:
        with database.connect(autocommit=True) as connection:
            for setting in ("fsync", "synchronous_commit", "full_page_writes", "autovacuum"):
                connection.execute(f"ALTER SYSTEM SET {setting} = off".encode())
            connection.execute("SELECT pg_reload_conf()")
        yield database


@pytest.fixture(scope="session")
def _template(server: Database) -> str:
    """A migrated database to clone; nobody may stay connected to it."""
    database = new_database(server)
    migrate(database)
    return database.name


@pytest.fixture
def database(server: Database, _template: str) -> Iterator[Database]:
    """A fresh, migrated database."""
    fresh = new_database(server, _template)
    yield fresh
    with server.connect(autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {fresh.name} WITH (FORCE)".encode())


@pytest.fixture
def connection(database: Database) -> Iterator[psycopg.Connection]:
    """A connection to `database`; what a test leaves uncommitted is gone."""
    with database.connect() as connection:
        yield connection
        connection.rollback()


@pytest.fixture
def settings(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A data directory of its own on `database`; the environment says the same, so child processes see it too."""
    found = Settings(tmp_path / "data", str(tmp_path / "data"), database.url)
    found.data_dir.mkdir()
    for name, value in found.environment().items():
        monkeypatch.setenv(name, value)
    return found


def new_database(server: Database, template: str = "template0") -> Database:
    """A database of its own on the worker's server, cloned from `template`."""
    name = f"test_{next(_numbers)}"
    with server.connect(autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
    return server.sibling(name)
