"""Stores: where a catalog comes from. Rows of the table `stores`.

A key is what people type and what paths and partition keys are made of, so its rule is strict; the id never changes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from pipeline.model.errors import UsageError
from pipeline.model.secret import Secret
from pipeline.platform.vault.envelope import Vault
from pipeline.stores import credentials
from pipeline.stores.rows import count_rows
from pipeline.stores.sources import source_kind
from pipeline.stores.text import known_names, plain_text, shown

_KEY = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}")
_CURRENCY = re.compile(r"[A-Z]{3}")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")


@dataclass(frozen=True)
class Store:
    """One store. `source_settings` are those that were set (see `sources.py`); `settings` has the others with their defaults."""

    id: UUID
    key: str
    name: str
    source: str
    source_settings: Mapping[str, Any]
    currency: str
    language: str
    created_at: datetime
    updated_at: datetime
    status: str = "active"  # active | error
    last_error: str | None = None
    sealed_by: str | None = None  # the vault's key, if there are credentials

    @property
    def settings(self) -> dict[str, Any]:
        return source_kind(self.source).complete(self.source_settings)


_COLUMNS = sql.SQL(
    "id, key, name, source, source_settings, currency, language, created_at, updated_at, status, last_error,"
    " credentials->>'kid' AS sealed_by"
)


def is_store_key(key: str) -> bool:
    """1 to 63 lower-case letters, digits, dots and hyphens, a letter or digit first, never two dots in a row."""
    return bool(_KEY.fullmatch(key)) and ".." not in key


def check_key(key: str) -> None:
    """Raises UsageError for what cannot be a store key."""
    if not is_store_key(key):
        raise UsageError(
            f"{shown(key)!r} cannot be a store key: use 1 to 63 lower-case letters, digits, dots and hyphens, "
            "beginning with a letter or digit, without two dots in a row"
        )


def add_store(
    connection: psycopg.Connection,
    key: str,
    *,
    source: str,
    source_settings: Mapping[str, Any],
    name: str | None = None,
    currency: str = "USD",
    language: str | None = None,
    same_source: bool = False,
) -> Store:
    """The new store; raises UsageError for a bad or taken key, for settings that cannot work, and, without `same_source`, for
    the catalog of another store.

    Without a language it is the one of the source's locale, else English."""
    check_key(key)
    checked = check_source(source, source_settings)
    if refused := conflicts(connection, key, source, checked, same_source=same_source):
        raise UsageError("; ".join(refused))
    language = language if language is not None else str(checked.get("locale", "en")).replace("_", "-")
    values = {
        "key": key,
        "name": plain_text(name if name is not None else key, "the name of the store"),
        "source": source,
        "source_settings": Jsonb(checked),
        "currency": check_currency(currency),
        "language": check_language(language),
    }
    query = sql.SQL("INSERT INTO stores ({}) VALUES ({}) ON CONFLICT (key) DO NOTHING RETURNING {}").format(
        sql.SQL(", ").join(map(sql.Identifier, values)), sql.SQL(", ").join(map(sql.Placeholder, values)), _COLUMNS
    )
    with connection.cursor(row_factory=class_row(Store)) as cursor:
        store = cursor.execute(query, values).fetchone()
    if store is None:
        raise UsageError(_taken(key))
    return store


def conflicts(
    connection: psycopg.Connection, key: str, source: str, settings: Mapping[str, Any], *, same_source: bool = False
) -> list[str]:
    """Why the stores that there are leave no place for a new one, in sentences: first that its key is taken, then that its
    catalog is another store's, unless that is meant."""
    taken = [] if find_store(connection, key) is None else [_taken(key)]
    return taken if same_source or not settings else taken + _same_source(connection, source, settings, key)


def update_store(
    connection: psycopg.Connection,
    key: str,
    *,
    source_settings: Mapping[str, Any] | None = None,
    name: str | None = None,
    currency: str | None = None,
    language: str | None = None,
    same_source: bool = False,
) -> Store:
    """The changed store; None leaves a value as it is, `source_settings` are laid over the present ones (None removes one)."""
    store = get_store(connection, key)
    values: dict[str, Any] = {"key": key}
    if source_settings is not None:
        merged = {**store.source_settings, **source_settings}
        checked = check_source(store.source, merged)
        moved = any(checked.get(name) != store.source_settings.get(name) for name in source_kind(store.source).identity)
        if moved and not same_source and (refused := _same_source(connection, store.source, checked, key)):
            raise UsageError("; ".join(refused))
        values["source_settings"] = Jsonb(checked)
        clear_error(connection, store.id)  # if it was not of these, the next look or import says so again
    if name is not None:
        values["name"] = plain_text(name, "the name of the store")
    if currency is not None:
        values["currency"] = check_currency(currency)
    if language is not None:
        values["language"] = check_language(language)
    changes = sql.SQL(", ").join(sql.SQL("{} = {}").format(sql.Identifier(c), sql.Placeholder(c)) for c in values)
    if source_settings is not None or currency is not None:
        _note_change(connection, store.id)
    query = sql.SQL("UPDATE stores SET {} WHERE key = {} RETURNING {}").format(changes, sql.Placeholder("key"), _COLUMNS)
    with connection.cursor(row_factory=class_row(Store)) as cursor:
        return cursor.execute(query, values).fetchone() or get_store(connection, key)


def clear_error(connection: psycopg.Connection, store_id: UUID) -> None:
    """The store's source works, or was corrected: an error of it is over."""
    connection.execute("UPDATE stores SET status = 'active', last_error = NULL WHERE id = %s AND status = 'error'", [store_id])


def find_store(connection: psycopg.Connection, key: str) -> Store | None:
    """The store, or None."""
    if not is_store_key(key):
        return None
    with connection.cursor(row_factory=class_row(Store)) as cursor:
        return cursor.execute(sql.SQL("SELECT {} FROM stores WHERE key = %s").format(_COLUMNS), [key]).fetchone()


def get_store(connection: psycopg.Connection, key: str) -> Store:
    """The store; raises UsageError that names the known stores, the nearest key first."""
    store = find_store(connection, key)
    if store is not None:
        return store
    keys = [str(row[0]) for row in connection.execute("SELECT key FROM stores")]
    if not keys:
        raise UsageError(f"there is no store {shown(key)!r}, nor any other; add one with: pipeline store add KEY --file FILE")
    raise UsageError(f"there is no store {shown(key)!r}; known stores: {known_names(key, keys)}")


def list_stores(connection: psycopg.Connection) -> list[Store]:
    """All stores by key."""
    with connection.cursor(row_factory=class_row(Store)) as cursor:
        return cursor.execute(sql.SQL("SELECT {} FROM stores ORDER BY key").format(_COLUMNS)).fetchall()


def remove_store(connection: psycopg.Connection, key: str) -> dict[str, int]:
    """Delete the store and every row that belongs to it. Returns the number of rows by table, only tables that had some."""
    store = get_store(connection, key)
    removed = {"stores": 1, **count_rows(connection, store.id)}
    connection.execute("DELETE FROM stores WHERE id = %s", [store.id])
    return removed


def check_source(source: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a source in the form in which they are stored, paths made absolute; raises UsageError for others."""
    return source_kind(source).check(settings)


def save_credentials(connection: psycopg.Connection, vault: Vault, store: Store, given: Mapping[str, Secret]) -> None:
    """Seal the credentials of a store's source; raises UsageError when they are not what the source takes."""
    source_kind(store.source).credentials.check(f"the source {store.source}", given)
    credentials.save(connection, vault, "stores", store.id, given)
    _note_change(connection, store.id)


def open_credentials(connection: psycopg.Connection, vault: Vault, store: Store) -> dict[str, Secret]:
    """The credentials of a store's source; {} for a source that takes none, which needs no key.

    Raises CredentialError when there are none or they cannot be opened; `credentials.open_row` says what becomes of the row."""
    if not source_kind(store.source).live:
        return {}
    found = credentials.open_row(connection, vault, "stores", store.id)
    if not found:
        raise credentials.CredentialError(
            f"store {store.key} has no credentials; enter them with: "
            f"pipeline store set {store.key} --credentials ask (or FILE, or - for stdin)"
        )
    return found


def _note_change(connection: psycopg.Connection, store_id: UUID) -> None:
    """What an earlier import failed of may be corrected."""
    connection.execute("UPDATE stores SET changed_at = clock_timestamp() WHERE id = %s", [store_id])


def _taken(key: str) -> str:
    return f"there is a store {key} already; take another key, or change it with: pipeline store set {key}"


def _same_source(connection: psycopg.Connection, source: str, settings: Mapping[str, Any], key: str) -> list[str]:
    """Two stores with one catalog would sell everything twice; a sentence if another store than `key` has this one."""
    identity = {name: settings.get(name) for name in source_kind(source).identity}
    if not identity:
        return []
    row = connection.execute(
        "SELECT key FROM stores WHERE source = %s AND source_settings @> %s AND key <> %s ORDER BY key LIMIT 1",
        [source, Jsonb(identity), key],
    ).fetchone()
    if row is None:
        return []
    return [
        f"store {row[0]} has this catalog already ({', '.join(map(str, identity.values()))}); connect that one to more "
        "marketplaces, or say --same-source if you want it twice"
    ]


def check_currency(value: str) -> str:
    """In normal form; raises UsageError."""
    currency = value.strip().upper()
    if not _CURRENCY.fullmatch(currency):
        raise UsageError(f"{shown(value)!r} is not a currency; use an ISO 4217 code such as USD or EUR")
    return currency


def check_language(value: str) -> str:
    """Raises UsageError."""
    if not _LANGUAGE.fullmatch(value):
        raise UsageError(f"{shown(value)!r} is not a language; use a BCP 47 tag such as en or pt-BR")
    return value
