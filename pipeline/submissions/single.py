"""Messages that are said one by one, at once: each answer is the verdict about one SKU.

The values are absolute, so one may be said again: after a crash, and when an older feed that is still on its way could undo it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from psycopg.types.json import Jsonb

from pipeline.marketplaces.live import Answered, SingleMessage
from pipeline.platform.points import point
from pipeline.submissions.ledger import Submission
from pipeline.submissions.verdicts import Outcome, Verdict, apply, sentence

if TYPE_CHECKING:
    from pipeline.submissions.machine import Worker

_NOW = timedelta(0)
_NO_REASON = "the marketplace refused it without a reason"


def say(worker: Worker, row: Submission, messages: Sequence[SingleMessage]) -> Submission:
    """Say what has no verdict yet. While an older feed about the same is on its way, once for now and again when it has ended.

    What a newer export says anew is not said any more. Raises ApiError and TryLater; what was answered until then is recorded."""
    ledger = worker.ledger
    older = ledger.waits_for(row)
    if older is not None and row.polls:
        return _wait_for(worker, row, older)
    wanted, answered = ledger.on_its_way(row), ledger.answered(row)
    if not wanted and not answered and not row.polls:
        return ledger.move(row, "cancelled", reason="a newer export says all of it anew, so nothing was sent")
    for message in messages:
        if message.sku not in wanted or message.message_id in answered:
            continue
        worker.verify()
        point("single_unsaid")
        answer = worker.service.say(message)
        point("single_said_unrecorded")
        if older is None:
            row = _record(worker, row, message, answer)
            point("single_recorded")
    if older is not None:
        return _wait_for(worker, row, older)
    with ledger.connection.transaction():
        row = ledger.move(row, "done", counts=Jsonb(ledger.outcomes(row)))
        point("done_uncommitted")
    point("done")
    return row


def may_become_a_feed(worker: Worker, row: Submission, messages: Sequence[SingleMessage]) -> bool:
    """Whether its file says nothing that is known already, or is old by now."""
    ledger = worker.ledger
    return not ledger.answered(row) and {message.sku for message in messages} <= ledger.on_its_way(row)


def _wait_for(worker: Worker, row: Submission, older: int) -> Submission:
    reason = f"said at once, and again when submission {older} has ended, which is older and could undo it"
    return worker.ledger.wait(row, worker.timing.longest_poll, reason=reason, polls=row.polls + 1)


def _record(worker: Worker, row: Submission, message: SingleMessage, answer: Answered) -> Submission:
    errors = [issue for issue in answer.issues if issue.severity == "error"]
    reason = None if answer.accepted else sentence(errors[0]) if errors else _NO_REASON
    outcome = Outcome(message.message_id, message.sku, "accepted" if answer.accepted else "rejected", reason)
    ledger = worker.ledger
    with ledger.connection.transaction():
        apply(ledger.connection, row, Verdict([outcome], answer.issues), [worker.place(one) for one in answer.issues])
        point("acks_uncommitted")
        return ledger.wait(row, _NOW, failures=0, reason=None)
