"""What a live marketplace itself suggests for titles: asked once a title, and read from what it said."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import Any

import psycopg
import pyarrow.compute as pc

from pipeline.listings import lookups, services
from pipeline.listings.assortment import Collections
from pipeline.listings.categories.decisions import Decisions, key_of, read_decisions
from pipeline.listings.categories.rules import first_rules
from pipeline.listings.cell import Cell
from pipeline.listings.lookups import Asked, Lookups
from pipeline.marketplaces.live import CredentialsRefused
from pipeline.model.errors import PipelineError
from pipeline.platform.database import Database
from pipeline.platform.tables import Table
from pipeline.platform.vault.envelope import Vault


def ask_for(
    database: Database, vault: Callable[[], Vault], cell: Cell, products: Table, collections: Table, stop: Callable[[], None]
) -> Asked:  # fmt: skip
    """Ask for titles that nobody decided about and that were never asked for. In file mode, where suggestions are of no use, and
    while the marketplace cannot be reached, nothing is asked."""
    settings, asked = cell.connection.export_settings, Asked()
    if cell.lane.transport != "api" or not (settings.accept_suggested_product_types or settings.default_category is None):
        return asked
    try:
        with database.transaction() as connection:
            decisions = read_decisions(connection, cell.store.id, cell.site.key)
            new = lookups.titles_to_ask(connection, cell.site.key, list(_undecided(cell, products, collections, decisions)))
        if new:
            with services.lookup_service(database, vault, cell) as service:
                asking = Lookups(database, cell, service, datetime.now(timezone.utc), stop=stop)
                asked = asking.asked
                asking.suggestions(new)
    except CredentialsRefused as refused:
        services.note_refusal(database, cell, refused)
        asked.problems.append(str(refused))
    except PipelineError as error:  # no credentials that can be opened, no seller id: sending says the same
        asked.problems.append(str(error))
    return asked


def read_suggestions(connection: psycopg.Connection[Any], site: str) -> dict[str, list[str]]:
    """The categories by title, the likeliest first."""
    query = b"SELECT title, categories FROM category_suggestions WHERE site = %s AND cardinality(categories) > 0"
    return {title: categories for title, categories in connection.execute(query, [site])}


def _undecided(cell: Cell, products: Table, collections: Table, decisions: Decisions) -> Iterator[str]:
    """Titles of active products that no rule and no choice decides."""
    shelves = Collections(collections.arrow(["handle", "product_ids"]))
    for number in range(products.batches):
        batch = products.arrow_batch(number)
        ruled = first_rules(batch, cell.connection.export_settings.category_rules, shelves) >= 0
        active = pc.equal(batch["status"], "active").to_pylist()
        names = batch.select(["product_id", "product_type", "title"]).to_pylist()
        for product, said, sold in zip(names, ruled.tolist(), active, strict=True):
            kind = key_of("product_type", product["product_type"] or "")
            chosen = {("product", product["product_id"]), ("product_type", kind)} & decisions.accepted.keys()
            if product["title"] and sold and not said and not chosen:
                yield product["title"]
