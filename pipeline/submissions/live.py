"""Connections that send: opening the service of one, working its lane, trying its credentials, and which have something due."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from upath import UPath

from pipeline.listings.cell import Cell
from pipeline.listings.services import feed_service, listings_service, note_refusal, require_live
from pipeline.marketplaces.live import CredentialsRefused, FeedService, ListingsService
from pipeline.model.errors import PipelineError, UsageError
from pipeline.platform.database import Database
from pipeline.platform.http import ApiError
from pipeline.platform.locks import advisory_lock
from pipeline.platform.vault.envelope import Vault
from pipeline.stores.connections import Status, set_outcome
from pipeline.submissions.ledger import Ledger
from pipeline.submissions.machine import Worker
from pipeline.submissions.places import places_of


@dataclass(frozen=True)
class Office:
    """What sending needs besides the connection: where feeds lie, the database, the vault."""

    database: Database
    vault: Vault
    root: Path | UPath

    @contextmanager
    def service(self, cell: Cell) -> Iterator[FeedService]:
        """The feed service of a connection. Raises UsageError for one in file mode: without credentials nothing is opened."""
        with feed_service(self.database, lambda: self.vault, cell) as opened:
            yield opened

    @contextmanager
    def listings(self, cell: Cell) -> Iterator[ListingsService]:
        """The listings of a connection's account; as `service`. What it raises about credentials is noted on the connection."""
        require_sending(cell)
        with listings_service(self.database, lambda: self.vault, cell) as opened:
            try:
                yield opened
            except CredentialsRefused as refused:
                note_refusal(self.database, cell, refused)
                raise

    def work(self, cell: Cell, service: FeedService, *, holder: str, sends: bool = True) -> Counter[str]:
        """Move on everything of a connection that is due; returns how many submissions came into which state.
        Unless it `sends`, what is out is followed, and nothing more is sent.

        Raises LockBusy when another process is at it, and CredentialsRefused after noting that on the connection."""
        with self.worker(cell, service, holder=holder) as worker:
            worker.sends &= sends
            try:
                return worker.run()
            except CredentialsRefused as refused:
                set_outcome(worker.ledger.connection, cell.connection.id, str(refused))
                raise

    @contextmanager
    def worker(self, cell: Cell, service: FeedService, *, holder: str, who: str | None = None) -> Iterator[Worker]:
        """The only worker of a lane, for this connection's submissions. `who`: the person that it works for."""
        name = f"the feeds of {service.lane}"
        with (
            advisory_lock(self.database.connect, name, wait_seconds=0, holder=holder, busy="are being worked on") as lock,
            self.database.autocommit() as connection,
        ):
            ledger = Ledger(connection, service.lane, store_id=cell.store.id, who=who)
            sends = cell.connection.status in ("active", "error")
            yield Worker(ledger, service, self.read, lock.verify, places_of(cell), sends=sends)

    def read(self, path: str) -> bytes:
        """The bytes of a feed file."""
        content: bytes = (self.root / path).read_bytes()
        return content


def require_sending(cell: Cell) -> None:
    """Raise when this connection is in file mode, or is being tested and must not do anything yet."""
    require_live(cell)
    if cell.connection.status == "testing":
        raise PipelineError(
            f"{cell.store.key} on {cell.site.key} is being tested, nothing is sent yet; try its credentials with: "
            f"pipeline connection test {cell.store.key} {cell.site.key}"
        )


def live_cells(connection: psycopg.Connection[Any]) -> list[tuple[str, str]]:
    """(store, site) of the active live connections whose account was looked at."""
    rows = connection.execute(b"""
        SELECT t.key, l.site FROM export_lanes l JOIN stores t ON t.id = l.store_id
        JOIN marketplace_credentials c ON c.store_id = l.store_id AND c.site = l.site AND c.credentials <> '{}'
        WHERE l.transport = 'api' AND l.reconciled_at IS NOT NULL AND c.status IN ('active', 'error') ORDER BY 1, 2
    """)
    return [(str(store), str(site)) for store, site in rows]


def try_connection(office: Office, cell: Cell) -> list[str]:
    """What is wrong with a connection's credentials, as sentences. Its status becomes active or error; testing when the
    marketplace could not be asked. Raises UsageError for a connection in file mode."""
    status: Status
    require_live(cell)
    try:
        with office.service(cell) as service:
            problems = service.check()
        status = "error" if problems else "active"
    except (CredentialsRefused, UsageError) as error:
        problems, status = [str(error)], "error"
    except ApiError as error:
        problems, status = [str(error)], "testing"
    with office.database.transaction() as connection:
        set_outcome(connection, cell.connection.id, " ".join(problems) or None, status)
        if not problems:
            make_due(connection, cell)
    return problems


def make_due(connection: psycopg.Connection[Any], cell: Cell) -> None:
    """Look at everything of a connection at the next opportunity: what held it up is over."""
    connection.execute(
        b"UPDATE submissions SET next_at = clock_timestamp() WHERE store_id = %s AND site = %s AND transport = %s"
        b" AND ended_at IS NULL AND next_at > clock_timestamp()",
        cell.lane.key,
    )


def due_cells(connection: psycopg.Connection[Any]) -> list[tuple[str, str]]:
    """(store, site) of the connections of which something is due. Of paused ones only what is out already."""
    rows = connection.execute(b"""
        SELECT DISTINCT t.key, s.site FROM submissions s JOIN stores t ON t.id = s.store_id
        JOIN marketplace_credentials c ON c.store_id = s.store_id AND c.site = s.site AND c.credentials <> '{}'
        WHERE s.ended_at IS NULL AND s.next_at <= clock_timestamp() AND (s.state IN ('sending', 'submitted')
            OR s.state <> 'held' AND c.status IN ('active', 'error')) ORDER BY 1, 2
    """)
    return [(str(store), str(site)) for store, site in rows]


def left_behind(connection: psycopg.Connection[Any], store_key: str, site: str | None = None) -> str:
    """What stays at the marketplaces when a store or a connection is removed here, as a sentence; empty when nothing does."""
    values = {"store": store_key, "site": site}
    live = connection.execute(
        b"SELECT count(*) FROM listing_state l JOIN stores t ON t.id = l.store_id WHERE t.key = %(store)s AND l.transport = 'api'"
        b" AND (%(site)s::text IS NULL OR l.site = %(site)s)",
        values,
    ).fetchone()
    out = connection.execute(
        b"SELECT count(*) FROM submissions s JOIN stores t ON t.id = s.store_id WHERE t.key = %(store)s"
        b" AND s.state IN ('sending', 'submitted', 'held') AND (%(site)s::text IS NULL OR s.site = %(site)s)",
        values,
    ).fetchone()
    listings, feeds = (row[0] if row else 0 for row in (live, out))
    parts = []
    if listings:
        parts.append(f"{listings} listings stay live on the marketplace as they are")
    if feeds:
        parts.append(f"{feeds} submissions are without a verdict, and what they say may still happen")
    return "; ".join(parts)
