"""Running a job in this process, one run after the other: what the command line does where the daemon would queue.

Runs are recorded like any others. A run whose process was killed is recognized by its free session lock and closed, here and
by a sensor, so that nothing waits for the dead.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg
import psycopg

from pipeline.operations.failures import note_failed_export
from pipeline.operations.runs import get_run
from pipeline.platform.database import Database
from pipeline.platform.locks import died, is_locked, run_lock_name

#: Said by runs of a command that sees to what follows itself, so that the daemon's sensors leave them alone.
CHAINED_BY = "pipeline/chained_by"
#: A run takes its lock when its resources open and gives it back right before it ends; in between it is dead without one.
_YOUNG_SECONDS = 20.0
_Status = dg.DagsterRunStatus
_GONE = "The run's process is gone (killed, or the machine stopped). Run it again."


@dataclass(frozen=True)
class Outcome:
    """How a run ended. `error` is its first failed step's own sentence."""

    run_id: str
    job: str
    partition: str
    site: str | None  # of an export
    success: bool
    seconds: float
    error: str | None


def run_job(
    defs: dg.Definitions,
    instance: dg.DagsterInstance,
    job: str,
    partition: str | None,
    *,
    tags: Mapping[str, str],
    options: Mapping[str, Any] | None = None,
    ops: Mapping[str, Any] | None = None,
    run_id: str | None = None,
) -> Outcome:
    """Run `job` here, for one partition (None: the job has none); `options` are fields of `ExportOptions`, `ops` the config
    of its assets by name. A failed step is an outcome, never raised."""
    config: dict[str, Any] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    if options:
        config["resources"] = {"export_options": {"config": dict(options)}}
    if ops:
        config["ops"] = {name: {"config": dict(values)} for name, values in ops.items()}
    definition = defs.resolve_job_def(job)
    started = time.monotonic()
    logging.getLogger("dagster").setLevel(logging.CRITICAL)  # the run's events are in the database; here we print a summary
    result = definition.execute_in_process(
        instance=instance, partition_key=partition, run_config=config, tags=dict(tags), raise_on_error=False, run_id=run_id
    )
    seconds = time.monotonic() - started
    error = None
    if not result.success:
        run = get_run(instance, result.run_id)
        what = "was canceled" if run.status == "canceled" else "failed"
        error = run.error or f"the run {what}; see: pipeline jobs status {result.run_id[:8]}"
    site = partition.keys_by_dimension["marketplace"] if isinstance(partition, dg.MultiPartitionKey) else None
    return Outcome(result.run_id, job, str(partition or ""), site, result.success, round(seconds, 2), error)


def close_dead_runs(instance: dg.DagsterInstance, database: Database) -> list[str]:
    """Mark runs as failed whose process is gone; returns their ids. Safe to call from several processes."""
    records = instance.get_run_records(dg.RunsFilter(statuses=[_Status.STARTED, _Status.CANCELING]))
    if not records:
        return []
    closed = []
    with database.autocommit() as connection:
        for record in records:
            run = record.dagster_run
            if not _is_dead(instance, connection, run):
                continue
            current = instance.get_run_by_id(run.run_id)
            if current is None or current.is_finished:
                continue
            if current.status == _Status.CANCELING:
                instance.report_run_canceled(current, message="The canceled run's process is gone.")
            else:
                instance.report_run_failed(current, message=_GONE)
                # Whoever would have noted it is gone with it; of others the daemon's sensor does.
                if CHAINED_BY in run.tags and {"store", "marketplace"} <= run.tags.keys():
                    note_failed_export(database, run.tags["store"], run.tags["marketplace"], _GONE)
            closed.append(run.run_id)
    return closed


def _is_dead(instance: dg.DagsterInstance, connection: psycopg.Connection[Any], run: dg.DagsterRun) -> bool:
    """Whether no process works on a started run: it died with its lock, or has said nothing for long and holds none."""
    name = run_lock_name(run.run_id)
    if is_locked(connection, name):
        return False
    if died(connection, name):
        return True
    # It only begins, or has given its lock back and is about to end.
    newest = instance.get_records_for_run(run.run_id, limit=1, ascending=False).records
    return not newest or time.time() - newest[0].event_log_entry.timestamp > _YOUNG_SECONDS
