"""`make bench`: measure the pipeline on generated catalogs and hold it to `goals.yaml`.

Every measurement has a process of its own; the repetitions of all stages are interleaved. Exits 1 when a goal is missed.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import shutil
import signal
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import orjson
from rich import box
from rich.console import Console
from rich.table import Table

from pipeline.settings import PROJECT_ROOT, Settings
from pipeline_tests.benchmarks.generate import SEED, SIZES, write_catalog
from pipeline_tests.benchmarks.goals import Result, Sample, evaluate, load_goals
from pipeline_tests.benchmarks.machine import machine_facts
from pipeline_tests.benchmarks.measure import CommandFailed, Measured, run
from pipeline_tests.fakes.shopify import running_apart

#: Catalog file to tables; only decoding its lines, in any order, and joining children to products, which is how a live shop's
#: are read (`--ungrouped`: in such a shop's order); a live shop (a fake one) to tables; fixes, rules and scores; catalog file to
#: the feeds of both marketplaces through Dagster; the same again with some variants changed. Each is compared with U, bare
#: orjson.loads over the lines of the file.
STAGES = ("import", "join", "live", "quality", "feeds", "rerun")
CHANGED = 0.01
ONCE = "1M"  # too long to repeat


@dataclasses.dataclass(frozen=True)
class Bench:
    """One benchmark run: where it works, and what it measures."""

    folder: Path
    stages: frozenset[str]
    settings: Settings
    grouped: bool

    def repetition(self, size: str, number: int, progress: Console) -> Iterator[Sample]:
        """Each chosen stage once, in fresh processes and with fresh data; U right before and right after each."""
        catalog = self.folder / size / "catalog.jsonl"
        write_catalog(catalog, SIZES[size], grouped=self.grouped)
        before = self._worker("unit", catalog)
        for stage, measured in self._measure(size, catalog):
            after = self._worker("unit", catalog)
            unit = (before.cpu + after.cpu) / 2
            progress.print(
                f"  {size} {stage}: {measured.cpu:.2f} s CPU = {measured.cpu / unit:.2f} U, {measured.rss / 2**20:.0f} MiB",
                highlight=False,
            )
            yield Sample(stage, size, number, measured.cpu, unit, measured.rss, measured.wall)
            before = after

    def _measure(self, size: str, catalog: Path) -> Iterator[tuple[str, Measured]]:
        if self.stages & {"import", "quality"}:
            with self._data_dir() as tables:
                imported = self._worker("import", catalog, tables)
                if "import" in self.stages:
                    yield "import", imported
                if "quality" in self.stages:
                    yield "quality", self._worker("quality", tables)
        if "join" in self.stages:
            with self._data_dir() as tables:
                yield "join", self._worker("join", catalog, tables)
        if "live" in self.stages and size != ONCE:  # the fake keeps its shop in memory
            with self._data_dir() as tables, running_apart(SIZES[size]) as address:
                yield "live", self._worker("live", address.rpartition(":")[2], tables)
        if self.stages & {"feeds", "rerun"}:
            with self._data_dir() as data_dir:
                yield "feeds", self._demo(catalog, data_dir, SIZES[size])
                if "rerun" in self.stages:
                    write_catalog(catalog, SIZES[size], mutate=CHANGED, grouped=self.grouped)
                    yield "rerun", self._demo(catalog, data_dir, SIZES[size])

    def _data_dir(self) -> tempfile.TemporaryDirectory[str]:
        return tempfile.TemporaryDirectory(dir=self.folder, ignore_cleanup_errors=True)

    def _worker(self, *args: str | Path) -> Measured:
        """A stage by itself: what its process says of the call, without starting Python and importing modules."""
        measured = run([sys.executable, "-m", "pipeline_tests.benchmarks.stages", *map(str, args)], os.environ)
        return dataclasses.replace(measured, **orjson.loads(measured.output))

    def _demo(self, catalog: Path, data_dir: str, variants: int) -> Measured:
        """The whole command, start-up included. Its result is checked before its time counts."""
        own = dataclasses.replace(self.settings, data_dir=Path(data_dir), storage_uri=data_dir, database_url=None)
        command = [str(Path(sys.executable).with_name("pipeline")), "demo", "--catalog", str(catalog), "--json"]
        measured = run(command, {**os.environ, **own.environment()}, limit_seconds=300 + variants / 200)
        summary = orjson.loads(measured.output)
        if summary["variants"] + summary["rejected"] != variants:
            raise CommandFailed(f"pipeline demo lost variants: {summary['variants']} + {summary['rejected']} of {variants}")
        return measured


def main(argv: Sequence[str] | None = None) -> int:
    args = _arguments(argv)
    console = Console(width=None if sys.stdout.isatty() else 100)
    settings = Settings.load()
    folder = settings.data_dir / "benchmarks"
    folder.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="work-", dir=folder))
    facts = machine_facts(PROJECT_ROOT)
    samples: list[Sample] = []
    try:
        bench = Bench(work, frozenset(args.only or STAGES), settings, grouped=not args.ungrouped)
        for number in range(args.repeat):
            console.print(f"repetition {number + 1} of {args.repeat}")
            for size in args.size if number == 0 else [size for size in args.size if size != ONCE]:
                samples += bench.repetition(size, number, console)
    except CommandFailed as error:
        console.print(str(error), style="red", markup=False)
        return 1
    finally:
        shutil.rmtree(work, ignore_errors=True)
    results = evaluate(load_goals(), samples)
    console.print(_sample_table(samples), _goal_table(results))
    path = folder / f"{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}.json"
    path.write_bytes(orjson.dumps(_record(facts, args.ungrouped, samples, results), option=orjson.OPT_INDENT_2))
    console.print(f"written to {path}", soft_wrap=True)
    return 1 if any(result.met is False for result in results) else 0


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m pipeline_tests.benchmarks", description=__doc__)
    parser.add_argument("--size", choices=SIZES, action="append", help="variants (repeatable; default 10k and 100k)")
    parser.add_argument("--full", action="store_true", help="also 1M variants, once: takes long, and 10 GB of disk")
    parser.add_argument("--only", choices=STAGES, action="append", help="stages to measure (repeatable; default all)")
    parser.add_argument("--ungrouped", action="store_true", help="catalogs whose children are not below their parents")
    parser.add_argument("--repeat", type=int, default=3, help="repetitions; the median counts (default 3)")
    args = parser.parse_args(argv)
    args.size = [size for size in SIZES if size in (args.size or ("10k", "100k")) or (args.full and size == ONCE)]
    if args.repeat < 1:
        parser.error("--repeat must be at least 1")
    return args


def _sample_table(samples: Sequence[Sample]) -> Table:
    table = _table("stage", "variants", "CPU s", "in U", "peak MiB", "wall s")
    groups: dict[tuple[str, str], list[Sample]] = {}
    for sample in samples:
        groups.setdefault((sample.stage, sample.size), []).append(sample)
    for (stage, size), found in groups.items():
        cpu = statistics.median(sample.cpu for sample in found)
        unit = statistics.median(sample.cpu / sample.unit for sample in found)
        peak = statistics.median(sample.rss for sample in found) / 2**20
        wall = statistics.median(sample.wall for sample in found)
        table.add_row(stage, size, f"{cpu:.2f}", f"{unit:.2f}", f"{peak:.0f}", f"{wall:.1f}")
    return table


def _goal_table(results: Sequence[Result]) -> Table:
    table = _table("goal", "variants", "metric", "value", "at most", "spread", "")
    for result in results:
        goal = result.goal
        if result.value is None or result.spread is None:
            table.add_row(goal.name, goal.size, goal.metric, "", f"{goal.at_most:.2f}", "", "not measured")
            continue
        verdict = "met" if result.met else "[red]MISSED[/red]"
        spread = f"{result.spread[0]:.2f} to {result.spread[1]:.2f}"
        table.add_row(goal.name, goal.size, goal.metric, f"{result.value:.2f}", f"{goal.at_most:.2f}", spread, verdict)
    return table


def _table(*columns: str) -> Table:
    return Table(*columns, box=box.SIMPLE_HEAD, pad_edge=False)


def _record(facts: dict[str, Any], ungrouped: bool, samples: Sequence[Sample], results: Sequence[Result]) -> dict[str, Any]:
    return {
        "machine": facts,
        "catalog": {"seed": SEED, "ungrouped": ungrouped},
        "samples": [dataclasses.asdict(sample) for sample in samples],
        "goals": [{**dataclasses.asdict(result), "met": result.met} for result in results],
    }


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # so that catalogs and child go too
    sys.exit(main())
