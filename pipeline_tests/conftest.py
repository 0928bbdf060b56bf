"""Fixtures that every part of the suite shares: a database of its own for each test, on one server a worker."""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import psycopg
import pytest

from pipeline.platform.database import Database
from pipeline.platform.migrations import migrate
from pipeline.settings import Settings

if TYPE_CHECKING:
    import dagster as dg

# How long an example takes says more of the machine than of the code.
hypothesis.settings.register_profile("project", deadline=None)
hypothesis.settings.load_profile("project")
_numbers = count(1)
#: Variables that decide how the code under test behaves; the developer's own must not reach it.
_FOREIGN = (
    "PIPELINE_DATA_DIR", "PIPELINE_STORAGE_URI", "DATABASE_URL", "DAGSTER_HOME", "CREDENTIAL_KEYS", "CREDENTIAL_KEYS_FILE",
    "SHOPIFY_API_URL", "AKENEO_API_URL", "AMAZON_API_URL", "AMAZON_LWA_API_URL",
    "LLM_BASE_URL", "LLM_API_KEY", "LLM_MODEL", "LLM_STRUCTURED_MODE", "CATEGORY_RERANK_MODEL",
    "SHOPIFY_TAXONOMY_DIR",
)  # fmt: skip


#: Folders of long tests. They come first, so that short ones are left for the end, which workers share evenly.
_FIRST = ("flows", "labels", "submissions")
_MEMORY, _ROOM = Path("/dev/shm"), 4 << 30  # noqa: S108


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        folder = item.path.relative_to(Path(__file__).parent).parts[0]
        return _FIRST.index(folder) if folder in _FIRST else len(_FIRST)

    items.sort(key=place)


def pytest_collection_finish() -> None:
    """What is loaded by now stays: to look through it for garbage again and again is a tenth of what a flow takes."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


@pytest.fixture(autouse=True, scope="session")
def _own_environment() -> None:
    for name in _FOREIGN:
        os.environ.pop(name, None)


@pytest.fixture(autouse=True, scope="session")
def _not_durable() -> Iterator[None]:
    """As the database below: waiting for a disk is a tenth of what a run of many small tables takes. Children do wait."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


@pytest.fixture(scope="session")
def server() -> Iterator[Database]:
    """The embedded server of this worker. Not durable: tests need no data after a power cut."""
    with data_folder() as folder, Database.open(Settings(folder, str(folder))) as database:
        with database.autocommit() as connection:
            for setting in ("fsync", "synchronous_commit", "full_page_writes", "autovacuum"):
                connection.execute(f"ALTER SYSTEM SET {setting} = off".encode())
            # The kernel copies the files of a template: a third of the work of Postgres reading and writing them.
            connection.execute(b"ALTER SYSTEM SET file_copy_method = clone")
            connection.execute("SELECT pg_reload_conf()")
        yield database


@pytest.fixture(scope="session")
def _template(server: Database) -> str:
    """A migrated database to clone; nobody may stay connected to it."""
    database = new_database(server)
    migrate(database)
    database.close()
    return database.name


@pytest.fixture
def database(request: pytest.FixtureRequest, server: Database) -> Iterator[Database]:
    """A fresh, migrated database; with Dagster's tables if the test uses `instance`."""
    template = "_dagster_template" if "instance" in request.fixturenames else "_template"
    fresh = new_database(server, request.getfixturevalue(template))
    yield fresh
    with server.autocommit() as connection:
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


@pytest.fixture(scope="session")
def _dagster_template(server: Database, _template: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A migrated database with Dagster's tables, which take it a second to make."""
    from pipeline.platform.instance import open_instance

    database = new_database(server, _template)
    folder = tmp_path_factory.mktemp("dagster")
    with pytest.MonkeyPatch.context() as patch:
        found = Settings(folder, str(folder), database.url)
        for name, value in found.environment().items():
            patch.setenv(name, value)
        with open_instance(found):
            pass
    return database.name


@pytest.fixture
def instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """Dagster's instance of `settings`, on `database`."""
    from pipeline.platform.instance import open_instance

    with open_instance(settings) as instance:
        yield instance


@contextmanager
def data_folder() -> Iterator[Path]:
    """For an embedded server. Not pytest's: each new session closes that folder to other users, and root's server is one."""
    # In memory where there is room: a database is some 700 small files, which a disk takes ten times as long to copy.
    memory = _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _ROOM
    with tempfile.TemporaryDirectory(prefix="pipeline-", dir=_MEMORY if memory else None) as name:
        yield Path(name).resolve() / "data"


def new_database(server: Database, template: str = "template0") -> Database:
    """A database of its own on the worker's server, cloned from `template`."""
    # Copying files is a third of the work of copying through the log, which is for servers that have other work too.
    name = f"test_{next(_numbers)}"
    with server.autocommit() as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY".encode())
    return server.sibling(name)
