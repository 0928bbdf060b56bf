"""The change log: what the fixes changed, found by comparing before and after, and how to undo it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.model.quality import FixClass
from pipeline.quality.masks.base import Mask, arrow, column, is_list, replaced
from pipeline.quality.schema import FIXES


def changed_rows(before: pd.Series[Any], after: pd.Series[Any]) -> Mask:
    """Where two columns of the same type differ; null equals null."""
    first, second = arrow(before), arrow(after)
    if is_list(first):
        return np.fromiter((a != b for a, b in zip(first.to_pylist(), second.to_pylist(), strict=True)), bool, len(first))
    differ = pc.fill_null(pc.not_equal(first, second), False)
    one_null = pc.xor(pc.is_null(first), pc.is_null(second))
    mask: Mask = pc.or_(differ, one_null).to_numpy(zero_copy_only=False)
    return mask


def as_text(values: Any) -> Any:
    """Any column as text: lists as JSON, the rest as Arrow writes it."""
    if is_list(values):
        return pa.array([None if v is None else json.dumps(v, ensure_ascii=False) for v in values.to_pylist()], pa.string())
    return values.cast(pa.string())


def log_entries(
    frame: pd.DataFrame, after: pd.Series[Any], rows: Mask, field: str, fix: str, fix_class: FixClass, product_level: bool
) -> pa.Table:
    """Entries (schema FIXES) for the `rows` of `frame` whose `field` becomes `after`."""
    chosen = pa.array(np.flatnonzero(rows))
    count = len(chosen)
    variants = pa.nulls(count, pa.string()) if product_level else arrow(frame["variant_id"]).take(chosen)
    return pa.Table.from_arrays(
        [
            arrow(frame["product_id"]).take(chosen),
            variants,
            pa.repeat(pa.scalar(field), count),
            as_text(arrow(frame[field]).take(chosen)),
            as_text(arrow(after).take(chosen)),
            pa.repeat(pa.scalar(fix), count),
            pa.repeat(pa.scalar(fix_class), count),
        ],
        schema=FIXES,
    )


def undo(fixed: pd.DataFrame, fixes: pd.DataFrame) -> pd.DataFrame:
    """The frame as it was before the logged fixes: the first `before` of each row and field is put back.

    `fixed` are products (rows are found by product_id, entries without variant_id) or rows with a variant_id (found by both
    ids). Columns that fixes derived and the source did not have are left as they are.
    """
    by_variant = "variant_id" in fixed.columns
    entries = fixes if by_variant else fixes[fixes["variant_id"].isna()]
    key = ["product_id", "variant_id"] if by_variant else ["product_id"]
    first = entries.drop_duplicates([*key, "field"])
    index = _keys(fixed, key)
    restored = fixed.copy()
    for field, group in first.groupby("field", sort=False):
        if field not in restored.columns:
            continue
        position = index.get_indexer(_keys(group, key))
        known = position >= 0
        values = arrow(restored[field])
        before = _parse(arrow(group["before"][known]), values.type)
        restored[field] = column(replaced(values, position[known], before), restored[field])
    return restored


def _keys(frame: pd.DataFrame, key: list[str]) -> pd.Index[Any]:
    text: pd.Series[Any] = frame[key[0]].astype(object)
    for name in key[1:]:
        text = text + "\x1f" + frame[name].astype(object).where(frame[name].notna(), "\x1e")
    index: pd.Index[Any] = pd.Index(text.array)
    return index


def _parse(texts: Any, kind: Any) -> list[Any]:
    if pa.types.is_list(kind):
        return [None if text is None else json.loads(text) for text in texts.to_pylist()]
    values: list[Any] = texts.cast(kind).to_pylist()
    return values
