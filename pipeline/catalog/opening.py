"""How an import begins: go on with one that died, add what changed to the tables that are there, or read everything.

Decided from the ledger and the stored tables; the source is not asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from hashlib import sha256
from typing import Any

import orjson
import psycopg

from pipeline.catalog.imports import begin_import, last_reconciled, latest_import, take_over
from pipeline.catalog.source import Kind, Source
from pipeline.model.errors import PipelineError, UsageError
from pipeline.stores.sources import source_kind
from pipeline.stores.stores import Store

#: What `since` may be beside a time: what changed since the last import where that is possible, or everything.
AUTO, FULL = "auto", "full"
#: A fetch that died longer ago is not gone on with: who imports now wants what the source says now.
RESUME_WITHIN = timedelta(hours=6)
#: An incremental import lists all ids when nothing has for so long: events of deletions may have been missed.
RECONCILE_AFTER = timedelta(hours=20)
_INCREMENTAL: tuple[Kind, ...] = ("all", "products")


@dataclass(frozen=True)
class Opened:
    """A running import of the ledger, and what its fetch is to do."""

    import_id: str
    kind: Kind
    since: datetime | None
    base_import_id: str | None
    reconcile: bool
    state: Mapping[str, Any]  # not empty: what the fetch that died had saved


def open_import(
    connection: psycopg.Connection[Any],
    store: Store,
    source: Source,
    kind: Kind,
    since: str,
    *,
    run_id: str,
    stored: Mapping[str, str | None],
) -> Opened:
    """Begin an import of `store`, or take over a dead one; the caller holds the store's import lock.

    `since` is AUTO, FULL or an ISO time. `stored` is the import of each stored table (products, variants, inventory), None
    for one that is missing or of another release. Raises PipelineError where there is nothing to add to but should be.
    """
    live = source_kind(store.source).live
    if kind != "all":
        source_kind(store.source).check_part(kind, store.key)
    after, settings = parse_since(since), _settings_hash(store)
    if after is not None and not (live and kind in _INCREMENTAL):
        raise UsageError(f"{kind} of the source {store.source} are always read whole; import {store.key} without --since")
    dead = None
    if after is None:
        dead = take_over(
            connection, store.id, kind, full=since == FULL, longest=RESUME_WITHIN, run_id=run_id, settings_hash=settings
        )
    else:
        take_over(connection, store.id, kind, full=True, longest=timedelta(0), run_id=run_id)
    if dead is not None:
        return Opened(dead.id, kind, dead.since, dead.base_import_id, dead.incremental and dead.reconciled, dead.source_state)
    base, start = None, None
    if kind == "inventory":
        base = stored.get("variants")
        if base is None or base != stored.get("products"):
            raise PipelineError(f"{store.key} has no products to add stock to: pipeline import {store.key}")
    elif live and kind in _INCREMENTAL and since != FULL:
        base, watermark = _base(connection, store, stored)
        if base is None and after is not None:
            raise PipelineError(f"{store.key} has no good import to add to: pipeline import {store.key} --full")
        start = watermark - source.overlap if watermark else None
        if after is not None and start is not None:
            start = min(after, start)  # a later time would leave out what changed in between, for good
    reconcile = start is not None and _reconcile_due(connection, store)
    import_id = begin_import(
        connection, store.id, kind, store.source, run_id=run_id, settings_hash=settings, since=start, base_import_id=base,
        reconciled=reconcile,
    )  # fmt: skip
    return Opened(import_id, kind, start, base, reconcile, {})


def _base(
    connection: psycopg.Connection[Any], store: Store, stored: Mapping[str, str | None]
) -> tuple[str | None, datetime | None]:
    """The import that an incremental one can build on, and its watermark: good, in the tables, of the settings as they are."""
    found = latest_import(connection, store.id)
    if found is None or not found.quality_passed or found.watermark is None or found.settings_hash != _settings_hash(store):
        return None, None
    if any(stored.get(name) != found.id for name in ("products", "variants", "inventory")):
        return None, None
    return found.id, found.watermark


def _settings_hash(store: Store) -> str:
    """What the tables depend on beside the source's data."""
    return sha256(
        orjson.dumps([store.source, dict(store.source_settings), store.currency], option=orjson.OPT_SORT_KEYS)
    ).hexdigest()


def _reconcile_due(connection: psycopg.Connection[Any], store: Store) -> bool:
    last = last_reconciled(connection, store.id)
    return last is None or last < datetime.now(timezone.utc) - RECONCILE_AFTER


def parse_since(since: str) -> datetime | None:
    """The time that `since` is, UTC where it names no zone; None for the two words. Raises UsageError for anything else."""
    if since in (AUTO, FULL):
        return None
    try:
        found = datetime.fromisoformat(since.strip().replace("Z", "+00:00"))
    except ValueError:
        raise UsageError(f"{since[:40]!r} is not a time; use {AUTO}, {FULL} or one such as 2026-11-01T08:00:00+00:00") from None
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)
