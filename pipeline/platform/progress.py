"""Progress of a long step, visible while it runs, and the place where a canceled run stops.

A step reports a share (0 to 1) and a sentence after each batch; at most one observation is written per 5 % or 10 seconds, because
observations are kept for ever in the event log.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeAlias

import dagster as dg

#: Called by plain functions between batches with (share done, what was done); raises when the run was canceled.
Report: TypeAlias = Callable[[float, str], None]

_EVERY_SECONDS = 10.0
_EVERY_SHARE = 0.05
_CANCEL_CHECK_SECONDS = 1.0


def reporter(context: dg.AssetExecutionContext, asset: str) -> Report:
    """A callback that writes `progress` (0-100, of this step) and `progress_message` as observations of `asset`."""
    started = time.monotonic()
    last_share, last_time, last_check = 0.0, started, started
    partition = str(context.partition_key) if context.has_partition_key else None

    def report(share: float, message: str) -> None:
        nonlocal last_share, last_time, last_check
        now = time.monotonic()
        if now - last_check >= _CANCEL_CHECK_SECONDS:
            last_check = now
            stop_if_canceled(context)
        if share >= 1.0 or (share - last_share < _EVERY_SHARE and now - last_time < _EVERY_SECONDS):
            return
        last_share, last_time = share, now
        context.log_event(
            dg.AssetObservation(
                asset_key=asset,
                partition=partition,
                metadata={"progress": int(share * 100), "progress_message": message},
            )
        )

    return report


def counted(report: Report, what: str) -> Callable[[int, int], None]:
    """The same callback for functions that count: (done, total)."""
    return lambda done, total: report(done / total if total else 1.0, f"{done:,} of {total:,} {what}")


def stop_if_canceled(context: dg.AssetExecutionContext) -> None:
    """Raise when an operator canceled this run (`pipeline jobs cancel`, or Terminate in the UI)."""
    run = context.instance.get_run_by_id(context.run.run_id)
    if run is not None and run.status in (dg.DagsterRunStatus.CANCELING, dg.DagsterRunStatus.CANCELED):
        raise dg.DagsterExecutionInterruptedError("the run was canceled")
