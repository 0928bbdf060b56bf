"""The ledger of imports: rows of the table `imports`. All functions work in the caller's transaction.

An import id is written into every table of the import; `require_verdict` is how later stages refuse tables that the quality
stage has not passed.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol
from uuid import UUID

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from pipeline.catalog.source import Kind, RawImport
from pipeline.model.errors import PipelineError
from pipeline.stores.stores import clear_error

_COLUMNS = (
    "id, store_id, kind, status, source, source_name, raw_location, raw_sha256, raw_bytes, counts, error, "
    "quality_passed, quality_reason, started_at, finished_at, run_id, source_state, settings_hash, since, base_import_id, "
    "watermark, reconciled"
)
#: Kinds whose tables of products the quality stage looks at.
_WITH_PRODUCTS: tuple[Kind, ...] = ("all", "products")
_MAX_TEXT = 2_000


@dataclass(frozen=True)
class Import:
    """One row of the ledger. `counts` holds the row counts and, under `quality`, what the quality stage said."""

    id: str
    store_id: UUID
    kind: Kind
    status: Literal["running", "complete", "failed"]
    source: str
    source_name: str | None
    raw_location: str | None
    raw_sha256: str | None
    raw_bytes: int | None
    counts: Mapping[str, Any]
    error: str | None
    quality_passed: bool | None
    quality_reason: str | None
    started_at: datetime
    finished_at: datetime | None
    run_id: str | None
    source_state: Mapping[str, Any]
    settings_hash: str | None
    since: datetime | None
    base_import_id: str | None
    watermark: datetime | None
    reconciled: bool

    @property
    def incremental(self) -> bool:
        """Whether it only has products that changed, to be put into the tables of `base_import_id`."""
        return self.since is not None


class _Store(Protocol):
    @property
    def id(self) -> UUID: ...
    @property
    def key(self) -> str: ...


def begin_import(
    connection: psycopg.Connection[Any],
    store_id: UUID,
    kind: Kind,
    source: str,
    *,
    run_id: str | None = None,
    settings_hash: str | None = None,
    since: datetime | None = None,
    base_import_id: str | None = None,
    reconciled: bool = False,
) -> str:
    """A new running import. Ids are UTC time by the database's clock plus random digits, so they sort by their start."""
    row = connection.execute(
        "INSERT INTO imports (id, store_id, kind, source, run_id, settings_hash, since, base_import_id, reconciled) VALUES "
        "(to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYYMMDD\"T\"HH24MISSUS') || '-' || %s, %s, %s, %s, %s, %s, %s, %s, %s) "
        "RETURNING id",
        (secrets.token_hex(4), store_id, kind, source, run_id, settings_hash, since, base_import_id, reconciled),
    ).fetchone()
    if row is None:
        raise AssertionError("INSERT .. RETURNING gives a row")
    return str(row[0])


def save_state(connection: psycopg.Connection[Any], import_id: str, state: Mapping[str, Any]) -> None:
    """What the fetch of a running import must remember should its process die."""
    done = connection.execute(
        "UPDATE imports SET source_state = %s WHERE id = %s AND status = 'running'", (Jsonb(dict(state)), import_id)
    )
    _one(done, import_id, "running")


def note_raw(connection: psycopg.Connection[Any], import_id: str, raw: RawImport) -> None:
    """The raw copy of a running import is there. One of everything, though only changes were asked for, makes a full import."""
    done = connection.execute(
        "UPDATE imports SET watermark = %s, reconciled = %s, since = CASE WHEN %s THEN since END "
        "WHERE id = %s AND status = 'running'",
        (raw.watermark, raw.reconciled, raw.incremental, import_id),
    )
    _one(done, import_id, "running")


def take_over(
    connection: psycopg.Connection[Any],
    store_id: UUID,
    kind: Kind,
    *,
    full: bool,
    longest: timedelta,
    run_id: str,
    settings_hash: str | None = None,
) -> Import | None:
    """The import of this kind that a process which died has left, made this run's own; all others that it left are closed.

    Only while the store's import lock is held: whatever runs then is dead. An import is gone on with if its fetch has saved
    something, it began less than `longest` ago with these settings, and no newer one has changed the catalog since; one whose
    tables the quality stage has not seen is not over either. `full`: not with an incremental one.
    """
    query = (
        f"SELECT {_COLUMNS} FROM imports i WHERE store_id = %(store)s AND kind = %(kind)s AND source_state <> '{{}}' "  # noqa: S608
        "AND (status = 'running' OR (status = 'complete' AND quality_passed IS NULL AND kind = ANY(%(products)s))) "
        "AND started_at > clock_timestamp() - %(longest)s AND (since IS NULL OR NOT %(full)s) "
        "AND settings_hash IS NOT DISTINCT FROM %(settings)s "
        "AND NOT EXISTS (SELECT FROM imports n WHERE n.store_id = i.store_id AND n.id > i.id AND n.status = 'complete') "
        "ORDER BY id DESC LIMIT 1"
    )
    values = {
        "store": store_id, "kind": kind, "full": full, "longest": longest, "products": list(_WITH_PRODUCTS),
        "settings": settings_hash,
    }  # fmt: skip
    with connection.cursor(row_factory=class_row(Import)) as cursor:
        found = cursor.execute(query.encode(), values).fetchone()
    if found is not None:
        connection.execute(
            "UPDATE imports SET status = 'running', finished_at = NULL, error = NULL, run_id = %s WHERE id = %s",
            (run_id, found.id),
        )
    connection.execute(
        "UPDATE imports SET status = 'failed', finished_at = clock_timestamp(), "
        "error = coalesce(error, 'its process died') || '; a later import took its place' "
        "WHERE store_id = %s AND status = 'running' AND id IS DISTINCT FROM %s",
        (store_id, found and found.id),
    )
    return found


def last_reconciled(connection: psycopg.Connection[Any], store_id: UUID) -> datetime | None:
    """When an import last saw the ids of all products."""
    row = connection.execute(
        "SELECT max(started_at) FROM imports WHERE store_id = %s AND status = 'complete' AND reconciled", (store_id,)
    ).fetchone()
    return row[0] if row else None


def finish_import(
    connection: psycopg.Connection[Any], import_id: str, raw: RawImport, location: str, counts: Mapping[str, Any]
) -> None:
    """The import is complete; `location` is where its exact copy lies. Raises PipelineError unless it was running."""
    done = connection.execute(
        "UPDATE imports SET status = 'complete', error = NULL, source_name = %s, raw_location = %s, raw_sha256 = %s, "
        "raw_bytes = %s, counts = %s, finished_at = clock_timestamp() WHERE id = %s AND status = 'running' RETURNING store_id",
        (_storable(raw.name), location, raw.sha256, raw.bytes, Jsonb(dict(counts)), import_id),
    )
    _one(done, import_id, "running")
    row = done.fetchone()
    if row is not None:  # its source was reached
        clear_error(connection, row[0])


def widen_import(connection: psycopg.Connection[Any], import_id: str, counts: Mapping[str, Any]) -> None:
    """An import of collections became one of all: its raw copy was normalized once more, products included."""
    connection.execute(
        "UPDATE imports SET kind = 'all', counts = counts || %s WHERE id = %s AND kind = 'collections' AND status = 'complete'",
        (Jsonb(dict(counts)), import_id),
    )


def fail_import(connection: psycopg.Connection[Any], import_id: str, error: str) -> None:
    """The import failed for this reason. One that is already closed stays as it is, so that clean-up may call it twice."""
    connection.execute(
        "UPDATE imports SET status = 'failed', error = %s, finished_at = clock_timestamp() WHERE id = %s AND status = 'running'",
        (_storable(error), import_id),
    )


def note_interruption(connection: psycopg.Connection[Any], import_id: str, reason: str) -> None:
    """A running import was interrupted for this reason; it stays running, for the next one to go on with."""
    connection.execute("UPDATE imports SET error = %s WHERE id = %s AND status = 'running'", (_storable(reason), import_id))


def get_import(connection: psycopg.Connection[Any], import_id: str) -> Import | None:
    with connection.cursor(row_factory=class_row(Import)) as cursor:
        return cursor.execute(f"SELECT {_COLUMNS} FROM imports WHERE id = %s", (import_id,)).fetchone()  # noqa: S608


def latest_import(connection: psycopg.Connection[Any], store_id: UUID, kinds: Sequence[Kind] = _WITH_PRODUCTS) -> Import | None:
    """The complete import that started last: what it read is newest, whichever finished last."""
    with connection.cursor(row_factory=class_row(Import)) as cursor:
        return cursor.execute(
            f"SELECT {_COLUMNS} FROM imports WHERE store_id = %s AND status = 'complete' AND kind = ANY(%s) "  # noqa: S608
            "ORDER BY id DESC LIMIT 1",
            (store_id, list(kinds)),
        ).fetchone()


def products_of_last_passed(connection: psycopg.Connection[Any], store_id: UUID) -> int | None:
    """How many products the newest import had that the quality stage passed; null when none did yet."""
    row = connection.execute(
        "SELECT (counts->>'products')::bigint FROM imports WHERE store_id = %s AND quality_passed ORDER BY id DESC LIMIT 1",
        (store_id,),
    ).fetchone()
    return None if row is None else int(row[0])


def record_verdict(
    connection: psycopg.Connection[Any],
    import_id: str,
    passed: bool,
    reason: str | None = None,
    quality: Mapping[str, Any] | None = None,
) -> None:
    """What the quality stage said of a complete import; `quality` (issues, score ...) goes into its counts."""
    done = connection.execute(
        "UPDATE imports SET quality_passed = %s, quality_reason = %s, counts = counts || %s "
        "WHERE id = %s AND status = 'complete'",
        (passed, reason and _storable(reason), Jsonb({} if quality is None else {"quality": dict(quality)}), import_id),
    )
    _one(done, import_id, "complete")


def require_import(connection: psycopg.Connection[Any], store: _Store, import_id: str) -> Import:
    """The import, if it belongs to the store; else PipelineError."""
    found = get_import(connection, import_id)
    if found is None or found.store_id != store.id:
        raise PipelineError(f"import {import_id} of {store.key} is not in this database: import the catalog again")
    return found


def require_verdict(connection: psycopg.Connection[Any], store: _Store, import_id: str) -> Import:
    """The import, if it belongs to the store and the quality stage passed it; else PipelineError saying what to do."""
    found = require_import(connection, store, import_id)
    what = f"import {import_id} of {store.key}"
    if found.status != "complete":
        raise PipelineError(f"{what} is {found.status}: import the catalog again")
    if found.quality_passed is None:
        raise PipelineError(f"{what} has no quality verdict: materialize the quality assets of {store.key}")
    if not found.quality_passed:
        why = found.quality_reason or "see the checks of the quality assets"
        raise PipelineError(f"{what} did not pass its quality checks ({why}): correct the source and import again")
    return found


def _one(cursor: psycopg.Cursor[Any], import_id: str, status: str) -> None:
    if cursor.rowcount != 1:
        raise PipelineError(f"import {import_id} is not {status}: start a new import")


def _storable(text: str) -> str:
    """Postgres refuses NUL and lone surrogates."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()[:_MAX_TEXT]
