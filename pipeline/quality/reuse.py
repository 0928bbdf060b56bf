"""Rows of an earlier run that can be taken over as they are, because their products have the same revision."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.platform.tables import Table

#: Where products moved about, a batch takes rows from at most so many row groups and computes the others again.
_MOST_GROUPS = 3


class Reusable:
    """The tables of an earlier run, written in lockstep; `products` names the one with product_id and revision.

    Holds one short entry a product and the last row groups, not all rows.
    """

    def __init__(self, tables: Mapping[str, Table] | None, products: str) -> None:
        self._tables = dict(tables or {})
        self._groups: dict[int, dict[str, pa.Table]] = {}
        self._products: dict[str, tuple[int, str]] = {}
        if not self._tables or len({table.batches for table in self._tables.values()}) > 1:
            return
        for group in range(self._tables[products].batches):
            frame = self._tables[products].batch(group, ["product_id", "revision"]).drop_duplicates("product_id")
            for product_id, revision in zip(frame["product_id"].tolist(), frame["revision"].tolist(), strict=True):
                self._products[product_id] = (group, revision)

    def choose(self, product_ids: Sequence[str], revisions: Sequence[str]) -> list[int | None]:
        """The row group that each product's rows are in; null for those that must be computed."""
        groups = [
            found[0] if found is not None and found[1] == revision else None
            for found, revision in zip(map(self._products.get, product_ids), revisions, strict=True)
        ]
        chosen = {group for group, _ in Counter(group for group in groups if group is not None).most_common(_MOST_GROUPS)}
        return [group if group in chosen else None for group in groups]

    def rows(self, product_ids: Sequence[str], groups: Sequence[int | None]) -> dict[str, pa.Table]:
        """The rows of the chosen products in each table; no tables where there is none."""
        chosen = sorted({group for group in groups if group is not None})
        self._groups = {group: tables for group, tables in self._groups.items() if group in chosen}
        for group in set(chosen) - self._groups.keys():
            self._groups[group] = {name: table.arrow_batch(group) for name, table in self._tables.items()}
        wanted = pa.array([key for key, group in zip(product_ids, groups, strict=True) if group is not None], pa.string())
        parts = [self._groups[group] for group in chosen]
        return {
            name: pa.concat_tables([part[name].filter(pc.is_in(part[name]["product_id"], value_set=wanted)) for part in parts])
            for name in (self._tables if parts else ())
        }

    def take(self, product_ids: Sequence[str], revisions: Sequence[str]) -> tuple[list[bool], dict[str, pa.Table]]:
        """Which products need no computing, and their rows of each table."""
        groups = self.choose(product_ids, revisions)
        return [group is not None for group in groups], self.rows(product_ids, groups)
