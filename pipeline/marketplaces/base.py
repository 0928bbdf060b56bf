"""The protocol that a marketplace folder implements. The stages know nothing else of a marketplace.

Third parties add a marketplace through the entry-point group `pipeline.marketplaces`; its objects implement `Marketplace`.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pandas as pd
import pyarrow as pa

from pipeline.model.credentials import CredentialNames
from pipeline.model.errors import BadInputError
from pipeline.model.listing import Account, FeedKind, FeedPart, InvalidMessage, Message, Site

#: Validated messages, ready to be packed into feeds, in the order in which they are packed.
MESSAGES = pa.schema(
    [
        ("sku", pa.string()),
        ("feed", pa.string()),  # product | price | inventory | images
        ("operation", pa.string()),  # the marketplace's word: UPDATE, PATCH, AddFixedPriceItem ...
        ("payload", pa.binary()),
    ]
)
NO_MESSAGES = MESSAGES.empty_table()


@dataclass(frozen=True)
class StoredDefinition:
    """What a marketplace says that a category wants; without a document when there is none. It is kept deflated (a twentieth),
    since a connection may know hundreds."""

    deflated: bytes | None  # zlib
    checksum: str  # of the document; also changes with `problem`
    problem: str | None = None  # why the category cannot be used

    def document(self, most: int) -> bytes:
        """The document. Raises BadInputError for one that is damaged or has more than `most` bytes."""
        inflater = zlib.decompressobj()
        try:
            content = inflater.decompress(self.deflated or b"", most)
        except zlib.error:
            content = b""
        if not inflater.eof:
            raise BadInputError("a stored definition of a category is damaged or far too large; remove it and ask for it again")
        return content


#: By category and set of requirements (the marketplace's word).
Definitions = Mapping[tuple[str, str], StoredDefinition]


@dataclass(frozen=True)
class ListingProblem:
    """What the marketplace would refuse of one listing, beyond the rules that the quality engine knows."""

    row: int  # position
    rule: str  # its code
    field: str  # our column
    message: str
    hint: str


@dataclass(frozen=True)
class Outcome:
    """What became of changes: a table of MESSAGES, and what the marketplace would refuse."""

    messages: pa.Table
    refused: tuple[InvalidMessage, ...] = ()


def message_table(sku: pa.Array, feed: FeedKind, operation: str, payload: pa.Array) -> pa.Table:
    """Messages of one feed and operation from columns."""
    count = len(sku)
    return pa.table([sku, pa.repeat(feed, count), pa.repeat(operation, count), payload.cast(pa.binary())], schema=MESSAGES)


def outcome(found: Iterable[Message | InvalidMessage]) -> Outcome:
    """Messages that were made one by one."""
    messages: list[Message] = []
    refused: list[InvalidMessage] = []
    for one in found:
        if isinstance(one, Message):
            messages.append(one)
        else:
            refused.append(one)
    columns = [pa.array([getattr(one, field.name) for one in messages], field.type) for field in MESSAGES]
    return Outcome(pa.table(columns, schema=MESSAGES), tuple(refused))


class Marketplace(Protocol):
    """What a marketplace knows: its sites, its rules, the shape of its listings, messages and feed files."""

    name: str
    #: Sites by key, from the folder's `sites.yaml`.
    sites: Mapping[str, Site]
    #: Rule and fix declarations (YAML) that the quality engine interprets for listings of this marketplace.
    rules_file: Path
    #: Bump when `project`, `messages` or their data change what a message says: every listing is looked at again.
    version: str
    #: Non-secret settings of a connection that messages and feed headers need, with their defaults (e.g. `seller_id`, location,
    #: business policy ids). `Account.settings` holds these, overridden by the connection's.
    account_settings: Mapping[str, Any]
    #: The secrets of an account, which are kept in the vault.
    credentials: CredentialNames
    #: Whether feeds can be sent to it. Until then every connection, with credentials or not, is in file mode.
    sends: bool
    #: Whether it takes a sale with a start and an end, which begins and reverts by itself. Without, a sale is a lower price.
    sales_have_dates: bool
    #: Most variants one family may have, and the longest SKU.
    max_family: int
    #: A family is one listing with variations: a SKU cannot move into or out of one without being ended first.
    family_is_one_listing: bool
    max_sku: int

    def account_problems(self, site: Site, account: Account) -> Sequence[str]:
        """Sentences about settings of the connection that would spoil every message; while there are any, all is blocked."""

    def project(self, rows: pd.DataFrame, site: Site, settings: Mapping[str, Any]) -> pd.DataFrame:
        """Shape generic listing rows (columns of `listings.schema.LISTINGS`, product-aligned, parents included and before
        their children) to this marketplace before its rules run: titles of children, bullets, attributes, identifiers.
        Same rows, same columns, same order."""

    def informed(self, definitions: Definitions) -> Marketplace:
        """This marketplace, knowing what its categories want. Nothing is asked: definitions come from the cache."""
        ...

    def problems(self, rows: pd.DataFrame, site: Site, account: Account) -> Iterable[ListingProblem]:
        """What `rows` (as `project` and the fixes left them, whole products) lack of what their categories want."""
        ...

    def hashes(self, rows: pd.DataFrame, site: Site, account: Account) -> pd.DataFrame:
        """`content_hash` and `images_hash` of each row (index as given): equal hashes mean equal messages. Where a family is
        one message, the parent's content hash covers its children, and a child's own only what is sent for it alone.
        `rows` are the ready rows of whole products: a blocked child is not part of its family."""

    def messages(self, rows: pd.DataFrame, changes: Mapping[str, frozenset[str]], site: Site, account: Account) -> Outcome:
        """Messages for `rows` (whole products: all rows of every family that has a change, parents first), where `changes`
        gives the kinds of change by SKU (create, update, price, quantity, images; empty for a row without a change).
        `rows` hold only what may be said: no blocked or held child, and price and quantity as they are to be after the plan
        (the last ones sent where a change is held); their further column `sale_withdrawn` is true where a sale with dates
        that was sent is called off. A live parent that gains a child has `update`. A child whose content is
        part of its parent's message needs no message of its own. Deterministic: the same arguments give the same bytes."""

    def deletions(self, rows: pd.DataFrame, site: Site, account: Account) -> pa.Table:
        """MESSAGES that end listings no longer in the catalog; `rows` has columns sku, role, parent_sku, product_id."""

    def zero_quantities(self, rows: pd.DataFrame, site: Site, account: Account) -> pa.Table:
        """MESSAGES that set quantity 0 of live listings that left the catalog; same columns as `deletions`."""

    def pack(self, feed: FeedKind, messages: Iterable[pa.Table], site: Site, account: Account) -> Iterator[FeedPart]:
        """Feed files of one kind from its messages (tables with the columns sku, operation, payload, in order), split by this
        marketplace's limits of count and bytes."""
