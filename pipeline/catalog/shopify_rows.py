"""Rows of one product from its bulk records: the shapes of Shopify's Admin GraphQL API, old and new.

Anything of the wrong shape raises TypeError, AttributeError, KeyError, ValueError or IndexError; the caller rejects the row.
"""

from __future__ import annotations

from hashlib import blake2b
from operator import itemgetter
from typing import Any

from pipeline.catalog.shopify_gid import VARIANT
from pipeline.catalog.values import GRAMS, json_text

Record = dict[str, Any]
#: Number of the id, line, record (None: broken, already rejected).
Variant = tuple[str, int, "Record | None"]

_FIRST = itemgetter(0)
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
        self.variants: list[Variant] = []
        self.owned = {gid: gid}
        self.images: dict[str, dict[str, None]] = {}
        self.metafields: dict[str, dict[str, str]] = {}
        self.levels: dict[str, list[Record]] = {}
        self.lines: list[bytes] = [source]  # all but media, whose order says something
        self.media: list[bytes] = []


def ordered(variants: list[Variant]) -> list[Variant]:
    """By position, where every variant has one; else as they stand."""
    positions = [record.get("position") if record else 0 for _, _, record in variants]
    if positions == list(range(1, len(positions) + 1)) or not all(position.__class__ is int for position in positions):
        return variants
    return [variant for _, variant in sorted(zip(positions, variants, strict=True), key=_FIRST)]


def options(product: ProductLines) -> tuple[list[str], bool]:
    """Names of the options, and whether it is the hidden "Title / Default Title" of a product without options."""
    found = product.record.get("options") or []
    if found and all(isinstance(option.get("position"), int) for option in found):
        found = sorted(found, key=lambda option: option["position"])
    if not found:
        first: Record = next((record for _, _, record in product.variants if record), {})
        selected = first.get("selectedOptions")
        found = selected if isinstance(selected, list) and all(isinstance(option, dict) for option in selected) else []
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
    tags = get("tags") or []
    if tags.__class__ is not list:
        raise TypeError("tags")
    status = (get("status") or "active").lower()
    images = list(product.images.get(product.gid, ()))
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
        blake2b(seed + b"".join(lines), digest_size=16).hexdigest(),
        product.line,
    )


def add_variant(
    product: ProductLines,
    key: str,
    line: int,
    record: Record,
    place: int,
    names: list[str],
    hidden: bool,
    variants: list[tuple[Any, ...]],
    inventory: list[tuple[Any, ...]],
) -> None:
    """One row more in `variants`, one or more (each location) in `inventory`; neither when it raises."""
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
    option1 = option2 = option3 = None
    if not hidden:
        option1, option2, option3 = (*_option_values(record, names), None, None, None)[:3]
    owner = f"{VARIANT}/{key}"
    metafields = product.metafields.get(owner)
    images = product.images.get(owner)
    image = next(iter(images)) if images else (image_url(record) if "image" in record or "media" in record else None)
    oversell = policy.lower() == "continue" if policy else None
    row = (
        key, product.key, position or place, sku or None, barcode or None, option1 or None, option2 or None, option3 or None,
        price, list_price, cost["amount"] if cost else None, grams, image, item.get("requiresShipping"), None,
        json_text(metafields) if metafields else None, line,
    )  # fmt: skip
    levels = product.levels.get(owner) if product.levels else None
    places = _stock(levels) if levels else None
    if places:
        inventory.extend((key, product.key, place, quantity, tracked, oversell) for place, quantity in places)
    else:
        inventory.append((key, product.key, None, available, tracked, oversell))
    variants.append(row)


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
