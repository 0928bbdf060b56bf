"""Stock rows of all variants of a source, laid beside the variants of the catalog. Where the rows come from, sources say."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.catalog.schema import INVENTORY

_VALUES = ("location", "available", "tracked", "oversell")


class Stock:
    """INVENTORY rows by variant: about 30 bytes a row, locations as a dictionary."""

    def __init__(self, tables: Iterable[pa.Table]) -> None:
        parts = [_packed(table) for table in tables]
        rows = pa.concat_tables(parts).unify_dictionaries() if parts else _packed(INVENTORY.empty_table())
        ids = rows["variant_id"].combine_chunks() if rows.num_rows else pa.array([], pa.string())
        self._variants = ids.unique()
        owner = pc.index_in(ids, value_set=self._variants).to_numpy(zero_copy_only=False).astype(np.int64)
        order = np.argsort(owner, kind="stable")
        self._rows = rows.select(_VALUES).take(pa.array(order)).combine_chunks()
        self._starts = np.searchsorted(owner[order], np.arange(len(self._variants) + 1))

    def __len__(self) -> int:
        return len(self._variants)

    def rows(self, known: pa.Table, missing: int | None) -> pa.Table:
        """INVENTORY rows for the variants of `known` (rows of INVENTORY, a variant's together), in their order.

        A variant without stock rows gets one with `missing` available, and with what `known` says of it.
        """
        first = _first_of_each(known)
        base = known.take(pa.array(first))
        found = pc.index_in(base["variant_id"].combine_chunks(), value_set=self._variants)
        there = found.is_valid().to_numpy(zero_copy_only=False)
        index = found.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
        if not len(self._variants):
            return _with(base, {"location": pa.nulls(len(base), pa.string()), "available": _filled(len(base), missing)})
        counts = np.where(there, self._starts[index + 1] - self._starts[index], 1)
        place = np.repeat(np.arange(len(base)), counts)  # row of `base` for each row of the result
        nth = np.arange(len(place)) - np.repeat(np.cumsum(counts) - counts, counts)
        row = np.where(there[place], self._starts[index[place]] + nth, 0)
        ours = self._rows.take(pa.array(row))
        owners = base.take(pa.array(place))
        mask = pa.array(there[place])
        values = {name: ours[name] for name in _VALUES}
        values["location"] = values["location"].cast(pa.string())
        otherwise = {
            "location": pa.scalar(None, pa.string()),
            "available": pa.scalar(missing, pa.int64()),
            "tracked": owners["tracked"],
            "oversell": owners["oversell"],
        }
        return _with(owners, {name: pc.if_else(mask, values[name], otherwise[name]) for name in _VALUES})


def _packed(table: pa.Table) -> pa.Table:
    table = table.select(["variant_id", *_VALUES])
    index = table.schema.get_field_index("location")
    return table.set_column(index, "location", table["location"].combine_chunks().dictionary_encode())


def _first_of_each(known: pa.Table) -> np.ndarray:
    """Row numbers where a variant begins."""
    ids = known["variant_id"].combine_chunks() if known.num_rows else pa.array([], pa.string())
    if len(ids) < 2:
        return np.arange(len(ids))
    changes = pc.not_equal(ids[1:], ids[:-1]).to_numpy(zero_copy_only=False)
    return np.flatnonzero(np.concatenate([[True], changes]))


def _filled(size: int, value: int | None) -> pa.Array:
    return pa.nulls(size, pa.int64()) if value is None else pa.array(np.full(size, value))


def _with(table: pa.Table, columns: dict[str, pa.Array | pa.ChunkedArray]) -> pa.Table:
    for name, column in columns.items():
        table = table.set_column(table.schema.get_field_index(name), INVENTORY.field(name), column)
    return table
