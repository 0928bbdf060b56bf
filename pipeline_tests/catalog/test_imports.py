"""The ledger of imports: order, status, verdicts."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from uuid import UUID, uuid4

import psycopg
import pytest

from pipeline.catalog import imports
from pipeline.catalog.source import RawFile, RawImport
from pipeline.model.errors import PipelineError

RAW = RawImport((RawFile("a\0b.csv", Path("x"), "0" * 64, 12),))


@pytest.fixture
def store(connection: psycopg.Connection) -> SimpleNamespace:
    row = connection.execute(
        "INSERT INTO stores (key, name, source, currency, language) VALUES ('s', 's', 'shopify-file', 'USD', 'en') RETURNING id"
    ).fetchone()
    assert row is not None
    return SimpleNamespace(id=row[0], key="s")


def complete(connection: psycopg.Connection, store_id: UUID, kind: imports.Kind = "all") -> str:
    import_id = imports.begin_import(connection, store_id, kind, "shopify-file")
    imports.finish_import(connection, import_id, RAW, "raw/1", {"products": 3})
    return import_id


def test_ids_are_unique_and_sort_by_start(connection: psycopg.Connection, store: SimpleNamespace) -> None:
    ids = [imports.begin_import(connection, store.id, "all", "shopify-file") for _ in range(20)]
    assert ids == sorted(ids) and len(set(ids)) == 20


def test_latest_is_the_complete_import_that_started_last(connection: psycopg.Connection, store: SimpleNamespace) -> None:
    assert imports.latest_import(connection, store.id) is None
    first = imports.begin_import(connection, store.id, "all", "shopify-file")
    second = complete(connection, store.id)
    failed = imports.begin_import(connection, store.id, "all", "shopify-file")
    imports.fail_import(connection, failed, "why\0")
    complete(connection, store.id, "collections")
    imports.finish_import(connection, first, RAW, "raw/0", {})
    found = imports.latest_import(connection, store.id)
    assert found is not None and found.id == second
    assert (found.source_name, found.raw_bytes, found.raw_location, found.counts) == ("ab.csv", 12, "raw/1", {"products": 3})
    assert imports.get_import(connection, failed).error == "why"  # type: ignore[union-attr]


def test_a_closed_import_cannot_be_finished(connection: psycopg.Connection, store: SimpleNamespace) -> None:
    import_id = imports.begin_import(connection, store.id, "all", "shopify-file")
    imports.fail_import(connection, import_id, "no")
    imports.fail_import(connection, import_id, "again")
    with pytest.raises(PipelineError, match="not running"):
        imports.finish_import(connection, import_id, RAW, "raw/1", {})
    assert imports.get_import(connection, import_id).error == "no"  # type: ignore[union-attr]


def test_verdict(connection: psycopg.Connection, store: SimpleNamespace) -> None:
    import_id = complete(connection, store.id)
    with pytest.raises(PipelineError, match="no quality verdict"):
        imports.require_verdict(connection, store, import_id)
    imports.record_verdict(connection, import_id, False, "40 % of the products vanished")
    with pytest.raises(PipelineError, match=r"did not pass .* \(40 % of the products vanished\)"):
        imports.require_verdict(connection, store, import_id)
    imports.record_verdict(connection, import_id, True, quality={"fixes": 2})
    found = imports.require_verdict(connection, store, import_id)
    assert found.counts == {"products": 3, "quality": {"fixes": 2}}
    with pytest.raises(PipelineError, match="not in this database"):
        imports.require_verdict(connection, SimpleNamespace(id=uuid4(), key="other"), import_id)


def test_no_verdict_on_a_failed_import(connection: psycopg.Connection, store: SimpleNamespace) -> None:
    import_id = imports.begin_import(connection, store.id, "all", "shopify-file")
    imports.fail_import(connection, import_id, "no")
    with pytest.raises(PipelineError, match="not complete"):
        imports.record_verdict(connection, import_id, True)
    with pytest.raises(PipelineError, match="is failed"):
        imports.require_verdict(connection, store, import_id)


def test_imports_go_with_their_store(connection: psycopg.Connection, store: SimpleNamespace) -> None:
    import_id = complete(connection, store.id)
    connection.execute("DELETE FROM stores WHERE id = %s", (store.id,))
    assert imports.get_import(connection, import_id) is None
