"""Rows of one product from its bulk records: the shapes of Shopify's Admin GraphQL API, old and new.

Anything of the wrong shape raises TypeError, AttributeError, KeyError, ValueError or IndexError; the caller rejects the row.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

from pipeline.catalog.shopify_gid import VARIANT
from pipeline.catalog.values import grams, json_text

Record = dict[str, Any]


class ProductLines:
    """What was read of one product. `broken` is why it cannot become rows, `owned` the metafields and images by variant."""

    __slots__ = (
        "broken",
        "gid",
        "images",
        "key",
        "levels",
        "line",
        "lines",
        "media",
        "metafields",
        "owned",
        "record",
        "variants",
    )

    def __init__(self, gid: str, key: str, line: int, source: bytes, record: Record, broken: str | None) -> None:
        self.gid, self.key, self.line, self.record, self.broken = gid, key, line, record, broken
        self.variants: list[tuple[str, int, Record | None]] = []
        self.images: dict[str, None] = {}
        self.metafields: dict[str, Any] = {}
        self.owned: dict[str, tuple[dict[str, Any], list[str]]] = {gid: ({}, [])}
        self.levels: dict[str, list[Record]] = {}
        self.lines: list[bytes] = [source]
        self.media: list[bytes] = []


def ordered(variants: list[tuple[str, int, Record | None]]) -> list[tuple[str, int, Record | None]]:
    """By position, where every variant has one; else as they stand."""
    positions = [record.get("position") for _, _, record in variants if record is not None]
    if all(isinstance(position, int) for position in positions):
        return sorted(variants, key=lambda item: item[2]["position"] if item[2] else 0)
    return variants


def options(product: ProductLines) -> tuple[list[str], bool]:
    """Names of the options, and whether it is the hidden "Title / Default Title" of a product without options."""
    found = product.record.get("options") or []
    if found and all(isinstance(option.get("position"), int) for option in found):
        found = sorted(found, key=lambda option: option["position"])
    if not found:
        first: Record = next((record for _, _, record in product.variants if record), {})
        found = first.get("selectedOptions") or []
    names = [option["name"] for option in found]
    if names != ["Title"]:
        return names[:3], False
    values = [_option_values(record, names) for _, _, record in product.variants if record]
    hidden = all(value in ([], ["Default Title"]) for value in values)
    return ([], True) if hidden else (names, False)


def _option_values(record: Record, names: list[str]) -> list[Any]:
    selected = record.get("selectedOptions")
    if selected is not None:
        return [option["value"] for option in selected]
    title = record.get("title")  # "Red / M" in queries without selectedOptions
    values = title.split(" / ") if title else []
    return values if len(values) == len(names) else ([title] if title else [])


def product_row(product: ProductLines, names: list[str], seed: bytes) -> tuple[Any, ...]:
    record = product.record
    get = record.get
    seo = get("seo") or {}
    category = get("category") or (get("productCategory") or {}).get("productTaxonomyNode") or {}
    status = (get("status") or "active").lower()
    images = list(product.images)
    if not images:
        featured = image_url(get("featuredMedia") or {"image": get("featuredImage")})
        images = [featured] if featured else []
    option1, option2, option3 = [*names, None, None, None][:3]
    lines = [product.lines[0], *sorted(product.lines[1:]), *product.media]
    return (
        product.key,
        get("handle") or None,
        get("title") or None,
        get("descriptionHtml") or get("bodyHtml") or None,
        get("vendor") or None,
        get("productType") or None,
        category.get("fullName") or None,
        get("tags") or [],
        status if status in ("active", "archived") else "draft",
        get("isGiftCard") or False,
        seo.get("title") or None,
        seo.get("description") or None,
        option1,
        option2,
        option3,
        images,
        json_text(product.metafields),
        blake2b(seed + b"\n".join(lines), digest_size=16).hexdigest(),
        product.line,
    )


def variant_row(
    product: ProductLines, key: str, line: int, record: Record, position: int, names: list[str], hidden: bool
) -> tuple[Any, ...]:
    get = record.get
    item = get("inventoryItem") or {}
    weight = (item.get("measurement") or {}).get("weight") or {}
    metafields, images = product.owned[f"{VARIANT}/{key}"]
    option1, option2, option3 = (None, None, None) if hidden else [*_option_values(record, names), None, None, None][:3]
    cost = item.get("unitCost") or {}
    return (
        key,
        product.key,
        get("position") or position,
        get("sku") or None,
        get("barcode") or None,
        option1 or None,
        option2 or None,
        option3 or None,
        get("price"),
        get("compareAtPrice"),
        cost.get("amount"),
        grams(weight.get("value", get("weight")), weight.get("unit", get("weightUnit"))),
        (image_url(record) or None) if not images else images[0],
        item.get("requiresShipping"),
        None,
        json_text(metafields) if metafields else None,
        line,
    )


def inventory_rows(product: ProductLines, key: str, record: Record) -> list[tuple[Any, ...]]:
    item = record.get("inventoryItem") or {}
    tracked = item.get("tracked")
    policy = record.get("inventoryPolicy")
    oversell = policy.lower() == "continue" if policy else None
    levels = product.levels.get(f"{VARIANT}/{key}") if product.levels else None
    if not levels:
        return [(key, product.key, None, record.get("inventoryQuantity"), tracked, oversell)]
    rows = []
    for level in levels:
        if level.get("isActive") is False:
            continue
        location = level.get("location") or {}
        quantities = level.get("quantities") or []
        available = next((q["quantity"] for q in quantities if q["name"] == "available"), level.get("available"))
        place = location.get("name") or (location.get("id") or "").rpartition("/")[2] or None
        rows.append((key, product.key, place, available, tracked, oversell))
    return rows or [(key, product.key, None, record.get("inventoryQuantity"), tracked, oversell)]


def image_url(record: Record) -> str | None:
    """The address of an image in any of the shapes of the API; None for videos and 3d models."""
    if record.get("mediaContentType") not in (None, "IMAGE"):
        return None
    preview = record.get("preview")
    for holder in (record.get("image"), record, preview.get("image") if isinstance(preview, dict) else None):
        if isinstance(holder, dict):
            url = holder.get("url") or holder.get("src") or holder.get("originalSrc") or holder.get("transformedSrc")
            if isinstance(url, str):
                return url
    return None
