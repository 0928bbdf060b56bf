"""Checks of SKU and GTIN."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.quality import gtin
from pipeline.quality.context import Context
from pipeline.quality.masks.base import Mask, arrow, check, fails, to_mask

#: Printable ASCII without outer or repeated spaces and without characters that break spreadsheets and markup.
LEGAL_SKU = r"""^[!#-%(-;=?-\[\]-~]+( [!#-%(-;=?-\[\]-~]+)*$"""
_SCIENTIFIC = r"^[0-9](\.[0-9]+)?[eE]\+?[0-9]{1,2}$"


@check
def sku_legal(frame: pd.DataFrame, field: str, context: Context, *, max: int) -> Mask:
    """The SKU is at most `max` printable ASCII characters without quotes, angle brackets, ampersand or backslash."""

    def bad(texts: pa.Array) -> pa.Array:
        return pc.or_(pc.invert(pc.match_substring_regex(texts, LEGAL_SKU)), pc.greater(pc.utf8_length(texts), max))

    return ~fails(frame, field, bad)


@check
def not_scientific(frame: pd.DataFrame, field: str, context: Context) -> Mask:
    """The value is not a number in scientific notation, as a spreadsheet writes a long number."""
    return ~fails(frame, field, lambda texts: pc.match_substring_regex(texts, _SCIENTIFIC))


@check
def gtin_valid(frame: pd.DataFrame, field: str, context: Context) -> Mask:
    """The barcode is a GTIN: 8, 12, 13 or 14 digits with the right check digit."""
    values = arrow(frame[field])
    return gtin.valid(values) | to_mask(pc.is_null(values))


@check
def gtin_check_digit(frame: pd.DataFrame, field: str, context: Context) -> Mask:
    """A barcode as long as a GTIN has the right check digit; other codes are not judged."""
    values = arrow(frame[field])
    shaped = to_mask(pc.match_substring_regex(values, r"^([0-9]{8}|[0-9]{12,14})$"))
    return gtin.valid(values) | ~shaped


@check
def gtin_exact(frame: pd.DataFrame, field: str, context: Context) -> Mask:
    """The barcode was not rounded by a spreadsheet: no exponent, no wrong check digit after three zeros."""
    values = arrow(frame[field])
    suspects = np.flatnonzero(to_mask(pc.match_substring_regex(values, rf"^[1-9][0-9]{{7,10}}000+$|{_SCIENTIFIC}")))
    result = np.ones(len(frame), bool)
    result[suspects] = gtin.valid(values.take(pa.array(suspects)))
    return result


@check
def gtin_unrestricted(frame: pd.DataFrame, field: str, context: Context) -> Mask:
    """The GTIN is not from a range for use inside a company (02, 04, 2) or for coupons (05, 98, 99)."""
    return ~to_mask(pc.match_substring_regex(gtin.keys(arrow(frame[field])), gtin.RESTRICTED))


@check
def gtin_unique(frame: pd.DataFrame, field: str, context: Context) -> Mask:
    """No other variant of the store has the same GTIN (compared as 14 digits)."""
    if not context.duplicate_gtins:
        return np.ones(len(frame), bool)
    return ~to_mask(pc.is_in(gtin.keys(arrow(frame[field])), pa.array(sorted(context.duplicate_gtins))))
