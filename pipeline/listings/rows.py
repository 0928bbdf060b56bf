"""Generic listing rows of a batch: products and their variants side by side, a parent before its children.

Nothing here knows a marketplace; its `project` gives the rows their wording afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.listings.facts import facts
from pipeline.listings.schema import LISTINGS, PRICES
from pipeline.platform.tables import to_frame

_OPTIONS = ("option1", "option2", "option3")
_NAMES = ("option1_name", "option2_name", "option3_name")
_WORDING = ("title", "description", "description_html")
#: Columns that rows repeat as they are.
_OF_PRODUCT = ["product_id", "vendor", "images", *_WORDING, *_NAMES]
_OF_VARIANT = ["variant_id", "sku", "barcode", "weight_grams", "image", *_OPTIONS]

Positions = npt.NDArray[np.int64]


def owners(variants: pa.Table, products: pa.Table) -> Positions:
    """The row of `products` that each row of `variants` belongs to, -1 where it is not there."""
    found = pc.index_in(variants["product_id"], value_set=products["product_id"].combine_chunks())
    positions: Positions = found.fill_null(-1).to_numpy().astype(np.int64)
    return positions


def listing_rows(
    products: pa.Table,
    variants: pa.Table,
    *,
    stock: pd.DataFrame,
    prices: pd.DataFrame,
    categories: pd.DataFrame,
    parents: Mapping[str, str],
    items: pd.DataFrame,
    currency: str,
) -> pd.DataFrame:
    """Rows (columns of LISTINGS; status, reason, score, hashes and revision null) in the order of `products`.

    `stock` (available, quantity), `prices` (the columns of PRICES) and `items` (item_id, category: what the marketplace's catalog
    has already) are aligned with `variants`, `categories` with `products`; `parents` gives the parent SKU by product_id of every
    product whose variants are a family, all but those that are offers on an existing item. A product without variants gives none.
    """
    owner = owners(variants, products)
    several = np.array([key in parents for key in products["product_id"].to_pylist()], dtype=bool)
    apart = items["item_id"].notna().to_numpy("bool")
    product_of = np.concatenate([np.flatnonzero(several), owner])
    variant_of = np.concatenate([np.full(int(several.sum()), -1), np.arange(len(variants))])
    order = np.argsort(product_of * 2 + (variant_of >= 0), kind="stable")
    product_of, variant_of = product_of[order], variant_of[order]

    of_variant = pa.array(variant_of, mask=variant_of < 0)
    product = products.select(_OF_PRODUCT).take(product_of)
    variant = variants.select(_OF_VARIANT).take(of_variant)
    is_parent = variant_of < 0
    is_child = ~is_parent & several[product_of] & ~np.where(is_parent, False, apart[variant_of])
    family = pa.array([parents.get(key) for key in products["product_id"].to_pylist()], pa.string()).take(product_of)
    tags = pc.binary_join(products["tags"], ", ")
    of_products, of_variants = (table["metafields"].combine_chunks().dictionary_encode() for table in (products, variants))
    fact = facts(of_products.take(product_of), of_variants.take(of_variant))

    columns: dict[str, pa.Array | pa.ChunkedArray] = {
        "sku": pc.if_else(is_parent, family, variant["sku"]),
        "role": pa.array(np.where(is_parent, "parent", np.where(is_child, "child", "single")), pa.string()),
        "parent_sku": pc.if_else(is_child, family, None),
        "product_id": product["product_id"],
        "variant_id": variant["variant_id"],
        "keywords": pc.if_else(pc.equal(tags, ""), None, tags).take(product_of),
        "brand": product["vendor"],
        "mpn": fact["mpn"],
        "gtin": variant["barcode"],
        "condition": fact["condition"].fill_null("new"),
        "attributes": with_rules(fact["attributes"], pa.array(categories["category_attributes"]).take(product_of)),
        "weight_grams": variant["weight_grams"],
        "images": own_first(variant["image"], product["images"]),
        "currency": pa.repeat(currency, len(product)),
    }
    for name in (*_WORDING, *_NAMES):
        columns[name] = product[name]
    for name in _OPTIONS:
        columns[name] = variant[name]
    item = pa.array(items["item_id"]).take(of_variant)
    of_item = pa.array(items["category"]).take(of_variant)
    columns["item_id"] = item
    columns["category"] = pc.coalesce(of_item, pa.array(categories["category"]).take(product_of))
    columns["category_source"] = pc.if_else(of_item.is_valid(), "item", pa.array(categories["category_source"]).take(product_of))
    for frame, names in ((prices, PRICES), (stock, ("available", "quantity"))):
        for name in names:
            columns[name] = pa.array(frame[name]).take(of_variant)
    missing = {field.name: pa.nulls(len(product), field.type) for field in LISTINGS if field.name not in columns}
    return to_frame(pa.table({**columns, **missing}).select(LISTINGS.names).cast(LISTINGS))


def with_rules(facts: pa.ChunkedArray, of_rules: pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Facts (JSON objects) with what category rules say of their products, each name with `rule.` before it."""
    if of_rules.null_count == len(of_rules):
        return facts
    said: dict[tuple[str | None, str | None], str | None] = {}
    pairs = list(zip(facts.to_pylist(), of_rules.to_pylist(), strict=True))
    for fact, rule in set(pairs):
        named = {f"rule.{name}": value for name, value in orjson.loads(rule).items()} if rule else {}
        found = {**(orjson.loads(fact) if fact else {}), **named}
        said[fact, rule] = orjson.dumps(found, option=orjson.OPT_SORT_KEYS).decode() if found else None
    return pa.array([said[pair] for pair in pairs], pa.string())


def own_first(own: pa.ChunkedArray, shared: pa.ChunkedArray) -> pa.Array:
    """Lists of images with the row's own first and not again; rows without an own image keep the shared list."""
    own, shared = own.combine_chunks(), shared.combine_chunks()
    row = pc.list_parent_indices(shared)
    values = pc.list_flatten(shared)
    repeated = pc.equal(values, own.take(row)).fill_null(False)
    kept_rows = row.filter(pc.invert(repeated)).to_numpy()
    has_own = own.is_valid().to_numpy(zero_copy_only=False)

    rows = np.concatenate([np.flatnonzero(has_own), kept_rows])
    order = np.argsort(rows, kind="stable")
    values = pa.concat_arrays([own.drop_null(), values.filter(pc.invert(repeated))]).take(order)
    offsets = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(own)))])
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)
