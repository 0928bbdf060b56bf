"""The source `shopify`: which questions an import asks the shop, and which raw file each answer becomes.

Raw files by role: `products` (all, or those that changed), `collections` with their members, `inventory`, `deleted` and `ids`.
They are what bulk operations give, unchanged and ungrouped; small changes are read in pages and written as the same records.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from pipeline.catalog.builder import Builder
from pipeline.catalog.shopify_api import queries
from pipeline.catalog.shopify_api.bulk import Bulk, Query
from pipeline.catalog.shopify_api.changes import Pages
from pipeline.catalog.shopify_api.client import Shop
from pipeline.catalog.shopify_api.health import currency_problem, missing_options, problems
from pipeline.catalog.shopify_api.levels import stock_rows
from pipeline.catalog.shopify_file import jsonl_batches, read_collections
from pipeline.catalog.shopify_jsonl import Collections
from pipeline.catalog.source import (
    CatalogBatch,
    FetchJob,
    Identities,
    LiveSource,
    Newest,
    Progress,
    RawFile,
    RawImport,
    store_raw,
)
from pipeline.model.errors import PipelineError
from pipeline.model.secret import Secret
from pipeline.platform.http import Patience

#: How long to try again when Shopify fails; tests make it short.
PATIENCE = Patience()
#: Up to so many changed products are read in pages, which is quicker than a bulk operation.
PAGED_PRODUCTS = 250
_TABLES = {
    "products": ("products", "variants", "inventory", "rejected_rows"),
    "collections": ("collections",),
    "inventory": ("inventory",),
}


class ShopifyApi(LiveSource):
    """The shop of a store. `url` is another base URL than the shop's, on this machine, for tests."""

    name = "shopify"
    overlap = timedelta(minutes=5)

    def __init__(
        self,
        store: str,
        domain: str,
        credentials: Mapping[str, Secret],
        *,
        currency: str,
        version: str,
        location_ids: Collection[str] | None = None,
        url: str | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._store, self._domain, self._credentials = store, domain, credentials
        self._currency, self._version = currency, version
        self._locations, self._url, self._patience = location_ids, url, patience or PATIENCE

    def fetch(self, folder: Path, job: FetchJob) -> RawImport:
        if job.kind not in ("all", *_TABLES):
            raise PipelineError(f"a shop of Shopify has no {job.kind} to import; import products, collections or inventory")
        folder.mkdir(parents=True, exist_ok=True)
        with_products = job.kind in ("all", "products")
        watch = _Watch(job.progress)
        job = replace(job, progress=watch)
        with self._shop(watch) as shop:
            begin = self._begin(shop, job)
            since = None if job.since is None else _utc(job.since)
            paged = since is not None and begin["changed"] <= PAGED_PRODUCTS
            wanted: dict[str, Query] = {}
            if with_products and not paged:
                wanted["products"] = lambda name: queries.bulk_products(name, since)
            if job.kind in ("all", "collections"):
                wanted["collections"] = queries.bulk_collections
            if job.kind in ("all", "inventory") or (with_products and not paged):
                wanted["inventory"] = queries.bulk_inventory
            if job.reconcile:
                wanted["ids"] = queries.bulk_product_ids
            pages = Pages(shop)
            files: dict[str, RawFile] = {}
            if with_products and since is not None:
                files["deleted"] = self._write(folder, "deleted", pages.deleted(since))
                if paged:
                    files["products"] = self._write(folder, "products", pages.products(since))
                    if job.kind == "products":
                        files["inventory"] = self._write(folder, "inventory", pages.stock(pages.variants))
            expected = begin["changed"] if since is not None else begin["products"]
            files |= Bulk(shop, folder, job, expected=expected).fetch(wanted)
            order = ("products", "collections", "inventory", "deleted", "ids")
            return RawImport(
                tuple(files[role] for role in order if role in files),
                watermark=_time(begin["updated_at"]) if with_products and begin["updated_at"] else None,
                incremental=since is not None,
                reconciled=with_products and (since is None or "ids" in files),
                notes=tuple(shop.notes),
            )

    def batches(self, raw: RawImport, *, currency: str, scattered: bool = False) -> Iterator[CatalogBatch]:
        collections, builder = Collections(), Builder(currency)
        members = raw.file("collections")
        if members is not None and members.bytes:
            read_collections(members, builder, collections)
        products = raw.file("products")
        if products is None:
            yield builder.take(1.0, collections.rows())
        else:
            yield from jsonl_batches(products, builder, collections, scattered=True)

    def tables(self, raw: RawImport) -> frozenset[str]:
        return frozenset(table for file in raw.files for table in _TABLES.get(file.role, ()))

    def stock(self, raw: RawImport) -> Iterator[pa.Table] | None:
        file = raw.file("inventory")
        return None if file is None else stock_rows(file, self._locations)

    def identities(self, raw: RawImport) -> Identities:
        deleted, ids = raw.file("deleted"), raw.file("ids")
        gone = pa.array([], pa.string()) if deleted is None else _keys(deleted)
        return Identities(gone, None if ids is None else _keys(ids))

    def newest_change(self) -> Newest:
        with self._shop() as shop:
            found = self._newest(shop, None)
        return Newest(_time(found["updated_at"]) if found["updated_at"] else None, found["products"])

    def check(self) -> list[str]:
        with self._shop() as shop:
            return problems(shop, currency=self._currency, location_ids=self._locations)

    def missing_options(self) -> list[str]:
        with self._shop() as shop:
            return missing_options(shop)

    def _shop(self, watch: _Watch | None = None) -> Shop:
        patience = self._patience if watch is None else watch.over(self._patience)
        return Shop(self._store, self._domain, self._version, self._credentials, patience=patience, url=self._url)

    def _begin(self, shop: Shop, job: FetchJob) -> dict[str, Any]:
        """The newest change before anything is read: whatever comes later belongs to the next import. Kept over a death."""
        found: dict[str, Any] | None = job.state.get("begin")
        if found is None:
            found = job.state["begin"] = self._newest(shop, job.since)
            job.state.save()
        return found

    def _newest(self, shop: Shop, since: datetime | None) -> dict[str, Any]:
        search = f"updated_at:>='{_utc(since or datetime.now(timezone.utc))}'"
        data = shop.ask(queries.NEWEST, {"query": search})
        problem = currency_problem(self._store, data["shop"]["currencyCode"], self._currency)
        if problem is not None:
            raise PipelineError(problem)
        newest = next(iter(data["products"]["nodes"]), None)
        changed = data["changed"]
        return {
            "updated_at": newest and newest["updatedAt"],
            "products": data["productsCount"]["count"],
            # Beyond its limit a count is only a lower bound.
            "changed": changed["count"] if changed["precision"] == "EXACT" else max(changed["count"], PAGED_PRODUCTS + 1),
        }

    def _write(self, folder: Path, role: str, lines: Iterator[bytes]) -> RawFile:
        return store_raw(lines, folder, role, f"{role} of {self._domain}", may_be_empty=True)


class _Watch:
    """Progress that is told again while we wait, so that a canceled run ends within a second (it raises then)."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._last = (0.0, "asking Shopify")

    def __call__(self, share: float, message: str) -> None:
        self._last = (share, message)
        self._progress(share, message)

    def over(self, patience: Patience) -> Patience:
        """The same patience, whose waits are watched."""

        def sleep(seconds: float) -> None:
            while seconds > 0:
                self._progress(*self._last)
                patience.sleep(min(1.0, seconds))
                seconds -= 1.0

        return replace(patience, sleep=sleep)


def _keys(file: RawFile) -> pa.Array:
    """Numbers of the ids in a file of ids."""
    with file.open() as stream:
        lines = stream.read().splitlines() if file.bytes else ()
    return pa.array([orjson.loads(line)["id"].rpartition("/")[2] for line in lines], pa.string())


def _utc(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
