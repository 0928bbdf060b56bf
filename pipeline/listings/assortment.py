"""Which products a connection sells: all active ones (or only the included), less the excluded. Gift cards never."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.stores.export_settings import Assortment, Selection

#: Why a product is not sold, beside the statuses of a product that is not active (draft, archived ...).
GIFT_CARD, NOT_IN_ASSORTMENT = "gift card", "not in assortment"


class Collections:
    """Handles of the collections of each product."""

    def __init__(self, collections: pa.Table) -> None:
        """From rows of catalog.schema.COLLECTIONS (columns handle, product_ids)."""
        handles = collections["handle"].combine_chunks()
        members = collections["product_ids"].combine_chunks()
        self._handles = handles.take(pc.list_parent_indices(members))
        self._products = pc.list_flatten(members)

    def pairs(self, product_ids: pa.ChunkedArray) -> tuple[pa.Array, pa.Array]:
        """(row in `product_ids`, handle) of every membership."""
        row = pc.index_in(self._products, value_set=product_ids.combine_chunks())
        known = pc.is_valid(row)
        return row.filter(known), self._handles.filter(known)


def excluded(products: pa.Table, assortment: Assortment, collections: Collections) -> pd.Series:
    """Why each product (rows of quality.schema.FIXED_PRODUCTS) is not sold, null where it is."""
    reason = pd.Series(pd.NA, index=range(len(products)), dtype=pd.StringDtype("pyarrow"))
    out = selects(assortment.exclude, products, collections)
    if not assortment.include.empty:
        out |= ~selects(assortment.include, products, collections)
    reason[out.to_numpy()] = NOT_IN_ASSORTMENT
    reason[_numpy(products["gift_card"].fill_null(False))] = GIFT_CARD
    status = products["status"].fill_null("no status").to_pandas().astype(pd.StringDtype("pyarrow"))
    return reason.mask(status != "active", status)


def selects(selection: Selection, products: pa.Table, collections: Collections) -> pd.Series:
    """Which products the selection names; text is compared ignoring case, ids exactly."""
    chosen = pd.Series(False, index=range(len(products)))
    for column, wanted in (("vendor", selection.vendors), ("product_type", selection.product_types)):
        if wanted:
            chosen |= _listed(products[column], wanted)
    if selection.product_ids:
        chosen |= _numpy(pc.is_in(products["product_id"], value_set=pa.array(selection.product_ids, pa.string())))
    if selection.tags:
        tags = products["tags"].combine_chunks()
        hit = _listed(pc.list_flatten(tags), selection.tags)
        chosen.iloc[pc.list_parent_indices(tags).to_numpy()[hit]] = True
    if selection.collections:
        rows, handles = collections.pairs(products["product_id"])
        chosen.iloc[rows.to_numpy()[_listed(handles, selection.collections)]] = True
    return chosen


def _listed(values: pa.Array | pa.ChunkedArray, wanted: tuple[str, ...]) -> npt.NDArray[np.bool_]:
    folded = pc.utf8_lower(pc.utf8_trim_whitespace(values))
    lowered = pa.array([text.strip().lower() for text in wanted], pa.string())
    found: npt.NDArray[np.bool_] = _numpy(pc.is_in(folded, value_set=lowered))
    return found


def _numpy(values: pa.Array | pa.ChunkedArray) -> Any:
    return (values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values).to_numpy(zero_copy_only=False)
