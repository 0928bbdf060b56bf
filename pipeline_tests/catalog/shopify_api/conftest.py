"""A fake shop with a little of everything."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pipeline_tests.fakes.shopify import FakeShopify, running
from pipeline_tests.fakes.shopify_data import ShopData


def fill(data: ShopData) -> None:
    """Three products, seven variants, three locations of which one counts twice, two collections."""
    data.add_location("Warehouse")
    data.add_location("Closed", active=False)
    data.add_location("Partner", service=True)
    shirt = data.add_product(
        "shirt",
        options=["Color", "Size"],
        variants=[
            {"options": (color, size), "sku": f"S-{color}-{size}", "price": "19.90", "barcode": "4006381333931",
             "stock": {"Main": 3, "Warehouse": -2, "Closed": 100, "Partner": 7}, "grams": 180.0, "cost": "7.5",
             "metafields": {"custom.note": f"{color} {size}"}}
            for color in ("Red", "Blue") for size in ("S", "M")
        ],
        images=["https://cdn.test/1.jpg", "https://cdn.test/2.jpg"],
        metafields={"custom.material": "Cotton", "custom.care": "Cold wash"},
        tags=["new", "summer"],
        category={
            "id": "gid://shopify/TaxonomyCategory/aa-1", "fullName": "Apparel > Shirts", "isLeaf": True, "isArchived": False,
        },
        seo={"title": "A shirt", "description": None},
    )  # fmt: skip
    mug = data.add_product("mug", variants=[{"sku": "MUG", "stock": {"Warehouse": 4}, "inventoryPolicy": "CONTINUE"}])
    data.add_product("gift", isGiftCard=True, status="DRAFT", variants=[{"tracked": False, "stock": None}, {"stock": None}])
    data.add_collection("all", [shirt["id"], mug["id"]])
    data.add_collection("empty")


@pytest.fixture
def shop() -> Iterator[FakeShopify]:
    with running(FakeShopify()) as found:
        fill(found.data)
        yield found
