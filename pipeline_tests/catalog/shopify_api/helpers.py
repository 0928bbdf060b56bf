"""Importing a fake shop without Dagster: fetch, normalize, and the tables as comparable rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from uuid import uuid4

from pipeline.catalog.importer import ImportResult
from pipeline.catalog.imports import Import
from pipeline.catalog.normalize import normalize
from pipeline.catalog.shopify_api.source import ShopifyApi
from pipeline.catalog.source import FetchJob, FetchState, Kind, RawImport
from pipeline.model.secret import Secret
from pipeline.platform.http import Patience
from pipeline.platform.tables import Table
from pipeline_tests.fakes.shopify import TOKEN, FakeShopify


def nothing(seconds: float) -> None:
    """Instead of sleeping."""


class Clock:
    """Moves only by sleeping, so that patience ends without waiting."""

    def __init__(self) -> None:
        self.now, self.slept = 0.0, list[float]()

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def patience(self, **changes: Any) -> Patience:
        return Patience(sleep=self.sleep, clock=lambda: self.now, jitter=lambda: 1.0, **changes)


def source_of(shop: FakeShopify, **changes: Any) -> ShopifyApi:
    given: dict[str, Any] = {"currency": shop.data.currency, "version": "2026-10", "url": shop.url}
    given |= {"credentials": {"access_token": Secret(TOKEN)}, "patience": Clock().patience(), **changes}
    return ShopifyApi("my-shop", shop.domain, **given)


@dataclass
class Imports:
    """One store's imports after one another, as the assets make them."""

    shop: FakeShopify
    folder: Path
    settings: Mapping[str, Any] = field(default_factory=dict)
    tables: dict[str, Table] = field(default_factory=dict)
    results: list[ImportResult] = field(default_factory=list)
    raws: list[RawImport] = field(default_factory=list)

    def run(
        self,
        kind: Kind = "all",
        *,
        since: datetime | None = None,
        reconcile: bool = False,
        state: FetchState | None = None,
    ) -> ImportResult:
        source = source_of(self.shop, **self.settings)
        number = f"i{len(self.results) + 1:03}"
        folder = self.folder / number
        folder.mkdir(parents=True, exist_ok=True)
        job = FetchJob(kind, since, reconcile, state if state is not None else FetchState())
        raw = source.fetch(folder / "raw", job)
        base = self.tables["variants"].metadata["import_id"] if since or kind == "inventory" else None
        result, raw = normalize(
            source, raw, folder, found=ledger(number, kind, since, base), currency=self.shop.data.currency, stored=self.tables,
            progress=lambda share, message: None,
        )  # fmt: skip
        for name in source.tables(raw) if kind != "inventory" else {"inventory"}:
            self.tables[name] = result.tables[name].open()
        self.results.append(result)
        self.raws.append(raw)
        return result

    def again(self, kind: Kind = "all", *, reconcile: bool = False) -> ImportResult:
        """An incremental import since the watermark of the last one."""
        watermark = self.raws[-1].watermark
        assert watermark is not None
        return self.run(kind, since=watermark - ShopifyApi.overlap, reconcile=reconcile)

    def rows(self) -> dict[str, list[dict[str, Any]]]:
        return {name: comparable(table) for name, table in self.tables.items()}


def comparable(table: Table) -> list[dict[str, Any]]:
    """Rows without where they stood in the source."""
    return [{name: value for name, value in row.items() if name != "line"} for row in table.arrow().to_pylist()]


def ledger(import_id: str, kind: Kind = "all", since: datetime | None = None, base: str | None = None) -> Import:
    """The ledger's row of a running import."""
    now = datetime.now(timezone.utc)
    return Import(
        id=import_id, store_id=uuid4(), kind=kind, status="running", source="shopify", source_name=None, raw_location=None,
        raw_sha256=None, raw_bytes=None, counts={}, error=None, quality_passed=None, quality_reason=None, started_at=now,
        finished_at=None, run_id="r", source_state={}, settings_hash=None,
        since=since, base_import_id=base, watermark=None, reconciled=False,
    )  # fmt: skip
