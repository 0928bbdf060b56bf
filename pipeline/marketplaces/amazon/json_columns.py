"""JSON of whole columns: Arrow texts that are JSON, null where a row says nothing.

Messages say much the same in the same shape, so Arrow's text kernels write them; only texts with a quote, a backslash or a
control character are escaped one by one. What is said belongs to `values`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.model.money import exponent

#: What JSON escapes (RE2).
_ESCAPED = r'["\\\x00-\x1F]'


def glued(*parts: pa.Array | str) -> pa.Array:
    """The parts of each row put together; null where one is null."""
    return pc.binary_join_element_wise(*parts, "", null_handling="emit_null")


def listed(parts: Iterable[pa.Array]) -> pa.Array:
    """The parts of each row with commas between them, without those that are null."""
    return pc.binary_join_element_wise(*parts, ",", null_handling="skip")


def where(mask: Any, values: pa.Array) -> pa.Array:
    """Null where the mask (Arrow or numpy) is not true."""
    return pc.if_else(pa.array(mask), values, pa.scalar(None, values.type))


def present(texts: pa.Array) -> pa.Array:
    """Null instead of empty texts."""
    return where(pc.not_equal(texts, ""), texts)


def distinctly(values: pa.Array, write: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """`write` of each distinct value: for what the rows of a family share."""
    encoded = values.dictionary_encode()
    return write(encoded.dictionary).take(encoded.indices)


def quoted(texts: pa.Array) -> pa.Array:
    """Texts as JSON strings."""
    found = glued('"', texts, '"')
    special = pc.fill_null(pc.match_substring_regex(texts, _ESCAPED), False)
    if pc.any(special).as_py():
        escaped = [orjson.dumps(text).decode() for text in texts.filter(special).to_pylist()]
        found = pc.replace_with_mask(found, special, pa.array(escaped, pa.string()))
    return found


def integers(numbers: pa.Array) -> pa.Array:
    return pc.cast(numbers, pa.string())


def amounts(minor: pa.Array, currency: str) -> pa.Array:
    """Minor units (not below zero) as exact JSON numbers: 1999 USD cents -> 19.99."""
    digits = exponent(currency)
    text = integers(minor)
    if digits == 0:
        return text
    text = pc.utf8_lpad(text, width=digits + 1, padding="0")
    return glued(pc.utf8_slice_codeunits(text, 0, -digits), ".", pc.utf8_slice_codeunits(text, -digits))
