"""Sealed credentials in the rows of stores and connections: saving, opening, checking, and moving them to another key."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from pipeline.model.errors import PipelineError
from pipeline.model.secret import Secret
from pipeline.platform.points import point
from pipeline.platform.vault.envelope import MalformedEnvelope, Vault
from pipeline.platform.vault.keys import DecryptError, KeyFormatError, UnknownKeyError

BATCH = 100
_UNREADABLE = (DecryptError, UnknownKeyError, MalformedEnvelope)
#: Both kinds of rows in one shape: what credentials are bound to, what people call the row, and how they enter new ones.
_ROWS = {
    "stores": (
        "SELECT t.id, t.credentials, t.id AS store_id, t.source AS marketplace, '' AS marketplace_id, 'store ' || t.key AS what,"
        " 'pipeline store set ' || t.key AS enter, t.status FROM stores t"
    ),
    "marketplace_credentials": (
        "SELECT t.id, t.credentials, t.store_id, t.marketplace, coalesce(t.marketplace_id, '') AS marketplace_id,"
        " s.key || ' on ' || t.site AS what, 'pipeline connection set ' || s.key || ' ' || t.site AS enter, t.status"
        " FROM marketplace_credentials t JOIN stores s ON s.id = t.store_id"
    ),
}
TABLES = tuple(_ROWS)
#: A status that an error has set; paused and testing connections keep theirs.
_WELL = sql.SQL(
    "last_error = CASE WHEN status = 'error' THEN NULL ELSE last_error END,"
    " status = CASE WHEN status = 'error' THEN 'active' ELSE status END"
)
_SAVE = sql.SQL("UPDATE {table} SET credentials = %s, {well} WHERE id = %s")
_REWRAP = sql.SQL("UPDATE {table} SET credentials = %s WHERE id = %s AND credentials = %s")
#: Both only if the row's credentials are still the ones that were tried.
_NOTE_ERROR = sql.SQL(
    "UPDATE {table} SET last_error = %s, status = CASE WHEN status = 'active' THEN 'error' ELSE status END"
    " WHERE id = %s AND credentials = %s"
)
_CLEAR_ERROR = sql.SQL("UPDATE {table} SET {well} WHERE id = %s AND credentials = %s AND last_error LIKE 'credential %%'")
_OTHER_KEY = "t.credentials <> '{}' AND t.credentials->>'kid' IS DISTINCT FROM %(primary)s"


class CredentialError(PipelineError):
    """Credentials of one row cannot be had. Says of which, and how to enter them again."""


@dataclass(frozen=True)
class Row:
    """One row with its envelope ({} without credentials)."""

    table: str
    id: UUID
    envelope: Mapping[str, Any] = field(repr=False)
    store_id: UUID
    marketplace: str
    marketplace_id: str
    what: str
    enter: str
    status: str

    @property
    def place(self) -> dict[str, Any]:
        """What the envelope is bound to."""
        return {"store_id": self.store_id, "marketplace": self.marketplace, "marketplace_id": self.marketplace_id}


def save(connection: psycopg.Connection, vault: Vault, table: str, row_id: UUID, credentials: Mapping[str, Secret]) -> None:
    """Seal and store, in place of what was there; clears an error of the row. None at all takes the credentials away."""
    row = _get(connection, table, row_id)
    if credentials:
        _refuse_lost_key(connection, vault)
    envelope = vault.seal(credentials, **row.place) if credentials else {}
    connection.execute(_SAVE.format(table=sql.Identifier(table), well=_WELL), [Jsonb(envelope), row_id])


def open_row(connection: psycopg.Connection, vault: Vault, table: str, row_id: UUID) -> dict[str, Secret]:
    """The credentials of a row; {} when it has none.

    When they cannot be opened, the row gets status error, that is committed, and CredentialError is raised; other rows are
    not touched. So call it before writing anything else in the same transaction."""
    row = _get(connection, table, row_id)
    if not row.envelope:
        return {}
    try:
        opened = vault.open(row.envelope, **row.place)
    except KeyFormatError as error:
        _note(connection, row, f"credential keys cannot be used: {error}")
        raise
    except _UNREADABLE as error:
        reason = str(error)
    else:
        if row.status == "error":
            query = _CLEAR_ERROR.format(table=sql.Identifier(table), well=_WELL)
            connection.execute(query, [row.id, Jsonb(dict(row.envelope))])
        return opened
    _note(connection, row, reason)
    raise CredentialError(
        f"{row.what}: {reason}; give the key that sealed it (pipeline keys check), or enter it again: "
        f"{row.enter} --credentials ask (or FILE, or - for stdin)"
    )


def _note(connection: psycopg.Connection, row: Row, reason: str) -> None:
    connection.execute(_NOTE_ERROR.format(table=sql.Identifier(row.table)), [reason, row.id, Jsonb(dict(row.envelope))])
    connection.commit()


def _refuse_lost_key(connection: psycopg.Connection, vault: Vault) -> None:
    """Raise KeyFormatError where something is sealed already, but no key is at hand: one that is made now in its place would
    leave everything else unreadable, without a word."""
    if any(True for table in TABLES for _ in _select(connection, table, "t.credentials <> '{}' LIMIT 1", {})):
        vault.require_key()


@dataclass
class Survey:
    """How many rows each key has sealed, by table, and which rows cannot be opened and why."""

    sealed: dict[str, dict[str, int]] = field(default_factory=dict)  # kid -> table -> rows
    unreadable: dict[str, str] = field(default_factory=dict)  # row -> reason


def survey(connection: psycopg.Connection, vault: Vault) -> Survey:
    """Open every envelope there is; changes nothing."""
    found = Survey()
    for table in TABLES:
        for row in _select(connection, table, "t.credentials <> '{}' ORDER BY t.id", {}):
            kid = str(row.envelope.get("kid"))
            counts = found.sealed.setdefault(kid, dict.fromkeys(TABLES, 0))
            counts[table] += 1
            try:
                vault.open(row.envelope, **row.place)
            except _UNREADABLE as error:
                found.unreadable[row.what] = str(error)
    return found


def count_sealed(connection: psycopg.Connection, kid: str) -> int:
    """How many rows this key has sealed."""
    return sum(len(list(_select(connection, table, "t.credentials->>'kid' = %(kid)s", {"kid": kid}))) for table in TABLES)


@dataclass
class Rotation:
    """What a rotation did: the key that it moved to, rows moved by table, rows that cannot be opened, and how many rows
    are still sealed by another key (those, and rows that were being saved meanwhile)."""

    key: str
    moved: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TABLES, 0))
    unreadable: dict[str, str] = field(default_factory=dict)
    left: int = 0


def rotate(connect: Callable[[], AbstractContextManager[psycopg.Connection]], vault: Vault) -> Rotation:
    """Wrap the data keys of all rows under the primary key, a batch a transaction.

    Safe to kill and to run again, beside readers and writers: a row that somebody is saving is skipped, and one that was
    saved meanwhile stays as saved."""
    done = Rotation(vault.primary)
    for table in TABLES:
        where = f"{_OTHER_KEY} AND t.id > %(after)s ORDER BY t.id LIMIT {BATCH} FOR UPDATE OF t SKIP LOCKED"
        query = _REWRAP.format(table=sql.Identifier(table))
        after = UUID(int=0)
        while True:
            with connect() as connection:
                batch = list(_select(connection, table, where, {"primary": done.key, "after": after}))
                for row in batch:
                    try:
                        envelope = vault.rewrap(row.envelope, **row.place)
                    except _UNREADABLE as error:
                        done.unreadable[row.what] = str(error)
                        continue
                    changed = connection.execute(query, [Jsonb(envelope), row.id, Jsonb(dict(row.envelope))])
                    done.moved[table] += changed.rowcount
                    point("rotation_mid")
            if not batch:
                break
            after = batch[-1].id
    with connect() as connection:
        done.left = sum(len(list(_select(connection, table, _OTHER_KEY, {"primary": done.key}))) for table in TABLES)
    return done


def _get(connection: psycopg.Connection, table: str, row_id: UUID) -> Row:
    row = next(_select(connection, table, "t.id = %(id)s", {"id": row_id}), None)
    if row is None:
        raise CredentialError("the store or connection was removed meanwhile")
    return row


def _select(connection: psycopg.Connection, table: str, where: str, values: Mapping[str, Any]) -> Iterator[Row]:
    # Constant texts of this module only; values go as parameters.
    for found in connection.execute(f"{_ROWS[table]} WHERE {where}".encode(), values):
        yield Row(table, *found)
