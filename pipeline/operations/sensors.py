"""What starts by itself: imports that were asked for, exports after a good one, and closing runs whose process died.

No network inside a tick.
"""

from collections.abc import Iterator
from datetime import datetime, timezone

import dagster as dg

from pipeline.operations.decision_jobs import EXPORT_AFTER
from pipeline.operations.jobs import (
    IMPORT_JOBS,
    export_listings,
    import_all,
    import_collections,
    import_inventory,
    import_products,
    read_verdicts,
    translate_labels,
)
from pipeline.operations.language_batches import poll_language_batches
from pipeline.operations.launch import CHAINED_BY
from pipeline.operations.polling import poll_submissions
from pipeline.partitions import cell, stores

_UNFINISHED = (
    dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)  # fmt: skip
#: After this a refusal that nobody looked at is no longer about to be.
_LEFT_MINUTES = 10
_IMPORTS = {import_all.name, import_products.name, import_inventory.name}
#: The job that answers a request for this part of the catalog.
_JOB_OF = {"all": import_all, "products": import_products, "collections": import_collections, "inventory": import_inventory}


@dg.sensor(
    jobs=IMPORT_JOBS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=3,
    description="Import what was asked for: files in the inbox, webhooks, changes that the watcher saw.",
)
def new_imports(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    from pipeline.catalog.requests import REQUEST_TAG
    from pipeline.operations.new_imports import tick
    from pipeline.platform.database import Database
    from pipeline.settings import Settings

    settings = Settings.load()
    with Database.open(settings) as database, database.autocommit() as connection:
        found = tick(connection, context.instance, settings)
    unknown = sorted(set(found.stores) - set(context.instance.get_dynamic_partitions(str(stores.name))))
    requests = [
        dg.RunRequest(
            run_key=batch.run_key,
            job_name=_JOB_OF[batch.kind].name,
            partition_key=batch.store,
            tags={"store": batch.store, REQUEST_TAG: str(batch.lead_id)},
        )
        for batch in found.batches
    ]
    return dg.SensorResult(
        run_requests=requests,
        skip_reason=None if requests else "; ".join(found.said)[:1000] or "nothing new",
        dynamic_partitions_requests=[stores.build_add_request(unknown)] if unknown else [],
    )


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.SUCCESS,
    monitor_all_code_locations=True,  # runs of the command line name no code location
    request_job=export_listings,
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=3,
    description="After a good import, request the listings of every active connection of that store.",
)
def export_after_import(context: dg.RunStatusSensorContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
    from pipeline.platform.database import Database
    from pipeline.settings import Settings
    from pipeline.stores.connections import list_connections
    from pipeline.stores.stores import find_store

    run = context.dagster_run
    if run.job_name not in _IMPORTS:
        yield dg.SkipReason(f"run {run.run_id} is no import of products or stock")
        return
    if CHAINED_BY in run.tags:
        yield dg.SkipReason(f"run {run.run_id} is chained by {run.tags[CHAINED_BY]}")
        return
    store = run.tags.get("dagster/partition", "")
    with Database.open(Settings.load()) as database, database.transaction() as connection:
        if find_store(connection, store) is None:
            yield dg.SkipReason(f"store {store} was removed")
            return
        # One in status error is tried again: its next good export clears the error.
        active = [item for item in list_connections(connection, store_key=store) if not item.paused]
    if not active:
        yield dg.SkipReason(f"store {store} has no active marketplace connection")
    for item in active:
        yield dg.RunRequest(
            run_key=f"{run.run_id}:{item.site}",
            partition_key=cell(store, item.site),
            tags={"store": store, "marketplace": item.site, "import_run": run.run_id},
        )


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.SUCCESS,
    monitored_jobs=EXPORT_AFTER,
    request_job=export_listings,
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=3,
    description="After a decision in the UI (approve, reject, roll back, unpin, resume), request the connection's export.",
)
def export_after_decision(context: dg.RunStatusSensorContext) -> dg.RunRequest | dg.SkipReason:
    tags = context.dagster_run.tags
    store, site = tags.get("dagster/partition/store"), tags.get("dagster/partition/marketplace")
    if store is None or site is None:
        return dg.SkipReason(f"run {context.dagster_run.run_id} has no partition")
    return dg.RunRequest(
        run_key=f"{context.dagster_run.run_id}:{site}",
        partition_key=cell(store, site),
        tags={"store": store, "marketplace": site},
    )


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.FAILURE,
    monitor_all_code_locations=True,
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=10,
    description="Note a failed export on its connection, where `pipeline status` shows it.",
)
def failed_exports(context: dg.RunStatusSensorContext) -> dg.SkipReason | None:
    from pipeline.operations.failures import note_failed_export
    from pipeline.operations.runs import get_run
    from pipeline.platform.database import Database
    from pipeline.settings import Settings

    run = context.dagster_run
    if run.job_name != export_listings.name:
        return dg.SkipReason(f"run {run.run_id} is no export")
    if CHAINED_BY in run.tags:
        return dg.SkipReason(f"run {run.run_id} is noted by {run.tags[CHAINED_BY]}")
    found = get_run(context.instance, run.run_id)
    if found.store is not None and found.marketplace is not None:
        with Database.open(Settings.load()) as database:
            note_failed_export(database, found.store, found.marketplace, found.error or "the export failed")
    return None


@dg.sensor(
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=10,
    description="Close runs whose process was killed, so that their store can run again.",
)
def dead_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    from pipeline.operations.launch import close_dead_runs
    from pipeline.platform.database import Database
    from pipeline.settings import Settings

    with Database.open(Settings.load()) as database:
        closed = close_dead_runs(context.instance, database)
    return dg.SkipReason(f"closed: {', '.join(closed)}" if closed else "every started run is alive")


@dg.sensor(
    jobs=[poll_submissions, read_verdicts],
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=30,
    description="Request one run that sends and polls whatever is due, and the tables of connections with new verdicts.",
)
def submissions_due(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
    from pipeline.platform.database import Database
    from pipeline.settings import Settings
    from pipeline.submissions.ledger import ended_since
    from pipeline.submissions.live import due_cells

    seen = datetime.fromisoformat(context.cursor) if context.cursor else datetime.min.replace(tzinfo=timezone.utc)
    with Database.open(Settings.load()) as database, database.transaction() as connection:
        due = due_cells(connection)
        ended = ended_since(connection, seen)
    if due and not context.instance.get_runs_count(dg.RunsFilter(job_name=poll_submissions.name, statuses=list(_UNFINISHED))):
        yield dg.RunRequest(job_name=poll_submissions.name)
    for store, site, at in ended:
        yield dg.RunRequest(
            run_key=f"{store}:{site}:{at.isoformat()}", job_name=read_verdicts.name, partition_key=cell(store, site),
            tags={"store": store, "marketplace": site},
        )  # fmt: skip
    if ended:
        context.update_cursor(max(at for _, _, at in ended).isoformat())
    if not due and not ended:
        yield dg.SkipReason("nothing is due")


@dg.sensor(
    jobs=[export_listings, read_verdicts],
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=10,
    description="Export products that something asked for (refused listings that were mended); look at refusals that were left.",
)
def new_exports(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
    from pipeline.operations.new_exports import tick
    from pipeline.platform.database import Database
    from pipeline.settings import Settings
    from pipeline.submissions.repairing import unlooked
    from pipeline.submissions.requests import REQUEST_TAG

    with Database.open(Settings.load()) as database, database.transaction() as connection:
        wanted = tick(connection, context.instance)
        left = unlooked(connection, minutes=_LEFT_MINUTES)
    for run_key, request in wanted:
        yield dg.RunRequest(
            run_key=run_key,
            job_name=export_listings.name,
            partition_key=cell(request.store, request.site),
            run_config={"resources": {"export_options": {"config": {"product_ids": request.product_ids}}}},
            tags={"store": request.store, "marketplace": request.site, REQUEST_TAG: str(request.id)},
        )
    for store, site, newest in left:
        yield dg.RunRequest(
            run_key=f"refused:{store}:{site}:{newest}", job_name=read_verdicts.name, partition_key=cell(store, site),
            tags={"store": store, "marketplace": site},
        )  # fmt: skip
    if not wanted and not left:
        yield dg.SkipReason("nothing is asked for")


@dg.sensor(
    jobs=[poll_language_batches, translate_labels],
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=30,
    description="Request a look at open batches of a language model, and translations of labels whose answers are there.",
)
def language_batches(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
    from pipeline.labels.translation import TASK
    from pipeline.language.asking.batches import unread
    from pipeline.operations.language_batches import after_batches, is_due
    from pipeline.platform.database import Database
    from pipeline.settings import Settings

    with Database.open(Settings.load()) as database, database.transaction() as connection:
        due, answered = is_due(connection), unread(connection, TASK)
    if due and not context.instance.get_runs_count(
        dg.RunsFilter(job_name=poll_language_batches.name, statuses=list(_UNFINISHED))
    ):
        yield dg.RunRequest(job_name=poll_language_batches.name)
    for store, batch in answered:
        yield dg.RunRequest(
            run_key=f"batch:{batch}", job_name=translate_labels.name, partition_key=store, tags={"store": store},
            run_config={"ops": {"translated_labels": {"config": after_batches([batch])}}},
        )  # fmt: skip
    if not due and not answered:
        yield dg.SkipReason("no batch is open or unread")


SENSORS = [
    new_imports, export_after_import, export_after_decision, failed_exports, submissions_due, new_exports, language_batches,
    dead_runs,
]  # fmt: skip
