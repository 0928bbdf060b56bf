"""The marketplace category of each product: the first rule of the connection that matches, else its default."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.listings.assortment import Collections
from pipeline.stores.export_settings import CategoryRule

_TEXT = pd.StringDtype("pyarrow")


def categorize(products: pa.Table, rules: Sequence[CategoryRule], default: str | None, collections: Collections) -> pd.DataFrame:
    """`category` and `category_source` (rule | default, null when there is none) of rows of quality.schema.FIXED_PRODUCTS."""
    category = np.full(len(products), default, dtype=object)
    source = np.full(len(products), "default" if default is not None else None, dtype=object)
    open_rows = np.ones(len(products), dtype=bool)
    for rule in rules:
        if not open_rows.any():
            break
        hit = open_rows & _matches(rule, products, collections)
        category[hit], source[hit] = rule.category, "rule"
        open_rows &= ~hit
    return pd.DataFrame({"category": pd.array(category, dtype=_TEXT), "category_source": pd.array(source, dtype=_TEXT)})


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
