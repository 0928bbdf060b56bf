"""Checks of what a feed can carry: the marketplaces' own tests of text and addresses, asked before a message is made.

The patterns are those of the validators, so that a row which passes here is not refused there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.marketplaces.columns import ACTIVE_CONTENT, ILLEGAL, ILLEGAL_LINE, matches, refused, web_address
from pipeline.quality.context import Context
from pipeline.quality.masks.base import Mask, arrow, check, fails, folded, to_mask


def _distinct(test: Callable[[Any], Mask]) -> Callable[[Any], Any]:
    """`test` of each distinct text: the rows of a family repeat most of what they say."""

    def of_texts(texts: Any) -> Any:
        coded = pc.dictionary_encode(texts)
        return pa.array(np.append(test(coded.dictionary), False)).take(pc.fill_null(coded.indices, len(coded.dictionary)))

    return of_texts


@check
def sendable(frame: pd.DataFrame, field: str, context: Context, *, lines: bool = False, html: bool = False) -> Mask:
    """No control character (with `lines`: but tab and newline) and no script, frame or form (with `html`: nor handlers)."""

    def bad(texts: Any) -> Mask:
        found = refused(texts, ILLEGAL if lines else ILLEGAL_LINE)
        return found | matches(texts, ACTIVE_CONTENT) if html else found

    return ~fails(frame, field, _distinct(bad))


@check
def any_fetchable(
    frame: pd.DataFrame, field: str, context: Context, *, max: int, secure: bool = False, without: str = ""
) -> Mask:
    """At least one address of the list is a web address (`secure`: https) of at most `max` characters that has none of the
    characters `without`; an empty list passes."""
    pattern = web_address(secure, without)
    values = arrow(frame[field])
    good = _distinct(lambda urls: matches(urls, pattern) & to_mask(pc.less_equal(pc.utf8_length(urls), max)))
    result: Mask = ~to_mask(pc.greater(pc.list_value_length(values), 0))
    result[pc.list_parent_indices(values).to_numpy()[to_mask(good(pc.list_flatten(values)))]] = True
    return result


@check
def distinct_fields(frame: pd.DataFrame, field: str, context: Context, *, fields: list[str]) -> Mask:
    """No two of the columns `fields` have the same value, in any case."""
    texts = [folded(arrow(frame[name])) for name in fields]
    same = np.zeros(len(frame), bool)
    for index, first in enumerate(texts):
        for second in texts[index + 1 :]:
            same |= to_mask(pc.equal(first, second))
    return ~same


@check
def distinct_at_most(frame: pd.DataFrame, field: str, context: Context, *, max: int) -> Mask:
    """The rows of the product have at most `max` different values."""
    product = pd.factorize(frame["product_id"])[0]
    value = pc.dictionary_encode(arrow(frame[field])).indices.fill_null(-1).to_numpy()
    pairs = np.unique(np.stack([product, value])[:, value >= 0], axis=1)
    counts = np.bincount(pairs[0], minlength=product.max(initial=-1) + 1)
    result: Mask = counts[product] <= max
    return result
