"""What a change of the catalog does: exactly the SKUs concerned, in the right kind, and nothing by accident."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from pipeline.catalog.assets import NOT_SHRUNK
from pipeline.definitions import defs
from pipeline.partitions import cell
from pipeline_tests.flows import catalogs, feeds
from pipeline_tests.flows.catalogs import Row
from pipeline_tests.flows.place import SITES, Place

AMAZON = "amazon-us"
THREE: dict[int, Row] = {
    3: {"Variant Price": "24.00"},
    7: {"Variant Inventory Qty": "5"},
    11: {"Title": "Stoneware Mug With Lid Number 11"},
}
NONE = {"create": 0, "update": 0, "price": 0, "quantity": 0, "images": 0, "delete": 0}


def change(place: Place, rows: list[Row]) -> None:
    """The shop's catalog is `rows` from now on."""
    file = catalogs.write(place.settings.data_dir.parent / "changed.csv", rows)
    place.cli("store", "set", "shop", "--file", str(file), code=0)
    place.cli("import", "shop", code=0)


def export(place: Place, *options: str, site: str = AMAZON) -> Any:
    return place.summary("export", "shop", site, *options)["marketplaces"][site]


def sent(found: Mapping[str, Any]) -> dict[str, int]:
    return {kind: count for kind, count in found["changes"].items() if count and kind != "unchanged"}


def materialize(place: Place, *assets: str, site: str = AMAZON, partition: str | None = None, **options: Any) -> tuple[bool, str]:
    """Some assets of one cell (or of `partition`), as the UI's Materialize does it; whether that went well, and what the
    failed step said."""
    from pipeline.operations.runs import get_run

    wanted = dg.AssetSelection.assets(*assets).resolve(defs.resolve_asset_graph())
    config = {
        "resources": {"export_options": {"config": options}},
        "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
    }
    with place.instance() as instance:
        result = defs.resolve_implicit_global_asset_job_def().execute_in_process(
            config,
            instance=instance,
            partition_key=partition or cell("shop", site),
            asset_selection=list(wanted),
            raise_on_error=False,
        )
        return result.success, get_run(instance, result.run_id).error or ""


@pytest.fixture(scope="module")
def three(live_shop: Place, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """The shop with three changes imported, not exported."""
    place = live_shop.clone(tmp_path_factory.mktemp("three"))
    change(place, catalogs.products(30, THREE))
    return place


@pytest.fixture
def changed(three: Place, tmp_path: Path) -> Place:
    """A copy of that of the test's own."""
    return three.clone(tmp_path)


def test_one_price_one_stock_one_title(changed: Place) -> None:
    for site in SITES:
        found = export(changed, site=site)
        assert feeds.skus(changed, found) == {"product": ["SKU-11"], "price": ["SKU-3"], "inventory": ["SKU-7"]}
        assert found["changes"] == {**NONE, "update": 1, "price": 1, "quantity": 1, "unchanged": 27}
        feeds.check_official(changed, found)
        again = export(changed, site=site)
        assert (again["feeds"], sent(again)) == ([], {})


def test_another_products_scope_sends_none_of_them_and_deletes_nothing(shop: Place) -> None:
    change(shop, catalogs.products(30, THREE, without=[20]))
    for site in SITES:
        other = export(shop, "--product-id", "p-1", site=site)
        assert (other["feeds"], sent(other), other["out_of_scope"]) == ([], {}, 29)
        two = export(shop, "--product-id", "p-3", "--product-id", "p-7", site=site)
        assert feeds.skus(shop, two) == {"price": ["SKU-3"], "inventory": ["SKU-7"]}
        rest = export(shop, site=site)
        assert feeds.skus(shop, rest) == {"product": ["SKU-11"], "inventory": ["SKU-20"]}


def test_a_scope_of_an_unknown_product_is_told(shop: Place) -> None:
    done = shop.cli("export", "shop", AMAZON, "--product-id", "nobody", "--json")
    assert "product nobody is neither listed nor live on amazon-us" in done.error
    assert done.code == 1


def test_the_scope_of_the_demo(shop: Place, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = catalogs.write(tmp_path_factory.mktemp("own") / "own.csv", catalogs.products(3))
    found = shop.summary("demo", "--catalog", str(file), "--product-id", "p-2")
    assert found["store"].startswith("demo-own-")
    for site in SITES:
        market = found["marketplaces"][site]
        assert feeds.skus(shop, market) == {"product": ["SKU-2"]}
        assert (sent(market), market["out_of_scope"]) == ({"create": 1}, 2)


def test_a_dry_run_writes_no_feed_and_its_plan_is_refused_later(changed: Place) -> None:
    files, state = changed.hashes("feeds"), changed.rows("SELECT * FROM listing_state ORDER BY sku, site")
    found = export(changed, "--dry-run")
    assert (found["feeds"], sent(found)) == ([], {"update": 1, "price": 1, "quantity": 1})
    assert changed.rows("SELECT status FROM exports ORDER BY planned_at DESC LIMIT 1") == [("dry_run",)]
    assert changed.hashes("feeds") == files
    assert changed.rows("SELECT * FROM listing_state ORDER BY sku, site") == state
    success, said = materialize(changed, "price_feed")
    assert not success
    assert f"plan {found['export_id']} is a dry run; materialize listing_changes without dry_run first" in said
    assert changed.hashes("feeds") == files
    assert sent(export(changed)) == {"update": 1, "price": 1, "quantity": 1}


def test_price_feed_alone_gives_the_same_bytes_or_a_refusal(changed: Place) -> None:
    found = export(changed)
    files = changed.hashes("feeds")
    (price,) = (feed for feed in found["feeds"] if feed["kind"] == "price")
    changed.path(price).unlink()
    assert materialize(changed, "price_feed") == (True, "")
    assert changed.hashes("feeds") == files

    assert materialize(changed, "listing_changes") == (True, "")  # a newer plan, made by hand and not yet packed
    assert materialize(changed, "feed_submissions") == (True, "")  # the feeds of the older one: committed already, nothing to do
    assert changed.hashes("feeds") == files
    assert materialize(changed, "price_feed") == (True, "")
    success, said = materialize(changed, "feed_submissions")
    assert not success and "the feeds belong to different plans" in said
    assert "materialize all four feeds again" in said


def test_a_plan_that_another_one_replaced_is_refused(changed: Place) -> None:
    assert materialize(
        changed, "listing_categories", "listings", "listing_issues", "listing_scores", "listing_fixes", "listing_changes"
    ) == (True, "")
    old = changed.table("listing_changes", "shop", AMAZON)
    path, content = old.path, old.path.read_bytes()
    assert sent(export(changed, "--product-id", "p-3")) == {"price": 1}
    path.write_bytes(content)
    success, said = materialize(changed, "price_feed")
    assert not success
    assert f"plan {old.metadata['export_id']} is not the current one; materialize listing_changes first" in said


def test_one_cell_from_the_launchpad_with_product_ids(changed: Place) -> None:
    chosen = (
        "listing_categories", "listings", "listing_issues", "listing_scores", "listing_fixes", "listing_changes", "product_feed",
        "price_feed", "inventory_feed", "image_feed", "feed_submissions",
    )  # fmt: skip
    assert materialize(changed, *chosen, product_ids=["p-3"]) == (True, "")
    files = [name for name in changed.hashes("feeds/shop/amazon-us") if name.startswith("000001-")]
    assert [name.rpartition("/")[2] for name in files] == ["price-1.json"]


def test_a_cell_that_nobody_connected_is_skipped(shop: Place) -> None:
    shop.cli("connection", "remove", "shop", "ebay-us", "--yes", code=0)
    with shop.instance() as instance:
        instance.add_dynamic_partitions("marketplaces", ["ebay-us"])
    assert materialize(shop, "listings", "listing_issues", "listing_scores", "listing_fixes", site="ebay-us") == (True, "")
    assert not (shop.settings.data_dir / "tables" / "listings" / "ebay-us" / "shop.parquet").exists()


def test_a_removed_product_goes_to_zero_and_is_deleted_by_the_next_run(shop: Place) -> None:
    shop.cli("connection", "set", "shop", AMAZON, "delete_after_days=0", code=0)
    change(shop, catalogs.products(30, without=[20]))
    assert feeds.skus(shop, zero := export(shop)) == {"inventory": ["SKU-20"]}
    assert sent(zero) == {"quantity": 1}
    gone = export(shop)
    assert (sent(gone), feeds.operations(shop, gone)) == ({"delete": 1}, {"SKU-20": "DELETE"})
    assert sent(export(shop)) == {}

    ebay = export(shop, site="ebay-us")  # seven days of grace
    assert feeds.skus(shop, ebay) == {"inventory": ["SKU-20"]}
    assert sent(export(shop, site="ebay-us")) == {}


def test_a_product_that_comes_back_is_as_before(shop: Place) -> None:
    change(shop, catalogs.products(30, without=[20]))
    assert sent(export(shop)) == {"quantity": 1}
    change(shop, catalogs.products(30))
    back = export(shop)
    assert feeds.skus(shop, back) == {"inventory": ["SKU-20"]}
    assert sent(export(shop)) == {}


def test_a_drafted_product_leaves_too(shop: Place) -> None:
    change(shop, catalogs.products(30, {4: {"Status": "draft"}}))
    for site in SITES:
        assert feeds.skus(shop, export(shop, site=site)) == {"inventory": ["SKU-4"]}


def test_a_blocked_live_sku_is_held_and_its_quantity_may_fall(shop: Place) -> None:
    change(shop, catalogs.products(30, {4: {"Image Src": "", "Variant Inventory Qty": "2", "Variant Price": "21.00"}}))
    found = export(shop)
    assert (found["held"], sent(found)) == (1, {"quantity": 1})
    row = {row["site"]: row for row in shop.summary("status")["connections"]}[AMAZON]
    assert row["next"] == f"pipeline problems shop {AMAZON}"
    assert feeds.skus(shop, found) == {"inventory": ["SKU-4"]}


def test_a_mass_removal_is_held_until_approved(shop: Place) -> None:
    change(shop, catalogs.products(30, {number: {"Status": "draft"} for number in range(6, 31)}))
    held = export(shop)
    assert (held["held"], sent(held), held["feeds"]) == (25, {}, [])
    assert export(shop)["held"] == 25
    waiting = {row["site"]: row for row in shop.summary("status")["connections"]}[AMAZON]
    assert waiting["held"] == 25
    passed = export(shop, "--approve", waiting["export_id"], "--why", "the range is sold off")
    assert (passed["held"], sent(passed)) == (0, {"quantity": 25})
    assert sorted(feeds.skus(shop, passed)["inventory"]) == sorted(f"SKU-{number}" for number in range(6, 31))
    assert shop.rows("SELECT export_id, why FROM approvals") == [(waiting["export_id"], "the range is sold off")]


def test_stock_alone_is_imported_from_a_file_too(shop: Place) -> None:
    changed = {4: {"Variant Inventory Qty": "2", "Title": "Another title"}}
    file = catalogs.write(shop.settings.data_dir.parent / "stock.csv", catalogs.products(30, changed))
    shop.cli("store", "set", "shop", "--file", str(file), code=0)
    shop.cli("import", "shop", "--only", "inventory", code=0)
    found = export(shop)
    assert (sent(found), feeds.skus(shop, found)) == ({"quantity": 1}, {"inventory": ["SKU-4"]})


def test_a_catalog_that_shrank_is_kept_aside_until_accepted(shop: Place) -> None:
    file = catalogs.write(shop.settings.data_dir.parent / "changed.csv", catalogs.products(30, without=range(6, 31)))
    shop.cli("store", "set", "shop", "--file", str(file), code=0)
    for _ in range(2):
        said = shop.cli("import", "shop", "--json").error
        assert "the catalog shrank from 30 to 5 products; check the source" in said
        assert shop.table("products", "shop").rows == 30
    (status, error), *_ = shop.rows("SELECT status, error FROM imports ORDER BY id DESC")
    assert (status, error) == ("failed", said.partition(": ")[2])
    with shop.instance() as instance:
        (check,) = instance.event_log_storage.get_latest_asset_check_execution_by_key([NOT_SHRUNK.key]).values()
    assert check.status.value == "FAILED"
    row = {row["site"]: row for row in shop.summary("status")["connections"]}[AMAZON]
    assert ("shrank" in row["last_error"], row["next"]) == (
        True,
        "pipeline import shop (--accept-shrink if it is meant to be smaller)",
    )
    assert (found := export(shop))["held"] == 0 and sent(found) == {}
    shop.cli("import", "shop", "--accept-shrink", code=0)
    assert (found := export(shop))["held"] == 25 and sent(found) == {}


def test_a_price_that_moves_far_is_held_alone(shop: Place) -> None:
    change(shop, catalogs.products(30, {3: {"Variant Price": "2.00"}, 4: {"Variant Price": "19.00"}}))
    found = export(shop)
    assert (found["held"], feeds.skus(shop, found)) == (1, {"price": ["SKU-4"]})
    assert feeds.skus(shop, export(shop, "--approve", found["export_id"])) == {"price": ["SKU-3"]}


def test_one_approval_lets_a_plan_and_its_held_changes_pass(shop: Place) -> None:
    shop.cli("connection", "set", "shop", AMAZON, "require_approval=true", code=0)
    change(shop, catalogs.products(30, {3: {"Variant Price": "2.00"}, 4: {"Variant Price": "19.00"}}))
    waiting = export(shop)
    assert (waiting["held"], waiting["feeds"]) == (1, [])
    passed = export(shop, "--approve", waiting["export_id"])
    assert {kind: sorted(skus) for kind, skus in feeds.skus(shop, passed).items()} == {"price": ["SKU-3", "SKU-4"]}


def test_a_scoped_export_leaves_the_record_of_the_whole_one(shop: Place) -> None:
    change(shop, catalogs.products(30, {3: {"Variant Price": "2.00"}}))
    whole = export(shop)
    assert whole["held"] == 1
    assert export(shop, "--product-id", "p-9")["held"] == 0
    row = {row["site"]: row for row in shop.summary("status")["connections"]}[AMAZON]
    assert (row["held"], row["waiting"], row["export_id"]) == (1, 1, whole["export_id"])
    assert row["next"] == f"pipeline export shop {AMAZON} --approve {whole['export_id']}"


def test_a_good_export_without_changes_clears_an_error(shop: Place) -> None:
    assert sent(export(shop)) == {}
    shop.rows("UPDATE marketplace_credentials SET status = 'error', last_error = 'x' RETURNING id")
    assert sent(export(shop)) == {}
    row = {row["site"]: row for row in shop.summary("status")["connections"]}[AMAZON]
    assert (row["state"], row["last_error"], row["next"]) == ("active", None, "")


def test_require_approval_waits_and_passes(changed: Place) -> None:
    changed.cli("connection", "set", "shop", AMAZON, "require_approval=true", code=0)
    state = changed.rows("SELECT * FROM listing_state ORDER BY sku, site")
    waiting = export(changed)
    assert (waiting["feeds"], sent(waiting)) == ([], {"update": 1, "price": 1, "quantity": 1})
    assert changed.rows("SELECT * FROM listing_state ORDER BY sku, site") == state
    row = {row["site"]: row for row in changed.summary("status")["connections"]}[AMAZON]
    assert (row["state"], row["next"]) == ("waiting_approval", f"pipeline export shop {AMAZON} --approve {waiting['export_id']}")
    passed = export(changed, "--approve", waiting["export_id"])
    assert passed["export_id"] == waiting["export_id"]
    assert feeds.skus(changed, passed) == {"product": ["SKU-11"], "price": ["SKU-3"], "inventory": ["SKU-7"]}
    again = export(changed)
    assert sent(again) == {}


@pytest.mark.parametrize("export_id", ["nonsense", "000000-000000000000", "../x"])
def test_an_approval_of_nothing_is_refused(shop: Place, export_id: str) -> None:
    assert f"shop has no export {export_id} on amazon-us" in shop.cli("export", "shop", AMAZON, "--approve", export_id).error


def test_only_products_then_export(shop: Place) -> None:
    file = catalogs.write(shop.settings.data_dir.parent / "changed.csv", catalogs.products(30, THREE))
    shop.cli("store", "set", "shop", "--file", str(file), code=0)
    shop.cli("import", "shop", "--only", "products", code=0)
    assert sent(export(shop)) == {"update": 1, "price": 1, "quantity": 1}


def test_only_collections_changes_nothing_else(shop: Place) -> None:
    shop.cli("import", "shop", "--only", "collections", code=0)
    assert sent(export(shop)) == {}


def test_a_paused_connection_is_not_exported(shop: Place) -> None:
    shop.cli("connection", "pause", "shop", AMAZON, code=0)
    assert "is paused; resume it with" in shop.cli("export", "shop", AMAZON).error
    shop.cli("connection", "resume", "shop", AMAZON, code=0)
    assert sent(export(shop)) == {}


def test_legacy_xml_beside_the_feeds(shop: Place) -> None:
    before = shop.hashes("feeds")
    found = shop.summary("feeds", "legacy-xml", "shop", AMAZON)
    assert found["files"] == ["Inventory.xml", "Price.xml", "Product.xml", "ProductImage.xml", "README.txt", "notes.csv"]
    written = shop.settings.data_dir / "feeds" / "shop" / AMAZON / "legacy_xml"
    assert (written / "Product.xml").read_text(encoding="utf-8").count("<Message>") == 30
    assert {name: digest for name, digest in shop.hashes("feeds").items() if "legacy_xml" not in name} == before
    assert sent(export(shop)) == {}, "it is no export"
    assert "ebay has no legacy format" in shop.cli("feeds", "legacy-xml", "shop", "ebay-us").error.lower()
