"""Checks of lists and of image addresses."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.quality.context import Context
from pipeline.quality.masks.base import Degree, Mask, arrow, check, fails, lengths, repeated_items


def _counts(frame: pd.DataFrame, field: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    counts = pc.fill_null(pc.list_value_length(arrow(frame[field])), 0)
    return counts.to_numpy(zero_copy_only=False).astype(np.int64)  # type: ignore[no-any-return]


@check
def count_target(frame: pd.DataFrame, field: str, context: Context, *, target: int) -> Degree:
    """The list has `target` items; fewer count in proportion."""
    return Degree(np.minimum(_counts(frame, field), target), target)


@check
def count_at_most(frame: pd.DataFrame, field: str, context: Context, *, max: int) -> Mask:
    """The list has at most `max` items."""
    return _counts(frame, field) <= max


@check
def item_max_length(frame: pd.DataFrame, field: str, context: Context, *, max: int, unit: str = "characters") -> Mask:
    """No item of the list is longer than `max`."""
    return ~fails(frame, field, lambda texts: pc.greater(lengths(texts, unit), max))


@check
def no_duplicate_items(frame: pd.DataFrame, field: str, context: Context) -> Mask:
    """No item of the list repeats, case and outer spaces aside."""
    values = arrow(frame[field])
    parents = pc.list_parent_indices(values).to_numpy()
    items = pc.utf8_lower(pc.utf8_trim_whitespace(pc.list_flatten(values)))
    result = np.ones(len(frame), bool)
    result[parents[repeated_items(items, parents)]] = False
    return result


# Only the syntax is looked at; nothing is fetched. No user info, no IP address, no port: marketplaces fetch from plain hosts.
_HTTPS = r"^https://[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\.[A-Za-z][A-Za-z0-9-]*(/[^\s<>\"\\^`{|}]*)?(\?[^\s<>\"\\^`{|}]*)?$"


@check
def https_urls(frame: pd.DataFrame, field: str, context: Context) -> Mask:
    """Every address is a well-formed https URL of a named host."""
    return ~fails(frame, field, lambda texts: pc.invert(pc.match_substring_regex(texts, _HTTPS)))


@check
def image_types(frame: pd.DataFrame, field: str, context: Context, *, types: list[str]) -> Mask:
    """Every address that ends in a file type ends in one of `types`; others are not judged."""
    allowed = rf"(?i)/[^/?#]*\.({'|'.join(map(re.escape, types))})([?#].*)?$"

    def bad(texts: pa.Array) -> pa.Array:
        typed = pc.match_substring_regex(texts, r"/[^/?#]*\.[A-Za-z0-9]{2,5}([?#].*)?$")
        return pc.and_(typed, pc.invert(pc.match_substring_regex(texts, allowed)))

    return ~fails(frame, field, bad)
