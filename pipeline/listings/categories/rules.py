"""The category rules of a connection: the first one that matches a product counts."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.listings.assortment import Collections
from pipeline.stores.export_settings import CategoryRule


def first_rules(products: pa.Table, rules: Sequence[CategoryRule], collections: Collections) -> npt.NDArray[np.int64]:
    """For each product (rows of quality.schema.FIXED_PRODUCTS) which rule is the first to match, -1 where none does."""
    found = np.full(len(products), -1, dtype=np.int64)
    for number, rule in enumerate(rules):
        if not (found < 0).any():
            break
        found[(found < 0) & _matches(rule, products, collections)] = number
    return found


def _matches(rule: CategoryRule, products: pa.Table, collections: Collections) -> npt.NDArray[np.bool_]:
    pattern = glob_regex(rule.pattern)
    if rule.field == "tag":
        tags = products["tags"].combine_chunks()
        return _any(pc.list_parent_indices(tags), pc.list_flatten(tags), pattern, len(products))
    if rule.field == "collection":
        rows, handles = collections.pairs(products["product_id"])
        return _any(rows, handles, pattern, len(products))
    return _search(products[rule.field].combine_chunks(), pattern)


def _any(rows: pa.Array, values: pa.Array, pattern: str, size: int) -> npt.NDArray[np.bool_]:
    found = np.zeros(size, dtype=bool)
    found[rows.to_numpy()[_search(values, pattern)]] = True
    return found


def _search(values: pa.Array, pattern: str) -> npt.NDArray[np.bool_]:
    """Matches each distinct value once."""
    encoded = values.dictionary_encode()
    hits = pc.match_substring_regex(encoded.dictionary, pattern)
    found: npt.NDArray[np.bool_] = hits.take(encoded.indices).fill_null(False).to_numpy(zero_copy_only=False)
    return found


def glob_regex(pattern: str) -> str:
    """`*` and `?` of file names, any case, whole value; a linear-time regex, however hostile the pattern."""
    parts = (".*" if part == "*" else "." if part == "?" else re.escape(part) for part in re.split(r"([*?])", pattern))
    return rf"(?is)\A{''.join(parts)}\z"
