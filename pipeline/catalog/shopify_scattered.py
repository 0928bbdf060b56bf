"""Bulk files whose children do not stand below their product, brought into that order in bounded memory.

All lines go into a file, undecoded; what is kept of each is whose child it is (about 40 bytes). Ids are found by a search in
the first and last bytes of many lines at once. Then the lines are read again in the order of their products.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import numpy.typing as npt
import orjson
from numpy.lib.stride_tricks import sliding_window_view

from pipeline.catalog.jsonl_lines import Line, Lines
from pipeline.catalog.shopify_gid import (
    INVENTORY_ITEM,
    OWN_FIRST,
    PARENT_LAST,
    PRODUCT,
    VARIANT,
    find_inventory_item,
    find_own_gid,
    plain,
    written_parent,
)
from pipeline.model.errors import BadInputError

Ints = npt.NDArray[np.int64]

#: Bytes of lines that are looked at, and read again, at once.
_STEP = 2 << 20
_LINE_FEED = 10
#: So many shapes of lines are looked at together, the other lines one by one.
_SHAPES = 24
#: Types of ids that tell whose child a line is.
_PRODUCT, _VARIANT, _ITEM, _OTHER = 0, 1, 2, -1
_TYPES = {PRODUCT: _PRODUCT, VARIANT: _VARIANT, INVENTORY_ITEM: _ITEM}
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
            for data in self._steps():
                file.write(data)
                found.append(_links(data, self._lines.total))
                self._lines.total += len(found[-1].sizes)
            file.flush()
            links = _Links(*map(np.concatenate, zip(*found, strict=True)))
            yield from self._read(_Spool(file, links.sizes), links)

    def _steps(self) -> Iterator[bytes]:
        step: list[bytes] = []
        size = 0
        for block in self._lines.blocks():
            if self._lines.open_end:
                yield b"".join(step)  # so that all lines before it are counted
                step = []
                self._must_be_whole(block)
            step.append(block)
            size += len(block)
            # What has no line feed must end a step, since steps are cut at them.
            if size >= _STEP or block[-1] != _LINE_FEED:
                yield b"".join(step)
                step, size = [], 0
        yield b"".join(step)

    def _must_be_whole(self, line: bytes) -> None:
        try:
            orjson.loads(line)
        except ValueError:
            number = self._lines.total + 1
            raise BadInputError(f"{self._name} is cut off in the middle of line {number}: download or export it again") from None

    def _read(self, spool: _Spool, links: _Links) -> Iterator[Line]:
        order = _order(links, spool)
        if not len(order):
            return
        for places in _parts(links.sizes, order):
            yield from zip((places + 1).tolist(), spool.read(places), strict=True)
            self.done += len(places) / len(order)


class _Spool:
    """Lines in a file, and where each one ends."""

    def __init__(self, file: IO[bytes], sizes: npt.NDArray[np.int32]) -> None:
        self._file, self._ends = file, np.cumsum(sizes, dtype=np.int64)
        self._sizes = sizes

    def read(self, places: Ints) -> Iterator[bytes]:
        """These lines; those that stand together are read together."""
        ordered = np.sort(places)
        breaks = np.flatnonzero(np.diff(ordered) > 1)
        firsts, lasts = ordered[np.append(0, breaks + 1)], ordered[np.append(breaks, len(ordered) - 1)]
        starts, ends = self._ends[firsts] - self._sizes[firsts], self._ends[lasts]
        descriptor = self._file.fileno()
        data = b"".join(
            os.pread(descriptor, end - start, start) for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
        )
        at = np.searchsorted(ordered, places)
        ends = np.cumsum(self._sizes[ordered])[at]
        return map(data.__getitem__, map(slice, (ends - self._sizes[places]).tolist(), ends.tolist()))


def _parts(sizes: npt.NDArray[np.int32], places: Ints) -> list[Ints]:
    """The places in parts of about `_STEP` bytes."""
    steps = np.cumsum(sizes[places], dtype=np.int64) // _STEP
    return np.split(places, np.flatnonzero(np.diff(steps)) + 1)


def _links(data: bytes, first: int) -> _Links:
    """`data` is whole lines, `first` the place of the first of them."""
    content = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(content == _LINE_FEED) + 1
    if data and data[-1] != _LINE_FEED:
        ends = np.append(ends, len(data))
    sizes = np.diff(ends, prepend=0).astype(np.int32)

    last, quote = (content[np.maximum(ends - distance, 0)] for distance in (4, 3))  # of `123"}` and a line feed
    closed = np.flatnonzero((last >= ord("0")) & (last <= ord("9")) & (quote == ord('"')))
    types, parents = _find(content, sizes, ends, closed, PARENT_LAST)
    starts = ends - sizes
    unfound = np.flatnonzero(parents == _UNFOUND)
    for place, start, end in zip(unfound.tolist(), starts[unfound].tolist(), ends[unfound].tolist(), strict=True):
        parent = written_parent(data[start:end])
        if parent:
            types[place], parents[place] = _split(plain(parent))
    heads = np.flatnonzero((types == _PRODUCT) | (parents == _UNFOUND))
    own_types, own = _find(content, sizes, ends, heads, OWN_FIRST)
    for place in heads[own[heads] == _UNFOUND].tolist():
        own_types[place], own[place] = _split(find_own_gid(data[starts[place] : ends[place]]))
    products = np.flatnonzero((own_types == _PRODUCT) & (parents == _UNFOUND))
    variants = np.flatnonzero((own_types == _VARIANT) & (types == _PRODUCT))
    return _Links(sizes, types, parents, first + products, own[products], first + variants, own[variants])


def _find(
    content: npt.NDArray[np.uint8], sizes: npt.NDArray[np.int32], ends: Ints, places: Ints, pattern: re.Pattern[bytes]
) -> tuple[npt.NDArray[np.int8], Ints]:
    """Type and number of the id that the pattern finds at the start or the end of the lines at these places.

    Lines have few shapes: the pattern looks at one, and all that are the same but for the digits of the id are read like it.
    """
    types, numbers = np.full(len(sizes), _OTHER, np.int8), np.full(len(sizes), _UNFOUND)
    for _ in range(_SHAPES):
        if not len(places):
            break
        end, size = int(ends[places[0]]), int(sizes[places[0]])
        line = content[end - size : end].tobytes()
        found = pattern.search(line)
        if found is None:
            places = places[1:]
            continue
        shape = np.frombuffer(found[0], np.uint8)
        start = ends[places] - (size - found.start() if found.end() == size else sizes[places])
        digits = slice(*(at - found.start() for at in found.span("number")))
        windows = sliding_window_view(content, len(shape))[np.clip(start, 0, len(content) - len(shape))]
        number = windows[:, digits] - np.uint8(ord("0"))
        windows[:, digits] = shape[digits]
        alike = (windows == shape).all(axis=1) & (number < 10).all(axis=1) & (sizes[places] >= len(shape))
        types[places[alike]] = _split(plain(found["id"]))[0]
        numbers[places[alike]] = number[alike] @ 10 ** np.arange(number.shape[1])[::-1]
        places = places[~alike]
    return types, numbers


def _split(gid: str) -> tuple[int, int]:
    """Type and number of an id, below `_UNFOUND` for one that is no number."""
    head, _, key = gid.rpartition("/")
    number = int(key) if key.isascii() and key.isdigit() and len(key) <= 18 else -2 - (hash(key) & (1 << 62) - 1)
    return _TYPES.get(head, _OTHER), number


def _order(links: _Links, spool: _Spool) -> Ints:
    """The places of the lines: each product, its children, their children; last the lines of no product."""
    products = np.full(len(links.sizes), -1, np.int64)  # of each line, by their order in the file
    products[links.product_lines] = np.arange(len(links.product_lines))
    depth = np.zeros(len(products), np.int8)
    items, item_lines = links.variants[:0], links.variant_lines[:0]
    if (links.parent_types == _ITEM).any():
        item_lines = links.variant_lines
        variants = (line for part in _parts(links.sizes, item_lines) for line in spool.read(part))
        items = np.array([_split(find_inventory_item(line))[1] for line in variants], np.int64)
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
