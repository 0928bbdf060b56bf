"""Bulk files whose children do not stand below their product, brought into that order with flat memory.

One pass spills every line, undecoded, into a file for the range of products that it belongs to; ids are found by a search
in the bytes. Then each range fits into memory and its products are read one after the other, in the order of their lines.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import orjson

from pipeline.catalog.jsonl_lines import Line, Lines
from pipeline.catalog.shopify_gid import INVENTORY_ITEM, PRODUCT, VARIANT, find_gids, find_inventory_item
from pipeline.model.errors import BadInputError

#: Products of one file, and bytes kept back before files are written: about 1,000 files for 1M products.
_RANGE, _BUFFER = 1024, 32 << 20
_LATER, _LOOSE = -1, -2
_FIRST, _CHILD, _GRANDCHILD = range(3)


class _Owners:
    """Ids of one type and the products that they belong to: 12 bytes an id, searchable once all are known."""

    def __init__(self) -> None:
        self._ids, self._ordinals = array("q"), array("i")

    def add(self, key: str, ordinal: int) -> None:
        self._ids.append(_number(key))
        self._ordinals.append(ordinal)

    def find(self, numbers: array[int]) -> np.ndarray:
        """The product of each id, -1 where it is unknown."""
        wanted = np.array(numbers, dtype=np.int64)
        if not self._ids:
            return np.full(len(wanted), -1)
        ids = np.array(self._ids, dtype=np.int64)
        order = np.argsort(ids, kind="stable")
        at = np.minimum(np.searchsorted(ids, wanted, sorter=order), len(ids) - 1)
        found = order[at]
        return np.where((ids[found] == wanted) & (wanted >= 0), np.array(self._ordinals, dtype=np.int64)[found], -1)


def _number(key: str) -> int:
    """The number of an id, -1 for anything else (no line's parent is found by that)."""
    return int(key) if key.isascii() and key.isdigit() and len(key) <= 18 else -1


class Regrouped:
    """The lines of a file, product by product. `open_end` and `done` are what `Assembler` asks for."""

    open_end = False

    def __init__(self, lines: Lines, folder: Path, name: str) -> None:
        self._lines, self._folder, self._name = lines, folder, name
        self._waiting: dict[int, list[bytes]] = defaultdict(list)
        self._waiting_bytes = 0
        self._products: dict[str, int] = {}
        self._variants, self._items = _Owners(), _Owners()
        self._count = 0
        self.done = 0.0

    def __iter__(self) -> Iterator[Line]:
        self._spill()
        self._place_later()
        ranges = range(0, -(-self._count // _RANGE))
        for index in ranges:
            yield from self._read_range(index)
            self.done = (index + 1) / len(ranges)
        for _, _, number, line in self._read(_LOOSE):
            yield number, line

    def _spill(self) -> None:
        products, put = self._products, self._put
        for number, line in self._lines:
            if self._lines.open_end:
                self._must_be_whole(number, line)
            gid, parent = find_gids(line)
            if not parent:
                if not gid.startswith(PRODUCT + "/"):
                    put(_LOOSE, -1, _FIRST, number, line)
                    continue
                products.setdefault(gid, self._count)
                put(self._count // _RANGE, self._count, _FIRST, number, line)
                self._count += 1
            elif (ordinal := products.get(parent)) is not None:
                self._put_child(gid, ordinal, number, line)
            else:
                put(_LATER, -1, _CHILD, number, line)

    def _put_child(self, gid: str, ordinal: int, number: int, line: bytes) -> None:
        if gid.startswith(VARIANT + "/"):
            self._variants.add(gid.rpartition("/")[2], ordinal)
            item = find_inventory_item(line)
            if item:
                self._items.add(item, ordinal)
        self._put(ordinal // _RANGE, ordinal, _CHILD, number, line)

    def _place_later(self) -> None:
        """Lines whose parent had not been seen: children of variants, and children that stand before their product."""
        placed, variants, items = array("b"), array("q"), array("q")  # of each such line
        for _, _, number, line in self._read(_LATER):
            gid, parent = find_gids(line)
            ordinal = self._products.get(parent)
            placed.append(ordinal is not None)
            head, _, key = parent.rpartition("/")
            variants.append(_number(key) if head == VARIANT else -1)
            items.append(_number(key) if head == INVENTORY_ITEM else -1)
            if ordinal is not None:
                self._put_child(gid, ordinal, number, line)
        ordinals = np.maximum(self._variants.find(variants), self._items.find(items)).tolist()
        for (_, _, number, line), done, ordinal in zip(self._read(_LATER), placed, ordinals, strict=True):
            if not done:
                self._put(_LOOSE if ordinal < 0 else ordinal // _RANGE, ordinal, _GRANDCHILD, number, line)

    def _must_be_whole(self, number: int, line: bytes) -> None:
        try:
            orjson.loads(line)
        except ValueError:
            raise BadInputError(f"{self._name} is cut off in the middle of line {number}: download or export it again") from None

    def _put(self, index: int, ordinal: int, rank: int, number: int, line: bytes) -> None:
        self._waiting[index].append(b"%d %d %d %b" % (ordinal, rank, number, line))
        self._waiting_bytes += len(line)
        if self._waiting_bytes > _BUFFER:
            self._write()

    def _write(self) -> None:
        for index, entries in self._waiting.items():
            with self._path(index).open("ab") as stream:
                stream.write(b"".join(entries))
        self._waiting.clear()
        self._waiting_bytes = 0

    def _path(self, index: int) -> Path:
        return self._folder / f"lines-{index}"

    def _read(self, index: int) -> Iterator[tuple[int, int, int, bytes]]:
        self._write()
        if not self._path(index).exists():
            return
        with self._path(index).open("rb") as stream:
            for entry in stream:
                ordinal, rank, number, line = entry.split(b" ", 3)
                yield int(ordinal), int(rank), int(number), line

    def _read_range(self, index: int) -> Iterator[Line]:
        products: dict[int, tuple[list[Line], list[Line], list[Line]]] = defaultdict(lambda: ([], [], []))
        for ordinal, rank, number, line in self._read(index):
            products[ordinal][rank].append((number, line))
        self._path(index).unlink(missing_ok=True)
        for ordinal in sorted(products):
            for group in products[ordinal]:
                group.sort()
                yield from group
