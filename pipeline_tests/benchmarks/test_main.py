"""The benchmark command: its exit code and its record, with made-up measurements."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from pipeline_tests.benchmarks import __main__ as bench
from pipeline_tests.benchmarks.goals import Sample
from pipeline_tests.benchmarks.measure import CommandFailed


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PIPELINE_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("PIPELINE_STORAGE_URI", raising=False)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    return tmp_path / "benchmarks"


def _measurements(monkeypatch: pytest.MonkeyPatch, import_cpu: float) -> None:
    def repetition(self: bench.Bench, size: str, number: int, progress: object) -> Iterator[Sample]:
        yield Sample("import", size, number, import_cpu, 1.0, 1 << 28, 1.0)

    monkeypatch.setattr(bench.Bench, "repetition", repetition)


@pytest.mark.parametrize(("import_cpu", "code", "word"), [(3.4, 0, "met"), (3.6, 1, "MISSED")])
def test_exit_code_follows_the_goals(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], import_cpu: float, code: int, word: str
) -> None:
    _measurements(monkeypatch, import_cpu)
    assert bench.main(["--size", "100k", "--repeat", "2"]) == code
    assert word in capsys.readouterr().out
    (path,) = data_dir.glob("*.json")
    record = orjson.loads(path.read_bytes())
    assert len(record["samples"]) == 2
    assert record["machine"]["python"]
    assert {goal["met"] for goal in record["goals"]} == {code == 0, None}
    assert list(data_dir.iterdir()) == [path], "the catalogs are gone"


def test_a_stage_that_fails_fails_the_benchmark(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def repetition(self: bench.Bench, size: str, number: int, progress: object) -> Iterator[Sample]:
        yield Sample("import", size, number, 1.0, 1.0, 1 << 28, 1.0)
        raise CommandFailed("pipeline demo ended with 1")

    monkeypatch.setattr(bench.Bench, "repetition", repetition)
    assert bench.main(["--size", "10k"]) == 1
    assert "pipeline demo ended with 1" in capsys.readouterr().out
    assert list(data_dir.iterdir()) == []


def test_the_largest_size_is_measured_once(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _measurements(monkeypatch, 1.0)
    assert bench.main(["--full", "--repeat", "3"]) == 0
    (path,) = data_dir.glob("*.json")
    samples = orjson.loads(path.read_bytes())["samples"]
    assert [sum(sample["size"] == size for sample in samples) for size in ("10k", "100k", "1M")] == [3, 3, 1]
