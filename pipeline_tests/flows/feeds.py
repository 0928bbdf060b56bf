"""What feed files say: the SKUs in each kind, and whether the marketplaces' own schemas take them."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from lxml import etree

from pipeline_tests.flows.place import Place
from pipeline_tests.marketplaces.schemas import amazon_feed, amazon_message, ebay_file

_EBAY = "{urn:ebay:apis:eBLBaseComponents}"
#: Characters that neither XML nor a page may show; tab, line feed and carriage return are the only others allowed.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]")
_ACTIVE = re.compile(r"<\s*(script|iframe|object|embed|style)\b|\bon\w+\s*=\s*[\"']|javascript:", re.IGNORECASE)


def skus(place: Place, found: Mapping[str, Any]) -> dict[str, list[str]]:
    """Feed kind -> SKUs in the order of the files, of one marketplace of a summary; kinds without any are absent."""
    result = defaultdict(list)
    for feed in found["feeds"]:
        content = place.path(feed).read_bytes()
        names = _amazon_skus(content) if feed["path"].endswith(".json") else _ebay_skus(content)
        assert (len(names), len(content)) == (feed["messages"], feed["bytes"])
        result[feed["kind"]] += names
    return dict(result)


def operations(place: Place, found: Mapping[str, Any]) -> dict[str, str]:
    """SKU -> Amazon's operation or eBay's request, of one marketplace of a summary."""
    result = {}
    for feed in found["feeds"]:
        content = place.path(feed).read_bytes()
        if feed["path"].endswith(".json"):
            result |= {message["sku"]: message["operationType"] for message in json.loads(content)["messages"]}
        else:
            root = etree.fromstring(content)
            result |= {_sku(request): etree.QName(request).localname.removesuffix("Request") for request in root[1:]}
    return result


def _amazon_skus(content: bytes) -> list[str]:
    return [message["sku"] for message in json.loads(content)["messages"]]


def _ebay_skus(content: bytes) -> list[str]:
    root = etree.fromstring(content)
    assert root.tag == f"{_EBAY}BulkDataExchangeRequests" and root[0].tag == f"{_EBAY}Header"
    return [_sku(request) for request in root[1:]]


def _sku(request: etree._Element) -> str:
    for path in ("Item/SKU", "InventoryStatus/SKU", "SKU"):
        found = request.findtext("/".join(_EBAY + part for part in path.split("/")))
        if found:
            return found
    raise AssertionError(f"no SKU in {etree.tostring(request)[:500]!r}")


def check_official(place: Place, found: Mapping[str, Any]) -> None:
    """Every message and file is valid against the marketplace's own schema."""
    for feed in found["feeds"]:
        content = place.path(feed).read_bytes()
        if feed["path"].endswith(".json"):
            amazon_feed()(json.loads(content))  # writes its defaults into what it checks
            for message in json.loads(content)["messages"]:
                amazon_message()(message)
        else:
            ebay_file().assertValid(etree.fromstring(content, etree.XMLParser(huge_tree=True)))


def check_harmless(place: Place, found: Mapping[str, Any]) -> None:
    """No script, frame, handler or control character in any text of any feed."""
    for feed in found["feeds"]:
        content = place.path(feed).read_bytes()
        texts = _json_texts(json.loads(content)) if feed["path"].endswith(".json") else _xml_texts(content)
        for text in texts:
            assert not _CONTROL.search(text), (feed["path"], text[:300])
            assert not _ACTIVE.search(text), (feed["path"], text[:300])


def _json_texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield name
            yield from _json_texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _json_texts(item)


def _xml_texts(content: bytes) -> Iterator[str]:
    for element in etree.fromstring(content, etree.XMLParser(huge_tree=True)).iter():
        yield element.text or ""
        yield from (str(value) for value in element.attrib.values())
