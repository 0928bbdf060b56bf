"""Sales with dates in a plan: said ahead, over by themselves, and guarded."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from pipeline.listings.plan_files import EVERYTHING
from pipeline_tests.listings.fakes import listing
from pipeline_tests.listings.planning import NOW, Desk, change, changes, sent

START, END = NOW + timedelta(days=2), NOW + timedelta(days=5)
SALE: dict[str, Any] = {"price": 1000, "sale_price": 800, "sale_start": START, "sale_end": END}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_sale_is_said_once_ahead_and_is_over_by_itself(desk: Desk) -> None:
    desk.run([listing("a")])
    plan = desk.run([listing("a", **SALE)])
    assert changes(plan) == {"a": ["price"]}
    assert (change(plan, "a")["sale_price_after"], change(plan, "a")["sale_end_after"]) == (800, END)
    for _ in range(4):
        desk.later(1)
        assert changes(desk.run([listing("a", **SALE)])) == {"a": ["unchanged"]}
    desk.later(1)  # it is over
    assert changes(desk.run([listing("a", **SALE)])) == {"a": ["unchanged"]}  # the store still has its dates
    assert changes(desk.run([listing("a")])) == {"a": ["unchanged"]}
    raised = desk.run([listing("a", **{**SALE, "price": 1100})])
    assert (changes(raised), change(raised, "a")["sale_price_after"]) == ({"a": ["price"]}, None)


def test_a_sale_that_is_over_when_it_becomes_known_is_never_said(desk: Desk) -> None:
    desk.run([listing("a")])
    desk.later(30)
    assert sent(desk.run([listing("a", **SALE)])) == []


def test_a_longer_sale_and_one_called_off_are_changes(desk: Desk) -> None:
    desk.run([listing("a")])
    desk.run([listing("a", **SALE)])
    assert changes(desk.run([listing("a", **{**SALE, "sale_end": END + timedelta(days=1)})])) == {"a": ["price"]}
    assert changes(desk.run([listing("a")])) == {"a": ["price"]}
    assert desk.state["a"]["sale_price"] is None


def test_the_guard_looks_at_what_a_buyer_will_pay(desk: Desk) -> None:
    desk.run([listing("a"), listing("b")])
    rows = [listing("a", **{**SALE, "sale_price": 400}), listing("b", **SALE)]
    plan = desk.plan(rows)
    assert changes(plan) == {"a": ["hold"], "b": ["price"]}
    (held,) = plan.plan.guarded.read().to_dict("records")
    assert (held["change"], held["value"]) == ("price", 400)
    passed = desk.plan_with((rows,), EVERYTHING, {}, approved=plan.plan.guarded.read())
    assert changes(passed)["a"] == ["price"]


def test_the_end_of_a_deep_sale_is_no_price_that_moves(desk: Desk) -> None:
    desk.run([listing("a")])
    deep = {**SALE, "sale_price": 501}
    desk.run([listing("a", **deep)])
    desk.later(10)
    assert changes(desk.plan([listing("a", price=1010)])) == {"a": ["price"]}


def test_times_of_a_zone_are_the_same_moment(desk: Desk) -> None:
    desk.run([listing("a", **SALE)])
    other = timezone(timedelta(hours=9))
    moved: dict[str, datetime] = {"sale_start": START.astimezone(other), "sale_end": END.astimezone(other)}
    assert changes(desk.run([listing("a", **{**SALE, **moved})])) == {"a": ["unchanged"]}
