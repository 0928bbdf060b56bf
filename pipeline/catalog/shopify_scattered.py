"""Bulk files whose children do not stand below their product, brought into that order in bounded memory.

All lines go into a file, undecoded; what is kept of each is whose child it is (about 40 bytes). Ids are found by a search in
the first and last bytes of many lines at once. Then the lines are read again in the order of their products.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.catalog.jsonl_lines import Line, Lines
from pipeline.catalog.shopify_gid import (
    INVENTORY_ITEM,
    ITEM_ANYWHERE,
    OWN_FIRST,
    PARENT_LAST,
    PRODUCT,
    VARIANT,
    find_own_gid,
    plain,
    written_parent,
)
from pipeline.model.errors import BadInputError

Ints = npt.NDArray[np.int64]

#: Bytes of lines that are looked at, and read again, at once.
_STEP = 4 << 20
#: Bytes at the start and at the end of a line that hold its own id and its parent's, where Shopify writes them.
_WINDOW = 112
#: Types of ids that tell whose child a line is, by number.
_TYPES = pa.array([head.rpartition("/")[2] for head in (PRODUCT, VARIANT, INVENTORY_ITEM)])
_PRODUCT, _VARIANT, _ITEM, _OTHER = 0, 1, 2, -1
#: The number of an id that was not found. Those of ids that are no numbers are below.
_UNFOUND = -1


class _Links(NamedTuple):
    """What some lines say of each other: bytes, type and number of the parent of each line; the products and the variants
    among them by line and number."""

    sizes: npt.NDArray[np.int32]
    parent_types: npt.NDArray[np.int8]
    parents: Ints
    product_lines: Ints
    products: Ints
    variant_lines: Ints
    variants: Ints


class Regrouped:
    """The lines of a file, product by product. `open_end` and `done` are what `Assembler` asks for."""

    open_end = False

    def __init__(self, lines: Lines, folder: Path, name: str) -> None:
        self._lines, self._folder, self._name = lines, folder, name
        self.done = 0.0

    def __iter__(self) -> Iterator[Line]:
        with tempfile.TemporaryFile(dir=self._folder) as file:
            found: list[_Links] = []
            count = 0
            for lines in self._steps():
                data = b"".join(lines)
                file.write(data)
                found.append(_links(lines, data, count))
                count += len(lines)
            file.flush()
            links = _Links(*map(np.concatenate, zip(*found, strict=True)))
            yield from self._read(_Spool(file, links.sizes), links)

    def _steps(self) -> Iterator[list[bytes]]:
        step: list[bytes] = []
        size = 0
        for number, line in self._lines:
            if self._lines.open_end:
                self._must_be_whole(number, line)
            step.append(line)
            size += len(line)
            if size >= _STEP:
                yield step
                step, size = [], 0
        yield step

    def _must_be_whole(self, number: int, line: bytes) -> None:
        try:
            orjson.loads(line)
        except ValueError:
            raise BadInputError(f"{self._name} is cut off in the middle of line {number}: download or export it again") from None

    def _read(self, spool: _Spool, links: _Links) -> Iterator[Line]:
        order = _order(links, spool)
        steps = np.cumsum(links.sizes[order], dtype=np.int64) // _STEP
        for places in np.split(order, np.flatnonzero(np.diff(steps)) + 1):
            yield from zip((places + 1).tolist(), spool.read(places).to_pylist(), strict=True)
            self.done += len(places) / len(order)


class _Spool:
    """Lines in a file, and where each one ends."""

    def __init__(self, file: IO[bytes], sizes: npt.NDArray[np.int32]) -> None:
        self._file, self._ends = file, np.cumsum(sizes, dtype=np.int64)
        self._sizes = sizes

    def read(self, places: Ints) -> Any:
        """These lines as a binary array; those that stand together are read together."""
        ordered = np.sort(places)
        breaks = np.flatnonzero(np.diff(ordered) > 1)
        firsts, lasts = ordered[np.append(0, breaks + 1)], ordered[np.append(breaks, len(ordered) - 1)]
        starts, ends = self._ends[firsts] - self._sizes[firsts], self._ends[lasts]
        descriptor = self._file.fileno()
        data = b"".join(
            os.pread(descriptor, end - start, start) for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
        )
        bounds = np.append(0, np.cumsum(self._sizes[ordered])).astype(np.int32)
        lines = pa.Array.from_buffers(pa.binary(), len(ordered), [None, pa.py_buffer(bounds), pa.py_buffer(data)])
        return lines.take(pa.array(np.searchsorted(ordered, places)))


def _links(lines: list[bytes], data: bytes, first: int) -> _Links:
    """`data` is the lines in one piece, `first` the place of the first of them."""
    sizes = np.fromiter(map(len, lines), np.int32, len(lines))
    ends = np.cumsum(sizes, dtype=np.int64)
    starts = ends - sizes
    types, parents = _find(data, np.maximum(starts, ends - _WINDOW), ends, PARENT_LAST)
    product_lines, products = [], []
    for place in np.flatnonzero(parents == _UNFOUND).tolist():
        parent = plain(written_parent(lines[place]))
        if parent:
            types[place], parents[place] = _split(parent)
        else:
            own_type, number = _split(find_own_gid(lines[place]))
            if own_type == _PRODUCT:
                product_lines.append(first + place)
                products.append(number)
    children = np.flatnonzero(types == _PRODUCT)
    own_types, own = _find(data, starts[children], np.minimum(starts + _WINDOW, ends)[children], OWN_FIRST)
    for index in np.flatnonzero(own == _UNFOUND).tolist():
        own_types[index], own[index] = _split(find_own_gid(lines[children[index]]))
    variants = own_types == _VARIANT
    return _Links(
        sizes,
        types,
        parents,
        np.array(product_lines, np.int64),
        np.array(products, np.int64),
        first + children[variants],
        own[variants],
    )


def _find(data: bytes, starts: Ints, ends: Ints, pattern: str) -> tuple[npt.NDArray[np.int8], Ints]:
    """Type and number of the id that the pattern finds in each of these parts, which must not overlap."""
    bounds = np.append(0, np.column_stack([starts, ends])).astype(np.int32)
    parts = pa.Array.from_buffers(pa.binary(), len(bounds) - 1, [None, pa.py_buffer(bounds), pa.py_buffer(data)])
    return _ids(parts.take(pa.array(np.arange(1, len(bounds), 2))), pattern)


def _ids(texts: Any, pattern: str) -> tuple[npt.NDArray[np.int8], Ints]:
    found = pc.extract_regex(texts, pattern)
    type_, number = (pc.cast(pc.struct_field(found, name), pa.string()) for name in ("type", "number"))
    types = pc.fill_null(pc.index_in(type_, value_set=_TYPES), _OTHER).cast(pa.int8())
    numbers = pc.fill_null(pc.cast(number, pa.int64()), _UNFOUND)
    return types.to_numpy().copy(), numbers.to_numpy().copy()


def _split(gid: str) -> tuple[int, int]:
    """Type and number of an id, below `_UNFOUND` for one that is no number."""
    head, _, key = gid.rpartition("/")
    number = int(key) if key.isascii() and key.isdigit() and len(key) <= 18 else -2 - (hash(key) & (1 << 62) - 1)
    return (PRODUCT, VARIANT, INVENTORY_ITEM).index(head) if head in (PRODUCT, VARIANT, INVENTORY_ITEM) else _OTHER, number


def _order(links: _Links, spool: _Spool) -> Ints:
    """The places of the lines: each product, its children, their children; last the lines of no product."""
    products = np.full(len(links.sizes), -1, np.int64)  # of each line, by their order in the file
    products[links.product_lines] = np.arange(len(links.product_lines))
    depth = np.zeros(len(products), np.int8)
    items, item_lines = links.variants[:0], links.variant_lines[:0]
    if (links.parent_types == _ITEM).any():
        item_lines = links.variant_lines
        steps = np.cumsum(links.sizes[item_lines], dtype=np.int64) // _STEP
        parts = np.split(item_lines, np.flatnonzero(np.diff(steps)) + 1)
        items = np.concatenate([_ids(spool.read(part), ITEM_ANYWHERE)[1] for part in parts])
    levels = (
        (_PRODUCT, links.products, links.product_lines),
        (_VARIANT, links.variants, links.variant_lines),
        (_ITEM, items, item_lines),
    )
    for type_, ids, owners in levels:
        children = np.flatnonzero(links.parent_types == type_)
        products[children] = _owners(ids, products[owners], links.parents[children])
        depth[children] = min(type_ + 1, 2)
    rank = np.where(products < 0, np.iinfo(np.int64).max, products * 3 + depth)
    return np.argsort(rank, kind="stable")


def _owners(ids: Ints, products: Ints, wanted: Ints) -> Ints:
    """The product of each wanted id, that of the first line with this id; -1 where there is none."""
    if not len(ids):
        return np.full(len(wanted), -1)
    order = np.argsort(ids, kind="stable")
    at = order[np.minimum(np.searchsorted(ids, wanted, sorter=order), len(ids) - 1)]
    return np.where(ids[at] == wanted, products[at], -1)
