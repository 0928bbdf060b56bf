"""GTINs in columns: cleaning, the comparable key, the check digit. GS1 General Specifications, 7.9 (check digit)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

_WEIGHTS = np.array([3, 1] * 6 + [3], np.uint8)
_SIZES = pa.array([8, 12, 13, 14], pa.int32())
#: Lengths of UPC and EAN-8 that lost leading zeros.
SHORT = (7, 9, 10, 11)
#: Restricted circulation (02, 04, 2x) and coupons (05, 98, 99), as they begin a 14-digit key after its leading digit 0.
RESTRICTED = r"^0(02|04|05|2|98|99)"


def clean(values: Any) -> Any:
    """Without spaces, hyphens, apostrophes, a spreadsheet's `="..."` and a trailing `.0`; empty becomes null."""
    if pc.all(pc.match_substring_regex(values, r"^[0-9]+$")).as_py() is not False:
        return values
    text = pc.replace_substring_regex(values, r"[\s\p{Z}\p{Cf}'’‘`\-‐‑–=\"]", "")
    text = pc.replace_substring_regex(text, r"^([0-9]+)\.0+$", r"\1")
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, values.type), text)


def valid(values: Any) -> npt.NDArray[np.bool_]:
    """Whether each value is 8, 12, 13 or 14 digits with the right check digit (and not only zeros); null is not."""
    rows = np.flatnonzero(pc.is_in(pc.binary_length(values), _SIZES).to_numpy(zero_copy_only=False))
    result = np.zeros(len(values), bool)
    if not len(rows):
        return result
    padded = pc.ascii_lpad(values.take(pa.array(rows)), 14, "0")  # counts bytes, so that each value has 14 of them
    digits = np.frombuffer(padded.buffers()[2], dtype=np.uint8, count=14 * len(rows)).reshape(-1, 14) - np.uint8(48)
    total = digits[:, :13] @ _WEIGHTS + digits[:, 13]  # at most 252 for digits
    result[rows] = (digits < 10).all(axis=1) & (total % 10 == 0) & digits.any(axis=1)
    return result


def padded(values: Any, lengths: Collection[int]) -> Any:
    """Digits of the given short lengths with zeros in front (7 as 8, 9 to 11 as 12), where that makes a valid GTIN."""
    if not lengths:
        return values
    digits = pc.match_substring_regex(values, "^([0-9]{7}|[0-9]{9,11})$")
    sizes = pc.utf8_length(values)
    short = pc.fill_null(pc.and_(digits, pc.is_in(sizes, pa.array(sorted(lengths), sizes.type))), False)
    wide = pc.if_else(pc.equal(sizes, 7), pc.utf8_lpad(values, 8, "0"), pc.utf8_lpad(values, 12, "0"))
    return pc.if_else(pc.and_(short, pa.array(valid(wide))), wide, values)


def keys(values: Any) -> Any:
    """Valid GTINs zero-filled to 14 digits, so that a UPC equals its EAN; everything else is null."""
    return pc.if_else(pa.array(valid(values)), pc.utf8_lpad(values, 14, "0"), pa.scalar(None, pa.string()))
