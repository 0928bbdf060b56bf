"""What happens to a feed inside the fake Amazon: its way through the five statuses, its effects on listings, its report."""

from __future__ import annotations

import copy
import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pipeline_tests.fakes.clock import Clock


@dataclass
class Ending:
    """How a feed is to end. `issues`: by SKU, the rows of a report's `issues` (without messageId and sku)."""

    status: str = "DONE"
    report: bool = True


@dataclass
class Document:
    document_id: str
    expires: datetime
    content_type: str | None = None
    content: bytes | None = None
    gzip: bool = False


@dataclass
class Feed:
    """`seen_at`: when lists begin to show it."""

    feed_id: str
    marketplace_ids: list[str]
    document: Document
    created: datetime
    seen_at: datetime
    queued: timedelta
    processing: timedelta
    ending: Ending
    status: str = "IN_QUEUE"
    report_id: str | None = None

    def due(self, now: datetime) -> str:
        """The status that its age gives."""
        if self.status in ("CANCELLED", "DONE", "FATAL"):
            return self.status
        age = now - self.created
        if age < self.queued:
            return "IN_QUEUE"
        return "IN_PROGRESS" if age < self.queued + self.processing else self.ending.status

    def public(self) -> dict[str, Any]:
        shown = {
            "feedId": self.feed_id, "feedType": "JSON_LISTINGS_FEED", "marketplaceIds": self.marketplace_ids,
            "createdTime": self.created.isoformat().replace("+00:00", "Z"), "processingStatus": self.status,
        }  # fmt: skip
        return {**shown, "resultFeedDocumentId": self.report_id} if self.report_id else shown


Key = tuple[str, str]  # marketplace id, sku
Attributes = dict[str, Any]


@dataclass
class Catalog:
    """The listings of one seller, and what Amazon thinks of single SKUs. Tests may change all of it.

    Lookups show a listing as it was until `lag` after a change.
    """

    clock: Clock
    lag: timedelta = timedelta(0)
    listings: dict[Key, Attributes] = field(default_factory=dict)
    product_types: dict[Key, str] = field(default_factory=dict)
    refuses: dict[str, dict[str, Any]] = field(default_factory=dict)  # sku -> issue of its message
    finds: dict[str, dict[str, Any]] = field(default_factory=dict)  # sku -> issue of its listing
    _before: dict[Key, list[tuple[datetime, Attributes | None]]] = field(default_factory=dict)

    def process(self, feed: Feed, apply: bool = True) -> dict[str, Any]:
        """Carry out a feed's messages; returns its processing report."""
        document = json.loads(feed.document.content or b"{}")
        header, messages = document["header"], document["messages"]
        issues, items, invalid = [], [], set()
        for message in messages:
            sku = message["sku"]
            if sku in self.refuses:
                invalid.add(message["messageId"])
                issues.append({"messageId": message["messageId"], "sku": sku, **self.refuses[sku]})
                continue
            if apply:
                for marketplace_id in feed.marketplace_ids:
                    self._apply((marketplace_id, sku), message)
            items.append(self._item((feed.marketplace_ids[0], sku)))
        report = {
            "header": {"sellerId": header["sellerId"], "version": "2.0", "feedId": feed.feed_id},
            "issues": issues,
            "summary": {
                "errors": len(issues), "warnings": 0, "messagesProcessed": len(messages),
                "messagesAccepted": len(messages) - len(invalid), "messagesInvalid": len(invalid),
            },
        }  # fmt: skip
        return {**report, "items": items} if "report" in header else report

    def put(self, key: Key, product_type: str, attributes: Mapping[str, Any]) -> None:
        """The whole listing, new or instead of the one there is."""
        self._remember(key)
        self.listings[key] = copy.deepcopy(dict(attributes))
        self.product_types[key] = product_type

    def patch(self, key: Key, patches: Iterable[Mapping[str, Any]]) -> None:
        """A patch of an unknown SKU is a success without effect, as at Amazon."""
        if key not in self.listings:
            return
        self._remember(key)
        attributes = self.listings[key]
        for patch in patches:
            name, value = patch["path"].removeprefix("/attributes/"), copy.deepcopy(patch.get("value", []))
            if patch["op"] == "delete":
                attributes.pop(name, None)
            elif patch["op"] == "merge":
                attributes[name] = _merged(attributes.get(name, []), value)
            else:
                attributes[name] = value

    def delete(self, key: Key) -> None:
        self._remember(key)
        self.listings.pop(key, None)

    def seen(self, key: Key) -> Attributes | None:
        """What a lookup shows now."""
        now = self.clock.now()
        return next((before for until, before in self._before.get(key, []) if until > now), self.listings.get(key))

    def asin(self, key: Key) -> str:
        """That of the catalog item that it offers, else one of its own."""
        offered = self.listings.get(key, {}).get("merchant_suggested_asin")
        return str(offered[0]["value"]) if offered else f"B{zlib.crc32(repr(key).encode()) % 10**9:09d}"

    def summary(self, key: Key) -> dict[str, Any]:
        return {
            "marketplaceId": key[0], "asin": self.asin(key), "productType": self.product_types.get(key, "PRODUCT"),
            "status": ["BUYABLE", "DISCOVERABLE"], "itemName": key[1],
            "createdDate": "2026-11-26T00:00:00Z", "lastUpdatedDate": "2026-11-26T00:00:00Z",
        }  # fmt: skip

    def issues(self, sku: str) -> list[dict[str, Any]]:
        return [self.finds[sku]] if sku in self.finds else []

    def _remember(self, key: Key) -> None:
        """Lookups go on showing what is there for a while."""
        if self.lag:
            self._before.setdefault(key, []).append((self.clock.now() + self.lag, copy.deepcopy(self.listings.get(key))))

    def _apply(self, key: Key, message: Mapping[str, Any]) -> None:
        operation = message["operationType"]
        if operation == "DELETE":
            self.delete(key)
        elif operation == "UPDATE":
            self.put(key, message["productType"], message["attributes"])
        else:
            self.patch(key, message["patches"])

    def _item(self, key: Key) -> dict[str, Any]:
        return {"sku": key[1], "summaries": [self.summary(key)] if key in self.listings else [], "issues": self.issues(key[1])}


#: What tells the values of one attribute apart.
_SELECTORS = ("marketplace_id", "language_tag", "audience", "currency", "fulfillment_channel_code")


def _merged(values: list[Attributes], new: list[Attributes]) -> list[Attributes]:
    def named(value: Attributes) -> list[Any]:
        return [value.get(name) for name in _SELECTORS]

    for value in new:
        known = next((one for one in values if named(one) == named(value)), None)
        if known is None:
            values = [*values, value]
        else:
            known |= value
    for value in values:
        for name in [name for name, content in value.items() if content is None]:  # an explicit null removes
            del value[name]
    return values
