"""Listing rows for tests: real columns and dtypes, with values that are right unless a test says otherwise."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd
import pyarrow as pa

from pipeline.listings.schema import LISTINGS
from pipeline.marketplaces.base import MESSAGES, Outcome
from pipeline.model.listing import InvalidMessage, Message
from pipeline.platform.tables import to_frame

SINGLE: dict[str, Any] = {
    "sku": "MUG-1",
    "role": "single",
    "parent_sku": None,
    "product_id": "1",
    "variant_id": "11",
    "title": "Stoneware Mug 350 ml",
    "description": "A mug for every day. Safe in the dishwasher.",
    "description_html": "<p>A mug for every day. <b>Safe</b> in the dishwasher.</p>",
    "bullets": ["Holds 350 ml of coffee", "Safe in the dishwasher"],
    "keywords": "coffee cup",
    "brand": "Acme",
    "mpn": "M-350",
    "gtin": "4006381333931",
    "condition": "new",
    "item_id": None,
    "category": "DRINKING_CUP",
    "category_source": "rule",
    "option1_name": None,
    "option1": None,
    "option2_name": None,
    "option2": None,
    "option3_name": None,
    "option3": None,
    "attributes": '{"country_of_origin":"PT","material":"Stoneware"}',
    "weight_grams": 410.0,
    "images": ["https://cdn.example.com/mug-1.jpg", "https://cdn.example.com/mug-2.jpg"],
    "currency": "USD",
    "price": 1999,
    "list_price": None,
    "sale_price": None,
    "sale_start": None,
    "sale_end": None,
    "available": 12,
    "quantity": 12,
    "status": "ready",
    "reason": None,
    "score": 92.5,
    "content_hash": None,
    "images_hash": None,
    "revision": "r1",
}


def single(**changed: Any) -> dict[str, Any]:
    return {**SINGLE, **changed}


def family(
    children: list[tuple[str, str, str]], category: str = "SHIRT", names: tuple[str, str] = ("Color", "Size"), **changed: Any
) -> list[dict[str, Any]]:
    """A parent and its children from (SKU, first option, second option)."""
    shared = {
        "title": "Linen Shirt",
        "category": category,
        "option1_name": names[0],
        "option2_name": names[1],
        "mpn": None,
        **changed,
    }
    parent = single(
        **{
            **shared,
            "sku": "SHIRT",
            "role": "parent",
            "variant_id": None,
            "gtin": None,
            "price": None,
            "quantity": None,
            "available": None,
        }
    )
    rows = [parent]
    for number, (sku, first, second) in enumerate(children):
        own = {
            "sku": sku,
            "role": "child",
            "parent_sku": "SHIRT",
            "variant_id": str(100 + number),
            "option1": first,
            "option2": second,
        }
        images = [f"https://cdn.example.com/{sku}.jpg", "https://cdn.example.com/shirt.jpg"]
        rows.append(single(**{"images": images, **shared, **own}))
    return rows


def frame(*rows: dict[str, Any]) -> pd.DataFrame:
    return to_frame(pa.Table.from_pylist(list(rows), schema=LISTINGS))


def unpacked(found: Outcome | pa.Table) -> list[Message | InvalidMessage]:
    """Messages one by one, then what was refused."""
    table, refused = (found.messages, found.refused) if isinstance(found, Outcome) else (found, ())
    return [*(Message(**row) for row in table.to_pylist()), *refused]


def packable(messages: Iterable[tuple[str, str, bytes]]) -> list[pa.Table]:
    """What a feed is packed from, of (SKU, operation, payload)."""
    names = ("sku", "operation", "payload")
    schema = pa.schema([MESSAGES.field(name) for name in names])
    return [pa.Table.from_pylist([dict(zip(names, message, strict=True)) for message in messages], schema)]
