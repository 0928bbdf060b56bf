"""Committing a plan: all or nothing, once, on the version it was made from, and only when nobody has to approve it first."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pytest

from pipeline.listings.diff import STATE
from pipeline.listings.plan import PlanResult, plan_changes
from pipeline.listings.plan_files import EFFECTS, Plan, Scope
from pipeline.listings.state import (
    Lane,
    approve,
    approved_changes,
    lane_version,
    read_state,
    register,
    removed_lately,
)
from pipeline.model.errors import PipelineError
from pipeline.platform.database import Database
from pipeline.platform.tables import Table, TableWriter
from pipeline.submissions.file_mode import commit
from pipeline.submissions.state import record
from pipeline_tests.listings.fakes import ACCOUNT, IMPORT, SITE, FakeMarketplace, export_settings, family, listing, listings_table
from pipeline_tests.listings.planning import sent

Rows = list[dict[str, Any]]


@pytest.fixture
def lane(connection: psycopg.Connection) -> Lane:
    row = connection.execute(
        "INSERT INTO stores (key, name, source, currency, language) "
        "VALUES ('demo', 'Demo', 'shopify-file', 'USD', 'en') RETURNING id"
    ).fetchone()
    connection.commit()
    assert row is not None
    return Lane(row[0], "demo", SITE.key)


class Office:
    """Plans against the database."""

    def __init__(self, connection: psycopg.Connection, lane: Lane, folder: Path) -> None:
        self.connection, self.lane, self.folder = connection, lane, folder
        self.plans = 0

    def plan(self, rows: Rows, *, dry_run: bool = False, **settings: Any) -> PlanResult:
        self.plans += 1
        scratch = self.folder / f"scratch{self.plans}"
        now = datetime.now(timezone.utc)
        result = plan_changes(
            listings_table(scratch, rows), read_state(self.connection, self.lane), marketplace=FakeMarketplace(), site=SITE,
            account=ACCOUNT, settings=export_settings(**settings), base_version=lane_version(self.connection, self.lane), now=now,
            folder=scratch, root=self.folder, scope=Scope(dry_run=dry_run),
            approved=approved_changes(self.connection, self.lane, self.folder, now),
            removed_lately=removed_lately(self.connection, self.lane, now),
        )  # fmt: skip
        register(self.connection, self.lane, result.plan)
        self.connection.commit()
        return result

    def run(self, rows: Rows, **settings: Any) -> PlanResult:
        result = self.plan(rows, **settings)
        assert commit(self.connection, self.lane, result.plan)
        return result

    def approve(self, plan: Plan) -> None:
        with self.connection.transaction():
            approve(self.connection, self.lane, plan.export_id, "kim", "checked with the supplier")

    def status(self, plan: Plan) -> str:
        row = self.connection.execute("SELECT status FROM exports WHERE export_id = %s", (plan.export_id,)).fetchone()
        self.connection.commit()
        return str(row[0]) if row else ""

    def state(self) -> dict[str, dict[str, Any]]:
        rows = read_state(self.connection, self.lane).to_pylist()
        self.connection.commit()
        return {row["sku"]: row for row in rows}


@pytest.fixture
def office(connection: psycopg.Connection, lane: Lane, tmp_path: Path) -> Office:
    return Office(connection, lane, tmp_path)


ROWS = [*family("1", [{"sku": "x"}, {"sku": "y", "list_price": 1500}]), listing("a"), listing('odd, "sku"\n')]


def test_a_commit_records_what_was_sent(office: Office) -> None:
    plan = office.run(ROWS).plan
    state = office.state()
    assert sorted(state) == sorted(row["sku"] for row in ROWS)
    assert state["y"] == {
        "sku": "y", "product_id": "1", "role": "child", "parent_sku": "P-1", "content_hash": "c", "images_hash": "i",
        "price": 1000, "list_price": 1500, "sale_price": None, "sale_start": None, "sale_end": None, "quantity": 5,
        "left_at": None, "uncertain": False, "stock_elsewhere": False, "price_version": IMPORT, "quantity_version": IMPORT,
    }  # fmt: skip
    assert (state["P-1"]["price"], state["P-1"]["quantity"], state["P-1"]["parent_sku"]) == (None, None, None)
    assert lane_version(office.connection, office.lane) == 1
    assert office.status(plan) == "committed"
    assert sent(office.plan(ROWS)) == []


def test_only_the_skus_of_the_plan_are_written(office: Office) -> None:
    office.run(ROWS)
    office.run([*ROWS[:3], listing("a", price=1100), ROWS[4]])
    versions = dict(office.connection.execute("SELECT sku, version FROM listing_state").fetchall())
    assert {sku for sku, version in versions.items() if version == 2} == {"a"}


def test_leaving_coming_back_and_deletion(office: Office) -> None:
    office.run(ROWS)
    office.run(ROWS[:3])
    assert office.state()["a"]["quantity"] == 0
    left_at = office.state()["a"]["left_at"]
    assert abs(left_at - datetime.now(timezone.utc)) < timedelta(minutes=5)
    office.run(ROWS[:4], delete_after_days=0)
    state = office.state()
    assert (state["a"]["left_at"], state["a"]["quantity"]) == (None, 5)
    assert ROWS[4]["sku"] not in state


def test_committing_twice_does_nothing(office: Office) -> None:
    plan = office.run(ROWS).plan
    before = office.connection.execute("SELECT * FROM listing_state ORDER BY sku").fetchall()
    office.connection.commit()
    assert commit(office.connection, office.lane, plan) is False
    assert office.connection.execute("SELECT * FROM listing_state ORDER BY sku").fetchall() == before


def test_an_empty_plan_is_committed_without_a_new_version(office: Office) -> None:
    office.run(ROWS)
    empty = office.run(ROWS).plan
    assert (office.status(empty), lane_version(office.connection, office.lane)) == ("committed", 1)
    again = office.plan(ROWS).plan
    assert again.export_id == empty.export_id
    assert commit(office.connection, office.lane, again) is False


def test_a_stale_plan_is_refused(office: Office) -> None:
    plan = office.plan(ROWS).plan
    other = office.run(ROWS[:3]).plan
    assert office.status(plan) == "superseded"
    with pytest.raises(PipelineError, match="is replaced by a newer plan; materialize listing_changes again"):
        commit(office.connection, office.lane, plan)
    office.connection.execute("UPDATE exports SET status = 'planned' WHERE export_id = %s", (plan.export_id,))
    office.connection.commit()
    with pytest.raises(PipelineError, match=r"is stale: .*; materialize listing_changes again"):
        commit(office.connection, office.lane, plan)
    assert len(office.state()) == 3
    assert office.status(other) == "committed"


def test_two_commits_at_once_are_one(office: Office, database: Database) -> None:
    one = office.plan(ROWS).plan
    with database.connect() as other:
        other.execute("SELECT 1 FROM export_lanes FOR UPDATE")
        with database.connect() as waiting:
            waiting.execute("SET lock_timeout = '200ms'")
            waiting.commit()
            with pytest.raises(psycopg.errors.LockNotAvailable):
                commit(waiting, office.lane, one)
    assert office.state() == {}
    assert commit(office.connection, office.lane, one)


def test_a_dry_run_is_never_committed_and_replaces_nothing(office: Office) -> None:
    real = office.plan(ROWS).plan
    dry = office.plan(ROWS, dry_run=True).plan
    assert (office.status(real), office.status(dry)) == ("planned", "dry_run")
    assert dry.export_id != real.export_id
    with pytest.raises(PipelineError, match="was a dry run: nothing is sent from it"):
        commit(office.connection, office.lane, dry)
    with pytest.raises(PipelineError, match="was a dry run; approve the current plan"):
        office.approve(dry)


def test_an_unregistered_plan_is_refused(office: Office, tmp_path: Path) -> None:
    plan = office.plan(ROWS).plan
    office.connection.execute("DELETE FROM exports")
    office.connection.commit()
    with pytest.raises(PipelineError, match="is not registered"):
        commit(office.connection, office.lane, plan)


def test_a_plan_that_needs_approval_waits_for_it(office: Office) -> None:
    plan = office.plan(ROWS, require_approval=True).plan
    with pytest.raises(PipelineError, match=f"`pipeline export demo fake-us --approve {plan.export_id}`"):
        commit(office.connection, office.lane, plan)
    assert office.state() == {}
    office.approve(plan)
    again = office.plan(ROWS, require_approval=True).plan
    assert again.export_id == plan.export_id
    assert commit(office.connection, office.lane, again)


def test_approving_what_the_guards_held_lets_the_next_plan_send_it(office: Office) -> None:
    office.run(ROWS)
    rows = [*ROWS[:3], listing("a", price=9000), ROWS[4]]
    held = office.run(rows)
    assert sent(held) == []
    office.approve(held.plan)
    assert sent(office.run(rows)) == [("a", "price", "PRICE")]


def test_an_approval_lasts_a_day(office: Office) -> None:
    office.run(ROWS)
    rows = [*ROWS[:3], listing("a", price=9000), ROWS[4]]
    office.approve(office.run(rows).plan)
    office.connection.execute("UPDATE approvals SET approved_at = approved_at - interval '25 hours'")
    office.connection.commit()
    assert sent(office.plan(rows)) == []


def test_approving_an_unknown_export(office: Office) -> None:
    with pytest.raises(PipelineError, match="demo has no export 000009-x on fake-us"), office.connection.transaction():
        approve(office.connection, office.lane, "000009-x", "kim", "")


def test_removals_of_a_day_add_up(office: Office) -> None:
    rows = [listing(f"s{number}") for number in range(40)]
    office.run(rows)
    assert len(sent(office.run(rows[15:]))) == 15
    assert sent(office.run(rows[25:])) == []
    office.connection.execute("UPDATE exports SET committed_at = committed_at - interval '25 hours'")
    office.connection.commit()
    assert len(sent(office.plan(rows[25:]))) == 10


def test_lanes_do_not_see_each_other(office: Office) -> None:
    office.run(ROWS)
    live = Lane(office.lane.store_id, "demo", SITE.key, "api")
    assert read_state(office.connection, live) == STATE.empty_table()
    assert lane_version(office.connection, live) == 0


class Mortal(psycopg.Connection):
    """Dies by SIGKILL instead of carrying out its n-th statement."""

    lives = 0

    def tick(self) -> None:
        type(self).lives -= 1
        if type(self).lives < 0:
            os.kill(os.getpid(), signal.SIGKILL)


class MortalCursor(psycopg.Cursor[Any]):
    def execute(self, *args: Any, **kwargs: Any) -> Any:
        assert isinstance(self.connection, Mortal)
        self.connection.tick()
        return super().execute(*args, **kwargs)

    def copy(self, *args: Any, **kwargs: Any) -> Any:
        assert isinstance(self.connection, Mortal)
        self.connection.tick()
        return super().copy(*args, **kwargs)


def test_a_process_killed_at_any_statement_leaves_nothing(office: Office, database: Database) -> None:
    office.run(ROWS)
    rows = [*ROWS[:3], listing("a", price=1100), listing("new")]
    plan = office.plan(rows).plan
    before = office.state()
    for lives in range(20):
        if _in_child(lambda lives=lives: _commit_with(database, office.lane, plan, lives)) == 0:
            break
        assert office.state() == before
        assert office.status(plan) == "planned"
    assert lives > 5
    assert (office.state()["a"]["price"], office.status(plan)) == (1100, "committed")


def _commit_with(database: Database, lane: Lane, plan: Plan, lives: int) -> None:
    with Mortal.connect(database.url, autocommit=True, cursor_factory=MortalCursor) as connection:
        connection.cursor_factory = psycopg.Cursor
        connection.execute("SET search_path TO pipeline, public")
        connection.cursor_factory = MortalCursor
        Mortal.lives = lives
        commit(connection, lane, plan)


def _in_child(work: Callable[[], None]) -> int:
    """The exit status of `work` in a process of its own; the parent's connections are not closed by it."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            os._exit(3)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return status


@pytest.mark.timeout(100)  # comparing each row with each takes minutes
def test_a_large_state_changes_as_a_whole(office: Office, connection: psycopg.Connection, tmp_path: Path) -> None:
    connection.execute("INSERT INTO export_lanes (store_id, site, transport) VALUES (%s, %s, %s)", office.lane.key)
    rows = pa.table({"sku": [f"SKU-{number}" for number in range(20_000)]})
    for op, left in (("set", 20_000), ("set", 20_000), ("leave", 20_000), ("delete", 0)):
        columns = {"op": op, "product_id": "1", "role": "single", "quantity": 0 if op == "leave" else 7}
        filled = {name: pa.repeat(pa.scalar(value), len(rows)) for name, value in columns.items()} | {"sku": rows["sku"]}
        table = pa.table([filled.get(field.name, pa.nulls(len(rows))) for field in EFFECTS], names=EFFECTS.names).cast(EFFECTS)
        with TableWriter(tmp_path, "effects", EFFECTS, {}) as writer:
            writer.write(table)
        record(connection, office.lane, Table(writer.path), 1, IMPORT)
        state = read_state(connection, office.lane)
        assert len(state) == left
        if left:
            assert set(state["quantity"].unique().to_pylist()) == {0 if op == "leave" else 7}
            assert state["left_at"].null_count == (0 if op == "leave" else left)
