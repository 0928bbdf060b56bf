"""The sample store as a CSV export and through the API: equal tables, but for what only one of the two knows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest
from graphql import build_schema, parse, validate

from pipeline.catalog.shopify_api import queries
from pipeline.samples import demo_catalog
from pipeline_tests.catalog.helpers import import_file, records
from pipeline_tests.catalog.shopify_api.helpers import Imports
from pipeline_tests.fakes.shopify import FakeShopify, running, schema
from pipeline_tests.fakes.shopify_data import ShopData, load_csv

#: Known to one side only: ids are the shop's own (a CSV has handles), prices of markets and a variant's picture are in the CSV.
PRODUCTS = (
    "handle", "title", "description_html", "vendor", "product_type", "category", "tags", "status", "gift_card", "seo_title",
    "seo_description", "option1_name", "option2_name", "option3_name", "images", "metafields",
)  # fmt: skip
VARIANTS = (
    "position", "sku", "barcode", "option1", "option2", "option3", "price", "compare_at_price", "cost", "weight_grams",
    "requires_shipping",
)  # fmt: skip
STOCK = ("available", "tracked", "oversell")


def test_a_csv_export_and_the_api_give_equal_tables(tmp_path: Path) -> None:
    data = ShopData()
    load_csv(data, demo_catalog())
    with running(FakeShopify(data)) as shop:
        imports = Imports(shop, tmp_path)
        imports.run()
    api, file = imports.rows(), import_file(demo_catalog())
    csv = {"products": records(file.products), "variants": records(file.variants), "inventory": records(file.inventory)}
    assert len(csv["variants"]) > 50
    handles = {row["product_id"]: row["handle"] for row in api["products"]}
    assert _by(api["products"], "handle", PRODUCTS) == _by(csv["products"], "handle", PRODUCTS)
    ours, theirs = _variants(api, handles), _variants(csv, {row["handle"]: row["handle"] for row in csv["products"]})
    assert ours.keys() == theirs.keys()
    for key, row in ours.items():
        assert row == theirs[key], key


def _by(rows: list[dict[str, Any]], key: str, columns: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    return {row[key]: {name: _plain(row[name]) for name in columns} for row in rows}


def _variants(tables: Mapping[str, list[dict[str, Any]]], handles: Mapping[str, str]) -> dict[Any, dict[str, Any]]:
    """Variants by handle and position, with their stock."""
    stock = {row["variant_id"]: {name: row[name] for name in STOCK} for row in tables["inventory"]}
    return {
        (handles[row["product_id"]], row["position"]): {
            **{name: _plain(row[name]) for name in VARIANTS},
            **stock[row["variant_id"]],
        }
        for row in tables["variants"]
    }


def _plain(value: Any) -> Any:
    """JSON objects by content: a CSV column may be empty where the API has no such field."""
    if isinstance(value, str) and value.startswith("{"):
        return orjson.loads(value)
    return value or None


DOCUMENTS = {
    "products": queries.bulk_products("A", "2026-11-01T00:00:00Z"),
    "collections": queries.bulk_collections("A"),
    "inventory": queries.bulk_inventory("A"),
    "ids": queries.bulk_product_ids("A"),
    "page": queries.products_page(1),
    "smallest page": queries.products_page(16),
    "variants": queries.connection_page(queries.PRODUCT, "variants", 1),
    "media": queries.connection_page(queries.PRODUCT, "media", 1),
    "metafields": queries.connection_page(queries.PRODUCT.connections["variants"].node, "metafields", 1),
    "stock": queries.stock_page(1),
    "levels": queries.levels_page(1),
    "newest": queries.NEWEST,
    "deleted": queries.DELETED,
    "run": queries.RUN_BULK,
    "poll": queries.POLL_BULK,
    "recent": queries.RECENT_BULK,
    "health": queries.HEALTH,
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_queries_are_valid(name: str) -> None:
    """Against the official schema where it is at hand, and against the fake's own."""
    own = Path(__file__).parents[2] / "fakes" / "shopify.graphql"
    for known in (schema(), build_schema(own.read_text(encoding="utf-8"))):
        assert [error.message for error in validate(known, parse(DOCUMENTS[name]))] == []
