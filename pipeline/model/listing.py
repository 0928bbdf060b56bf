"""The vocabulary of listings: sites, kinds of change, feeds and messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Role = Literal["single", "parent", "child"]
FeedKind = Literal["product", "price", "inventory", "images"]
#: What a plan says of one listing. A live listing may have several of price, quantity and images at once.
Change = Literal["create", "update", "price", "quantity", "images", "delete", "unchanged", "hold", "blocked", "out_of_scope"]

FEED_KINDS: tuple[FeedKind, ...] = ("product", "price", "inventory", "images")


@dataclass(frozen=True)
class Site:
    """One country site of a marketplace, e.g. `amazon-us`. Rows of the marketplace's `sites.yaml`."""

    key: str
    marketplace: str
    marketplace_id: str
    country: str
    currency: str
    language: str  # BCP 47, e.g. en-US
    region: str
    extra: Mapping[str, Any]  # what only this marketplace knows, e.g. eBay's SiteID


@dataclass(frozen=True)
class Account:
    """The non-secret facts of a connection that a message or a feed header needs."""

    store: str
    seller_id: str
    settings: Mapping[str, Any]  # e.g. eBay business policy ids, item location
    #: The version of the listing state that a plan is made from: a SKU that ended and is listed anew is listed in a later one.
    generation: int = 0


@dataclass(frozen=True)
class Message:
    """One validated message of an export plan, ready to be packed into a feed."""

    sku: str
    feed: FeedKind
    operation: str  # the marketplace's word: UPDATE, PATCH, AddFixedPriceItem ...
    payload: bytes


@dataclass(frozen=True)
class InvalidMessage:
    """A message that its marketplace would refuse: the listing is blocked with these reasons."""

    sku: str
    feed: FeedKind
    problems: tuple[str, ...]


@dataclass(frozen=True)
class FeedPart:
    """One feed file, complete and within the marketplace's limits."""

    name: str  # e.g. "product-1", "product-add-1"
    suffix: Literal["json", "xml"]
    messages: int
    content: bytes
