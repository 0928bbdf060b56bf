"""The ledger of submissions: what was sent to a marketplace, what may have been, and what became of it.

States and transitions are docs/decisions/0014. Every write is fenced: a worker that lost its lane cannot write any more.
Times are the database's, so that machines whose clocks differ agree; tests give another clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from pipeline.listings.lane import Lane
from pipeline.listings.unsent import CHANGES
from pipeline.model.errors import PipelineError

#: Neither ended nor waiting for a person: the pipeline moves these on.
OPEN = ("planned", "documented", "uploaded", "sending", "submitted")
#: Of these the marketplace has, or may have, the feed: they are followed even when nothing is to be sent.
SENT = ("sending", "submitted")
ENDED = ("done", "fatal", "cancelled")
#: state -> states that it may become. What is not here does not happen.
TRANSITIONS: Mapping[str, tuple[str, ...]] = {
    "planned": ("documented", "cancelled", "done"),  # done: only what is said one by one
    "documented": ("documented", "uploaded", "cancelled"),
    "uploaded": ("documented", "sending", "cancelled"),
    "sending": ("submitted", "uploaded", "fatal", "held"),
    "submitted": ("done", "fatal", "cancelled", "held"),
    "held": ("planned", "submitted", "fatal"),  # only by a person
}


class Stale(PipelineError):
    """Another worker took the lane over, or an operator moved the submission: this one must stop."""


@dataclass(frozen=True)
class Submission:
    """One row: a feed file on its way."""

    id: int
    store_id: UUID
    site: str
    transport: str
    export_id: str
    lane: str
    kind: str
    path: str
    sha256: str
    messages: int
    state: str
    via: str
    reason: str | None
    document_id: str | None
    documented_at: datetime | None
    server_time: datetime | None
    sending_at: datetime | None
    deadline: datetime | None
    feed_id: str | None
    submitted_at: datetime | None
    remote_status: str | None
    report_id: str | None
    next_at: datetime
    polls: int
    failures: int
    resends: int
    adopted: bool
    cancel_asked: str | None  # by whom, and why; null: nobody wants it cancelled
    created_at: datetime
    ended_at: datetime | None
    counts: Mapping[str, Any]


COLUMNS = sql.SQL(", ").join(sql.SQL("s.{}").format(sql.Identifier(field.name)) for field in fields(Submission))
_SELECT = sql.SQL("SELECT {} FROM submissions s").format(COLUMNS)

#: Open submissions that must end before one may be sent, see `Ledger.waits_for`.
_WAITS_FOR = b"""
    SELECT o.id FROM submissions o WHERE o.lane = %(lane)s AND o.id <> %(id)s AND o.ended_at IS NULL AND (
        o.state = 'sending' AND %(via)s = 'feed' OR o.id < %(id)s AND o.export_id <> %(export)s
        AND (o.via = 'feed' OR %(via)s = 'feed')
        AND (o.kind = %(kind)s OR 'product' IN (o.kind, %(kind)s)) AND EXISTS (
            SELECT 1 FROM listing_changes_sent before JOIN listing_changes_sent after USING (store_id, site, transport, sku)
            WHERE store_id = o.store_id AND site = o.site AND transport = o.transport
                AND before.status = 'pending' AND before.export_id = o.export_id AND before.via = o.via AND before.change = ANY(
                    CASE o.kind WHEN 'product' THEN %(product)s::text[] WHEN 'price' THEN %(price)s::text[]
                    WHEN 'inventory' THEN %(inventory)s::text[] ELSE %(images)s::text[] END)
                AND after.status = 'pending' AND after.export_id = %(export)s AND after.via = %(via)s
                AND after.change = ANY(%(mine)s::text[])
        )
    ) ORDER BY o.id LIMIT 1
"""


def database_time(connection: psycopg.Connection[Any]) -> datetime:
    """Now, by the database's clock."""
    row = connection.execute(b"SELECT clock_timestamp()").fetchone()
    if row is None:
        raise PipelineError("the database did not say what time it is; try again")
    found: datetime = row[0]
    return found


def submission_states(connection: psycopg.Connection[Any], lane: Lane, export_id: str) -> dict[str, str]:
    """State of an export's submissions by the path of their feed file."""
    query = b"SELECT path, state FROM submissions WHERE store_id = %s AND site = %s AND transport = %s AND export_id = %s"
    return {str(path): str(state) for path, state in connection.execute(query, (*lane.key, export_id))}


def ended_since(connection: psycopg.Connection[Any], since: datetime) -> list[tuple[str, str, datetime]]:
    """(store, site, when the last one ended) of the connections of which a submission has ended since."""
    return connection.execute(
        b"SELECT t.key, s.site, max(s.ended_at) FROM submissions s JOIN stores t ON t.id = s.store_id WHERE s.ended_at > %s"
        b" GROUP BY 1, 2 ORDER BY 1, 2",
        [since],
    ).fetchall()


class Ledger:
    """The submissions of one lane, for one worker. The connection is in autocommit mode and the worker's own."""

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        lane: str,
        *,
        store_id: UUID | None = None,
        clock: Callable[[], datetime] | None = None,
        who: str | None = None,
    ) -> None:
        """`store_id`: only this store's submissions are due; others may share the account. `who`: a person, for the record."""
        self.connection, self.lane, self.store_id, self.who = connection, lane, store_id, who
        self._clock = clock or (lambda: database_time(connection))
        self._fence = 0

    def now(self) -> datetime:
        return self._clock()

    def enter(self) -> None:
        """Take the lane over: writes of whoever had it before are refused from now on."""
        row = self.connection.execute(
            b"INSERT INTO submission_lanes AS l (lane, fence) VALUES (%s, 1)"
            b" ON CONFLICT (lane) DO UPDATE SET fence = l.fence + 1 RETURNING fence",
            [self.lane],
        ).fetchone()
        self._fence = int(row[0]) if row else 0

    def due(self, states: Sequence[str] = OPEN) -> list[Submission]:
        """What can be moved on now: what is said at once, stock first; unknown outcomes; then the oldest."""
        return self._rows(
            sql.SQL(
                "WHERE s.lane = %s AND s.state = ANY(%s) AND s.next_at <= %s AND (%s::uuid IS NULL OR s.store_id = %s)"
                " ORDER BY NOT (s.via = 'items' AND s.kind = 'inventory'), s.via <> 'items', s.state <> 'sending', s.id"
            ),
            (self.lane, list(states), self.now(), self.store_id, self.store_id),
        )

    def get(self, submission_id: int) -> Submission:
        found = self._rows(sql.SQL("WHERE s.lane = %s AND s.id = %s"), (self.lane, submission_id))
        if not found:
            raise PipelineError(f"there is no submission {submission_id} any more")
        return found[0]

    def waits_for(self, row: Submission) -> int | None:
        """The submission that must end first: only one outcome may be unknown, and messages about one SKU must arrive in the
        order of the exports. A product feed carries prices, stock and pictures too. What is said one by one never waits for
        its like: a hand-over takes back what it says anew."""
        changes = {kind: list(kinds) for kind, kinds in CHANGES.items()}
        values = {"lane": row.lane, "id": row.id, "export": row.export_id, "kind": row.kind, "via": row.via,
                  "mine": changes[row.kind], **changes}  # fmt: skip
        found = self.connection.execute(_WAITS_FOR, values).fetchone()
        return None if found is None else int(found[0])

    def on_its_way(self, row: Submission) -> set[str]:
        """SKUs of which its messages still wait for a verdict, and no newer export says the same anew."""
        rows = self.connection.execute(
            b"SELECT sku FROM listing_changes_sent WHERE store_id = %s AND site = %s AND transport = %s AND export_id = %s"
            b" AND status = 'pending' AND via = %s AND change = ANY(%s)",
            (row.store_id, row.site, row.transport, row.export_id, row.via, list(CHANGES[row.kind])),
        )
        return {str(one[0]) for one in rows}

    def answered(self, row: Submission) -> set[int]:
        """Ids of its messages that have a verdict."""
        rows = self.connection.execute(b"SELECT message_id FROM submission_results WHERE submission_id = %s", [row.id])
        return {int(one[0]) for one in rows}

    def outcomes(self, row: Submission) -> dict[str, int]:
        """How many of its messages came to which outcome."""
        rows = self.connection.execute(
            b"SELECT outcome, count(*) FROM submission_results WHERE submission_id = %s GROUP BY 1", [row.id]
        )
        return {str(outcome): int(count) for outcome, count in rows}

    def known_feeds(self) -> set[str]:
        """Feed ids that belong to a submission of this lane."""
        rows = self.connection.execute(b"SELECT feed_id FROM submissions WHERE lane = %s AND feed_id IS NOT NULL", [self.lane])
        return {str(row[0]) for row in rows}

    def move(self, row: Submission, state: str, *, note: str | None = None, **values: Any) -> Submission:
        """The row in another state. Raises Stale when somebody else moved it or has the lane now.

        The reason is cleared unless it is among `values`, and so are failures; it is due at once."""
        if state not in TRANSITIONS.get(row.state, ()):
            raise ValueError(f"{row.state} never becomes {state}")
        changes = {"reason": None, "failures": 0, "next_at": self.now(), **values}
        if state in ENDED:
            changes["ended_at"] = self.now()
        with self.connection.transaction():
            moved = self._write(row, {"state": state, **changes})
            self.connection.execute(
                b"INSERT INTO submission_events (submission_id, at, state, who, note) VALUES (%s, %s, %s, %s, %s)",
                (row.id, self.now(), state, self.who, note or changes["reason"]),
            )
            if state in ENDED:  # others may have waited for it
                self.connection.execute(
                    b"UPDATE submissions SET next_at = %s WHERE lane = %s AND next_at > %s"
                    b" AND state IN ('planned', 'documented', 'uploaded')",
                    (self.now(), self.lane, self.now()),
                )
        return moved

    def note(self, row: Submission, text: str) -> None:
        """Something that a person did, and the row is due."""
        with self.connection.transaction():
            moved = self._write(row, {"next_at": self.now()})
            self.connection.execute(
                b"INSERT INTO submission_events (submission_id, at, state, who, note) VALUES (%s, %s, %s, %s, %s)",
                (row.id, self.now(), moved.state, self.who, text),
            )

    def wait(self, row: Submission, wait: timedelta, **values: Any) -> Submission:
        """The row in the same state, to be looked at again later."""
        with self.connection.transaction():
            return self._write(row, {"next_at": self.now() + wait, **values})

    def _write(self, row: Submission, values: Mapping[str, Any]) -> Submission:
        held = self.connection.execute(
            b"SELECT 1 FROM submission_lanes WHERE lane = %s AND fence = %s FOR SHARE", (self.lane, self._fence)
        ).fetchone()
        query = sql.SQL("UPDATE submissions s SET {} WHERE s.id = %s AND s.state = %s RETURNING {}").format(
            sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in values), COLUMNS
        )
        with self.connection.cursor(row_factory=class_row(Submission)) as cursor:
            found = cursor.execute(query, (*values.values(), row.id, row.state)).fetchone() if held else None
        if found is None:
            raise Stale(f"submission {row.id} is being worked on by another process; nothing was done here")
        return found

    def _rows(self, where: sql.SQL, values: tuple[Any, ...]) -> list[Submission]:
        with self.connection.cursor(row_factory=class_row(Submission)) as cursor:
            return cursor.execute(_SELECT + sql.SQL(" ") + where, values).fetchall()
