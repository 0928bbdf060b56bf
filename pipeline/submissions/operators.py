"""What a person decides about a submission: send it again, name the feed that it is, stop it. Kept with who and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal

import psycopg
from psycopg.rows import dict_row

from pipeline.listings.cell import find_cell
from pipeline.model.errors import UsageError
from pipeline.stores.actions import Person, record_action
from pipeline.submissions.ledger import ENDED, Submission
from pipeline.submissions.live import Office
from pipeline.submissions.machine import Worker

Action = Literal["resend", "adopt", "cancel"]

_LIST = """
    SELECT s.id, t.key AS store, s.site AS marketplace, s.export_id, s.kind AS feed, s.via, s.state, s.messages, s.counts,
        s.feed_id,
        s.remote_status, s.created_at, s.submitted_at, s.ended_at, s.next_at, s.reason, s.path, s.document_id, s.resends,
        s.adopted
    FROM submissions s JOIN stores t ON t.id = s.store_id
"""


def list_submissions(
    connection: psycopg.Connection[Any], *, store: str | None, site: str | None, open_only: bool, limit: int
) -> list[dict[str, Any]]:
    """Those that somebody has to decide about first, then the newest."""
    query = _LIST + (
        " WHERE (%(store)s::text IS NULL OR t.key = %(store)s) AND (%(site)s::text IS NULL OR s.site = %(site)s)"
        " AND (NOT %(open)s OR s.ended_at IS NULL) ORDER BY s.state = 'held' DESC, s.id DESC LIMIT %(limit)s"
    )
    return _rows(connection, query, {"store": store, "site": site, "open": open_only, "limit": limit})


def get_submission(connection: psycopg.Connection[Any], submission_id: int) -> dict[str, Any]:
    """One, with its `events` and the first `refused` messages. Raises UsageError when there is none."""
    found = _rows(connection, _LIST + " WHERE s.id = %(id)s", {"id": submission_id})
    if not found:
        raise UsageError(f"there is no submission {submission_id}; see: pipeline submissions list")
    events = "SELECT at, state, who, note FROM submission_events WHERE submission_id = %(id)s ORDER BY at"
    refused = (
        "SELECT message_id, sku, outcome, reason FROM submission_results"
        " WHERE submission_id = %(id)s AND outcome <> 'accepted' ORDER BY message_id LIMIT 50"
    )
    return {
        **found[0],
        "events": _rows(connection, events, {"id": submission_id}),
        "refused": _rows(connection, refused, {"id": submission_id}),
    }


def decide(office: Office, submission_id: int, action: Action, by: Person, *, feed_id: str = "") -> str:
    """Do it as the only worker of the lane, and record who did it; what was done, as a sentence.

    Raises UsageError where that cannot be done with this submission now, and LockBusy while another process works the lane."""
    with office.database.transaction() as connection:
        found = get_submission(connection, submission_id)
        cell = find_cell(connection, found["store"], found["marketplace"])
    if cell is None:
        raise UsageError(f"{found['store']} is not connected to {found['marketplace']} any more")
    if action == "adopt" and not feed_id:
        raise UsageError("say which feed it is: the marketplace's id of the feed")
    with office.service(cell) as service, office.worker(cell, service, holder=by.who, who=by.who) as worker:
        worker.ledger.enter()
        if action == "adopt":
            said = adopt(worker, submission_id, feed_id, by.why)
        else:
            said = (resend if action == "resend" else cancel)(worker, submission_id, by.why)
        record_action(
            worker.ledger.connection, by, action, found["store"], found["marketplace"], export_id=found["export_id"],
            submission=submission_id,
        )  # fmt: skip
    if action == "resend" and found["ended_at"] is not None:
        return f"{said}, or go now with: pipeline export {found['store']} {found['marketplace']}"
    return said


def resend(worker: Worker, submission_id: int, why: str) -> str:
    """Send a held one again, or let the next export say again what was refused; what that means, as a sentence."""
    ledger = worker.ledger
    row = ledger.get(submission_id)
    if row.state == "held":
        if _is_open(worker, row):
            raise UsageError(
                f"feed {row.feed_id} of submission {row.id} may still be processed, and would then come after what is sent "
                f"again; first: pipeline submissions cancel {row.id}, or, to wait on: pipeline submissions adopt {row.id} "
                f"{row.feed_id}"
            )
        ledger.move(
            row, "planned", note=f"resend: {why}", feed_id=None, document_id=None, documented_at=None, sending_at=None,
            adopted=False, resends=0, polls=0,
        )  # fmt: skip
        return f"submission {row.id} is sent again"
    if row.state in ENDED:
        count = ledger.connection.execute(
            b"DELETE FROM listing_changes_sent WHERE submission_id = %s AND status = 'rejected'", [row.id]
        ).rowcount
        if not count:
            raise UsageError(f"nothing of submission {row.id} was refused and waits; there is nothing to send again")
        ledger.note(row, f"resend of {count} messages: {why}")
        return f"{count} refused messages of submission {row.id} may be sent again: they are in the next export"
    raise _not_now(row, "resent")


def adopt(worker: Worker, submission_id: int, feed_id: str, why: str) -> str:
    """Say which of the marketplace's feeds a held submission is."""
    ledger = worker.ledger
    row = ledger.get(submission_id)
    if row.state != "held":
        raise _not_now(row, "adopted")
    if feed_id != row.feed_id and feed_id in ledger.known_feeds():
        raise UsageError(f"feed {feed_id} belongs to another submission; see: pipeline submissions list")
    if worker.service.feed(feed_id) is None:
        raise UsageError(f"the marketplace knows no feed {feed_id} of this account")
    now = ledger.now()
    # A new start of the clock: the operator wants to wait on.
    ledger.move(row, "submitted", note=f"adopted: {why}", feed_id=feed_id, submitted_at=now, adopted=True, polls=0)
    return f"submission {row.id} is feed {feed_id}; its verdict is read at the next poll"


def cancel(worker: Worker, submission_id: int, why: str) -> str:
    """Stop one: before it is sent, in the marketplace's queue, or when nobody wants to find out any more."""
    ledger = worker.ledger
    row = ledger.get(submission_id)
    said = f"cancelled by {ledger.who}: {why}"
    if row.state in ("planned", "documented", "uploaded"):
        worker.end_unsent(row, "cancelled", said)
        return f"submission {row.id} is cancelled; what it says is not sent until it changes, or until a resend"
    if row.state == "submitted" or (row.state == "held" and _is_open(worker, row)):
        worker.service.cancel(row.feed_id or "")
        ledger.note(row, said)
        if row.state == "held":
            row = ledger.move(row, "submitted", note=said, submitted_at=ledger.now(), polls=0)
        ledger.wait(row, timedelta(0), cancel_asked=said)
        return f"the marketplace was asked to cancel feed {row.feed_id}; whether it did is read at the next poll"
    if row.state == "held":
        worker.give_up(row, said)
        return f"submission {row.id} is given up; what it touched counts as uncertain, and the next export says it as a whole"
    raise _not_now(row, "cancelled")


def _is_open(worker: Worker, row: Submission) -> bool:
    """Whether the marketplace has its feed, and not ended it."""
    feed = worker.service.feed(row.feed_id) if row.feed_id else None
    return feed is not None and feed.status in ("queued", "running")


def _not_now(row: Submission, what: str) -> UsageError:
    if row.state in ENDED:
        return UsageError(f"submission {row.id} has ended ({row.state}); it cannot be {what}")
    if row.state == "sending":
        return UsageError(f"whether submission {row.id} was created is being looked for; it can be {what} when that is known")
    return UsageError(f"submission {row.id} is {row.state}; only a held one can be {what}")


def _rows(connection: psycopg.Connection[Any], query: str, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        found: Sequence[dict[str, Any]] = cursor.execute(query.encode(), values).fetchall()
    return list(found)
