"""Asking a marketplace what `knowledge` keeps: definitions of the categories in use, categories for titles, items by GTIN.

Whatever was asked is kept at once, so after a run that was stopped or ran out of time the next one goes on. A marketplace that
cannot be reached stops nothing: listings are made from what is known.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import psycopg

from pipeline.listings import knowledge
from pipeline.listings.cell import Cell
from pipeline.marketplaces.live import CredentialsRefused, LookupService
from pipeline.model.errors import BadInputError
from pipeline.platform.database import Database
from pipeline.platform.http import ApiError

#: Items of the catalog are looked for again after this time, until the listing is live.
ITEMS_LAST = timedelta(days=7)
#: So long may one run ask: 5 titles and 40 GTINs a second. The next one goes on.
LONGEST_SECONDS = 1800.0


@dataclass
class Asked:
    """What came of it. `problems`: what could not be asked, one sentence each."""

    definitions: dict[str, str] = field(default_factory=dict)  # category -> known | unchanged | new | unknown | failed
    suggested: int = 0
    gtins: int = 0
    left: int = 0  # titles and GTINs that the next run asks for
    problems: list[str] = field(default_factory=list)


class Lookups:
    """Asks for one connection. `connect` gives connections whose transactions end with the block."""

    def __init__(
        self, database: Database, cell: Cell, service: LookupService, now: datetime, *,
        stop: Callable[[], None] = lambda: None, clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._database, self._cell, self._service, self._now = database, cell, service, now
        self._stop, self._clock, self._until = stop, clock, clock() + LONGEST_SECONDS
        self.asked = Asked()

    def definitions(self, categories: Iterable[str], *, again: bool = False) -> None:
        """Definitions that are missing, or older than `definition_days`; all of them with `again`. Those given by hand stay."""
        settings, site = self._cell.connection.export_settings, self._cell.site.key
        sets = self._service.requirements if settings.match_existing_asins else self._service.requirements[:2]
        with self._database.transaction() as connection:
            known = knowledge.known_definitions(connection, site)
        oldest = self._now - timedelta(days=settings.definition_days)
        for category in sorted(set(categories)):
            said = self.asked.definitions.setdefault(category, "known")
            for requirements in sets:
                checksum, checked_at, given = known.get((category, requirements), (None, None, False))
                if given or (checked_at is not None and checked_at > oldest and not again):
                    continue
                said = self._define(category, requirements, checksum)
                if said in ("failed", "unknown"):
                    break
            self.asked.definitions[category] = said

    def _define(self, category: str, requirements: str, checksum: str | None) -> str:
        self._stop()
        try:
            found = self._service.definition(category, requirements, checksum)
        except CredentialsRefused:
            raise
        except (ApiError, BadInputError) as error:
            self.asked.problems.append(f"{category}: {error}")
            return "failed"
        with self._database.transaction() as connection:
            knowledge.save_definition(connection, self._cell.site.key, category, requirements, found)
        return "unknown" if found.problem else "new" if found.document is not None else "unchanged"

    def suggestions(self, titles: Iterable[str]) -> None:
        """Categories for titles, each asked once ever."""
        for title in titles:
            if not self._more():
                self.asked.left += 1
                continue
            if (found := self._ask(partial(self._service.suggest, title))) is None:
                return
            with self._database.transaction() as connection:
                knowledge.save_suggestion(connection, self._cell.site.key, title, found)
            self.asked.suggested += 1

    def items(self, gtins: Sequence[str]) -> None:
        """Items of the catalog, as many GTINs at a time as the marketplace takes."""
        size = self._service.most_gtins
        for start in range(0, len(gtins), size):
            batch = gtins[start : start + size]
            if not self._more():
                self.asked.left += len(batch)
                continue
            if (found := self._ask(partial(self._service.items, batch))) is None:
                self.asked.left += len(gtins) - start
                return
            with self._database.transaction() as connection:
                knowledge.save_items(connection, self._cell.store.id, self._cell.site.key, found)
            self.asked.gtins += len(batch)

    def _more(self) -> bool:
        self._stop()
        return self._clock() < self._until

    def _ask(self, question: Callable[[], Any]) -> Any:
        """None, and noted, when the marketplace did not answer."""
        try:
            return question()
        except CredentialsRefused:
            raise
        except (ApiError, BadInputError) as error:
            self.asked.problems.append(str(error))
            return None


def categories_in_use(cell: Cell, known: Iterable[str] = ()) -> set[str]:
    """Categories that listings of a connection may get: of its rules, its default, and `known` ones."""
    settings = cell.connection.export_settings
    default = [settings.default_category] if settings.default_category else []
    return {*(rule.category for rule in settings.category_rules), *default, *known}


def titles_to_ask(connection: psycopg.Connection[Any], site: str, titles: Sequence[str]) -> list[str]:
    """Those of `titles` that were never asked for, in order, each once."""
    rows = connection.execute(b"SELECT title FROM category_suggestions WHERE site = %s", [site])
    known = {row[0] for row in rows}
    return [title for title in dict.fromkeys(titles) if title not in known]


def gtins_to_ask(
    connection: psycopg.Connection[Any], cell: Cell, gtins: Sequence[tuple[str, str]], live: set[str], now: datetime
) -> list[str]:
    """GTINs to look for, of (SKU, GTIN): unknown ones, and old answers about what is not live.

    What is live was listed as it is, whatever the catalog says since: Amazon's catalog has our own items too. So a live GTIN that
    was never looked for is noted as having no item, and no answer about a live one is asked for again."""
    store, site = cell.store.id, cell.site.key
    query = b"SELECT gtin, looked_at FROM catalog_matches WHERE store_id = %s AND site = %s"
    known = {gtin: looked_at for gtin, looked_at in connection.execute(query, [store, site])}
    sold = {gtin for sku, gtin in gtins if sku in live}
    knowledge.save_items(connection, store, site, {gtin: [] for gtin in sorted(sold - known.keys())})
    wanted = (gtin for _, gtin in gtins if gtin not in sold and (gtin not in known or known[gtin] < now - ITEMS_LAST))
    return list(dict.fromkeys(wanted))


def item_categories(connection: psycopg.Connection[Any], cell: Cell) -> set[str]:
    """Categories of the items that variants are offers on."""
    found = knowledge.read_items(connection, cell.store.id, cell.site.key).values()
    return {items[0].category for items in found if len(items) == 1 and items[0].category}
