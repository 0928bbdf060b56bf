"""The marketplace category of each product: the first rule of the connection that matches, else the marketplace's own
suggestion where that is accepted, else the connection's default."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.listings.assortment import Collections
from pipeline.stores.export_settings import CategoryRule

_TEXT = pd.StringDtype("pyarrow")


def categorize(
    products: pa.Table, rules: Sequence[CategoryRule], default: str | None, collections: Collections,
    suggested: Mapping[str, str] | None = None,
) -> pd.DataFrame:  # fmt: skip
    """`category`, `category_source` (rule | suggested | default, null when there is none) and `category_attributes` (JSON of what
    the rule says of its products) of rows of quality.schema.FIXED_PRODUCTS. `suggested`: categories by title."""
    category = np.full(len(products), default, dtype=object)
    source = np.full(len(products), "default" if default is not None else None, dtype=object)
    attributes = np.full(len(products), None, dtype=object)
    if suggested:
        for row, title in enumerate(products["title"].to_pylist()):
            if title in suggested:
                category[row], source[row] = suggested[title], "suggested"
    open_rows = np.ones(len(products), dtype=bool)
    for rule in rules:
        if not open_rows.any():
            break
        hit = open_rows & _matches(rule, products, collections)
        category[hit], source[hit] = rule.category, "rule"
        if rule.attributes:
            attributes[hit] = orjson.dumps(rule.attributes, option=orjson.OPT_SORT_KEYS).decode()
        open_rows &= ~hit
    columns = {"category": category, "category_source": source, "category_attributes": attributes}
    return pd.DataFrame({name: pd.array(values, dtype=_TEXT) for name, values in columns.items()})


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
