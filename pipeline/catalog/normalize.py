"""From a raw copy to the tables of the catalog: all of it, what changed laid over the tables before, or stock alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from pipeline.catalog.importer import ImportResult, import_catalog
from pipeline.catalog.imports import Import
from pipeline.catalog.merge import merge_catalog, merge_inventory
from pipeline.catalog.source import Progress, RawImport, Source
from pipeline.catalog.stock import Stock
from pipeline.model.errors import PipelineError
from pipeline.platform.tables import Table

#: A catalog that loses a larger share of its products at once is more often a broken export than a decision.
MAX_SHRINK = 0.2
#: The tables that an incremental import is laid over.
BASE_TABLES = ("products", "variants", "inventory", "rejected_rows")


def normalize(
    source: Source,
    raw: RawImport,
    folder: Path,
    *,
    found: Import,
    currency: str,
    stored: Mapping[str, Table],
    progress: Progress,
) -> tuple[ImportResult, RawImport]:
    """The staged tables of an import, and the raw copy with its watermark taken away if something is missing.

    `stored` are the store's present tables, those that are there. Raises PipelineError when they are not those that the import
    builds on.
    """
    if found.kind == "inventory":
        return _inventory(source, raw, folder, found=found, currency=currency, stored=stored), raw
    rows = source.stock(raw)
    stock = None if rows is None else Stock(rows)
    if not raw.incremental:
        result = import_catalog(
            source, raw, folder, import_id=found.id, currency=currency, stock=stock, progress=progress
        )  # fmt: skip
        return result, raw
    previous = {name: _of_base(stored, name, found) for name in BASE_TABLES}
    delta_folder = folder / "delta"
    delta_folder.mkdir()
    delta = import_catalog(source, raw, delta_folder, import_id=found.id, currency=currency, stock=stock)
    # An import of products alone has read the stock of what changed; one of all has read all stock.
    whole = stock if found.kind == "all" else None
    result, missing = merge_catalog(previous, delta, source.identities(raw), folder, stock=whole, progress=progress)
    if missing:
        note = f"{missing} products of the source were not among the changes; the next import reads everything"
        raw = replace(raw, watermark=None, notes=(*raw.notes, note))
    return result, raw


def _inventory(
    source: Source, raw: RawImport, folder: Path, *, found: Import, currency: str, stored: Mapping[str, Table]
) -> ImportResult:
    variants = stored.get("variants")
    if variants is None or variants.metadata.get("import_id") != found.base_import_id:
        raise PipelineError("the products were imported again in between; import the inventory again")
    rows = source.stock(raw)
    if rows is None:  # a source that is a whole file
        rows = (batch.tables["inventory"] for batch in source.batches(raw, currency=currency, scattered=True))
    stock = Stock(rows)
    staged = merge_inventory(variants, stored.get("inventory"), stock, folder, import_id=found.id)
    return ImportResult(found.id, {"inventory": staged}, {"inventory": staged.rows}, {}, {}, {"variants_with_stock": len(stock)})


def _of_base(stored: Mapping[str, Table], name: str, found: Import) -> Table:
    """A table that the import builds on; its own are as good, since an import that died may have written some."""
    table = stored.get(name)
    if table is None or table.metadata.get("import_id") not in (found.base_import_id, found.id):
        raise PipelineError(f"{name} is not of the import that this one adds to; import everything (--full)")
    return table


def shrink_problem(before: int | None, after: int) -> str | None:
    """Why a catalog of `after` products may not take the place of one of `before`; null when it may, or there was none."""
    if before and after < before * (1 - MAX_SHRINK):
        return (
            f"the catalog shrank from {before} to {after} products; check the source and import again, "
            "or, if that is right, import with --accept-shrink"
        )
    return None
