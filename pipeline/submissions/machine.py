"""Moving submissions on: upload, send once, look for what may have been sent, ask for the verdict, record it.

A step does one thing outside and records it. A process may die between any two lines: the next one finds a row whose state says
what is certain. `sending` is committed before the one request that must not be repeated, and never leads to a second request
before the marketplace's own list was read and has had time to settle.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from psycopg.types.json import Jsonb

from pipeline.listings.lane import Lane
from pipeline.marketplaces.live import CredentialsRefused, FeedIssue, FeedService, NotCreated, TryLater
from pipeline.model.errors import BadInputError, PipelineError
from pipeline.platform.http import ApiError
from pipeline.platform.points import point
from pipeline.submissions import single
from pipeline.submissions.ledger import ENDED, OPEN, SENT, Ledger, Submission
from pipeline.submissions.places import Places
from pipeline.submissions.requests import request_export
from pipeline.submissions.statistics import refresh
from pipeline.submissions.verdicts import Verdict, apply, becomes_a_feed, forget, is_foreign, judge


@dataclass(frozen=True)
class Timing:
    """How long what may take. Settling must be longer than `post_within`, the service's timeout and its list's lag together."""

    settle: timedelta = timedelta(minutes=15)  # before an unseen feed counts as not created
    search: timedelta = timedelta(hours=24)  # for an unknown outcome; then a person decides
    post_within: float = 60.0  # seconds from saying so to sending: a worker that slept longer has lost its right
    slack: timedelta = timedelta(seconds=60)  # between clocks of one marketplace
    document: timedelta = timedelta(hours=1)  # an uploaded one that is older is made again
    first_poll: timedelta = timedelta(seconds=60)
    longest_poll: timedelta = timedelta(minutes=5)
    late: timedelta = timedelta(hours=2)  # after this the operator is told
    lost: timedelta = timedelta(hours=48)  # after this a person decides
    retry: timedelta = timedelta(seconds=30)  # doubled with each failure
    longest_retry: timedelta = timedelta(minutes=30)
    no_credentials: timedelta = timedelta(hours=6)  # new ones make it due at once


TIMING = Timing()
_MOST_RESENDS = 3
_MOST_BAD_REPORTS = 5
_MOST_FAILURES = 5  # of what is said one by one, in a row
_BROKEN_OFF = (
    "the marketplace broke off processing: some, none or all of it may have been done, and the next export says it as a whole"
)
_STATUS = {"queued": "in the marketplace's queue", "running": "being processed by the marketplace"}


class _FileGone(PipelineError):
    """A feed file is not what was planned."""


@dataclass
class Worker:
    """Works one lane for as long as it holds the lock. `verify` raises when that is lost; `read` gives a feed file's bytes, by
    path, or raises FileNotFoundError."""

    ledger: Ledger
    service: FeedService
    read: Callable[[str], bytes]
    verify: Callable[[], None]
    places: Places = field(default_factory=Places)
    timing: Timing = TIMING
    monotonic: Callable[[], float] = time.monotonic
    sends: bool = True  # else what is out is followed, and nothing more is sent

    def run(self) -> Counter[str]:
        """Move on all that is due; returns how many came into which state. Raises CredentialsRefused after the rows are put off,
        and Stale when another worker took over."""
        self.ledger.enter()
        reached: Counter[str] = Counter()
        again = True
        while again:  # what ended makes way for what waited
            again = False
            for row in self.ledger.due(OPEN if self.sends else SENT):
                before = row.state
                try:
                    row = self._move(row)
                except CredentialsRefused as refused:
                    self._put_off(refused)
                    raise
                if row.state != before:
                    reached[row.state] += 1
                    again |= row.state in ENDED
        return reached

    def _move(self, row: Submission) -> Submission:
        try:
            if row.state == "sending":
                return self._reconcile(row)
            if row.state == "submitted":
                return self._poll(row)
            if row.via == "items" and row.state == "planned":
                return self._say(row)
            return self._send(row)
        except TryLater as later:
            return self._wait(self.ledger.get(row.id), timedelta(seconds=later.seconds), reason=f"{later}; then it goes on")
        except CredentialsRefused:
            raise
        except ApiError as error:
            row = self.ledger.get(row.id)
            if row.via == "items" and row.failures + 1 >= _MOST_FAILURES and self._becomes_a_feed(row, str(error)):
                return self.ledger.get(row.id)
            return self._failed(row, str(error))

    # One by one.

    def _say(self, row: Submission) -> Submission:
        try:
            content = self._content(row)
        except _FileGone:
            return self._forget(row)
        return single.say(self, row, self.service.single_messages(content))

    def _becomes_a_feed(self, row: Submission, why: str) -> bool:
        """It could not be said at once time and again: its file goes as a feed, unless part of it was said already."""
        if row.state != "planned" or not single.may_become_a_feed(self, row, self.service.single_messages(self._content(row))):
            return False
        with self.ledger.connection.transaction():
            becomes_a_feed(self.ledger.connection, row)
            row = self.ledger.wait(row, timedelta(0), via="feed", failures=0, reason=None)
            self.ledger.note(row, f"goes as a feed: {why}")
        return True

    # Sending.

    def _send(self, row: Submission) -> Submission:
        first = self.ledger.waits_for(row)
        if first is not None:
            return self._wait(row, self.timing.longest_poll, reason=f"waits until submission {first} has ended")
        try:
            content = self._content(row)
        except _FileGone:
            return self._forget(row)
        now = self.ledger.now()
        fresh = row.documented_at is not None and now - row.documented_at < self.timing.document
        if not (row.state == "uploaded" and fresh):
            row = self._upload(row, content)
        self.service.prepare()
        began = self.monotonic()
        now = self.ledger.now()
        row = self.ledger.move(
            row, "sending", sending_at=now, deadline=now + self.timing.search, next_at=now + self.timing.first_poll
        )
        point("sending_before_post")
        self.verify()
        if self.monotonic() - began > self.timing.post_within:
            return self.ledger.move(row, "uploaded", reason="the worker was too slow to send it; nothing was sent")
        return self._post(row)

    def _post(self, row: Submission) -> Submission:
        try:
            feed_id = self.service.create_feed(row.document_id or "")
        except NotCreated as error:
            if error.status == 429:
                why = f"{error}; it is sent when the marketplace takes more"
                return self.ledger.move(row, "uploaded", reason=why, next_at=self.ledger.now() + self.timing.longest_poll)
            return self.end_unsent(row, "fatal", str(error))
        except CredentialsRefused as error:
            if error.code is not None:
                self.ledger.move(row, "uploaded", reason=str(error))
            raise
        except ApiError as error:
            return self._wait(row, self.timing.first_poll, reason=f"{error}; whether the feed was created is being looked for")
        point("posted_unrecorded")
        now = self.ledger.now()
        row = self.ledger.move(row, "submitted", feed_id=feed_id, submitted_at=now, next_at=now + self.timing.first_poll, polls=0)
        point("submitted")
        return row

    def _upload(self, row: Submission, content: bytes) -> Submission:
        place = self.service.new_document()
        point("doc_created_unrecorded")
        row = self.ledger.move(
            row,
            "documented",
            document_id=place.document_id,
            documented_at=self.ledger.now(),
            server_time=place.server_time,
            failures=row.failures,  # a document alone is no success
        )
        point("documented")
        point("before_upload")
        self.service.upload(place, content)
        point("uploaded_unrecorded")
        row = self.ledger.move(row, "uploaded")
        point("uploaded")
        return row

    # Looking for what may have been sent.

    def _reconcile(self, row: Submission) -> Submission:
        point("reconcile_start")
        if row.server_time is None or row.sending_at is None or row.documented_at is None or row.deadline is None:
            raise PipelineError(f"submission {row.id} has no times; it was changed by hand")
        timing, now, sending_at = self.timing, self.ledger.now(), row.sending_at
        # Both ends by the marketplace's clock: ours only measures how long it took.
        since = row.server_time - timing.slack
        until = row.server_time + (row.sending_at - row.documented_at) + timing.slack
        until += timedelta(seconds=timing.post_within + self.service.timeout_seconds)
        known = self.ledger.known_feeds()
        found = [
            feed for feed in self.service.feeds_since(since)
            if feed.feed_id not in known and since <= feed.created_at <= until
        ]  # fmt: skip
        point("reconcile_listed")
        if len(found) > 1:
            ids = ", ".join(sorted(feed.feed_id for feed in found)[:10])
            return self.ledger.move(
                row, "held", reason=f"any of the feeds {ids} may be this one; {_decide(row, 'adopt', 'resend')}"
            )
        if found:
            feed_id, note = found[0].feed_id, f"found in the list of feeds as {found[0].feed_id}"
            row = self.ledger.move(
                row, "submitted", note=note, feed_id=feed_id, submitted_at=sending_at, adopted=True,
                next_at=now + timing.first_poll, polls=0,
            )  # fmt: skip
            point("adopted")
            return row
        settled = sending_at + timing.settle
        if now < settled:
            return self._wait(row, min(timing.longest_poll, settled - now))
        if row.resends >= _MOST_RESENDS:
            return self.ledger.move(
                row, "held", reason=f"sent {row.resends + 1} times and never seen; {_decide(row, 'resend', 'cancel')}"
            )
        note = "not in the list of feeds: it was not created, and is sent again"
        row = self.ledger.move(row, "uploaded", note=note, resends=row.resends + 1)
        point("resend_decided")
        return row

    # The verdict.

    def _poll(self, row: Submission) -> Submission:
        feed = self.service.feed(row.feed_id or "")
        point("polled")
        if feed is None:
            return self.ledger.move(
                row, "held", reason=f"the marketplace does not know feed {row.feed_id}; {_decide(row, 'resend', 'adopt')}"
            )
        if feed.status in ("queued", "running"):
            return self._still_waiting(row, feed.status)
        report = None
        try:
            if feed.status == "cancelled" and row.cancel_asked is not None:
                return self.end_unsent(row, "cancelled", row.cancel_asked)
            if feed.status == "cancelled":
                return self._say_again(row, f"the marketplace cancelled feed {row.feed_id} before it was processed")
            messages = self._messages(row)
            if feed.report_id:
                report = self.service.report(feed.report_id)
        except (BadInputError, _FileGone) as error:
            return self._no_report(row, str(error))
        if report is None and feed.status == "done":
            return self._no_report(row, "the feed is done, but there is no report")
        if report is not None and row.adopted and is_foreign(messages, report):
            return self.ledger.move(
                row, "held", reason=f"feed {row.feed_id} is another program's; {_decide(row, 'adopt', 'resend')}"
            )
        point("report_read")
        why = _BROKEN_OFF if feed.status == "fatal" else None
        verdict = judge(messages, report, ended=feed.status, reason=why)
        return self._end(row, feed.status, verdict, why, remote_status=feed.status, report_id=feed.report_id)

    def _still_waiting(self, row: Submission, status: str) -> Submission:
        timing, age = self.timing, self.ledger.now() - (row.submitted_at or row.created_at)
        if age > timing.lost:
            return self.ledger.move(
                row,
                "held",
                reason=f"no verdict after {_hours(age)} h; {_decide(row, 'resend', 'cancel')}; or, to wait on: {_adopt(row)}",
            )
        late = f"{_STATUS[status]} for {_hours(age)} h, which is long; it is followed on" if age > timing.late else None
        wait = min(timing.longest_poll, timing.first_poll * 1.5 ** min(row.polls, 10))
        return self._wait(row, wait, polls=row.polls + 1, failures=0, remote_status=status, reason=late)

    def _no_report(self, row: Submission, why: str) -> Submission:
        if row.failures + 1 >= _MOST_BAD_REPORTS:
            return self.ledger.move(row, "held", reason=f"{why}; {_decide(row, 'resend', 'cancel')}")
        return self._failed(row, why)

    def _end(self, row: Submission, state: str, verdict: Verdict, why: str | None, **values: Any) -> Submission:
        """Results, state of the listings and the end of the submission, in one transaction."""
        places = [self.place(issue) for issue in verdict.issues]
        with self.ledger.connection.transaction():
            apply(self.ledger.connection, row, verdict, places)
            point("acks_uncommitted")
            row = self.ledger.move(row, state, reason=why, counts=Jsonb(verdict.counts), **values)
            refresh(self.ledger.connection, Lane(row.store_id, "", row.site, row.transport))
            point("done_uncommitted")
        point("done")
        return row

    def end_unsent(self, row: Submission, state: str, why: str) -> Submission:
        """It ended without any effect."""
        return self._end(row, state, judge(self._messages(row), None, ended="unsent", reason=why), why)

    def give_up(self, row: Submission, why: str) -> Submission:
        """Nobody will know what became of it."""
        return self._end(row, "fatal", judge(self._messages(row), None, ended="fatal", reason=why), why)

    def _forget(self, row: Submission) -> Submission:
        """It was never sent and cannot be."""
        return self._say_again(row, "its feed file is gone or was changed, so nothing was sent")

    def _say_again(self, row: Submission, why: str) -> Submission:
        """It ended without any effect, and nobody wanted that: an export of what it was about is requested."""
        connection = self.ledger.connection
        with connection.transaction():
            request_export(connection, Lane(row.store_id, "", row.site, row.transport), forget(connection, row), why)
            return self.ledger.move(row, "cancelled", reason=f"{why}; an export says it again by itself")

    def _failed(self, row: Submission, why: str) -> Submission:
        """Try the same step later, less and less often."""
        now = self.ledger.now()
        if row.state == "sending" and row.deadline is not None and now > row.deadline:
            return self.ledger.move(
                row, "held", reason=f"whether it was created could not be found out: {why}; {_decide(row, 'resend', 'adopt')}"
            )
        wait = min(self.timing.longest_retry, self.timing.retry * 2 ** min(row.failures, 10))
        times = f", {row.failures + 1} times so far" if row.failures else ""
        return self._wait(row, wait, failures=row.failures + 1, reason=f"{why}; it is tried again by itself{times}")

    def _wait(self, row: Submission, wait: timedelta, **values: Any) -> Submission:
        return self.ledger.wait(row, wait, **values)

    def _put_off(self, refused: CredentialsRefused) -> None:
        for row in self.ledger.due():
            self._wait(row, self.timing.no_credentials, reason=str(refused))

    def _content(self, row: Submission) -> bytes:
        try:
            content = self.read(row.path)
        except FileNotFoundError:
            raise _FileGone(f"the feed file {row.path} is gone") from None
        if hashlib.sha256(content).hexdigest() != row.sha256:
            raise _FileGone(f"the feed file {row.path} was changed")
        return content

    def _messages(self, row: Submission) -> list[tuple[int, str]]:
        return self.service.messages(self._content(row))

    def place(self, issue: FeedIssue) -> tuple[str | None, str | None]:
        """Our field and rule for what the marketplace complains of."""
        field_ = self.service.field_of(issue.attribute) if issue.attribute else None
        return field_, self.places.rule(field_, issue)


#: What a person can do about one that is held, and what that does.
_DOES = {"resend": "send everything in it again", "adopt": "say which feed it is", "cancel": "give it up"}


def _decide(row: Submission, *commands: str) -> str:
    """The commands to choose from, in words."""
    found = {name: f"pipeline submissions {name} {row.id}{' FEED_ID' if name == 'adopt' else ''}" for name in commands}
    return "; or, to ".join(f"{'to ' if not number else ''}{_DOES[name]}: {found[name]}" for number, name in enumerate(found))


def _adopt(row: Submission) -> str:
    return f"pipeline submissions adopt {row.id} {row.feed_id}"


def _hours(age: timedelta) -> int:
    return int(age.total_seconds() // 3600)
