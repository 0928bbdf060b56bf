"""Stored tables of frames: Parquet files with an enforced schema, written and read in product-aligned batches.

A batch is one row group. Tables that are written in lockstep (products and variants, fixed or not) have the same
number of row groups, and row group i of each holds the same products; `aligned` relies on that. What a table is about
belongs to the stages; here are only reading and writing.
"""

from __future__ import annotations

import json
import secrets
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from upath import UPath

from pipeline.model.errors import PipelineError

#: Bounds of a batch: enough rows to make vector operations pay, few enough to keep memory flat.
BATCH_PRODUCTS = 5_000
BATCH_VARIANTS = 20_000

_META_KEY = b"pipeline"
#: Name in a table's metadata of what only the tables that one run wrote together share.
TOGETHER = "written_together"
_PANDAS_TYPES: dict[pa.DataType, object] = {
    pa.string(): pd.StringDtype("pyarrow"),
    pa.int64(): pd.Int64Dtype(),
    pa.int32(): pd.Int32Dtype(),
    pa.float64(): pd.Float64Dtype(),
    pa.bool_(): pd.BooleanDtype(),
}


def pandas_type(arrow_type: pa.DataType) -> object:
    """The pandas dtype of a column: nullable types, strings in Arrow, everything else (lists, bytes) as ArrowDtype."""
    return _PANDAS_TYPES.get(arrow_type) or pd.ArrowDtype(arrow_type)


def to_frame(table: pa.Table) -> pd.DataFrame:
    """Arrow to pandas without copying text or lists."""
    frame: pd.DataFrame = table.to_pandas(types_mapper=pandas_type, ignore_metadata=True)
    return frame


def to_arrow(frame: pd.DataFrame, schema: pa.Schema) -> pa.Table:
    """Pandas to Arrow, refusing a frame whose columns are not exactly the schema's."""
    wanted, found = set(schema.names), set(frame.columns)
    if wanted != found:
        raise TypeError(f"columns missing: {sorted(wanted - found)}, unknown: {sorted(found - wanted)}")
    # One thread: the columns are in Arrow already, and a pool for each call costs more than it saves.
    return pa.Table.from_pandas(frame[schema.names], schema=schema, preserve_index=False, nthreads=1)


def empty_frame(schema: pa.Schema) -> pd.DataFrame:
    return to_frame(schema.empty_table())


@dataclass(frozen=True)
class Table:
    """A stored table, read lazily. `columns` restricts every read."""

    path: UPath | Path
    columns: tuple[str, ...] | None = None

    @cached_property
    def _file(self) -> pq.ParquetFile:
        return pq.ParquetFile(self.path.open("rb") if isinstance(self.path, UPath) else str(self.path))

    @property
    def rows(self) -> int:
        return int(self._file.metadata.num_rows)

    @property
    def column_names(self) -> tuple[str, ...]:
        """All columns of the file, whatever `columns` says."""
        return tuple(self._file.schema_arrow.names)

    @property
    def batches(self) -> int:
        return int(self._file.num_row_groups)

    @cached_property
    def metadata(self) -> dict[str, str]:
        """What the writer said of the whole table, e.g. its `import_id`."""
        raw = (self._file.schema_arrow.metadata or {}).get(_META_KEY, b"{}")
        found: dict[str, str] = json.loads(raw)
        return found

    def _selection(self, columns: Sequence[str] | None) -> list[str] | None:
        chosen = columns if columns is not None else self.columns
        return list(chosen) if chosen is not None else None

    def arrow(self, columns: Sequence[str] | None = None) -> pa.Table:
        return self._file.read(columns=self._selection(columns))

    def read(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        return to_frame(self.arrow(columns))

    def arrow_batch(self, index: int, columns: Sequence[str] | None = None) -> pa.Table:
        return self._file.read_row_group(index, columns=self._selection(columns))

    def batch(self, index: int, columns: Sequence[str] | None = None) -> pd.DataFrame:
        return to_frame(self.arrow_batch(index, columns))

    def iter_batches(self, columns: Sequence[str] | None = None) -> Iterator[pd.DataFrame]:
        for index in range(self.batches):
            yield self.batch(index, columns)


@dataclass(frozen=True)
class MissingTable(Table):
    """A table that is not there; whoever reads it gets the message, whoever does not need it is not bothered."""

    path: UPath | Path = Path()
    message: str = ""

    @cached_property
    def _file(self) -> pq.ParquetFile:
        raise PipelineError(self.message)


def aligned(*tables: Table) -> Iterator[tuple[pd.DataFrame, ...]]:
    """Batches of tables that were written in lockstep; refuses tables that cannot have been."""
    counts = {table.batches for table in tables}
    if len(counts) > 1:
        raise PipelineError("these tables were not written together; materialize the stage before again")
    for index in range(counts.pop() if counts else 0):
        yield tuple(table.batch(index) for table in tables)


@dataclass(frozen=True)
class StagedTable:
    """A finished Parquet file in a scratch folder, waiting for the IO manager to move it into place."""

    path: Path
    rows: int
    metadata: Mapping[str, str]

    def open(self) -> Table:
        return Table(self.path)


class TableWriter:
    """Writes one table batch by batch; a context manager whose `staged` is there after a clean exit."""

    def __init__(self, folder: Path, name: str, schema: pa.Schema, metadata: Mapping[str, str]) -> None:
        self.path = folder / f"{name}.parquet"
        self.schema = schema
        self.metadata = dict(metadata)
        self.rows = 0
        meta = {_META_KEY: json.dumps(self.metadata, sort_keys=True).encode()}
        # zstd alone packs these tables as well as dictionaries before it do, and faster; nobody reads the statistics.
        self._writer = pq.ParquetWriter(
            self.path, schema.with_metadata(meta), compression="zstd", use_dictionary=False, write_statistics=False
        )
        self._closed = False

    def write(self, batch: pd.DataFrame | pa.Table) -> None:
        """Append one row group (also an empty one, so that tables written in lockstep stay aligned)."""
        table = to_arrow(batch, self.schema) if isinstance(batch, pd.DataFrame) else batch
        self._writer.write_table(
            table.cast(self.schema) if table.schema != self.schema else table, row_group_size=max(1, len(table))
        )
        self.rows += len(table)

    @property
    def staged(self) -> StagedTable:
        if not self._closed:
            raise RuntimeError("the writer is still open")
        return StagedTable(self.path, self.rows, self.metadata)

    def __enter__(self) -> TableWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._writer.close()
        self._closed = True


@contextmanager
def writers(folder: Path, schemas: Mapping[str, pa.Schema], metadata: Mapping[str, str]) -> Iterator[dict[str, TableWriter]]:
    """One open writer for each named schema; all are closed together, and their metadata says that they belong together."""
    metadata = {**metadata, TOGETHER: secrets.token_hex(8)}
    with ExitStack() as stack:
        yield {name: stack.enter_context(TableWriter(folder, name, schema, metadata)) for name, schema in schemas.items()}


@contextmanager
def scratch(root: Path) -> Iterator[Path]:
    """A folder for staged tables below `root`, on the same filesystem as the tables, gone afterwards."""
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root) as name:
        yield Path(name)


def stage(folder: Path, name: str, frame: pd.DataFrame, schema: pa.Schema, metadata: Mapping[str, str]) -> StagedTable:
    """A whole small frame as one staged table."""
    with TableWriter(folder, name, schema, metadata) as writer:
        writer.write(frame)
    return writer.staged
