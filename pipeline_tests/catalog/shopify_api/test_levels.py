"""Records of stock in whatever order and below whichever parent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from pipeline.catalog.shopify_api.levels import stock_rows
from pipeline.catalog.source import RawFile, store_raw
from pipeline.model.errors import BadInputError


def raw(folder: Path, *records: dict[str, Any] | bytes) -> RawFile:
    lines = (record if isinstance(record, bytes) else orjson.dumps(record) for record in records)
    return store_raw((line + b"\n" for line in lines), folder, "inventory", "inventory of shop", may_be_empty=True)


def variant(number: int, **item: Any) -> dict[str, Any]:
    return {
        "__typename": "ProductVariant", "id": f"gid://shopify/ProductVariant/{number}", "inventoryPolicy": "DENY",
        "product": {"id": "gid://shopify/Product/7"},
        "inventoryItem": {"id": f"gid://shopify/InventoryItem/{number * 10}", "tracked": True, **item},
    }  # fmt: skip


def level(parent: str, quantity: int | None, place: str = "Main", **location: Any) -> dict[str, Any]:
    return {
        "__typename": "InventoryLevel", "id": "gid://shopify/InventoryLevel/5?inventory_item_id=1", "isActive": True,
        "location": {"id": "gid://shopify/Location/3", "name": place, "isActive": True, **location},
        "quantities": [] if quantity is None else [{"name": "available", "quantity": quantity}],
        "__parentId": f"gid://shopify/{parent}",
    }  # fmt: skip


def rows(file: RawFile, ids: list[str] | None = None) -> list[tuple[Any, ...]]:
    columns = ("variant_id", "product_id", "location", "available", "tracked")
    return [tuple(row[name] for name in columns) for table in stock_rows(file, ids) for row in table.to_pylist()]


def test_levels_below_the_variant_or_its_item_before_or_after_it(tmp_path: Path) -> None:
    file = raw(tmp_path, level("InventoryItem/20", 4), variant(1), variant(2), level("ProductVariant/1", None))
    assert rows(file) == [("2", "7", "Main", 4, True), ("1", "7", "Main", None, True)]


def test_an_empty_file_has_no_rows(tmp_path: Path) -> None:
    assert rows(raw(tmp_path)) == []


@pytest.mark.parametrize(
    "location", [{"isActive": False}, {"isFulfillmentService": True}, {"fulfillsOnlineOrders": False}], ids=str
)
def test_places_that_do_not_count_unless_they_are_chosen(tmp_path: Path, location: dict[str, bool]) -> None:
    file = raw(tmp_path, variant(1, tracked=False), level("ProductVariant/1", 4, **location))
    assert rows(file) == [("1", "7", None, 0, False)]
    assert rows(file, ["3"]) == [("1", "7", "Main", 4, False)]


def test_what_is_no_record_of_stock(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="stock levels belong to no variant"):
        rows(raw(tmp_path, variant(1), level("ProductVariant/2", 1)))
    with pytest.raises(BadInputError, match=r"line 2 is no record of stock \(JSONDecodeError\); import again"):
        rows(raw(tmp_path, variant(1), b"{"))
