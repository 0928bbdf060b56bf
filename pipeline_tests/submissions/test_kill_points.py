"""A process killed by SIGKILL between any effect and its record: no feed is created twice, and no acknowledgment is lost.

The two controls must find duplicates, or these tests prove nothing.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline.platform import points
from pipeline.submissions.machine import Timing
from pipeline_tests.fakes.amazon import Fault
from pipeline_tests.fakes.clock import RemoteClock
from pipeline_tests.points import Death, fork
from pipeline_tests.submissions.shop import Shop, row

ROWS = [row("a"), row("b", price=2500), row("c")]
SENDING = [
    "before_plan", "in_plan_tx", "after_plan", "token_refreshed_unsaved", "doc_created_unrecorded",
    "documented", "before_upload", "uploaded_unrecorded", "uploaded", "sending_before_post", "posted_unrecorded", "submitted",
    "polled", "report_read", "acks_uncommitted", "done_uncommitted", "done",
]  # fmt: skip
LOOKING = ["reconcile_start", "reconcile_listed", "adopted"]


def in_child(shop: Shop, work: Callable[[Shop], None]) -> int:
    """The signal that ended `work` in a process of its own, 0 when it came to its end."""

    def there() -> None:
        with shop.database.connect(autocommit=True) as connection:
            work(replace(shop, connection=connection, amazon=FarAmazon(shop)))  # type: ignore[arg-type]

    return fork(there)


class FarAmazon:
    """What a child process needs of the fake, whose threads stay with the parent."""

    def __init__(self, shop: Shop) -> None:
        self.credentials = shop.amazon.credentials
        self.clock = RemoteClock(shop.amazon.url)


def live(shop: Shop) -> None:
    """Export and follow to the end, as often as it takes."""
    shop.export(*ROWS)
    shop.pass_time(25)


def live_and_die(point: str) -> Callable[[Shop], None]:
    def work(shop: Shop) -> None:
        points.hook = Death(point)
        live(shop)

    return work


def upload_half_and_die(shop: Shop) -> None:
    """`mid_upload`: half of the content is on the wire. It lies within the HTTP client, so the hook does too."""
    from httpcore._backends.sync import SyncStream

    write = SyncStream.write

    def half(self: SyncStream, buffer: bytes, timeout: float | None = None) -> None:
        if b'"messages":' not in buffer:
            return write(self, buffer, timeout)
        write(self, buffer[: len(buffer) // 2], timeout)
        os.kill(os.getpid(), signal.SIGKILL)

    SyncStream.write = half  # type: ignore[method-assign]
    live(shop)


def duplicates(shop: Shop) -> int:
    """Feeds with the same messages as an earlier one."""
    said = Counter(repr(messages) for messages in shop.amazon.created())
    return sum(count - 1 for count in said.values())


def assert_whole(shop: Shop, adopted: bool | None = None) -> None:
    assert duplicates(shop) == 0
    assert len(shop.amazon.feeds) == 1
    assert shop.acknowledged() == {"a": 1999, "b": 2500, "c": 1999}
    assert sorted(shop.results().values()) == ["accepted"] * 3
    assert shop.on_its_way() == set()
    assert shop.submissions("state") == ["done"]
    if adopted is not None:
        assert shop.submissions("adopted") == [adopted]


@pytest.mark.parametrize("point", SENDING)
def test_killed_while_sending(shop: Shop, point: str) -> None:
    assert in_child(shop, live_and_die(point)) == signal.SIGKILL
    live(shop)
    assert_whole(shop, adopted=point == "posted_unrecorded")


def test_killed_in_the_middle_of_an_upload(shop: Shop) -> None:
    assert in_child(shop, upload_half_and_die) == signal.SIGKILL
    assert shop.amazon.calls["upload"] == 0 and shop.amazon.feeds == {}  # half a document is none
    live(shop)
    assert_whole(shop, adopted=False)


@pytest.mark.parametrize("point", LOOKING)
def test_killed_while_looking_for_a_lost_feed(shop: Shop, point: str) -> None:
    shop.amazon.faults = [Fault("createFeed", "lost")]
    assert in_child(shop, live_and_die(point)) == signal.SIGKILL
    live(shop)
    assert_whole(shop, adopted=True)


def test_killed_when_sending_again_was_decided(shop: Shop) -> None:
    shop.amazon.faults = [Fault("createFeed", "refused")]
    assert in_child(shop, live_and_die("resend_decided")) == signal.SIGKILL
    live(shop)
    assert_whole(shop, adopted=False)


def test_killed_again_and_again(shop: Shop) -> None:
    """Each process dies at a later point than the one before."""
    shop.amazon.faults = [Fault("createFeed", "lost")]
    died = [in_child(shop, live_and_die(point)) for point in (*SENDING[:9], *LOOKING, *SENDING[11:])]
    assert died.count(signal.SIGKILL) >= 12
    live(shop)
    assert_whole(shop, adopted=True)


def test_control_sending_again_at_once_gives_duplicates(shop: Shop) -> None:
    """Without waiting for the list to settle."""
    shop.amazon.listing_lag = timedelta(seconds=120)
    shop.timing = Timing(settle=timedelta(0))
    assert in_child(shop, live_and_die("posted_unrecorded")) == signal.SIGKILL
    live(shop)
    assert duplicates(shop) > 0


def test_control_a_list_that_lags_longer_than_the_window_gives_duplicates(shop: Shop) -> None:
    shop.amazon.listing_lag = timedelta(minutes=30)
    assert in_child(shop, live_and_die("posted_unrecorded")) == signal.SIGKILL
    live(shop)
    assert duplicates(shop) > 0
