"""What starts by the clock. A schedule looks only at the database; the network is for the runs that it starts."""

import dagster as dg

from pipeline.operations.credits import daily_credit_deduction, deduct_day
from pipeline.operations.jobs import read_back
from pipeline.operations.runs import UNFINISHED
from pipeline.operations.watching import NIGHTLY_TAG, watch_sources
from pipeline.partitions import cell


@dg.schedule(
    job=watch_sources,
    name="watch_sources_every_minute",
    cron_schedule="* * * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Look at the live stores, unless there are none or the look before is not over.",
)
def watch_every_minute(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    if not _stores():
        return dg.SkipReason("no store is live")
    filters = dg.RunsFilter(job_name=watch_sources.name, statuses=list(UNFINISHED))
    if context.instance.get_runs(filters, limit=1):
        return dg.SkipReason("the look before is not over")
    return dg.RunRequest()


@dg.schedule(
    job=watch_sources,
    name="import_live_stores_nightly",
    cron_schedule="0 3 * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Import every live store at 03:00 UTC, comparing all product ids, so that no deletion stays unseen.",
)
def import_nightly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    if not _stores():
        return dg.SkipReason("no store is live")
    return dg.RunRequest(run_key=context.scheduled_execution_time.date().isoformat(), tags={NIGHTLY_TAG: "true"})


@dg.schedule(
    job=read_back,
    name="read_back_nightly",
    cron_schedule="30 1 * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Read back the live listings of every connection that sends, at 01:30 UTC.",
)
def read_back_nightly(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
    from pipeline.platform.database import Database
    from pipeline.settings import Settings
    from pipeline.submissions.live import live_cells

    with Database.open(Settings.load()) as database, database.transaction() as connection:
        found = live_cells(connection)
    day = context.scheduled_execution_time.date().isoformat()
    requests = [
        dg.RunRequest(
            run_key=f"{day}:{store}:{site}", partition_key=cell(store, site), tags={"store": store, "marketplace": site}
        )
        for store, site in found
    ]
    return requests or dg.SkipReason("no connection is live")


@dg.schedule(
    job=daily_credit_deduction,
    name="daily_credit_deduction",
    cron_schedule="0 0 * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Deduct the day's credits at 00:00 UTC of every store whose credits are switched on.",
)
def deduct_daily(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    from pipeline.platform.database import Database
    from pipeline.settings import Settings
    from pipeline.stores.credits import list_accounts

    with Database.open(Settings.load()) as database, database.transaction() as connection:
        if not any(account.active for account in list_accounts(connection)):
            return dg.SkipReason("no store's credits are switched on")
    day = context.scheduled_execution_time.date().isoformat()
    config = {"ops": {deduct_day.name: {"config": {"day": day}}}}
    return dg.RunRequest(run_key=day, run_config=config, tags={"system": daily_credit_deduction.name})


def _stores() -> int:
    """Number of live stores."""
    from pipeline.operations.watching import live_stores
    from pipeline.platform.database import Database
    from pipeline.settings import Settings

    with Database.open(Settings.load()) as database, database.transaction() as connection:
        return len(live_stores(connection))


SCHEDULES = [watch_every_minute, import_nightly, read_back_nightly, deduct_daily]
