"""Credits of stores: an append-only ledger of grants and deductions, whose sum is the balance and never below zero.

A store whose credits were never switched on works without limit. Work is named, so it is paid once whoever asks for it how
often; a balance that does not cover it leaves it unpaid until there are credits again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import class_row

from pipeline.model.errors import UsageError
from pipeline.stores.actions import Person, record_action
from pipeline.stores.text import plain_text

#: What can be paid with credits, in which unit, and the price of a unit where nobody set another one.
SERVICES: Mapping[str, tuple[str, int]] = {
    "label": ("a text of the storefront that a model translated", 1),
    "product": ("a text of products that a model translated", 1),
    "optimize": ("better texts of a product that a model wrote", 5),
    "store_day": ("a store for a day", 0),
}
#: Service of what a person deducted.
BY_HAND = "by hand"
AtZero = Literal["stop", "go-on"]
AT_ZERO: tuple[AtZero, ...] = get_args(AtZero)
#: Far below what the database can count, far above what anybody pays.
MOST = 10**12


@dataclass(frozen=True)
class CreditAccount:
    """`at_zero`: whether work that costs credits stops at zero, or goes on and is paid when there are credits again."""

    store_id: UUID
    store: str
    balance: int
    active: bool
    at_zero: AtZero
    since: datetime


@dataclass(frozen=True)
class Entry:
    """`amount` is negative for a deduction; `balance` is the one after it."""

    id: int
    kind: str
    service: str | None
    units: int
    amount: int
    balance: int
    work: str
    run_id: str | None
    note: str | None
    created_at: datetime


@dataclass(frozen=True)
class Paid:
    """How an attempt to deduct ended. `entry_id` None: nothing was deducted, and `why` says why."""

    entry_id: int | None
    amount: int = 0
    why: Literal["", "off", "free", "paid before", "not covered"] = ""


_ACCOUNTS = (
    "SELECT store_id, stores.key AS store, balance, active, at_zero, credit_accounts.since"
    " FROM credit_accounts JOIN stores ON stores.id = store_id"
)


def switch_on(connection: psycopg.Connection[Any], store_id: UUID, at_zero: AtZero) -> None:
    """From now on work of the store costs credits; what was done before stays free."""
    connection.execute(
        "INSERT INTO credit_accounts AS old (store_id, at_zero) VALUES (%s, %s) ON CONFLICT (store_id) DO UPDATE SET"
        " at_zero = excluded.at_zero, active = true, since = CASE WHEN old.active THEN old.since ELSE clock_timestamp() END",
        (store_id, at_zero),
    )


def switch_off(connection: psycopg.Connection[Any], store_id: UUID) -> None:
    """Work is without limit again; the balance stays."""
    connection.execute("UPDATE credit_accounts SET active = false WHERE store_id = %s", (store_id,))


def read_account(connection: psycopg.Connection[Any], store_id: UUID) -> CreditAccount | None:
    """None: the store's credits were never switched on."""
    with connection.cursor(row_factory=class_row(CreditAccount)) as cursor:
        return cursor.execute(f"{_ACCOUNTS} WHERE store_id = %s", (store_id,)).fetchone()


def list_accounts(connection: psycopg.Connection[Any]) -> list[CreditAccount]:
    with connection.cursor(row_factory=class_row(CreditAccount)) as cursor:
        return cursor.execute(f"{_ACCOUNTS} ORDER BY stores.key").fetchall()


def grant(
    connection: psycopg.Connection[Any],
    store_id: UUID,
    credits: int,
    *,
    person: Person,
    reference: str | None = None,
    note: str | None = None,
) -> int:
    """Give a store credits and return its balance. The same `reference`, such as an invoice's number, is granted once.

    Raises UsageError for a store whose credits are not switched on, and for nonsense."""
    work = plain_text(reference, "the reference") if reference else uuid4().hex
    with connection.transaction():
        found = _locked(connection, store_id)
        if found is None:
            key = _key(connection, store_id)
            raise UsageError(f"credits of {key} are not switched on, so it works without limit: pipeline credits on {key}")
        if not 0 < credits <= MOST or found.balance + credits > MOST:
            raise UsageError(f"credits must be a whole number from 1, and a balance at most {MOST:,}")
        known = connection.execute(
            "SELECT amount FROM credit_ledger WHERE store_id = %s AND kind = 'grant' AND work = %s", (store_id, work)
        ).fetchone()
        if known is not None and known[0] != credits:
            raise UsageError(f"{work} was granted already, with {known[0]} credits; give this grant another reference")
        if known is None:
            said = plain_text(note, "the note", 500) if note else person.why or None
            _book(connection, found, "grant", None, 1, credits, work, None, said)
            record_action(connection, person, "grant_credits", found.store, credits=credits, reference=reference, note=note)
            return found.balance + credits
    return found.balance


def deduct(
    connection: psycopg.Connection[Any], store_id: UUID, service: str, units: int, work: str, *, run_id: str | None = None
) -> Paid:
    """Pay for work after it is done: all of it, or nothing where the balance does not cover it. In the caller's transaction if
    there is one; the account is locked until that ends."""
    with connection.transaction():
        found = _locked(connection, store_id)
        if found is None or not found.active:
            return Paid(None, why="off")
        cost = units * price(connection, store_id, service)
        if not cost:
            return Paid(None, why="free")
        known = connection.execute(
            "SELECT id FROM credit_ledger WHERE store_id = %s AND kind = 'deduct' AND work = %s", (store_id, work)
        ).fetchone()
        if known is not None:
            return Paid(None, why="paid before")
        if cost > found.balance:
            return Paid(None, why="not covered")
        return Paid(_book(connection, found, "deduct", service, units, -cost, work, run_id, None), cost)


def take_back(connection: psycopg.Connection[Any], store_id: UUID, credits: int, *, person: Person) -> int:
    """A person deducts credits, such as a grant that was wrong; the balance. Raises UsageError for more than there are."""
    if not person.why.strip():
        raise UsageError("say why credits are deducted: --why; whoever reads the history will want to know")
    with connection.transaction():
        found = _locked(connection, store_id)
        if found is None:
            key = _key(connection, store_id)
            raise UsageError(f"credits of {key} are not switched on, so nothing can be deducted: pipeline credits on {key}")
        if not 0 < credits <= found.balance:
            raise UsageError(f"{found.store} has {found.balance} credits; deduct a whole number from 1 to that")
        _book(connection, found, "deduct", BY_HAND, 1, -credits, uuid4().hex, None, person.why)
        record_action(connection, person, "deduct_credits", found.store, credits=credits)
    return found.balance - credits


def price(connection: psycopg.Connection[Any], store_id: UUID | None, service: str) -> int:
    """Credits a unit: the store's own price, else that for all, else the shipped one."""
    row = connection.execute(
        "SELECT credits FROM credit_prices WHERE service = %s AND (store_id = %s OR store_id IS NULL)"
        " ORDER BY store_id IS NULL LIMIT 1",
        (service, store_id),
    ).fetchone()
    return int(row[0]) if row else SERVICES[service][1]


def set_price(connection: psycopg.Connection[Any], store_id: UUID | None, service: str, credits: int) -> None:
    """For one store, or (None) for all that have no price of their own. Work that is not paid yet costs the new price."""
    if service not in SERVICES:
        raise UsageError(f"there is no service {service!r}; there are: {', '.join(SERVICES)}")
    if not 0 <= credits <= 10**6:
        raise UsageError("a price is a whole number of credits, from 0 to 1,000,000")
    connection.execute(
        "INSERT INTO credit_prices (store_id, service, credits) VALUES (%s, %s, %s)"
        " ON CONFLICT (coalesce(store_id::text, ''), service) DO UPDATE SET credits = excluded.credits",
        (store_id, service, credits),
    )


def history(connection: psycopg.Connection[Any], store_id: UUID, limit: int) -> list[Entry]:
    """The newest first."""
    with connection.cursor(row_factory=class_row(Entry)) as cursor:
        return cursor.execute(
            "SELECT id, kind, service, units, amount, balance, work, run_id, note, created_at FROM credit_ledger"
            " WHERE store_id = %s ORDER BY id DESC LIMIT %s",
            (store_id, limit),
        ).fetchall()


def deducted_by(connection: psycopg.Connection[Any], run_id: str) -> int:
    """Credits that a run deducted."""
    row = connection.execute("SELECT coalesce(-sum(amount), 0) FROM credit_ledger WHERE run_id = %s", (run_id,)).fetchone()
    return int(row[0]) if row else 0


def _key(connection: psycopg.Connection[Any], store_id: UUID) -> str:
    row = connection.execute("SELECT key FROM stores WHERE id = %s", (store_id,)).fetchone()
    return str(row[0]) if row else "STORE"


def _locked(connection: psycopg.Connection[Any], store_id: UUID) -> CreditAccount | None:
    with connection.cursor(row_factory=class_row(CreditAccount)) as cursor:
        return cursor.execute(f"{_ACCOUNTS} WHERE store_id = %s FOR UPDATE OF credit_accounts", (store_id,)).fetchone()


def _book(
    connection: psycopg.Connection[Any],
    account: CreditAccount,
    kind: str,
    service: str | None,
    units: int,
    amount: int,
    work: str,
    run_id: str | None,
    note: str | None,
) -> int:
    balance = account.balance + amount
    connection.execute("UPDATE credit_accounts SET balance = %s WHERE store_id = %s", (balance, account.store_id))
    row = connection.execute(
        "INSERT INTO credit_ledger (store_id, kind, service, units, amount, balance, work, run_id, note)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING id",
        (account.store_id, kind, service, units, amount, balance, work, run_id, note),
    ).fetchone()
    if row is None:
        raise AssertionError("INSERT .. RETURNING gives a row")
    return int(row[0])
