"""One tick of the sensor `new_imports`: which imports were asked for, and what became of those before.

A request becomes a run exactly once. Its batch is in the database before the run is asked for, the run's key is made of the
batch, the daemon starts one run a key, and a batch is asked for at every tick until its run is seen to exist.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import dagster as dg
import psycopg

from pipeline.catalog import inbox
from pipeline.catalog.imports import get_import
from pipeline.catalog.requests import REQUEST_TAG, Batch, close_batch, gather, mark_requested, open_batches
from pipeline.operations.runs import get_run
from pipeline.settings import Settings
from pipeline.stores.stores import Store, list_stores

#: Between two looks at a file that arrives.
LOOK_SECONDS = 2.0
#: Stores whose imports one tick begins.
_MAX_STORES = 50
#: A run that died is started again by Dagster; longer than this it is not waited for.
_RETRY_SECONDS = 120.0
#: So long after its end a failed run may be without the word whether it is started again.
_TAG_SECONDS = 20.0
_LOCK = "hashtextextended('sensor new_imports', 0)"
_Status = dg.DagsterRunStatus


@dataclass(frozen=True)
class Tick:
    """Stores that there are, batches whose run is to be started, and what happened, in sentences."""

    stores: list[str]
    batches: list[Batch]
    said: list[str]


def tick(
    connection: psycopg.Connection[Any],
    instance: dg.DagsterInstance,
    settings: Settings,
    pause: Callable[[], None] = lambda: time.sleep(LOOK_SECONDS),
) -> Tick:
    """Close what has ended, take files from the inbox, gather what is due. The connection commits by itself."""
    row = connection.execute(f"SELECT pg_try_advisory_lock({_LOCK})").fetchone()
    if not row or not row[0]:
        return Tick([], [], ["another tick is at work"])
    try:
        return _tick(connection, instance, settings, pause)
    finally:
        with suppress(psycopg.Error):  # a lost session has released it already
            connection.execute(f"SELECT pg_advisory_unlock({_LOCK})")


def _tick(
    connection: psycopg.Connection[Any], instance: dg.DagsterInstance, settings: Settings, pause: Callable[[], None]
) -> Tick:
    box = inbox.inbox_of(settings.data_dir)
    stores = {store.key: store for store in list_stores(connection)}
    said = [sentence for batch in open_batches(connection) for sentence in _follow(connection, instance, box, stores, batch)]
    stores = {store.key: store for store in list_stores(connection)}
    try:
        said += inbox.take(connection, box, stores, pause)
    except OSError as problem:  # other requests go on
        said.append(f"{problem.filename or box.root} cannot be used ({problem.strerror}): change its permissions")
    gather(connection, limit=_MAX_STORES)
    batches = [batch for batch in open_batches(connection) if batch.run_id is None]
    return Tick(sorted(stores), batches[:_MAX_STORES], said)


def _follow(
    connection: psycopg.Connection[Any],
    instance: dg.DagsterInstance,
    box: inbox.Inbox,
    stores: dict[str, Store],
    batch: Batch,
) -> list[str]:
    """Note the run of a batch, or its end."""
    # The newest: a run that died may have been started again.
    records = instance.get_run_records(dg.RunsFilter(tags={REQUEST_TAG: str(batch.lead_id)}), limit=1)
    if not records and batch.run_id is None:
        return []
    run = records[0].dagster_run if records else None
    if run is not None and run.status == _Status.NOT_STARTED and batch.run_id is None:
        return []  # the daemon died before it queued the run; asked for again, it queues this one
    if run is not None and run.run_id != batch.run_id:
        mark_requested(connection, batch.lead_id, run.run_id)
    if run is not None and (not run.is_finished or _will_be_retried(instance, run, records[0].end_time)):
        return []
    done = get_import(connection, batch.import_id) if batch.import_id is not None else None
    try:
        if done is not None and done.status == "complete":
            inbox.imported(connection, box, stores[batch.store], batch.lead_id)
            close_batch(connection, batch.lead_id)
            return []
        error = done.error if done is not None and done.error else None
        if error is None and run is not None:
            error = get_run(instance, run.run_id).error or f"the import was {run.status.value.lower()}"
        error = error or "the run of this import is gone"
        if "--accept-shrink" in error:  # the file is sound: `pipeline import --accept-shrink` is to read this one
            inbox.imported(connection, box, stores[batch.store], batch.lead_id)
        else:
            inbox.not_imported(connection, box, batch.store, batch.lead_id, error)
        close_batch(connection, batch.lead_id, error)
        return [f"{batch.store}: {error}"]
    except OSError as problem:
        return [f"{batch.store}: a file of the inbox cannot be moved ({problem.strerror}): change its permissions"]


def _will_be_retried(instance: dg.DagsterInstance, run: dg.DagsterRun, ended: float | None) -> bool:
    if run.status != _Status.FAILURE or not instance.run_retries_enabled:
        return False
    said = run.tags.get("dagster/will_retry")  # written a moment after the status
    ago = 0.0 if ended is None else time.time() - ended
    return ago < (_RETRY_SECONDS if said == "true" else _TAG_SECONDS if said is None else 0.0)
