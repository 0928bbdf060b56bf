"""Our own tables: plain numbered SQL files, each applied once, in order, in a transaction of its own.

`sql/NNNN_name.sql`; a file `NNNN_name.notx.sql` holds one statement that must run outside a transaction and may be run again.
Dagster migrates its tables itself.
"""

from __future__ import annotations

import hashlib
import itertools
import re
import time
from dataclasses import dataclass
from pathlib import Path

import psycopg

from pipeline.model.errors import PipelineError
from pipeline.platform.database import Database
from pipeline.platform.points import point
from pipeline.settings import PROJECT_ROOT

SQL_FOLDER = PROJECT_ROOT / "sql"
_NAME = re.compile(r"\d{4}_[a-z0-9_]+(\.notx)?\.sql")
_LOCK = "hashtextextended('pipeline.migrations', 0)"
_WAIT_SECONDS = 300


@dataclass(frozen=True)
class Migration:
    name: str
    sql: str
    sha256: str

    @property
    def transactional(self) -> bool:
        return not self.name.endswith(".notx.sql")


def migrate(database: Database, folder: Path = SQL_FOLDER) -> list[str]:
    """Apply what is missing and return its names. Any number of processes may call this at once.

    Raises PipelineError when an applied file was changed, the database is newer than the files, or a file fails.
    """
    migrations = read_migrations(folder)
    with database.autocommit() as connection:
        if _recorded(connection) and not _pending(connection, migrations):
            return []
        _lock(connection)
        try:
            connection.execute("CREATE SCHEMA IF NOT EXISTS pipeline")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS pipeline.migrations "
                "(name text PRIMARY KEY, sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
            )
            pending = _pending(connection, migrations)
            for migration in pending:
                _apply(connection, migration)
        finally:
            connection.execute(f"SELECT pg_advisory_unlock({_LOCK})")
    return [migration.name for migration in pending]


def read_migrations(folder: Path) -> list[Migration]:
    """The files in order. Raises PipelineError for a name that is not a migration's, or a number used twice."""
    found = []
    for path in sorted(folder.glob("*.sql")):
        if not _NAME.fullmatch(path.name):
            raise PipelineError(f"{path} is not named like a migration (0001_stores.sql); rename it")
        text = path.read_bytes().decode().replace("\r\n", "\n")  # a checkout may change line ends
        found.append(Migration(path.name, text, hashlib.sha256(text.encode()).hexdigest()))
    if not found:
        raise PipelineError(f"no migrations in {folder}; run from a checkout of the project (pip install -e .)")
    for first, second in itertools.pairwise(found):
        if first.name[:4] == second.name[:4]:
            raise PipelineError(f"two migrations have the number {first.name[:4]}: {first.name} and {second.name}; renumber one")
    return found


def _recorded(connection: psycopg.Connection) -> bool:
    row = connection.execute("SELECT to_regclass('pipeline.migrations') IS NOT NULL").fetchone()
    return bool(row and row[0])


def _pending(connection: psycopg.Connection, migrations: list[Migration]) -> list[Migration]:
    applied: dict[str, str] = dict(connection.execute("SELECT name, sha256 FROM pipeline.migrations").fetchall())
    unknown = sorted(set(applied) - {migration.name for migration in migrations})
    if unknown:
        raise PipelineError(f"the database is newer than this program (it has {', '.join(unknown)}); update the program")
    changed = [migration.name for migration in migrations if applied.get(migration.name, migration.sha256) != migration.sha256]
    if changed:
        raise PipelineError(f"{', '.join(changed)} changed after it was applied; restore it and put the change into a new file")
    return [migration for migration in migrations if migration.name not in applied]


def _lock(connection: psycopg.Connection) -> None:
    """Polled: a session that waits inside pg_advisory_lock holds a snapshot, and CREATE INDEX CONCURRENTLY waits for that."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        row = connection.execute(f"SELECT pg_try_advisory_lock({_LOCK})").fetchone()
        if row and row[0]:
            return
        if time.monotonic() > deadline:
            raise PipelineError(f"another process has been migrating the database for {_WAIT_SECONDS} s; end it and start again")
        time.sleep(0.2)


def _apply(connection: psycopg.Connection, migration: Migration) -> None:
    record = "INSERT INTO pipeline.migrations (name, sha256) VALUES (%s, %s)"
    try:
        if migration.transactional:
            with connection.transaction():
                connection.execute(migration.sql.encode())
                point("migration_mid")
                connection.execute(record, (migration.name, migration.sha256))
        else:
            connection.execute(migration.sql.encode())
            point("migration_mid")
            connection.execute(record, (migration.name, migration.sha256))
    except psycopg.Error as error:
        raise PipelineError(f"migration {migration.name} failed and nothing of it remains: {str(error).strip()}") from error
