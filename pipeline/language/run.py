"""From plans to results in one call, for code that is not asynchronous: an event loop, a client and an asker of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import psycopg

from pipeline.language.asker import Asker, endpoint_price
from pipeline.language.batch_api import BatchesRefused
from pipeline.language.batch_plans import Received, leave, post_plans, take_out
from pipeline.language.charging import keep_within, no_credits, pay_for_answers
from pipeline.language.client import ModelClient
from pipeline.language.ledger import Account
from pipeline.language.plan import Plan
from pipeline.language.prices import Price
from pipeline.language.translate import Progress, Work, translate
from pipeline.model.errors import UsageError
from pipeline.settings import TRANSPORTS, ModelEndpoint, model_endpoint

#: The operator's own prices, in the data directory.
PRICES_FILE = "prices.yaml"
NOTHING = Work(0, 0, 0, 0, 0, None)


@dataclass(frozen=True)
class Model:
    """The configured model and what its tokens cost."""

    endpoint: ModelEndpoint
    price: Price

    @property
    def asking_price(self) -> Price:
        """Of first questions, which may go in batches."""
        return self.price.in_batch() if self.endpoint.transport == "batch" else self.price


def configured_model(data_dir: Path, transport: str | None = None) -> Model | None:
    """The model of the environment; None without one. Raises UsageError when it or its price is unusable. `transport`: another
    one than the environment's."""
    endpoint = model_endpoint()
    if endpoint is None:
        return None
    if transport is not None and transport not in TRANSPORTS:
        raise UsageError(f"a model is asked by one of {', '.join(TRANSPORTS)}, not {transport!r}")
    endpoint = replace(endpoint, transport=transport or endpoint.transport)
    return Model(endpoint, endpoint_price(endpoint, datetime.now(timezone.utc).date(), data_dir / PRICES_FILE))


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
    beyond = keep_within(connection, account.store_id, account.store_key, task, plans)
    try:
        posted, refused = 0, None
        if model.endpoint.transport == "batch":
            posted, refused = post_plans(connection, model.endpoint, model.price.in_batch(), account, task, plans)
            left += _leave_all(plans, str(refused)) if refused is not None else 0
        work = NOTHING
        if received or any(plan.items for plan in plans):
            work = asyncio.run(_ask(connection, model, account, task, plans, progress, received, stopped))
    finally:
        pay_for_answers(connection, account.store_id, task, account.run_id)
    why = str(refused) if refused is not None else None
    stopped = work.stopped or why or stopped or (no_credits(account.store_key) if beyond else None)
    unusable = work.unusable or isinstance(refused, BatchesRefused)
    return replace(work, pending=work.pending + waiting + posted + left + beyond, stopped=stopped, unusable=unusable)


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
