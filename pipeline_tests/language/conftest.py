"""A store, a model, and translating without Dagster."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from pipeline.language.asking.asker import Asker
from pipeline.language.asking.client import ModelClient
from pipeline.language.asking.ledger import Account, Budgets
from pipeline.language.asking.limiter import Limiter
from pipeline.language.asking.prices import Price
from pipeline.language.translation.glossary import Glossary
from pipeline.language.translation.memory import Translation, remember
from pipeline.language.translation.plan import Pair, Plan, make_plan
from pipeline.language.translation.segments import Result, Segment
from pipeline.language.translation.translate import Work, translate
from pipeline.platform.database import Database
from pipeline.settings import model_endpoint
from pipeline.stores.stores import add_store
from pipeline_tests.fakes.openai_server import FakeOpenAI, running

PRICE = Price(Decimal("0.10"), Decimal("0.01"), Decimal("0.125"), Decimal("0.50"))


@dataclass
class Desk:
    """Translates texts into a language; `waits` are the pauses that it made, without making them."""

    connection: psycopg.Connection
    store_id: UUID
    model: FakeOpenAI
    waits: list[float] = field(default_factory=list)
    glossary: Glossary = field(default_factory=Glossary)
    work: Work | None = None

    def plan(self, segments: Sequence[Segment | str], locale: str = "de", used: Sequence[str] = ()) -> Plan:
        pair = Pair(self.store_id, "label", "en", locale, self.glossary, "gpt-6-luna", used=used)
        return make_plan(self.connection, pair, [s if isinstance(s, Segment) else Segment({"": s}) for s in segments])

    def translate(
        self,
        segments: Sequence[Segment | str],
        locale: str = "de",
        *,
        run: int = 10**9,
        month: int = 10**12,
        run_id: str = "run",
        limiter: Limiter | None = None,
        environment: dict[str, str] | None = None,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> list[Result]:
        plan = self.plan(segments, locale)
        endpoint = model_endpoint(environment or self.model.environment())
        assert endpoint is not None
        budgets = Budgets(run, 10**12, month)

        async def work() -> Work:
            async with ModelClient(endpoint) as client:
                account = Account(self.store_id, "shop", run_id, budgets)
                asker = Asker(client, self.connection, account, PRICE, "label", limiter or Limiter(), self.pause)
                return await translate(asker, [plan], progress)

        self.work = asyncio.run(work())
        results = [result for result in plan.finished() if result is not None]
        assert len(results) == len(segments)
        return results

    def people(self, source: str, target: str, locale: str = "de") -> None:
        """What a person translates."""
        remember(self.connection, self.store_id, "en", locale, [Translation({"": source}, {"": target}, "", "test")])

    async def pause(self, seconds: float) -> None:
        """Instead of sleeping."""
        self.waits.append(seconds)

    def calls(self) -> list[dict[str, Any]]:
        cursor = self.connection.execute(
            "SELECT state, outcome, reserved_usd_micro, spent_usd_micro, estimated FROM language_calls ORDER BY id"
        )
        names = ["state", "outcome", "reserved", "spent", "estimated"]
        return [dict(zip(names, row, strict=True)) for row in cursor]

    def real_cost(self) -> int:
        """What the server would bill, in micro-USD, rounded down."""
        return int(sum(prompt * PRICE.input + completion * PRICE.output for prompt, completion in self.model.tokens))

    def booked(self) -> int:
        row = self.connection.execute(
            "SELECT coalesce(sum(coalesce(spent_usd_micro, reserved_usd_micro)), 0) FROM language_calls WHERE state <> 'released'"
        ).fetchone()
        return int(row[0]) if row else 0


@pytest.fixture
def model() -> Iterator[FakeOpenAI]:
    with running(FakeOpenAI()) as found:
        yield found


@pytest.fixture
def desk(database: Database, model: FakeOpenAI, tmp_path: Path) -> Iterator[Desk]:
    catalog = tmp_path / "shop.csv"
    catalog.write_text("Handle,Title\n")
    with database.connect(autocommit=True) as connection:
        store = add_store(connection, "shop", source="shopify-file", source_settings={"path": str(catalog)})
        yield Desk(connection, store.id, model)
