"""Mending what was refused: overrides for what can be mended, a request to export just these products, a reason for the rest.

One transaction, and every refusal is looked at once: a process that dies leaves all of it or nothing, and two at a time take
turns. A SKU is mended at most twice for the values that its source has; then it waits for a person.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from pipeline.listings.cell import Cell
from pipeline.listings.lane import Lane
from pipeline.listings.overrides import FIELDS, Override, plain, read_overrides
from pipeline.marketplaces.live import LiveMarketplace
from pipeline.platform.tables import Table
from pipeline.submissions.repairs import FIXES, Change, Issue, propose
from pipeline.submissions.requests import request_export

MOST_ATTEMPTS = 2
#: What `listing_changes_sent.repair` says of a refusal that was answered.
MENDED = "mended"
#: What a repair looks at.
_COLUMNS = (
    "sku", "product_id", "status", "content_hash", "images_hash", "brand",
    *(f"option{number}{part}" for number in (1, 2, 3) for part in ("_name", "")), *FIELDS,
)  # fmt: skip
#: A change is the refused one if it says the same.
_SAME = {"create": ("content_hash", "images_hash"), "update": ("content_hash",), "images": ("images_hash",)}
_REFUSED = b"""
    SELECT c.sku, c.change, c.version, c.content_hash, c.images_hash, c.submission_id
    FROM listing_changes_sent c JOIN submission_results r ON r.submission_id = c.submission_id AND r.sku = c.sku
    WHERE c.store_id = %s AND c.site = %s AND c.transport = %s AND c.status = 'rejected' AND r.outcome = 'rejected'
        AND c.repair IS NULL ORDER BY c.sku, c.version FOR UPDATE OF c
"""
_ISSUES = b"""
    SELECT sku, submission_id, code, attribute, text FROM marketplace_issues
    WHERE store_id = %s AND site = %s AND transport = %s AND of_message AND severity = 'error' AND submission_id = ANY(%s)
    ORDER BY code, text
"""
_NOTE = b"""
    UPDATE listing_changes_sent SET repair = %s
    WHERE store_id = %s AND site = %s AND transport = %s AND sku = %s AND change = %s AND version = %s
"""
_NOTE_FIX = b"""
    UPDATE marketplace_issues SET fix = %s WHERE store_id = %s AND site = %s AND transport = %s AND submission_id = %s
        AND sku = %s AND of_message AND code = %s AND attribute IS NOT DISTINCT FROM %s AND text = %s
"""
_REPLACE = b"""
    UPDATE listing_overrides SET ended = 'replaced', ended_at = clock_timestamp()
    WHERE store_id = %s AND site = %s AND transport = %s AND sku = %s AND field = %s AND ended IS NULL
"""
_ADD = b"""
    INSERT INTO listing_overrides (store_id, site, transport, sku, product_id, field, attempt, source_value, value, fix,
        fix_class, submission_id, code, attribute, text)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""


@dataclass(frozen=True)
class _Refusal:
    """One row of `listing_changes_sent` that was refused."""

    sku: str
    change: str
    version: int
    content_hash: str | None
    images_hash: str | None
    submission_id: int

    def is_of(self, listing: Mapping[str, Any]) -> bool:
        """Whether the listing still says exactly this; else its next plan says something new anyway."""
        return all(getattr(self, name) == listing[name] for name in _SAME.get(self.change, ()))


@dataclass
class Repaired:
    """What one look came to: SKUs that were mended, and the reasons why others were not."""

    mended: list[str] = field(default_factory=list)
    waiting: dict[str, str] = field(default_factory=dict)
    products: list[str] = field(default_factory=list)


def mend(connection: psycopg.Connection[Any], cell: Cell, listings: Table) -> Repaired:
    """Look at what was refused and not looked at before; in the caller's transaction. `listings` as they were sent."""
    done = Repaired()
    if not cell.connection.export_settings.auto_fix_rejections:
        return done
    lane, market = cell.lane, cast(LiveMarketplace, cell.marketplace)
    refusals: defaultdict[str, list[_Refusal]] = defaultdict(list)
    with connection.cursor(row_factory=class_row(_Refusal)) as cursor:
        for one in cursor.execute(_REFUSED, lane.key):
            refusals[one.sku].append(one)
    if not refusals:
        return done
    issues = _issues(connection, lane, {one.submission_id for found in refusals.values() for one in found})
    before: defaultdict[str, list[Override]] = defaultdict(list)
    for override in read_overrides(connection, lane, ended=True):
        before[override.sku].append(override)
    for listing in _chosen(listings, set(refusals)):
        current = [one for one in refusals[listing["sku"]] if one.is_of(listing)]
        if current:
            said = [(one, issue) for one in current for issue in issues.get((one.sku, one.submission_id), ())]
            _mend_one(connection, lane, market, cell.site.language, listing, current, said, before[listing["sku"]], done)
    if done.products:
        request_export(connection, lane, done.products, "refused listings were mended")
    return done


def _mend_one(
    connection: psycopg.Connection[Any],
    lane: Lane,
    market: LiveMarketplace,
    language: str,
    listing: Mapping[str, Any],
    refusals: Sequence[_Refusal],
    said: Sequence[tuple[_Refusal, Issue]],
    before: Sequence[Override],
    done: Repaired,
) -> None:
    sku = listing["sku"]
    # A withdrawn one counts for the value that it was made for.
    before = [
        one for one in before
        if one.ended != "undone" and (one.ended != "withdrawn" or one.source_value == listing[one.field])
    ]  # fmt: skip
    issues = list(dict.fromkeys(issue for _, issue in said))
    found = propose(listing, issues, market, language.split("-")[0])
    why = found.why or _spent(before, {change.field for change in found.changes})
    if why is None:
        attempt = 1 + max((one.attempt for one in before), default=0)
        for change in found.changes:
            _override(connection, lane, listing, change, attempt, dict((issue, one) for one, issue in said), before)
        done.mended.append(sku)
        done.products.append(listing["product_id"])
    else:
        done.waiting[sku] = why
    for one in refusals:
        connection.execute(_NOTE, (why or MENDED, *lane.key, sku, one.change, one.version))
    kinds = dict(zip(issues, found.fixes, strict=True))
    for one, issue in said:
        if kinds.get(issue):
            connection.execute(
                _NOTE_FIX, (kinds[issue], *lane.key, one.submission_id, sku, issue.code, issue.attribute, issue.text)
            )


def _spent(before: Sequence[Override], fields: set[str]) -> str | None:
    """Why there is no further attempt."""
    withdrawn = next((one for one in before if one.ended == "withdrawn" and one.field in fields), None)
    if withdrawn is not None:
        return f"{withdrawn.who} withdrew the fix of the {withdrawn.field}"
    attempts = {one.attempt for one in before}
    return f"it was mended and refused {len(attempts)} times" if len(attempts) >= MOST_ATTEMPTS else None


def _override(
    connection: psycopg.Connection[Any],
    lane: Lane,
    listing: Mapping[str, Any],
    change: Change,
    attempt: int,
    by_issue: Mapping[Issue, _Refusal],
    before: Sequence[Override],
) -> None:
    sku, name, issue = listing["sku"], change.field, change.issue
    source = next((one.source_value for one in before if one.field == name and one.ended is None), listing[name])
    connection.execute(_REPLACE, (*lane.key, sku, name))
    connection.execute(
        _ADD,
        (
            *lane.key, sku, listing["product_id"], name, attempt, Jsonb(source), Jsonb(change.value), FIXES[change.fix][0],
            change.fix_class, by_issue[issue].submission_id, issue.code, issue.attribute, issue.text,
        ),
    )  # fmt: skip


def _issues(connection: psycopg.Connection[Any], lane: Lane, submissions: set[int]) -> Mapping[tuple[str, int], list[Issue]]:
    found: defaultdict[tuple[str, int], list[Issue]] = defaultdict(list)
    for sku, submission, *issue in connection.execute(_ISSUES, (*lane.key, sorted(submissions))):
        found[sku, submission].append(Issue(*issue))
    return found


def _chosen(listings: Table, skus: set[str]) -> Iterator[dict[str, Any]]:
    """The ready listings of these SKUs."""
    for index in range(listings.batches):
        batch = listings.batch(index, _COLUMNS)
        rows = batch[batch["sku"].isin(skus) & batch["status"].eq("ready")]
        for row in rows.to_dict("records"):
            yield {str(name): plain(value) for name, value in row.items()}


def unlooked(connection: psycopg.Connection[Any], *, minutes: int = 0) -> list[tuple[str, str, int]]:
    """(store, site, newest submission) of connections with refusals that nobody looked at since they came `minutes` ago: the run
    that was to do it died, or mending was switched on since."""
    return connection.execute(
        b"SELECT t.key, c.site, max(c.submission_id) FROM listing_changes_sent c JOIN stores t ON t.id = c.store_id"
        b" JOIN marketplace_credentials m ON m.store_id = c.store_id AND m.site = c.site"
        b" JOIN submissions s ON s.id = c.submission_id"
        b" JOIN submission_results r ON r.submission_id = c.submission_id AND r.sku = c.sku AND r.outcome = 'rejected'"
        b" WHERE c.status = 'rejected' AND c.repair IS NULL AND m.status <> 'inactive'"
        b" AND m.export_settings ->> 'auto_fix_rejections' IS DISTINCT FROM 'false'"
        b" AND s.ended_at <= clock_timestamp() - make_interval(mins => %s) GROUP BY 1, 2 ORDER BY 1, 2",
        [minutes],
    ).fetchall()


def withdraw(connection: psycopg.Connection[Any], lane: Lane, sku: str, who: str, why: str) -> list[str]:
    """End what was done by itself about a SKU, for good: its own values are sent again. Returns the fields."""
    rows = connection.execute(
        b"UPDATE listing_overrides SET ended = 'withdrawn', ended_at = clock_timestamp(), who = %s, why = %s"
        b" WHERE store_id = %s AND site = %s AND transport = %s AND sku = %s AND ended IS NULL RETURNING field",
        (who, why, *lane.key, sku),
    )
    return sorted(str(row[0]) for row in rows)
