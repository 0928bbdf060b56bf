"""Product CSV: what rows mean."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_tests.catalog.helpers import HEADER, csv_text, import_bytes, import_rows, records, simple

SHIRT = [
    {
        "Handle": "shirt", "Title": "Shirt", "Body (HTML)": "<p>Line one\nline, two</p>", "Vendor": "Acme", "Type": "Shirts",
        "Tags": "a, b,,c ", "Published": "true", "Option1 Name": "Color", "Option1 Value": "Red", "Option2 Name": "Size",
        "Option2 Value": "M", "Variant SKU": "'001", "Variant Grams": "454.5", "Variant Inventory Tracker": "shopify",
        "Variant Inventory Qty": "-2", "Variant Inventory Policy": "deny", "Variant Price": "19.99",
        "Variant Compare At Price": "25", "Variant Requires Shipping": "TRUE", "Variant Barcode": "4006381333931",
        "Image Src": "https://x/2.jpg", "Image Position": "2", "Gift Card": "false", "SEO Title": "Seo",
        "Variant Image": "https://x/red.jpg", "Cost per item": "7.5", "Status": "Active",
    },
    {
        "Handle": "shirt", "Option1 Value": "Blue", "Option2 Value": "M", "Variant Price": "call us",
        "Variant Inventory Policy": "continue", "Image Src": "https://x/1.jpg", "Image Position": "1",
    },
    {"Handle": "shirt", "Image Src": "https://x/3.jpg", "Image Position": "3"},
    {"Handle": "shirt", "Option1 Value": "Blue", "Option2 Value": "M", "Variant Price": "", "Variant Compare At Price": "?"},
]  # fmt: skip


def test_a_product_with_variants() -> None:
    found = import_rows(*SHIRT)
    product = found.product("shirt")
    assert product.pop("source_hash")
    assert product == {
        "product_id": "shirt", "handle": "shirt", "title": "Shirt", "description_html": "<p>Line one\nline, two</p>",
        "vendor": "Acme", "product_type": "Shirts", "category": None, "tags": ["a", "b", "c"], "status": "active",
        "gift_card": False, "seo_title": "Seo", "seo_description": None, "option1_name": "Color", "option2_name": "Size",
        "option3_name": None, "images": ["https://x/1.jpg", "https://x/2.jpg", "https://x/3.jpg"], "metafields": None, "line": 2,
    }  # fmt: skip
    first, second, third = found.variants_of("shirt")
    assert first == {
        "variant_id": "shirt/Red/M", "product_id": "shirt", "position": 1, "sku": "'001", "barcode": "4006381333931",
        "option1": "Red", "option2": "M", "option3": None, "price": 1999, "compare_at_price": 2500, "price_text": None,
        "cost": 750, "weight_grams": 454.5, "image": "https://x/red.jpg", "requires_shipping": True, "market_prices": None,
        "metafields": None, "line": 2,
    }  # fmt: skip
    assert (second["variant_id"], second["price"], second["price_text"], second["line"]) == ("shirt/Blue/M", None, "call us", 4)
    assert (third["variant_id"], third["price_text"], third["position"], third["line"]) == ("shirt/Blue/M~2", "?", 3, 6)
    assert [(row["available"], row["tracked"], row["oversell"], row["location"]) for row in records(found.inventory)] == [
        (-2, True, False, None), (None, False, True, None), (None, False, False, None),
    ]  # fmt: skip
    assert found.result.source_counts["unreadable_prices"] == 2


@pytest.mark.parametrize("cells", [("Title", "Default Title"), ("Title", ""), ("", "")])
def test_a_product_without_options(cells: tuple[str, str]) -> None:
    found = import_rows(simple("mug", option1_name=cells[0], option1_value=cells[1]))
    assert found.product("mug")["option1_name"] is None
    assert [(row["variant_id"], row["option1"]) for row in found.variants_of("mug")] == [("mug/Default Title", None)]


def test_an_option_called_title_with_values_is_an_option() -> None:
    found = import_rows(simple("book", option1_value="Hardcover"), {"Handle": "book", "Option1 Value": "Paperback"})
    assert found.product("book")["option1_name"] == "Title"
    assert [row["option1"] for row in found.variants_of("book")] == ["Hardcover", "Paperback"]


@pytest.mark.parametrize(
    ("status", "published", "expected"),
    [
        ("Active", "", "active"), ("ARCHIVED", "true", "archived"), ("draft", "true", "draft"), ("", "FALSE", "draft"),
        ("", "", "active"), ("unlisted", "true", "draft"), ("active", "false", "active"),
    ],
)  # fmt: skip
def test_status(status: str, published: str, expected: str) -> None:
    assert import_rows(simple("a", status=status, published=published)).product("a")["status"] == expected


def test_without_a_status_column_published_decides() -> None:
    header = [name for name in HEADER if name != "Status"]
    rows = [simple("a", published="false"), simple("b", published="true")]
    found = import_bytes(csv_text(rows, header).encode())
    assert list(found.products["status"]) == ["draft", "active"]


def test_metafields_markets_google_locations_and_collections() -> None:
    extra = {
        "Material (product.metafields.custom.material)": "oak",
        "Bin (variant.metafields.wms.bin)": "A1",
        "Google Shopping / Gender": "unisex",
        "Google Shopping / MPN": "M-1",
        "Included / Canada": "true",
        "Price / Canada": "27.00",
        "Compare-at price / Canada": "30",
        "Price / EU": "",
        "Inventory Available: Berlin": "3",
        "Inventory Available: Paris": "not stocked",
        "Collection": "Summer Sale",
    }
    found = import_rows({**simple("a"), **extra}, {**simple("b"), "Collection": "Summer Sale"}, header=[*HEADER, *extra])
    assert json.loads(found.product("a")["metafields"]) == {"custom.material": "oak", "mm-google-shopping.gender": "unisex"}
    variant = found.variants_of("a")[0]
    assert json.loads(variant["metafields"]) == {"mm-google-shopping.mpn": "M-1", "wms.bin": "A1"}
    assert json.loads(variant["market_prices"]) == {"Canada": {"included": True, "price": "27.00", "compare_at_price": "30"}}
    stock = [(row["product_id"], row["location"], row["available"]) for row in records(found.inventory)]
    assert stock == [("a", "Berlin", 3), ("b", None, None)]
    assert records(found.collections) == [
        {
            "collection_id": "summer-sale",
            "handle": "summer-sale",
            "title": "Summer Sale",
            "description_html": None,
            "product_ids": ["a", "b"],
        }
    ]


def test_the_column_names_of_2025() -> None:
    row = {
        "Title": "Mug", "URL handle": "mug", "Description": "<b>x</b>", "Product category": "Home",
        "Published on online store": "TRUE", "SKU": "S", "Barcode": "1", "Option1 name": "Title",
        "Option1 value": "Default Title", "Price": "5", "Compare-at price": "6", "Inventory tracker": "shopify",
        "Inventory quantity": "4", "Continue selling when out of stock": "CONTINUE", "Weight value (grams)": "300",
        "Requires shipping": "FALSE", "Product image URL": "https://x/1.jpg", "Image position": "1",
        "Variant image URL": "https://x/v.jpg", "Gift card": "TRUE", "SEO title": "t",
    }  # fmt: skip
    found = import_rows(row, header=list(row))
    product, variant = found.product("mug"), found.variants_of("mug")[0]
    assert (product["description_html"], product["category"], product["gift_card"]) == ("<b>x</b>", "Home", True)
    assert (variant["sku"], variant["price"], variant["compare_at_price"], variant["weight_grams"]) == ("S", 500, 600, 300.0)
    assert (variant["image"], variant["requires_shipping"]) == ("https://x/v.jpg", False)
    assert records(found.inventory)[0]["oversell"] is True


def test_rows_of_a_handle_that_comes_back_are_merged() -> None:
    rows = [*SHIRT[:2], simple("mug"), SHIRT[2], {"Handle": "shirt", "Option1 Value": "Green", "Variant Price": "1"}]
    found = import_rows(*rows)
    assert list(found.products["product_id"]) == ["shirt", "mug"]
    assert [row["variant_id"] for row in found.variants_of("shirt")] == ["shirt/Red/M", "shirt/Blue/M", "shirt/Green"]
    assert len(found.product("shirt")["images"]) == 3 and found.rejected.empty


def test_a_variant_row_may_stand_before_the_row_with_the_title() -> None:
    found = import_rows({"Handle": "shirt", "Option1 Value": "Blue", "Variant Price": "1"}, simple("mug"), SHIRT[0])
    assert found.product("shirt")["title"] == "Shirt" and len(found.variants_of("shirt")) == 2


def test_a_handle_with_two_titles_is_one_product_and_rejected_rows() -> None:
    rows = [simple("a"), simple("b"), simple("a", title="Another"), {"Handle": "a", "Image Src": "https://x/1.jpg"}]
    found = import_rows(*rows)
    assert list(found.products["product_id"]) == ["a", "b"]
    reason = "its handle belongs to a product with another title"
    assert found.reasons == [(4, "variant", reason), (5, "line", reason)]


def test_a_title_on_every_row_is_no_second_product() -> None:
    found = import_rows(SHIRT[0], {**SHIRT[1], "Title": "Shirt"})
    assert len(found.variants_of("shirt")) == 2 and found.rejected.empty


def test_a_variant_without_a_product_and_a_row_without_a_handle() -> None:
    found = import_rows(simple("a"), {"Handle": "lost", "Option1 Value": "Red", "Variant Price": "1"}, {"Title": "No handle"})
    assert found.reasons == [(3, "variant", "no row of its handle introduces the product"), (4, "line", "it has no handle")]


def test_the_hash_covers_the_product_and_nothing_else() -> None:
    before = import_rows(*SHIRT, simple("mug"))
    after = import_rows(simple("mug"), *SHIRT[:3], {**SHIRT[3], "Variant SKU": "new"})
    assert before.product("mug")["source_hash"] == after.product("mug")["source_hash"]
    assert before.product("shirt")["source_hash"] != after.product("shirt")["source_hash"]
    assert before.product("mug")["source_hash"] != import_rows(simple("mug"), currency="JPY").product("mug")["source_hash"]


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=15)
CELL = st.text(st.sampled_from('ab ,;"\n\t|<é✨'), max_size=12)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(TEXT, CELL, CELL), min_size=1, max_size=6),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_any_text_survives_any_dialect(cells: list[tuple[str, str, str]], delimiter: str, end: str) -> None:
    rows = [
        simple(f"p{index}", title=f"t{title}", body_html=body, variant_sku=sku) for index, (title, body, sku) in enumerate(cells)
    ]
    content = csv_text(rows, delimiter=delimiter, lineterminator=end)
    found = import_bytes(content.encode())
    assert found.rejected.empty
    assert [row["title"] for row in records(found.products)] == [row["Title"] for row in rows]
    assert [row["description_html"] or "" for row in records(found.products)] == [row["Body (HTML)"] for row in rows]
    assert [row["sku"] or "" for row in records(found.variants)] == [row["Variant SKU"] for row in rows]
