"""Fixes of SKU and GTIN. New SKUs are assigned for the whole store before the batches (`quality/skus`)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.quality import gtin
from pipeline.quality.context import Context
from pipeline.quality.fixes.base import fix, text_fix
from pipeline.quality.masks.base import arrow, blank, column, replaced, to_mask


@fix("I01", "lossless")
def missing_sku(frame: pd.DataFrame, field: str, context: Context, *, assigned: str) -> dict[str, pd.Series[Any]]:
    """A variant without SKU gets one made from its own id, which never changes."""
    return _assign(frame, field, assigned, missing=True)


@fix("I02", "lossy-safe")
def illegal_sku(frame: pd.DataFrame, field: str, context: Context, *, assigned: str) -> dict[str, pd.Series[Any]]:
    """A SKU that is illegal, or that an earlier variant has too, gets a legal form of its own."""
    return _assign(frame, field, assigned, missing=False)


def _assign(frame: pd.DataFrame, field: str, assigned: str, *, missing: bool) -> dict[str, pd.Series[Any]]:
    wanted = arrow(frame[assigned])
    rows = np.flatnonzero(to_mask(pc.is_valid(wanted)))
    rows = rows[blank(frame[[field]].iloc[rows], field) == missing]
    if not len(rows):
        return {}
    return {field: column(replaced(arrow(frame[field]), rows, wanted.take(pa.array(rows)).to_pylist()), frame[field])}


@text_fix("I03", "lossless")
def clean_gtin(texts: Any, context: Context) -> Any:
    """A barcode loses spaces, hyphens, apostrophes and what spreadsheets put around it."""
    return gtin.clean(texts)


@text_fix("I04", "lossy-safe")
def pad_gtin(texts: Any, context: Context) -> Any:
    """A barcode that lost its leading zeros gets them back, where nearly all of its length in the store prove it."""
    return gtin.padded(texts, context.paddable)
