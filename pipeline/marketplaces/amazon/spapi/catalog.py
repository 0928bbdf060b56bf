"""Catalog Items API 2022-04-01: which items of Amazon's catalog have a GTIN."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.marketplaces.amazon.spapi.answers import object_of, objects, said
from pipeline.marketplaces.amazon.spapi.client import SpApi
from pipeline.marketplaces.amazon.values import GTIN_TYPES
from pipeline.marketplaces.live import CatalogItem
from pipeline.model.listing import Site
from pipeline.platform.http import ApiError

MOST_GTINS = 20
_MAX_PAGES = 50
_ASIN = re.compile(r"[A-Z0-9]{10}")


def items(api: SpApi, site: Site, gtins: Sequence[str]) -> dict[str, list[CatalogItem]]:
    """The items for each GTIN, by ASIN; at most 20 GTINs at a time. Those that are no GTIN by their length have none."""
    found: dict[str, dict[str, CatalogItem]] = {gtin: {} for gtin in gtins}
    by_type: defaultdict[str, list[str]] = defaultdict(list)
    for gtin in dict.fromkeys(gtins):
        if len(gtin) in GTIN_TYPES and gtin.isascii() and gtin.isdigit():
            by_type[GTIN_TYPES[len(gtin)].upper()].append(gtin)
    for kind, numbers in by_type.items():
        wanted: defaultdict[str, list[str]] = defaultdict(list)
        for number in numbers:
            wanted[number.zfill(14)].append(number)
        params: dict[str, str | int] = {
            "identifiers": ",".join(numbers), "identifiersType": kind, "marketplaceIds": site.marketplace_id,
            "includedData": "identifiers,summaries,productTypes", "pageSize": MOST_GTINS,
        }  # fmt: skip
        for row in _pages(api, params):
            item = _item(row, site)
            for number in _identifiers(row, site) if item is not None else ():
                for gtin in wanted.get(number, ()):
                    found[gtin][row["asin"]] = item  # type: ignore[assignment]
    return {gtin: [known[asin] for asin in sorted(known)] for gtin, known in found.items()}


def _pages(api: SpApi, params: dict[str, str | int]) -> list[Mapping[str, Any]]:
    rows: list[Mapping[str, Any]] = []
    for _ in range(_MAX_PAGES):
        found = object_of(api.call("searchCatalogItems", "GET", "catalog/2022-04-01/items", params=params))
        rows += objects(found, "items")
        pagination = found.get("pagination")
        token = pagination.get("nextToken") if isinstance(pagination, dict) else None
        if not isinstance(token, str) or not token:
            return rows
        params = {**params, "pageToken": token}
    raise ApiError("Amazon", f"Amazon's catalog has more than {_MAX_PAGES * MOST_GTINS} items for {MOST_GTINS} GTINs")


def _item(row: Mapping[str, Any], site: Site) -> CatalogItem | None:
    asin = row.get("asin")
    if not isinstance(asin, str) or not _ASIN.fullmatch(asin):
        return None
    summary = next((one for one in objects(row, "summaries") if one.get("marketplaceId") == site.marketplace_id), {})
    kind = next((one for one in objects(row, "productTypes") if one.get("marketplaceId") == site.marketplace_id), {})
    category = said(kind, "productType", 100)
    return CatalogItem(asin, said(summary, "itemName", 120), category if re.fullmatch("[A-Z0-9_]+", category or "") else None)


def _identifiers(row: Mapping[str, Any], site: Site) -> set[str]:
    """The GTINs of an item, with 14 digits."""
    of_site = (one for one in objects(row, "identifiers") if one.get("marketplaceId") == site.marketplace_id)
    texts = (one.get("identifier") for group in of_site for one in objects(group, "identifiers"))
    return {text.zfill(14) for text in texts if isinstance(text, str) and text.isascii() and text.isdigit()}
