"""One import: a source's batches into the staged tables of the catalog, with control totals. Nothing becomes visible here."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from pipeline.catalog.schema import SCHEMAS
from pipeline.catalog.source import Progress, RawImport, Scattered, Source
from pipeline.catalog.stock import Stock
from pipeline.model.errors import BadInputError, PipelineError
from pipeline.platform.tables import StagedTable, writers

#: What a line of a file may turn out to be; together they are all lines.
_LINE_KINDS = (
    "product_lines", "child_lines", "collection_lines", "membership_lines", "other_lines", "stray_lines", "broken_lines",
    "blank_lines",
)  # fmt: skip


@dataclass(frozen=True)
class ImportResult:
    """Staged tables by name, row counts (`products`, `variants`, `inventory`, `collections`, `rejected`), rejected rows by
    kind and by reason, and what else the source counted (lines, dropped characters, unreadable prices ...)."""

    import_id: str
    tables: Mapping[str, StagedTable]
    counts: Mapping[str, int]
    rejected_kinds: Mapping[str, int]
    rejected_reasons: Mapping[str, int]
    source_counts: Mapping[str, int]


def import_catalog(
    source: Source,
    raw: RawImport,
    folder: Path,
    *,
    import_id: str,
    currency: str,
    stock: Stock | None = None,
    progress: Progress = lambda share, message: None,
) -> ImportResult:
    """Parse `raw` into staged tables below `folder`, all five with the same row groups; `stock`, when the raw copy has it
    apart, is laid beside the variants. An incremental raw copy gives only what changed, see `merge`.

    Raises BadInputError when the source cannot be read to its end or should hold products and does not, PipelineError when the
    control totals do not hold: every variant of the source is a row or a rejected row, every line is accounted for.
    """
    with no_collector():
        try:
            result = _write(source, raw, folder, import_id, currency, stock, progress, scattered=False)
        except Scattered:
            result = _write(source, raw, folder, import_id, currency, stock, progress, scattered=True)
    _check_totals(result, raw)
    return result


def _write(
    source: Source,
    raw: RawImport,
    folder: Path,
    import_id: str,
    currency: str,
    stock: Stock | None,
    progress: Progress,
    *,
    scattered: bool,
) -> ImportResult:
    kinds: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    examples: list[str] = []
    with writers(folder, SCHEMAS, {"import_id": import_id}) as open_writers:
        for batch in source.batches(raw, currency=currency, scattered=scattered):
            for name, writer in open_writers.items():
                rows = batch.tables[name]
                # Unknown where the stock was read before a variant was made: not what the variant says of all locations.
                writer.write(stock.rows(rows, missing=None) if stock is not None and name == "inventory" else rows)
            seen.update(batch.counts)
            rejected = batch.tables["rejected_rows"]
            if len(rejected):
                kinds.update(_tally(rejected["kind"]))
                reasons.update(_tally(rejected["reason"]))
                examples.extend(f"line {row['line']}: {row['reason']}" for row in rejected.slice(0, 3).to_pylist())
            products, variants = open_writers["products"].rows, open_writers["variants"].rows
            progress(batch.done, f"{products:,} products, {variants:,} variants read")
    tables = {name: writer.staged for name, writer in open_writers.items()}
    counts = {name: table.rows for name, table in tables.items()}
    counts["rejected"] = counts.pop("rejected_rows")
    if not counts["products"] and "products" in source.tables(raw) and not raw.incremental:
        if counts["rejected"]:
            raise BadInputError(f"no product of {raw.name} can be read: {'; '.join(examples[:3])}")
        if not source.may_be_empty:
            raise BadInputError(f"{raw.name} holds no products: export the products again")
    return ImportResult(import_id, tables, counts, dict(kinds), dict(reasons), dict(seen))


def _tally(column: Any) -> dict[str, int]:
    return {str(item["values"]): int(item["counts"]) for item in pc.value_counts(column).to_pylist()}


def _check_totals(result: ImportResult, raw: RawImport) -> None:
    seen, kinds = result.source_counts, result.rejected_kinds
    variants, lines = result.counts["variants"] + kinds.get("variant", 0), sum(seen.get(kind, 0) for kind in _LINE_KINDS)
    if variants != seen.get("variants_seen", 0) or lines != seen.get("lines", 0):
        raise PipelineError(
            f"{raw.name}: {seen.get('variants_seen', 0)} variants and {seen.get('lines', 0)} lines were read, but {variants} and "
            f"{lines} are accounted for; this is a fault of the importer, keep the file and report it"
        )


@contextmanager
def no_collector() -> Iterator[None]:
    """Millions of small lists make the cycle collector a third of the cost; nothing here makes cycles."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
