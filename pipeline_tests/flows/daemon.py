"""What Dagster's daemon does, in this process: ticks of all sensors and schedules, kept as it keeps its own, and runs of jobs.

It is the daemon's own code, so that what is stored of a tick (cursor, error, runs) is what production stores.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta, timezone

import dagster as dg
import pytest
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.scheduler.instigation import TickStatus
from dagster._core.test_utils import InProcessTestWorkspaceLoadTarget, create_test_daemon_workspace_context
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._daemon import sensor
from dagster._scheduler.scheduler import launch_scheduled_runs

from pipeline.definitions import defs

_TARGET = LoadableTargetOrigin(module_name="pipeline.definitions")


def tick(instance: dg.DagsterInstance, day: datetime | None = None) -> dict[str, str]:
    """One tick of every sensor and schedule; the errors of those that failed, by name. Runs that they request stay queued."""
    log = logging.getLogger("dagster.daemon")
    now = day or datetime.now(timezone.utc)
    target = InProcessTestWorkspaceLoadTarget(InProcessCodeLocationOrigin(_TARGET, location_name="pipeline.definitions"))
    with create_test_daemon_workspace_context(target, instance) as workspace, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sensor, "is_under_min_interval", lambda *_: False)
        list(sensor.execute_sensor_iteration(workspace, log, None, None))
        # Of a schedule's first look only its beginning is kept; its ticks are those that came since.
        for at in (now, now + timedelta(days=1)):
            list(launch_scheduled_runs(workspace, log, at, {}, max_catchup_runs=1))
    failed = {}
    for state in instance.all_instigator_state():
        ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
        if ticks and ticks[0].status == TickStatus.FAILURE and ticks[0].error is not None:
            failed[state.instigator_name] = ticks[0].error.to_string()
    return failed


def run(instance: dg.DagsterInstance, job: str) -> dg.ExecuteInProcessResult:
    """A run of an unpartitioned job."""
    return defs.resolve_job_def(job).execute_in_process(instance=instance, raise_on_error=False)
