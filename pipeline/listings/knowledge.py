"""What was asked of a marketplace beforehand and is kept in the database: what its categories want, which items of its catalog
have our GTINs, which category it suggests for a title. Reading it needs no network; `lookups` asks."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from pipeline.marketplaces.base import Definitions, StoredDefinition
from pipeline.marketplaces.live import CatalogItem, FetchedDefinition
from pipeline.model.errors import UsageError
from pipeline.stores.actions import Person, record_action
from pipeline.stores.connections import Connection
from pipeline.stores.text import shown


@dataclass(frozen=True)
class Knowledge:
    """All of one connection. `items`: what the marketplace's catalog has by GTIN; an empty list was looked for in vain."""

    definitions: Definitions = field(default_factory=dict)
    items: Mapping[str, Sequence[CatalogItem]] = field(default_factory=dict)

    def version(self, category: str | None) -> str:
        """Of what is known of a category: listings are looked at again when it changes."""
        return " ".join(one.checksum for key, one in sorted(self.definitions.items()) if key[0] == category)


NOTHING = Knowledge()


def read_knowledge(
    connection: psycopg.Connection[Any], store_id: UUID, site: str, *, items: bool = True
) -> Knowledge:  # fmt: skip
    """What is known for a store on a site; `items` where its settings use them."""
    return Knowledge(
        _definitions(connection, site),
        read_items(connection, store_id, site) if items else {},
    )


def _definitions(connection: psycopg.Connection[Any], site: str) -> dict[tuple[str, str], StoredDefinition]:
    query = b"SELECT category, requirements, document, checksum, problem FROM category_definitions WHERE site = %s"
    return {(row[0], row[1]): StoredDefinition(*row[2:]) for row in connection.execute(query, [site])}


def read_items(connection: psycopg.Connection[Any], store_id: UUID, site: str) -> dict[str, list[CatalogItem]]:
    """Items of the marketplace's catalog by GTIN; what an operator chose is the only one (or none)."""
    query = b"SELECT gtin, items, chosen FROM catalog_matches WHERE store_id = %s AND site = %s"
    found = {}
    for gtin, items, chosen in connection.execute(query, [store_id, site]):
        known = [CatalogItem(**item) for item in items]
        if chosen is not None:
            known = [item for item in known if item.item_id == chosen] or ([CatalogItem(chosen)] if chosen else [])
        found[gtin] = known
    return found


# What `lookups` writes.


def known_definitions(connection: psycopg.Connection[Any], site: str) -> dict[tuple[str, str], tuple[str, datetime, bool]]:
    """(category, requirements) -> checksum, when it was last asked for, whether an operator gave it."""
    query = b"SELECT category, requirements, checksum, checked_at, given FROM category_definitions WHERE site = %s"
    return {(row[0], row[1]): (row[2], row[3], row[4]) for row in connection.execute(query, [site])}


def save_definition(
    connection: psycopg.Connection[Any], site: str, category: str, requirements: str, found: FetchedDefinition,
    given: bool = False,
) -> None:  # fmt: skip
    """Keep what the marketplace said; without a document (unchanged) only that it was asked."""
    if found.document is None and found.problem is None:
        connection.execute(
            b"UPDATE category_definitions SET checked_at = clock_timestamp(), version = coalesce(%s, version)"
            b" WHERE site = %s AND category = %s AND requirements = %s", [found.version, site, category, requirements],
        )  # fmt: skip
        return
    content = zlib.compress(found.document, 6) if found.document is not None else None
    connection.execute(
        b"INSERT INTO category_definitions (site, category, requirements, document, checksum, version, label, problem, given)"
        b" VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (site, category, requirements) DO UPDATE SET"
        b" document = excluded.document, checksum = excluded.checksum, version = excluded.version, label = excluded.label,"
        b" problem = excluded.problem, given = excluded.given, fetched_at = clock_timestamp(), checked_at = clock_timestamp()",
        [site, category, requirements, content, found.checksum, found.version, found.label, found.problem, given],
    )


def save_items(
    connection: psycopg.Connection[Any], store_id: UUID, site: str, found: Mapping[str, Sequence[CatalogItem]]
) -> None:
    """Keep what the marketplace's catalog has; what an operator chose stays chosen."""
    with connection.cursor() as cursor:
        cursor.executemany(
            b"INSERT INTO catalog_matches (store_id, site, gtin, items) VALUES (%s, %s, %s, %s)"
            b" ON CONFLICT (store_id, site, gtin) DO UPDATE SET items = excluded.items, looked_at = clock_timestamp()",
            [(store_id, site, gtin, Jsonb([vars(item) for item in items])) for gtin, items in found.items()],
        )


def save_suggestion(connection: psycopg.Connection[Any], site: str, title: str, categories: Iterable[str]) -> None:
    connection.execute(
        b"INSERT INTO category_suggestions (site, title_hash, title, categories) VALUES (%s, %s, %s, %s)"
        b" ON CONFLICT (site, title_hash) DO UPDATE SET categories = excluded.categories, asked_at = clock_timestamp()",
        [site, title_key(title), title, list(categories)],
    )


def title_key(title: str) -> bytes:
    return blake2b(title.encode("utf-8", "replace"), digest_size=16).digest()


# What operators see and decide.


def list_definitions(connection: psycopg.Connection[Any], site: str) -> list[dict[str, Any]]:
    """Everything that is kept of a site's categories, without the documents."""
    query = (
        b"SELECT category, label, requirements, version, fetched_at, checked_at, given, problem"
        b" FROM category_definitions WHERE site = %s ORDER BY category, requirements"
    )
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, [site]).fetchall()


def remove_definition(connection: psycopg.Connection[Any], site: str, category: str) -> int:
    """Forget a category. Raises UsageError when nothing is known of it."""
    query = b"DELETE FROM category_definitions WHERE site = %s AND category = %s"
    count = connection.execute(query, [site, category]).rowcount
    if not count:
        raise UsageError(f"nothing is known of {shown(category)} on {site}")
    return count


def list_matches(connection: psycopg.Connection[Any], of: Connection, *, several: bool, limit: int) -> list[dict[str, Any]]:
    """GTINs of a connection that were looked for, by GTIN."""
    query = (
        b"SELECT gtin, items, chosen, who, looked_at FROM catalog_matches WHERE store_id = %s AND site = %s"
        b" AND (NOT %s OR (chosen IS NULL AND jsonb_array_length(items) > 1)) ORDER BY gtin LIMIT %s"
    )
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, [of.store_id, of.site, several, limit]).fetchall()


def choose_item(connection: psycopg.Connection[Any], of: Connection, gtin: str, item: str, person: Person) -> str:
    """Keep what a person decided about a GTIN; the sentence that says what follows. Raises UsageError for what is no item id, and
    for a GTIN that was not looked for."""
    none = item.casefold() == "none"
    if not none and not (item.isascii() and item.isalnum() and len(item) <= 40):
        raise UsageError(f"{shown(item)} is no id of an item; give one that `pipeline matches list` shows, or none")
    query = b"UPDATE catalog_matches SET chosen = %s, who = %s WHERE store_id = %s AND site = %s AND gtin = %s"
    if not connection.execute(query, ["" if none else item, person.who, of.store_id, of.site, gtin]).rowcount:
        raise UsageError(f"{shown(gtin)} was not looked for on {of.site}; see: pipeline matches list {of.store_key} {of.site}")
    record_action(connection, person, "choose_match", of.store_key, of.site, gtin=gtin, item=None if none else item)
    if none:
        return f"{gtin} is listed as an item of its own"
    return f"{gtin} is sold on {item} from the next export on; if it is live as an item of its own, end that listing first"
