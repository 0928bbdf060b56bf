"""All connections at a glance: what an operator looks at first, with the next command to type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import psycopg
from psycopg.rows import class_row

from pipeline.catalog.inbox import Inbox
from pipeline.listings.open_texts import read_open, sentence
from pipeline.platform.locks import is_locked, run_lock_name
from pipeline.stores.api_versions import version_warnings
from pipeline.stores.notifications import latest
from pipeline.stores.stores import list_stores


@dataclass(frozen=True)
class Row:
    """One connection, or a store that has none. `live` counts SKUs the marketplace has acknowledged."""

    store: str
    site: str | None
    state: str  # active | inactive | error | testing | waiting_approval | not connected
    imported: datetime | None
    quality: str | None  # passed | failed | unchecked
    exported: datetime | None
    export_id: str | None
    live: int
    uncertain: int  # SKUs of which nobody knows what the marketplace holds; the next export says all of them again
    blocked: int
    held: int
    waiting: int  # held changes that an approval lets pass
    sending: int  # SKUs of which something waits for the marketplace's verdict
    drift: int  # SKUs of which the marketplace holds something else than it acknowledged
    refused: int  # SKUs of which the marketplace refused something
    faulty: int  # SKUs that it took, but finds an error in and may not show
    last_error: str | None
    next: str


#: A submission that failed so often is told, and so many of them at most.
_FAILURES, _MOST = 5, 20
#: What a connection says whose credentials a marketplace no longer takes.
_REFUSED = ("refused the credentials", "does not let this account call")
_QUERY = b"""
    SELECT s.key AS store, c.site, s.status = 'error' AS store_error,
           CASE WHEN s.status = 'error' THEN 'error' ELSE coalesce(c.status, 'not connected') END AS state,
           i.finished_at AS imported,
           CASE WHEN i.id IS NULL THEN NULL WHEN i.quality_passed THEN 'passed' WHEN i.quality_passed IS NULL THEN 'unchecked'
                ELSE 'failed' END AS quality,
           exported.at AS exported, planned.export_id,
           exported.import_id IS NOT DISTINCT FROM i.id AS up_to_date,
           coalesce((planned.counts->>'guarded')::bigint, 0) AS guarded,
           (SELECT count(*) FROM listing_state l
            WHERE l.store_id = s.id AND l.site = c.site AND l.transport = lane.transport AND l.role <> 'parent'
                AND NOT l.uncertain) AS live,
           (SELECT count(*) FROM listing_state l WHERE l.store_id = s.id AND l.site = c.site AND l.transport = lane.transport
            AND l.uncertain AND NOT EXISTS (SELECT 1 FROM listing_changes_sent p WHERE p.store_id = s.id AND p.site = c.site
                AND p.transport = lane.transport AND p.sku = l.sku AND p.status = 'pending')) AS uncertain,
           (SELECT count(DISTINCT r.sku) FROM listing_changes_sent r WHERE r.store_id = s.id AND r.site = c.site
            AND r.transport = lane.transport AND r.status = 'rejected' AND NOT EXISTS (SELECT 1 FROM listing_state l
                WHERE l.store_id = s.id AND l.site = c.site AND l.transport = lane.transport AND l.sku = r.sku AND l.uncertain)
           ) AS refused,
           (SELECT count(DISTINCT w.sku) FROM listing_changes_sent w WHERE w.store_id = s.id AND w.site = c.site
            AND w.transport = lane.transport AND w.status = 'pending') AS sending,
           (SELECT count(DISTINCT f.sku) FROM marketplace_issues f JOIN listing_state l USING (store_id, site, transport, sku)
            WHERE f.store_id = s.id AND f.site = c.site AND f.transport = lane.transport AND f.severity = 'error'
                AND NOT l.uncertain AND l.left_at IS NULL AND NOT EXISTS (SELECT 1 FROM listing_changes_sent w
                WHERE (w.store_id, w.site, w.transport, w.sku) = (f.store_id, f.site, f.transport, f.sku))) AS faulty,
           (SELECT count(*) FROM submissions u WHERE u.store_id = s.id AND u.site = c.site AND u.transport = lane.transport
            AND u.state = 'held') AS stuck,
           (SELECT count(DISTINCT d.sku) FROM listing_drift d WHERE d.store_id = s.id AND d.site = c.site
            AND d.transport = lane.transport AND d.state = 'open') AS drift,
           coalesce((planned.counts->>'blocked')::bigint, 0) AS blocked, coalesce((planned.counts->>'held')::bigint, 0) AS held,
           coalesce(s.last_error, i.quality_reason,
               failed.error || CASE WHEN s.changed_at > failed.finished_at THEN ' (before the store was changed)' ELSE '' END,
               c.last_error) AS last_error,
           failed.error IS NOT NULL AS import_failed, coalesce(planned.status, '') AS plan
    FROM stores s
    LEFT JOIN marketplace_credentials c ON c.store_id = s.id
    CROSS JOIN LATERAL (
        SELECT CASE WHEN c.credentials <> '{}' AND c.marketplace = ANY(%(sends)s) THEN 'api' ELSE 'file' END AS transport
    ) lane
    LEFT JOIN LATERAL (
        SELECT * FROM imports i WHERE i.store_id = s.id AND i.status = 'complete' AND i.kind IN ('all', 'products')
        ORDER BY i.id DESC LIMIT 1
    ) i ON true
    LEFT JOIN LATERAL (
        SELECT CASE WHEN n.status = 'failed' THEN n.error END AS error, n.finished_at FROM imports n
        WHERE n.store_id = s.id AND n.status <> 'running' AND n.kind IN ('all', 'products') ORDER BY n.id DESC LIMIT 1
    ) failed ON true
    LEFT JOIN LATERAL (
        SELECT * FROM exports e
        WHERE e.store_id = s.id AND e.site = c.site AND e.transport = lane.transport AND e.status <> 'dry_run'
            AND e.scope->'product_ids' = '[]'
        ORDER BY e.planned_at DESC LIMIT 1
    ) planned ON true
    LEFT JOIN LATERAL (
        SELECT import_id, greatest(committed_at, planned_at) AS at FROM exports e
        WHERE e.store_id = s.id AND e.site = c.site AND e.transport = lane.transport AND e.status = 'committed'
        ORDER BY planned_at DESC LIMIT 1
    ) exported ON true
    ORDER BY s.key, c.site
"""


@dataclass(frozen=True)
class _Found:
    store: str
    site: str | None
    store_error: bool  # its source cannot be reached: credentials
    state: str
    imported: datetime | None
    quality: str | None
    exported: datetime | None
    export_id: str | None
    up_to_date: bool
    guarded: int
    live: int
    uncertain: int
    refused: int
    sending: int
    faulty: int
    stuck: int
    drift: int
    blocked: int
    held: int
    last_error: str | None
    import_failed: bool
    plan: str


def overview(connection: psycopg.Connection[Any]) -> list[Row]:
    """One row a connection, stores in the order of their keys."""
    from pipeline.marketplaces import load_marketplaces

    sends = [market.name for market in load_marketplaces().values() if market.sends]
    dead = dead_imports(connection)
    with connection.cursor(row_factory=class_row(_Found)) as cursor:
        return [_row(found, found.store in dead) for found in cursor.execute(_QUERY, {"sends": sends})]


def dead_imports(connection: psycopg.Connection[Any]) -> dict[str, str]:
    """For each store whose present import was interrupted: why. One at work holds its run's lock."""
    running = connection.execute(
        "SELECT s.key, i.run_id, i.error FROM imports i JOIN stores s ON s.id = i.store_id "
        "WHERE i.status = 'running' AND i.run_id IS NOT NULL ORDER BY i.id"
    ).fetchall()
    gone = "the process of its import is gone (run {}); the next one goes on with it: pipeline import {}"
    return {
        store: error or gone.format(run_id[:8], store)
        for store, run_id, error in running
        if not is_locked(connection, run_lock_name(run_id))
    }


def notices(connection: psycopg.Connection[Any], inbox: Inbox, rows: Sequence[Row]) -> list[str]:
    """What the table has no room for, one sentence each: errors, submissions that need somebody, texts that are still to be
    asked for, imports that wait, files of the inbox, and API versions that end."""
    said = {(row.store, row.last_error): f"{row.store}: {row.last_error}" for row in rows if row.last_error}
    died = [f"{store}: {why}" for store, why in sorted(dead_imports(connection).items())]
    troubled = connection.execute(
        "SELECT t.key, s.site, s.id, CASE s.state WHEN 'held' THEN 'is held' ELSE 'does not come forward' END, s.reason "
        "FROM submissions s JOIN stores t ON t.id = s.store_id "
        "WHERE s.state = 'held' OR s.ended_at IS NULL AND s.failures >= %s ORDER BY s.state <> 'held', s.id LIMIT %s",
        (_FAILURES, _MOST),
    )
    stuck = [f"{store} on {site}: submission {number} {what}: {why}" for store, site, number, what, why in troubled]
    waiting = connection.execute(
        "SELECT s.key, string_agg(DISTINCT r.reason, ', ') FROM import_requests r JOIN stores s ON s.id = r.store_id "
        "WHERE r.closed_at IS NULL AND r.run_id IS NULL GROUP BY s.key ORDER BY s.key"
    )
    requested = [
        f"{store}: an import was requested ({reasons}) and begins soon if `pipeline up` runs" for store, reasons in waiting
    ]
    refused = connection.execute(
        "SELECT s.key, r.error FROM stores s CROSS JOIN LATERAL (SELECT * FROM import_requests r WHERE r.store_id = s.id "
        "AND r.closed_at IS NOT NULL ORDER BY r.id DESC LIMIT 1) r WHERE r.error IS NOT NULL AND r.import_id IS NULL"
    )
    lost = [f"{store}: the import that was requested last did not begin: {error}" for store, error in refused]
    arrived = [
        f"{store or 'inbox'}: {count} file(s) wait in {inbox.arriving(store)} for `pipeline up`"
        for store, count in sorted(inbox.waiting().items())
    ]
    aside = [
        f"{store}: {count} file(s) of the inbox were not imported; the texts beside them say why: {inbox.failed(store)}"
        for store, count in sorted(inbox.set_aside().items())
    ]
    now = datetime.now(timezone.utc)
    stores = list_stores(connection)
    ending = [f"{store.key}: {one}" for store in stores for one in version_warnings(store, now)]
    texts = [sentence(one) for one in read_open(connection)]
    keys = {store.id: store.key for store in stores}
    for store_id, done in latest(connection, "labels_translated").items():
        if done.get("stopped") and store_id in keys:
            store, left = keys[store_id], done.get("pending")  # others are untranslated for reasons of their own
            again = f"pipeline labels translate {store}"
            texts.append(f"{store}: {left} texts of labels are still to be translated: {done['stopped']}; then: {again}")
    return [*said.values(), *died, *stuck, *_standing(connection), *texts, *requested, *lost, *arrived, *aside, *ending]


def _standing(connection: psycopg.Connection[Any]) -> list[str]:
    """Decisions of operators that keep values from being sent."""
    rejected = connection.execute(
        "SELECT s.key, r.site, count(*), r.who, r.why FROM rejected_changes r JOIN stores s ON s.id = r.store_id "
        "WHERE r.stands GROUP BY s.key, r.site, r.who, r.why ORDER BY s.key, r.site"
    )
    said = [
        f"{store} on {site}: {count} changes are rejected by {who} ({why}) until they change; see: "
        f"pipeline changes list {store} {site}"
        for store, site, count, who, why in rejected
    ]
    pinned = connection.execute(
        "SELECT s.key, p.site, count(*), p.export_id FROM pinned_values p JOIN stores s ON s.id = p.store_id "
        "GROUP BY s.key, p.site, p.export_id ORDER BY s.key, p.site"
    )
    said += [
        f"{store} on {site}: {count} values are pinned to export {export_id} until the source changes them; to end it: "
        f"pipeline changes unpin {store} {site}"
        for store, site, count, export_id in pinned
    ]
    return said


def _row(found: _Found, dead: bool) -> Row:
    waiting = found.plan == "waiting_approval"
    return Row(
        found.store,
        found.site,
        "waiting_approval" if waiting and found.state == "active" else found.state,
        found.imported,
        found.quality,
        found.exported,
        found.export_id,
        found.live,
        found.uncertain,
        found.blocked,
        found.held,
        found.guarded,
        found.sending,
        found.drift,
        found.refused,
        found.faulty,
        found.last_error,
        _next(found, waiting, dead),
    )


def _next(found: _Found, waiting: bool, dead: bool) -> str:
    """What brings this connection forward, a command where one does; empty when nothing needs doing."""
    if found.store_error:
        return f"pipeline store test {found.store}"
    if (found.import_failed or found.quality == "failed") and "--accept-shrink" in (found.last_error or ""):
        return f"pipeline import {found.store} (--accept-shrink if it is meant to be smaller)"
    if dead or found.imported is None or found.import_failed or found.quality != "passed":
        return f"pipeline import {found.store}"
    if found.site is None:
        return f"pipeline connect {found.store} amazon-us"
    if found.stuck:
        return f"pipeline submissions list --store {found.store} --marketplace {found.site} --open"
    if found.state == "error" and any(words in (found.last_error or "") for words in _REFUSED):
        return f"pipeline connection set {found.store} {found.site} --credentials FILE"
    if found.state == "testing":
        return f"pipeline connection test {found.store} {found.site}"
    if found.state == "inactive":
        return f"pipeline connection resume {found.store} {found.site}"
    if waiting or found.guarded:
        return f"pipeline export {found.store} {found.site} --approve {found.export_id}"
    if not found.up_to_date or found.state == "error" or found.uncertain:
        return f"pipeline export {found.store} {found.site}"
    if found.drift:
        return f"pipeline connection drift {found.store} {found.site}"
    if found.refused or found.faulty or found.held or found.blocked:
        return f"pipeline problems {found.store} {found.site}"
    return ""
