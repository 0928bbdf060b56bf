"""Listings Items API 2021-08-01: the account's own listings, read, searched and changed one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from pipeline.marketplaces.amazon.report import listing_facts, listing_issues
from pipeline.marketplaces.amazon.spapi.answers import object_of, odd, text_of
from pipeline.marketplaces.amazon.spapi.client import SpApi
from pipeline.marketplaces.live import Answered, RemoteListing
from pipeline.model.listing import Site
from pipeline.platform.http import ApiError

_API = "listings/2021-08-01/items"
#: Most identifiers of a search, and most items of a page.
BATCH = 20
_INCLUDED = "summaries,attributes,issues"
#: Searches by identifier end long before this; a listing may have few SKUs of one GTIN.
_MAX_PAGES = 50
#: Digits of a GTIN -> what Amazon calls it.
_GTIN_TYPES = {8: "EAN", 12: "UPC", 13: "EAN", 14: "GTIN"}


class AmazonListings:
    """The listings of one seller on one site."""

    def __init__(self, api: SpApi, site: Site) -> None:
        self._api, self._site = api, site

    def close(self) -> None:
        self._api.close()

    def find(self, skus: Sequence[str]) -> Iterator[RemoteListing]:
        # A comma separates the values of a list, encoded or not.
        together = [sku for sku in skus if "," not in sku]
        for start in range(0, len(together), BATCH):
            yield from self._search(together[start : start + BATCH], "SKU")
        for sku in skus:
            if "," in sku and (found := self.get(sku)) is not None:
                yield found

    def find_gtins(self, gtins: Sequence[str]) -> Iterator[RemoteListing]:
        by_type: dict[str, list[str]] = {}
        for gtin in gtins:
            if (kind := _GTIN_TYPES.get(len(gtin))) is not None:
                by_type.setdefault(kind, []).append(gtin)
        for kind, values in by_type.items():
            for start in range(0, len(values), BATCH):
                yield from self._search(values[start : start + BATCH], kind)

    def get(self, sku: str) -> RemoteListing | None:
        params = {"marketplaceIds": self._site.marketplace_id, "includedData": _INCLUDED}
        try:
            answer = self._api.call("getListingsItem", "GET", self._path(sku), params=params)
        except ApiError as error:
            if error.status == 404:
                return None
            raise
        return self._listing(object_of(answer))

    def patch(self, sku: str, category: str, patches: Sequence[Mapping[str, Any]]) -> Answered:
        params = {"marketplaceIds": self._site.marketplace_id}
        body = {"productType": category, "patches": list(patches)}
        return self._answered(sku, self._api.call("patchListingsItem", "PATCH", self._path(sku), params=params, json=body))

    def preview(self, sku: str, body: Mapping[str, Any]) -> Answered:
        params = {"marketplaceIds": self._site.marketplace_id, "mode": "VALIDATION_PREVIEW"}
        method = "PATCH" if "patches" in body else "PUT"
        return self._answered(sku, self._api.call("VALIDATION_PREVIEW", method, self._path(sku), params=params, json=body))

    def _search(self, identifiers: Sequence[str], kind: str) -> Iterator[RemoteListing]:
        params: dict[str, str | int] = {
            "marketplaceIds": self._site.marketplace_id, "identifiers": ",".join(identifiers), "identifiersType": kind,
            "includedData": _INCLUDED, "pageSize": BATCH,
        }  # fmt: skip
        for _ in range(_MAX_PAGES):
            path = f"{_API}/{quote(self._api.seller_id, safe='')}"
            found = object_of(self._api.call("searchListingsItems", "GET", path, params=params))
            items = found.get("items")
            if not isinstance(items, list):
                raise odd("a list of items")
            yield from (self._listing(item) for item in items if isinstance(item, dict))
            pagination = found.get("pagination")
            token = pagination.get("nextToken") if isinstance(pagination, dict) else None
            if not isinstance(token, str) or not token:
                return
            params = {**params, "pageToken": token}

    def _listing(self, item: Mapping[str, Any]) -> RemoteListing:
        sku, attributes = text_of(item, "sku"), item.get("attributes")
        facts = listing_facts(item, self._site.marketplace_id)
        types = [one.get("productType") for one in item.get("summaries") or () if isinstance(one, dict)]
        return RemoteListing(
            sku, facts.item_id, next((one for one in types if isinstance(one, str)), None), facts.status,
            attributes if isinstance(attributes, dict) else {}, tuple(listing_issues(sku, item.get("issues"))),
        )  # fmt: skip

    def _answered(self, sku: str, answer: Any) -> Answered:
        found = object_of(answer)
        return Answered(text_of(found, "status") in ("ACCEPTED", "VALID"), tuple(listing_issues(sku, found.get("issues"))))

    def _path(self, sku: str) -> str:
        return f"{_API}/{quote(self._api.seller_id, safe='')}/{quote(sku, safe='')}"
