"""The source `akeneo` as the catalog stage sees it: fetch a copy, make batches of it, watch it, check it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa

from pipeline.catalog.akeneo.batches import catalog_batches, member_batches, read_records
from pipeline.catalog.akeneo.checks import find_problems
from pipeline.catalog.akeneo.client import Client
from pipeline.catalog.akeneo.fetch import fetch
from pipeline.catalog.akeneo.reader import MODELS, PRODUCTS, Reader, changed_at, search
from pipeline.catalog.akeneo.roles import read_roles
from pipeline.catalog.akeneo.rows import Mapper
from pipeline.catalog.akeneo.structure import Structure, read_structure
from pipeline.catalog.akeneo.tables import attributes_table, families_table
from pipeline.catalog.builder import Builder
from pipeline.catalog.schema import SCHEMAS
from pipeline.catalog.source import CatalogBatch, FetchJob, LiveSource, Newest, Progress, RawImport
from pipeline.model.secret import Secret
from pipeline.platform.http import Patience, Service

_PRODUCTS = ("products", "product_models", "members", "member_models")


class Akeneo(LiveSource):
    """One PIM, seen through one channel and locale. `settings` are those of the store's source, `url` is another base URL than
    theirs, on this machine, for tests."""

    name = "akeneo"
    overlap = timedelta(hours=1)

    def __init__(
        self,
        settings: Mapping[str, Any],
        credentials: Mapping[str, Secret],
        *,
        currency: str,
        url: str | None = None,
        patience: Patience | None = None,
    ) -> None:
        self.channel, self.locale = str(settings["channel"]), str(settings["locale"])
        self._roles: Mapping[str, Any] = settings.get("attributes") or {}
        self._base_url = url or str(settings["base_url"])
        self._credentials, self._currency, self._patience = credentials, currency, patience

    def fetch(self, folder: Path, job: FetchJob) -> RawImport:
        with self._service(job.progress) as service:
            return fetch(self._reader(service, job), folder, job)

    def batches(self, raw: RawImport, *, currency: str, scattered: bool = False) -> Iterator[CatalogBatch]:
        files = {file.role: file for file in raw.files}
        structure = self._structure(raw)
        if "products" not in files:
            return member_batches(files, structure, Builder(currency))
        mapper = Mapper(structure, read_roles(self._roles, structure), currency=currency, own_host=self._host)
        return catalog_batches(files, mapper, Builder(currency))

    def tables(self, raw: RawImport) -> frozenset[str]:
        if raw.file("products") is not None:
            return frozenset(SCHEMAS)
        return frozenset({"collections"} if raw.file("members") is not None else ())

    def structure(self, raw: RawImport) -> Mapping[str, pa.Table]:
        structure = self._structure(raw)
        found = {}
        if raw.file("attributes") is not None:
            found["attributes"] = attributes_table(structure, read_roles(self._roles, structure))
        if raw.file("families") is not None:
            found["families"] = families_table(structure)
        return found

    def newest_change(self) -> Newest:
        """Akeneo cannot sort by time: of what changed after the newest change so far a page is read, until nothing did.

        Pages come by uuid, so each one leaves about a hundredth of what was left: three calls for 100,000 products.
        """
        with self._service() as service:
            reader = self._reader(service, FetchJob())
            newest = None
            for path in (PRODUCTS, MODELS):
                params = dict(reader.slim)
                while page := next(reader.client.pages(path, params, search_after=True), []):
                    times = [found for found in map(changed_at, page) if found is not None]
                    newest = max([*times, newest] if newest else times, default=None)
                    if newest is None or len(page) < 100:
                        break
                    params |= search("updated", ">", newest.strftime("%Y-%m-%d %H:%M:%S"))
            return Newest(newest, reader.count(reader.scope))

    def check(self) -> list[str]:
        with self._service() as service:
            return find_problems(Client(service, self._credentials), self.channel, self.locale, self._currency, self._roles)

    def _structure(self, raw: RawImport) -> Structure:
        """What describes products, as this channel and locale see it."""
        files = {file.role: read_records(file) for file in raw.files if file.role not in _PRODUCTS}
        return read_structure(files, self.channel, self.locale)

    @property
    def _host(self) -> str:
        return urlsplit(self._base_url).hostname or ""

    def _service(self, progress: Progress | None = None) -> Service:
        patience = self._patience or Patience()
        return Service("akeneo", self._base_url, patience=patience if progress is None else _watched(patience, progress))

    def _reader(self, service: Service, job: FetchJob) -> Reader:
        return Reader(Client(service, self._credentials), self.channel, job.progress)


def _watched(patience: Patience, progress: Progress) -> Patience:
    """The same patience, but the thread that tells progress does so in its waits, so that a canceled run ends within a second."""
    teller = threading.get_ident()

    def sleep(seconds: float) -> None:
        while seconds > 0:
            if threading.get_ident() == teller:
                progress(0.0, "waiting for the PIM, which is busy or cannot be reached")
            patience.sleep(min(1.0, seconds))
            seconds -= 1.0

    return replace(patience, sleep=sleep)
