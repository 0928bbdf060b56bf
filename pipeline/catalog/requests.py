"""Requests for imports: rows of the table `import_requests`. All functions work in the caller's transaction.

Whatever notices a change adds a request; the sensor `new_imports` gathers those of a store into one run and closes them when
that run has ended. A request is open until then, so nothing is lost when a process dies between two of these steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

Kind = Literal["all", "products", "collections", "inventory"]
Reason = Literal["webhook", "inbox", "change", "manual", "schedule"]

#: Run tag that names the lead of the requests that a run answers.
REQUEST_TAG = "import_request"
#: Requests that keep coming are not waited for longer than this.
MAX_WAIT = timedelta(minutes=5)
#: A webhook may be delivered again within hours; what is kept longer is only history.
KEEP = timedelta(days=7)
_MAX_TEXT = 2_000


@dataclass(frozen=True)
class Request:
    """One row. `detail` of an inbox request: `name` (safe), `size`, `modified` (ns) and `digest` of the file."""

    id: int
    store_id: UUID
    kind: Kind
    reason: Reason
    reference: str
    detail: Mapping[str, Any]
    created_at: datetime
    due_at: datetime
    lead_id: int | None
    run_id: str | None
    import_id: str | None
    closed_at: datetime | None
    error: str | None


_COLUMNS = "id, store_id, kind, reason, reference, detail, created_at, due_at, lead_id, run_id, import_id, closed_at, error"


@dataclass(frozen=True)
class Batch:
    """Requests of one store that one run answers. `lead_id` is the newest of them and names the run."""

    lead_id: int
    store_id: UUID
    store: str
    kinds: list[Kind]
    reasons: list[Reason]
    run_id: str | None
    import_id: str | None

    @property
    def kind(self) -> Kind:
        """The smallest import that answers all of them; one of products reads the stock too."""
        kinds: set[str] = set(self.kinds)
        if len(kinds) == 1:
            return self.kinds[0]
        return "products" if kinds <= {"products", "inventory"} else "all"

    @property
    def run_key(self) -> str:
        return f"{self.store}:{self.lead_id}"


def add_request(
    connection: psycopg.Connection[Any],
    store_id: UUID,
    kind: Kind,
    reason: Reason,
    reference: str,
    *,
    detail: Mapping[str, Any] | None = None,
    quiet: timedelta = timedelta(0),
) -> int | None:
    """Ask for an import, not before `quiet` has passed without another request. Returns the new id; None when this
    reference is known already, or the store is gone."""
    row = connection.execute(
        "INSERT INTO import_requests (store_id, kind, reason, reference, detail, due_at) "
        "SELECT id, %s, %s, %s, %s, clock_timestamp() + %s FROM stores WHERE id = %s FOR KEY SHARE "
        "ON CONFLICT (store_id, reason, reference) DO NOTHING RETURNING id",
        (kind, reason, reference, Jsonb(dict(detail or {})), quiet, store_id),
    ).fetchone()
    return None if row is None else int(row[0])


def get_request(connection: psycopg.Connection[Any], request_id: int) -> Request | None:
    return _one(connection, "id = %s", request_id)


def newest_inbox_request(connection: psycopg.Connection[Any], store_id: UUID) -> Request | None:
    """Of the file that was dropped last."""
    return _one(connection, "store_id = %s AND reason = 'inbox' ORDER BY id DESC LIMIT 1", store_id)


def newest_file_of(connection: psycopg.Connection[Any], lead_id: int) -> Request | None:
    """The inbox request whose file the run of this batch imports; None when no file was dropped."""
    return _one(connection, "lead_id = %s AND reason = 'inbox' ORDER BY id DESC LIMIT 1", lead_id)


def gather(connection: psycopg.Connection[Any], *, limit: int) -> None:
    """Make batches of waiting requests, at most `limit` stores at a time.

    A store's requests are due together: when none has come for their quiet period, or the first has waited for MAX_WAIT.
    While a batch of the store is open the others wait, so that what comes during an import becomes one more.
    """
    connection.execute(
        """
        WITH due AS (
            SELECT store_id, max(id) AS lead_id FROM import_requests r
            WHERE closed_at IS NULL AND lead_id IS NULL AND NOT EXISTS (
                SELECT FROM import_requests o WHERE o.store_id = r.store_id AND o.closed_at IS NULL AND o.lead_id IS NOT NULL
            )
            GROUP BY store_id
            HAVING max(due_at) <= clock_timestamp() OR min(due_at) <= clock_timestamp() - %s
            ORDER BY min(due_at) LIMIT %s
        )
        UPDATE import_requests r SET lead_id = due.lead_id FROM due
        WHERE r.store_id = due.store_id AND r.lead_id IS NULL AND r.closed_at IS NULL
        """,
        (MAX_WAIT, limit),
    )


def open_batches(connection: psycopg.Connection[Any]) -> list[Batch]:
    """Batches whose run has not ended, or is still to be started (`run_id` is None), oldest first."""
    with connection.cursor(row_factory=class_row(Batch)) as cursor:
        return cursor.execute(
            """
            SELECT lead.id AS lead_id, lead.store_id, s.key AS store, lead.run_id, lead.import_id,
                   array_agg(DISTINCT r.kind ORDER BY r.kind) AS kinds, array_agg(DISTINCT r.reason ORDER BY r.reason) AS reasons
            FROM import_requests lead
            JOIN import_requests r ON r.lead_id = lead.id
            JOIN stores s ON s.id = lead.store_id
            WHERE lead.closed_at IS NULL AND lead.lead_id = lead.id
            GROUP BY lead.id, s.key ORDER BY lead.id
            """
        ).fetchall()


def mark_requested(connection: psycopg.Connection[Any], lead_id: int, run_id: str) -> None:
    """The run of this batch exists; a retried run replaces the one that died."""
    connection.execute(
        "UPDATE import_requests SET run_id = %s, requested_at = coalesce(requested_at, clock_timestamp()) "
        "WHERE lead_id = %s AND run_id IS DISTINCT FROM %s",
        (run_id, lead_id, run_id),
    )


def mark_import(connection: psycopg.Connection[Any], lead_id: int, import_id: str) -> None:
    """The run of this batch began this import."""
    connection.execute("UPDATE import_requests SET import_id = %s WHERE lead_id = %s", (import_id, lead_id))


def close_batch(connection: psycopg.Connection[Any], lead_id: int, error: str | None = None) -> None:
    """Its run has ended; `error` says why nothing was imported."""
    connection.execute(
        "UPDATE import_requests SET closed_at = clock_timestamp(), error = %s WHERE lead_id = %s AND closed_at IS NULL",
        (None if error is None else error[:_MAX_TEXT], lead_id),
    )


def forget_old(connection: psycopg.Connection[Any]) -> int:
    """Delete closed requests older than KEEP, but no store's newest file. Returns their number."""
    done = connection.execute(
        "DELETE FROM import_requests r USING import_requests lead WHERE lead.id = r.lead_id "
        "AND lead.closed_at < clock_timestamp() - %s AND NOT EXISTS (SELECT FROM import_requests f WHERE f.lead_id = lead.id "
        "AND f.id = (SELECT max(id) FROM import_requests n WHERE n.store_id = r.store_id AND n.reason = 'inbox'))",
        (KEEP,),
    )
    return done.rowcount


def _one(connection: psycopg.Connection[Any], where: str, value: int | UUID) -> Request | None:
    with connection.cursor(row_factory=class_row(Request)) as cursor:
        return cursor.execute(f"SELECT {_COLUMNS} FROM import_requests WHERE {where}", (value,)).fetchone()  # noqa: S608
