"""The sample store is what its README says: its size, and each kind of mess in it."""

from __future__ import annotations

import csv
import re
from collections import Counter
from pathlib import Path

import pytest
from stdnum import ean

import pipeline.samples

FOLDER = Path(str(pipeline.samples.__file__)).parent
Row = dict[str, str]


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    with (FOLDER / "demo.csv").open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file, strict=True)
        found = list(reader)
    assert all(None not in row and None not in row.values() for row in found), "every record has every column"
    return found


@pytest.fixture(scope="module")
def products(rows: list[Row]) -> dict[str, Row]:
    return {row["Handle"]: row for row in rows if row["Title"]}


@pytest.fixture(scope="module")
def variants(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row["Option1 Value"]]


def test_size(rows: list[Row], products: dict[str, Row], variants: list[Row]) -> None:
    assert (len(products), len(variants), len(rows)) == (62, 252, 265)
    assert {row["Handle"] for row in rows} == products.keys()


def test_layout_is_the_current_one(rows: list[Row]) -> None:
    columns = list(rows[0])
    assert columns[-1] == "Status"
    assert {"Product Category", "Option1 Linked To", "Unit Price Total Measure", "Variant Weight Unit"} <= set(columns)
    assert any("product.metafields.custom.material" in column for column in columns)
    assert "Price / Germany" in columns


def test_rows_of_a_product_stand_together(rows: list[Row]) -> None:
    handles = [row["Handle"] for row in rows]
    starts = [handle for index, handle in enumerate(handles) if index == 0 or handles[index - 1] != handle]
    assert len(starts) == len(set(starts))


def test_every_handle_of_the_readme_exists(products: dict[str, Row]) -> None:
    table = (FOLDER / "README.md").read_text(encoding="utf-8").partition("|---|")[2]
    named = set(re.findall(r"`([a-z0-9-]+)`", table)) - {"http"}
    assert len(named) > 30
    assert named <= products.keys()


def test_languages(products: dict[str, Row]) -> None:
    tags = Counter(tag for row in products.values() for tag in row["Tags"].split(", ") if tag in {"deutsch", "français"})
    assert tags == {"deutsch": 5, "français": 5}


def test_texts(products: dict[str, Row]) -> None:
    titles = [row["Title"] for row in products.values()]
    bodies = [row["Body (HTML)"] for row in products.values()]
    assert sum(title.isupper() for title in titles) == 4
    assert max(map(len, titles)) > 200
    for part in ("🧢", "™", "®", "FREE SHIPPING", "&amp;", "â€", "Ã¼", "\u200b", "\u00a0", "a\u0300", "{"):
        assert any(part in title for title in titles), part
    for part in ("style=", "<script", "<iframe", "<style", "onclick=", "MsoNormal", "<table", "\x0b", "sales@example.com", "â€™"):
        assert any(part in body for body in bodies), part
    assert sum(not body for body in bodies) == 2
    assert sum(not row["Vendor"] for row in products.values()) == 3


def test_skus(variants: list[Row]) -> None:
    counts = Counter(row["Variant SKU"] for row in variants)
    assert counts.pop("") == 6
    assert sum(count for count in counts.values() if count > 1) == 14
    assert "N/A" in counts
    assert any(sku != sku.strip() for sku in counts)
    assert {"KM-SLEEVE", "km-sleeve"} <= counts.keys()
    assert max(map(len, counts)) > 40


def test_barcodes(variants: list[Row]) -> None:
    codes = [row["Variant Barcode"] for row in variants]
    valid = [code for code in codes if ean.is_valid(code)]
    assert 0.8 < len(valid) / len(codes) < 0.9
    assert {len(ean.compact(code)) for code in valid} == {12, 13}
    assert all(ean.compact(code).startswith(("952", "614141", "0000000000000")) for code in valid), "only ranges for examples"
    assert sum(not code for code in codes) == 26
    broken = {code for code in codes if code and not ean.is_valid(code)}
    assert {"9.52E+12", "does not apply", "N/A"} < broken
    assert any(code.isdigit() for code in broken)
    shared = {code for code, count in Counter(valid).items() if count > 1}
    assert len(shared) == 1


def test_prices(variants: list[Row]) -> None:
    prices = [row["Variant Price"] for row in variants]
    assert {"0.00", "", "auf Anfrage", "29,90"} < set(prices)
    numbers = [
        (float(row["Variant Price"]), float(row["Variant Compare At Price"]))
        for row in variants
        if row["Variant Compare At Price"] and row["Variant Price"]
    ]
    assert any(list_price > price for price, list_price in numbers)
    assert any(list_price == price for price, list_price in numbers)
    assert any(list_price < price for price, list_price in numbers)


def test_stock_and_status(products: dict[str, Row], variants: list[Row]) -> None:
    assert any(int(row["Variant Inventory Qty"]) < 0 for row in variants)
    assert any(not row["Variant Inventory Tracker"] for row in variants)
    assert any(row["Variant Inventory Policy"] == "continue" for row in variants)
    assert Counter(row["Status"] for row in products.values()) == {"active": 59, "draft": 2, "archived": 1}
    assert [row["Handle"] for row in products.values() if row["Gift Card"] == "true"] == ["gift-card"]


def test_variants_and_images(rows: list[Row], products: dict[str, Row], variants: list[Row]) -> None:
    sizes = Counter(row["Handle"] for row in variants)
    assert sizes.most_common(1) == [("everyday-rib-socks", 40)]
    options = Counter((row["Handle"], row["Option1 Value"], row["Option2 Value"], row["Option3 Value"]) for row in variants)
    assert [key[0] for key, count in options.items() if count > 1] == ["high-rise-leggings"]
    images = Counter(row["Handle"] for row in rows if row["Image Src"])
    assert {handle for handle in products if not images[handle]} == {"weekender-duffel", "test-do-not-publish"}
    assert any(not row["Option1 Value"] and row["Image Src"] for row in rows), "image rows"
    assert any(row["Variant Image"] for row in variants)
    urls = [row["Image Src"] for row in rows if row["Image Src"]]
    assert all(re.match(r"https?://cdn\.example\.com/", url) for url in urls)
    assert any(url.startswith("http://") and " " in url for url in urls)
    assert len(urls) > len(set(urls))
