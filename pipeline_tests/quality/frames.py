"""Small catalogs for the tests of this stage: a product and a variant with nothing wrong, and tables made from rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from pipeline.catalog.schema import PRODUCTS, VARIANTS
from pipeline.platform.tables import Table, TableWriter, to_frame

GOOD_PRODUCT: dict[str, Any] = {
    "product_id": "1",
    "handle": "linen-shirt",
    "title": "Nordlicht Washed Linen Shirt with Two Pockets",
    "description_html": "<p>" + "A shirt of soft linen for warm days. " * 8 + "</p><ul><li>linen</li><li>two pockets</li></ul>",
    "vendor": "Nordlicht",
    "product_type": "Shirts",
    "category": "Apparel & Accessories > Clothing > Shirts",
    "tags": ["linen", "shirt"],
    "status": "active",
    "gift_card": False,
    "seo_description": "A washed linen shirt.",
    "option1_name": "Size",
    "images": [f"https://cdn.example.com/shirt-{number}.jpg" for number in range(4)],
    "metafields": '{"custom.material": "linen"}',
    "source_hash": "a1",
    "line": 2,
}
GOOD_VARIANT: dict[str, Any] = {
    "variant_id": "44512345678901",
    "product_id": "1",
    "position": 1,
    "sku": "NL-1-M",
    "barcode": "4006381333931",
    "option1": "M",
    "price": 4900,
    "weight_grams": 250.0,
    "requires_shipping": True,
    "line": 2,
}


def arrow_rows(schema: pa.Schema, rows: Sequence[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist([{name: row.get(name) for name in schema.names} for row in rows], schema=schema)


def products(*rows: dict[str, Any]) -> pd.DataFrame:
    """A frame of products: each row a good one with these values changed."""
    return to_frame(arrow_rows(PRODUCTS, [GOOD_PRODUCT | row for row in rows]))


def variants(*rows: dict[str, Any]) -> pd.DataFrame:
    """A frame of variants with the columns of store facts, as the stage passes it."""
    frame = to_frame(arrow_rows(VARIANTS, [GOOD_VARIANT | row for row in rows]))
    frame["assigned_sku"] = pd.array([row.get("assigned_sku") for row in rows], dtype="string[pyarrow]")
    frame["shared_sku"] = pd.array([row.get("shared_sku", False) for row in rows], dtype="boolean")
    return frame


def store(
    folder: Path,
    product_rows: Sequence[dict[str, Any]],
    variant_rows: Sequence[dict[str, Any]],
    *,
    batch: int = 2,
    import_ids: tuple[str, str] = ("i1", "i1"),
) -> tuple[Table, Table]:
    """Stored tables `products` and `variants` in lockstep, `batch` products a row group."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = [GOOD_PRODUCT | row for row in product_rows]
    wares = [GOOD_VARIANT | row for row in variant_rows]
    with (
        TableWriter(folder, "products", PRODUCTS, {"import_id": import_ids[0]}) as first,
        TableWriter(folder, "variants", VARIANTS, {"import_id": import_ids[1]}) as second,
    ):
        for start in range(0, len(whole), batch):
            part = whole[start : start + batch]
            keys = {row["product_id"] for row in part}
            first.write(arrow_rows(PRODUCTS, part))
            second.write(arrow_rows(VARIANTS, [row for row in wares if row["product_id"] in keys]))
    return first.staged.open(), second.staged.open()
