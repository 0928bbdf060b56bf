"""Whatever order of imports, slow exports, throttling, slow feeds and crashes: older stock never follows newer stock."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from pipeline.listings import plan
from pipeline.model.errors import PipelineError
from pipeline.platform import points
from pipeline.platform.database import Database
from pipeline.submissions import commit
from pipeline_tests.fakes.amazon import MARKETPLACE, FakeAmazon, Fault
from pipeline_tests.fakes.clock import Clock
from pipeline_tests.submissions.shop import Shop, new_shop, row
from pipeline_tests.submissions.test_ledger_properties import Died

SKUS = "ab"
POINTS = ["single_unsaid", "single_said_unrecorded", "acks_uncommitted", "done_uncommitted", "posted_unrecorded", "polled"]


class Life(RuleBasedStateMachine):
    """Stock is a number that only grows: what import number n read of a SKU is n, so that a smaller one is an older one."""

    database: Database
    amazon: FakeAmazon
    folder: Path
    runs = 0

    @initialize()
    def begin(self) -> None:
        type(self).runs += 1
        self.connection: psycopg.Connection[Any] = self.database.connect(autocommit=True)
        self.connection.execute("DELETE FROM stores")
        self.connection.execute("DELETE FROM submission_lanes")
        self.amazon.begin(Clock())
        self.shop: Shop = new_shop(self.database, self.amazon, self.folder / str(self.runs), self.connection)
        self.read = {1: dict.fromkeys(SKUS, 1)}  # import -> what it read
        self.exported = 1
        self.shown = dict.fromkeys(SKUS, 0)
        self.export(1)
        self.shop.pass_time(5)

    def export(self, number: int) -> None:
        self.shop.import_id = f"{number:08d}"
        self.shop.export(*[row(sku, quantity=quantity) for sku, quantity in self.read[number].items()])
        self.exported = max(self.exported, number)

    @rule(changed=st.sets(st.sampled_from(SKUS)))
    def read_the_store(self, changed: set[str]) -> None:
        newest = max(self.read)
        self.read[newest + 1] = {sku: newest + 1 if sku in changed else old for sku, old in self.read[newest].items()}

    @rule(back=st.integers(0, 3), urgent=st.sampled_from([0, 1, 50]))
    def plan_and_hand_over(self, back: int, urgent: int) -> None:
        """An export of the newest import, or a slow one of an older."""
        self.shop.urgent_skus = urgent
        try:
            self.export(max(1, max(self.read) - back))
        except PipelineError as error:
            assert "nothing older is sent over it" in str(error)

    @rule(slow=st.booleans())
    def feeds_take_long(self, slow: bool) -> None:
        self.amazon.processing = timedelta(hours=2 if slow else 0)

    @rule(kind=st.sampled_from(["lost", "refused", 429, 503]), times=st.sampled_from([1, 500]))
    def fail_soon(self, kind: str | int, times: int) -> None:
        self.amazon.faults = [Fault("patchListingsItem", kind, times, code="QuotaExceeded")]

    @rule(point=st.sampled_from(POINTS))
    def work_and_die(self, point: str) -> None:
        def hook(reached: str) -> None:
            if reached == point:
                raise Died

        points.hook = hook
        try:
            self.shop.work()
        except Died:
            pass
        finally:
            points.hook = None

    @rule(minutes=st.sampled_from([1, 10, 130]))
    def work_later(self, minutes: int) -> None:
        self.amazon.clock.advance(60 * minutes)
        self.shop.work()

    @invariant()
    def acknowledged_never_goes_back(self) -> None:
        if not hasattr(self, "shop"):
            return
        for sku, quantity in self.shop.acknowledged("quantity").items():
            assert quantity >= self.shown[sku], "older stock was acknowledged over newer"
            self.shown[sku] = quantity

    def teardown(self) -> None:
        if not hasattr(self, "shop"):
            return
        try:
            self.amazon.faults, self.amazon.processing = [], timedelta(0)
            self.shop.pass_time(60, 300)
            shown = {sku: self.quantity(sku) for sku in SKUS}
            assert shown == self.read[self.exported], "the newest stock that was exported is not what the marketplace has"
            assert self.shop.acknowledged("quantity") == shown
            assert self.shop.on_its_way() == set()
        finally:
            self.connection.close()

    def quantity(self, sku: str) -> int:
        return int(self.amazon.catalog.listings[MARKETPLACE, sku]["fulfillment_availability"][0]["quantity"])


def run(base: type[Life], database: Database, amazon: FakeAmazon, folder: Path, examples: int) -> None:
    machine = type("Life", (base,), {"database": database, "amazon": amazon, "folder": folder})
    few = settings(max_examples=examples, stateful_step_count=8, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(machine, settings=settings(few, phases=[Phase.generate]))


def test_older_never_follows_newer(database: Database, amazon: FakeAmazon, tmp_path: Path) -> None:
    run(Life, database, amazon, tmp_path, 10)


class Hasty(Life):
    """A slow export hands over after a newer one: without the fence the property must be found broken."""

    @initialize()
    def begin(self) -> None:
        super().begin()
        self.read[2] = dict.fromkeys(SKUS, 2)
        self.export(2)
        self.shop.pass_time(5)
        self.acknowledged_never_goes_back()
        self.export(1)
        self.shop.pass_time(5)


def test_control_without_the_fence_it_does(
    database: Database, amazon: FakeAmazon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "hold_older", lambda frame, version: None)
    monkeypatch.setattr(commit, "require_newest", lambda connection, lane, import_id: None)
    with pytest.raises(AssertionError, match=r"older stock was acknowledged|the newest stock"):
        run(Hasty, database, amazon, tmp_path, 1)
