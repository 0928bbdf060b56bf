"""Overrides: values that a listing has in place of its own, because the marketplace refused those.

They are made by `submissions/repairing` and hold for one SKU on one connection, for as long as the source has the value that
they were made for. Here they are read, laid over the listings, and ended.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from hashlib import blake2b
from typing import Any

import orjson
import pandas as pd
import psycopg
import pyarrow as pa
from psycopg import sql
from psycopg.rows import class_row

from pipeline.listings.diff import among
from pipeline.listings.lane import Lane
from pipeline.model.quality import FixClass
from pipeline.quality.changes import log_entries
from pipeline.quality.masks.base import arrow, column
from pipeline.quality.schema import FIXES

#: Columns of the listings that an override may be of. Never an identifier, the brand, the condition, price or stock.
FIELDS = ("title", "description", "bullets", "keywords", "mpn", "attributes", "images")


@dataclass(frozen=True)
class Override:
    """One row. `source_value` and `value` are a text, a list of texts, or None."""

    id: int
    sku: str
    product_id: str
    field: str
    attempt: int
    source_value: Any
    value: Any
    fix: str
    fix_class: FixClass
    submission_id: int | None
    code: str
    attribute: str | None
    text: str
    created_at: datetime
    ended: str | None
    ended_at: datetime | None
    who: str | None
    why: str | None


_COLUMNS = sql.SQL(", ").join(sql.Identifier(one.name) for one in fields(Override))
_OF_LANE = sql.SQL("FROM listing_overrides WHERE store_id = %s AND site = %s AND transport = %s")


def read_overrides(
    connection: psycopg.Connection[Any], lane: Lane, *, sku: str | None = None, ended: bool = False
) -> list[Override]:
    """The overrides of a lane (of one SKU), oldest first; with `ended` also those that no longer hold."""
    query = sql.SQL("SELECT {} {} AND (%s::text IS NULL OR sku = %s) AND (%s OR ended IS NULL) ORDER BY id")
    with connection.cursor(row_factory=class_row(Override)) as cursor:
        return cursor.execute(query.format(_COLUMNS, _OF_LANE), (*lane.key, sku, sku, ended)).fetchall()


def undo(connection: psycopg.Connection[Any], lane: Lane, overrides: Iterable[Override]) -> None:
    """End overrides whose source has another value now, and what came before them: the new value has its own attempts."""
    keys = [(one.sku, one.field) for one in overrides]
    connection.execute(
        b"UPDATE listing_overrides o SET ended = 'undone', ended_at = clock_timestamp()"
        b" FROM unnest(%s::text[], %s::text[]) AS gone (sku, field) WHERE o.sku = gone.sku AND o.field = gone.field"
        b" AND store_id = %s AND site = %s AND transport = %s AND ended IS DISTINCT FROM 'undone'",
        ([sku for sku, _ in keys], [name for _, name in keys], *lane.key),
    )


@dataclass
class Overlay:
    """The overrides of a connection, to be laid over its listings; `stale` collects those that no longer fit."""

    overrides: Sequence[Override] = ()
    stale: list[Override] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._by_product: defaultdict[str, list[Override]] = defaultdict(list)
        for one in self.overrides:
            self._by_product[one.product_id].append(one)

    def digest(self, product_id: str | None) -> str:
        """Of the overrides of a product, for its revision; empty when it has none."""
        found = self._by_product.get(product_id or "")
        if not found:
            return ""
        said = [(one.sku, one.field, one.source_value, one.value) for one in found]
        return blake2b(orjson.dumps(sorted(said, key=lambda row: row[:2])), digest_size=8).hexdigest()

    def lay(self, rows: pd.DataFrame) -> tuple[pd.DataFrame, pa.Table] | None:
        """`rows` (columns of LISTINGS) with the overrides that fit, and their log (schema FIXES); None when none does."""
        if not self._by_product:
            return None
        mine = rows.index[among(rows["product_id"], self._by_product)]
        places = dict(zip(rows.loc[mine, "sku"].tolist(), mine.tolist(), strict=True))
        changed: defaultdict[str, dict[int, Override]] = defaultdict(dict)
        for product_id in rows.loc[mine, "product_id"].unique().tolist():
            for one in self._by_product[product_id]:
                place = places.get(one.sku)
                if place is not None and plain(rows.at[place, one.field]) == one.source_value:
                    changed[one.field][place] = one
                else:
                    self.stale.append(one)
        if not changed:
            return None
        laid, log = rows.copy(deep=False), []
        for name, found in changed.items():
            values = arrow(rows[name]).to_pylist()
            for place, one in found.items():
                values[place] = one.value
            laid[name] = column(pa.array(values, arrow(rows[name]).type), rows[name])
            for place, one in found.items():
                log.append(log_entries(rows, laid[name], rows.index == place, name, f"override {one.id}", one.fix_class, False))
        return laid, pa.concat_tables([FIXES.empty_table(), *log])


def plain(value: Any) -> Any:
    """A cell of the listings as JSON has it: a text, a list of texts, or None."""
    if value is None or value is pd.NA:
        return None
    return value if isinstance(value, str) else list(value)
