"""Variation families: a product of several variants is a parent row and its children, any other a single row."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

#: Shopify's ids are numbers of 13 or 14 digits; up to 18 digits base 36 takes at most 12 characters.
_MAX_DIGITS = 18
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def parent_skus(product_ids: Sequence[str], taken: pa.ChunkedArray) -> list[str]:
    """SKUs for the parent rows of families, at most 20 characters, each the same in every run.

    `P` + base 36 of a numeric product id (injective, 13 characters at most), else `P` + base 32 of 80 bits of its hash
    (17 characters, so that the two kinds never meet). Where a variant of the store has that SKU (`taken`: all of
    them, or those of `parent_like`; case is ignored) `-2`, `-3` ... is appended.
    """
    wanted = [_parent_sku(product_id) for product_id in product_ids]
    if not wanted:
        return []
    used = pc.utf8_upper(taken)
    clashes = pc.is_in(pa.array(wanted, pa.string()), value_set=used.combine_chunks()).to_numpy(zero_copy_only=False)
    if clashes.any():
        others = set(used.to_pylist())
        for index in np.flatnonzero(clashes):
            number = 2
            while f"{wanted[index]}-{number}" in others:
                number += 1
            wanted[index] = f"{wanted[index]}-{number}"
    return wanted


def parent_like(skus: pa.ChunkedArray) -> pa.ChunkedArray:
    """Those of `skus`, in capitals, that `parent_skus` might give: found once for a store, few in most."""
    upper = pc.utf8_upper(skus)
    return upper.filter(pc.match_substring_regex(upper, "^P[0-9A-Z]+(-[0-9]+)?$"))


def _parent_sku(product_id: str) -> str:
    if product_id.isascii() and product_id.isdigit() and len(product_id) <= _MAX_DIGITS and not product_id.startswith("0"):
        number, text = int(product_id), ""
        while number:
            number, digit = divmod(number, 36)
            text = _DIGITS[digit] + text
        return f"P{text}"
    return "P" + base64.b32encode(blake2b(product_id.encode(), digest_size=10).digest()).decode()
