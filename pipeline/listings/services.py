"""Opening the services of a live connection: its credentials come from the vault, its limits are shared by all processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from typing import TypeVar, cast

from pipeline.listings.cell import Cell
from pipeline.marketplaces.live import CredentialsRefused, FeedService, ListingsService, LiveMarketplace, LookupService
from pipeline.model.errors import UsageError
from pipeline.platform.database import Database
from pipeline.platform.rate_limits import Buckets
from pipeline.platform.vault.envelope import Vault
from pipeline.stores.connections import open_credentials, set_outcome

Service = TypeVar("Service", FeedService, LookupService, ListingsService)


def feed_service(database: Database, vault: Callable[[], Vault], cell: Cell) -> AbstractContextManager[FeedService]:
    """What feeds are sent with. Raises UsageError for a connection in file mode: without credentials nothing is opened."""
    return _opened(database, vault, cell, lambda market: market.feed_service)


def lookup_service(database: Database, vault: Callable[[], Vault], cell: Cell) -> AbstractContextManager[LookupService]:
    """Questions to the marketplace's catalog; likewise."""
    return _opened(database, vault, cell, lambda market: market.lookup_service)


def listings_service(database: Database, vault: Callable[[], Vault], cell: Cell) -> AbstractContextManager[ListingsService]:
    """The account's own listings; likewise."""
    return _opened(database, vault, cell, lambda market: market.listings_service)


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
    with database.transaction() as connection:
        set_outcome(connection, cell.connection.id, str(refused))


@contextmanager
def _opened(
    database: Database, vault: Callable[[], Vault], cell: Cell, opening: Callable[[LiveMarketplace], Callable[..., Service]]
) -> Iterator[Service]:
    require_live(cell)
    with database.transaction() as connection:
        credentials = open_credentials(connection, vault(), cell.connection)
    open_service = opening(cast(LiveMarketplace, cell.marketplace))
    with Buckets(database.connect) as buckets, closing(open_service(cell.site, cell.account, credentials, buckets)) as service:
        yield service
