"""The runner of sql/: once, in order, whole files, safe with several processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.model.errors import PipelineError
from pipeline.platform.database import Database
from pipeline.platform.migrations import migrate, read_migrations
from pipeline_tests.conftest import new_database
from pipeline_tests.points import dies_at


@pytest.fixture
def empty(server: Database) -> Database:
    return new_database(server)


def write(folder: Path, **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, sql in files.items():
        (folder / f"{name.replace('__notx', '.notx')}.sql").write_text(sql)
    return folder


def tables(database: Database) -> set[str]:
    with database.connect() as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'pipeline'").fetchall()
    return {row[0] for row in rows}


def test_the_projects_own_files_apply_once(empty: Database) -> None:
    assert migrate(empty)[0] == "0000_platform.sql"
    assert migrate(empty) == []
    assert {"migrations", "locks"} <= tables(empty)


def test_new_files_apply_in_order(empty: Database, tmp_path: Path) -> None:
    folder = write(
        tmp_path / "sql", **{"0001_a": "CREATE TABLE a (x int)", "0002_b": "ALTER TABLE a ADD y int; CREATE TABLE b ()"}
    )
    assert migrate(empty, folder) == ["0001_a.sql", "0002_b.sql"]
    write(folder, **{"0003_c": "DROP TABLE b"})
    assert migrate(empty, folder) == ["0003_c.sql"]
    assert tables(empty) == {"migrations", "a"}


def test_a_failing_file_leaves_nothing_and_what_came_before_stays(empty: Database, tmp_path: Path) -> None:
    folder = write(tmp_path / "sql", **{"0001_a": "CREATE TABLE a ()", "0002_b": "CREATE TABLE b (); SELECT 1/0"})
    with pytest.raises(PipelineError, match=r"0002_b\.sql.*division by zero"):
        migrate(empty, folder)
    assert tables(empty) == {"migrations", "a"}
    write(folder, **{"0002_b": "CREATE TABLE b ()"})
    assert migrate(empty, folder) == ["0002_b.sql"]


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_killed_between_a_file_and_its_record(empty: Database, tmp_path: Path, nth: int) -> None:
    """A transaction is undone; a file outside of one can be applied again."""
    folder = write(
        tmp_path / "sql", **{"0001_a": "CREATE TABLE pipeline.a (x int)", "0002_b": "CREATE TABLE pipeline.b (x int)"},
        **{"0003_c__notx": "CREATE INDEX CONCURRENTLY IF NOT EXISTS x ON pipeline.a (x)"},
    )  # fmt: skip
    dies_at("migration_mid", lambda: migrate(empty, folder), nth)
    assert migrate(empty, folder) == ["0001_a.sql", "0002_b.sql", "0003_c.notx.sql"][nth - 1 :]
    assert migrate(empty, folder) == []
    assert tables(empty) == {"migrations", "a", "b"}


def test_a_changed_file_is_refused(empty: Database, tmp_path: Path) -> None:
    folder = write(tmp_path / "sql", **{"0001_a": "CREATE TABLE a ()\n"})
    migrate(empty, folder)
    (folder / "0001_a.sql").write_bytes(b"CREATE TABLE a ()\r\n")  # only the line end: still the same file
    assert migrate(empty, folder) == []
    write(folder, **{"0001_a": "CREATE TABLE a (x int)"})
    with pytest.raises(PipelineError, match=r"0001_a\.sql changed after it was applied"):
        migrate(empty, folder)


def test_a_newer_database_is_refused(empty: Database, tmp_path: Path) -> None:
    folder = write(tmp_path / "sql", **{"0001_a": "CREATE TABLE a ()", "0002_b": "CREATE TABLE b ()"})
    migrate(empty, folder)
    (folder / "0002_b.sql").unlink()
    with pytest.raises(PipelineError, match=r"newer than this program.*0002_b\.sql"):
        migrate(empty, folder)


def test_statements_that_refuse_a_transaction(empty: Database, tmp_path: Path) -> None:
    folder = write(
        tmp_path / "sql",
        **{"0001_a": "CREATE TABLE a (x int)", "0002_i__notx": "CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON a (x)"},
    )
    assert migrate(empty, folder) == ["0001_a.sql", "0002_i.notx.sql"]


@pytest.mark.parametrize("names", [("1_a",), ("0001_A b",), ("0001_a", "0001_b")])
def test_names_that_have_no_order(tmp_path: Path, names: tuple[str, ...]) -> None:
    with pytest.raises(PipelineError, match=r"rename it|renumber one"):
        read_migrations(write(tmp_path / "sql", **dict.fromkeys(names, "SELECT 1")))


def test_an_empty_folder_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="checkout"):
        read_migrations(tmp_path)


def test_four_processes_at_once(empty: Database, tmp_path: Path) -> None:
    folder = write(
        tmp_path / "sql",
        **{
            "0001_a": "CREATE TABLE a (x int); SELECT pg_sleep(0.2)",
            "0002_i__notx": "CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON a (x)",
            "0003_row": "INSERT INTO a VALUES (1)",
        },
    )
    program = (
        "import sys; from pathlib import Path; from pipeline.settings import Settings;"
        "from pipeline.platform.database import Database; from pipeline.platform.migrations import migrate;"
        "print(len(migrate(Database.open(Settings.load({'DATABASE_URL': sys.argv[1]})), Path(sys.argv[2]))))"
    )
    command = [sys.executable, "-c", program, empty.url, str(folder)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    outputs = [process.communicate(timeout=60)[0].strip() for process in processes]
    assert sorted(outputs) == ["0", "0", "0", "3"]
    with empty.connect() as connection:
        assert connection.execute("SELECT count(*) FROM a").fetchone() == (1,)
