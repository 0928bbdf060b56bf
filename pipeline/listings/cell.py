"""One store on one marketplace site: the stored facts from which listings, plans and feeds are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

import psycopg

from pipeline.listings.account import read_mappings
from pipeline.listings.knowledge import NOTHING, Knowledge, read_knowledge
from pipeline.listings.lane import Lane
from pipeline.listings.recipe import Recipe
from pipeline.marketplaces import find_site
from pipeline.marketplaces.base import Marketplace
from pipeline.model.errors import UsageError
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
    #: Our SKU -> the account's SKU under which it is sold there.
    mappings: Mapping[str, str] = field(default_factory=dict)

    @property
    def lane(self) -> Lane:
        transport = self.connection.transport(self.marketplace.sends)
        return Lane(self.store.id, self.store.key, self.site.key, transport)

    @property
    def lock(self) -> str:
        """Held from the plan to the submission: two exports of one cell never overlap."""
        return f"{self.store.key} on {self.site.key}"

    def recipe(self, knowledge: Knowledge = NOTHING) -> Recipe:
        from pipeline.quality.ruleset import load_ruleset

        return Recipe(
            self.store.key, self.store.currency, self.marketplace, self.site, self.account, self.connection.export_settings,
            load_ruleset(self.marketplace.rules_file), datetime.now(timezone.utc).date(), knowledge,
            live=self.lane.transport == "api", mappings=self.mappings,
        )  # fmt: skip

    def informed(self, connection: psycopg.Connection[Any]) -> Marketplace:
        """The marketplace, knowing what its categories want."""
        known = read_knowledge(connection, self.store.id, self.site.key, items=False)
        return self.marketplace.informed(known.definitions)


def require_running(cell: Cell) -> None:
    """Raise UsageError for a connection that is paused, with what to press."""
    if cell.connection.paused:
        store, site = cell.store.key, cell.site.key
        raise UsageError(f"{store} on {site} is paused; resume it with: pipeline connection resume {store} {site}")


def find_cell(connection: psycopg.Connection[Any], store_key: str, site_key: str) -> Cell | None:
    """The cell, or None when the store is not connected to this site. Raises UsageError for an unknown store or site."""
    store = get_store(connection, store_key)
    marketplace, site = find_site(site_key)
    found = find_connection(connection, store_key, site_key)
    if found is None:
        return None
    account = found.account(marketplace.account_settings)
    return Cell(store, found, marketplace, site, account, read_mappings(connection, store.id, site.key))
