"""From a report to an outcome for every message, whatever the report says or leaves out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.marketplaces.live import FeedIssue, FeedReport, ListingFacts
from pipeline.submissions.verdicts import Verdict, is_foreign, judge

MESSAGES = [(1, "a"), (2, "b"), (3, "c")]


def error(text: str = "wrong", **values: object) -> FeedIssue:
    return FeedIssue("error", "1", text, **values)  # type: ignore[arg-type]


def outcomes(verdict: Verdict) -> dict[str, str]:
    return {one.sku: one.outcome for one in verdict.outcomes}


def test_a_message_is_refused_by_its_id_or_its_sku() -> None:
    report = FeedReport(3, 1, 2, (error(message_id=1), error(sku="b")))
    assert outcomes(judge(MESSAGES, report, ended="done")) == {"a": "rejected", "b": "rejected", "c": "accepted"}


def test_the_first_reason_counts() -> None:
    report = FeedReport(3, 2, 1, (error("first", message_id=1), error("second", message_id=1)))
    assert judge(MESSAGES, report, ended="done").outcomes[0].reason == "1: first"


@pytest.mark.parametrize(
    "issue",
    [
        FeedIssue("warning", "1", "careful", message_id=1),
        FeedIssue("error", "1", "suppressed", sku="a", of_message=False),
    ],
)
def test_warnings_and_issues_of_the_listing_refuse_nothing(issue: FeedIssue) -> None:
    verdict = judge(MESSAGES, FeedReport(3, 3, 0, (issue,)), ended="done")
    assert set(outcomes(verdict).values()) == {"accepted"}
    assert verdict.issues[0].sku == "a"


@pytest.mark.parametrize(
    "report",
    [
        FeedReport(2, 2, 0),  # one message is missing
        FeedReport(3, 1, 2, (error(message_id=1),)),  # two are invalid, and only one is named
        FeedReport(3, 2, 1, (error(sku="of another feed"),)),
    ],
)
def test_what_the_report_does_not_account_for_is_unknown(report: FeedReport) -> None:
    found = outcomes(judge(MESSAGES, report, ended="done"))
    assert "accepted" not in found.values()
    assert found["c"] == "unknown"


def test_an_issue_of_the_whole_feed_refuses_all() -> None:
    verdict = judge(MESSAGES, FeedReport(0, 0, 0, (error("cannot be parsed"),)), ended="done")
    assert set(outcomes(verdict).values()) == {"rejected"}
    assert {one.reason for one in verdict.outcomes} == {"1: cannot be parsed"}


def test_a_fatal_feed_is_certain_only_about_what_it_refused() -> None:
    report = FeedReport(3, 2, 1, (error(message_id=2),))
    assert outcomes(judge(MESSAGES, report, ended="fatal", reason="broke off")) == {
        "a": "unknown", "b": "rejected", "c": "unknown",
    }  # fmt: skip
    assert set(outcomes(judge(MESSAGES, None, ended="fatal")).values()) == {"unknown"}


def test_what_was_never_sent_is_refused() -> None:
    verdict = judge(MESSAGES, None, ended="unsent", reason="cancelled by kim")
    assert [(one.outcome, one.reason) for one in verdict.outcomes] == [("rejected", "cancelled by kim")] * 3


@pytest.mark.parametrize(
    ("report", "foreign"),
    [
        (FeedReport(3, 3, 0), False),
        (FeedReport(3, 3, 0, listings={"a": ListingFacts(None, ())}), False),
        (FeedReport(3, 3, 0, listings={"x": ListingFacts(None, ())}), True),
        (FeedReport(3, 2, 1, (error(sku="x"),)), True),
        (FeedReport(4, 4, 0), True),
    ],
)
def test_another_programs_report_is_told(report: FeedReport, foreign: bool) -> None:
    assert is_foreign(MESSAGES, report) is foreign


issues = st.builds(
    FeedIssue, st.sampled_from(["error", "warning", "info"]), st.just("1"), st.text(max_size=5),
    message_id=st.none() | st.integers(1, 6), sku=st.none() | st.sampled_from("abcx"), of_message=st.booleans(),
)  # fmt: skip
reports = st.builds(FeedReport, *[st.integers(0, 4)] * 3, st.lists(issues, max_size=5).map(tuple))


@given(st.none() | reports, st.sampled_from(["done", "fatal", "unsent"]))
def test_every_message_has_exactly_one_outcome(report: FeedReport | None, ended: str) -> None:
    verdict = judge(MESSAGES, report, ended=ended)
    assert [(one.message_id, one.sku) for one in verdict.outcomes] == MESSAGES
    refused = {one.sku for one in verdict.issues if one.of_message and one.severity == "error"}
    for one in verdict.outcomes:
        assert one.outcome in ("accepted", "rejected", "unknown")
        assert not (one.outcome == "accepted" and (one.sku in refused or ended != "done"))
        assert sum(verdict.counts.values()) == 3
