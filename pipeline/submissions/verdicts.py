"""What a marketplace answered: an outcome for every message, and what that makes of the state of the listings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import psycopg

from pipeline.listings.unsent import CHANGES
from pipeline.marketplaces.live import FeedIssue, FeedReport, ListingFacts
from pipeline.submissions.ledger import Submission

#: Outcome of a message: Amazon took it; refused it; or nobody can say.
_UNTOLD = "The report does not say what became of it."


@dataclass(frozen=True)
class Outcome:
    message_id: int
    sku: str
    outcome: str  # accepted | rejected | unknown
    reason: str | None = None


@dataclass(frozen=True)
class Verdict:
    """One outcome a message, in their order."""

    outcomes: Sequence[Outcome]
    issues: Sequence[FeedIssue] = ()
    listings: Mapping[str, ListingFacts] | None = None

    @property
    def counts(self) -> dict[str, int]:
        return dict(Counter(one.outcome for one in self.outcomes))


def judge(messages: Sequence[tuple[int, str]], report: FeedReport | None, *, ended: str, reason: str | None = None) -> Verdict:
    """The verdict about (message id, SKU) pairs. `ended`: done; fatal (only what the report refuses is certain); or unsent
    (nothing took effect)."""
    if ended == "unsent":
        return Verdict([Outcome(number, sku, "rejected", reason) for number, sku in messages])
    if report is None:
        return Verdict([Outcome(number, sku, "unknown", reason or _UNTOLD) for number, sku in messages])
    ids = dict(messages)
    numbers = {sku: number for number, sku in messages}
    issues = [_placed(issue, ids, numbers) for issue in report.issues]
    errors = [issue for issue in issues if issue.of_message and issue.severity == "error"]
    refused = {numbers[issue.sku]: sentence(issue) for issue in reversed(errors) if issue.sku}  # the first one counts
    # Issues without a message are about the whole feed; so is a count that the others do not explain.
    general = next((sentence(issue) for issue in errors if not issue.sku), None)
    certain = ended == "done" and report.processed == len(messages) and report.invalid == len(refused)
    nothing = report.accepted == 0 and (general is not None or report.processed == 0)
    rest = "accepted" if certain else "rejected" if nothing and ended == "done" else "unknown"
    why = None if certain else general or reason or _UNTOLD
    return Verdict(
        [
            Outcome(number, sku, "rejected", refused[number]) if number in refused else Outcome(number, sku, rest, why)
            for number, sku in messages
        ],
        issues,
        report.listings,
    )


def is_foreign(messages: Sequence[tuple[int, str]], report: FeedReport) -> bool:
    """Whether a report is about another feed than ours."""
    skus = {sku for _, sku in messages}
    named = {issue.sku for issue in report.issues if issue.sku} | set(report.listings)
    return not named <= skus or report.processed > len(messages)


def sentence(issue: FeedIssue) -> str:
    """Code and text; Amazon's texts say what to do."""
    return f"{issue.code}: {issue.text}" if issue.code else issue.text


def _placed(issue: FeedIssue, ids: Mapping[int, str], numbers: Mapping[str, int]) -> FeedIssue:
    """With its SKU; without one when it names neither a message nor a SKU of ours."""
    sku = ids.get(issue.message_id or 0, issue.sku if issue.sku in numbers else None)
    return issue if sku == issue.sku else replace(issue, sku=sku)


#: What was on its way with the submission, now under a verdict. CAS: only what is still that export's and pending.
_ON_ITS_WAY = b"""
    CREATE TEMP TABLE answered ON COMMIT DROP AS
    SELECT c.*, v.outcome, v.reason AS said FROM listing_changes_sent c JOIN verdict v USING (sku)
    WHERE c.store_id = %s AND c.site = %s AND c.transport = %s AND c.export_id = %s AND c.status = 'pending'
        AND c.change = ANY(%s)
"""
_CREATED = b"""
    INSERT INTO listing_state AS s (store_id, site, transport, sku, product_id, role, parent_sku, content_hash, images_hash,
        price, list_price, sale_price, sale_start, sale_end, quantity, version, price_version, quantity_version, uncertain)
    SELECT store_id, site, transport, sku, product_id, role, parent_sku, content_hash, images_hash, price, list_price, sale_price,
        sale_start, sale_end, quantity, version, source_version, source_version, outcome = 'unknown' FROM answered
    WHERE change = 'create' AND outcome <> 'rejected'
    ON CONFLICT (store_id, site, transport, sku) DO UPDATE SET
        product_id = excluded.product_id, role = excluded.role, parent_sku = excluded.parent_sku,
        content_hash = excluded.content_hash, images_hash = excluded.images_hash, price = excluded.price,
        list_price = excluded.list_price, sale_price = excluded.sale_price, sale_start = excluded.sale_start,
        sale_end = excluded.sale_end, quantity = excluded.quantity, version = excluded.version,
        price_version = excluded.price_version, quantity_version = excluded.quantity_version,
        uncertain = excluded.uncertain, left_at = NULL, updated_at = now()
"""
_CHANGED = b"""
    UPDATE listing_state s SET
        content_hash = CASE a.change WHEN 'update' THEN a.content_hash ELSE s.content_hash END,
        images_hash = CASE a.change WHEN 'images' THEN a.images_hash ELSE s.images_hash END,
        price = CASE a.change WHEN 'price' THEN a.price ELSE s.price END,
        list_price = CASE a.change WHEN 'price' THEN a.list_price ELSE s.list_price END,
        sale_price = CASE a.change WHEN 'price' THEN a.sale_price ELSE s.sale_price END,
        sale_start = CASE a.change WHEN 'price' THEN a.sale_start ELSE s.sale_start END,
        sale_end = CASE a.change WHEN 'price' THEN a.sale_end ELSE s.sale_end END,
        price_version = CASE a.change WHEN 'price' THEN a.source_version ELSE s.price_version END,
        quantity = CASE a.change WHEN 'quantity' THEN a.quantity ELSE s.quantity END,
        quantity_version = CASE a.change WHEN 'quantity' THEN a.source_version ELSE s.quantity_version END,
        version = greatest(s.version, a.version), updated_at = now()
    FROM answered a
    WHERE a.outcome = 'accepted' AND a.change NOT IN ('create', 'delete')
        AND s.store_id = a.store_id AND s.site = a.site AND s.transport = a.transport AND s.sku = a.sku
"""
_UNCERTAIN = b"""
    UPDATE listing_state s SET uncertain = true, updated_at = now() FROM answered a
    WHERE a.outcome = 'unknown' AND a.change <> 'create'
        AND s.store_id = a.store_id AND s.site = a.site AND s.transport = a.transport AND s.sku = a.sku
"""
_DELETED = b"""
    DELETE FROM listing_state s USING answered a
    WHERE a.outcome = 'accepted' AND a.change = 'delete'
        AND s.store_id = a.store_id AND s.site = a.site AND s.transport = a.transport AND s.sku = a.sku
"""
_SETTLED = b"""
    DELETE FROM listing_changes_sent c USING answered a
    WHERE a.outcome = 'accepted' AND c.store_id = a.store_id AND c.site = a.site AND c.transport = a.transport AND c.sku = a.sku
        AND c.change = a.change AND (c.version = a.version OR c.status = 'rejected' AND c.version < a.version)
"""
_REFUSED = b"""
    UPDATE listing_changes_sent c SET status = 'rejected', reason = a.said, submission_id = %s FROM answered a
    WHERE a.outcome <> 'accepted' AND c.store_id = a.store_id AND c.site = a.site AND c.transport = a.transport
        AND c.sku = a.sku AND c.change = a.change AND c.version = a.version
"""
_OLD_ISSUES = b"""
    DELETE FROM marketplace_issues i USING submissions s
    WHERE i.submission_id = s.id AND i.store_id = %s AND i.site = %s AND i.transport = %s
        AND (i.of_message AND s.kind = %s OR NOT i.of_message AND i.sku = ANY(%s))
        AND (i.sku = '' OR i.sku IN (SELECT sku FROM verdict))
"""
_FACTS = b"""
    UPDATE listing_state s SET marketplace_item_id = coalesce(f.item_id, s.marketplace_item_id), marketplace_status = f.status
    FROM unnest(%s::text[], %s::text[], %s::text[]) AS u (sku, item_id, words),
        LATERAL (SELECT u.item_id, string_to_array(u.words, ',') AS status) f
    WHERE s.store_id = %s AND s.site = %s AND s.transport = %s AND s.sku = u.sku
"""


def apply(
    connection: psycopg.Connection[Any], row: Submission, verdict: Verdict, places: Iterable[tuple[str | None, str | None]]
) -> None:
    """Write results, issues and state in the caller's transaction. `places` are our field and rule of each issue."""
    lane = (row.store_id, row.site, row.transport)
    with connection.cursor() as cursor:
        cursor.execute(b"CREATE TEMP TABLE verdict (message_id integer, sku text, outcome text, reason text) ON COMMIT DROP")
        with cursor.copy(b"COPY verdict FROM STDIN") as copy:
            for one in verdict.outcomes:
                copy.write_row((one.message_id, one.sku, one.outcome, one.reason))
        cursor.execute(b"CREATE INDEX ON verdict (sku)")
        cursor.execute(b"ANALYZE verdict")
        cursor.execute(
            b"INSERT INTO submission_results (submission_id, message_id, sku, outcome, reason)"
            b" SELECT %s, message_id, sku, outcome, reason FROM verdict ON CONFLICT DO NOTHING",
            [row.id],
        )
        cursor.execute(_ON_ITS_WAY, (*lane, row.export_id, list(CHANGES[row.kind])))
        cursor.execute(b"ANALYZE answered")
        for statement in (_CREATED, _CHANGED, _UNCERTAIN, _DELETED, _SETTLED):
            cursor.execute(statement)
        cursor.execute(_REFUSED, [row.id])
        listings = verdict.listings or {}
        cursor.execute(_OLD_ISSUES, (*lane, row.kind, list(listings)))
        with cursor.copy(
            b"COPY marketplace_issues (store_id, site, transport, sku, submission_id, of_message, code, severity, attribute,"
            b" field, rule, text, actions) FROM STDIN"
        ) as copy:
            for issue, (field, rule) in zip(verdict.issues, places, strict=True):
                values = (issue.sku or "", row.id, issue.of_message, issue.code, issue.severity, issue.attribute, field, rule)
                copy.write_row((*lane, *values, issue.text, list(issue.actions)))
        if listings:
            words = [",".join(facts.status) for facts in listings.values()]
            cursor.execute(_FACTS, (list(listings), [facts.item_id for facts in listings.values()], words, *lane))


def becomes_a_feed(connection: psycopg.Connection[Any], row: Submission) -> None:
    """What was to be said one by one goes by feed."""
    connection.execute(
        b"UPDATE listing_changes_sent SET via = 'feed' WHERE store_id = %s AND site = %s AND transport = %s AND export_id = %s"
        b" AND status = 'pending' AND via = 'items' AND change = ANY(%s)",
        (row.store_id, row.site, row.transport, row.export_id, list(CHANGES[row.kind])),
    )


def forget(connection: psycopg.Connection[Any], row: Submission) -> list[str]:
    """What was to be sent is not on its way: the next plan says it again. Returns the products that it is about."""
    rows = connection.execute(
        b"DELETE FROM listing_changes_sent WHERE store_id = %s AND site = %s AND transport = %s AND export_id = %s"
        b" AND status = 'pending' AND via = %s AND change = ANY(%s) RETURNING product_id",
        (row.store_id, row.site, row.transport, row.export_id, row.via, list(CHANGES[row.kind])),
    )
    return [str(one[0]) for one in rows]
