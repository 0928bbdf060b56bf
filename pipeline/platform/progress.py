"""Progress of a long step, visible while it runs, and the place where a canceled run stops.

A step reports (done, total) after each batch; at most one observation is written per 5 % or 10 seconds, because
observations are kept for ever in the event log.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeAlias

import dagster as dg

#: Called by plain functions between batches with (done, total); raises when the run was canceled.
Report: TypeAlias = Callable[[int, int], None]

_EVERY_SECONDS = 10.0
_EVERY_SHARE = 0.05
_CANCEL_CHECK_SECONDS = 1.0


def reporter(context: dg.AssetExecutionContext, asset: str, what: str) -> Report:
    """A callback that writes `progress` (0-100, of this step) and `progress_message` as observations of `asset`."""
    started = time.monotonic()
    last_share, last_time, last_check = 0.0, started, started
    partition = str(context.partition_key) if context.has_partition_key else None

    def report(done: int, total: int) -> None:
        nonlocal last_share, last_time, last_check
        now = time.monotonic()
        if now - last_check >= _CANCEL_CHECK_SECONDS:
            last_check = now
            stop_if_canceled(context)
        share = done / total if total else 1.0
        if share >= 1.0 or (share - last_share < _EVERY_SHARE and now - last_time < _EVERY_SECONDS):
            return
        last_share, last_time = share, now
        context.log_event(
            dg.AssetObservation(
                asset_key=asset,
                partition=partition,
                metadata={"progress": int(share * 100), "progress_message": f"{what}: {done:,} of {total:,}"},
            )
        )

    return report


def stop_if_canceled(context: dg.AssetExecutionContext) -> None:
    """Raise when an operator canceled this run (`pipeline jobs cancel`, or Terminate in the UI)."""
    run = context.instance.get_run_by_id(context.run_id)
    if run is not None and run.status in (dg.DagsterRunStatus.CANCELING, dg.DagsterRunStatus.CANCELED):
        raise dg.DagsterExecutionInterruptedError("the run was canceled")
