"""Whatever happens to a shop: importing each change on top of the last gives the tables of one full import."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from pipeline.catalog.shopify_api import source as module
from pipeline_tests.catalog.shopify_api.conftest import fill
from pipeline_tests.catalog.shopify_api.helpers import Imports
from pipeline_tests.fakes.shopify import FakeShopify, running
from pipeline_tests.fakes.shopify_data import ShopData

WAYS = ("add", "rename", "delete", "add variant", "remove variant", "spoil", "stock", "price", "collect", "long pause")


def change(data: ShopData, way: str, number: int) -> None:
    """One change; `number` says to what."""
    free = [product for product in data.products.values() if product["handle"] != "stays"]
    if not free:
        return
    product: Any = free[number % len(free)]
    variant: Any = product["variants"][number % len(product["variants"])] if product["variants"] else None
    if way == "add":
        data.add_product(f"new-{data.number()}", variants=[{"sku": f"N{number}"}, {"stock": {"Warehouse": number}}])
    elif way == "rename":
        data.update_product(product["id"], title=f"Title {number}")
    elif way == "delete":
        data.delete_product(product["id"])
    elif way == "add variant":
        data.add_variant(product, options=tuple("x" for _ in product["options"]), sku=f"V{number}")
    elif way == "remove variant" and variant is not None:
        data.remove_variant(product, number % len(product["variants"]))
    elif way == "spoil":  # a product that becomes a rejected row
        data.update_product(product["id"], title="x" * 20_000)
    elif way == "stock" and variant is not None:
        data.set_stock(variant, "Main", number)
    elif way == "price" and variant is not None:
        variant["price"] = f"{number}.50"
        data.touch(product)
    elif way == "collect":
        data.add_collection(f"c-{data.number()}", [product["id"]])
    elif way == "long pause":
        data.tick(3600)


#: Without shrinking: an example takes a second.
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@example(  # a product that was rejected before is not missing
    rounds=[
        ([("add", 1)], False, True),
        ([("spoil", 21), ("spoil", 11), ("delete", 22), ("long pause", 9), ("price", 46), ("stock", 40)], True, False),
        ([("collect", 26), ("spoil", 21), ("stock", 22)], True, True),
        ([("rename", 25)], False, False),
    ]
)
@given(
    rounds=st.lists(
        st.tuples(st.lists(st.tuples(st.sampled_from(WAYS), st.integers(0, 50)), max_size=6), st.booleans(), st.booleans()),
        min_size=1,
        max_size=4,
    )
)
def test_changes_one_after_the_other_give_the_tables_of_a_full_import(rounds: list[Any]) -> None:
    paged = module.PAGED_PRODUCTS
    with tempfile.TemporaryDirectory() as folder, running(FakeShopify(polls=1)) as shop:
        fill(shop.data)
        shop.data.add_product("stays")  # a catalog without any good product is refused
        imports = Imports(shop, Path(folder) / "step")
        imports.run()
        try:
            for changes, in_bulk, reconcile in rounds:
                for way, number in changes:
                    change(shop.data, way, number)
                module.PAGED_PRODUCTS = -1 if in_bulk else paged
                imports.again(reconcile=reconcile)
        finally:
            module.PAGED_PRODUCTS = paged
        full = Imports(shop, Path(folder) / "full")
        full.run()
        ours, theirs = imports.rows(), full.rows()
        for name in ("products", "variants", "inventory", "collections"):
            assert ours[name] == theirs[name], name
        rejected = [[row["key"] for row in rows["rejected_rows"] if row["kind"] == "product"] for rows in (ours, theirs)]
        assert sorted(rejected[0]) == sorted(rejected[1])
