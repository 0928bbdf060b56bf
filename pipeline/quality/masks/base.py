"""What checks are made of: the registry, the graded result, and access to columns as Arrow arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

Mask: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Degree:
    """An exact degree of fulfillment for each row: numerator / denominator, 0 <= numerator <= denominator."""

    numerator: npt.NDArray[np.int64]
    denominator: int


#: `function(frame, field, context, **params)` -> one boolean (true = fulfilled) or degree for each row.
CheckFunction: TypeAlias = Callable[..., "Mask | Degree"]
CHECKS: dict[str, CheckFunction] = {}


def check(function: CheckFunction) -> CheckFunction:
    """Register a check under its function's name."""
    CHECKS[function.__name__] = function
    return function


def arrow(series: pd.Series[Any]) -> Any:
    """The column as one Arrow array, without copying where pandas keeps it in Arrow."""
    values = pa.array(series.array)
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values


def is_list(values: Any) -> bool:
    return bool(pa.types.is_list(values.type))


def to_mask(values: Any) -> Mask:
    """Arrow booleans as numpy, null as false."""
    mask: Mask = pc.fill_null(values, False).to_numpy(zero_copy_only=False)
    return mask


def fails(frame: pd.DataFrame, field: str, bad: Callable[[Any], Any]) -> Mask:
    """Rows where `bad` (string array -> booleans) is true, for any item where the column is a list; null never is."""
    values = arrow(frame[field])
    if not is_list(values):
        return to_mask(bad(values)) if values.null_count < len(values) else np.zeros(len(values), bool)
    result = np.zeros(len(frame), bool)
    parents = pc.list_parent_indices(values).to_numpy()
    result[parents[to_mask(bad(pc.list_flatten(values)))]] = True
    return result


def blank(frame: pd.DataFrame, field: str) -> Mask:
    """Rows with nothing in the column: null, text without a visible character, an empty list."""
    values = arrow(frame[field])
    if is_list(values):
        return ~to_mask(pc.greater(pc.list_value_length(values), 0))
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        return ~to_mask(pc.match_substring_regex(values, r"[^\s\p{Z}\p{C}]"))
    return to_mask(pc.is_null(values))


def numbers(frame: pd.DataFrame, field: str) -> npt.NDArray[np.float64]:
    """The column as floats with NaN for null; exact for money below 2**53."""
    values: npt.NDArray[np.float64] = frame[field].to_numpy(dtype="float64", na_value=np.nan)
    return values


#: Items of longer lists are not compared with each other one by one.
_SHORT_LIST = 20


def repeated_items(items: Any, parents: npt.NDArray[np.int64]) -> Mask:
    """Which items of lists (flattened, with the row of each) equal an earlier one of their list."""
    items = pc.fill_null(items, "")
    if len(items) and np.bincount(parents).max() > _SHORT_LIST:
        codes = pc.dictionary_encode(items).indices.to_numpy()
        long: Mask = pd.Series(parents * len(items) + codes).duplicated().to_numpy()
        return long
    result = np.zeros(len(items), bool)
    for distance in range(1, _SHORT_LIST):
        siblings = parents[distance:] == parents[:-distance]
        if not siblings.any():
            break
        equal = to_mask(pc.equal(items.slice(distance), items.slice(0, len(items) - distance)))
        result[distance:] |= siblings & equal
    return result


def column(values: Any, like: pd.Series[Any]) -> pd.Series[Any]:
    """An Arrow array as a pandas column with the dtype and the index of `like`."""
    return pd.Series(like.array._from_sequence(values, dtype=like.dtype), index=like.index)


def replaced(values: Any, rows: Any, new: list[Any]) -> Any:
    """The array (of any type) with `new` values in the given rows."""
    index = np.arange(len(values))
    index[rows] = len(values) + np.arange(len(new))
    return pa.concat_arrays([values, pa.array(new, values.type)]).take(pa.array(index))


def lengths(values: Any, unit: str) -> Any:
    """Length of each text in `characters` (code points) or UTF-8 `bytes`."""
    return pc.binary_length(values) if unit == "bytes" else pc.utf8_length(values)


def folded(texts: Any) -> Any:
    """Texts without case, as marketplaces compare names and option values."""
    coded = pc.dictionary_encode(texts)
    return pa.array([text.casefold() for text in coded.dictionary.to_pylist()], texts.type).take(coded.indices)
