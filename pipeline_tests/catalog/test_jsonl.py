"""Bulk JSON Lines: every shape of a record, every order of lines, the same catalog as CSV."""

from __future__ import annotations

import json
import random
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.catalog import jsonl_lines, shopify_scattered
from pipeline.catalog.importer import import_catalog
from pipeline.catalog.jsonl_lines import Lines
from pipeline.catalog.shopify_file import ShopifyFile
from pipeline.catalog.source import store_raw
from pipeline.model.errors import BadInputError
from pipeline.platform import tables
from pipeline_tests.benchmarks.generate import write_catalog
from pipeline_tests.catalog.helpers import Imported, csv_text, import_bytes, import_file, import_lines, jsonl, records

G = "gid://shopify/"
SHIRT: dict[str, Any] = {
    "__typename": "Product", "id": G + "Product/1", "title": "Shirt", "handle": "shirt", "descriptionHtml": "<p>x</p>",
    "vendor": "Acme", "productType": "Shirts", "status": "ACTIVE", "tags": ["a", "b"], "isGiftCard": False,
    "seo": {"title": "Seo", "description": ""}, "category": {"id": G + "TaxonomyCategory/aa-1", "fullName": "Apparel > Shirts"},
    "options": [{"name": "Size", "position": 2}, {"name": "Color", "position": 1}],
}  # fmt: skip
RED: dict[str, Any] = {
    "__typename": "ProductVariant", "id": G + "ProductVariant/11", "sku": "R-M", "barcode": "", "position": 2, "price": "19.99",
    "compareAtPrice": None, "inventoryPolicy": "CONTINUE", "inventoryQuantity": 5,
    "selectedOptions": [{"name": "Color", "value": "Red"}, {"name": "Size", "value": "M"}],
    "inventoryItem": {
        "id": G + "InventoryItem/91", "tracked": True, "requiresShipping": True,
        "unitCost": {"amount": "7.5", "currencyCode": "USD"}, "measurement": {"weight": {"unit": "POUNDS", "value": 1.0}},
    },
    "__parentId": SHIRT["id"],
}  # fmt: skip
BLUE = {**RED, "id": G + "ProductVariant/12", "position": 1, "sku": None, "price": "oops", "inventoryItem": {"tracked": False}}


def child(kind: str, number: int, parent: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"id": f"{G}{kind}/{number}", **fields, "__parentId": parent["id"]}


IMAGE = child("MediaImage", 1, SHIRT, mediaContentType="IMAGE", image={"url": "https://x/1.jpg"})
METAFIELD = child("Metafield", 1, SHIRT, namespace="custom", key="material", value="linen")


def test_a_product() -> None:
    video = child("Video", 2, SHIRT, mediaContentType="VIDEO", preview={"image": {"url": "https://x/still.jpg"}})
    late = child("MediaImage", 3, SHIRT, mediaContentType="IMAGE", preview={"image": {"url": "https://x/3.jpg"}}, image=None)
    mpn = child("Metafield", 2, RED, namespace="custom", key="mpn", value="M-1")
    found = import_lines(SHIRT, RED, mpn, BLUE, IMAGE, video, late, METAFIELD)
    product = found.product("1")
    assert product.pop("source_hash")
    assert product == {
        "product_id": "1", "handle": "shirt", "title": "Shirt", "description_html": "<p>x</p>", "vendor": "Acme",
        "product_type": "Shirts", "category": "Apparel > Shirts", "tags": ["a", "b"], "status": "active", "gift_card": False,
        "seo_title": "Seo", "seo_description": None, "option1_name": "Color", "option2_name": "Size", "option3_name": None,
        "images": ["https://x/1.jpg", "https://x/3.jpg"], "metafields": '{"custom.material":"linen"}', "line": 1,
    }  # fmt: skip
    blue, red = found.variants_of("1")
    assert red == {
        "variant_id": "11", "product_id": "1", "position": 2, "sku": "R-M", "barcode": None, "option1": "Red", "option2": "M",
        "option3": None, "price": 1999, "compare_at_price": None, "price_text": None, "cost": 750, "weight_grams": 453.592,
        "image": None, "requires_shipping": True, "market_prices": None, "metafields": '{"custom.mpn":"M-1"}', "line": 2,
    }  # fmt: skip
    assert (blue["variant_id"], blue["price"], blue["price_text"], blue["sku"], blue["line"]) == ("12", None, "oops", None, 4)
    assert [tuple(row.values()) for row in records(found.inventory)] == [
        ("12", "1", None, 5, False, True), ("11", "1", None, 5, True, True),
    ]  # fmt: skip


def test_shapes_of_older_and_smaller_queries() -> None:
    old = {
        "id": G + "Product/2", "title": "Mug", "bodyHtml": "<b>old</b>",
        "options": [{"name": "Title", "values": ["Default Title"]}],
        "productCategory": {"productTaxonomyNode": {"fullName": "Home > Mugs"}}, "featuredImage": {"originalSrc": "https://x/f.jpg"},
    }  # fmt: skip
    only = {
        "id": G + "ProductVariant/21",
        "title": "Default Title",
        "price": "5",
        "weight": 2,
        "weightUnit": "KILOGRAMS",
        "__parentId": old["id"],
    }
    third = {"id": G + "Product/3", "title": "Cap", "options": [{"name": "Color"}, {"name": "Size"}], "status": "UNLISTED"}
    cap = {
        "id": G + "ProductVariant/31",
        "title": "Red / L",
        "price": "5",
        "image": {"src": "https://x/cap.jpg"},
        "__parentId": third["id"],
    }
    pictures = [{"src": "https://x/a.jpg", "__parentId": third["id"]}, child("ProductImage", 5, third, url="https://x/b.jpg")]
    nameless = {"namespace": "n", "key": "k", "value": "v", "__parentId": third["id"]}
    found = import_lines(old, only, third, cap, *pictures, nameless)
    mug, red_cap = found.product("2"), found.variants_of("3")[0]
    assert (mug["description_html"], mug["category"], mug["images"]) == ("<b>old</b>", "Home > Mugs", ["https://x/f.jpg"])
    assert (mug["option1_name"], mug["status"]) == (None, "active")
    assert [(row["option1"], row["weight_grams"], row["position"]) for row in found.variants_of("2")] == [(None, 2000.0, 1)]
    assert (red_cap["option1"], red_cap["option2"], red_cap["image"]) == ("Red", "L", "https://x/cap.jpg")
    assert found.product("3")["images"] == ["https://x/a.jpg", "https://x/b.jpg"]
    assert (found.product("3")["metafields"], found.product("3")["status"]) == ('{"n.k":"v"}', "draft")
    assert found.rejected.empty


def test_escaped_slashes_and_ids_at_the_end() -> None:
    lines = [SHIRT, {**SHIRT, "id": G + "Product/2", "handle": "b"}, RED, BLUE]
    moved = [{key: line[key] for key in reversed(line)} for line in lines]
    content = jsonl(*moved).replace(b"gid://shopify/", rb"gid:\/\/shopify\/")
    assert records(import_bytes(content).variants) == records(import_lines(*lines).variants)


def test_stock_by_location() -> None:
    berlin, quantities = {"id": G + "Location/1", "name": "Berlin"}, [{"name": "on_hand", "quantity": 9}]
    second, third = {"id": G + "Location/2"}, {"id": G + "Location/3"}
    lines = [
        child("InventoryLevel", 1, RED, location=berlin, quantities=[*quantities, {"name": "available", "quantity": 4}]),
        child("InventoryLevel", 2, RED["inventoryItem"], location=second, available=-1),
        child("InventoryLevel", 3, RED, location=third, available=8, isActive=False),
    ]
    for order in ([SHIRT, RED, *lines, BLUE], [SHIRT, {**SHIRT, "id": G + "Product/2"}, RED, BLUE, *lines]):
        found = import_lines(*order)
        stock = [(row["variant_id"], row["location"], row["available"]) for row in records(found.inventory)]
        assert stock == [("12", None, 5), ("11", "Berlin", 4), ("11", "2", -1)] and found.rejected.empty


def test_collections_in_all_three_places() -> None:
    summer = {"id": G + "Collection/5", "handle": "summer", "title": "Summer", "descriptionHtml": ""}
    member = {"id": SHIRT["id"], "__parentId": summer["id"]}
    expected = [{"collection_id": "5", "handle": "summer", "title": "Summer", "description_html": None, "product_ids": ["1"]}]
    assert records(import_lines(SHIRT, RED, summer, member).collections) == expected
    assert records(import_lines(SHIRT, RED, {**summer, "__parentId": SHIRT["id"]}).collections) == expected
    found = import_bytes(jsonl(SHIRT, RED), collections=jsonl(summer, member, b"{broken}"))
    assert records(found.collections) == expected and found.reasons == [(3, "line", "not valid JSON")]
    rows = csv_text([{"Handle": "1", "Title": "t", "Variant Price": "1"}]).encode()
    assert records(import_bytes(rows, collections=jsonl(summer, member)).collections) == expected
    for wrong in (jsonl(SHIRT), rows):
        with pytest.raises(BadInputError, match="collections"):
            import_bytes(jsonl(SHIRT, RED), collections=wrong)


def tables_without_lines(found: Imported) -> list[pd.DataFrame]:
    return [
        frame.drop(columns="line", errors="ignore")
        for frame in (found.products, found.variants, found.inventory, found.collections)
    ]


def test_the_order_of_lines_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shopify_scattered, "_STEP", 20_000)
    for name, grouped in (("grouped", True), ("levels", False)):
        write_catalog(tmp_path / name, 400, grouped=grouped)
    lines = (tmp_path / "grouped").read_bytes().splitlines(keepends=True)
    expected = tables_without_lines(import_file(tmp_path / "grouped"))
    assert all(len(frame) for frame in expected[:3])
    shuffles = [shuffled(lines, random.Random(seed)) for seed in range(3)]  # noqa: S311
    orders = [(tmp_path / "levels").read_bytes().splitlines(keepends=True), *shuffles]
    for order in orders:
        found = import_bytes(b"".join(order))
        assert found.rejected.empty
        for frame, same in zip(tables_without_lines(found), expected, strict=True):
            pd.testing.assert_frame_equal(frame, same)


def shuffled(lines: list[bytes], random_: random.Random) -> list[bytes]:
    """Lines in a random order that keeps what order means: products among themselves, and the images of each product."""
    kept = [number for number, line in enumerate(lines) if b'"__parentId"' not in line or b'"MediaImage"' in line]
    order = list(range(len(lines)))
    random_.shuffle(order)
    places = sorted(order.index(number) for number in kept)
    for place, number in zip(places, kept, strict=True):
        order[place] = number
    rest = iter(sorted(set(range(len(lines))) - set(kept), key=lambda number: random_.random()))
    taken = set(places)
    return [lines[order[place] if place in taken else next(rest)] for place in range(len(lines))]


@pytest.mark.parametrize("shapes", [0, 2])
def test_ids_of_every_shape_find_their_owner(shapes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Short and long numbers, escaped slashes, blanks, keys in another order, ids that are no numbers."""
    monkeypatch.setattr(shopify_scattered, "_SHAPES", shapes)
    products, variants, metafields = [], [], []
    for number in range(200):
        key = "x" * number if number % 20 == 19 else f"{10 ** (number % 12)}{number:03}"
        product = {**SHIRT, "id": f"{G}Product/{key}", "handle": f"p{number}"}
        variant = {**RED, "id": f"{G}ProductVariant/{key}", "sku": f"S{number}", "position": 1, "__parentId": product["id"]}
        metafield = child("Metafield", number, variant, namespace="n", key="k", value=f"v{number}")
        lines = [json.dumps(line, separators=(",", ":")) for line in (product, variant, metafield)]
        if number % 5 == 1:
            lines = [line.replace("/", "\\/") for line in lines]
        elif number % 5 == 2:
            lines = [json.dumps(line) for line in (product, variant, metafield)]
        elif number % 5 == 3:
            lines = [json.dumps(dict(reversed(line.items()))) for line in (product, variant, metafield)]
        for kind, line in zip((products, variants, metafields), lines, strict=True):
            kind.append(line.encode() + b"\n")
    found = import_bytes(b"".join([*metafields, *products, *variants]))
    assert found.rejected.empty
    assert [(row["sku"], row["metafields"]) for row in records(found.variants)] == [
        (f"S{number}", json.dumps({"n.k": f"v{number}"}, separators=(",", ":"))) for number in range(200)
    ]


@given(st.lists(st.sampled_from([b"", b"{}", b'{"a":1}', b"x" * 40, b"y" * 41, b"z" * 90]), min_size=1), st.booleans())
def test_lines_are_cut_at_line_feeds_only(lines: list[bytes], closed: bool) -> None:
    """Blocks end anywhere; a line that is too long is cut, and nothing else."""
    content = b"{\n" + b"\n".join(lines) + (b"\n" if closed else b"")
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsonl_lines, "_BLOCK", 16)
        patch.setattr(jsonl_lines, "MAX_LINE", 40)
        found = Lines(store_raw([content], Path(folder), "raw", "raw"))
        given_lines = list(found)
    expected = content.removesuffix(b"\n").split(b"\n")
    assert given_lines == [(number, line + b"\n" if len(line) <= 40 else line[:41]) for number, line in enumerate(expected, 1)]
    assert found.total == len(expected)


def test_a_late_stray_starts_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches were already written when the first line out of place is met."""
    monkeypatch.setattr("pipeline.catalog.builder.BATCH_PRODUCTS", 5)
    write_catalog(tmp_path / "c", 200)
    lines = (tmp_path / "c").read_bytes().splitlines(keepends=True)
    moved = [*lines[:1], *lines[2:], lines[1]]
    expected, found = import_bytes(b"".join(lines)), import_bytes(b"".join(moved))
    assert found.result.tables["products"].rows == len(expected.products) > 20
    for frame, same in zip(tables_without_lines(found), tables_without_lines(expected), strict=True):
        pd.testing.assert_frame_equal(frame, same)


def test_batches_are_aligned_and_carry_the_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.catalog.builder.BATCH_VARIANTS", 30)
    monkeypatch.setattr("pipeline.catalog.builder._PACK", 10)
    write_catalog(tmp_path / "c", 200)
    source = ShopifyFile(tmp_path / "c")
    said: list[tuple[float, str]] = []
    raw = source.fetch(tmp_path / "raw")
    result = import_catalog(
        source, raw, tmp_path, import_id="i7", currency="USD", progress=lambda share, text: said.append((share, text))
    )
    opened = {name: staged.open() for name, staged in result.tables.items()}
    assert {table.batches for table in opened.values()} == {len(said)} and len(said) > 3
    assert {table.metadata["import_id"] for table in opened.values()} == {"i7"}
    for products, variants, inventory in tables.aligned(*(opened[name] for name in ("products", "variants", "inventory"))):
        assert list(variants["product_id"].unique()) == list(products["product_id"])
        assert list(inventory["variant_id"]) == list(variants["variant_id"])
    assert said[-1] == (1.0, f"{opened['products'].rows:,} products, 200 variants read")
    assert raw.bytes == (tmp_path / "c").stat().st_size
    with raw.files[0].open() as stream:
        assert stream.read() == (tmp_path / "c").read_bytes()


def test_the_hash_changes_with_anything_of_the_product() -> None:
    def hashed(*lines: dict[str, Any]) -> str:
        return str(import_lines(*lines).product("1")["source_hash"])

    second = child("MediaImage", 2, SHIRT, mediaContentType="IMAGE", image={"url": "https://x/2.jpg"})
    base = hashed(SHIRT, RED, BLUE, IMAGE, second, METAFIELD)
    assert base == hashed(SHIRT, METAFIELD, BLUE, IMAGE, second, RED)
    others = [
        hashed(SHIRT, RED, BLUE, second, IMAGE, METAFIELD),
        hashed(SHIRT, RED, {**BLUE, "price": "1"}, IMAGE, second, METAFIELD),
        hashed(SHIRT, RED, BLUE, IMAGE, second, {**METAFIELD, "value": "wool"}),
        hashed({**SHIRT, "title": "t"}, RED, BLUE, IMAGE, second, METAFIELD),
        hashed(SHIRT, RED, BLUE, IMAGE, METAFIELD),
        hashed(SHIRT, RED, {**BLUE, "inventoryQuantity": 6}, IMAGE, second, METAFIELD),
    ]
    assert len({base, *others}) == 7


def test_the_hash_stays_where_nothing_that_is_read_changes() -> None:
    moved = [{**SHIRT, "updatedAt": "2026-11-01T00:00:00Z"}, {**RED, "availableForSale": False}, b""]
    first, second = (import_lines(*lines).product("1") for lines in ([SHIRT, RED], [b"", *moved]))
    assert first["source_hash"] == second["source_hash"] and first["line"] != second["line"]


WORD = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12).filter(lambda text: text == text.strip())
PRICE = st.one_of(st.none(), st.integers(0, 10**7).map(lambda cents: f"{cents // 100}.{cents % 100:02d}"), st.just("n/a"))
VARIANTS = st.lists(
    st.fixed_dictionaries(
        {"sku": st.one_of(st.none(), WORD), "price": PRICE, "list": PRICE, "stock": st.integers(-5, 500),
         "oversell": st.booleans(),
         "tracked": st.booleans(), "grams": st.integers(0, 9999), "cost": PRICE}
    ),
    min_size=1, max_size=4,
)  # fmt: skip
CATALOG = st.lists(
    st.fixed_dictionaries(
        {"title": WORD, "html": WORD, "vendor": WORD, "tags": st.lists(WORD.filter(lambda word: "," not in word), max_size=3),
         "status": st.sampled_from(["active", "draft", "archived"]), "variants": VARIANTS,
         "images": st.lists(st.integers(1, 9), max_size=3, unique=True), "material": st.one_of(st.none(), WORD)}
    ),
    min_size=1, max_size=4,
)  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(CATALOG)
def test_the_same_catalog_as_csv_and_as_json_lines(catalog: list[dict[str, Any]]) -> None:
    rows, lines = as_csv(catalog), as_lines(catalog)
    from_csv = import_bytes(csv_text(rows, sorted({name for row in rows for name in row})).encode())
    from_lines = import_bytes(jsonl(*lines))
    ids = ["product_id", "variant_id", "source_hash", "line"]
    for frame, same in zip(tables_without_lines(from_csv), tables_without_lines(from_lines), strict=True):
        pd.testing.assert_frame_equal(frame.drop(columns=ids, errors="ignore"), same.drop(columns=ids, errors="ignore"))


def as_csv(catalog: list[dict[str, Any]]) -> list[dict[str, str]]:
    rows = []
    for number, product in enumerate(catalog):
        for index, variant in enumerate(product["variants"]):
            rows.append({
                "Handle": f"p{number}", "Title": "", "Variant Price": variant["price"] or "",
                "Option1 Value": f"v{index}",
                "Variant SKU": variant["sku"] or "", "Variant Compare At Price": variant["list"] or "",
                "Variant Inventory Qty": str(variant["stock"]),
                "Variant Inventory Policy": "continue" if variant["oversell"] else "deny",
                "Variant Inventory Tracker": "shopify" if variant["tracked"] else "", "Variant Grams": str(variant["grams"]),
                "Cost per item": variant["cost"] or "", "Variant Requires Shipping": "true",
            })  # fmt: skip
            if index == 0:
                rows[-1] |= {
                    "Title": product["title"], "Body (HTML)": product["html"], "Vendor": product["vendor"],
                    "Option1 Name": "Kind",
                    "Tags": ", ".join(product["tags"]), "Status": product["status"],
                    "M (product.metafields.custom.material)": product["material"] or "",
                }  # fmt: skip
        rows.extend({"Handle": f"p{number}", "Image Src": f"https://x/{image}.jpg"} for image in product["images"])
    return rows


def as_lines(catalog: list[dict[str, Any]]) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = []
    for number, product in enumerate(catalog):
        parent = {
            "id": f"{G}Product/{number}", "handle": f"p{number}", "title": product["title"], "descriptionHtml": product["html"],
            "vendor": product["vendor"], "tags": product["tags"], "status": product["status"].upper(),
            "options": [{"name": "Kind"}],
        }  # fmt: skip
        lines.append(parent)
        for index, variant in enumerate(product["variants"]):
            lines.append(child(
                "ProductVariant", 100 * number + index, parent, sku=variant["sku"], price=variant["price"],
                compareAtPrice=variant["list"], inventoryQuantity=variant["stock"], position=index + 1,
                inventoryPolicy="CONTINUE" if variant["oversell"] else "DENY",
                selectedOptions=[{"name": "Kind", "value": f"v{index}"}],
                inventoryItem={
                    "tracked": variant["tracked"], "requiresShipping": True, "unitCost": {"amount": variant["cost"]},
                    "measurement": {"weight": {"unit": "KILOGRAMS", "value": variant["grams"] / 1000}},
                },
            ))  # fmt: skip
        lines.extend(child("MediaImage", image, parent, image={"url": f"https://x/{image}.jpg"}) for image in product["images"])
        if product["material"]:
            lines.append(child("Metafield", 1, parent, namespace="custom", key="material", value=product["material"]))
    return lines


def test_metafield_values_are_texts() -> None:
    found = import_lines(SHIRT, RED, {**METAFIELD, "value": {"unit": "cm", "value": 1}})
    assert json.loads(found.product("1")["metafields"]) == {"custom.material": '{"unit":"cm","value":1}'}


@pytest.mark.parametrize("end", [b"", b'{"open": 1}'])
def test_lines_put_in_order_are_the_lines_of_the_file(tmp_path: Path, end: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonl_lines, "MAX_LINE", 400_000)
    content = b'{"first": 1}\n\n' + b"x" * 900_000 + b'\n{"last": 1}\n' + end
    raw = store_raw([content], tmp_path, "products", "x.jsonl")
    lines = Lines(raw)
    found = list(shopify_scattered.Regrouped(lines, tmp_path, raw.name))
    assert found == list(Lines(raw))
    assert lines.total == len(found) == 4 + bool(end)
    assert lines.open_end is bool(end)
