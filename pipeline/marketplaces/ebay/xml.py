"""Small helpers over lxml for eBay's bulk XML: elements, never formatted text, so that no value of a catalog becomes markup."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from lxml import etree

from pipeline.marketplaces.data import read_yaml

NAMESPACE = "urn:ebay:apis:eBLBaseComponents"
_NSMAP: Any = {None: NAMESPACE}
#: Stands in MessageID until the hash of the request is known; as long as the hash.
_PLACEHOLDER = "0" * 12
_PLACEHOLDER_END = f":{_PLACEHOLDER}</MessageID>".encode()


@cache
def limits() -> Any:
    """`limits.yaml`."""
    return read_yaml(Path(__file__).with_name("limits.yaml"))


class _Tags(dict[str, str]):
    def __missing__(self, name: str) -> str:
        self[name] = tag = f"{{{NAMESPACE}}}{name}"
        return tag


_TAGS = _Tags()


def element(name: str) -> etree._Element:
    """An element without a parent."""
    return etree.Element(_TAGS[name], nsmap=_NSMAP)


def add(parent: etree._Element, name: str, text: str | None = None, **attributes: str) -> etree._Element:
    """A new last child; `text` may hold anything that XML can (else lxml raises ValueError)."""
    child = etree.SubElement(parent, _TAGS[name], attributes) if attributes else etree.SubElement(parent, _TAGS[name])
    if text is not None:
        child.text = text
    return child


def add_pairs(parent: etree._Element, pairs: Mapping[str, list[str]]) -> None:
    """NameValueList elements, one a name."""
    for name, values in pairs.items():
        pair = add(parent, "NameValueList")
        add(pair, "Name", name)
        for value in values:
            add(pair, "Value", value)


def request(name: str, store: str, sku: str, language: str) -> etree._Element:
    """An empty request."""
    root = element(f"{name}Request")
    add(root, "ErrorLanguage", language.replace("-", "_"))
    add(root, "MessageID")
    add(root, "Version", limits()["version"])
    add(root, "WarningLevel", "High")
    identify(root, store, sku)
    return root


def identify(root: etree._Element, store: str, sku: str) -> None:
    """Set the MessageID of a request. It comes back as CorrelationID: the only safe join of an answer to its SKU."""
    root[1].text = f"{store}:{sku}:{_PLACEHOLDER}"


def serialize(root: etree._Element) -> bytes:
    """The request as bytes, serialized once; its MessageID ends with a hash of them, so equal requests have equal ids."""
    content = etree.tostring(root, encoding="UTF-8", xml_declaration=False, pretty_print=True)
    digest = hashlib.blake2b(content, digest_size=6).hexdigest().encode()
    return content.replace(_PLACEHOLDER_END, b":" + digest + b"</MessageID>", 1)


def envelope(site_id: str) -> tuple[bytes, bytes]:
    """What stands before and after the requests of a file."""
    root = element("BulkDataExchangeRequests")
    header = add(root, "Header")
    add(header, "SiteID", site_id)
    add(header, "Version", limits()["version"])
    whole = etree.tostring(root, encoding="UTF-8", xml_declaration=True, pretty_print=True)
    end = b"</BulkDataExchangeRequests>"
    return whole[: whole.rindex(end)], end + b"\n"


@cache
def _ranks(name: str) -> Mapping[str, int]:
    return {_TAGS[child]: rank for rank, child in enumerate(limits()["order"][name])}


def out_of_order(parent: etree._Element, name: str) -> str | None:
    """The first child that the order table does not allow at its place; None when all is well."""
    ranks, last = _ranks(name), -1
    for child in parent:
        rank = ranks.get(child.tag, -1)
        if rank < last or rank < 0:
            return etree.QName(child).localname
        last = rank
    return None
