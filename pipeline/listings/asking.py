"""What one export asks of a live marketplace before it makes listings: about which categories and GTINs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pandas as pd
import psycopg
import pyarrow.compute as pc

from pipeline.listings import lookups, services
from pipeline.listings.cell import Cell
from pipeline.listings.lookups import Asked, Lookups
from pipeline.listings.schema import LOOKUPS
from pipeline.listings.state import read_state
from pipeline.marketplaces.live import CredentialsRefused
from pipeline.model.errors import PipelineError
from pipeline.platform.database import Database
from pipeline.platform.tables import Table
from pipeline.platform.vault.envelope import Vault


def ask(
    database: Database, vault: Callable[[], Vault], cell: Cell, variants: Table, categories: Table, stop: Callable[[], None]
) -> Asked:  # fmt: skip
    """Ask for what is missing or too old. In file mode, and while the marketplace cannot be reached, nothing is; what is known
    stays. `categories`: status and category of `listing_categories`."""
    if cell.lane.transport != "api":
        return Asked()
    settings, now = cell.connection.export_settings, datetime.now(timezone.utc)
    asked = Asked()
    try:
        with services.lookup_service(database, vault, cell) as service:
            asking = Lookups(database, cell, service, now, stop=stop)
            asked = asking.asked
            found = _accepted(categories)
            if settings.match_existing_asins:
                asking.items(_gtins(database, cell, variants, now))
                with database.transaction() as connection:
                    found |= lookups.item_categories(connection, cell)
            asking.definitions(lookups.categories_in_use(cell, found))
    except CredentialsRefused as refused:
        services.note_refusal(database, cell, refused)
        asked.problems.append(str(refused))
    except PipelineError as error:  # no credentials that can be opened, no seller id: sending says the same
        asked.problems.append(str(error))
    return asked


def _accepted(categories: Table) -> set[str]:
    rows = categories.arrow(["status", "category"])
    return set(rows.filter(pc.equal(rows["status"], "accepted"))["category"].to_pylist())


def _gtins(database: Database, cell: Cell, variants: Table, now: datetime) -> list[str]:
    rows = variants.arrow(["sku", "barcode"])
    pairs = [(sku, gtin) for sku, gtin in zip(rows["sku"].to_pylist(), rows["barcode"].to_pylist(), strict=True) if sku and gtin]
    with database.transaction() as connection:
        live = set(read_state(connection, cell.lane)["sku"].to_pylist())
        return lookups.gtins_to_ask(connection, cell, pairs, live, now)


def lookup_rows(connection: psycopg.Connection[Any], cell: Cell, asked: Asked) -> pd.DataFrame:
    """LOOKUPS of the categories that the connection may use."""
    categories = sorted(asked.definitions or lookups.categories_in_use(cell))
    rows = connection.execute(
        b"SELECT category, requirements, label, version, fetched_at::text, checked_at::text, problem"
        b" FROM category_definitions WHERE site = %s AND category = ANY(%s) ORDER BY 1, 2",
        [cell.site.key, categories],
    ).fetchall()
    found = [(*row[:6], asked.definitions.get(row[0], "known"), row[6]) for row in rows]
    there = {row[0] for row in rows}
    found += [(name, None, None, None, None, None, asked.definitions.get(name), None) for name in categories if name not in there]
    return pd.DataFrame(found, columns=LOOKUPS.names, dtype="string[pyarrow]")
