"""The result of imports and exports as one document: what `pipeline demo`, `import` and `export` print, for people and machines.

Read from the ledgers of imports and exports, so it says the same whoever ran the job.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import psycopg

from pipeline.catalog.imports import latest_import
from pipeline.listings.cell import Cell, find_cell
from pipeline.listings.state import Export, latest_export
from pipeline.model.quality import BLOCKING
from pipeline.operations.launch import Outcome
from pipeline.operations.texts import texts_of
from pipeline.platform.io_manager import stored_table
from pipeline.quality.schema import ISSUES
from pipeline.quality.summary import top_issues
from pipeline.settings import Settings
from pipeline.stores.api_versions import version_warnings
from pipeline.stores.stores import get_store

if TYPE_CHECKING:
    import dagster as dg

SCHEMA_VERSION = 1
_SHOWN = 3
_NO_ISSUES = {"critical": 0, "error": 0, "warning": 0, "info": 0}
_NO_CHANGES = {kind: 0 for kind in ("create", "update", "price", "quantity", "images", "delete", "unchanged")}


def summarize(
    connection: psycopg.Connection[Any], instance: dg.DagsterInstance, store_key: str, outcomes: Sequence[Outcome]
) -> dict[str, Any]:
    """The store's newest import, and the newest export to each site that `outcomes` exported to; `status` is ok or failed,
    `warnings` are of the store."""
    store = get_store(connection, store_key)
    found = latest_import(connection, store.id)
    counts: Mapping[str, Any] = found.counts if found is not None else {}
    quality: Mapping[str, Any] = counts.get("quality", {})
    failures = [f"{item.job} of {item.partition}: {item.error}" for item in outcomes if not item.success]
    exported = {item.site: item for item in outcomes if item.site is not None and item.success}
    cells = {site: find_cell(connection, store_key, site) for site in exported}
    return {
        "schema_version": SCHEMA_VERSION,
        "status": "failed" if failures else "ok",
        "store": store_key,
        "products": counts.get("products", 0),
        "variants": counts.get("variants", 0),
        "rejected": counts.get("rejected", 0),
        "fixes": quality.get("fixes", 0),
        "issues": {**_NO_ISSUES, **quality.get("issues", {})},
        "score": {"mean": quality.get("score_mean"), "publishable": quality.get("publishable", 0)},
        "marketplaces": {
            site: {**_export(connection, cell), "texts": texts_of(connection, instance, store_key, exported[site])}
            for site, cell in cells.items()
            if cell is not None
        },
        "runs": [
            {"id": item.run_id, "job": item.job, "partition": item.partition, "success": item.success, "seconds": item.seconds}
            for item in outcomes
        ],
        "warnings": version_warnings(store, datetime.now(timezone.utc)),
        "errors": failures,
    }


def _export(connection: psycopg.Connection[Any], cell: Cell) -> dict[str, Any]:
    export = latest_export(connection, cell.lane)
    counts: Mapping[str, Any] = export.counts if export is not None else {}
    return {
        "export_id": export.export_id if export is not None else None,
        "status": export.status if export is not None else None,
        **{name: counts.get(name, 0) for name in ("listings", "ready", "blocked", "held", "out_of_scope")},
        "changes": {**_NO_CHANGES, **counts.get("changes", {})},
        "feeds": list(export.feed_files) if export is not None else [],
    }


def notes(connection: psycopg.Connection[Any], settings: Settings, store_key: str, outcomes: Sequence[Outcome]) -> list[str]:
    """What an operator has to know or do after these exports, beside the numbers: one sentence each."""
    found: list[str] = []
    for site in (item.site for item in outcomes if item.site is not None and item.success):
        cell = find_cell(connection, store_key, site)
        export = latest_export(connection, cell.lane) if cell is not None else None
        if export is not None:
            found += _notes(export, store_key, site, live=cell is not None and cell.lane.transport == "api")
            if export.counts.get("blocked"):
                found += _blocked(export, settings, store_key, site)
    return found


def _notes(export: Export, store: str, site: str, *, live: bool) -> list[str]:
    approve = f"pipeline export {store} {site} --approve {export.export_id}"
    found = []
    if export.status == "dry_run":
        found.append(f"{site}: this was a dry run, nothing is written")
    elif export.status == "waiting_approval":
        found.append(f"{site}: the plan waits for approval: {approve}")
    elif not export.feed_files and export.counts.get("ready"):
        found.append(f"{site}: nothing changed since the last export")
    elif live and export.status == "committed":
        found.append(f"{site}: handed over; the verdicts are read by `pipeline up`, or now with: pipeline submissions poll")
    if previews := export.counts.get("previews"):
        found.append(
            f"{site}: {previews['valid']} listings are valid for the marketplace itself, {previews['invalid']} are not (asset "
            f"listing_previews), {previews['not_validated']} are not validated yet"
        )
    if guarded := export.counts.get("guarded", 0):
        found.append(f"{site}: {guarded} changes look like an accident and are held; to let them pass: {approve}")
    if (held := export.counts.get("held", 0)) > guarded:
        found.append(f"{site}: {held} listings are held; which, and why: pipeline problems {store} {site}")
    return found


def _blocked(export: Export, settings: Settings, store: str, site: str) -> list[str]:
    """Why listings are blocked: what stands in the way of most of them, and where to read the rest."""
    table = stored_table(settings, "listing_issues", ISSUES, site, store)
    why = ""
    if table is not None:
        rules = top_issues(table)
        rules = rules[rules["severity"].isin(BLOCKING)].sort_values("rows", ascending=False, kind="stable").head(_SHOWN)
        columns = (rules[name].tolist() for name in ("rows", "rule", "message", "hint"))
        why = "; ".join(f"{rows} times {rule}: {message} {hint}" for rows, rule, message, hint in zip(*columns, strict=True))
    counts = export.counts
    return [
        f"{site}: {counts['blocked']} of {counts['listings']} listings are blocked{': ' if why else ''}{why} "
        f"One by one: pipeline problems {store} {site}"
    ]
