"""Full and incremental imports of a fake shop, and that they give the same tables."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from pipeline.catalog.shopify_api import source as module
from pipeline.catalog.shopify_api.queries import STOCK_PAGE
from pipeline.catalog.source import FetchJob
from pipeline.model.errors import PipelineError
from pipeline_tests.catalog.helpers import import_file
from pipeline_tests.catalog.helpers import records as frame_records
from pipeline_tests.catalog.shopify_api.helpers import Imports, comparable, source_of
from pipeline_tests.fakes.shopify import FakeShopify


@pytest.fixture
def imports(shop: FakeShopify, tmp_path: Path) -> Imports:
    return Imports(shop, tmp_path)


def test_a_full_import(imports: Imports) -> None:
    result = imports.run()
    assert result.counts == {"products": 3, "variants": 7, "inventory": 11, "collections": 2, "rejected": 0}
    shirt = imports.rows()["products"][0]
    assert (shirt["handle"], shirt["status"], shirt["category"], shirt["tags"]) == (
        "shirt", "active", "Apparel > Shirts", ["new", "summer"],
    )  # fmt: skip
    assert shirt["images"] == ["https://cdn.test/1.jpg", "https://cdn.test/2.jpg"]
    assert shirt["metafields"] == '{"custom.care":"Cold wash","custom.material":"Cotton"}'
    first = imports.rows()["variants"][0]
    assert (first["sku"], first["price"], first["cost"], first["weight_grams"], first["option1"], first["option2"]) == (
        "S-Red-S", 1990, 750, 180.0, "Red", "S",
    )  # fmt: skip
    collections = {row["handle"]: row["product_ids"] for row in imports.rows()["collections"]}
    assert (len(collections["all"]), collections["empty"]) == (2, [])
    assert imports.shop.paid == 3


def stock(imports: Imports) -> dict[str, list[tuple[Any, ...]]]:
    skus = {row["variant_id"]: row["sku"] for row in imports.rows()["variants"]}
    found: dict[str, list[tuple[Any, ...]]] = {}
    for row in imports.rows()["inventory"]:
        values = row["location"], row["available"], row["tracked"], row["oversell"]
        found.setdefault(skus[row["variant_id"]], []).append(values)
    return found


def test_stock_is_by_location_without_inactive_and_foreign_ones(imports: Imports) -> None:
    imports.run()
    found = stock(imports)
    assert found["S-Red-S"] == [("Main", 3, True, False), ("Warehouse", -2, True, False)]
    assert found["MUG"] == [("Warehouse", 4, True, True)]
    assert found[None] == [(None, 0, False, False), (None, 0, True, False)]  # type: ignore[index]


def test_stock_of_chosen_locations(imports: Imports) -> None:
    partner = next(place for place in imports.shop.data.locations if place["name"] == "Partner")
    imports.settings = {"location_ids": [partner["id"].rpartition("/")[2]]}
    imports.run()
    found = stock(imports)
    assert found["S-Red-S"] == [("Partner", 7, True, False)]
    assert found["MUG"] == [(None, 0, True, True)]  # sold elsewhere only


def test_a_file_of_the_same_records_gives_the_same_tables(imports: Imports, tmp_path: Path) -> None:
    """The bulk results saved to disk, imported by `shopify-file`: all but the stock, which that file does not have by place."""
    imports.run()
    paths = []
    for role in ("products", "collections"):
        file = imports.raws[-1].file(role)
        assert file is not None
        paths.append(tmp_path / f"{role}.jsonl")
        with file.open() as stream:
            paths[-1].write_bytes(stream.read())
    read = import_file(paths[0], collections=paths[1])
    ours = imports.rows()
    for name, frame in (("products", read.products), ("variants", read.variants), ("collections", read.collections)):
        theirs = [{key: value for key, value in row.items() if key != "line"} for row in frame_records(frame)]
        assert ours[name] == theirs, name


@pytest.mark.parametrize("paged", [250, -1], ids=["pages", "bulk"])
def test_changes_give_the_tables_of_a_full_import(imports: Imports, monkeypatch: pytest.MonkeyPatch, paged: int) -> None:
    monkeypatch.setattr(module, "PAGED_PRODUCTS", paged)
    data = imports.shop.data
    imports.run()
    shirt, mug, gift = data.products
    data.update_product(shirt, title="Another shirt")
    data.remove_variant(data.products[shirt], 1)
    data.delete_product(mug)
    new = data.add_product("hat", variants=[{"sku": "HAT"}])
    data.add_collection("hats", [new["id"]])
    data.set_stock(data.products[gift]["variants"][1], "Main", 9)  # does not move the product's updatedAt
    paid = imports.shop.paid
    assert imports.again().counts == {"products": 3, "variants": 6, "inventory": 9, "collections": 3, "rejected": 0}
    assert imports.raws[-1].incremental
    assert imports.shop.paid - paid == (2 if paged > 0 else 3)
    full = Imports(imports.shop, imports.folder / "full")
    full.run()
    assert imports.rows() == full.rows()


def test_pages_and_bulk_give_the_same_records(imports: Imports, monkeypatch: pytest.MonkeyPatch) -> None:
    data = imports.shop.data
    many = [{"options": (f"c{n}",), "metafields": {f"a.k{m}": "v" for m in range(12)}} for n in range(STOCK_PAGE + 30)]
    data.add_product("big", options=["Color"], variants=many, images=[f"https://cdn.test/{n}.jpg" for n in range(25)])
    places = [data.add_location(f"Place {n}")["name"] for n in range(30)]
    for place in places:
        data.set_stock(data.variants()[-1], place, 1)
    lines = {}
    for paged in (250, -1):
        monkeypatch.setattr(module, "PAGED_PRODUCTS", paged)
        imports.run("products")
        imports.again("products")
        files = [imports.raws[-1].file(role) for role in ("products", "inventory")]
        lines[paged] = [sorted(file.open().read().splitlines()) for file in files if file is not None]
    assert lines[250] == lines[-1]


def test_an_import_of_products_leaves_the_stock_of_others(imports: Imports) -> None:
    data = imports.shop.data
    imports.run()
    shirt, mug, _ = data.products
    data.set_stock(data.products[mug]["variants"][0], "Main", 50)
    data.set_stock(data.products[shirt]["variants"][0], "Main", 60)
    data.tick(3600)  # out of the overlap
    data.update_product(shirt, vendor="Other")
    watermark = imports.raws[-1].watermark
    assert watermark is not None
    imports.run("products", since=watermark.replace(minute=30))
    found = stock(imports)
    assert found["S-Red-S"][0] == ("Main", 60, True, False)
    assert found["MUG"] == [("Warehouse", 4, True, True)]
    imports.run("inventory")
    assert ("Main", 50, True, True) in stock(imports)["MUG"]


def test_an_import_of_inventory_changes_only_stock_and_keeps_its_catalog(imports: Imports) -> None:
    data = imports.shop.data
    imports.run()
    before = imports.rows()
    shirt, mug, _ = data.products
    data.set_stock(data.products[shirt]["variants"][0], "Main", 8)
    data.delete_product(mug)
    data.add_product("later")
    result = imports.run("inventory")
    assert list(result.tables) == ["inventory"]
    table = imports.tables["inventory"]
    assert (table.metadata["import_id"], table.metadata["stock_import_id"]) == ("i001", "i002")
    assert table.batches == imports.tables["variants"].batches
    found = stock(imports)
    assert found["S-Red-S"][0] == ("Main", 8, True, False)
    assert found["MUG"] == [(None, 0, True, True)]  # gone in the shop, so not for sale
    after = imports.rows()
    assert {**before, "inventory": None} == {**after, "inventory": None}


def test_an_import_of_collections_alone(imports: Imports) -> None:
    result = imports.run("collections")
    assert (result.counts["collections"], imports.shop.paid, set(imports.tables)) == (2, 1, {"collections"})


def test_a_product_that_vanished_without_an_event_is_found_by_reconciliation(imports: Imports) -> None:
    data = imports.shop.data
    imports.run()
    data.delete_product(next(iter(data.products)), event=False)
    assert imports.again().counts["products"] == 3
    assert imports.again(reconcile=True).counts["products"] == 2
    assert imports.raws[-1].reconciled


def test_a_product_that_no_change_told_of_makes_the_next_import_a_full_one(imports: Imports) -> None:
    data = imports.shop.data
    imports.run()
    data.tick(3600)
    late = data.add_product("late")
    data.tick(3600)
    data.add_product("newest")
    watermark = imports.raws[-1].watermark
    assert watermark is not None
    late["updatedAt"] = late["createdAt"] = "2026-11-01T00:00:00Z"  # as if its change had been indexed late
    imports.run(since=watermark, reconcile=True)
    assert imports.raws[-1].watermark is None
    assert "1 products of the source were not among the changes" in imports.raws[-1].notes[-1]


def test_a_shop_may_be_empty(tmp_path: Path, shop: FakeShopify) -> None:
    """A new shop, or one that was cleared: whether to believe it is the shrink guard's question."""
    shop.data.products.clear()
    shop.data.collections.clear()
    imports = Imports(shop, tmp_path)
    assert imports.run().counts["products"] == 0
    assert {name: len(rows) for name, rows in imports.rows().items()} == dict.fromkeys(imports.tables, 0)


def test_another_currency_is_refused_before_anything_is_paid(shop: FakeShopify, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="prices are in USD, the store's are set to EUR"):
        source_of(shop, currency="EUR").fetch(tmp_path, FetchJob())
    assert shop.paid == 0


def test_the_newest_change(shop: FakeShopify) -> None:
    newest = source_of(shop).newest_change()
    assert newest.products == 3
    assert newest.updated_at is not None
    assert newest.updated_at.isoformat().replace("+00:00", "Z") == max(p["updatedAt"] for p in shop.data.products.values())


def test_comparable_rows_have_no_line(imports: Imports) -> None:
    imports.run()
    assert "line" not in comparable(imports.tables["products"])[0]


def test_nothing_that_changed_leaves_the_tables_as_they_are(imports: Imports) -> None:
    imports.run()
    before = imports.rows()["products"]
    result = imports.run(since=datetime(2999, 1, 1, tzinfo=timezone.utc))
    assert result.counts["products"] == 3 and imports.rows()["products"] == before


def test_the_newest_product_is_deleted_and_nothing_else_changed(imports: Imports) -> None:
    imports.run()
    data = imports.shop.data
    newest = max(data.products, key=lambda identity: data.products[identity]["updatedAt"])
    data.delete_product(newest)
    result = imports.run(since=datetime(2999, 1, 1, tzinfo=timezone.utc), reconcile=True)
    assert result.counts["products"] == 2
