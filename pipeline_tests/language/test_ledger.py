"""Budgets hold whatever happens at once, and every cent is accounted for."""

from __future__ import annotations

import threading
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.language.asking import ledger
from pipeline.language.asking.ledger import Account, BudgetExhausted, Budgets, Reservation
from pipeline.language.asking.prices import Price, Usage, default_budgets, price_of
from pipeline.model.errors import UsageError
from pipeline.platform.database import Database
from pipeline.stores.stores import add_store

PRICE = Price(Decimal("0.10"), Decimal("0.01"), Decimal("0.125"), Decimal("0.50"))


@pytest.fixture
def store_id(connection: psycopg.Connection, tmp_path: Path) -> UUID:
    catalog = tmp_path / "shop.csv"
    catalog.write_text("Handle,Title\n")
    found = add_store(connection, "shop", source="shopify-file", source_settings={"path": str(catalog)})
    connection.commit()
    return found.id


def account(store_id: UUID, run: int = 10**9, store_month: int = 10**9, month: int = 10**9, run_id: str = "r") -> Account:
    return Account(store_id, "shop", run_id, Budgets(run, store_month, month))


def take(connection: psycopg.Connection, account: Account, usd_micro: int) -> Reservation:
    return ledger.reserve(connection, account, usd_micro, task="label", model="m")


@pytest.mark.parametrize("limited", ["run", "store_month", "month"])
def test_each_budget_stops_the_next_call(connection: psycopg.Connection, store_id: UUID, limited: str) -> None:
    found = account(store_id, **{limited: 100})
    take(connection, found, 60)
    with pytest.raises(BudgetExhausted, match="pipeline language budget"):
        take(connection, found, 41)
    take(connection, found, 40)
    assert ledger.spending(connection).calls == 2


def test_a_refused_reservation_takes_nothing_from_the_other_budgets(connection: psycopg.Connection, store_id: UUID) -> None:
    with pytest.raises(BudgetExhausted):
        take(connection, account(store_id, month=10), 11)
    assert connection.execute("SELECT coalesce(sum(usd_micro), 0) FROM language_spend").fetchone() == (0,)


def test_a_reservation_is_committed_before_the_call(database: Database, connection: psycopg.Connection, store_id: UUID) -> None:
    with database.connect(autocommit=True) as other:
        take(other, account(store_id), 70)
    assert ledger.spending(connection).usd_micro == 70  # the process may die now: it counts as spent
    assert ledger.spending(connection).unsettled == 70


def test_settling_and_releasing_twice_is_once(connection: psycopg.Connection, store_id: UUID) -> None:
    first, second = (take(connection, account(store_id, run=200), 100) for _ in range(2))
    for _ in range(2):
        ledger.settle(connection, first, 30, Usage(10, 5), "ok")
        ledger.release(connection, second, "HTTP 429")
    found = ledger.spending(connection)
    assert (found.calls, found.usd_micro, found.unsettled, found.tokens_in) == (1, 30, 0, 10)
    take(connection, account(store_id, run=200), 170)


def test_processes_at_once_never_exceed_a_budget(database: Database, store_id: UUID) -> None:
    """30 workers want 7 of 100 each: 14 get it, whoever they are."""
    got, ready = list[int](), threading.Barrier(30)

    def work(number: int) -> None:
        with database.connect(autocommit=True) as connection:
            ready.wait()
            try:
                take(connection, account(store_id, month=100, run_id=f"r{number % 3}"), 7)
                got.append(number)
            except BudgetExhausted:
                pass

    workers = [threading.Thread(target=work, args=(number,)) for number in range(30)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(got) == 14


_STEPS = st.lists(
    st.tuples(st.sampled_from(["settle", "release", "leave"]), st.integers(0, 90), st.integers(0, 120)), max_size=12
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(steps=_STEPS)
def test_running_sums_are_the_sums_of_the_calls(
    connection: psycopg.Connection, store_id: UUID, steps: list[tuple[str, int, int]]
) -> None:
    connection.execute("TRUNCATE language_calls, language_spend CASCADE")
    for index, (what, reserved, spent) in enumerate(steps):
        try:
            found = take(connection, account(store_id, run=200, run_id=f"r{index % 2}"), reserved)
        except BudgetExhausted:
            continue
        if what == "settle":
            ledger.settle(connection, found, spent, Usage(1, 1), "ok")
        elif what == "release":
            ledger.release(connection, found, "no")
    for run in ("r0", "r1"):
        running = connection.execute("SELECT coalesce(sum(usd_micro), 0) FROM language_spend WHERE scope = %s", (f"run:{run}",))
        assert running.fetchone() == (ledger.spending(connection, run_id=run).usd_micro,)
    assert len({row[0] for row in connection.execute("SELECT usd_micro FROM language_spend WHERE scope NOT LIKE 'run:%'")}) <= 1


def test_budgets_of_a_store_and_of_all(connection: psycopg.Connection, store_id: UUID) -> None:
    shipped = default_budgets()
    assert ledger.read_budgets(connection, store_id) == Budgets(shipped["run"], shipped["store_month"], shipped["month"])
    ledger.set_budget(connection, None, "run", 3)
    ledger.set_budget(connection, None, "month", 5)
    ledger.set_budget(connection, store_id, "month", 4)
    assert ledger.read_budgets(connection, store_id) == Budgets(3, 4, 5)
    ledger.set_budget(connection, store_id, "run", 2)
    assert ledger.read_budgets(connection, store_id) == Budgets(2, 4, 5)
    assert ledger.limited(Budgets(2, 4, 5), 1) == Budgets(1, 4, 5, asked=True)
    assert ledger.limited(Budgets(2, 4, 5), 9) == Budgets(2, 4, 5)


_RAISE = "raise it with: pipeline language budget"


@pytest.mark.parametrize(
    ("budgets", "before", "said"),
    [
        (Budgets(5, 90, 90), 0, f"for one run does not cover a single call; {_RAISE} shop --run USD"),
        (Budgets(15, 90, 90), 10, f"another call; {_RAISE} shop --run USD, or run it again: each run has its own"),
        (Budgets(0, 90, 90, asked=True), 0, "(--max-usd) does not cover a single call; give it more, or leave that out"),
        (Budgets(90, 15, 90), 10, f"another call; {_RAISE} shop --month USD, or go on next month"),
        (Budgets(90, 90, 5), 0, f"does not cover a single call; {_RAISE} --month USD"),
    ],
)
def test_what_helps_is_said(connection: psycopg.Connection, store_id: UUID, budgets: Budgets, before: int, said: str) -> None:
    payer = Account(store_id, "shop", "r", budgets)
    if before:
        ledger.settle(connection, take(connection, payer, before), before, Usage(1, 1), "ok")
    with pytest.raises(BudgetExhausted) as refused:
        take(connection, payer, 10)
    assert str(refused.value).endswith(said)


def test_what_others_have_reserved_is_no_reason_to_wait_for_a_month(connection: psycopg.Connection, store_id: UUID) -> None:
    payer, other = account(store_id, month=15), account(store_id, run_id="other")
    ledger.settle(connection, take(connection, other, 4), 4, Usage(1, 1), "ok")
    take(connection, other, 7)
    said = (
        r"does not cover another call now: \$0\.000007 of it is reserved for other calls that are not answered yet; "
        r"run it again when they are, or raise it with: pipeline language budget --month USD$"
    )
    with pytest.raises(BudgetExhausted, match=said):
        take(connection, payer, 10)
    with pytest.raises(BudgetExhausted, match=r"go on next month$"):  # it would not be enough without them
        take(connection, payer, 12)
    connection.execute("UPDATE language_calls SET reserved_at = reserved_at - interval '1 hour' WHERE state = 'reserved'")
    with pytest.raises(BudgetExhausted, match=r"go on next month$"):  # their process died
        take(connection, payer, 10)


def test_what_a_batch_has_reserved_is_given_back_later(connection: psycopg.Connection, store_id: UUID) -> None:
    call = take(connection, account(store_id, run_id="other"), 7).call_id
    connection.execute("UPDATE language_calls SET reserved_at = reserved_at - interval '1 hour'")
    connection.execute(
        "INSERT INTO language_batches (run_key, store_id, task, model, base_url, sha256, requests)"
        " VALUES ('b', %s, 'label', 'm', 'http://x', %s, 1)",
        (store_id, "0" * 64),
    )
    connection.execute(
        "INSERT INTO language_batch_requests (custom_id, run_key, keys, about, product_ids, call_id)"
        " VALUES ('b-0', 'b', '{}', '[]', '{}', %s)",
        (call,),
    )
    with pytest.raises(BudgetExhausted, match="not answered yet; run it again when they are"):
        take(connection, account(store_id, store_month=15), 10)


@given(
    prompt=st.integers(0, 10**6), completion=st.integers(0, 10**6), cached=st.integers(0, 10**6), written=st.integers(0, 10**6)
)
def test_the_reservation_covers_whatever_the_tokens_were(prompt: int, completion: int, cached: int, written: int) -> None:
    cached = min(cached, prompt)
    usage = Usage(prompt, completion, cached, min(written, prompt - cached))
    assert PRICE.cost(usage) <= PRICE.most(prompt, completion)


def test_prices(tmp_path: Path) -> None:
    from datetime import date

    today, own = date(2026, 11, 26), tmp_path / "prices.yaml"
    shipped = price_of("gpt-6-luna", today)
    assert shipped is not None and shipped.cost(Usage(900, 450)) == 315  # $0.32 per 1000 such calls
    assert price_of("gpt-6-luna", date(2025, 1, 1)) is None
    assert price_of("mine", today, own) is None
    own.write_text("models: {mine: [{from: 2026-01-01, input: 1, cached: 1, cache_write: 1, output: 2.5}]}")
    found = price_of("mine", today, own)
    assert found is not None and found.cost(Usage(10, 10)) == 35
    for bad in (
        "models: {mine: [{from: 2026-01-01, input: -1, cached: 1, cache_write: 1, output: 1}]}",
        "models: {mine: [1]}",
        "[",
        "x",
    ):
        own.write_text(bad)
        with pytest.raises(UsageError, match=r"prices\.yaml"):
            price_of("mine", today, own)
