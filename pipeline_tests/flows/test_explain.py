"""`pipeline explain` and `pipeline stats`: what they say is what was stored and sent."""

from __future__ import annotations

from pathlib import Path

from pipeline_tests.fakes.amazon import FakeAmazon
from pipeline_tests.flows import catalogs, test_live_amazon
from pipeline_tests.flows.conftest import Finished, NewPlace
from pipeline_tests.flows.place import Place
from pipeline_tests.flows.test_live_amazon import SITE, later
from pipeline_tests.flows.test_repairs import SKU, exported, refuse, rounds, too_long

amazon, shop = test_live_amazon.amazon, test_live_amazon.place


def test_the_whole_way_of_a_repaired_sku(shop: Place, amazon: FakeAmazon, tmp_path: Path) -> None:
    exported(shop, amazon, tmp_path, too_long(lambda _: 15))
    market = shop.summary("explain", "shop", SKU)["marketplaces"][SITE]
    assert market["next"].startswith("it is on its way")
    assert [(one["submission"], one["state"], one["outcome"]) for one in market["sent"]] == [(1, "submitted", "waiting")]
    rounds(shop, amazon, 2)
    found = shop.summary("explain", "shop", SKU, "--marketplace", SITE)
    assert (found["source"]["product_id"], found["source"]["line"]) == ("p-3", 4)
    assert found["source"]["name"] == "shop.csv"
    values = {one["field"]: one for one in found["values"]}
    assert values["title"] == {
        "field": "title", "from": "products.title", "source": "Stoneware Mug Number 3", "fixed": "Stoneware Mug Number 3",
        "fixes": [],
    }  # fmt: skip
    assert (values["price"]["source"], values["quantity"]["source"]) == ("20.00 USD", {"all": 12})
    assert values["description"]["source"].startswith("<p>A hand-thrown")
    market = found["marketplaces"][SITE]
    assert market["listing"]["title"] == "Stoneware Mug"
    (override,) = market["overrides"]
    assert (override["source_value"], override["value"], override["submission_id"]) == (
        "Stoneware Mug Number 3",
        "Stoneware Mug",
        1,
    )
    assert market["fixes"]["title"][-1]["after"] == "Stoneware Mug"
    assert [(one["submission"], one["feed_id"], one["outcome"]) for one in market["sent"]] == [
        (2, "50001", "accepted"), (1, "50000", "rejected"),
    ]  # fmt: skip
    assert market["state"]["item_id"].startswith("B")
    assert market["plan"]["status"] == "committed"
    assert '"Stoneware Mug"' in market["plan"]["messages"][0]["payload"]
    assert market["next"] == "nothing to do"
    shown = shop.cli("explain", "shop", SKU, code=0).out
    for words in ("Stoneware Mug Number 3", "attempt 1, submission 1: 90225", "50001", "next: nothing to do"):
        assert words in shown


def test_a_refused_sku_says_what_to_do(shop: Place, amazon: FakeAmazon, tmp_path: Path) -> None:
    exported(shop, amazon, tmp_path, refuse("90220", "'[batteries_required]' is required but not supplied."))
    rounds(shop, amazon)
    market = shop.summary("explain", "shop", SKU)["marketplaces"][SITE]
    assert (market["answers"][0]["code"], market["answers"][0]["fix"]) == ("90220", None)
    assert f"{SKU} of shop: {SITE} refused it (90220" in market["next"]
    assert "pipeline import shop" in market["next"] and "pipeline submissions resend 1" in market["next"]


def test_what_there_is_not(shop: Place) -> None:
    assert shop.cli("explain", "shop").error == (
        "explain takes a store and a SKU: pipeline explain STORE SKU; the stores: pipeline store list"
    )
    assert "there is no store" in shop.cli("explain", "nobody", SKU).error
    assert shop.cli("explain", "shop", "SKU-33").error.startswith("shop has no SKU SKU-33; the nearest: SKU-3")
    assert "not connected" in shop.cli("explain", "shop", SKU, "--marketplace", "amazon-de").error
    found = shop.summary("explain", "shop", SKU)
    assert found["marketplaces"] == {}


def test_the_same_sku_twice(new_place: NewPlace, tmp_path: Path) -> None:
    place = new_place()
    rows = catalogs.products(4, {2: {"Variant SKU": "SAME"}, 3: {"Variant SKU": "SAME"}, 4: {"Variant SKU": ""}})
    place.cli("store", "add", "shop", "--file", str(catalogs.write(tmp_path / "c.csv", rows)), code=0)
    assert "no catalog yet" in place.cli("explain", "shop", "SAME").error
    place.cli("import", "shop", code=0)
    fixed = place.table("fixed_variants", "shop").read().set_index("product_id")["sku"].to_dict()
    assert len(set(fixed.values())) == 4
    if "SAME" in fixed.values():  # the first keeps it
        assert place.summary("explain", "shop", "SAME")["sku"] == "SAME"
    else:
        assert "stands at 2 variants of shop; they are listed as" in place.cli("explain", "shop", "SAME").error
    # One that the pipeline gave: the source has none, and the fix says so.
    given = place.summary("explain", "shop", fixed["p-4"])
    assert next(one for one in given["values"] if one["field"] == "sku")["fixes"][0]["after"] == fixed["p-4"]


def test_the_parent_of_a_family_and_a_blocked_listing(finished_demo: Finished) -> None:
    place = finished_demo.place
    listings = place.table("listings", "demo", SITE).read()
    parent = listings.loc[listings["role"] == "parent", "sku"].iloc[0]
    found = place.summary("explain", "demo", parent, "--marketplace", SITE)
    assert found["source"]["variant_id"] is None and found["source"]["product_id"]
    assert found["marketplaces"][SITE]["listing"]["role"] == "parent"
    blocked = listings[listings["status"] == "blocked"]
    for sku in blocked["sku"].head(2):
        said = place.summary("explain", "demo", sku, "--marketplace", SITE)["marketplaces"][SITE]["next"]
        assert said.startswith("it is blocked: ") and said.endswith("pipeline import demo")
    for sku in listings["sku"][::15]:
        assert place.cli("explain", "demo", sku, code=0).out


def test_the_job_shows_the_same(shop: Place, amazon: FakeAmazon, tmp_path: Path) -> None:
    exported(shop, amazon, tmp_path)
    with shop.instance() as instance:
        from pipeline.definitions import defs

        job = defs.resolve_job_def("explain_listing")
        config = {"ops": {"explain_sku": {"config": {"store": "shop", "sku": SKU}}}}
        done = job.execute_in_process(instance=instance, run_config=config)
        assert done.success
        refused = job.execute_in_process(
            instance=instance,
            run_config={"ops": {"explain_sku": {"config": {"store": "shop", "sku": "no"}}}},
            raise_on_error=False,
        )
        assert not refused.success


def test_statistics_follow_the_verdicts(shop: Place, amazon: FakeAmazon, tmp_path: Path) -> None:
    exported(shop, amazon, tmp_path, refuse("90220", "'[batteries_required]' is required but not supplied."))
    (now,) = shop.summary("stats")["connections"]
    assert (now["total_exports"], now["success_count"], now["failure_count"], now["waiting_count"]) == (1, 0, 0, 10)
    assert now["products_synced"] == 0 and now["last_duration_seconds"] > 0 and now["last_sync_at"]
    rounds(shop, amazon)
    (now,) = shop.summary("stats", "shop", SITE)["connections"]
    assert (now["success_count"], now["failure_count"], now["waiting_count"], now["products_synced"]) == (9, 1, 0, 9)
    (export,) = now["exports"]
    assert (export["messages"], export["accepted"], export["rejected"], export["files"]) == (10, 9, 1, 1)
    assert export["run_seconds"] > 0
    assert shop.summary("connection", "show", "shop", SITE)["statistics"]["success_count"] == 9
    table = shop.table("export_statistics", "shop", SITE).read()
    assert table[["messages", "accepted", "rejected"]].to_numpy().tolist() == [[10, 9, 1]]
    with shop.instance() as instance:
        import dagster as dg

        record = instance.get_latest_materialization_event(dg.AssetKey("export_statistics"))
        assert record is not None and record.asset_materialization is not None
        said = record.asset_materialization.metadata
        assert (said["success_count"].value, said["failure_count"].value) == (9, 1)
    # A verdict that comes without an export, after a person had the same sent again.
    shop.summary("submissions", "resend", "1", "--why", "test")
    amazon.catalog.rules.clear()
    shop.cli("export", "shop", SITE, code=0)
    later(shop, amazon, 130)
    shop.summary("submissions", "poll")
    (now,) = shop.summary("stats", "shop")["connections"]
    assert (now["total_exports"], now["success_count"], now["failure_count"], now["products_synced"]) == (2, 10, 1, 10)
    assert "messages taken" in shop.cli("stats", "shop", SITE, code=0).out
    assert "not connected" in shop.cli("stats", "shop", "amazon-de").error
    assert "there is no store" in shop.cli("stats", "nobody").error


def test_statistics_in_file_mode(finished_demo: Finished) -> None:
    rows = {one["marketplace"]: one for one in finished_demo.place.summary("stats")["connections"]}
    one = rows[SITE]
    assert one["success_count"] > 0 and one["failure_count"] == 0
    assert one["total_exports"] == 2
    assert one["products_synced"] > 0
