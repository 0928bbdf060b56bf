"""eBay behind the marketplace protocol."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pandas as pd
import pyarrow as pa

from pipeline.marketplaces.base import Definitions, ListingProblem, Outcome, outcome
from pipeline.marketplaces.columns import pylist
from pipeline.marketplaces.data import read_sites, read_yaml
from pipeline.marketplaces.fingerprints import digest, row_documents
from pipeline.model.credentials import CredentialNames
from pipeline.model.listing import Account, FeedKind, FeedPart, Site

_FOLDER = Path(__file__).parent
_LISTING = (
    "title", "description_html", "brand", "condition", "category", "option1_name", "option2_name", "option3_name", "attributes",
)  # fmt: skip
_SELLABLE = ("sku", "gtin", "mpn", "option1", "option2", "option3", "weight_grams")


class EbayMarketplace:
    """Large Merchant Services XML on all sites of `sites.yaml`. lxml is loaded with the first message."""

    name = "ebay"
    credentials = CredentialNames(
        (("client_id", "client_secret", "refresh_token"),)
    )  # of the developer's application, and the seller's consent
    sends = False
    sales_have_dates = False
    rules_file = _FOLDER / "rules.yaml"
    version = "2"
    family_is_one_listing = True
    account_settings: Mapping[str, Any] = {
        "seller_id": "",
        "location": "",
        "postal_code": "",
        "country": "",
        "shipping_policy_id": "",
        "return_policy_id": "",
        "payment_policy_id": "",
    }

    def __init__(self) -> None:
        self.sites: Mapping[str, Site] = read_sites(_FOLDER, self.name)
        limits = read_yaml(_FOLDER / "limits.yaml")
        self.max_family = int(limits["family"])
        self.max_sku = int(limits["message"]["sku"])

    def account_problems(self, site: Site, account: Account) -> Sequence[str]:
        from pipeline.marketplaces.ebay.validate import account_problems

        return [f"{problem[:1].upper()}{problem[1:]}." for problem in account_problems(account.settings)]

    def project(self, rows: pd.DataFrame, site: Site, settings: Mapping[str, Any]) -> pd.DataFrame:
        from pipeline.marketplaces.ebay.projection import project

        return project(rows, site, settings)

    def informed(self, definitions: Definitions) -> EbayMarketplace:
        return self

    def problems(self, rows: pd.DataFrame, site: Site, account: Account) -> Sequence[ListingProblem]:
        return ()

    def hashes(self, rows: pd.DataFrame, site: Site, account: Account) -> pd.DataFrame:
        """A family's hashes stand at its parent: they cover the children that can be listed, without price and quantity.
        A child's content hash is that of its own place in the family; its pictures are the family's."""
        settings = {name: str(account.settings.get(name) or "") for name in self.account_settings if name != "seller_id"}
        place = json.dumps([self.version, site.key, account.store, settings], sort_keys=True).encode()
        of_family, document = digest(place), cache(orjson.dumps)
        listing = row_documents(pylist(rows, column) for column in _LISTING)
        sellable = row_documents(pylist(rows, column) for column in _SELLABLE)
        images = [document(urls) for urls in pylist(rows, "images")]
        skus, roles, parents = (pylist(rows, column) for column in ("sku", "role", "parent_sku"))
        blocked = (rows["status"] == "blocked").fillna(False).tolist()
        members: dict[str, list[int]] = {}
        for position, (role, parent) in enumerate(zip(roles, parents, strict=True)):
            if role == "child" and not blocked[position]:
                members.setdefault(parent, []).append(position)
        content_hashes, images_hashes = [], []
        for position, (sku, role) in enumerate(zip(skus, roles, strict=True)):
            if role == "child":
                content_hashes.append(digest(place, sellable[position]))
                images_hashes.append(of_family)
                continue
            family = members.get(sku, []) if role == "parent" else []
            variations = [sellable[member] for member in family]
            pictures = [part for member in family for part in (sellable[member], images[member])]
            content_hashes.append(digest(place, listing[position], sellable[position], *variations))
            images_hashes.append(digest(place, images[position], *pictures))
        found = {"content_hash": content_hashes, "images_hash": images_hashes}
        return pd.DataFrame(found, index=rows.index, dtype="string[pyarrow]")

    def messages(self, rows: pd.DataFrame, changes: Mapping[str, frozenset[str]], site: Site, account: Account) -> Outcome:
        from pipeline.marketplaces.ebay.messages import messages

        return outcome(messages(rows, changes, site, account))

    def deletions(self, rows: pd.DataFrame, site: Site, account: Account) -> pa.Table:
        from pipeline.marketplaces.ebay.items import Items
        from pipeline.marketplaces.ebay.messages import deletions

        return outcome(deletions(rows, Items(site, account))).messages

    def zero_quantities(self, rows: pd.DataFrame, site: Site, account: Account) -> pa.Table:
        from pipeline.marketplaces.ebay.items import Items
        from pipeline.marketplaces.ebay.messages import zero_quantities

        return outcome(zero_quantities(rows, Items(site, account))).messages

    def pack(self, feed: FeedKind, messages: Iterable[pa.Table], site: Site, account: Account) -> Iterator[FeedPart]:
        from pipeline.marketplaces.ebay.pack import pack

        return pack(feed, messages, site)
