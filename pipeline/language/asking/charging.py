"""What a model's accepted answers cost in credits: how many a store can pay for, and paying for those that are there.

An answer is paid after it is recorded. The row of the answer says which deduction paid for it, in the same transaction, so that
a run that died in between is paid by the next one, and nothing is paid twice.
"""

from __future__ import annotations

import hashlib
from typing import Any
from uuid import UUID

import psycopg

from pipeline.language.asking.batches import in_batches
from pipeline.stores.credits import SERVICES, deduct, price, read_account

#: So many answers are paid in one entry: enough for one run, few enough for one statement.
_MOST = 100_000
_UNPAID = (
    " FROM language_results WHERE store_id = %(store)s AND task = %(task)s AND status = 'accepted' AND NOT piece"
    " AND credit_entry IS NULL"
    " AND created_at >= (SELECT since FROM credit_accounts WHERE store_id = %(store)s AND active)"
)


def no_credits(store: str) -> str:
    return f"the credits of {store} do not cover it: pipeline credits grant {store} NUMBER, then run it again"


def pay_for_answers(connection: psycopg.Connection[Any], store_id: UUID, task: str, run_id: str) -> int:
    """Deduct what the accepted answers cost that are not paid yet, the oldest first, as far as the balance goes.

    Returns the credits. Any number of processes may call it at once."""
    if task not in SERVICES:
        return 0
    with connection.transaction():
        # Whoever is first has the account; the others wait, and then see what is paid.
        connection.execute("SELECT FROM credit_accounts WHERE store_id = %s FOR UPDATE", (store_id,))
        account, each = read_account(connection, store_id), price(connection, store_id, task)
        if account is None or not account.active or not each or account.balance < each:
            return 0
        given = {"store": store_id, "task": task, "most": min(account.balance // each, _MOST)}
        rows = connection.execute(f"SELECT key{_UNPAID} ORDER BY created_at, key LIMIT %(most)s FOR UPDATE", given)
        keys = [row[0] for row in rows]
        if not keys:
            return 0
        work = f"answers {hashlib.sha256(''.join(sorted(keys)).encode()).hexdigest()}"
        paid = deduct(connection, store_id, task, len(keys), work, run_id=run_id)
        if paid.entry_id is None:
            raise AssertionError(f"{len(keys)} unpaid answers could not be paid: {paid.why}")
        connection.execute(
            "UPDATE language_results SET credit_entry = %s WHERE store_id = %s AND key = ANY(%s)", (paid.entry_id, store_id, keys)
        )
        return paid.amount


def unpaid_answers(connection: psycopg.Connection[Any], store_id: UUID, task: str) -> int:
    row = connection.execute(f"SELECT count(*){_UNPAID}", {"store": store_id, "task": task}).fetchone()
    return int(row[0]) if row else 0


def would_cost(connection: psycopg.Connection[Any], store_id: UUID, task: str, texts: int) -> int:
    """Credits of so many accepted answers; 0 for a store without credits."""
    account = read_account(connection, store_id)
    if task not in SERVICES or account is None or not account.active:
        return 0
    return texts * price(connection, store_id, task)


def allowance(connection: psycopg.Connection[Any], store_id: UUID, task: str) -> int | None:
    """How many more answers the store can pay for, besides those that are under way in batches; None for any number. Two runs at
    once may both use it: what they cannot pay then is paid from the next grant."""
    account = read_account(connection, store_id)
    if task not in SERVICES or account is None or not account.active or account.at_zero == "go-on":
        return None
    each = price(connection, store_id, task)
    if not each:
        return None
    owed = sum(
        (unpaid_answers(connection, store_id, other) + in_batches(connection, store_id, other))
        * price(connection, store_id, other)
        for other in SERVICES
    )
    return max(0, (account.balance - owed) // each)
