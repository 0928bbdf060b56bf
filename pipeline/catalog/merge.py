"""Incremental imports: what changed, put into the tables of the import before, batch by batch. Tables stay whole.

The result is what a full import would have given: products that did not change in their order, then those that did, as they
stand in the source by time of change. Only `line` differs: it says where a row stood in the import that brought it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.catalog.importer import ImportResult
from pipeline.catalog.schema import INVENTORY, SCHEMAS
from pipeline.catalog.source import Identities, Progress
from pipeline.catalog.stock import Stock
from pipeline.model.errors import PipelineError
from pipeline.platform.tables import BATCH_PRODUCTS, BATCH_VARIANTS, StagedTable, Table, TableWriter, writers

#: Name in the metadata of an inventory table: the import that its stock is of. Its `import_id` is that of its variants.
STOCK_IMPORT = "stock_import_id"
#: Tables whose row groups hold the same products.
_ALIGNED = ("products", "variants", "inventory")
_MERGED = (*_ALIGNED, "rejected_rows")


def merge_catalog(
    previous: Mapping[str, Table],
    delta: ImportResult,
    identities: Identities,
    folder: Path,
    *,
    stock: Stock | None = None,
    progress: Progress = lambda share, message: None,
) -> tuple[ImportResult, int]:
    """`delta` laid over the tables that were there before, as staged tables below `folder`; and how many products are missing.

    Products of the delta and deleted ones leave the previous tables, then the delta's come at the end. `stock`, when given,
    is that of every variant and replaces the previous rows. Missing are products that exist by `identities` but are in
    neither, nor rejected. The previous tables may be those of the delta itself, in whole or in part: a merge that died is
    repeated so.

    Raises PipelineError when the previous tables do not hold the same products in the same order.
    """
    gone = _gone(previous["products"], delta, identities)
    with writers(folder, {name: SCHEMAS[name] for name in _MERGED}, {"import_id": delta.import_id}) as out:
        batches = _Batches(out)
        for share, kept in _kept(previous, gone):
            if stock is not None:
                kept["inventory"] = stock.rows(kept["inventory"], missing=0)
            batches.add(kept)
            progress(share, f"{out['products'].rows:,} products put together")
        added = {name: delta.tables[name].open() for name in _ALIGNED}
        for index in range(added["products"].batches):
            batches.add({name: table.arrow_batch(index) for name, table in added.items()})
        batches.flush()
        _write_rejected(previous["rejected_rows"], delta, gone, out["rejected_rows"])
    tables = {**delta.tables, **{name: writer.staged for name, writer in out.items()}}
    counts = {**delta.counts, **{name: tables[name].rows for name in _ALIGNED}, "rejected": tables["rejected_rows"].rows}
    merged = {name: tables[name].open() for name in ("products", "rejected_rows")}
    return replace(delta, tables=tables, counts=counts), _missing(merged["products"], merged["rejected_rows"], gone, identities)


def merge_inventory(variants: Table, inventory: Table | None, stock: Stock, folder: Path, *, import_id: str) -> StagedTable:
    """The stock of an import of inventory alone, for the variants that are there; nothing else changes.

    The table keeps the `import_id` of its variants, since its rows are rows of that import; `STOCK_IMPORT` says whose stock it
    is. A variant that the source no longer has is out of stock.
    """
    base = variants.metadata["import_id"]
    fitting = inventory is not None and inventory.metadata.get("import_id") == base and inventory.batches == variants.batches
    with TableWriter(folder, "inventory", INVENTORY, {"import_id": base, STOCK_IMPORT: import_id}) as writer:
        for index in range(variants.batches):
            if inventory is not None and fitting:
                known = inventory.arrow_batch(index)
            else:  # the import of these variants died before its stock was there
                known = _unknown(variants.arrow_batch(index, ["variant_id", "product_id"]))
            writer.write(stock.rows(known, missing=0))
    return writer.staged


def _unknown(variants: pa.Table) -> pa.Table:
    there = {"variant_id": variants["variant_id"], "product_id": variants["product_id"]}
    columns = [there.get(field.name, pa.nulls(len(variants), field.type)) for field in INVENTORY]
    return pa.Table.from_arrays(columns, schema=INVENTORY)


def _gone(products: Table, delta: ImportResult, identities: Identities) -> pa.ChunkedArray:
    """Ids that leave the previous tables: changed, changed and now rejected, deleted, not listed any more."""
    changed = delta.tables["products"].open().arrow(["product_id"])["product_id"]
    chunks = [*changed.chunks, *_rejected(delta.tables["rejected_rows"].open()).chunks, identities.deleted]
    if identities.present is not None:
        ids = products.arrow(["product_id"])["product_id"]
        chunks += ids.filter(pc.invert(pc.is_in(ids, value_set=identities.present))).chunks
    return pa.chunked_array(chunks, pa.string())


def _rejected(rows: Table) -> pa.ChunkedArray:
    """Ids of rejected products."""
    found = rows.arrow(["kind", "key"])
    return found.filter(pc.equal(found["kind"], "product"))["key"]


def _missing(products: Table, rejected_rows: Table, gone: pa.ChunkedArray, identities: Identities) -> int:
    """How many ids the source lists that are not in the merged tables, as products or rejected, nor among what changed."""
    if identities.present is None:
        return 0
    ids = products.arrow(["product_id"])["product_id"]
    there = pa.chunked_array([*ids.chunks, *gone.chunks, *_rejected(rejected_rows).chunks], pa.string())
    return len(identities.present) - int(pc.sum(pc.is_in(identities.present, value_set=there), min_count=0).as_py())


def _kept(previous: Mapping[str, Table], gone: pa.ChunkedArray) -> Iterator[tuple[float, dict[str, pa.Table]]]:
    """Share done and the rows that stay, product-aligned, whatever the row groups of each table are."""
    products = previous["products"]
    followers = {name: _Follower(previous[name], SCHEMAS[name], gone) for name in _ALIGNED[1:]}
    for index in range(products.batches):
        kept = _without(products.arrow_batch(index), gone)
        yield index / products.batches, {"products": kept, **{n: f.take(kept["product_id"]) for n, f in followers.items()}}
    left = [name for name, follower in followers.items() if follower.left()]
    if left:
        raise PipelineError(f"{' and '.join(left)} and products do not belong together; import everything (--full)")


class _Follower:
    """Rows of variants or stock, in the order of the products, taken for some products at a time."""

    def __init__(self, table: Table, schema: pa.Schema, gone: pa.ChunkedArray) -> None:
        self._groups = (_without(table.arrow_batch(index), gone) for index in range(table.batches))
        self._rows = schema.empty_table()

    def take(self, product_ids: pa.ChunkedArray) -> pa.Table:
        parts = []
        while True:
            end = pc.index(pc.is_in(self._rows["product_id"], value_set=product_ids), False).as_py()
            if end >= 0:
                parts.append(self._rows.slice(0, end))
                self._rows = self._rows.slice(end)
                return pa.concat_tables(parts)
            parts.append(self._rows)
            self._rows = next(self._groups, self._rows.slice(0, 0))
            if not len(self._rows) and not self._more():
                return pa.concat_tables(parts)

    def _more(self) -> bool:
        """Go on to the next rows; whether there are any."""
        for rows in self._groups:
            if len(rows):
                self._rows = rows
                return True
        return False

    def left(self) -> bool:
        """Whether rows remain after the last product."""
        return len(self._rows) > 0 or self._more()


class _Batches:
    """Collects aligned rows and writes them as row groups that are within bounds and, two neighbors together, beyond them:
    small changes, again and again, do not leave small row groups."""

    def __init__(self, out: Mapping[str, TableWriter]) -> None:
        self._out = out
        self._waiting: list[Mapping[str, pa.Table]] = []
        self._sizes = [0, 0]

    def add(self, tables: Mapping[str, pa.Table]) -> None:
        sizes = [len(tables["products"]), len(tables["variants"])]
        if self._sizes[0] + sizes[0] > BATCH_PRODUCTS or self._sizes[1] + sizes[1] > BATCH_VARIANTS:
            self.flush()
        if sizes[0]:
            self._waiting.append(tables)
            self._sizes = [self._sizes[0] + sizes[0], self._sizes[1] + sizes[1]]

    def flush(self) -> None:
        if self._waiting:
            for name in _ALIGNED:
                self._out[name].write(pa.concat_tables([tables[name] for tables in self._waiting]))
        self._waiting, self._sizes = [], [0, 0]


def _without(rows: pa.Table, gone: pa.ChunkedArray) -> pa.Table:
    drop = pc.is_in(rows["product_id"], value_set=gone)
    return rows.filter(pc.invert(drop)) if pc.any(drop, min_count=0).as_py() else rows


def _write_rejected(previous: Table, delta: ImportResult, gone: pa.ChunkedArray, out: TableWriter) -> None:
    """Rejected rows of before, but those of products that were read again or are gone, and of variants that now are rows; then
    the delta's. A rejected variant that disappeared from its product stays until the next full import."""
    fresh = delta.tables["rejected_rows"].open()
    again = fresh.arrow(["kind", "key"])
    again = again.filter(pc.equal(again["kind"], "variant"))["key"]
    variants = pa.chunked_array([*delta.tables["variants"].open().arrow(["variant_id"])["variant_id"].chunks, *again.chunks])
    for index in range(previous.batches):
        rows = previous.arrow_batch(index)
        old = pc.or_(
            pc.and_(pc.equal(rows["kind"], "product"), pc.is_in(rows["key"], value_set=gone)),
            pc.and_(pc.equal(rows["kind"], "variant"), pc.is_in(rows["key"], value_set=variants)),
        )
        rows = rows.filter(pc.invert(old))
        if len(rows):
            out.write(rows)
    for index in range(fresh.batches):
        if len(rows := fresh.arrow_batch(index)):
            out.write(rows)
