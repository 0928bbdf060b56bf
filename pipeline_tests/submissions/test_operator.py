"""What an operator reads of a submission that does not go well: done, tried again or held, in a sentence with the command."""

from __future__ import annotations

import contextlib
import gzip
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from pipeline.marketplaces.live import CredentialsRefused
from pipeline.settings import Settings
from pipeline.submissions.ledger import OPEN
from pipeline.submissions.machine import Timing
from pipeline_tests.fakes.amazon import FakeAmazon, Fault
from pipeline_tests.fakes.amazon_feeds import Ending
from pipeline_tests.flows.place import call
from pipeline_tests.submissions.shop import SITE, Shop, row


@dataclass(frozen=True)
class Case:
    """`fail` is done before the export; `minutes` later the operator looks: at a submission in this state with this reason. In
    the end it is `ends`."""

    fail: Callable[[FakeAmazon], Any]
    minutes: int
    state: str
    reason: str = ""
    ends: str = "done"


def faults(operation: str, kind: str | int, times: int = 1, code: str = "InternalFailure") -> Callable[[FakeAmazon], Any]:
    return lambda amazon: amazon.faults.append(Fault(operation, kind, times, code))


def ending(status: str, report: bool) -> Callable[[FakeAmazon], Any]:
    return lambda amazon: amazon.endings.append(Ending(status, report))


def reporting(content: Callable[[], bytes]) -> Callable[[FakeAmazon], Any]:
    return lambda amazon: setattr(amazon, "report_content", content())


RESEND = "to send everything in it again: pipeline submissions resend 1; or, to "
GIVE_UP = f"{RESEND}give it up: pipeline submissions cancel 1"
AGAIN = "it is tried again by itself"
BROKEN_OFF = (
    "the marketplace broke off processing: some, none or all of it may have been done, and the next export says it as a whole"
)
CASES = {
    "revoked": Case(
        lambda amazon: setattr(amazon, "revoked", True), 10, "planned",
        "Amazon refused the credentials: the refresh token is wrong or was revoked by the seller; give new ones: "
        "pipeline connection set shop amazon-us --credentials ask", "planned",
    ),
    "throttled for ten minutes": Case(
        faults("createFeed", 429, 2, "QuotaExceeded"), 8, "uploaded",
        "Amazon is asked too often (HTTP 429: QuotaExceeded: planned); it is sent when the marketplace takes more",
    ),
    "the upload's address is gone": Case(
        faults("upload", 403, 1), 0, "documented", f"Amazon refused the upload (HTTP 403: InternalFailure: planned); {AGAIN}"
    ),
    "Amazon fails": Case(
        faults("createFeedDocument", 500, 30), 2, "planned", f"Amazon failed (HTTP 500: InternalFailure: planned); {AGAIN}"
    ),
    "the reply is lost": Case(
        faults("createFeed", "lost"), 0, "sending", "Amazon cannot be reached: the connection broke off (RemoteProtocolError); "
        "try again later; whether the feed was created is being looked for",
    ),
    "never seen": Case(
        faults("createFeed", "refused", 100), 90, "held", f"sent 4 times and never seen; {GIVE_UP}", "held"
    ),
    "refused": Case(
        faults("createFeed", 400, 1, "InvalidInput"), 1, "fatal", "Amazon refused the request (HTTP 400: InvalidInput: planned)",
        "fatal",
    ),
    "FATAL without a report": Case(
        ending("FATAL", False), 4, "fatal", BROKEN_OFF, "fatal",
    ),
    "FATAL with a report": Case(
        ending("FATAL", True), 4, "fatal", BROKEN_OFF, "fatal",
    ),
    "no report": Case(
        ending("DONE", False), 20, "held", f"the feed is done, but there is no report; {GIVE_UP}", "held"
    ),
    "a gzip bomb": Case(
        reporting(lambda: gzip.compress(bytes(30 << 20))), 20, "held",
        f"the processing report inflates more than 200 times its size, which no honest file does; {GIVE_UP}", "held",
    ),
    "a damaged report": Case(
        reporting(lambda: b"\x1f\x8bbroken"), 20, "held",
        f"the processing report is a damaged gzip file; {GIVE_UP}", "held",
    ),
    "the report's address is gone": Case(
        faults("download", 403, 1), 2, "submitted", f"Amazon refused the download (HTTP 403: InternalFailure: planned); {AGAIN}"
    ),
    "the feed is gone": Case(
        faults("getFeed", 404), 2, "held",
        f"the marketplace does not know feed 50000; {RESEND}say which feed it is: pipeline submissions adopt 1 FEED_ID", "held",
    ),
    "slow": Case(
        lambda amazon: setattr(amazon, "processing", timedelta(hours=4)), 186, "submitted",
        "being processed by the marketplace for 3 h, which is long; it is followed on",
    ),
    "slower": Case(
        lambda amazon: setattr(amazon, "processing", timedelta(hours=100)), 49 * 60, "held",
        f"no verdict after 48 h; {GIVE_UP}; or, to wait on: pipeline submissions adopt 1 50000", "held",
    ),
}  # fmt: skip


@pytest.fixture
def live(shop: Shop, settings: Settings) -> Shop:
    """A live connection, as the commands see it."""
    sealed = {"v": 1, "alg": "A256GCM", "kid": "k1", "dek": "x", "ct": "x"}
    shop.connection.execute(
        "INSERT INTO marketplace_credentials (store_id, marketplace, marketplace_id, site, region, status, credentials)"
        " VALUES (%s, 'amazon', %s, %s, 'NA', 'active', %s)",
        (shop.lane.store_id, SITE.marketplace_id, SITE.key, Jsonb(sealed)),
    )
    return shop


def pass_minutes(shop: Shop, minutes: int) -> None:
    """A pass of the worker whenever something is due."""
    clock = shop.amazon.clock
    end = clock.now() + timedelta(minutes=minutes)
    while True:
        with contextlib.suppress(CredentialsRefused):
            shop.work()
        due = [at for (state, at) in shop.submissions("state", "next_at") if state in OPEN and at <= end]
        if not due:
            break
        clock.advance(max(1.0, (min(due) - clock.now()).total_seconds()))
    clock.advance(max(0.0, (end - clock.now()).total_seconds()))


def words(text: str) -> str:
    """Without the marketplace's request ids, and how often it was tried."""
    return re.sub(r" \(request req-\d+\)|, \d+ times so far", "", " ".join(text.split()))


@pytest.mark.parametrize("name", CASES)
def test_what_an_operator_reads(live: Shop, amazon: FakeAmazon, name: str) -> None:
    case = CASES[name]
    case.fail(amazon)
    if case.minutes > 24 * 60:
        live.timing = Timing(longest_poll=timedelta(hours=4))
    live.export(row("a"), row("b"))
    pass_minutes(live, case.minutes)
    listed, shown, status = (call(command) for command in (["submissions", "list"], ["submissions", "show", "1"], ["status"]))
    assert (listed.code, shown.code, status.code) == (0, 0, 0), (listed, shown, status)
    assert live.submissions("state") == [case.state]
    (reason,) = live.submissions("reason")
    assert words(reason or "") == case.reason
    assert "{" not in reason and '"' not in reason  # a sentence, not what a machine says to another
    assert words(f"reason {reason}") in words(shown.out)
    assert case.state in listed.out and words(reason).split()[0] in listed.out
    if case.state == "held":
        assert words(f"shop on amazon-us: submission 1 is held: {reason}") in words(status.out)
        assert f"pipeline submissions {'resend'} 1" in reason
    pass_minutes(live, 60)
    if case.ends == "done":
        pass_minutes(live, 24 * 60)
    assert live.submissions("state") == [case.ends]


def test_a_submission_that_keeps_failing_is_told(live: Shop, amazon: FakeAmazon) -> None:
    amazon.faults.append(Fault("upload", 403, 1000))
    live.export(row("a"))
    pass_minutes(live, 60)
    assert "shop on amazon-us: submission 1 does not come forward: Amazon refused the upload" in words(call(["status"]).out)


def test_an_expired_token_in_the_middle_is_no_news(live: Shop, amazon: FakeAmazon) -> None:
    live.export(row("a"))
    live.work()
    amazon.tokens.update(dict.fromkeys(amazon.tokens, amazon.clock.now()))
    pass_minutes(live, 5)
    assert live.submissions("state", "reason") == [("done", None)]
    assert amazon.calls["token"] > 1


def test_refused_credentials_say_what_to_type(live: Shop) -> None:
    error = "Amazon refused the credentials: the client id or the client secret is wrong"
    live.connection.execute("UPDATE marketplace_credentials SET status = 'error', last_error = %s", [error])
    live.connection.execute(
        "INSERT INTO imports (id, store_id, kind, status, source, quality_passed, finished_at)"
        " SELECT 'i1', id, 'all', 'complete', 'shopify-file', true, now() FROM stores"
    )
    said = words(call(["status", "--json"]).out)
    assert '"next": "pipeline connection set shop amazon-us --credentials FILE"' in said
    assert f"shop: {error}" in said
