"""Checks of values: presence, numbers, relations between columns."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.quality.context import Context
from pipeline.quality.masks.base import Degree, Mask, arrow, blank, check, fails, folded, numbers, to_mask


@check
def present(frame: pd.DataFrame, field: str, context: Context, *, any_of: list[str] | None = None) -> Mask:
    """There is a value (or one in any of the columns `any_of`)."""
    missing = blank(frame, field)
    for other in any_of or ():
        missing = missing & blank(frame, other)
    return ~missing


@check
def absent(frame: pd.DataFrame, field: str, context: Context) -> Mask:
    """There is no value."""
    return blank(frame, field)


@check
def share_present(frame: pd.DataFrame, field: str, context: Context, *, fields: list[str]) -> Degree:
    """The share of the columns `fields` that have a value."""
    found = sum((~blank(frame, name)).astype(np.int64) for name in fields)
    return Degree(np.asarray(found, dtype=np.int64), len(fields))


@check
def attributes_present(frame: pd.DataFrame, field: str, context: Context, *, keys: list[str]) -> Degree:
    """The share of `keys` that the JSON object in the column has a value for."""
    values = pc.dictionary_encode(arrow(frame[field]))
    found = np.zeros(len(values.dictionary) + 1, dtype=np.int64)  # the last one stands for null
    for index, text in enumerate(values.dictionary.to_pylist()):
        try:
            known = json.loads(text)
        except ValueError:
            continue
        if isinstance(known, dict):
            found[index] = sum(known.get(key) not in (None, "", [], {}) for key in keys)
    return Degree(found[pc.fill_null(values.indices, -1).to_numpy(zero_copy_only=False)], len(keys))


@check
def positive(frame: pd.DataFrame, field: str, context: Context) -> Mask:
    """The number is above 0."""
    return ~(numbers(frame, field) <= 0)


@check
def between(frame: pd.DataFrame, field: str, context: Context, *, min: float | None = None, max: float | None = None) -> Mask:
    """The number lies from `min` to `max`, both included."""
    values = numbers(frame, field)
    low = np.zeros(len(values), bool) if min is None else values < min
    return ~low if max is None else ~(low | (values > max))


@check
def not_below(frame: pd.DataFrame, field: str, context: Context, *, other: str) -> Mask:
    """The number is not below that of the column `other`."""
    return ~(numbers(frame, field) < numbers(frame, other))


@check
def ratio_at_most(frame: pd.DataFrame, field: str, context: Context, *, other: str, max: float) -> Mask:
    """The number is at most `max` times that of the column `other`."""
    return ~(numbers(frame, field) > max * numbers(frame, other))


@check
def one_of(frame: pd.DataFrame, field: str, context: Context, *, values: list[str]) -> Mask:
    """The value is one of `values`."""
    allowed = pa.array(values, pa.string())
    return ~fails(frame, field, lambda texts: pc.and_(pc.is_valid(texts), pc.invert(pc.is_in(texts, allowed))))


@check
def differs_from(frame: pd.DataFrame, field: str, context: Context, *, other: str) -> Mask:
    """The text is another one than that of the column `other` (case and outer spaces aside)."""
    first, second = (pc.utf8_trim_whitespace(arrow(frame[name])) for name in (field, other))
    # The case of a letter may change its bytes, never that it is one letter, and few pairs of texts are equally long.
    rows = np.flatnonzero(to_mask(pc.equal(pc.utf8_length(first), pc.utf8_length(second))))
    first, second = (pc.utf8_lower(texts.take(pa.array(rows))) for texts in (first, second))
    result = np.ones(len(frame), bool)
    result[rows] = ~to_mask(pc.equal(first, second))
    return result


@check
def filled_with(frame: pd.DataFrame, field: str, context: Context, *, other: str) -> Mask:
    """There is a value wherever the column `other` has one."""
    return ~(blank(frame, field) & ~blank(frame, other))


@check
def not_flagged(frame: pd.DataFrame, field: str, context: Context) -> Mask:
    """The boolean column is not true."""
    flagged: Mask = frame[field].to_numpy(dtype=bool, na_value=False)
    return ~flagged


@check
def unique_in_product(frame: pd.DataFrame, field: str, context: Context, *, fields: list[str]) -> Mask:
    """No other row of the product has the same combination of `fields`, in any case; a product's only row passes."""
    columns = [arrow(frame["product_id"]), *(pc.fill_null(folded(arrow(frame[name])), "") for name in fields)]
    key = pc.dictionary_encode(pc.binary_join_element_wise(*columns, pa.scalar("\x1f", columns[0].type)))
    codes = key.indices.to_numpy()
    unique: Mask = np.bincount(codes, minlength=1)[codes] == 1
    return unique


@check
def near_siblings(frame: pd.DataFrame, field: str, context: Context, *, factor: float) -> Mask:
    """The number, if above 0, is less than `factor` times away from the median of the product's rows."""
    values = pd.Series(numbers(frame, field))
    values = values.where(values > 0)
    median = values.groupby(pd.factorize(frame["product_id"])[0]).transform("median").to_numpy()
    far = (values.to_numpy() >= factor * median) | (values.to_numpy() * factor <= median)
    return np.asarray(~far)
