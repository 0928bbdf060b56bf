"""The goal arithmetic, with made-up samples: nothing is measured here."""

from __future__ import annotations

import pytest

from pipeline_tests.benchmarks.goals import Goal, Sample, evaluate, load_goals

UNITS = Goal("import", "import", "100k", "units", at_most=3.5)
SHARE = Goal("rerun", "rerun", "100k", "share", at_most=0.4, of="feeds")
GROWTH = Goal("growth", "feeds", "1M", "exponent", at_most=1.05, of="100k")
MEMORY = Goal("memory", "feeds", "100k", "gib", at_most=1.5)


def _sample(stage: str, size: str, cpu: float, repetition: int = 0, rss: int = 0, unit: float = 1.0) -> Sample:
    return Sample(stage, size, repetition, cpu, unit, rss, wall=cpu)


def test_units_are_paired_within_a_repetition() -> None:
    samples = []
    for repetition, speed in enumerate((1.0, 2.0, 1.0)):  # the machine was twice as slow for a while
        samples.append(_sample("import", "100k", 3.0 * speed, repetition, unit=speed))
    (result,) = evaluate([UNITS], samples)
    assert result.value == pytest.approx(3.0)
    assert result.spread == pytest.approx((3.0, 3.0))
    assert result.met is True


def test_the_median_decides_and_a_value_beyond_the_goal_is_not_met() -> None:
    samples = [_sample("import", "100k", cpu, repetition) for repetition, cpu in enumerate((3.0, 3.6, 9.0))]
    (result,) = evaluate([UNITS], samples)
    assert result.value == pytest.approx(3.6)
    assert result.met is False


@pytest.mark.parametrize(("cpu", "exponent", "met"), [(100.0, 1.0, True), (125.892541, 1.1, False), (80.0, 0.90309, True)])
def test_growth_is_the_exponent_between_two_sizes(cpu: float, exponent: float, met: bool) -> None:
    (result,) = evaluate([GROWTH], [_sample("feeds", "100k", 10.0), _sample("feeds", "1M", cpu)])
    assert result.value == pytest.approx(exponent, abs=1e-5)
    assert result.met is met


def test_share_and_memory() -> None:
    samples = [_sample("feeds", "100k", 10.0, rss=2**30), _sample("rerun", "100k", 4.0)]
    share, memory = evaluate([SHARE, MEMORY], samples)
    assert share.value == pytest.approx(0.4)
    assert memory.value == pytest.approx(1.0)
    assert share.met is True
    assert memory.met is True


def test_a_goal_without_samples_is_neither_met_nor_missed() -> None:
    for result in evaluate([GROWTH, SHARE, UNITS], [_sample("feeds", "1M", 1.0)]):
        assert (result.value, result.met) == (None, None)


def test_the_committed_goals_are_those_of_the_project() -> None:
    goals = {(goal.stage, goal.size, goal.metric): goal.at_most for goal in load_goals()}
    assert goals == {
        ("import", "100k", "units"): 3.5,
        ("join", "100k", "units"): 3.5,
        ("live", "100k", "gib"): 0.586,
        ("quality", "100k", "units"): 3.0,
        ("feeds", "100k", "units"): 16.0,
        ("feeds", "100k", "gib"): 1.5,
        ("rerun", "100k", "share"): 0.4,
        ("feeds", "1M", "exponent"): 1.05,
        ("feeds", "1M", "gib"): 4.0,
    }
