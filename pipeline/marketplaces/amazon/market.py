"""Amazon behind the marketplace protocol."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.marketplaces.amazon import messages, pack, projection, repairs
from pipeline.marketplaces.amazon.options import limits
from pipeline.marketplaces.amazon.product_types.types import NO_TYPES, ProductTypes
from pipeline.marketplaces.base import Definitions, ListingProblem, Outcome, StoredDefinition
from pipeline.marketplaces.columns import missing, pylist, text
from pipeline.marketplaces.data import read_sites, read_yaml
from pipeline.marketplaces.fingerprints import digest, row_documents
from pipeline.marketplaces.repairs import Cause, Part
from pipeline.model.credentials import CredentialNames
from pipeline.model.errors import UsageError
from pipeline.model.listing import Account, FeedKind, FeedPart, Site
from pipeline.model.secret import Secret

if TYPE_CHECKING:
    from pipeline.marketplaces.amazon.spapi.client import SpApi
    from pipeline.marketplaces.amazon.spapi.tokens import Tokens
    from pipeline.marketplaces.legacy import LegacyFiles
    from pipeline.marketplaces.live import (
        CategoryWants,
        Difference,
        FeedService,
        Held,
        ListingsService,
        LookupService,
        RemoteListing,
    )
    from pipeline.platform.rate_limits import Buckets

_FOLDER = Path(__file__).parent
_CONTENT = (
    "role", "parent_sku", "title", "description", "bullets", "keywords", "brand", "mpn", "gtin", "condition", "category",
    "option1_name", "option1", "option2_name", "option2", "option3_name", "option3", "attributes",
)  # fmt: skip


@cache
def _tokens() -> Tokens:
    """Of this process: connections of one seller share a token."""
    from pipeline.marketplaces.amazon.spapi.tokens import Tokens

    return Tokens()


def _credentials() -> CredentialNames:
    """Of Login with Amazon."""
    found = read_yaml(_FOLDER / "credentials.yaml")
    gone = {name: row["reason"] for row in found["gone"] for name in row["names"]}
    names = ("client_id", "client_secret", "refresh_token")
    return CredentialNames((names,), where=found["where"], plain=frozenset(found["plain"]), gone=gone)


class AmazonMarketplace:
    """JSON_LISTINGS_FEED v2 on all sites of `sites.yaml`."""

    name = "amazon"
    sends = True
    sales_have_dates = True
    rules_file = _FOLDER / "rules.yaml"
    version = "3"
    account_settings: Mapping[str, Any] = {"seller_id": ""}
    max_family = 2000
    family_is_one_listing = False

    def __init__(self) -> None:
        self.credentials = _credentials()
        self.sites: Mapping[str, Site] = read_sites(_FOLDER, self.name)
        self.max_sku = int(limits()["message"]["sku"])
        self._types = NO_TYPES

    def account_problems(self, site: Site, account: Account) -> Sequence[str]:
        return ()

    def project(self, rows: pd.DataFrame, site: Site, settings: Mapping[str, Any]) -> pd.DataFrame:
        return projection.project(rows, site, settings, self._types)

    def informed(self, definitions: Definitions) -> AmazonMarketplace:
        known = copy(self)
        known._types = ProductTypes(definitions)
        return known

    def problems(self, rows: pd.DataFrame, site: Site, account: Account) -> Iterable[ListingProblem]:
        from pipeline.marketplaces.amazon.product_types.check import problems

        return problems(rows, site, account, self._types)

    def hashes(self, rows: pd.DataFrame, site: Site, account: Account) -> pd.DataFrame:
        place = f"{self.version} {site.marketplace_id} {site.language}".encode()
        exempt = place + b" exempt" if account.settings.get("gtin_exempt") else place
        no_gtin = missing(text(rows, "gtin")).tolist()
        content = row_documents(pylist(rows, column) for column in _CONTENT)
        if any(items := pylist(rows, "item_id")):
            offers = row_documents([items, pylist(rows, "condition")])
            content = [own if item is None else offer for own, item, offer in zip(content, items, offers, strict=True)]
        most = limits()["message"]["images"]
        # most rows have the pictures of their family
        images_hash = cache(lambda urls: digest(place, orjson.dumps([(urls or ())[:most]])))
        return pd.DataFrame(
            {
                "content_hash": [digest(exempt if none else place, row) for none, row in zip(no_gtin, content, strict=True)],
                "images_hash": [
                    images_hash(None if item else urls) for item, urls in zip(items, pylist(rows, "images"), strict=True)
                ],
            },
            index=rows.index,
            dtype="string[pyarrow]",
        )

    def messages(self, rows: pd.DataFrame, changes: Mapping[str, frozenset[str]], site: Site, account: Account) -> Outcome:
        return messages.messages(rows, changes, site, account, self._types)

    def deletions(self, rows: pd.DataFrame, site: Site, account: Account) -> pa.Table:
        return messages.deletions(rows)

    def zero_quantities(self, rows: pd.DataFrame, site: Site, account: Account) -> pa.Table:
        return messages.zero_quantities(rows)

    def feed_service(self, site: Site, account: Account, credentials: Mapping[str, Secret], buckets: Buckets) -> FeedService:
        from pipeline.marketplaces.amazon.spapi.feeds import AmazonFeeds

        return AmazonFeeds(_api(site, account, credentials, buckets), site)

    def sayable(self, skus: pa.Array) -> pa.Array:
        # Percent-encoding others in a path is a known source of errors at Amazon; a leading dot may be read as a folder.
        return pc.match_substring_regex(skus, r"^[A-Za-z0-9_~-][A-Za-z0-9._~-]*$")

    def listings_service(
        self, site: Site, account: Account, credentials: Mapping[str, Secret], buckets: Buckets
    ) -> ListingsService:
        from pipeline.marketplaces.amazon.spapi.listings import AmazonListings

        return AmazonListings(_api(site, account, credentials, buckets), site)

    def lookup_service(self, site: Site, account: Account, credentials: Mapping[str, Secret], buckets: Buckets) -> LookupService:
        from pipeline.marketplaces.amazon.spapi.lookups import AmazonLookups

        return AmazonLookups(_api(site, account, credentials, buckets), site)

    def wants(self, category: str, definition: StoredDefinition) -> CategoryWants:
        from pipeline.marketplaces.amazon.product_types.definition import MAX_BYTES, Definition

        return Definition(category, definition.document(MAX_BYTES)).wants()

    def held(self, listing: RemoteListing, site: Site) -> Held:
        from pipeline.marketplaces.amazon import readback

        return readback.held(listing, site)

    def difference(self, message: bytes, listing: RemoteListing) -> Difference:
        from pipeline.marketplaces.amazon import readback

        return readback.difference(message, listing)

    def causes(self) -> Sequence[Cause]:
        return repairs.causes()

    def part_of(self, listing: Mapping[str, Any], attribute: str | None, text: str) -> Part | None:
        return repairs.part_of(listing, attribute, text)

    def pack(self, feed: FeedKind, messages: Iterable[pa.Table], site: Site, account: Account) -> Iterator[FeedPart]:
        return pack.pack(feed, messages, site, account)

    def legacy_files(self, listings: Iterable[pa.Table], site: Site, account: Account, folder: Path) -> LegacyFiles:
        from pipeline.marketplaces.amazon.legacy.files import write

        return write(listings, site, account, folder)


def _api(site: Site, account: Account, credentials: Mapping[str, Secret], buckets: Buckets) -> SpApi:
    from pipeline.marketplaces.amazon.spapi.client import SpApi

    if not account.seller_id:
        raise UsageError(
            f"{account.store} has no seller_id (the merchant token) for {site.key}; set it with: "
            f"pipeline connection set {account.store} {site.key} seller_id=..."
        )
    renew = f"pipeline connection set {account.store} {site.key} --credentials ask"
    return SpApi(site.region, account.seller_id, credentials, buckets, _tokens(), renew=renew)
