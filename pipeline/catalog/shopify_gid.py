"""Shopify's global ids (`gid://shopify/Product/123`): the types we know, and finding ids in raw bytes without decoding."""

from __future__ import annotations

import re
from typing import Any

import orjson

_ROOT = "gid://shopify/"
PRODUCT = _ROOT + "Product"
VARIANT = _ROOT + "ProductVariant"
METAFIELD = _ROOT + "Metafield"
COLLECTION = _ROOT + "Collection"
INVENTORY_ITEM = _ROOT + "InventoryItem"
INVENTORY_LEVEL = _ROOT + "InventoryLevel"
MEDIA = frozenset(
    _ROOT + name for name in ("MediaImage", "ProductImage", "Image", "ImageSource", "Video", "ExternalVideo", "Model3d")
)

#: Some Shopify versions escape the slashes (`gid:\/\/shopify\/Product\/1`).
_GID = rb'"(gid:\\?/\\?/shopify\\?/\w+\\?/[^"]*)"'
_OWN_FIRST = re.compile(rb'\s*\{\s*(?:"__typename"\s*:\s*"\w*"\s*,\s*)?"id"\s*:\s*' + _GID)
_OWN = re.compile(rb'"id"\s*:\s*' + _GID)
_PARENT = re.compile(rb'"__parentId"\s*:\s*' + _GID)
_ITEM = re.compile(rb'"gid:\\?/\\?/shopify\\?/InventoryItem\\?/(\d+)"')
_PARENT_KEY = b'"__parentId"'


def find_gids(line: bytes) -> tuple[str, str]:
    """The id and the parent's id of a record by a search in its bytes; "" for each that is not there.

    A quote inside a JSON string is escaped, so that no text of a merchant can look like these keys.
    """
    at = line.rfind(_PARENT_KEY)
    parent = _PARENT.match(line, at) if at >= 0 else None
    own = _OWN_FIRST.match(line)
    return _text(own) if own else _decoded_id(line), _text(parent)


def find_inventory_item(line: bytes) -> str:
    """The number of a variant's inventory item, or ""."""
    found = _ITEM.search(line)
    return found[1].decode() if found else ""


def _decoded_id(line: bytes) -> str:
    """The id of a record that does not begin with it; the first id of a line that is broken."""
    try:
        gid = orjson.loads(line)["id"]
    except (ValueError, TypeError, KeyError):
        return _text(_OWN.search(line))
    return gid if isinstance(gid, str) else ""


def _text(found: re.Match[bytes] | None) -> str:
    return found[1].replace(b"\\", b"").decode("utf-8", "replace") if found else ""


def guess_head(record: dict[str, Any]) -> str:
    """The type of a child whose query did not ask for its id, by what it holds; "" when that is not clear."""
    if "namespace" in record and "key" in record:
        return METAFIELD
    if any(name in record for name in ("image", "preview", "url", "src", "originalSrc")):
        return _ROOT + "MediaImage"
    if "quantities" in record or "available" in record:
        return INVENTORY_LEVEL
    return ""
