"""From plans to results in one call, for code that is not asynchronous: an event loop, a client and an asker of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import psycopg

from pipeline.language.asking.asker import Asker
from pipeline.language.asking.batch_api import BatchesRefused
from pipeline.language.asking.charging import allowance, no_credits, pay_for_answers
from pipeline.language.asking.client import ModelClient
from pipeline.language.asking.ledger import Account
from pipeline.language.asking.models import Model
from pipeline.language.translation.batch_plans import Received, leave, post_plans, take_out
from pipeline.language.translation.pieces import affordable, record_whole
from pipeline.language.translation.plan import Plan
from pipeline.language.translation.translate import Progress, Work, translate

NOTHING = Work(0, 0, 0, 0, 0, None)


def ask_model(
    connection: psycopg.Connection[Any],
    model: Model,
    account: Account,
    task: str,
    plans: Sequence[Plan],
    progress: Progress,
    stopped: str | None = None,
) -> Work:
    """Ask for all items of the plans and put the results into them. `connection` must be in autocommit mode. `stopped`: why
    nothing more is asked; answers that are there are read."""
    if not connection.autocommit:
        raise ValueError("reservations must be committed at once: give a connection in autocommit mode")
    pay_for_answers(connection, account.store_id, task, account.run_id)  # what a run that died left unpaid
    received, waiting = take_out(connection, plans, task)
    left = 0
    if stopped is not None:
        left = _leave_all(plans, stopped)
    beyond = _keep_within(connection, account, task, plans)
    try:
        posted, refused = 0, None
        if model.endpoint.transport == "batch":
            posted, refused = post_plans(connection, model.endpoint, model.price.in_batch(), account, task, plans)
            left += _leave_all(plans, str(refused)) if refused is not None else 0
        work = NOTHING
        if received or any(plan.items for plan in plans):
            work = asyncio.run(_ask(connection, model, account, task, plans, progress, received, stopped))
    finally:
        record_whole(connection, plans)
        pay_for_answers(connection, account.store_id, task, account.run_id)
    why = str(refused) if refused is not None else None
    stopped = work.stopped or why or stopped or (no_credits(account.store_key) if beyond else None)
    unusable = work.unusable or isinstance(refused, BatchesRefused)
    return replace(work, pending=work.pending + waiting + posted + left + beyond, stopped=stopped, unusable=unusable)


def _keep_within(connection: psycopg.Connection[Any], account: Account, task: str, plans: Sequence[Plan]) -> int:
    """Take out of the plans what the store's credits do not cover; returns how many texts that is."""
    left = allowance(connection, account.store_id, task)
    if left is None:
        return 0
    cut = 0
    for plan in plans:
        plan.items, beyond = affordable(plan, left)
        leave(plan, beyond, no_credits(account.store_key))
        left, cut = max(0, left - plan.texts), cut + len(beyond)
    return cut


def _leave_all(plans: Sequence[Plan], why: str) -> int:
    """Take all items out of the plans; how many texts that is."""
    left = 0
    for plan in plans:
        leave(plan, plan.items, why)
        left, plan.items = left + len(plan.items), []
    return left


async def _ask(
    connection: psycopg.Connection[Any],
    model: Model,
    account: Account,
    task: str,
    plans: Sequence[Plan],
    progress: Progress,
    received: Sequence[Received],
    stopped: str | None,
) -> Work:
    async with ModelClient(model.endpoint) as client:
        asker = Asker(client, connection, account, model.price, task, stopped=stopped)
        return await translate(asker, plans, progress, received)
