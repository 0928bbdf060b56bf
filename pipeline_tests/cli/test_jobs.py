"""`pipeline jobs`: lists, status, canceling, and following runs to their end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone

import dagster as dg
import pytest

from pipeline.cli.jobs import follow
from pipeline.operations.runs import Run
from pipeline.platform.instance import open_instance
from pipeline.settings import Settings
from pipeline_tests.cli.conftest import Cli


@dg.asset
def products() -> None: ...


@pytest.fixture
def queued(settings: Settings) -> str:
    """A waiting run of store demo."""
    job = dg.Definitions(assets=[products], jobs=[dg.define_asset_job("import_all")]).resolve_job_def("import_all")
    with open_instance(settings) as instance:
        return instance.create_run_for_job(job, status=dg.DagsterRunStatus.NOT_STARTED, tags={"store": "demo"}).run_id


def test_without_runs(cli: Cli) -> None:
    assert "pipeline import STORE" in cli("jobs", "list").out
    assert cli("jobs", "list", "--json").json == {"jobs": []}
    for command in ("status", "cancel"):
        result = cli("jobs", command, "0123abcd", "--json")
        assert (result.code, result.json) == (2, {"error": "there is no run 0123abcd; see: pipeline jobs list"})


def test_a_waiting_run_is_shown_and_canceled(cli: Cli, queued: str) -> None:
    (listed,) = cli("jobs", "list", "--json").json["jobs"]
    assert {name: listed[name] for name in ("id", "type", "store", "marketplace", "status", "progress", "started", "error")} == {
        "id": queued, "type": "import_all", "store": "demo", "marketplace": None, "status": "not_started", "progress": 0,
        "started": None, "error": None,
    }  # fmt: skip
    assert cli("jobs", "status", queued[:8], "--json").json == listed
    assert queued[:8] in cli("jobs", "list", "--store", "demo").out
    assert "no runs" in cli("jobs", "list", "--store", "other").out
    assert "not_started" in cli("jobs", "status", queued).out
    assert cli("jobs", "cancel", queued).out == f"run {queued} is canceled\n"
    again = cli("jobs", "cancel", queued)
    assert (again.code, again.out) == (2, "")
    assert "has ended already (canceled)" in again.err
    watched = cli("jobs", "status", queued, "--watch", "--json")
    assert watched.code == 1
    assert watched.json["status"] == "canceled"
    assert cli("jobs", "list", "--unfinished", "--json").json == {"jobs": []}


RUN = Run(
    id="0123abcd-0000", type="import_all", store="demo", marketplace=None, status="started", progress=0, progress_message=None,
    created=datetime(2026, 1, 1, tzinfo=timezone.utc), started=None, ended=None, duration_seconds=None, error=None,
)  # fmt: skip
STATES = [
    RUN,
    replace(RUN, progress=50, progress_message="half \x1b[31m[bold]"),
    replace(RUN, progress=50, progress_message="half \x1b[31m[bold]"),
    replace(RUN, status="success", progress=100, progress_message=None),
]


def reads(states: list[Run]) -> Iterator[list[Run]]:
    return iter([[state] for state in states])


def test_following_prints_a_json_line_a_change_until_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    waits: list[float] = []
    states = reads(STATES)
    assert follow(lambda: next(states), as_json=True, wait=waits.append) == [STATES[-1]]
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["progress"] for line in lines] == [0, 50]
    assert len(waits) == 3


def test_following_for_people_keeps_stdout_clean_and_obeys_no_message(capsys: pytest.CaptureFixture[str]) -> None:
    states = reads(STATES)
    assert follow(lambda: next(states), as_json=False, wait=lambda seconds: None) == [STATES[-1]]
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "0123abcd import_all demo" in captured.err and "100 %" in captured.err
    assert "\x1b[31m" not in captured.err
