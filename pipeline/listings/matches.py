"""Which variants are an offer on an item that the marketplace's catalog has already, by what is known of their GTINs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import pandas as pd
import pyarrow as pa

from pipeline.listings.knowledge import Knowledge
from pipeline.marketplaces.live import CatalogItem

_TEXT = pd.StringDtype("pyarrow")
_SHOWN = 3


class _Recipe(Protocol):
    @property
    def matching(self) -> bool: ...

    @property
    def knowledge(self) -> Knowledge: ...


def catalog_items(gtins: pa.ChunkedArray, recipe: _Recipe) -> pd.DataFrame:
    """By variant: `item_id` and `category` of the one item that has its GTIN, and `problem` where it is not known which.

    A GTIN that nobody has looked up yet waits: listed as a new item it might be a duplicate of one that is there."""
    columns: dict[str, list[str | None]] = {name: [None] * len(gtins) for name in ("item_id", "category", "problem")}
    if recipe.matching:
        for row, gtin in enumerate(gtins.to_pylist()):
            if gtin:
                columns["item_id"][row], columns["category"][row], columns["problem"][row] = _of(gtin, recipe.knowledge.items)
    return pd.DataFrame({name: pd.array(values, dtype=_TEXT) for name, values in columns.items()})


def _of(gtin: str, known: Mapping[str, Sequence[CatalogItem]]) -> tuple[str | None, str | None, str | None]:
    items = known.get(gtin)
    if items is None:
        return None, None, f"The marketplace's catalog was not searched for {gtin} yet."
    if len(items) > 1:
        several = ", ".join(f"{item.item_id} ({item.title or 'no title'})" for item in items[:_SHOWN])
        more = f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
        return None, None, f"The marketplace's catalog has several items with the GTIN {gtin}: {several}{more}."
    return (items[0].item_id, items[0].category, None) if items else (None, None, None)
