"""What a marketplace can do besides taking files by hand: the protocol of its feed service, and what it answers.

`submissions` sends through this and knows nothing else of a service. Implementations do one thing a call and keep no state;
what may be repeated, and when, is the ledger's business.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

import pyarrow as pa

from pipeline.marketplaces.base import StoredDefinition
from pipeline.marketplaces.repairs import Cause, Part
from pipeline.model.listing import Account, Site
from pipeline.model.secret import Secret
from pipeline.platform.http import ApiError
from pipeline.platform.rate_limits import Buckets

RemoteStatus = Literal["queued", "running", "done", "fatal", "cancelled"]
Severity = Literal["error", "warning", "info"]


class CredentialsRefused(ApiError):
    """The service no longer takes this connection's credentials: nothing works until an operator gives new ones."""


class TryLater(ApiError):
    """Nothing was done, because our share of requests is used up for `seconds`."""

    def __init__(self, service: str, seconds: float) -> None:
        super().__init__(service, f"{service} takes no more requests of this account for {seconds:.0f} s", status=429)
        self.seconds = seconds


class NotCreated(ApiError):
    """The service said, in its own words, that it did not create the feed. Everything else leaves the outcome unknown."""


@dataclass(frozen=True)
class Upload:
    """A place for the content of one feed. The URL is a secret: whoever has it can write there. It lives a few minutes."""

    document_id: str
    url: Secret
    server_time: datetime  # by the marketplace's clock


@dataclass(frozen=True)
class RemoteFeed:
    """A feed as the marketplace sees it."""

    feed_id: str
    status: RemoteStatus
    created_at: datetime  # by the marketplace's clock
    report_id: str | None = None


@dataclass(frozen=True)
class FeedIssue:
    """One sentence of a report. Without message id and SKU it is about the whole feed."""

    severity: Severity
    code: str
    text: str
    message_id: int | None = None
    sku: str | None = None
    attribute: str | None = None  # the marketplace's name
    of_message: bool = True  # why a message was refused; else found in the listing after processing
    actions: tuple[str, ...] = ()  # what the marketplace did to the listing


@dataclass(frozen=True)
class ListingFacts:
    """What a report says of a listing itself."""

    item_id: str | None  # ASIN, item id
    status: tuple[str, ...]  # the marketplace's words


@dataclass(frozen=True)
class FeedReport:
    """The marketplace's verdict about one feed, as it gave it."""

    processed: int
    accepted: int
    invalid: int
    issues: tuple[FeedIssue, ...] = ()
    listings: Mapping[str, ListingFacts] = field(default_factory=dict)


@dataclass(frozen=True)
class RemoteListing:
    """A listing of the account as the marketplace shows it now; what was sent lately may be missing for a while."""

    sku: str
    item_id: str | None  # ASIN, item id
    category: str | None  # product type
    status: tuple[str, ...]  # the marketplace's words
    content: Mapping[str, Any]  # as the marketplace says it; only its own folder reads this
    issues: tuple[FeedIssue, ...] = ()


@dataclass(frozen=True)
class Held:
    """What a listing offers: money in minor units of the site's currency, null where the listing says nothing."""

    price: int | None
    list_price: int | None  # above the price, else null
    quantity: int | None
    stock_elsewhere: bool = False  # the marketplace keeps and ships it
    gtins: tuple[str, ...] = ()
    sale: tuple[int, datetime, datetime] | None = None  # price, from when, until when


@dataclass(frozen=True)
class Difference:
    """Attributes in which a listing is not as a message says, and those of which nobody can tell."""

    differ: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answered:
    """What the marketplace said at once of a change of one listing. Accepted is not live."""

    accepted: bool
    issues: tuple[FeedIssue, ...] = ()


@dataclass(frozen=True)
class SingleMessage:
    """One message of a feed file, to be said by itself."""

    message_id: int
    sku: str
    content: Mapping[str, Any]  # as the file says it; only the marketplace's own folder reads this


class ListingsService(Protocol):
    """The listings of one account on one site. Every method may raise ApiError, CredentialsRefused or TryLater."""

    def find(self, skus: Sequence[str]) -> Iterable[RemoteListing]:
        """Those of these SKUs that the account has, in requests of as many as the marketplace takes."""

    def find_gtins(self, gtins: Sequence[str]) -> Iterable[RemoteListing]:
        """The account's listings with one of these GTINs (8, 12, 13 or 14 digits)."""

    def get(self, sku: str) -> RemoteListing | None:
        """One listing; None when the account has no such SKU."""

    def patch(self, sku: str, category: str, patches: Sequence[Mapping[str, Any]]) -> Answered:
        """Change a listing at once. May be repeated. Of an unknown SKU this is accepted too, without effect."""
        ...

    def preview(self, sku: str, body: Mapping[str, Any]) -> Answered:
        """What the marketplace would say of a whole listing (of a change, where `body` has patches); nothing is stored."""
        ...

    def field_of(self, attribute: str) -> str | None:
        """Our column of the listings for an attribute of an issue, where there is one."""

    def close(self) -> None: ...


class FeedService(Protocol):
    """The feeds of one account on one site. Every method may raise ApiError, CredentialsRefused or TryLater."""

    #: Of the account, the site and the type of feed: feeds that the marketplace lists together.
    lane: str
    #: Longest time between sending a feed and its answer, in seconds.
    timeout_seconds: float

    def new_document(self) -> Upload:
        """A place to upload to. May be called again at will."""

    def upload(self, place: Upload, content: bytes) -> None:
        """Put a feed's content there. May be repeated."""

    def prepare(self) -> None:
        """Everything that may fail before `create_feed` sends anything: tokens, rate limits. Call it right before."""

    def create_feed(self, document_id: str) -> str:
        """Make the marketplace process the document; the feed's id. Sends once: not idempotent. NotCreated when the service
        said so; after any other ApiError nobody knows whether the feed exists."""

    def feed(self, feed_id: str) -> RemoteFeed | None:
        """The feed now; None when the marketplace does not know it."""

    def feeds_since(self, since: datetime) -> Iterable[RemoteFeed]:
        """All feeds of this lane that were created since (the marketplace's clock), newest first; new ones may lag."""

    def cancel(self, feed_id: str) -> None:
        """Stop a feed that is not being processed yet."""

    def report(self, report_id: str) -> FeedReport:
        """The processing report. BadInputError when it cannot be read."""

    def messages(self, content: bytes) -> list[tuple[int, str]]:
        """Message id and SKU of every message of one of our feed files."""
        ...

    def single_messages(self, content: bytes) -> list[SingleMessage]:
        """The messages of one of our feed files, to be said one by one: prices and quantities of `sayable` SKUs."""
        ...

    def say(self, message: SingleMessage) -> Answered:
        """Say one message at once instead of in a feed; what the marketplace answers is the verdict. May be repeated."""
        ...

    def field_of(self, attribute: str) -> str | None:
        """Our column of the listings for an attribute of an issue, where there is one."""

    def check(self) -> list[str]:
        """What is wrong with the credentials or the account, as sentences; empty when all is well."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class CatalogItem:
    """An item of the marketplace's catalog, whoever sells it."""

    item_id: str  # ASIN
    title: str | None = None
    category: str | None = None


@dataclass(frozen=True)
class FetchedDefinition:
    """What the marketplace says that a category wants. Without a document and a problem: the known one is still the newest."""

    checksum: str
    document: bytes | None = None
    version: str | None = None
    label: str | None = None  # the category's name for people
    problem: str | None = None  # nothing can be listed in this category, and why


@dataclass(frozen=True)
class Wanted:
    """One attribute that a category wants."""

    name: str
    title: str
    always: bool  # else under a condition
    allowed: tuple[str, ...]  # values, where there is a list
    editable: bool  # also when the listing exists


@dataclass(frozen=True)
class CategoryWants:
    """What a category wants of its listings, for people."""

    attributes: tuple[Wanted, ...]
    themes: tuple[str, ...]  # of variation families; none: it has no variations


class LookupService(Protocol):
    """Questions to a marketplace's catalog; nothing is changed by them. Every method may raise ApiError, CredentialsRefused or
    TryLater, and BadInputError for an answer that cannot be used."""

    #: Sets of requirements that a listing may have to meet, the general one first.
    requirements: Sequence[str]
    #: Most GTINs of one question.
    most_gtins: int

    def definition(self, category: str, requirements: str, known: str | None) -> FetchedDefinition:
        """What a category wants; `known` is the checksum of the document that is there."""
        ...

    def search(self, words: str) -> list[tuple[str, str]]:
        """Categories (and their names) for words."""
        ...

    def suggest(self, title: str) -> list[str]:
        """Categories for a product's title, the likeliest first."""
        ...

    def items(self, gtins: Sequence[str]) -> dict[str, list[CatalogItem]]:
        """The items of the catalog for each GTIN."""
        ...

    def close(self) -> None: ...


class LiveMarketplace(Protocol):
    """What a marketplace has beside `Marketplace` where it `sends`."""

    def feed_service(self, site: Site, account: Account, credentials: Mapping[str, Secret], buckets: Buckets) -> FeedService:
        """The feed service of one account on one site; `buckets` hold its rate limits. Raises UsageError for an account that
        lacks something. Close it."""
        ...

    def sayable(self, skus: pa.Array) -> pa.Array:
        """Mask of the SKUs that a request of their own can name safely; the others only go by feed."""

    def listings_service(
        self, site: Site, account: Account, credentials: Mapping[str, Secret], buckets: Buckets
    ) -> ListingsService:
        """The listings of the account; as `feed_service`."""
        ...

    def lookup_service(self, site: Site, account: Account, credentials: Mapping[str, Secret], buckets: Buckets) -> LookupService:
        """Likewise, for questions to the catalog."""
        ...

    def wants(self, category: str, definition: StoredDefinition) -> CategoryWants:
        """What a definition says. Raises BadInputError for a document that is none."""
        ...

    def held(self, listing: RemoteListing, site: Site) -> Held:
        """What a listing of the account offers."""
        ...

    def difference(self, message: bytes, listing: RemoteListing) -> Difference:
        """Where a listing is not as a message of kind update or images says; empty: sending it would change nothing."""
        ...

    def causes(self) -> Sequence[Cause]:
        """Why something is refused that can be mended by itself; the first that explains an issue counts."""
        ...

    def part_of(self, listing: Mapping[str, Any], attribute: str | None, text: str) -> Part | None:
        """What of a listing (values of LISTINGS) an issue is about; None for what is never mended by itself: identifiers,
        brand, condition, price, stock, options of a family."""
        ...
