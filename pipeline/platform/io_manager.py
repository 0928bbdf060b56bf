"""How tables get from asset to asset: one Parquet file an asset and partition, replaced in one step.

`tables/<asset>/<store>.parquet` or `tables/<asset>/<marketplace>/<store>.parquet` below the storage URI. An asset returns a
`StagedTable`; an input annotated `Table` is read lazily, one annotated `pd.DataFrame` at once, both only the columns that
`AssetIn(metadata={"columns": [...]})` names.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pyarrow as pa
from upath import UPath

from pipeline.platform.points import point
from pipeline.platform.tables import TOGETHER, MissingTable, StagedTable, Table
from pipeline.settings import Settings


class ParquetIOManager(dg.UPathIOManager):
    """Tables below `base_path`. Errors an operator can do something about are `dagster.Failure`s without retries."""

    extension = ".parquet"

    def __init__(self, base_path: UPath) -> None:
        super().__init__(base_path)

    def dump_to_path(self, context: dg.OutputContext, obj: Any, path: UPath) -> None:
        if not isinstance(obj, StagedTable):
            raise TypeError(f"{context.asset_key.to_user_string()} must return a StagedTable, not {type(obj).__name__}")
        local = _local(path)
        if local is not None:
            _move(obj.path, local)
        else:
            path.fs.put_file(str(obj.path), path.path)  # object stores show a new object whole or not at all
            obj.path.unlink()
        point("materialization_event_unwritten")

    def load_input(self, context: dg.InputContext) -> Any:
        try:
            return super().load_input(context)
        except FileNotFoundError:
            message = f"materialize {_what(context)} first"
            if context.dagster_type.typing_type is Table:
                return MissingTable(message=message)  # told when it is read: a cell that nobody connected is skipped before
            raise dg.Failure(message, allow_retries=False) from None

    def load_from_path(self, context: dg.InputContext, path: UPath) -> Table | pd.DataFrame:
        wanted = context.dagster_type.typing_type
        columns = (context.definition_metadata or {}).get("columns")
        table = Table(_local(path) or path, None if columns is None else tuple(columns))
        try:
            # Opened now: should the table be replaced during the run, all reads are still of this one.
            missing = sorted(set(table.columns or ()) - set(table.column_names))
        except pa.ArrowInvalid as error:
            raise dg.Failure(f"materialize {_what(context)} again: its file is damaged ({error})", allow_retries=False) from None
        if missing:
            raise dg.Failure(
                f"materialize {_what(context)} again: another release wrote it, without the columns {', '.join(missing)}",
                allow_retries=False,
            )
        return table.read() if wanted is pd.DataFrame else table

    def get_path_for_partition(self, context: dg.InputContext | dg.OutputContext, path: UPath, partition: str) -> UPath:
        # Keys are checked where stores are added; a path is no place to find out that one was not.
        if any(part in ("", ".", "..") for part in partition.split("/")):
            raise ValueError(f"partition key {partition!r} cannot name a file")
        return super().get_path_for_partition(context, path, partition)

    def get_metadata(self, context: dg.OutputContext, obj: Any) -> dict[str, dg.MetadataValue]:
        return {"dagster/row_count": dg.MetadataValue.int(obj.rows)}


@dg.io_manager(description="Parquet tables below the storage URI.")
def parquet_io_manager(context: dg.InitResourceContext) -> ParquetIOManager:
    """The manager for the settings of the process that runs the step."""
    return ParquetIOManager(Settings.load().storage("tables"))


def _local(path: UPath) -> Path | None:
    return Path(path.path) if path.protocol in ("", "file", "local") else None


def _move(source: Path, target: Path) -> None:
    """Readers see the old file or the new one, also after a power cut."""
    try:
        _sync(source)
        source.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        near = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            shutil.copyfile(source, near)
            _sync(near)
            near.replace(target)
        finally:
            near.unlink(missing_ok=True)
        source.unlink()
    _sync(target.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _what(context: dg.InputContext) -> str:
    """The table in an operator's words: "listings of marketplace amazon-us, store demo"."""
    asset = context.asset_key.to_user_string()
    if not context.has_asset_partitions:
        return asset
    partitions = [
        ", ".join(f"{name} {value}" for name, value in sorted(key.keys_by_dimension.items()))
        if isinstance(key, dg.MultiPartitionKey)
        else str(key)
        for key in context.asset_partition_keys
    ]
    return f"{asset} of {'; '.join(partitions)}"


def stored_table(settings: Settings, name: str, schema: pa.Schema, *partition: str) -> Table | None:
    """The present table of one partition (marketplace, store; or store); a damaged one, or one of another release, is absent."""
    table = _find(settings, name, *partition)
    return table if table is not None and list(table.column_names) == schema.names else None


def stored_tables(settings: Settings, schemas: Mapping[str, pa.Schema], *partition: str) -> dict[str, Table] | None:
    """The present tables of one partition, all or None: what a step may reuse of its last run.

    Tables that were not written together (a run was killed between two of them) count as absent, since the step is about to
    write them anew.
    """
    found = {}
    for name, schema in schemas.items():
        table = stored_table(settings, name, schema, *partition)
        if table is None:
            return None
        found[name] = table
    sets = {table.metadata.get(TOGETHER) for table in found.values()}
    return found if len(sets) == 1 and None not in sets else None


def stored_import(settings: Settings, name: str, *partition: str) -> str | None:
    """The import that a present table is of; None when there is none that can be read."""
    table = _find(settings, name, *partition)
    return None if table is None else table.metadata.get("import_id")


def _find(settings: Settings, name: str, *partition: str) -> Table | None:
    path = settings.storage("tables", name, *partition[:-1], f"{partition[-1]}.parquet")
    table = Table(_local(path) or path)
    try:
        table.column_names  # noqa: B018 - opens the file
    except (FileNotFoundError, pa.ArrowInvalid):
        return None
    return table
