"""From plans to results in one call, for code that is not asynchronous: an event loop, a client and an asker of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import psycopg

from pipeline.language.asker import Asker, endpoint_price
from pipeline.language.client import ModelClient
from pipeline.language.ledger import Account
from pipeline.language.plan import Plan
from pipeline.language.prices import Price
from pipeline.language.translate import Progress, Work, translate
from pipeline.model.errors import PipelineError
from pipeline.settings import ModelEndpoint, model_endpoint

#: The operator's own prices, in the data directory.
PRICES_FILE = "prices.yaml"
NOTHING = Work(0, 0, 0, 0, 0, None)


@dataclass(frozen=True)
class Model:
    """The configured model and what its tokens cost."""

    endpoint: ModelEndpoint
    price: Price


def configured_model(data_dir: Path) -> Model | None:
    """The model of the environment; None without one. Raises UsageError when it or its price is unusable."""
    endpoint = model_endpoint()
    if endpoint is None:
        return None
    return Model(endpoint, endpoint_price(endpoint, datetime.now(timezone.utc).date(), data_dir / PRICES_FILE))


def ask_model(
    connection: psycopg.Connection[Any], model: Model, account: Account, task: str, plans: Sequence[Plan], progress: Progress
) -> Work:
    """Ask for all items of the plans and put the results into them. `connection` must be in autocommit mode.

    Raises PipelineError when the model cannot be used at all; what was recorded until then is kept."""
    if not connection.autocommit:
        raise ValueError("reservations must be committed at once: give a connection in autocommit mode")
    if not any(plan.items for plan in plans):
        return NOTHING

    async def work() -> Work:
        async with ModelClient(model.endpoint) as client:
            asker = Asker(client, connection, account, model.price, task)
            done = await translate(asker, plans, progress)
            if asker.unusable:
                raise PipelineError(str(asker.stopped))
            return done

    return asyncio.run(work())
