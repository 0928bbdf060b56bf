"""Planning in tests: a state that is kept like `submissions` keeps it, but in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import orjson
import pandas as pd
import pyarrow as pa
from upath import UPath

from pipeline.listings.diff import STATE
from pipeline.listings.plan import PlanResult, plan_changes
from pipeline.listings.plan_files import Scope
from pipeline_tests.listings.fakes import ACCOUNT, SITE, FakeMarketplace, arrow, export_settings, listings_table

NOW = datetime(2026, 3, 1, tzinfo=timezone.utc)
KINDS = ("create", "update", "price", "quantity", "images", "delete", "unchanged")


@dataclass
class Desk:
    """Plans and commits for one lane. Time stands still unless `later` moves it."""

    folder: Path
    marketplace: FakeMarketplace = field(default_factory=FakeMarketplace)
    state: dict[str, dict[str, Any]] = field(default_factory=dict)
    version: int = 0
    now: datetime = NOW
    plans: int = 0

    def plan(self, *batches: list[dict[str, Any]], products: tuple[str, ...] = (), **settings: Any) -> PlanResult:
        return self.plan_with(batches, Scope(frozenset(products)), settings)

    def plan_at(self, root: UPath, *batches: list[dict[str, Any]]) -> PlanResult:
        return self.plan_with(batches, Scope(), {}, root=root)

    def plan_with(
        self, batches: tuple[list[dict[str, Any]], ...], scope: Scope, settings: Mapping[str, Any], **more: Any
    ) -> PlanResult:
        self.plans += 1
        scratch = self.folder / f"scratch{self.plans}"
        table = listings_table(scratch, *batches)
        return plan_changes(
            table, self.state_table(), marketplace=self.marketplace, site=SITE, account=ACCOUNT,
            settings=export_settings(**settings), base_version=self.version, now=self.now, folder=scratch,
            scope=scope, **{"root": self.folder, **more},
        )  # fmt: skip

    def state_table(self) -> pa.Table:
        return arrow(list(self.state.values()), STATE)

    def commit(self, result: PlanResult) -> None:
        effects = result.plan.effects.read()
        for row in effects.astype(object).where(effects.notna(), None).to_dict("records"):
            op, sku, _ = row.pop("op"), row["sku"], row.pop("sent")
            if op == "delete":
                del self.state[sku]
            elif op == "leave":
                self.state[sku] |= {"quantity": row["quantity"], "left_at": self.now}
            else:
                self.state[sku] = {**row, "left_at": None}
        self.version += bool(len(effects))

    def run(self, *batches: list[dict[str, Any]], **settings: Any) -> PlanResult:
        result = self.plan(*batches, **settings)
        self.commit(result)
        return result

    def later(self, days: float) -> None:
        self.now += timedelta(days=days)


def sent(result: PlanResult) -> list[tuple[str, str, str]]:
    """(SKU, feed, operation) of each message, in order."""
    frame = result.plan.messages.read()
    return [tuple(row) for row in frame[["sku", "feed", "operation"]].to_numpy().tolist()]


def payloads(result: PlanResult, *only: str) -> dict[str, Any]:
    """What the fake marketplace's messages say by SKU; of the `only` feed and operation."""
    found: dict[str, Any] = {}
    for feed, operation, payload in result.plan.messages.read()[["feed", "operation", "payload"]].itertuples(index=False):
        if not only or only == (feed, operation):
            found |= orjson.loads(payload)
    return found


def changes(result: PlanResult) -> dict[str, list[str]]:
    frame = result.changes.open().read()
    return {sku: list(kinds) for sku, kinds in zip(frame["sku"], frame["changes"], strict=True)}


def change(result: PlanResult, sku: str) -> dict[str, Any]:
    frame = result.changes.open().read()
    row = frame[frame["sku"] == sku].iloc[0]
    return {name: None if value is pd.NA else value for name, value in row.items()}


def counts(result: PlanResult) -> dict[str, int]:
    found: dict[str, int] = {kind: number for kind, number in result.plan.counts["changes"].items() if number}
    return found
