"""The arithmetic of goals: samples of one benchmark run against `goals.yaml`. Measuring belongs to `__main__`."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from pipeline_tests.benchmarks.generate import SIZES

GOALS_FILE = Path(__file__).with_name("goals.yaml")


@dataclass(frozen=True)
class Sample:
    """One measurement in a process of its own."""

    stage: str
    size: str
    repetition: int
    cpu: float  # seconds, user + system, children included
    unit: float  # U: seconds of bare orjson.loads over the same catalog, right before and after
    rss: int  # bytes, the largest process
    wall: float  # seconds


@dataclass(frozen=True)
class Goal:
    name: str
    stage: str
    size: str
    metric: str  # units | gib | share | exponent
    at_most: float
    of: str | None = None


@dataclass(frozen=True)
class Result:
    """`value` is the median over the repetitions, None where the run has no samples for it."""

    goal: Goal
    value: float | None
    spread: tuple[float, float] | None

    @property
    def met(self) -> bool | None:
        return None if self.value is None else self.value <= self.goal.at_most


def load_goals(path: Path = GOALS_FILE) -> tuple[Goal, ...]:
    return tuple(Goal(**entry) for entry in yaml.safe_load(path.read_text(encoding="utf-8")))


def evaluate(goals: Iterable[Goal], samples: Sequence[Sample]) -> list[Result]:
    """Each goal's value: the median of what each repetition gives by itself, so that a slow minute of the machine cancels out."""
    by_key = {(sample.stage, sample.size, sample.repetition): sample for sample in samples}
    results = []
    for goal in goals:
        values = [
            value
            for stage, size, repetition in by_key
            if (stage, size) == (goal.stage, goal.size) and (value := _value(goal, repetition, by_key)) is not None
        ]
        if values:
            results.append(Result(goal, statistics.median(values), (min(values), max(values))))
        else:
            results.append(Result(goal, None, None))
    return results


def _value(goal: Goal, repetition: int, samples: dict[tuple[str, str, int], Sample]) -> float | None:
    sample = samples[goal.stage, goal.size, repetition]
    if goal.metric == "gib":
        return sample.rss / 2**30
    if goal.metric == "units":
        return sample.cpu / sample.unit
    stage, size = (goal.of, goal.size) if goal.metric == "share" else (goal.stage, goal.of)
    base = samples.get((stage or "", size or "", repetition))
    if base is None:
        return None
    if goal.metric == "share":
        return sample.cpu / base.cpu
    return math.log(sample.cpu / base.cpu) / math.log(SIZES[goal.size] / SIZES[base.size])
