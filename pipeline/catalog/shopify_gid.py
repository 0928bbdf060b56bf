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
_ITEM = re.compile(rb'"(gid:\\?/\\?/shopify\\?/InventoryItem\\?/\d+)"')
_COMPACT = b'"__parentId":"'

#: Where Shopify writes them, ids that are numbers: the parent at the very end of a line, the line's own id at its start.
_NUMBERED = rb'"(?P<id>gid:\\?/\\?/shopify\\?/\w+\\?/(?P<number>[0-9]{1,18}))"'
PARENT_LAST = re.compile(rb'"__parentId":' + _NUMBERED + rb"\}\n\Z")
OWN_FIRST = re.compile(rb'\A\{(?:"__typename":"\w*",)?"id":' + _NUMBERED)


def written_parent(line: bytes) -> bytes:
    """The parent's id as it is written in a record, by a search in its bytes; b"" when it has none.

    A quote inside a JSON string is escaped, so that no text of a merchant can look like this key.
    """
    start = line.rfind(_COMPACT) + len(_COMPACT)
    if start >= len(_COMPACT):
        end = line.find(b'"', start)
        return line[start:end] if end > 0 else b""
    found = _PARENT.search(line) if b'"__parentId"' in line else None
    return found[1] if found else b""


def find_own_gid(line: bytes) -> str:
    """The id of a record; the first id of a line that is broken; else ""."""
    found = _OWN_FIRST.match(line)
    if found:
        return plain(found[1])
    try:
        gid = orjson.loads(line)["id"]
    except (ValueError, TypeError, KeyError):
        found = _OWN.search(line)
        return plain(found[1]) if found else ""
    return gid if isinstance(gid, str) else ""


def find_inventory_item(line: bytes) -> str:
    """The id of a variant's inventory item, or ""."""
    found = _ITEM.search(line)
    return plain(found[1]) if found else ""


def plain(gid: bytes) -> str:
    """An id as it is written, without the escapes of its slashes."""
    return gid.replace(b"\\", b"").decode("utf-8", "replace")


def guess_head(record: dict[str, Any]) -> str:
    """The type of a child whose query did not ask for its id, by what it holds; "" when that is not clear."""
    if "namespace" in record and "key" in record:
        return METAFIELD
    if any(name in record for name in ("image", "preview", "url", "src", "originalSrc")):
        return _ROOT + "MediaImage"
    if "quantities" in record or "available" in record:
        return INVENTORY_LEVEL
    return ""
