"""A source on the loopback PIM, and what an import of it gives."""

from __future__ import annotations

import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from pipeline.catalog.akeneo.source import Akeneo
from pipeline.catalog.importer import import_catalog
from pipeline.catalog.source import FetchJob, Kind, RawImport
from pipeline.model.secret import Secret
from pipeline.platform.http import Patience
from pipeline_tests.catalog.helpers import Imported
from pipeline_tests.fakes.akeneo import CREDENTIALS, FakeAkeneo

SETTINGS: dict[str, Any] = {
    "base_url": "https://pim.example.com",
    "channel": "ecommerce",
    "locale": "en_US",
    "attributes": {"images": ["photo_urls"]},
}


class Address(Protocol):
    """A PIM, whoever runs it."""

    @property
    def url(self) -> str: ...


class Clock:
    """Time that passes only by waiting."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waits: list[float] = []

    def patience(self) -> Patience:
        return Patience(sleep=self.sleep, clock=lambda: self.now, jitter=lambda: 1.0)

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


def source(
    fake: Address, *, clock: Clock | None = None, currency: str = "USD", secret: str | None = None, **settings: Any
) -> Akeneo:
    credentials = {**CREDENTIALS, **({"client_secret": secret} if secret else {})}
    return Akeneo(
        {**SETTINGS, **settings},
        {name: Secret(value) for name, value in credentials.items()},
        currency=currency,
        url=fake.url,
        patience=(clock or Clock()).patience(),
    )


def copy(
    fake: FakeAkeneo, folder: Path, *, kind: Kind = "all", since: datetime | None = None, reconcile: bool = False,
    base: Path | None = None, **settings: Any,
) -> RawImport:  # fmt: skip
    return source(fake, **settings).fetch(folder, FetchJob(kind, since=since, reconcile=reconcile, base_folder=base))


def tables(raw: RawImport, fake: Address, **settings: Any) -> Imported:
    currency = settings.get("currency", "USD")
    with tempfile.TemporaryDirectory() as name:
        result = import_catalog(source(fake, **settings), raw, Path(name), import_id="i1", currency=currency)
        names = ("products", "variants", "inventory", "collections", "rejected_rows")
        return Imported(result, *(result.tables[key].open().read() for key in names))


def imported(fake: FakeAkeneo, folder: Path, **settings: Any) -> Imported:
    return tables(copy(fake, folder, **settings), fake, **settings)


def comparable(found: Imported) -> list[pd.DataFrame]:
    """The tables without what only the order of the source's lines decides."""
    keys = {"products": "product_id", "variants": "variant_id", "inventory": "variant_id", "collections": "collection_id"}
    frames = []
    for name, key in keys.items():
        frame = getattr(found, name).drop(columns=["line"], errors="ignore").sort_values(key, ignore_index=True)
        if name == "collections":
            frame = frame.assign(product_ids=[sorted(ids) for ids in frame["product_ids"]])
        frames.append(frame)
    return frames
