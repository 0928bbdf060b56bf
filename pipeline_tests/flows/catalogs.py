"""Small catalogs of sound products with one variant each, as Shopify CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

from stdnum import ean

Row = dict[str, str]


def product(number: int, **changes: str) -> Row:
    """A product that both marketplaces take; its handle is p-<number>, its SKU SKU-<number>."""
    code = f"4006381{number:05d}"
    row = {
        "Handle": f"p-{number}",
        "Title": f"Stoneware Mug Number {number}",
        "Body (HTML)": "<p>A hand-thrown stoneware mug that holds 350 ml of coffee or tea. Safe for dishwasher and microwave, "
        "glazed inside and outside, and made in small batches.</p>",
        "Vendor": "Kiln Street",
        "Type": "Mugs",
        "Tags": "kitchen, gift",
        "Published": "true",
        "Option1 Name": "Title",
        "Option1 Value": "Default Title",
        "Variant SKU": f"SKU-{number}",
        "Variant Grams": "400",
        "Variant Inventory Tracker": "shopify",
        "Variant Inventory Qty": "12",
        "Variant Inventory Policy": "deny",
        "Variant Price": "20.00",
        "Variant Compare At Price": "",
        "Variant Requires Shipping": "true",
        "Variant Barcode": code + ean.calc_check_digit(code),
        "Image Src": f"https://cdn.example.com/mug-{number}.jpg",
        "Image Position": "1",
        "Status": "active",
    }
    unknown = set(changes) - set(row)
    assert not unknown, unknown
    return {**row, **changes}


def products(count: int, changes: Mapping[int, Row] | None = None, without: Iterable[int] = ()) -> list[Row]:
    """Products 1 to `count` with some values changed, and some of them left out."""
    left_out = set(without)
    return [product(number, **(changes or {}).get(number, {})) for number in range(1, count + 1) if number not in left_out]


def write(path: Path, rows: Iterable[Row]) -> Path:
    rows = list(rows)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(dict.fromkeys(name for row in (product(1), *rows) for name in row)))
        writer.writeheader()
        writer.writerows(rows)
    return path
