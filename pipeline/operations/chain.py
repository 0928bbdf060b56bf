"""Imports and exports one after the other in this process, as the command line does them; the daemon does the same by sensor."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from pipeline.catalog.assets import ACCEPT_SHRINK, SINCE_TAG
from pipeline.operations.failures import note_failed_export
from pipeline.operations.launch import CHAINED_BY, Outcome, run_job
from pipeline.partitions import cell as cell_key
from pipeline.submissions.ledger import database_time, ended_since
from pipeline.submissions.repairing import unlooked
from pipeline.submissions.requests import REQUEST_TAG, ExportRequest, close_request, open_requests

if TYPE_CHECKING:
    import dagster as dg

    from pipeline.operations.language_batches import Polled
    from pipeline.platform.database import Database

#: By the part of the catalog; None is all of it.
IMPORT_JOB = {
    None: "import_all",
    "products": "import_products",
    "collections": "import_collections",
    "inventory": "import_inventory",
    "categories": "import_collections",
    "attributes": "import_attributes",
    "families": "import_families",
}

_BEGINNING = datetime.min.replace(tzinfo=timezone.utc)

#: Told before and after each run: (what, None) and (what, outcome).
Told = Callable[[str, "Outcome | None"], None]


@dataclass(frozen=True)
class Here:
    """What a run in this process needs, and who is told."""

    defs: dg.Definitions
    instance: dg.DagsterInstance
    database: Database
    told: Told
    #: Shows the progress of the run with this id while the context is open.
    watch: Callable[[str], AbstractContextManager[None]]


def import_store(
    here: Here,
    store: str,
    *,
    only: str | None = None,
    since: str | None = None,
    chained: bool = False,
    accept_shrink: bool = False,
) -> Outcome:
    """One import job. `since` as in `catalog.opening`. `chained`: the caller exports itself, so the daemon's sensor must not."""
    tags = {"store": store}
    if since is not None:
        tags[SINCE_TAG] = since
    if chained:
        tags[CHAINED_BY] = "command line"
    if accept_shrink:
        tags[ACCEPT_SHRINK] = "true"

    def run() -> Outcome:
        run_id = str(uuid4())
        with here.watch(run_id):
            return run_job(here.defs, here.instance, IMPORT_JOB[only], store, tags=tags, run_id=run_id)

    return _told(here.told, f"import {store}", run)


def export_store(
    here: Here,
    store: str,
    sites: Sequence[str],
    *,
    options: Mapping[str, Any] | None = None,
    more_tags: Mapping[str, str] | None = None,
) -> list[Outcome]:
    """One export run a site, one after the other; a failed one does not stop the others."""

    def run(site: str) -> Outcome:
        tags = {"store": store, "marketplace": site, CHAINED_BY: "command line", **(more_tags or {})}
        outcome = run_job(here.defs, here.instance, "export_listings", cell_key(store, site), tags=tags, options=options)
        if outcome.error is not None:
            note_failed_export(here.database, store, site, outcome.error)
        return outcome

    return [_told(here.told, f"export {store} to {site}", lambda site=site: run(site)) for site in sites]  # type: ignore[misc]


def map_categories(here: Here, store: str, site: str, options: Mapping[str, Any]) -> Outcome:
    """Find the categories of a store's products on one site; `options` are fields of `ExportOptions`."""

    def run() -> Outcome:
        tags = {"store": store, "marketplace": site}
        return run_job(here.defs, here.instance, "map_categories", cell_key(store, site), tags=tags, options=options)

    return _told(here.told, f"categories of {store} on {site}", run)


def read_labels(here: Here, store: str) -> Outcome:
    """Read the store's label files."""
    return _told(
        here.told,
        f"read labels of {store}",
        lambda: run_job(here.defs, here.instance, "import_labels", store, tags={"store": store}),
    )


def translate_labels(here: Here, store: str, options: Mapping[str, Any]) -> Outcome:
    """Translate the store's labels; `options` are fields of `LabelOptions`."""

    def run() -> Outcome:
        ops = {"translated_labels": options}
        return run_job(here.defs, here.instance, "translate_labels", store, tags={"store": store}, ops=ops)

    return _told(here.told, f"translate labels of {store}", run)


def publish_labels(here: Here, store: str, options: Mapping[str, Any]) -> Outcome:
    """Publish the store's translated labels; `options` are fields of `PublishOptions`."""

    def run() -> Outcome:
        ops = {"published_labels": options}
        return run_job(here.defs, here.instance, "publish_labels", store, tags={"store": store}, ops=ops)

    return _told(here.told, f"publish labels of {store}", run)


def for_connection(here: Here, job: str, store: str, site: str, ops: Mapping[str, Mapping[str, Any]] | None = None) -> Outcome:
    """One run of a job of one connection; `ops` is the config of its assets by name."""
    tags = {"store": store, "marketplace": site, CHAINED_BY: "command line"}

    def run() -> Outcome:
        run_id = str(uuid4())
        with here.watch(run_id):
            return run_job(here.defs, here.instance, job, cell_key(store, site), tags=tags, ops=ops, run_id=run_id)

    return _told(here.told, f"{job} of {store} on {site}", run)


def poll_language_batches(here: Here) -> Polled:
    """Look after open batches; then translate the labels whose answers are there (nothing that these batches were not asked), and
    export the products whose answers are."""
    from pipeline.labels.translation import TASK
    from pipeline.language.asking.batches import list_batches, unread
    from pipeline.operations.language_batches import REASON, after_batches, polled

    def polling() -> Outcome:
        return run_job(here.defs, here.instance, "poll_language_batches", None, tags={})

    with here.database.transaction() as connection:
        seen = [batch.run_key for batch in list_batches(connection, only_open=True)]
    outcomes = [_told(here.told, "poll batches", polling)]
    with here.database.transaction() as connection:
        ended: dict[str, list[str]] = {}
        for store, batch in unread(connection, TASK):
            ended.setdefault(store, []).append(batch)
        wanted = [request for request in open_requests(connection) if request.reason == REASON]
    followed = {store: translate_labels(here, store, after_batches(batches)) for store, batches in ended.items()}
    exported = _requested(here, wanted)
    outcomes += [*followed.values(), *(outcome for _, outcome in exported)]
    with here.database.transaction() as connection:
        return polled(connection, seen, ended, followed, exported, outcomes)


def write_legacy_xml(here: Here, store: str, site: str) -> Outcome:
    """Amazon's old XML of the listings as they are."""
    return for_connection(here, "write_legacy_xml", store, site)


def poll(here: Here) -> list[Outcome]:
    """Send and poll whatever is due, show the verdicts of the connections that got some (now, or without being shown), and send
    again what was mended."""

    def polling() -> Outcome:
        return run_job(here.defs, here.instance, "poll_submissions", None, tags={})

    with here.database.transaction() as connection:
        began = database_time(connection)
    outcomes = [_told(here.told, "poll submissions", polling)]
    with here.database.transaction() as connection:
        ended, left = ended_since(connection, _BEGINNING), {(store, site) for store, site, _ in unlooked(connection)}
    new = {(store, site) for store, site, at in ended if at >= began or at >= _shown_at(here.instance, cell_key(store, site))}
    for store, site in sorted(new | left):

        def show(store: str = store, site: str = site) -> Outcome:
            tags = {"store": store, "marketplace": site}
            return run_job(here.defs, here.instance, "read_verdicts", cell_key(store, site), tags=tags)

        outcomes.append(_told(here.told, f"verdicts of {store} on {site}", show))
    with here.database.transaction() as connection:
        wanted = open_requests(connection)
    return [*outcomes, *(outcome for _, outcome in _requested(here, wanted))]


def _requested(here: Here, wanted: Sequence[ExportRequest]) -> list[tuple[ExportRequest, Outcome]]:
    """The exports that something asked for."""
    found = []
    for request in wanted:
        options = {"product_ids": request.product_ids}
        (done,) = export_store(here, request.store, [request.site], options=options, more_tags={REQUEST_TAG: str(request.id)})
        found.append((request, done))
        if done.success:  # else the daemon, or the next poll, tries again
            with here.database.transaction() as connection:
                close_request(connection, request.id)
    return found


def _shown_at(instance: dg.DagsterInstance, partition: str) -> datetime:
    """When the verdicts of a connection were last shown."""
    from dagster import AssetKey, AssetRecordsFilter

    wanted = AssetRecordsFilter(AssetKey("listing_status"), asset_partitions=[partition])
    found = instance.fetch_materializations(wanted, limit=1).records
    return datetime.fromtimestamp(found[0].timestamp, timezone.utc) if found else _BEGINNING


def _told(told: Told, what: str, work: Callable[[], Outcome]) -> Outcome:
    told(what, None)
    outcome = work()
    told(what, outcome)
    return outcome
