"""Guards: what is held until a person approves exactly that, and what is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.listings.guards import limit
from pipeline.listings.plan import PlanResult
from pipeline.listings.plan_files import Scope
from pipeline_tests.listings.fakes import listing
from pipeline_tests.listings.planning import Desk, change, changes, counts, sent

EVERYTHING = Scope()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path)
    desk.run(shop())
    return desk


def shop(size: int = 50, **changed: Any) -> list[dict[str, Any]]:
    return [listing(f"s{number:03}", **changed) for number in range(size)]


def replan(desk: Desk, result: PlanResult, *batches: list[dict[str, Any]]) -> PlanResult:
    """As after an approval of `result`."""
    return desk.plan_with(batches, EVERYTHING, {}, approved=result.plan.guarded.read())


@pytest.mark.parametrize(("live", "most"), [(0, 20), (50, 20), (100, 20), (105, 21), (1000, 200)])
def test_limit(live: int, most: int) -> None:
    assert limit(live) == most


@pytest.mark.parametrize(("price", "held"), [(1500, False), (1501, True), (500, False), (499, True)])
def test_a_price_that_moves_by_more_than_half_is_held(desk: Desk, price: int, held: bool) -> None:
    rows = [listing("s000", price=price, quantity=4), listing("s001", price=1100), *shop()[2:]]
    plan = desk.run(rows)
    assert changes(plan)["s000"] == (["quantity", "hold"] if held else ["price", "quantity"])
    assert changes(plan)["s001"] == ["price"]
    assert desk.state["s000"]["price"] == (1000 if held else price)
    assert bool(plan.plan.approvals) is held


def test_an_approved_price_passes_and_only_that_price(desk: Desk) -> None:
    rows = [listing("s000", price=3000), *shop()[1:]]
    held = desk.run(rows)
    assert sent(held) == []
    assert change(held, "s000")["reason"] == "Waits for approval: The price moves by more than half of the last one sent."
    assert sent(replan(desk, held, rows)) == [("s000", "price", "PRICE")]
    assert sent(replan(desk, held, [listing("s000", price=3001), *shop()[1:]])) == []
    assert sent(replan(desk, held, [listing("s001", price=3000), listing("s000"), *shop()[2:]])) == []


def test_many_large_moves_hold_all_price_changes(desk: Desk) -> None:
    rows = shop(21, price=5000) + shop(50, price=1100)[21:]
    held = desk.plan(rows)
    assert counts(held) == {}
    assert held.plan.counts["held"] == 50
    assert held.plan.approvals == ("21 prices move by more than half (at most 20 may without approval): all price changes wait.",)
    assert counts(replan(desk, held, rows)) == {"price": 50}


def test_removals_up_to_the_limit_pass(desk: Desk) -> None:
    plan = desk.plan(shop()[20:])
    assert counts(plan) == {"quantity": 20, "unchanged": 30}
    assert plan.plan.counts["removals"] == 20
    assert plan.plan.approvals == ()


@pytest.mark.parametrize("cause", ["vanished", "sold out", "blocked"])
def test_removals_above_the_limit_are_held_whatever_the_cause(desk: Desk, cause: str) -> None:
    gone = {
        "vanished": [], "sold out": shop(21, quantity=0), "blocked": shop(21, status="blocked", quantity=0, reason="Bad."),
    }[cause]  # fmt: skip
    rows = [*gone, *shop()[21:49], listing("s049", quantity=4)]
    held = desk.run(rows)
    assert sent(held) == [("s049", "inventory", "QUANTITY")]
    assert (held.plan.counts["removals"], held.plan.counts["held"]) == (0, 21)
    assert "21 live SKUs would go to quantity 0 or be deleted within 24 hours; 20 may" in held.plan.approvals[0]
    assert desk.state["s000"]["quantity"] == 5
    assert desk.state["s000"]["left_at"] is None
    assert counts(replan(desk, held, rows))["quantity"] == 21


def test_removals_of_the_last_day_count(desk: Desk) -> None:
    plan = desk.plan_with((shop()[10:],), EVERYTHING, {}, removed_lately=11)
    assert sent(plan) == []
    assert len(sent(desk.plan_with((shop()[10:],), EVERYTHING, {}, removed_lately=10))) == 10


def test_approved_removals_do_not_count(desk: Desk) -> None:
    held = desk.plan(shop()[30:])
    plan = desk.plan_with((shop()[10:],), EVERYTHING, {}, approved=held.plan.guarded.read(), removed_lately=20)
    assert plan.plan.counts["removals"] == 0
    assert len(sent(plan)) == 10
    more = desk.plan_with((shop()[31:],), EVERYTHING, {}, approved=held.plan.guarded.read(), removed_lately=20)
    assert len(sent(more)) == 30
    assert changes(more)["s030"] == ["hold"]


def test_deletions_are_guarded_too(desk: Desk) -> None:
    desk.commit(replan(desk, desk.plan([]), []))
    assert {row["quantity"] for row in desk.state.values()} == {0}
    desk.later(7)
    held = desk.run([])
    assert sent(held) == []
    assert len(desk.state) == 50
    desk.commit(replan(desk, held, []))
    assert desk.state == {}


def test_what_is_held_is_part_of_the_identity(desk: Desk) -> None:
    ids = {desk.plan(shop()[count:]).plan.export_id for count in (25, 26)}
    assert len(ids) == 2
