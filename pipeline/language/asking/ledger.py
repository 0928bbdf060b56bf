"""What calls to a model cost, and the budgets that they never exceed.

A call is reserved at its worst case, in a transaction of its own that is committed before the request leaves. Its real cost
replaces the reservation in the transaction that records the answer. A reservation that is never settled, because its process
died or the answer never arrived, counts as spent for ever: nobody knows better.

Sums are kept in `language_spend`, one row a run, a store and month, and a month, and changed under the budget's condition: two
processes cannot both take the last cent. All money is micro-USD.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from pipeline.language.asking.prices import Usage, default_budgets
from pipeline.model.errors import PipelineError

_EACH_RUN, _NEXT_MONTH = "run it again: each run has its own", "go on next month"
#: A call that is not in a batch and not settled after so long never will be: its process died.
_LONGEST_CALL = timedelta(minutes=10)


class BudgetExhausted(PipelineError):
    """The next call could cost more than a budget has left. Nothing was sent."""


@dataclass(frozen=True)
class Budgets:
    """Most that may be spent: in one run, by the store in a month, by all stores in a month. `asked`: whoever started the run
    wants it to spend no more than `run`."""

    run: int
    store_month: int
    month: int
    asked: bool = False


@dataclass(frozen=True)
class Account:
    """Who pays: a store, in one run. The month is UTC's, of the moment of the reservation. `site`: the run is an export there,
    which goes on when what it asks in a batch is answered."""

    store_id: UUID
    store_key: str
    run_id: str
    budgets: Budgets
    site: str | None = None


@dataclass(frozen=True)
class Reservation:
    call_id: int
    usd_micro: int
    scopes: tuple[str, ...]


@dataclass(frozen=True)
class Spending:
    """Sums of some calls. `unsettled` is the part of `usd_micro` that was reserved and never settled."""

    calls: int
    usd_micro: int
    unsettled: int
    tokens_in: int
    tokens_out: int


def read_budgets(connection: psycopg.Connection[Any], store_id: UUID) -> Budgets:
    """The store's own budgets, else those for all, else the shipped ones."""
    default = default_budgets()
    rows = connection.execute(
        "SELECT store_id IS NOT NULL, period, usd_micro FROM language_budgets WHERE store_id = %s OR store_id IS NULL",
        (store_id,),
    ).fetchall()
    found = {(own, period): int(usd) for own, period, usd in rows}
    return Budgets(
        run=found.get((True, "run"), found.get((False, "run"), default["run"])),
        store_month=found.get((True, "month"), default["store_month"]),
        month=found.get((False, "month"), default["month"]),
    )


def set_budget(connection: psycopg.Connection[Any], store_id: UUID | None, period: str, usd_micro: int) -> None:
    """A budget of one store, or (None) of all: `run` the default for each store, `month` the sum of all stores."""
    connection.execute(
        "INSERT INTO language_budgets (store_id, period, usd_micro) VALUES (%s, %s, %s) "
        "ON CONFLICT (coalesce(store_id::text, ''), period) DO UPDATE SET usd_micro = excluded.usd_micro",
        (store_id, period, usd_micro),
    )


def limited(budgets: Budgets, run: int | None) -> Budgets:
    """With a smaller budget for one run, as whoever starts it wants."""
    return budgets if run is None or run >= budgets.run else replace(budgets, run=run, asked=True)


def reserve(connection: psycopg.Connection[Any], account: Account, usd_micro: int, *, task: str, model: str) -> Reservation:
    """Take the worst case of a call out of all three budgets and commit. Raises BudgetExhausted, and then nothing is taken."""
    with connection.transaction():
        row = connection.execute("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM')").fetchone()
        month = str(row[0]) if row else ""
        limits = _limits(account, month)
        for scope, limit in limits.items():  # always in this order, so that two processes do not deadlock
            _take(connection, scope, usd_micro, limit)
        row = connection.execute(
            "INSERT INTO language_calls (spender, store_key, run_id, task, model, month, reserved_usd_micro) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s) RETURNING id",
            (account.store_id, account.store_key, account.run_id, task, model, month, usd_micro),
        ).fetchone()
    if row is None:
        raise AssertionError("INSERT .. RETURNING gives a row")
    return Reservation(int(row[0]), usd_micro, tuple(limits))


def reservation_of(connection: psycopg.Connection[Any], call_id: int) -> Reservation:
    """A reservation that another process made; where its store was removed, the store's sum is gone with it."""
    row = connection.execute(
        "SELECT run_id, spender, month, reserved_usd_micro FROM language_calls WHERE id = %s", (call_id,)
    ).fetchone()
    if row is None:
        raise AssertionError(f"there is no call {call_id}")
    run_id, spender, month, reserved = row
    return Reservation(call_id, int(reserved), (f"run:{run_id}", f"store:{spender}:{month}", f"month:{month}"))


@dataclass(frozen=True)
class _Limit:
    """One budget, and what people can do when it ends; `otherwise` only helps where it covers a call at all."""

    usd_micro: int
    name: str
    more: str
    otherwise: str


def _limits(account: Account, month: str) -> dict[str, _Limit]:
    """By scope of `language_spend`."""
    budgets, store, raise_ = account.budgets, account.store_key, "raise it with: pipeline language budget"
    run = f"the budget of {dollars(budgets.run)} for one run", f"{raise_} {store} --run USD"
    if budgets.asked:
        run = f"the most of {dollars(budgets.run)} that this run was to spend (--max-usd)", "give it more, or leave that out"
    own = f"the budget of {dollars(budgets.store_month)} for {store} in {month}", f"{raise_} {store} --month USD"
    all_ = f"the budget of {dollars(budgets.month)} for all stores in {month}", f"{raise_} --month USD"
    return {
        f"run:{account.run_id}": _Limit(budgets.run, *run, _EACH_RUN),
        f"store:{account.store_id}:{month}": _Limit(budgets.store_month, *own, _NEXT_MONTH),
        f"month:{month}": _Limit(budgets.month, *all_, _NEXT_MONTH),
    }


def _take(connection: psycopg.Connection[Any], scope: str, usd_micro: int, limit: _Limit) -> None:
    connection.execute("INSERT INTO language_spend (scope, usd_micro) VALUES (%s, 0) ON CONFLICT DO NOTHING", (scope,))
    taken = connection.execute(
        "UPDATE language_spend SET usd_micro = usd_micro + %s WHERE scope = %s AND usd_micro + %s <= %s",
        (usd_micro, scope, usd_micro, limit.usd_micro),
    )
    if taken.rowcount == 1:
        return
    if usd_micro > limit.usd_micro:
        raise BudgetExhausted(f"{limit.name} does not cover a single call; {limit.more}")
    held = _held(connection, scope, limit.usd_micro - usd_micro) if limit.otherwise == _NEXT_MONTH else 0
    if held:
        why = f"{dollars(held)} of it is reserved for other calls that are not answered yet"
        raise BudgetExhausted(f"{limit.name} does not cover another call now: {why}; run it again when they are, or {limit.more}")
    raise BudgetExhausted(f"{limit.name} does not cover another call; {limit.more}, or {limit.otherwise}")


def _held(connection: psycopg.Connection[Any], scope: str, enough: int) -> int:
    """What calls under way have reserved of a month's budget; 0 where more than `enough` would be gone also without them."""
    parts = scope.split(":")
    values = {"scope": scope, "month": parts[-1], "store": parts[1] if parts[0] == "store" else None, "long": _LONGEST_CALL}
    row = connection.execute(
        "SELECT (SELECT usd_micro FROM language_spend WHERE scope = %(scope)s), coalesce(sum(reserved_usd_micro), 0)::bigint"
        " FROM language_calls AS call WHERE state = 'reserved' AND month = %(month)s"
        " AND (%(store)s::uuid IS NULL OR spender = %(store)s)"
        " AND (reserved_at > clock_timestamp() - %(long)s OR EXISTS"
        " (SELECT FROM language_batch_requests WHERE call_id = call.id AND reply IS NULL))",
        values,
    ).fetchone()
    taken, held = row or (0, 0)
    return int(held) if taken - held <= enough else 0


def settle(connection: psycopg.Connection[Any], reservation: Reservation, usd_micro: int, usage: Usage, outcome: str) -> None:
    """What the call really cost; in the caller's transaction, together with its answer. Twice is once."""
    _close(connection, reservation, "settled", usd_micro, outcome, usage)


def release(connection: psycopg.Connection[Any], reservation: Reservation, outcome: str) -> None:
    """The server refused the call before it worked on it, which costs nothing; in the caller's transaction."""
    _close(connection, reservation, "released", None, outcome, None)


def _close(
    connection: psycopg.Connection[Any],
    reservation: Reservation,
    state: str,
    spent: int | None,
    outcome: str,
    usage: Usage | None,
) -> None:
    tokens = (
        (usage.prompt, usage.cached, usage.cache_write, usage.completion, usage.estimated) if usage else (None,) * 4 + (False,)
    )
    closed = connection.execute(
        "UPDATE language_calls SET state = %s, spent_usd_micro = %s, outcome = %s, tokens_in = %s, tokens_cached = %s, "
        "tokens_cache_write = %s, tokens_out = %s, estimated = %s, settled_at = clock_timestamp() "
        "WHERE id = %s AND state = 'reserved'",
        (state, spent, outcome[:200], *tokens, reservation.call_id),
    )
    if closed.rowcount != 1:
        return
    difference = (spent or 0) - reservation.usd_micro
    for scope in reservation.scopes:
        connection.execute("UPDATE language_spend SET usd_micro = usd_micro + %s WHERE scope = %s", (difference, scope))


def spending(
    connection: psycopg.Connection[Any],
    *,
    run_id: str | None = None,
    month: str | None = None,
    store_id: UUID | None = None,
    task: str | None = None,
) -> Spending:
    """Sums of the calls of a run, a month (YYYY-MM), a store, for a task."""
    with connection.cursor(row_factory=class_row(Spending)) as cursor:
        found = cursor.execute(
            "SELECT count(*) AS calls, coalesce(sum(coalesce(spent_usd_micro, reserved_usd_micro)), 0)::bigint AS usd_micro,"
            " coalesce(sum(reserved_usd_micro) FILTER (WHERE state = 'reserved'), 0)::bigint AS unsettled,"
            " coalesce(sum(tokens_in), 0)::bigint AS tokens_in, coalesce(sum(tokens_out), 0)::bigint AS tokens_out"
            " FROM language_calls WHERE state <> 'released' AND (%(run)s::text IS NULL OR run_id = %(run)s)"
            " AND (%(month)s::text IS NULL OR month = %(month)s) AND (%(store)s::uuid IS NULL OR spender = %(store)s)"
            " AND (%(task)s::text IS NULL OR task = %(task)s)",
            {"run": run_id, "month": month, "store": store_id, "task": task},
        ).fetchone()
    if found is None:
        raise AssertionError("an aggregate gives a row")
    return found


def dollars(usd_micro: int) -> str:
    """$1.25, and small sums exactly: $0.000140."""
    return f"${usd_micro / 1_000_000:,.2f}" if usd_micro == 0 or usd_micro % 10_000 == 0 else f"${usd_micro / 1_000_000:,.6f}"
