"""What one measured process does: `python -m pipeline_tests.benchmarks.stages STAGE PATH...` prints the cost of the call as JSON.

Modules are imported before the clock starts, as for U, which is a bare loop.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import orjson

Call = Callable[[], object]


def unit(catalog: Path) -> Call:
    """The unit of all goals: parse every line, keep nothing."""
    loads = orjson.loads

    def call() -> None:
        with catalog.open("rb") as lines:
            for line in lines:
                loads(line)

    return call


def import_(catalog: Path, folder: Path) -> Call:
    """Raw copy, parsing, tables."""
    from pipeline.catalog.importer import import_catalog
    from pipeline.catalog.shopify_file import ShopifyFile

    source = ShopifyFile(catalog)
    return lambda: import_catalog(source, source.fetch(folder / "raw"), folder, import_id="bench", currency="USD")


def join(catalog: Path, folder: Path) -> Call:
    """Raw copy to products with their children, decoded and joined; no rows are made of them."""
    from pipeline.catalog.builder import Builder
    from pipeline.catalog.importer import no_collector
    from pipeline.catalog.jsonl_lines import Lines
    from pipeline.catalog.shopify_jsonl import Assembler, Collections
    from pipeline.catalog.shopify_scattered import Regrouped
    from pipeline.catalog.source import copy_raw

    class Joined(Assembler):
        def flush(self) -> None:
            if self._product is not None:
                self._builder.counts["joined"] += 1 + self._product.children
                self._product = None

    raw, builder = copy_raw(catalog, folder / "raw", "products"), Builder("USD")
    lines = Lines(raw)

    def call() -> None:
        ordered = Regrouped(lines, folder, raw.name)
        joined = Joined(builder, Collections(), ordered, raw.name, scattered=True)
        with no_collector():
            for _ in joined.run(ordered):
                pass
        joined.flush()
        if builder.counts["joined"] != lines.total:
            raise SystemExit(f"{builder.counts['joined']} of {lines.total} lines were joined")

    return call


def live(address: Path, folder: Path) -> Call:
    """A full import of a shop of Shopify that listens at a port of this machine: bulk operations, download, tables."""
    from pipeline.catalog.normalize import normalize
    from pipeline.catalog.shopify_api.source import ShopifyApi
    from pipeline.catalog.source import FetchJob
    from pipeline.model.secret import Secret
    from pipeline.platform.http import Patience
    from pipeline_tests.catalog.shopify_api.helpers import ledger
    from pipeline_tests.fakes.shopify import TOKEN

    source = ShopifyApi(
        "shop", "fake.myshopify.com", {"access_token": Secret(TOKEN)}, currency="USD", version="2026-10",
        url=f"http://127.0.0.1:{address}", patience=Patience(sleep=lambda seconds: None),
    )  # fmt: skip

    def call() -> None:
        raw = source.fetch(folder / "raw", FetchJob())
        normalize(
            source, raw, folder, found=ledger("live"), currency="USD", stored={}, progress=lambda share, message: None
        )  # fmt: skip

    return call


def quality(folder: Path) -> Call:
    """Fixes, rules, scores of the tables that `import_` left in `folder`."""
    import ftfy  # noqa: F401
    import nh3  # noqa: F401
    import pandas as pd

    from pipeline.platform.tables import Table
    from pipeline.quality.engine import _pandera
    from pipeline.quality.stage import run_quality

    products, variants = (Table(folder / f"{name}.parquet") for name in ("products", "variants"))
    target = folder / "quality"
    target.mkdir()
    _pandera().DataFrameSchema().validate(pd.DataFrame())  # pandera imports a part of itself with the first table
    return lambda: run_quality(products, variants, target, store_key="bench", currency="USD", language="en")


STAGES: dict[str, Callable[..., Call]] = {"unit": unit, "import": import_, "join": join, "live": live, "quality": quality}


def measure(call: Call) -> dict[str, float]:
    """CPU (user + system, waited-for children included) and wall seconds of one call."""
    cpu, wall = _cpu(), time.monotonic()
    call()
    return {"cpu": _cpu() - cpu, "wall": time.monotonic() - wall}


def _cpu() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


if __name__ == "__main__":
    stage, *paths = sys.argv[1:]
    sys.stdout.buffer.write(orjson.dumps(measure(STAGES[stage](*map(Path, paths)))))
