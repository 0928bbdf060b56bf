"""Opening the services of a live connection: its credentials come from the vault, its limits are shared by all processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any, cast

from pipeline.listings.cell import Cell
from pipeline.marketplaces.live import CredentialsRefused, FeedService, ListingsService, LiveMarketplace, LookupService
from pipeline.model.errors import UsageError
from pipeline.platform.database import Database
from pipeline.platform.rate_limits import Buckets
from pipeline.platform.vault.envelope import Vault
from pipeline.stores.connections import open_credentials, set_outcome


@contextmanager
def feed_service(database: Database, vault: Callable[[], Vault], cell: Cell) -> Iterator[FeedService]:
    """What feeds are sent with. Raises UsageError for a connection in file mode: without credentials nothing is opened."""
    with (
        _live(database, vault, cell) as (market, credentials, buckets),
        closing(market.feed_service(cell.site, cell.account, credentials, buckets)) as service,
    ):
        yield service


@contextmanager
def lookup_service(database: Database, vault: Callable[[], Vault], cell: Cell) -> Iterator[LookupService]:
    """Questions to the marketplace's catalog; likewise."""
    with (
        _live(database, vault, cell) as (market, credentials, buckets),
        closing(market.lookup_service(cell.site, cell.account, credentials, buckets)) as service,
    ):
        yield service


@contextmanager
def listings_service(database: Database, vault: Callable[[], Vault], cell: Cell) -> Iterator[ListingsService]:
    """The account's own listings; likewise."""
    with (
        _live(database, vault, cell) as (market, credentials, buckets),
        closing(market.listings_service(cell.site, cell.account, credentials, buckets)) as service,
    ):
        yield service


def require_live(cell: Cell) -> None:
    if not cell.marketplace.sends:
        raise UsageError(
            f"this release cannot send to {cell.marketplace.name}; {cell.store.key} on {cell.site.key} is in file mode"
        )
    if cell.lane.transport != "api":
        raise UsageError(
            f"{cell.store.key} on {cell.site.key} is in file mode: nothing is sent and nobody is asked; "
            f"give it credentials with: pipeline connection set {cell.store.key} {cell.site.key} --credentials FILE"
        )


def note_refusal(database: Database, cell: Cell, refused: CredentialsRefused) -> None:
    """The connection says why nothing could be asked or sent."""
    with database.connect() as connection:
        set_outcome(connection, cell.connection.id, str(refused))


@contextmanager
def _live(database: Database, vault: Callable[[], Vault], cell: Cell) -> Iterator[tuple[LiveMarketplace, Any, Buckets]]:
    require_live(cell)
    with database.connect() as connection:
        credentials = open_credentials(connection, vault(), cell.connection)
    with Buckets(database.connect) as buckets:
        yield cast(LiveMarketplace, cell.marketplace), credentials, buckets
