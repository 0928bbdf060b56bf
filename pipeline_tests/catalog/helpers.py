"""Import a text, bytes or a file in a temporary folder, and look at the tables."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pandas as pd

from pipeline.catalog.importer import ImportResult, import_catalog
from pipeline.catalog.shopify_file import ShopifyFile

HEADER = (
    "Handle", "Title", "Body (HTML)", "Vendor", "Type", "Tags", "Published", "Option1 Name", "Option1 Value", "Option2 Name",
    "Option2 Value", "Option3 Name", "Option3 Value", "Variant SKU", "Variant Grams", "Variant Inventory Tracker",
    "Variant Inventory Qty", "Variant Inventory Policy", "Variant Price", "Variant Compare At Price",
    "Variant Requires Shipping", "Variant Barcode", "Image Src", "Image Position", "Gift Card", "SEO Title",
    "SEO Description", "Variant Image", "Cost per item", "Status",
)  # fmt: skip


@dataclass(frozen=True)
class Imported:
    result: ImportResult
    products: pd.DataFrame
    variants: pd.DataFrame
    inventory: pd.DataFrame
    collections: pd.DataFrame
    rejected: pd.DataFrame

    def product(self, key: str) -> dict[str, Any]:
        return records(self.products[self.products["product_id"] == key])[0]

    def variants_of(self, key: str) -> list[dict[str, Any]]:
        return records(self.variants[self.variants["product_id"] == key])

    @property
    def reasons(self) -> list[tuple[int, str, str]]:
        return [(row["line"], row["kind"], row["reason"]) for row in records(self.rejected)]


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as dicts with None for missing."""
    return [
        {name: list(value) if hasattr(value, "tolist") else (None if value is pd.NA else value) for name, value in row.items()}
        for row in frame.astype(object).to_dict("records")
    ]


def import_file(path: Path, *, currency: str = "USD", collections: Path | None = None) -> Imported:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = ShopifyFile(path, collections)
        result = import_catalog(source, source.fetch(folder / "raw"), folder, import_id="i1", currency=currency)
        tables = [
            result.tables[key].open().read() for key in ("products", "variants", "inventory", "collections", "rejected_rows")
        ]
        return Imported(result, *tables)


def import_bytes(content: bytes, *, currency: str = "USD", name: str = "catalog", collections: bytes | None = None) -> Imported:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        other = None if collections is None else Path(folder) / "collections"
        if other is not None and collections is not None:
            other.write_bytes(collections)
        return import_file(path, currency=currency, collections=other)


def import_lines(*lines: Mapping[str, Any] | bytes, currency: str = "USD") -> Imported:
    return import_bytes(jsonl(*lines), currency=currency)


def jsonl(*lines: Mapping[str, Any] | bytes) -> bytes:
    return b"".join((line if isinstance(line, bytes) else orjson.dumps(line)) + b"\n" for line in lines)


def csv_text(rows: Sequence[Mapping[str, str]], header: Sequence[str] = HEADER, **dialect: Any) -> str:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, header, restval="", **{"lineterminator": "\n", **dialect})
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def import_rows(*rows: Mapping[str, str], header: Sequence[str] = HEADER, currency: str = "USD") -> Imported:
    return import_bytes(csv_text(rows, header).encode(), currency=currency)


def simple(handle: str, **cells: str) -> dict[str, str]:
    """The only row of a product without options."""
    names = {name.lower().replace(" ", "_").replace("(", "").replace(")", ""): name for name in HEADER}
    row = {
        "Handle": handle,
        "Title": f"Title of {handle}",
        "Option1 Name": "Title",
        "Option1 Value": "Default Title",
        "Variant Price": "9.99",
    }
    return {**row, **{names[key]: value for key, value in cells.items()}}
