"""Rows of one product from its bulk records: the shapes of Shopify's Admin GraphQL API, old and new.

Anything of the wrong shape raises one of WRONG; the caller rejects the row.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from operator import itemgetter
from typing import Any

import orjson

from pipeline.catalog.values import GRAMS, json_text

Record = dict[str, Any]
Row = tuple[Any, ...]
#: Id, its number, line, record (None: broken, already rejected).
Variant = tuple[str, str, int, "Record | None"]

#: What a wrong shape raises.
WRONG = (TypeError, AttributeError, KeyError, ValueError, IndexError)
_FIRST = itemgetter(0)
_VALUE = itemgetter("value")
_VARIANT_FIELDS = (
    "position", "sku", "barcode", "price", "compareAtPrice", "inventoryPolicy", "inventoryQuantity", "inventoryItem",
)  # fmt: skip
#: All in one call; queries that did not ask for some of these take the slower way.
_VARIANT = itemgetter(*_VARIANT_FIELDS)


class ProductLines:
    """What was read of one product. `broken` is why it cannot become rows; `owned` maps the ids whose children are ours to
    the id of their owner (product or variant), by which images, metafields and stock levels are kept."""

    __slots__ = (
        "broken",
        "children",
        "gid",
        "images",
        "key",
        "levels",
        "line",
        "metafields",
        "owned",
        "record",
        "source",
        "variants",
    )

    def __init__(self, gid: str, key: str, line: int, source: bytes, record: Record, broken: str | None) -> None:
        self.gid, self.key, self.line, self.source, self.record, self.broken = gid, key, line, source, record, broken
        self.children = 0  # lines
        self.variants: list[Variant] = []
        self.owned: dict[str | None, str] = {gid: gid}
        self.images: defaultdict[str, dict[str, None]] = defaultdict(dict)
        self.metafields: defaultdict[str, dict[str, str]] = defaultdict(dict)
        self.levels: defaultdict[str, list[Record]] = defaultdict(list)


def ordered(variants: list[Variant]) -> list[Variant]:
    """By position, where every variant has one; else as they stand."""
    positions = [record.get("position") if record else 0 for _, _, _, record in variants]
    if positions == list(range(1, len(positions) + 1)) or not all(position.__class__ is int for position in positions):
        return variants
    return [variant for _, variant in sorted(zip(positions, variants, strict=True), key=_FIRST)]


def options(product: ProductLines) -> tuple[list[str], bool]:
    """Names of the options, and whether it is the hidden "Title / Default Title" of a product without options."""
    found = product.record.get("options") or []
    if len(found) > 1 and all(isinstance(option.get("position"), int) for option in found):
        found = sorted(found, key=lambda option: option["position"])
    if not found:
        first: Record = next((record for _, _, _, record in product.variants if record), {})
        selected = first.get("selectedOptions")
        found = selected if isinstance(selected, list) and all(isinstance(option, dict) for option in selected) else []
    names = [option["name"] for option in found]
    if names != ["Title"]:
        return names[:3], False
    values = [_option_values(record, names) for _, _, _, record in product.variants if record]
    hidden = all(value in ([], ["Default Title"]) for value in values)
    return ([], True) if hidden else (names, False)


def _option_values(record: Record, names: list[str]) -> list[Any]:
    selected = record.get("selectedOptions")
    if selected is not None:
        return list(map(_VALUE, selected))
    title = record.get("title")  # "Red / M" in queries without selectedOptions
    values = title.split(" / ") if title else []
    return values if len(values) == len(names) else ([title] if title else [])


def product_row(product: ProductLines, names: list[str], variants: Sequence[Row], inventory: Sequence[Row], seed: bytes) -> Row:
    """The row, with the hash of all rows of the product."""
    record = product.record
    get = record.get
    seo = get("seo") or {}
    category = get("category") or (get("productCategory") or {}).get("productTaxonomyNode") or {}
    tags = get("tags") or []
    if tags.__class__ is not list:
        raise TypeError("tags")
    status = (get("status") or "active").lower()
    images = list(product.images.get(product.gid, ()))
    if not images:
        featured = image_url(get("featuredMedia") or {"image": get("featuredImage")})
        images = [featured] if featured else []
    option1, option2, option3 = [*names, None, None, None][:3]
    row = (
        product.key,
        get("handle") or None,
        get("title") or None,
        get("descriptionHtml") or get("bodyHtml") or None,
        get("vendor") or None,
        get("productType") or None,
        category.get("fullName") or None,
        tags,
        status if status in ("active", "archived") else "draft",
        get("isGiftCard") or False,
        seo.get("title") or None,
        seo.get("description") or None,
        option1,
        option2,
        option3,
        images,
        json_text(product.metafields.get(product.gid, {})),
    )
    said = orjson.dumps((row, [variant[:-1] for variant in variants], inventory))  # lines move without a change
    return (*row, blake2b(seed + said, digest_size=16).hexdigest(), product.line)


def variant_rows(
    product: ProductLines, variants: Iterable[Variant], names: list[str], hidden: bool
) -> tuple[list[Row], list[Row], list[Variant]]:
    """A row for each variant; a stock row for each variant and location; the variants that cannot be read."""
    rows: list[Row] = []
    inventory: list[Row] = []
    misshapen: list[Variant] = []
    product_key, all_images, all_levels, all_metafields = product.key, product.images, product.levels, product.metafields
    option1 = option2 = option3 = None
    for place, variant in enumerate(variants, 1):
        owner, key, line, record = variant
        if record is None:
            continue
        try:
            try:
                position, sku, barcode, price, list_price, policy, available, item = _VARIANT(record)
            except KeyError:
                position, sku, barcode, price, list_price, policy, available, item = map(record.get, _VARIANT_FIELDS)
            item = item or {}
            tracked, cost, measurement = item.get("tracked"), item.get("unitCost"), item.get("measurement")
            weight = measurement["weight"] if measurement else None
            grams = None
            if weight and weight["value"] is not None:
                grams = weight["value"] * GRAMS[weight["unit"]]
            elif record.get("weight") is not None:
                grams = record["weight"] * GRAMS[record["weightUnit"]]
            if not hidden:
                option1, option2, option3, *_ = (*_option_values(record, names), None, None, None)
            metafields, images = all_metafields.get(owner), all_images.get(owner)
            image = next(iter(images)) if images else (image_url(record) if "image" in record or "media" in record else None)
            oversell = policy.lower() == "continue" if policy else None
            places = _stock(all_levels[owner]) if owner in all_levels else None
            rows.append((
                key, product_key, position or place, sku or None, barcode or None, option1 or None, option2 or None,
                option3 or None, price, list_price, cost["amount"] if cost else None, grams, image,
                item.get("requiresShipping"), None, json_text(metafields) if metafields else None, line,
            ))  # fmt: skip
        except WRONG:
            misshapen.append(variant)
            continue
        for location, quantity in places or ((None, available),):
            inventory.append((key, product_key, location, quantity, tracked, oversell))
    return rows, inventory, misshapen


def _stock(levels: list[Record]) -> list[tuple[str | None, Any]]:
    """Location and available quantity of each active level, in the words of either API generation."""
    found = []
    for level in levels:
        if level.get("isActive") is not False:
            location = level.get("location") or {}
            quantities = level.get("quantities") or []
            available = next((item["quantity"] for item in quantities if item["name"] == "available"), level.get("available"))
            found.append((location.get("name") or (location.get("id") or "").rpartition("/")[2] or None, available))
    return found


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
