"""Amazon's processing report (listings feed, version 2.0) as a `FeedReport`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from pipeline.marketplaces.live import FeedIssue, FeedReport, ListingFacts, Severity
from pipeline.model.errors import BadInputError
from pipeline.stores.text import shown

_SEVERITY: Mapping[str, Severity] = {"ERROR": "error", "WARNING": "warning", "INFO": "info"}
#: Longest sentence that is kept; Amazon's are below 500 characters.
_MAX_TEXT = 1000


def parse_report(content: bytes, marketplace_id: str) -> FeedReport:
    """Raises BadInputError for what is no report; single items of another shape are left out only where they say nothing."""
    try:
        report = orjson.loads(content)
    except orjson.JSONDecodeError:
        raise _unreadable("it is not JSON") from None
    if not isinstance(report, dict) or not isinstance(report.get("summary"), dict):
        raise _unreadable("it has no summary")
    summary = report["summary"]
    processed, accepted, invalid = (summary.get(f"messages{name}") for name in ("Processed", "Accepted", "Invalid"))
    if not (isinstance(processed, int) and isinstance(accepted, int) and isinstance(invalid, int)):
        raise _unreadable("its summary has no counts")
    issues = [_message_issue(row) for row in _objects(report.get("issues"))]
    listings: dict[str, ListingFacts] = {}
    for item in _objects(report.get("items")):
        sku = item.get("sku")
        if isinstance(sku, str):
            listings[sku] = listing_facts(item, marketplace_id)
            issues += listing_issues(sku, item.get("issues"))
    return FeedReport(processed, accepted, invalid, tuple(issues), listings)


def _message_issue(row: Mapping[str, Any]) -> FeedIssue:
    message_id, sku, attribute = row.get("messageId"), row.get("sku"), row.get("attributeName")
    return FeedIssue(
        severity=_severity(row), code=_word(row.get("code")), text=_sentence(row),
        message_id=message_id if isinstance(message_id, int) and message_id > 0 else None,
        sku=sku if isinstance(sku, str) and sku else None, attribute=_word(attribute) or None,
    )  # fmt: skip


def _listing_issue(sku: str, row: Mapping[str, Any]) -> FeedIssue:
    names = row.get("attributeNames")
    enforcements = row.get("enforcements")
    actions = enforcements.get("actions") if isinstance(enforcements, dict) else None
    return FeedIssue(
        severity=_severity(row), code=_word(row.get("code")), text=_sentence(row), sku=sku,
        attribute=_word(names[0]) or None if isinstance(names, list) and names else None, of_message=False,
        actions=tuple(_word(action.get("action")) for action in _objects(actions)),
    )  # fmt: skip


def listing_issues(sku: str, rows: Any) -> list[FeedIssue]:
    """The issues of a listing item; not a list of objects: none."""
    return [_listing_issue(sku, row) for row in _objects(rows)]


def listing_facts(item: Mapping[str, Any], marketplace_id: str) -> ListingFacts:
    """Item id and status of a listing item on one site."""
    for summary in _objects(item.get("summaries")):
        if summary.get("marketplaceId") == marketplace_id:
            status = summary.get("status")
            words = tuple(map(_word, status)) if isinstance(status, list) else ()
            return ListingFacts(_word(summary.get("asin")) or None, words)
    return ListingFacts(None, ())


def _objects(found: Any) -> Iterator[Mapping[str, Any]]:
    return (row for row in found if isinstance(row, dict)) if isinstance(found, list) else iter(())


def _severity(row: Mapping[str, Any]) -> Severity:
    """An unknown word is taken as the worst."""
    return _SEVERITY.get(str(row.get("severity")), "error")


def _word(value: Any) -> str:
    return shown(str(value), 100) if isinstance(value, (str, int)) else ""


def _sentence(row: Mapping[str, Any]) -> str:
    return shown(" ".join(str(row.get("message", "")).split()), _MAX_TEXT)


def _unreadable(why: str) -> BadInputError:
    return BadInputError(f"the processing report cannot be read: {why}")
