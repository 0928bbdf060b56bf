"""Stores: keys, source settings, and that nothing of a removed store remains."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.model.errors import UsageError
from pipeline.stores.stores import (
    Store,
    add_store,
    check_source,
    find_store,
    get_store,
    is_store_key,
    list_stores,
    remove_store,
    update_store,
)

HOSTILE_KEYS = [
    "../x", "..", "a..b", ".a", "-a", "", " demo", "demo ", "demo\n", "de mo", "Demo", "dé", "ﬁ", "a" * 64, "a" * 300, "a/b",
    "a\\b", "a|b", "a\x00b", "a\x1b[31m", "\udcff", "a,b", "[a]", "%2e%2e", "demo;drop table stores", "../../etc/passwd", "a_b",
]  # fmt: skip


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    path = tmp_path / "catalog.csv"
    path.write_text("Handle,Title\n")
    return path


def add(connection: psycopg.Connection, catalog: Path, key: str = "demo") -> Store:
    return add_store(connection, key, source="shopify-file", source_settings={"path": str(catalog)})


def test_a_store_is_kept_with_absolute_paths(
    connection: psycopg.Connection, catalog: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(catalog.parent)
    store = add_store(
        connection,
        "demo",
        source="shopify-file",
        source_settings={"path": "catalog.csv", "collections_path": "catalog.csv"},
        name="  Démo ☕ ",
        currency="eur",
        language="de-AT",
    )
    assert store == get_store(connection, "demo") == find_store(connection, "demo")
    assert store.source_settings == {"path": str(catalog), "collections_path": str(catalog)}
    assert (store.name, store.currency, store.language) == ("Démo ☕", "EUR", "de-AT")


@pytest.mark.parametrize("key", HOSTILE_KEYS)
def test_a_hostile_key_is_refused_and_never_found(connection: psycopg.Connection, catalog: Path, key: str) -> None:
    with pytest.raises(UsageError, match="cannot be a store key") as error:
        add(connection, catalog, key)
    assert len(str(error.value)) < 300
    assert str(error.value).isprintable()
    assert find_store(connection, key) is None
    with pytest.raises(UsageError, match="there is no store"):
        get_store(connection, key)


@pytest.mark.parametrize("key", ["../x", "a..b", "A", "a\nb", "demo\n", "a" * 64, ""])
def test_the_database_refuses_such_keys_too(connection: psycopg.Connection, key: str) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        connection.execute(
            "INSERT INTO stores (key, name, source, currency, language) VALUES (%s, 'x', 'shopify', 'USD', 'en')", [key]
        )


@given(st.text(max_size=70))
@example("demo\n")
@example("a.b-c.9")
def test_a_legal_key_is_always_one_safe_path_part(key: str) -> None:
    if is_store_key(key):
        assert (Path("/root") / key).resolve() == Path("/root") / key
        assert key.isascii() and key.isprintable() and not set(key) & set("|,[]/\\ ")


def test_a_key_can_be_taken_once(connection: psycopg.Connection, catalog: Path) -> None:
    add(connection, catalog)
    with pytest.raises(UsageError, match="there is a store demo already"):
        add(connection, catalog)
    assert len(list_stores(connection)) == 1


def test_an_unknown_store_names_the_nearest_first(connection: psycopg.Connection, catalog: Path) -> None:
    with pytest.raises(UsageError, match="nor any other; add one with"):
        get_store(connection, "demo")
    for key in ("alpha", "beta", "demo-shop"):
        add(connection, catalog, key)
    with pytest.raises(UsageError, match="known stores: demo-shop, alpha, beta"):
        get_store(connection, "demoshop")


@pytest.mark.parametrize(
    ("source", "settings", "message"),
    [
        ("magento", {"path": "catalog.csv"}, "is not a source; known sources: akeneo, shopify, shopify-file"),
        ("shopify-file", {}, "needs the file to import"),
        ("shopify-file", {"path": ""}, "needs the file to import"),
        ("shopify-file", {"path": "catalog.csv", "url": "x"}, "'url' is not a setting"),
        ("shopify-file", {"path": "nothing.csv"}, "the catalog file nothing.csv does not exist"),
        ("shopify-file", {"path": "."}, "is not a file"),
        ("shopify-file", {"path": "a\x00b"}, "control characters"),
        ("shopify-file", {"path": "\udcff.csv"}, "broken text"),
        ("shopify-file", {"path": "x" * 5000}, "too long"),
        ("shopify-file", {"path": "x" * 400}, "does not exist"),
        ("shopify-file", {"path": "~nobody-of-this-name/x"}, "does not exist"),
        ("shopify-file", {"path": "loop"}, "does not exist"),
        ("shopify-file", {"path": "catalog.csv", "collections_path": "nothing.jsonl"}, "the collections file nothing.jsonl"),
    ],
)
def test_a_source_that_cannot_work_is_refused(
    catalog: Path, monkeypatch: pytest.MonkeyPatch, source: str, settings: dict[str, str], message: str
) -> None:
    (catalog.parent / "loop").symlink_to("loop")
    monkeypatch.chdir(catalog.parent)
    with pytest.raises(UsageError, match=message) as error:
        check_source(source, settings)
    assert len(str(error.value)) < 400


def test_an_unreadable_file_is_refused(catalog: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)  # root may read everything
    with pytest.raises(UsageError, match="cannot be read"):
        check_source("shopify-file", {"path": str(catalog)})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"currency": "EURO"}, "ISO 4217"),
        ({"currency": "€"}, "ISO 4217"),
        ({"currency": "US1"}, "ISO 4217"),
        ({"language": "english please"}, "BCP 47"),
        ({"language": "EN"}, "BCP 47"),
        ({"language": "en\n"}, "BCP 47"),
        ({"name": ""}, "is empty"),
        ({"name": "x" * 201}, "too long"),
        ({"name": "a\x1b]0;title\x07"}, "control characters"),
        ({"name": "a\x00"}, "control characters"),
    ],
)
def test_nonsense_is_refused(connection: psycopg.Connection, catalog: Path, values: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        add_store(connection, "demo", source="shopify-file", source_settings={"path": str(catalog)}, **values)
    add(connection, catalog, "other")
    with pytest.raises(UsageError, match=message):
        update_store(connection, "other", **values)
    assert [store.key for store in list_stores(connection)] == ["other"]


def test_a_store_can_be_changed(connection: psycopg.Connection, catalog: Path) -> None:
    before = add(connection, catalog)
    connection.commit()
    newer = catalog.with_name("newer.csv")
    newer.write_text("x")
    after = update_store(connection, "demo", source_settings={"path": str(newer)}, name="New", currency="gbp", language="fr")
    assert after == get_store(connection, "demo")
    assert (after.source_settings, after.name, after.currency, after.language) == ({"path": str(newer)}, "New", "GBP", "fr")
    assert after.id == before.id
    assert after.updated_at > before.updated_at


def test_removing_a_store_leaves_no_row_of_it(connection: psycopg.Connection, catalog: Path) -> None:
    add(connection, catalog)
    kept = add(connection, catalog, "kept")
    for key in ("demo", "kept"):
        connection.execute(
            "INSERT INTO marketplace_credentials (store_id, marketplace, site)"
            " SELECT id, 'amazon', 'amazon-us' FROM stores WHERE key = %s",
            [key],
        )
    connection.execute("CREATE TABLE later (store_id uuid NOT NULL REFERENCES stores (id) ON DELETE CASCADE)")
    connection.execute("INSERT INTO later SELECT id FROM stores")
    removed = remove_store(connection, "demo")
    assert removed == {"stores": 1, "later": 1, "marketplace_credentials": 1}
    for table in ("later", "marketplace_credentials"):
        assert connection.execute(f"SELECT store_id FROM {table}").fetchall() == [(kept.id,)]
    with pytest.raises(UsageError, match="there is no store 'demo'"):
        remove_store(connection, "demo")


def test_every_table_of_a_store_falls_with_it(connection: psycopg.Connection) -> None:
    """A table that names a store must cascade from it, if by way of others, or removing a store would fail or leave rows."""
    rows = connection.execute(
        "WITH RECURSIVE falling AS (SELECT 'pipeline.stores'::regclass::oid AS oid UNION SELECT k.conrelid FROM pg_constraint k"
        " JOIN falling ON k.confrelid = falling.oid WHERE k.contype = 'f' AND k.confdeltype = 'c')"
        " SELECT table_name FROM information_schema.columns WHERE table_schema = 'pipeline' AND column_name = 'store_id'"
        " AND format('pipeline.%I', table_name)::regclass NOT IN (SELECT oid FROM falling)"
    ).fetchall()
    assert rows == []
