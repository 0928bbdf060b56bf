"""What happens to a feed inside the fake Amazon: its way through the five statuses, its effects on listings, its report."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any


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


@dataclass
class Catalog:
    """The listings of one seller, and what Amazon thinks of single SKUs."""

    listings: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)  # (marketplace id, sku) -> attributes
    refuses: dict[str, dict[str, Any]] = field(default_factory=dict)  # sku -> issue of its message
    finds: dict[str, dict[str, Any]] = field(default_factory=dict)  # sku -> issue of its listing
    rules: list[Callable[[dict[str, Any]], dict[str, Any] | None]] = field(default_factory=list)  # message -> issue

    def process(self, feed: Feed, apply: bool = True) -> dict[str, Any]:
        """Carry out a feed's messages; returns its processing report."""
        document = json.loads(feed.document.content or b"{}")
        header, messages = document["header"], document["messages"]
        issues, items, invalid = [], [], set()
        for message in messages:
            sku = message["sku"]
            found = [self.refuses[sku]] if sku in self.refuses else [one for rule in self.rules if (one := rule(message))]
            if found:
                invalid.add(message["messageId"])
                issues += [{"messageId": message["messageId"], "sku": sku, **one} for one in found]
                continue
            if apply:
                for marketplace_id in feed.marketplace_ids:
                    self._apply(marketplace_id, message)
            items.append(self._item(feed.marketplace_ids[0], sku))
        report = {
            "header": {"sellerId": header["sellerId"], "version": "2.0", "feedId": feed.feed_id},
            "issues": issues,
            "summary": {
                "errors": len(issues), "warnings": 0, "messagesProcessed": len(messages),
                "messagesAccepted": len(messages) - len(invalid), "messagesInvalid": len(invalid),
            },
        }  # fmt: skip
        return {**report, "items": items} if "report" in header else report

    def _apply(self, marketplace_id: str, message: Mapping[str, Any]) -> None:
        key, operation = (marketplace_id, message["sku"]), message["operationType"]
        if operation == "DELETE":
            self.listings.pop(key, None)
        elif operation == "UPDATE":
            self.listings[key] = dict(message["attributes"])
        elif key in self.listings:  # a patch of an unknown SKU is a success without effect, as at Amazon
            for patch in message["patches"]:
                name = patch["path"].removeprefix("/attributes/")
                if patch["op"] == "delete":
                    self.listings[key].pop(name, None)
                else:
                    self.listings[key][name] = patch["value"]

    def _item(self, marketplace_id: str, sku: str) -> dict[str, Any]:
        live = (marketplace_id, sku) in self.listings
        summary = {
            "marketplaceId": marketplace_id, "asin": f"B{abs(hash(sku)) % 10**9:09d}", "productType": "PRODUCT",
            "status": ["BUYABLE", "DISCOVERABLE"], "itemName": sku,
            "createdDate": "2026-11-26T00:00:00Z", "lastUpdatedDate": "2026-11-26T00:00:00Z",
        }  # fmt: skip
        return {"sku": sku, "summaries": [summary] if live else [], "issues": [self.finds[sku]] if sku in self.finds else []}
