"""What an error means for an import: errors as this machine, its database and pyarrow really raise them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import pyarrow as pa
import pytest

from pipeline.catalog.endings import ending_of
from pipeline.model.errors import BadInputError
from pipeline.platform.database import Database

FULL = Path("/dev/full")
full_disk = pytest.mark.skipif(not FULL.exists(), reason="only Linux has a device that is always full")


def raised(work: Callable[[], object]) -> Exception:
    with pytest.raises(Exception) as error:
        work()
    return error.value


def write_full() -> None:
    with FULL.open("wb") as file:
        file.write(b"x" * 100_000)


def write_full_by_arrow() -> None:
    with pa.OSFile(str(FULL), "wb") as file:
        file.write(b"x" * 100_000)


@full_disk
@pytest.mark.parametrize("work", [write_full, write_full_by_arrow])
def test_a_full_disk_interrupts(work: Callable[[], None]) -> None:
    ending = ending_of(raised(work), "shop")
    assert not ending.over
    assert ending.reason.startswith("the disk is full") and ending.reason.endswith("then go on with: pipeline import shop")


def test_a_file_that_cannot_be_written_interrupts(tmp_path: Path) -> None:
    ending = ending_of(raised(lambda: (tmp_path / "no" / "file").write_bytes(b"")), "shop")
    assert (ending.over, "No such file or directory" in ending.reason, str(tmp_path) in ending.reason) == (False, True, True)


@pytest.mark.parametrize("work", [lambda: bytearray(1 << 62), lambda: pa.allocate_buffer(1 << 62)])
def test_too_little_memory_interrupts(work: Callable[[], object]) -> None:
    ending = ending_of(raised(work), "shop")
    assert (ending.over, "memory" in ending.reason) == (False, True)


def test_a_lost_database_interrupts(database: Database) -> None:
    connection = database.connect(autocommit=True)
    with database.connect(autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", (connection.info.backend_pid,))
    for error in (raised(lambda: connection.execute("SELECT 1")), raised(lambda: connection.execute("SELECT 1"))):
        assert isinstance(error, psycopg.Error)
        ending = ending_of(error, "shop")
        assert (ending.over, "the database was lost" in ending.reason) == (False, True)


def test_what_the_source_said_ends_it() -> None:
    assert ending_of(BadInputError("line 3 is no product"), "shop").reason == "line 3 is no product"
    assert ending_of(BadInputError("x"), "shop").over


def test_a_bug_ends_it_and_is_called_one() -> None:
    ending = ending_of(raised(lambda: {}["missing"]), "shop")
    assert ending.over and ending.reason.startswith("KeyError in the importer, which is a fault of it: report it")
    assert "missing" not in ending.reason  # it may be the merchant's data
