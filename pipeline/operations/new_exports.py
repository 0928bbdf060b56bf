"""One tick of the sensor `new_exports`: exports that were asked for, and what became of those before.

As with imports, a request is asked for at every tick until its run is seen, with one key a try, so that it is done exactly once
whatever dies in between. A run twice would do no harm: what is sent is sent, and an unchanged listing plans nothing.
"""

from __future__ import annotations

from typing import Any

import dagster as dg
import psycopg

from pipeline.operations.runs import UNFINISHED, get_run
from pipeline.submissions.requests import REQUEST_TAG, ExportRequest, close_request, open_requests

_TRIES = 3
_Status = dg.DagsterRunStatus


def tick(connection: psycopg.Connection[Any], instance: dg.DagsterInstance) -> list[tuple[str, ExportRequest]]:
    """(run key, request) of the runs to start, at most one a connection; closes what has ended."""
    found: dict[tuple[str, str], tuple[str, ExportRequest] | None] = {}
    for request in open_requests(connection):
        place = (request.store, request.site)
        if place in found:
            continue
        runs = [one.dagster_run for one in instance.get_run_records(dg.RunsFilter(tags={REQUEST_TAG: str(request.id)}))]
        ended = [run for run in runs if run.is_finished]
        if any(run.status == _Status.SUCCESS for run in ended):
            close_request(connection, request.id)
        elif any(run.status in UNFINISHED and run.status != _Status.NOT_STARTED for run in runs):
            found[place] = None  # it works; what else this connection wants comes after it
        elif len(ended) >= _TRIES:
            close_request(connection, request.id, get_run(instance, ended[0].run_id).error or "the export failed")
        else:
            found[place] = (f"export-request:{request.id}:{len(ended)}", request)
    return [one for one in found.values() if one is not None]
