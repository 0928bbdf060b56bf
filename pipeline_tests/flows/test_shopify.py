"""A live shop from the command line: connecting, importing, what follows; killed imports; the shop that shrinks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.platform.http import Patience
from pipeline.stores import api_versions
from pipeline_tests.catalog.shopify_api.conftest import fill
from pipeline_tests.catalog.shopify_api.helpers import comparable, nothing
from pipeline_tests.fakes.shopify import CLIENT_ID, CLIENT_SECRET, FakeShopify, running
from pipeline_tests.flows.conftest import NewPlace
from pipeline_tests.flows.place import Place, start
from pipeline_tests.flows.test_crash import MOVE, die, die_after, die_moving

PATIENCE = "pipeline.catalog.shopify_api.source:PATIENCE"
QUICK = {PATIENCE: Patience(sleep=nothing)}
TABLES = ("products", "variants", "inventory", "collections")


@pytest.fixture(scope="module")
def shop() -> Iterator[FakeShopify]:
    with running(FakeShopify()) as found:
        fill(found.data)
        for number in range(20):
            found.data.add_product(f"plain-{number}", variants=[{"sku": f"P-{number}"}])
        yield found


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.catalog.shopify_api.source.PATIENCE", QUICK[PATIENCE])


@pytest.fixture(scope="module")
def connected(new_place: NewPlace, shop: FakeShopify, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A store that is a live shop, not imported."""
    keys = tmp_path_factory.mktemp("secrets") / "keys"
    place = new_place().with_keys(keys)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHOPIFY_API_URL", shop.url)
        place.cli("keys", "generate", "--file", str(keys), code=0)
        file = keys.with_name("shop.json")
        file.write_text(json.dumps({"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}))
        file.chmod(0o600)
        place.cli(
            "store", "add", "shop", "--source", "shopify", "--domain", shop.domain, "--credentials", str(file), code=0
        )  # fmt: skip
    return place


@pytest.fixture
def place(connected: Place, shop: FakeShopify, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("SHOPIFY_API_URL", shop.url)
    shop.operations.clear()
    shop.faults.clear()
    shop.calls.clear()
    return connected.clone(tmp_path)


def tables(place: Place) -> dict[str, Any]:
    return {name: comparable(place.table(name, "shop")) for name in TABLES}


def ledger(place: Place) -> list[tuple[Any, ...]]:
    return place.rows("SELECT kind, status, since IS NOT NULL, quality_passed, reconciled FROM imports ORDER BY id")


def test_a_shop_is_tried_imported_and_kept_up_to_date(place: Place, shop: FakeShopify) -> None:
    assert place.summary("store", "test", "shop")["problems"] == []
    assert place.summary("import", "shop")["products"] == 23
    assert shop.paid == 3
    first = tables(place)
    shop.data.update_product(next(iter(shop.data.products)), title="Renamed")
    assert place.summary("import", "shop")["products"] == 23
    assert shop.paid == 5  # collections and stock; the change itself was read in pages
    assert tables(place) != first
    place.cli("import", "shop", "--only", "inventory", code=0)
    place.cli("import", "shop", "--only", "collections", code=0)
    place.cli("import", "shop", "--since", "2026-11-01", code=0)
    found = tables(place)
    place.cli("import", "shop", "--full", code=0)
    assert tables(place) == found
    assert ledger(place) == [
        ("all", "complete", False, True, True),
        ("all", "complete", True, True, False),
        ("inventory", "complete", False, None, False),
        ("collections", "complete", False, None, False),
        ("all", "complete", True, True, False),
        ("all", "complete", False, True, True),
    ]
    (listed,) = [row for row in place.summary("status")["connections"] if row["store"] == "shop"]
    assert (listed["quality"], listed["next"]) == ("passed", "pipeline connect shop amazon-us")


def refused(place: Place, *arguments: str) -> str:
    return place.cli("import", "shop", *arguments, "--json").error


def test_what_cannot_be_asked_for_is_said(place: Place, shop: FakeShopify) -> None:
    assert "has no good import to add to: pipeline import shop --full" in refused(place, "--since", "2026-11-01")
    assert "is not a time; use auto, full or one such as" in refused(place, "--since", "yesterday")
    assert "--full reads everything" in refused(place, "--full", "--since", "2026-11-01")
    assert "has no products to add stock to" in refused(place, "--only", "inventory")
    assert shop.paid == 0


def test_a_corrected_store_is_no_longer_in_error(place: Place, shop: FakeShopify, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shop.data, "currency", "EUR")
    assert "pipeline store set shop --currency EUR" in refused(place)
    place.cli("store", "set", "shop", "--currency", "EUR", code=0)
    (said,) = place.summary("status")["notices"]
    assert said.endswith("(before the store was changed)")
    note = "UPDATE stores SET status = 'error', last_error = 'Shopify cannot be reached' RETURNING 1"
    for press in (("store", "test", "shop"), ("store", "set", "shop", "--api-version", "2026-10"), ("import", "shop")):
        with place.database.connect() as connection:
            connection.execute(note.encode())
        assert {row["state"] for row in place.summary("status")["connections"]} == {"error"}
        place.cli(*press, code=0)
        assert {row["state"] for row in place.summary("status")["connections"]} == {"not connected"}
    assert place.summary("status")["notices"] == []


def test_an_api_version_near_its_end_is_said_wherever_the_store_is_looked_at(
    place: Place, shop: FakeShopify, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert place.summary("store", "test", "shop")["warnings"] == []
    monkeypatch.setattr(api_versions, "WARN_DAYS", 10_000)
    tried = place.summary("store", "test", "shop")
    (said,) = tried["warnings"]
    assert tried["problems"] == []
    assert said.startswith(
        "Shopify supports API version 2026-10 until 2027-10-01; set a newer one: pipeline store set shop --api-v"
    )
    text = place.cli("store", "test", "shop", code=0).out
    assert "store shop can be imported" in text and f"warning: {said}" in text
    assert f"warning: {said}" in place.cli("import", "shop", code=0).out
    assert place.summary("import", "shop")["warnings"] == [said]
    assert place.summary("status")["notices"] == [f"shop: {said}"]
    with monkeypatch.context() as patch:
        patch.setattr(shop, "scopes", ())
        tried = place.cli("store", "test", "shop", "--json", code=1).json
        assert (len(tried["problems"]), tried["warnings"]) == (3, [said])
    monkeypatch.setattr(api_versions, "WARN_DAYS", 0)
    assert place.summary("status")["notices"] == []


DEATHS: dict[str, dict[str, tuple[Any, ...]]] = {
    "before the operation is asked for": {"pipeline.catalog.shopify_api.bulk:Bulk._run": (die,)},
    "asked for, answer not seen": {"pipeline.catalog.shopify_api.bulk:Bulk._save_id": (die,)},
    "its id saved": {"pipeline.catalog.shopify_api.bulk:Bulk._save_id": (die_after,)},
    "while it runs": {"pipeline.catalog.shopify_api.bulk:Bulk._poll": (die_after,)},
    "half downloaded": {"pipeline.catalog.shopify_api.bulk:store_raw": (die,)},
    "downloaded, not noted": {"pipeline.catalog.shopify_api.bulk:store_raw": (die_after,)},
    "raw copy whole": {"pipeline.catalog.assets:note_raw": (die,)},
    "raw table": {MOVE: (die_moving, "raw_products")},
    "normalized": {"pipeline.catalog.assets:normalize": (die_after,)},
    "products": {MOVE: (die_moving, "products")},
    "variants": {MOVE: (die_moving, "variants")},
    "rejected rows": {MOVE: (die_moving, "rejected_rows")},
    "ledger": {"pipeline.catalog.assets:finish_import": (die,)},
    "quality": {"pipeline.quality.assets:run_quality": (die,)},
    "verdict": {"pipeline.quality.assets:record_verdict": (die,)},
}


@pytest.fixture(scope="module")
def expected(connected: Place, shop: FakeShopify, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The tables of an import that nobody disturbs."""
    place = connected.clone(tmp_path_factory.mktemp("undisturbed"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHOPIFY_API_URL", shop.url)
        patch.setattr("pipeline.catalog.shopify_api.source.PATIENCE", QUICK[PATIENCE])
        place.cli("import", "shop", code=0)
    return tables(place)


def kill(place: Place, hooks: dict[str, tuple[Callable[..., Any], Any]] | Any) -> None:
    assert start(place, "import", "shop", hooks=hooks, values=QUICK).killed()


@pytest.mark.long
def test_an_import_killed_anywhere_is_finished_by_the_next_and_paid_once(
    place: Place, shop: FakeShopify, expected: Any, tmp_path: Path
) -> None:
    for number, (name, hooks) in enumerate(DEATHS.items()):
        fresh = place.clone(tmp_path / str(number))
        shop.operations.clear()
        kill(fresh, hooks)
        fresh.cli("import", "shop", code=0)
        assert tables(fresh) == expected, name
        assert shop.paid == 3, name  # products, collections, stock: one operation each
        assert ledger(fresh) == [("all", "complete", False, True, True)], name


def test_an_import_killed_at_every_stage_one_after_the_other(place: Place, shop: FakeShopify, expected: Any) -> None:
    for hooks in DEATHS.values():
        kill(place, hooks)
    place.cli("import", "shop", code=0)
    assert tables(place) == expected
    assert shop.paid == 3


CHANGE_DEATHS = ("raw copy whole", "products", "variants", "rejected rows", "ledger", "verdict")


def test_an_incremental_import_killed_between_its_tables(place: Place, shop: FakeShopify, tmp_path: Path) -> None:
    place.cli("import", "shop", code=0)
    identity = next(iter(shop.data.products))
    shop.data.update_product(identity, vendor="New vendor")
    shop.data.set_stock(shop.data.products[identity]["variants"][0], "Main", 77)
    after = place.clone(tmp_path / "after")
    after.cli("import", "shop", code=0)
    for name in CHANGE_DEATHS:
        fresh = place.clone(tmp_path / name.replace(" ", "-"))
        shop.operations.clear()
        kill(fresh, DEATHS[name])
        fresh.cli("import", "shop", code=0)
        assert tables(fresh) == tables(after), name
        assert shop.paid == 2, name
        assert [row[:4] for row in ledger(fresh)][1:] == [("all", "complete", True, True)], name


def test_a_shop_that_shrinks_is_kept_aside(place: Place, shop: FakeShopify) -> None:
    place.cli("import", "shop", code=0)
    before, data = tables(place), shop.data
    kept = (dict(data.products), list(data.events))
    for identity in list(data.products)[5:12]:
        data.delete_product(identity)
    try:
        for arguments in ((), ("--only", "products"), ("--full",)):
            assert "the catalog shrank from 23 to 16 products" in refused(place, *arguments)
            assert tables(place) == before
        place.cli("import", "shop", "--accept-shrink", code=0)
        assert len(tables(place)["products"]) == 16
        for identity in list(data.products):
            data.delete_product(identity)
        for arguments in ((), ("--full",)):
            assert "the catalog shrank from 16 to 0 products" in refused(place, *arguments)
        place.cli("import", "shop", "--full", "--accept-shrink", code=0)
        assert {name: len(rows) for name, rows in tables(place).items()}["products"] == 0
        place.cli("connect", "shop", "amazon-us", code=0)
        assert place.summary("export", "shop", "amazon-us")["marketplaces"]["amazon-us"]["listings"] == 0
    finally:
        data.products, data.events = kept
