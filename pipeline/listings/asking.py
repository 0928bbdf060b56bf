"""What one export asks of a live marketplace before it makes listings: which categories, titles and GTINs need an answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pandas as pd
import psycopg
import pyarrow.compute as pc

from pipeline.listings import lookups
from pipeline.listings.assortment import Collections
from pipeline.listings.categories import categorize
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
    database: Database, vault: Callable[[], Vault], cell: Cell, products: Table, variants: Table, collections: Table,
    stop: Callable[[], None],
) -> Asked:  # fmt: skip
    """Ask for what is missing or too old. In file mode, and while the marketplace cannot be reached, nothing is; what is known
    stays. `products` with all columns that category rules read."""
    if cell.lane.transport != "api":
        return Asked()
    settings, now = cell.connection.export_settings, datetime.now(timezone.utc)
    asked = Asked()
    try:
        with lookups.lookup_service(database, vault, cell) as service:
            asking = Lookups(database, cell, service, now, stop=stop)
            asked = asking.asked
            titles = _undecided(cell, products, collections) if _suggests(cell) else Counter()
            with database.connect() as connection:
                new = lookups.titles_to_ask(connection, cell.site.key, list(titles))
            asking.suggestions(new)
            with database.connect() as connection:
                known = lookups.suggested_categories(connection, cell.site.key)
            for title, count in titles.items():
                if category := known.get(title):
                    asked.suggestions[category] = asked.suggestions.get(category, 0) + count
            found = set(asked.suggestions) if settings.accept_suggested_product_types else set()
            if settings.match_existing_asins:
                asking.items(_gtins(database, cell, variants, now))
                with database.connect() as connection:
                    found |= lookups.item_categories(connection, cell)
            asking.definitions(lookups.categories_in_use(cell, found))
    except CredentialsRefused as refused:
        lookups.note_refusal(database, cell, refused)
        asked.problems.append(str(refused))
    except PipelineError as error:  # no credentials that can be opened, no seller id: sending says the same
        asked.problems.append(str(error))
    return asked


def _suggests(cell: Cell) -> bool:
    """Suggestions are of use where nothing else decides, or where they may."""
    settings = cell.connection.export_settings
    return settings.accept_suggested_product_types or settings.default_category is None


def _undecided(cell: Cell, products: Table, collections: Table) -> Counter[str]:
    """Titles of active products that no category rule decides."""
    settings, found = cell.connection.export_settings, Counter[str]()
    shelves = Collections(collections.arrow(["handle", "product_ids"]))
    for index in range(products.batches):
        batch = products.arrow_batch(index)
        source = categorize(batch, settings.category_rules, None, shelves)["category_source"]
        active = pc.equal(batch["status"], "active").to_pylist()
        titles = batch["title"].to_pylist()
        found.update(title for title, said, sold in zip(titles, source.isna(), active, strict=True) if title and said and sold)
    return found


def _gtins(database: Database, cell: Cell, variants: Table, now: datetime) -> list[str]:
    rows = variants.arrow(["sku", "barcode"])
    pairs = [(sku, gtin) for sku, gtin in zip(rows["sku"].to_pylist(), rows["barcode"].to_pylist(), strict=True) if sku and gtin]
    with database.connect() as connection:
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
