"""Going live at an account that sells already, and being read back every night: the command line, Dagster's runs, real HTTP."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from pipeline.definitions import defs
from pipeline.operations.schedules import read_back_nightly
from pipeline_tests.fakes.amazon import MARKETPLACE, FakeAmazon, Fault
from pipeline_tests.flows import catalogs
from pipeline_tests.flows.place import Place, start
from pipeline_tests.flows.test_crash import die_after
from pipeline_tests.flows.test_live_amazon import SITE, account, connect, credentials, failure, later
from pipeline_tests.flows.test_live_amazon import amazon as amazon

CONNECTION = ("shop", SITE)


@pytest.fixture(scope="module")
def sold(shop_of_ten: Place, tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, dict[str, Any]]:
    """Ten products that the account sells already, just as we say them, of which nothing is known here; and the account."""
    folder = tmp_path_factory.mktemp("sold")
    place = shop_of_ten.clone(folder)
    with account() as amazon:
        connect(place, credentials(folder, amazon))
        place.summary("export", *CONNECTION)
        later(place, amazon, 130)
        place.summary("submissions", "poll")
        assert len(amazon.catalog.listings) == 10
        place.summary("connection", "remove", *CONNECTION, "--yes")
        amazon.calls.clear()
        return place, amazon.saved()


@pytest.fixture
def place(sold: tuple[Place, dict[str, Any]], amazon: FakeAmazon, tmp_path: Path) -> Place:
    place, saved = sold
    amazon.restore(saved)
    return place.clone(tmp_path)


def export(place: Place, *options: str) -> Any:
    return place.summary("export", *CONNECTION, *options)["marketplaces"][SITE]


def rename(amazon: FakeAmazon, sku: str, other: str) -> None:
    """The account sells it under another SKU."""
    catalog = amazon.catalog
    catalog.put((MARKETPLACE, other), "PRODUCT", catalog.listings[MARKETPLACE, sku])
    catalog.delete((MARKETPLACE, sku))


def price(amazon: FakeAmazon, sku: str) -> float:
    offer = amazon.catalog.listings[MARKETPLACE, sku]["purchasable_offer"][0]
    return float(offer["our_price"][0]["schedule"][0]["value_with_tax"])


def test_an_account_that_sells_all_of_it_is_sent_nothing(place: Place, amazon: FakeAmazon, tmp_path: Path) -> None:
    connect(place, credentials(tmp_path, amazon))
    done = export(place, "--dry-run")
    assert (done["changes"]["unchanged"], sum(done["changes"].values())) == (10, 10)
    assert export(place)["changes"]["unchanged"] == 10
    assert (amazon.calls["createFeed"], amazon.calls["searchListingsItems"]) == (0, 1)
    (found,) = {tuple(row) for row in place.rows("SELECT transport, count(*) FROM listing_state GROUP BY 1")}
    assert found == ("api", 10)
    table = place.table("account_listings", "shop", SITE).read()
    assert (len(table), set(table["found"]), table["differs"].map(len).sum()) == (10, {"sku"}, 0)
    (row,) = [one for one in place.summary("status")["connections"] if one["site"] == SITE]
    assert (row["live"], row["next"]) == (10, "")


def test_killed_and_refused_on_the_way(place: Place, amazon: FakeAmazon, tmp_path: Path) -> None:
    connect(place, credentials(tmp_path, amazon))
    amazon.faults = [Fault("searchListingsItems", 403, times=2, code="Unauthorized")]
    assert "does not let this account call searchListingsItems" in failure(place)
    assert place.summary("connection", "show", *CONNECTION)["status"] == "error"
    hooks = {"pipeline.submissions.account.adoption:_record": (die_after,)}
    assert start(place, "export", *CONNECTION, hooks=hooks).killed()
    assert place.rows("SELECT count(*) FROM listing_state") == [(0,)]
    refused = place.rows("SELECT reconciled_at FROM export_lanes")
    assert refused == [(None,)]
    assert export(place)["changes"]["unchanged"] == 10
    assert amazon.calls["createFeed"] == 0
    assert place.summary("connection", "show", *CONNECTION)["status"] == "active"


def test_a_gtin_under_another_sku_waits_for_a_person(place: Place, amazon: FakeAmazon, tmp_path: Path) -> None:
    rename(amazon, "SKU-1", "OLD-1")
    rename(amazon, "SKU-2", "OLD-2")
    before = dict(amazon.catalog.listings)
    connect(place, credentials(tmp_path, amazon))
    first = export(place)
    assert (first["held"], first["changes"]["unchanged"], amazon.calls["createFeed"]) == (2, 8, 0)
    changes = place.table("listing_changes", "shop", SITE).read().set_index("sku")
    assert "--map SKU-1=OLD-1" in changes.loc["SKU-1", "reason"]
    shown = place.summary("connection", "adopt", *CONNECTION)["listings"]
    waiting = [(one["sku"], one["account_sku"]) for one in shown if one["found"] == "gtin"]
    assert waiting == [("SKU-1", "OLD-1"), ("SKU-2", "OLD-2")]
    found = place.summary("problems", "shop")["problems"]
    assert [(one["sku"], one["problem"]) for one in found] == [("SKU-1", "held"), ("SKU-2", "held")]
    assert "--map SKU-1=OLD-1" in found[0]["reason"]
    place.summary("connection", "adopt", *CONNECTION, "--map", "SKU-1=OLD-1", "--sell-anyway", "SKU-2", "--why", "as agreed")
    second = export(place)
    assert (second["held"], second["changes"]["create"], second["changes"]["unchanged"]) == (0, 1, 9)
    (messages,) = amazon.created()[1:]
    assert [message["sku"] for message in messages] == ["SKU-2"]
    later(place, amazon, 130)
    place.summary("submissions", "poll")
    # What is said of it from now on is said of the account's SKU.
    file = catalogs.write(tmp_path / "changed.csv", catalogs.products(10, {1: {"Variant Price": "21.00"}}))
    place.cli("store", "set", "shop", "--file", str(file), code=0)
    place.cli("import", "shop", code=0)
    assert export(place)["changes"]["price"] == 1
    assert (price(amazon, "OLD-1"), (MARKETPLACE, "SKU-1") in amazon.catalog.listings) == (21.0, False)
    assert {key for key in before if key[1].startswith("OLD")} <= set(amazon.catalog.listings)
    decided = [(one["action"], one["details"]) for one in place.summary("audit", "--store", "shop")["actions"]]
    assert decided == [("account_sell_anyway", {"skus": ["SKU-2"]}), ("account_map", {"map": {"SKU-1": "OLD-1"}})]
    explained = place.summary("explain", "shop", "SKU-1")["marketplaces"][SITE]
    assert (explained["sku"], explained["listing"]["status"]) == ("OLD-1", "ready")


def test_wrong_use_is_told(place: Place, amazon: FakeAmazon, tmp_path: Path) -> None:
    place.cli("connect", *CONNECTION, code=0)
    assert "is in file mode" in place.cli("connection", "adopt", *CONNECTION, code=2).error
    file = credentials(tmp_path, amazon)
    place.cli("connection", "set", *CONNECTION, "seller_id=A1EXAMPLE", "--credentials", file, code=0)
    assert "takes SKU=ACCOUNT_SKU" in place.cli("connection", "adopt", *CONNECTION, "--map", "SKU-1", code=2).error
    assert "one command for each" in place.cli("connection", "adopt", *CONNECTION, "--again", "--forget", "x", code=2).error
    assert "has no other SKU NOPE" in place.cli("connection", "adopt", *CONNECTION, "--map", "SKU-1=NOPE", code=2).error
    assert "was not read to the end" in place.cli("connection", "drift", *CONNECTION, "--read", "--json", code=1).error
    assert "ours or theirs" in place.cli("connection", "drift", *CONNECTION, "--take", "mine", code=2).error


def test_what_somebody_changed_there_is_found_at_night(place: Place, amazon: FakeAmazon, tmp_path: Path) -> None:
    connect(place, credentials(tmp_path, amazon))
    export(place)
    offer = amazon.catalog.listings[MARKETPLACE, "SKU-3"]["purchasable_offer"][0]
    offer["our_price"][0]["schedule"][0]["value_with_tax"] = 18.5
    amazon.catalog.listings[MARKETPLACE, "SKU-4"]["item_name"][0]["value"] = "Somebody's Mug"
    place.rows("UPDATE listing_state SET updated_at = updated_at - interval '2 hours' RETURNING 1")
    with place.instance() as instance:
        context = dg.build_schedule_context(instance, datetime(2026, 11, 27, 1, 30, tzinfo=timezone.utc))
        (request,) = read_back_nightly(context)
        result = defs.resolve_job_def("read_back").execute_in_process(
            instance=instance, partition_key=request.partition_key, tags=request.tags
        )
        (check,) = result.get_asset_check_evaluations()
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert (check.description or "").endswith("decide: pipeline connection drift shop amazon-us")
    (row,) = [one for one in place.summary("status")["connections"] if one["site"] == SITE]
    assert (row["drift"], row["next"]) == (2, "pipeline connection drift shop amazon-us")
    explained = place.summary("explain", "shop", "SKU-3")["marketplaces"][SITE]
    assert (explained["drift"][0]["theirs"], explained["next"].rpartition("decide: ")[2]) == ("1850", row["next"])
    assert place.summary("problems", "shop", SITE)["counts"]["drift"] == 2
    found, title = place.summary("connection", "drift", *CONNECTION)["drift"]
    assert (title["sku"], title["kind"], title["ours"], title["theirs"]) == ("SKU-4", "content", "as exported", "item_name")
    assert (found["sku"], found["kind"], found["ours"], found["theirs"]) == ("SKU-3", "price", "20.00", "18.50")
    assert export(place)["changes"]["unchanged"] == 10  # nothing is fought over before a person has decided
    config = {"store": "shop", "marketplace": SITE, "who": "ann", "drift": "ours", "drift_skus": []}
    with place.instance() as instance:
        decided = defs.resolve_job_def("decide_listings").execute_in_process(
            instance=instance, run_config={"ops": {"decide": {"config": config}}}
        )
    assert decided.success
    changes = export(place)["changes"]
    assert (changes["price"], changes["update"]) == (1, 1)
    (shown,) = place.summary("changes", "show", *CONNECTION, "--sku", "SKU-4")["changes"]
    fields = {one["field"]: (one["before"], one["after"]) for one in shown["fields"]}
    assert fields["title"] == (None, "Stoneware Mug Number 4"), "no export has said what was there"
    assert place.cli("changes", "show", *CONNECTION, "--sku", "NOPE").error.startswith("shop has no SKU NOPE on amazon-us")
    later(place, amazon, 130)
    place.summary("submissions", "poll")
    assert price(amazon, "SKU-3") == 20.0
    place.rows("UPDATE listing_state SET updated_at = updated_at - interval '2 hours' RETURNING 1")
    assert place.summary("connection", "drift", *CONNECTION, "--read")["drift"] == []


def test_a_repricer_keeps_its_prices(place: Place, amazon: FakeAmazon, tmp_path: Path) -> None:
    connect(place, credentials(tmp_path, amazon))
    place.cli("connection", "set", *CONNECTION, "owns=[content,images,quantity]", code=0)
    for key in amazon.catalog.listings:
        offer = amazon.catalog.listings[key]["purchasable_offer"][0]
        offer["our_price"][0]["schedule"][0]["value_with_tax"] = 15.55
    assert export(place)["changes"]["unchanged"] == 10
    place.rows("UPDATE listing_state SET updated_at = updated_at - interval '2 hours' RETURNING 1")
    assert place.summary("connection", "drift", *CONNECTION, "--read")["drift"] == []
    assert amazon.calls["createFeed"] == 0


def test_another_seller_is_another_account(place: Place, amazon: FakeAmazon, tmp_path: Path) -> None:
    connect(place, credentials(tmp_path, amazon))
    export(place)
    amazon.seller_id = "A2OTHER"
    place.cli("connection", "set", *CONNECTION, "seller_id=A2OTHER", code=0)
    assert "was live with account A1EXAMPLE, and is connected to A2OTHER now" in failure(place)
    place.summary("connection", "adopt", *CONNECTION, "--again")
    assert export(place)["changes"]["unchanged"] == 10
