"""Whatever order of exports, lost replies, lags, crashes and passes: every feed is created once, and all is acknowledged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from pipeline.platform import points
from pipeline.platform.database import Database
from pipeline.submissions.machine import Timing
from pipeline_tests.fakes.amazon import FakeAmazon, Fault
from pipeline_tests.fakes.clock import Clock
from pipeline_tests.submissions.shop import Shop, new_shop, row
from pipeline_tests.submissions.test_kill_points import LOOKING, SENDING

#: All that a worker comes to; the first three are of the export.
POINTS = [*SENDING[3:], *LOOKING, "resend_decided"]


class Died(BaseException):
    """Stands for a process that ends here: nothing of it runs on."""


class Life(RuleBasedStateMachine):
    """One shop. The newest price of the one listing is what must arrive."""

    database: Database
    amazon: FakeAmazon
    folder: Path
    lag = timedelta(minutes=10)
    runs = 0

    @initialize()
    def begin(self) -> None:
        type(self).runs += 1
        self.connection: psycopg.Connection[Any] = self.database.connect(autocommit=True)
        self.connection.execute("DELETE FROM stores")
        self.connection.execute("DELETE FROM submission_lanes")
        self.amazon.begin(Clock())
        self.shop: Shop = new_shop(self.database, self.amazon, self.folder / str(self.runs), self.connection)
        self.price = 1000
        self.shop.export(row("a", price=self.price))

    @rule(more=st.integers(1, 9))
    def export(self, more: int) -> None:
        self.price += more
        self.shop.export(row("a", price=self.price))

    @rule(kind=st.sampled_from(["lost", "refused", "garbage", 503]))
    def lose_the_next_reply(self, kind: str | int) -> None:
        self.amazon.faults = [Fault("createFeed", kind)]

    @rule(late=st.booleans())
    def lists_lag(self, late: bool) -> None:
        self.amazon.listing_lag = self.lag if late else timedelta(0)

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

    @rule(minutes=st.integers(1, 20))
    def work_later(self, minutes: int) -> None:
        self.amazon.clock.advance(60 * minutes)
        self.shop.work()

    @invariant()
    def never_twice(self) -> None:
        said = Counter(repr(messages) for messages in self.amazon.created())
        assert max(said.values(), default=0) <= 1, "a feed was created twice"

    def teardown(self) -> None:
        if not hasattr(self, "shop"):
            return
        try:
            self.amazon.faults = []
            self.shop.pass_time(80, 300)
            self.never_twice()
            ends = set(self.shop.submissions("state", "withdrawn", "feed_id IS NULL"))
            assert ends <= {("done", False, False), ("cancelled", True, True)}, "a feed is lost, or withdrawn and sent"
            assert self.shop.acknowledged() == {"a": self.price}
            assert self.shop.on_its_way() == set()
            offer = next(iter(self.amazon.catalog.listings.values()))["purchasable_offer"][0]
            assert offer["our_price"][0]["schedule"][0]["value_with_tax"] == self.price / 100
        finally:
            self.connection.close()


def _life(base: type[Life], database: Database, amazon: FakeAmazon, folder: Path) -> type[Life]:
    return type("Life", (base,), {"database": database, "amazon": amazon, "folder": folder})


def _settings(examples: int, steps: int = 8, phases: Sequence[Phase] = tuple(Phase)) -> settings:
    unhealthy = list(HealthCheck)
    return settings(
        max_examples=examples, stateful_step_count=steps, phases=phases, deadline=None, suppress_health_check=unhealthy
    )


def test_every_life_ends_well(database: Database, amazon: FakeAmazon, tmp_path: Path) -> None:
    run_state_machine_as_test(_life(Life, database, amazon, tmp_path), settings=_settings(8))


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_every_long_life_ends_well(database: Database, amazon: FakeAmazon, tmp_path: Path) -> None:
    run_state_machine_as_test(_life(Life, database, amazon, tmp_path), settings=_settings(150, 20))


class Blind(Life):
    """Sends again as soon as it does not see the feed: left to itself, the machine must find the way to a duplicate."""

    @initialize()
    def begin(self) -> None:
        super().begin()
        self.shop.timing = Timing(settle=timedelta(0))


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_control_the_machine_finds_its_own_way_to_a_duplicate(database: Database, amazon: FakeAmazon, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="a feed was created twice"):
        run_state_machine_as_test(_life(Blind, database, amazon, tmp_path), settings=_settings(300, 12, [Phase.generate]))


class Impatient(Life):
    """A list that lags longer than the settle window: the property must be found broken."""

    lag = timedelta(hours=1)

    @initialize()
    def begin(self) -> None:
        super().begin()
        self.amazon.listing_lag = self.lag
        self.amazon.faults = [Fault("createFeed", "lost")]
        self.shop.work()
        for _ in range(20):
            self.amazon.clock.advance(60)
            self.shop.work()


def test_control_the_machine_finds_a_duplicate(database: Database, amazon: FakeAmazon, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="a feed was created twice"):
        run_state_machine_as_test(_life(Impatient, database, amazon, tmp_path), settings=_settings(2))
