"""Connections: settings in and out, status, statistics, and that nothing secret is read."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest

from pipeline.model.errors import UsageError
from pipeline.model.listing import Site
from pipeline.stores import connections
from pipeline.stores.assignments import parse_assignments
from pipeline.stores.stores import add_store

US = Site("amazon-us", "amazon", "ATVPDKIKX0DER", "US", "USD", "en-US", "na", {})
UK = Site("amazon-uk", "amazon", "A1F83G8C2ARO7P", "GB", "GBP", "en-GB", "eu", {})
ACCOUNT = {"seller_id": "", "location": "New York", "handling_days": 2, "returns": True, "policies": [], "address": {}}


@pytest.fixture
def store(connection: psycopg.Connection, tmp_path: Path) -> str:
    path = tmp_path / "catalog.csv"
    path.write_text("x")
    for key in ("demo", "other"):
        add_store(connection, key, source="shopify-file", source_settings={"path": str(path)})
    connection.commit()
    return "demo"


def connect(connection: psycopg.Connection, store: str, *texts: str, site: Site = US) -> connections.Connection:
    return connections.connect(connection, store, site, assignments=parse_assignments(texts), account_settings=ACCOUNT)


def change(connection: psycopg.Connection, store: str, *texts: str) -> connections.Connection:
    return connections.update(connection, store, "amazon-us", parse_assignments(texts), ACCOUNT)


def test_a_connection_is_kept_with_its_settings(connection: psycopg.Connection, store: str) -> None:
    found = connect(
        connection, store, "price_adjustment_percent=7.5", "rounding=.99", "gtin_exempt=true", "default_category=0123",
        "assortment.include.vendors=[Acme, 007]", "assortment.exclude.tags=[no, yes]", "seller_id=0012", "handling_days=3",
        "category_rules=[{field: title, pattern: 'Mug*', category: 46159}]",
    )  # fmt: skip
    assert found == connections.get_connection(connection, store, "amazon-us")
    settings = found.export_settings
    assert (settings.price_adjustment_percent, settings.rounding, settings.gtin_exempt) == (Decimal("7.5"), ".99", True)
    assert settings.default_category == "0123"
    assert settings.assortment.include.vendors == ("Acme", "007")
    assert settings.assortment.exclude.tags == ("no", "yes")
    assert settings.category_rules[0].category == "46159"
    assert found.sync_settings == {"seller_id": "0012", "handling_days": 3}
    assert (found.store_key, found.marketplace, found.site, found.marketplace_id) == (
        "demo",
        "amazon",
        "amazon-us",
        "ATVPDKIKX0DER",
    )
    assert (found.region, found.status, found.sealed_by, found.paused, found.statistics) == ("na", "active", None, False, {})


def test_the_account_of_a_connection_overrides_the_marketplace(connection: psycopg.Connection, store: str) -> None:
    account = connect(connection, store, "seller_id=A1", "gtin_exempt=true").account(ACCOUNT)
    assert (account.store, account.seller_id) == ("demo", "A1")
    assert account.settings["location"] == "New York"
    assert account.settings["gtin_exempt"] is True


def test_without_credentials_nothing_is_sent(connection: psycopg.Connection, store: str) -> None:
    assert connect(connection, store).transport(sends=True) == "file"


def test_a_site_is_connected_once_a_store(connection: psycopg.Connection, store: str) -> None:
    connect(connection, store)
    connect(connection, "other")
    connect(connection, store, site=UK)
    with pytest.raises(UsageError, match="demo is connected to amazon-us already; change it with: pipeline connection set"):
        connect(connection, store)
    assert [(c.store_key, c.site) for c in connections.list_connections(connection)] == [
        ("demo", "amazon-uk"), ("demo", "amazon-us"), ("other", "amazon-us"),
    ]  # fmt: skip
    assert [c.site for c in connections.list_connections(connection, "other")] == ["amazon-us"]


def test_one_marketplace_account_is_connected_once_even_without_an_id(connection: psycopg.Connection, store: str) -> None:
    insert = (
        "INSERT INTO marketplace_credentials (store_id, marketplace, site, marketplace_id)"
        " SELECT id, 'google_shopping', %s, NULL FROM stores WHERE key = 'demo'"
    )
    connection.execute(insert, ["google-us"])
    with pytest.raises(psycopg.errors.UniqueViolation):
        connection.execute(insert, ["google-de"])


@pytest.mark.parametrize(
    "credentials",
    [{"refresh_token": "Atzr|secret"}, {"v": 1, "kid": "k", "dek": "x"}, [1], "text"],
    ids=["plain", "partial", "list", "text"],
)
def test_only_a_sealed_envelope_fits_into_the_credentials(
    connection: psycopg.Connection, store: str, credentials: object
) -> None:
    connect(connection, store)
    with pytest.raises(psycopg.errors.CheckViolation):
        connection.execute("UPDATE marketplace_credentials SET credentials = %s", [json.dumps(credentials)])


def test_credentials_are_never_part_of_a_connection(connection: psycopg.Connection, store: str) -> None:
    connect(connection, store)
    envelope = {"v": 1, "kid": "k1", "dek": "CANARY", "ct": "CANARY"}
    connection.execute("UPDATE marketplace_credentials SET credentials = %s", [json.dumps(envelope)])
    found = connections.get_connection(connection, store, "amazon-us")
    assert found.sealed_by == "k1"
    assert (found.transport(sends=False), found.transport(sends=True)) == ("file", "api")
    assert "CANARY" not in repr(found)


def test_settings_change_one_by_one_and_go_back_to_their_defaults(connection: psycopg.Connection, store: str) -> None:
    connect(connection, store, "stock_buffer=2", "price_floor=5", "assortment.include.vendors=[A]", "seller_id=X")
    found = change(connection, store, "stock_maximum=9", "assortment.include.tags=[t]", "price_floor=null", "seller_id=")
    settings = found.export_settings
    assert (settings.stock_buffer, settings.stock_maximum, settings.price_floor) == (2, 9, None)
    assert (settings.assortment.include.vendors, settings.assortment.include.tags) == (("A",), ("t",))
    assert found.sync_settings == {}
    assert change(connection, store, "assortment=null").export_settings.assortment.include.empty


def test_what_was_never_set_is_not_stored(connection: psycopg.Connection, store: str) -> None:
    connect(connection, store, "stock_buffer=0", "price_floor=0.10")
    stored = connection.execute("SELECT export_settings FROM marketplace_credentials").fetchone()
    assert stored == ({"stock_buffer": 0, "price_floor": "0.10"},)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stock_bufer=2", "stock_bufer is not a setting; known settings: stock_buffer"),
        ("refresh_token=SECRET", "refresh_token is not a setting"),
        ("assortment.inclde.vendors=[a]", "assortment.inclde is not a setting; known settings: include, exclude"),
        ("assortment.include.vendor=[a]", "assortment.include.vendor is not a setting; known settings: product_ids, vendors"),
        ("category_rules=[{x: y}]", "category_rules.0.x is not a setting; known settings: field, pattern, category"),
        ("assortment.include.vendors=Acme", "assortment.include.vendors: must be a list, such as"),
        ("assortment.include.vendors=['']", "assortment.include.vendors.0"),
        ("assortment=all", "assortment: must be a group of settings"),
        ("stock_buffer=many", "stock_buffer"),
        ("stock_buffer=-1", "stock_buffer"),
        ("stock_buffer.x=1", "stock_buffer"),
        ("price_adjustment_percent=-95", "price_adjustment_percent"),
        ("price_floor=NaN", "price_floor"),
        ("price_floor=Infinity", "price_floor"),
        ("price_floor=1e400", "price_floor"),
        ("currency_rate=1e-400", "currency_rate"),
        ("currency_rate=0.9", "currency_rate_date"),
        ("rounding=.49", "rounding"),
        ("default_category=\"a\\u0007b\"", "plain text"),
        ("category_rules=[{field: title, pattern: x}]", "category"),
        ("category_rules=[{field: sku, pattern: x, category: y}]", "category_rules"),
        ("handling_days=soon", "handling_days must be a whole number"),
        ("returns=perhaps", "returns must be true or false"),
        ("policies=x", "policies must be a list"),
        ("address=x", "address must be a mapping"),
        ("seller_id=[a]", "seller_id must be a text"),
        ("seller_id.x=a", "seller_id must be a text"),
        ("location=" + "x" * 1001, "at most 1000"),
    ],
)  # fmt: skip
def test_a_wrong_setting_changes_nothing_and_says_which(
    connection: psycopg.Connection, store: str, text: str, message: str
) -> None:
    before = connect(connection, store, "stock_buffer=1", "seller_id=A")
    with pytest.raises(UsageError, match=message) as error:
        change(connection, store, "untracked_quantity=3", text)
    assert "SECRET" not in str(error.value)
    assert connections.get_connection(connection, store, "amazon-us") == before


def test_an_unknown_connection_names_the_known(connection: psycopg.Connection, store: str) -> None:
    with pytest.raises(UsageError, match="it has no connections; add one with: pipeline connect demo MARKETPLACE"):
        connections.get_connection(connection, store, "amazon-us")
    connect(connection, store)
    for site in ("amazon-uss", "a\x00b", "../x", "x" * 300):
        for action in (connections.get_connection, connections.remove):
            with pytest.raises(UsageError, match=r"is not connected to .*; its connections: amazon-us"):
                action(connection, store, site)
    with pytest.raises(UsageError, match="there is no store"):
        connections.get_connection(connection, "nobody", "amazon-us")


def test_a_paused_connection_stays_paused_whatever_ends(connection: psycopg.Connection, store: str) -> None:
    found = connect(connection, store)
    assert connections.set_status(connection, store, "amazon-us", "inactive").paused
    connections.record_sync(connection, found.id, error="too late")
    connections.record_sync(connection, found.id)
    assert connections.get_connection(connection, store, "amazon-us").paused
    assert connections.set_status(connection, store, "amazon-us", "active").status == "active"


def test_statistics_add_up(connection: psycopg.Connection, store: str) -> None:
    found = connect(connection, store)
    connections.record_sync(connection, found.id, duration_seconds=1.23456)
    connections.record_sync(connection, found.id, duration_seconds=2, error="line one\nline two \x1b[31m" + "x" * 1000)
    failed = connections.get_connection(connection, store, "amazon-us")
    assert failed.status == "error"
    assert failed.last_error is not None and failed.last_error.startswith("line one line two ?[31mx")
    assert len(failed.last_error) == 503
    assert failed.last_sync_at is not None
    connections.record_sync(connection, found.id, duration_seconds=3)
    well = connections.get_connection(connection, store, "amazon-us")
    assert (well.status, well.last_error) == ("active", None)
    assert well.statistics == {
        "total_exports": 3, "successful_exports": 2, "failed_exports": 1, "last_duration_seconds": 3,
    }  # fmt: skip


def test_removing_a_connection_takes_its_rows_and_no_others(connection: psycopg.Connection, store: str) -> None:
    connection.execute("CREATE TABLE later (store_id uuid NOT NULL REFERENCES stores (id) ON DELETE CASCADE, site text NOT NULL)")
    for key, site in ((store, US), (store, UK), ("other", US)):
        found = connect(connection, key, site=site)
        connection.execute("INSERT INTO later VALUES (%s, %s)", [found.store_id, found.site])
    assert connections.remove(connection, store, "amazon-us") == {"later": 1, "marketplace_credentials": 1}
    left = [("demo", "amazon-uk"), ("other", "amazon-us")]
    assert [(c.store_key, c.site) for c in connections.list_connections(connection)] == left
    rows = connection.execute("SELECT key, site FROM later JOIN stores ON id = store_id ORDER BY 1, 2").fetchall()
    assert rows == left
    assert connections.connected_sites(connection) == ["amazon-uk", "amazon-us"]


def test_damaged_settings_name_their_connection_and_can_be_removed(connection: psycopg.Connection, store: str) -> None:
    connect(connection, store)
    connection.execute("""UPDATE marketplace_credentials SET export_settings = '{"old_name": 1}'""")
    with pytest.raises(UsageError, match="the stored settings of demo on amazon-us are wrong: old_name is not a setting"):
        connections.get_connection(connection, store, "amazon-us")
    connections.remove(connection, store, "amazon-us")
    assert connections.list_connections(connection) == []
