"""Measuring: what is counted, and that a command that failed is never a measurement. No value of time is asserted."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import orjson
import pytest

from pipeline.platform.tables import Table
from pipeline_tests.benchmarks.generate import write_catalog
from pipeline_tests.benchmarks.machine import machine_facts
from pipeline_tests.benchmarks.measure import CommandFailed, run


def _python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_memory_and_cpu_of_children_count() -> None:
    spend = "data = bytearray(96 << 20); sum(range(2_000_000))"
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {spend!r}], check=True)"
    idle, busy = run(_python("pass"), os.environ), run(_python(child), os.environ)
    assert busy.rss > 96 << 20
    assert busy.cpu > idle.cpu


def test_a_failed_command_is_no_measurement() -> None:
    with pytest.raises(CommandFailed, match=r"ended with 3:\nno such thing"):
        run(_python("import sys; print('no such thing', file=sys.stderr); sys.exit(3)"), os.environ)


def test_a_command_that_never_ends_is_no_measurement() -> None:
    with pytest.raises(CommandFailed, match=r"took longer than 0 s"):
        run(_python("import signal; signal.pause()"), os.environ, limit_seconds=0.2)


def test_stages_do_their_work_and_report_its_cost(tmp_path: Path) -> None:
    catalog, folder = tmp_path / "catalog.jsonl", tmp_path / "tables"
    folder.mkdir()
    write_catalog(catalog, 50)
    paths = {"unit": [catalog], "import": [catalog, folder], "join": [catalog, folder], "quality": [folder]}
    for stage, arguments in paths.items():
        command = [sys.executable, "-m", "pipeline_tests.benchmarks.stages", stage, *map(str, arguments)]
        assert orjson.loads(run(command, os.environ).output).keys() == {"cpu", "wall"}
    assert Table(folder / "variants.parquet").rows == 50
    assert Table(folder / "quality" / "product_scores.parquet").rows == 50


def test_facts_of_this_machine(tmp_path: Path) -> None:
    facts = machine_facts(tmp_path)
    assert facts["python"] == ".".join(map(str, sys.version_info[:3]))
    assert facts["commit"] is None, "not a repository"
    assert {"processor", "memory", "load", "packages"} <= facts.keys()
    orjson.dumps(facts)
