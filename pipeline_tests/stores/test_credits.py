"""The ledger of credits: never below zero, never twice, whoever works at once."""

from __future__ import annotations

import threading
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.model.errors import UsageError
from pipeline.platform.database import Database
from pipeline.stores import credits
from pipeline.stores.actions import Person, list_actions
from pipeline.stores.stores import add_store

ANN = Person("ann", "because")


@pytest.fixture
def store_id(connection: psycopg.Connection, tmp_path: Path) -> UUID:
    catalog = tmp_path / "shop.csv"
    catalog.write_text("Handle,Title\n")
    found = add_store(connection, "shop", source="shopify-file", source_settings={"path": str(catalog)})
    credits.switch_on(connection, found.id, "stop")
    connection.commit()
    return found.id


def balance(connection: psycopg.Connection, store_id: UUID) -> int:
    found = credits.read_account(connection, store_id)
    assert found is not None
    return found.balance


def test_a_store_that_was_not_switched_on_pays_nothing(connection: psycopg.Connection, tmp_path: Path) -> None:
    catalog = tmp_path / "shop.csv"
    catalog.write_text("Handle,Title\n")
    free = add_store(connection, "free", source="shopify-file", source_settings={"path": str(catalog)}).id
    assert credits.deduct(connection, free, "label", 5, "a").why == "off"
    with pytest.raises(UsageError, match="pipeline credits on"):
        credits.grant(connection, free, 5, person=ANN)


def test_work_is_paid_once_and_a_reference_is_granted_once(connection: psycopg.Connection, store_id: UUID) -> None:
    for _ in range(2):
        assert credits.grant(connection, store_id, 10, reference="INV-1", person=ANN) == 10
    with pytest.raises(UsageError, match="granted already, with 10"):
        credits.grant(connection, store_id, 11, reference="INV-1", person=ANN)
    assert credits.deduct(connection, store_id, "label", 4, "job 1").amount == 4
    assert credits.deduct(connection, store_id, "label", 4, "job 1") == credits.Paid(None, why="paid before")
    assert balance(connection, store_id) == 6


def test_what_is_not_covered_is_not_deducted(connection: psycopg.Connection, store_id: UUID) -> None:
    credits.grant(connection, store_id, 3, person=ANN)
    assert credits.deduct(connection, store_id, "label", 4, "a") == credits.Paid(None, why="not covered")
    assert balance(connection, store_id) == 3
    credits.grant(connection, store_id, 1, person=ANN)
    assert credits.deduct(connection, store_id, "label", 4, "a").amount == 4
    assert balance(connection, store_id) == 0


def test_prices_of_a_store_of_all_and_shipped(connection: psycopg.Connection, store_id: UUID) -> None:
    assert credits.price(connection, store_id, "label") == 1
    credits.set_price(connection, None, "label", 3)
    assert credits.price(connection, store_id, "label") == 3
    credits.set_price(connection, store_id, "label", 0)
    assert (credits.price(connection, store_id, "label"), credits.price(connection, None, "label")) == (0, 3)
    assert credits.deduct(connection, store_id, "label", 4, "a").why == "free"
    with pytest.raises(UsageError, match="there are: label"):
        credits.set_price(connection, None, "nothing", 1)


def test_workers_at_once_never_overdraw_and_never_pay_twice(
    database: Database, connection: psycopg.Connection, store_id: UUID
) -> None:
    """30 workers for 15 works of 7 credits, each work twice, and a balance for 9 of them."""
    credits.grant(connection, store_id, 65, person=ANN)
    connection.commit()
    paid, ready = list[str](), threading.Barrier(30)

    def work(number: int) -> None:
        with database.connect(autocommit=True) as own:
            ready.wait()
            if credits.deduct(own, store_id, "label", 7, f"work {number % 15}").amount:
                paid.append(f"work {number % 15}")

    workers = [threading.Thread(target=work, args=(number,)) for number in range(30)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(paid) == len(set(paid)) == 9
    assert balance(connection, store_id) == 2


_STEPS = st.lists(st.tuples(st.sampled_from(["grant", "deduct"]), st.integers(1, 50), st.integers(0, 5)), max_size=15)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(steps=_STEPS)
def test_the_balance_is_the_sum_of_the_ledger(
    connection: psycopg.Connection, store_id: UUID, steps: list[tuple[str, int, int]]
) -> None:
    connection.execute("TRUNCATE credit_ledger CASCADE")
    connection.execute("UPDATE credit_accounts SET balance = 0")
    for what, amount, work in steps:
        if what == "grant":
            credits.grant(connection, store_id, amount, person=ANN)
        else:
            credits.deduct(connection, store_id, "label", amount, f"{work}")
    entries = credits.history(connection, store_id, 100)
    assert balance(connection, store_id) == sum(entry.amount for entry in entries) >= 0
    assert all(entry.balance >= 0 for entry in entries)
    assert len({entry.work for entry in entries if entry.kind == "deduct"}) == sum(entry.kind == "deduct" for entry in entries)


def test_what_people_do_is_in_the_audit_once(connection: psycopg.Connection, store_id: UUID) -> None:
    for _ in range(2):
        credits.grant(connection, store_id, 10, reference="INV-1", person=ANN)
    assert credits.take_back(connection, store_id, 4, person=Person("bo", "granted too much")) == 6
    for amount in (7, 0, -1):
        with pytest.raises(UsageError, match="has 6 credits"):
            credits.take_back(connection, store_id, amount, person=ANN)
    with pytest.raises(UsageError, match="say why"):
        credits.take_back(connection, store_id, 1, person=Person("bo", ""))
    credits.deduct(connection, store_id, "label", 2, "job 1")  # by a run, so nobody decided it
    found = [(one.action, one.who, one.why, one.details["credits"]) for one in list_actions(connection, store="shop")]
    assert found == [("deduct_credits", "bo", "granted too much", 4), ("grant_credits", "ann", "because", 10)]
    newest = credits.history(connection, store_id, 10)[1]
    assert (newest.service, newest.amount, newest.note) == ("by hand", -4, "granted too much")
