"""The ledger of imports: order, status, verdicts."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any
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


def take(connection: psycopg.Connection, store: SimpleNamespace, **changes: Any) -> str | None:
    given = {"kind": "all", "full": False, "longest": timedelta(hours=1), "run_id": "new", **changes}
    found = imports.take_over(connection, store.id, given.pop("kind"), **given)
    return found and found.id


def left_behind(connection: psycopg.Connection, store: SimpleNamespace, **changes: Any) -> str:
    import_id = imports.begin_import(connection, store.id, changes.pop("kind", "all"), "shopify", run_id="old", **changes)
    imports.save_state(connection, import_id, {"products": {"operation": "gid"}})
    return import_id


def test_an_import_that_died_is_taken_over_with_its_state(connection: psycopg.Connection, store: SimpleNamespace) -> None:
    dead = left_behind(connection, store)
    assert take(connection, store) == dead
    found = imports.get_import(connection, dead)
    assert found is not None
    assert (found.status, found.run_id, found.source_state) == ("running", "new", {"products": {"operation": "gid"}})


def test_what_cannot_be_gone_on_with_is_closed(connection: psycopg.Connection, store: SimpleNamespace) -> None:
    without_state = imports.begin_import(connection, store.id, "all", "shopify-file")
    other_kind = left_behind(connection, store, kind="collections")
    older = left_behind(connection, store)
    newest = left_behind(connection, store)
    assert take(connection, store) == newest
    for import_id in (without_state, other_kind, older):
        found = imports.get_import(connection, import_id)
        assert found is not None and (found.status, found.error) == ("failed", "its process died; a later import took its place")


def test_an_old_or_overtaken_import_is_closed(connection: psycopg.Connection, store: SimpleNamespace) -> None:
    left_behind(connection, store)
    assert take(connection, store, longest=timedelta(0)) is None
    dead = left_behind(connection, store)
    complete(connection, store.id)
    assert take(connection, store) is None
    assert imports.get_import(connection, dead).status == "failed"  # type: ignore[union-attr]


def test_a_full_import_does_not_go_on_with_an_incremental_one(connection: psycopg.Connection, store: SimpleNamespace) -> None:
    since = datetime(2026, 11, 1, tzinfo=timezone.utc)
    left_behind(connection, store, since=since, base_import_id="b")
    assert take(connection, store, full=True) is None
    dead = left_behind(connection, store, since=since, base_import_id="b")
    assert take(connection, store) == dead


def test_an_import_that_the_quality_stage_has_not_seen_is_not_over(
    connection: psycopg.Connection, store: SimpleNamespace
) -> None:
    dead = left_behind(connection, store)
    imports.finish_import(connection, dead, RAW, "raw/1", {})
    assert take(connection, store) == dead
    imports.finish_import(connection, dead, RAW, "raw/1", {})
    imports.record_verdict(connection, dead, False, "no")
    assert take(connection, store) is None
