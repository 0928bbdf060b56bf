"""Amazon behind the marketplace protocol."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.marketplaces.amazon import messages, pack, projection
from pipeline.marketplaces.amazon.options import limits
from pipeline.marketplaces.base import Outcome
from pipeline.marketplaces.columns import missing, pylist, text
from pipeline.marketplaces.data import read_sites
from pipeline.marketplaces.fingerprints import digest, row_documents
from pipeline.model.credentials import CredentialNames
from pipeline.model.errors import UsageError
from pipeline.model.listing import Account, FeedKind, FeedPart, Site
from pipeline.model.secret import Secret

if TYPE_CHECKING:
    from pipeline.marketplaces.amazon.spapi.client import SpApi
    from pipeline.marketplaces.amazon.spapi.tokens import Tokens
    from pipeline.marketplaces.live import FeedService, ListingsService
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


class AmazonMarketplace:
    """JSON_LISTINGS_FEED v2 on all sites of `sites.yaml`."""

    name = "amazon"
    credentials = CredentialNames((("client_id", "client_secret", "refresh_token"),))  # of Login with Amazon
    sends = True
    sales_have_dates = True
    rules_file = _FOLDER / "rules.yaml"
    version = "3"
    account_settings: Mapping[str, Any] = {"seller_id": ""}
    max_family = 2000
    family_is_one_listing = False

    def __init__(self) -> None:
        self.sites: Mapping[str, Site] = read_sites(_FOLDER, self.name)
        self.max_sku = int(limits()["message"]["sku"])

    def account_problems(self, site: Site, account: Account) -> Sequence[str]:
        return ()

    def project(self, rows: pd.DataFrame, site: Site, settings: Mapping[str, Any]) -> pd.DataFrame:
        return projection.project(rows, site, settings)

    def hashes(self, rows: pd.DataFrame, site: Site, account: Account) -> pd.DataFrame:
        place = f"{self.version} {site.marketplace_id} {site.language}".encode()
        exempt = place + b" exempt" if account.settings.get("gtin_exempt") else place
        no_gtin = missing(text(rows, "gtin")).tolist()
        content = row_documents(pylist(rows, column) for column in _CONTENT)
        most = limits()["message"]["images"]
        # most rows have the pictures of their family
        images_hash = cache(lambda urls: digest(place, orjson.dumps([(urls or ())[:most]])))
        return pd.DataFrame(
            {
                "content_hash": [digest(exempt if none else place, row) for none, row in zip(no_gtin, content, strict=True)],
                "images_hash": [images_hash(urls) for urls in pylist(rows, "images")],
            },
            index=rows.index,
            dtype="string[pyarrow]",
        )

    def messages(self, rows: pd.DataFrame, changes: Mapping[str, frozenset[str]], site: Site, account: Account) -> Outcome:
        return messages.messages(rows, changes, site, account)

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

    def pack(self, feed: FeedKind, messages: Iterable[pa.Table], site: Site, account: Account) -> Iterator[FeedPart]:
        return pack.pack(feed, messages, site, account)


def _api(site: Site, account: Account, credentials: Mapping[str, Secret], buckets: Buckets) -> SpApi:
    from pipeline.marketplaces.amazon.spapi.client import SpApi

    if not account.seller_id:
        raise UsageError(
            f"{account.store} has no seller_id (the merchant token) for {site.key}; set it with: "
            f"pipeline connection set {account.store} {site.key} seller_id=..."
        )
    return SpApi(site.region, account.seller_id, credentials, buckets, _tokens())
