"""Vectorized looks at columns of listing rows, for the validators that run before messages are built.

`Problems` collects by row position: columns are tested as wholes, and only rows that fail cost Python time.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.model.listing import FeedKind, InvalidMessage

Mask = npt.NDArray[np.bool_]

#: Characters that XML 1.0 and the marketplaces refuse anywhere (RE2 syntax).
ILLEGAL = r"[\x00-\x08\x0B\x0C\x0E-\x1F\x7F\x{FFFE}\x{FFFF}]"
#: Where a text must be one line.
ILLEGAL_LINE = r"[\x00-\x1F\x7F\x{FFFE}\x{FFFF}]"
#: Markup that does something: scripts, frames, forms, embedded objects (RE2). No text of a listing needs it.
ACTIVE_MARKUP = r"(?i)<\s*/?\s*(script|iframe|frame|form|input|button|object|embed|applet|meta|link|base|style|svg|math)\b"
#: The same, event handlers and script addresses, in text that may have other markup.
ACTIVE_CONTENT = ACTIVE_MARKUP + r"|<[^>]*[\s\"'/]on[a-z]+\s*=|<[^>]*(javascript|vbscript|data)\s*:"


def web_address(secure: bool = False, without: str = "") -> str:
    """The pattern (RE2) of a web address without user info, with a host name, and without the characters that no URL may
    hold; `secure`: https only, `without`: characters that this marketplace cannot read."""
    path = rf"[^\s<>\"\\^`{{|}}\x00-\x20\x7F-\x{{A0}}\x{{FFFE}}\x{{FFFF}}{re.escape(without)}]*"
    return rf"^http{'s' if secure else 's?'}://[A-Za-z0-9.-]+(:[0-9]+)?([/?#]{path})?$"


def refusal(sku: str, feed: FeedKind, problems: Iterable[str]) -> InvalidMessage:
    """Problems ("the title is missing") as sentences, each once."""
    return InvalidMessage(sku, feed, tuple(f"{problem[:1].upper()}{problem[1:]}." for problem in dict.fromkeys(problems)))


class Problems:
    """Problems by row position, each a sentence without its capital and its period."""

    def __init__(self) -> None:
        self._rows: dict[int, list[str]] = defaultdict(list)

    def add(self, mask: Mask, sentence: str) -> None:
        """Add one sentence to every row of a true mask."""
        for position in np.flatnonzero(mask):
            self._rows[int(position)].append(sentence)

    @property
    def positions(self) -> Collection[int]:
        """Of the rows that have any."""
        return self._rows.keys()

    def at(self, position: int) -> tuple[str, ...]:
        found = self._rows.get(position)
        return tuple(found) if found else ()


def text(rows: pd.DataFrame, column: str) -> pa.Array:
    """A text column as one Arrow array."""
    return _array(rows[column], pa.string())


def texts(rows: pd.DataFrame, column: str) -> pa.Array:
    """A column of lists of text as one Arrow array."""
    return _array(rows[column], pa.list_(pa.string()))


def integer(rows: pd.DataFrame, column: str) -> pa.Array:
    """An integer column as one Arrow array."""
    return _array(rows[column], pa.int64())


def moments(rows: pd.DataFrame, column: str) -> pa.Array:
    """A column of UTC times as one Arrow array."""
    return _array(rows[column], pa.timestamp("us", "UTC"))


def _array(series: pd.Series[Any], kind: pa.DataType) -> pa.Array:
    array = pa.array(series, type=kind, from_pandas=True)
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def pylist(rows: pd.DataFrame, column: str) -> list[Any]:
    """A column as Python values, null as None, lists of text as tuples.

    Equal values are one object: the rows of a family repeat most of what they say, and whoever memoizes on a value that
    is shared hashes it once.
    """
    array = pa.array(rows[column], from_pandas=True)
    array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    if pa.types.is_list(array.type):
        return tuples(array)
    values, codes = _distinct(array)
    return [values[code] for code in codes.tolist()]


def _distinct(array: pa.Array) -> tuple[list[Any], npt.NDArray[np.int32]]:
    """The values that occur, and for each place which of them stands there."""
    encoded = array.dictionary_encode(null_encoding="encode")
    values = encoded.dictionary
    # text through numpy, which is several times faster than `to_pylist`
    is_text = pa.types.is_string(array.type) or pa.types.is_large_string(array.type)
    found: list[Any] = values.to_numpy(zero_copy_only=False).tolist() if is_text else values.to_pylist()
    return found, encoded.indices.to_numpy()


def tuples(lists: pa.Array) -> list[tuple[Any, ...] | None]:
    """Lists of text as tuples, equal ones as one object; null as None."""
    values, codes = _distinct(lists.values)
    known: dict[bytes, tuple[Any, ...]] = {}
    found: list[tuple[Any, ...] | None] = []
    for start, end in pairwise(lists.offsets.to_numpy().tolist()):
        key = codes[start:end].tobytes()
        if key not in known:
            known[key] = tuple([values[code] for code in codes[start:end].tolist()])
        found.append(known[key])
    for position in np.flatnonzero(lists.is_null().to_numpy(zero_copy_only=False)) if lists.null_count else ():
        found[position] = None
    return found


def mask(values: pa.Array) -> Mask:
    """A boolean Arrow array as numpy, null as false."""
    found: Mask = pc.fill_null(values, False).to_numpy(zero_copy_only=False)
    return found


def missing(values: pa.Array) -> Mask:
    """Null, empty or only spaces."""
    return ~mask(pc.match_substring_regex(values, r"\S"))


def longer(values: pa.Array, limit: int) -> Mask:
    """More than `limit` characters (code points)."""
    return mask(pc.greater(pc.utf8_length(values), limit))


def longer_bytes(values: pa.Array, limit: int) -> Mask:
    """More than `limit` bytes of UTF-8."""
    return mask(pc.greater(pc.binary_length(values), limit))


def matches(values: pa.Array, pattern: str) -> Mask:
    """Where a pattern (RE2) is found; null is false."""
    return mask(pc.match_substring_regex(values, pattern))


def refused(values: pa.Array, illegal: str = ILLEGAL_LINE) -> Mask:
    """Texts with characters of `illegal` or with active markup."""
    found = matches(values, illegal)
    # most columns have no markup at all, and a plain search is ten times cheaper than the pattern
    return found | matches(values, ACTIVE_MARKUP) if pc.any(pc.match_substring(values, "<")).as_py() else found


def distinctly(values: pa.Array, test: Callable[[pa.Array], Mask]) -> Mask:
    """`test` of each distinct value: for long texts, which many rows share."""
    encoded = values.dictionary_encode(null_encoding="encode")
    found: Mask = test(encoded.dictionary)[encoded.indices.to_numpy()]
    return found


def any_item(lists: pa.Array, failing: Mask) -> Mask:
    """Which rows hold an item of `failing`, a mask over the flattened list column."""
    found = np.zeros(len(lists), dtype=bool)
    if failing.any():
        parents: npt.NDArray[np.int64] = pc.list_parent_indices(lists).to_numpy()
        found[parents[failing]] = True
    return found


def lengths(lists: pa.Array) -> npt.NDArray[np.int64]:
    """Items of each list, null as 0."""
    counts: npt.NDArray[np.int64] = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    return counts


def numbers(rows: pd.DataFrame, column: str) -> tuple[npt.NDArray[np.int64], Mask]:
    """An integer column as values (null as 0) and the mask of nulls."""
    series = rows[column]
    null: Mask = series.isna().to_numpy(dtype=bool)
    return series.fillna(0).to_numpy(dtype="int64"), null


def usable_images(rows: pd.DataFrame, pattern: str, longest: int, most: int | None = None) -> pa.ListArray:
    """The images of each row whose address matches `pattern` (RE2) and is not too long, the first `most`, in order, once each."""
    lists = texts(rows, "images")
    encoded = lists.flatten().dictionary_encode(null_encoding="encode")
    urls, codes = encoded.dictionary, encoded.indices.to_numpy(zero_copy_only=False)
    owners: npt.NDArray[np.int64] = pc.list_parent_indices(lists).to_numpy()
    good = matches(urls, pattern) & ~longer(urls, longest)
    first = np.zeros(len(codes), dtype=bool)
    first[np.unique(owners * max(len(urls), 1) + codes, return_index=True)[1]] = True
    kept = np.flatnonzero(good[codes] & first)
    starts = np.searchsorted(owners[kept], np.arange(len(lists) + 1))
    if most is not None:
        kept = kept[np.arange(len(kept)) - starts[owners[kept]] < most]
        starts = np.searchsorted(owners[kept], np.arange(len(lists) + 1))
    return pa.ListArray.from_arrays(pa.array(starts, pa.int32()), urls.take(pa.array(codes[kept])))
