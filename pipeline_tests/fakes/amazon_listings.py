"""The Listings Items API of the fake Amazon: reading, searching and changing the same listings that feeds change."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline_tests.fakes.amazon_feeds import Attributes, Catalog, Key
from pipeline_tests.fakes.amazon_http import Call, Operation, Refused, Reply

_ITEM = r"/listings/2021-08-01/items/([^/]+)/([^/]+)"
OPERATIONS: list[Operation] = [
    ("GET", _ITEM, "getListingsItem"),
    ("PUT", _ITEM, "putListingsItem"),
    ("PATCH", _ITEM, "patchListingsItem"),
    ("DELETE", _ITEM, "deleteListingsItem"),
    ("GET", r"/listings/2021-08-01/items/([^/]+)", "searchListingsItems"),
]
#: [requests a second, burst]; VALIDATION_PREVIEW has a limit of its own, whatever the operation.
RATES: dict[str, tuple[float, float]] = {
    "getListingsItem": (5, 10), "putListingsItem": (5, 10), "patchListingsItem": (5, 5), "deleteListingsItem": (5, 5),
    "searchListingsItems": (5, 5), "VALIDATION_PREVIEW": (1, 1),
}  # fmt: skip
#: Paging ends here, however many there are.
SEARCH_ENDS = 1000
_GTIN = ("EAN", "GTIN", "UPC")


def no_issues(sku: str, body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What a preview finds; `FakeAmazon.preview` may be any such function."""
    return []


class ListingsItems:
    """Operations by name, as in `FakeAmazon`."""

    catalog: Catalog
    sells_on: set[str]
    preview: Any
    seller_id: str

    def getListingsItem(self, call: Call) -> Reply:
        sku = self._own(call)
        found = [item for site in self._sites(call) if (item := self._item((site, sku), call)) is not None]
        if not found:
            raise Refused(404, "NOT_FOUND", f"SKU '{sku}' not found in marketplace {call.query['marketplaceIds'][0]}")
        return Reply(200, found[0])

    def searchListingsItems(self, call: Call) -> Reply:
        self._own(call)
        (site,) = self._sites(call)
        wanted, kind = _values(call, "identifiers"), call.query.get("identifiersType", [""])[0]
        if wanted and not kind:
            raise Refused(400, "InvalidInput", "identifiersType is required with identifiers")
        keys = [key for key in self._keys(site) if not wanted or self._matches(key, kind, set(wanted))]
        start, size = int(call.query.get("pageToken", ["0"])[0]), int(call.query.get("pageSize", ["10"])[0])
        end = min(start + size, len(keys), SEARCH_ENDS)
        body: dict[str, Any] = {"numberOfResults": len(keys), "items": [self._item(key, call) for key in keys[start:end]]}
        if end < min(len(keys), SEARCH_ENDS):
            body["pagination"] = {"nextToken": str(end)}
        return Reply(200, body)

    def putListingsItem(self, call: Call) -> Reply:
        return self._submit(call, lambda key: self.catalog.put(key, call.json["productType"], call.json["attributes"]))

    def patchListingsItem(self, call: Call) -> Reply:
        return self._submit(call, lambda key: self.catalog.patch(key, call.json["patches"]))

    def deleteListingsItem(self, call: Call) -> Reply:
        return self._submit(call, self.catalog.delete)

    def _submit(self, call: Call, change: Any) -> Reply:
        sku, sites = self._own(call), self._sites(call)
        body = {"sku": sku, "submissionId": secrets.token_hex(16), "issues": []}
        if sku in self.catalog.refuses:
            named = {"categories": ["INVALID_ATTRIBUTE"], **self.catalog.refuses[sku]}
            attribute = named.pop("attributeName", None)
            issue = {**named, "attributeNames": [attribute]} if attribute else named
            return Reply(200, {**body, "status": "INVALID", "issues": [issue]})
        if call.query.get("mode"):
            issues = self.preview(sku, call.json)
            invalid = any(issue["severity"] == "ERROR" for issue in issues)
            return Reply(200, {**body, "status": "INVALID" if invalid else "VALID", "issues": issues})
        for site in sites:
            change((site, sku))
        if "identifiers" in _values(call, "includedData"):
            body["identifiers"] = [{"marketplaceId": site, "asin": self.catalog.asin((site, sku))} for site in sites]
        return Reply(200, {**body, "status": "ACCEPTED"})

    def _own(self, call: Call) -> str:
        """The last part of the path, of this seller."""
        if call.parts[0] != self.seller_id:
            raise Refused(403, "Unauthorized", "Access to requested resource is denied.")
        return call.key

    def _sites(self, call: Call) -> list[str]:
        sites = _values(call, "marketplaceIds")
        if not sites or not set(sites) <= self.sells_on:
            raise Refused(400, "InvalidInput", f"Invalid marketplaces {', '.join(sites)}")
        return sites

    def _keys(self, site: str) -> Iterator[Key]:
        known = {**self.catalog.listings, **self.catalog._before}
        return iter(sorted(key for key in known if key[0] == site and self.catalog.seen(key) is not None))

    def _matches(self, key: Key, kind: str, wanted: set[str]) -> bool:
        if kind in _GTIN:
            found = (self.catalog.seen(key) or {}).get("externally_assigned_product_identifier", [])
            return any(_same_kind(one["type"], kind) and one["value"] in wanted for one in found)
        return (self.catalog.asin(key) if kind == "ASIN" else key[1]) in wanted

    def _item(self, key: Key, call: Call) -> dict[str, Any] | None:
        attributes = self.catalog.seen(key)
        if attributes is None:
            return None
        parts = {
            "summaries": lambda: [self.catalog.summary(key)],
            "attributes": lambda: attributes,
            "issues": lambda: self.catalog.issues(key[1]),
            "offers": lambda: _offers(key[0], attributes),
            "fulfillmentAvailability": lambda: _availability(attributes),
            "productTypes": lambda: [{"marketplaceId": key[0], "productType": self.catalog.summary(key)["productType"]}],
            "relationships": lambda: [],
            "procurement": lambda: [],
        }
        return {"sku": key[1], **{name: parts[name]() for name in _values(call, "includedData") or ["summaries"]}}


def _values(call: Call, name: str) -> list[str]:
    """Values of a list; a comma always separates, so that no value can have one."""
    return [part for value in call.query.get(name, []) for part in value.split(",") if part]


def _same_kind(found: str, asked: str) -> bool:
    return asked == "GTIN" or found.upper() == asked


def _offers(site: str, attributes: Attributes) -> list[dict[str, Any]]:
    return [
        {
            "marketplaceId": site, "offerType": "B2B" if offer.get("audience") == "B2B" else "B2C",
            "price": {"currencyCode": offer["currency"], "amount": str(offer["our_price"][0]["schedule"][0]["value_with_tax"])},
        }
        for offer in attributes.get("purchasable_offer", []) if offer.get("our_price")
    ]  # fmt: skip


def _availability(attributes: Attributes) -> list[dict[str, Any]]:
    return [
        {
            "fulfillmentChannelCode": one["fulfillment_channel_code"],
            **({"quantity": one["quantity"]} if "quantity" in one else {}),
        }
        for one in attributes.get("fulfillment_availability", [])
    ]
