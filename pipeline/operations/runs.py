"""Runs as an operator sees them: what runs for which store, how far it is, what it said, and how to stop it.

Progress comes from metadata that a long step reports with an `AssetObservation`: `progress` (0-100 of that step) and
`progress_message`. The progress of a run is its finished steps plus the part of the step that reported last.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import dagster as dg
import psycopg

from pipeline.model.errors import PipelineError, UsageError
from pipeline.platform.locks import is_locked, run_lock_name

#: Metadata keys of an `AssetObservation` by which a step reports how far it is.
PROGRESS = "progress"
PROGRESS_MESSAGE = "progress_message"

Status = dg.DagsterRunStatus
WAITING = (Status.QUEUED, Status.NOT_STARTED)
RUNNING = (Status.STARTING, Status.STARTED, Status.CANCELING)
UNFINISHED = (*WAITING, *RUNNING)
_STEP_ENDS = {dg.DagsterEventType.STEP_SUCCESS, dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.STEP_SKIPPED}
_MAX_TEXT = 500
_PREFIX_SCAN = 5_000


@dataclass(frozen=True)
class Run:
    """One run. `progress` is 0-100, `status` Dagster's word in lower case, times are UTC; the duration counts on to the end."""

    id: str
    type: str  # the job's name, or "assets" for what was materialized by hand
    store: str | None
    marketplace: str | None
    status: str
    progress: int
    progress_message: str | None
    created: datetime
    started: datetime | None
    ended: datetime | None
    duration_seconds: float | None
    error: str | None

    @property
    def finished(self) -> bool:
        return self.ended is not None or self.status in {"success", "failure", "canceled"}


def list_runs(
    instance: dg.DagsterInstance,
    *,
    limit: int = 20,
    store: str | None = None,
    marketplace: str | None = None,
    unfinished: bool = False,
) -> list[Run]:
    """The newest runs first, of one store or marketplace site if given."""
    statuses = list(UNFINISHED) if unfinished else None
    if store is None and marketplace is None:
        records = instance.get_run_records(dg.RunsFilter(statuses=statuses), limit=limit)
        return [_describe(instance, record) for record in records]
    found: dict[str, Any] = {}
    for tags in _tag_filters(store, marketplace):
        for record in instance.get_run_records(dg.RunsFilter(statuses=statuses, tags=tags), limit=limit):
            found[record.dagster_run.run_id] = record
    newest = sorted(found.values(), key=lambda record: record.storage_id, reverse=True)[:limit]
    return [_describe(instance, record) for record in newest]


def get_run(instance: dg.DagsterInstance, run_id: str) -> Run:
    """The run with this id or beginning of an id (4 characters or more); raises UsageError."""
    return _describe(instance, _record(instance, run_id))


def cancel_run(instance: dg.DagsterInstance, connection: psycopg.Connection, run_id: str) -> Run:
    """Cancel a waiting or dead run at once; flag a living one, which stops between two batches.

    Raises UsageError when it has ended."""
    run = _record(instance, run_id).dagster_run
    if run.is_finished:
        raise UsageError(f"run {run.run_id} has ended already ({run.status.value.lower()}); there is nothing to cancel")
    if run.status != Status.CANCELING:
        instance.report_run_canceling(run, message="Canceled from the command line.")
    if not _alive(connection, run):
        # A run that is only just starting sees this too, before its first batch.
        instance.report_run_canceled(run, message="Canceled from the command line; no process was working on it.")
    return get_run(instance, run.run_id)


def refuse_while_running(instance: dg.DagsterInstance, connection: psycopg.Connection, store: str) -> None:
    """Raise PipelineError while runs of the store wait, start or work; dead ones do not count."""
    busy: dict[str, dg.DagsterRun] = {}
    for tags in _tag_filters(store, None):
        for run in instance.get_runs(dg.RunsFilter(statuses=list(UNFINISHED), tags=tags)):
            if run.status in (*WAITING, Status.STARTING) or _alive(connection, run):
                busy[run.run_id] = run
    if busy:
        first = next(iter(busy))
        raise PipelineError(
            f"{len(busy)} run(s) of store {store} wait or work; let them end, or cancel them: pipeline jobs cancel {first}"
        )


def _alive(connection: psycopg.Connection, run: dg.DagsterRun) -> bool:
    """A working run holds its lock; whoever died no longer does."""
    return run.status in RUNNING and is_locked(connection, run_lock_name(run.run_id))


def _tag_filters(store: str | None, marketplace: str | None) -> list[dict[str, str]]:
    """Runs launched by us carry `store` and `marketplace`, those from the UI only Dagster's partition tags."""
    ours = {"store": store, "marketplace": marketplace}
    dimensions = {"dagster/partition/store": store, "dagster/partition/marketplace": marketplace}
    filters = [{name: value for name, value in tags.items() if value is not None} for tags in (ours, dimensions)]
    if store is not None and marketplace is None:
        filters.append({"dagster/partition": store})
    return filters


def _record(instance: dg.DagsterInstance, run_id: str) -> Any:
    wanted = run_id.strip().lower()
    # The storage compares ids as text, and a text with NUL never gets there.
    if len(wanted) < 4 or not set(wanted) <= set("0123456789abcdef-"):
        raise UsageError("a run is named by its id, or by the first 4 or more characters of it; see: pipeline jobs list")
    exact = instance.get_run_records(dg.RunsFilter(run_ids=[wanted]), limit=1)
    if exact:
        return exact[0]
    found = [r for r in instance.get_run_records(limit=_PREFIX_SCAN) if r.dagster_run.run_id.startswith(wanted)]
    if not found:
        raise UsageError(f"there is no run {wanted[:40]}; see: pipeline jobs list")
    if len(found) > 1:
        raise UsageError(f"{len(found)} runs begin with {wanted[:40]}; give more characters of the id")
    return found[0]


def _describe(instance: dg.DagsterInstance, record: Any) -> Run:
    run = record.dagster_run
    progress, message = _progress(instance, run)
    started, ended = _time(record.start_time), _time(record.end_time)
    until = ended or (None if run.is_finished else datetime.now(timezone.utc))
    tags = run.tags
    partition = tags.get("dagster/partition")
    single = partition if partition and "|" not in partition else None
    return Run(
        id=run.run_id,
        type="assets" if run.job_name.startswith("__") else run.job_name,
        store=tags.get("store") or tags.get("dagster/partition/store") or single,
        marketplace=tags.get("marketplace") or tags.get("dagster/partition/marketplace"),
        status=run.status.value.lower(),
        progress=progress,
        progress_message=message,
        created=record.create_timestamp.replace(tzinfo=timezone.utc),
        started=started,
        ended=ended,
        duration_seconds=round((until - started).total_seconds(), 1) if started and until else None,
        error=_error(instance, run),
    )


def _progress(instance: dg.DagsterInstance, run: dg.DagsterRun) -> tuple[int, str | None]:
    if run.status == Status.SUCCESS:
        return 100, None
    if run.status in WAITING or run.execution_plan_snapshot_id is None:
        return 0, None
    steps = len(instance.get_execution_plan_snapshot(run.execution_plan_snapshot_id).step_keys_to_execute) or 1
    ended = {r.event_log_entry.step_key for r in instance.get_records_for_run(run.run_id, of_type=_STEP_ENDS).records}
    newest = instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.ASSET_OBSERVATION, limit=20, ascending=False)
    for record in newest.records:
        event = record.event_log_entry.get_dagster_event()
        metadata = event.asset_observation_data.asset_observation.metadata
        if PROGRESS in metadata:
            part = 0.0 if event.step_key in ended else _percent(metadata[PROGRESS].value)
            message = metadata[PROGRESS_MESSAGE].value if PROGRESS_MESSAGE in metadata else None
            if message is not None and steps > 1 and event.step_key not in ended:  # the message counts within its step
                message = f"step {min(len(ended) + 1, steps)} of {steps}: {message}"
            return int((len(ended) * 100 + part) // steps), None if message is None else str(message)[:_MAX_TEXT]
    return len(ended) * 100 // steps, None


def _percent(value: object) -> float:
    return min(100.0, max(0.0, float(value))) if isinstance(value, (int, float)) else 0.0


_INTERRUPTED = ("DagsterExecutionInterruptedError", "KeyboardInterrupt")


def _error(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str | None:
    """What the first failed step said, else what Dagster said of the run."""
    if run.status != Status.FAILURE:
        return None
    for kind in (dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE):
        for record in instance.get_records_for_run(run.run_id, of_type=kind, limit=1).records:
            event = record.event_log_entry.get_dagster_event()
            said = getattr(event.event_specific_data, "user_failure_data", None)
            if said is not None and said.description:
                return " ".join(said.description.split())[:_MAX_TEXT]
            info = getattr(event.event_specific_data, "error", None)
            # The error that the step raised is the innermost cause; Dagster wraps it in its own.
            while info is not None and info.cause is not None:
                info = info.cause
            text = info.message if info is not None else event.message
            if info is not None and info.cls_name in _INTERRUPTED:
                return "it was interrupted; run the same again, it goes on where it was"
            if info is not None and info.cls_name == "DagsterAssetCheckFailedError":
                text = _failed_checks(instance, run) or text
            return " ".join(str(text).split())[:_MAX_TEXT] or None
    return None


def _failed_checks(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    """What the blocking checks said; Dagster's own message only names them."""
    records = instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION).records
    found = [record.event_log_entry.get_dagster_event().asset_check_evaluation_data for record in records]
    return " ".join(
        f"{check.asset_key.to_user_string()} did not pass {check.check_name}: {check.description}"
        for check in found
        if not check.passed and check.severity == dg.AssetCheckSeverity.ERROR
    )


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, timezone.utc)
