"""One store on one marketplace site: the stored facts from which listings, plans and feeds are made."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import psycopg

from pipeline.listings.build import Recipe
from pipeline.listings.state import Lane
from pipeline.marketplaces import find_site
from pipeline.marketplaces.base import Marketplace
from pipeline.model.listing import Account, Site
from pipeline.stores.connections import Connection, find_connection
from pipeline.stores.stores import Store, get_store


@dataclass(frozen=True)
class Cell:
    """A connected store and site, with what the marketplace needs to know of the account."""

    store: Store
    connection: Connection
    marketplace: Marketplace
    site: Site
    account: Account

    @property
    def lane(self) -> Lane:
        transport = self.connection.transport(self.marketplace.sends)
        return Lane(self.store.id, self.store.key, self.site.key, transport)

    @property
    def lock(self) -> str:
        """Held from the plan to the submission: two exports of one cell never overlap."""
        return f"{self.store.key} on {self.site.key}"

    def recipe(self) -> Recipe:
        from pipeline.quality.ruleset import load_ruleset

        ruleset = load_ruleset(self.marketplace.rules_file)
        settings = self.connection.export_settings
        today = datetime.now(timezone.utc).date()
        return Recipe(self.store.key, self.store.currency, self.marketplace, self.site, self.account, settings, ruleset, today)


def find_cell(connection: psycopg.Connection[Any], store_key: str, site_key: str) -> Cell | None:
    """The cell, or None when the store is not connected to this site. Raises UsageError for an unknown store or site."""
    store = get_store(connection, store_key)
    marketplace, site = find_site(site_key)
    found = find_connection(connection, store_key, site_key)
    if found is None:
        return None
    return Cell(store, found, marketplace, site, found.account(marketplace.account_settings))
