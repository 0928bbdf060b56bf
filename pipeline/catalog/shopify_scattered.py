"""Bulk files whose children do not stand below their product, brought into that order with flat memory.

One pass spills every line, undecoded, into a file for the range of products that it belongs to; ids are found by a search
in the bytes. Then each range fits into memory and its products are read one after the other, in the order of their lines.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import orjson

from pipeline.catalog.jsonl_lines import Line, Lines
from pipeline.catalog.shopify_gid import (
    INVENTORY_ITEM,
    PRODUCT,
    VARIANT,
    find_inventory_item,
    find_own_gid,
    plain,
    written_gid,
    written_parent,
)
from pipeline.model.errors import BadInputError

#: Products of one file, and bytes kept back before files are written: about 1,000 files for 1M products.
_RANGE, _BUFFER = 1024, 32 << 20
_LATER, _LOOSE = -1, -2
_FIRST, _CHILD, _GRANDCHILD = range(3)
_HEADS = (PRODUCT, VARIANT, INVENTORY_ITEM)


class _Owners:
    """Ids of one type and the products that they belong to: 12 bytes an id, looked up many at once."""

    def __init__(self) -> None:
        self._ids, self._ordinals = array("q"), array("i")

    def add(self, key: str, ordinal: int) -> None:
        self._ids.append(_number(key))
        self._ordinals.append(ordinal)

    def find(self, wanted: np.ndarray) -> np.ndarray:
        """The product of each id, -1 where it is unknown."""
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


class _Pile:
    """Lines of one range of products: where each belongs, in memory (13 bytes a line), and the lines themselves, in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ordinals, self.ranks, self.numbers = array("i"), array("b"), array("q")
        self.waiting: list[bytes] = []

    def write(self) -> None:
        if self.waiting:
            with self.path.open("ab") as stream:
                stream.writelines(self.waiting)
            self.waiting = []

    def lines(self) -> Iterator[bytes]:
        self.write()
        if self.path.exists():
            with self.path.open("rb") as stream:
                yield from stream


class Regrouped:
    """The lines of a file, product by product. `open_end` and `done` are what `Assembler` asks for."""

    open_end = False

    def __init__(self, lines: Lines, folder: Path, name: str) -> None:
        self._lines, self._folder, self._name = lines, folder, name
        self._piles: dict[int, _Pile] = {}
        self._waiting_bytes = 0
        self._product_ordinals: dict[bytes, int] = {}  # by the id as it is written in the file
        self._owners = {head: _Owners() for head in _HEADS}
        self._parents = array("b"), array("q")  # of the lines put off: index in _HEADS or -1, number
        self._count = 0
        self.done = 0.0

    def __iter__(self) -> Iterator[Line]:
        self._spill()
        self._place_later()
        ranges = -(-self._count // _RANGE)
        for index in range(ranges):
            yield from self._read_range(index)
            self.done = (index + 1) / ranges
        loose = self._pile(_LOOSE)
        yield from zip(loose.numbers, loose.lines(), strict=True)

    def _spill(self) -> None:
        products, put = self._product_ordinals, self._put
        for number, line in self._lines:
            if self._lines.open_end:
                self._must_be_whole(number, line)
            written = written_parent(line)
            if not written:
                gid = find_own_gid(line)
                head, _, key = gid.rpartition("/")
                if head != PRODUCT:
                    put(_LOOSE, -1, _FIRST, number, line)
                    continue
                products.setdefault(written_gid(line) or gid.encode(), self._count)
                self._owners[PRODUCT].add(key, self._count)
                put(self._count // _RANGE, self._count, _FIRST, number, line)
                self._count += 1
            elif (ordinal := products.get(written)) is not None:
                self._own(line, ordinal)
                put(ordinal // _RANGE, ordinal, _CHILD, number, line)
            else:
                head, _, key = plain(written).rpartition("/")
                self._parents[0].append(_HEADS.index(head) if head in _HEADS else -1)
                self._parents[1].append(_number(key))
                put(_LATER, -1, _CHILD, number, line)

    def _own(self, line: bytes, ordinal: int) -> None:
        """Remember whose the children of a variant and of its inventory item are."""
        head, _, key = find_own_gid(line).rpartition("/")
        if head == VARIANT:
            self._owners[VARIANT].add(key, ordinal)
            item = find_inventory_item(line)
            if item:
                self._owners[INVENTORY_ITEM].add(item, ordinal)

    def _place_later(self) -> None:
        """Lines whose parent had not been seen: children of variants, and children that stand before their product."""
        later = self._pile(_LATER)
        heads, parents = (np.array(values, dtype=np.int64) for values in self._parents)
        ordinals = np.where(heads == 0, self._owners[PRODUCT].find(parents), -1)
        if (ordinals >= 0).any():
            for line, ordinal in zip(later.lines(), ordinals.tolist(), strict=True):
                if ordinal >= 0:
                    self._own(line, ordinal)
        for index, head in enumerate(_HEADS[1:], 1):
            ordinals = np.where(heads == index, self._owners[head].find(parents), ordinals)
        ranks = np.where(heads == 0, _CHILD, _GRANDCHILD).tolist()
        for number, line, ordinal, rank in zip(later.numbers, later.lines(), ordinals.tolist(), ranks, strict=True):
            self._put(_LOOSE if ordinal < 0 else ordinal // _RANGE, ordinal, rank, number, line)
        later.path.unlink(missing_ok=True)

    def _must_be_whole(self, number: int, line: bytes) -> None:
        try:
            orjson.loads(line)
        except ValueError:
            raise BadInputError(f"{self._name} is cut off in the middle of line {number}: download or export it again") from None

    def _pile(self, index: int) -> _Pile:
        pile = self._piles.get(index)
        if pile is None:
            pile = self._piles[index] = _Pile(self._folder / f"lines-{index}")
        return pile

    def _put(self, index: int, ordinal: int, rank: int, number: int, line: bytes) -> None:
        pile = self._piles.get(index) or self._pile(index)
        pile.ordinals.append(ordinal)
        pile.ranks.append(rank)
        pile.numbers.append(number)
        pile.waiting.append(line)
        self._waiting_bytes += len(line)
        if self._waiting_bytes > _BUFFER:
            for waiting in self._piles.values():
                waiting.write()
            self._waiting_bytes = 0

    def _read_range(self, index: int) -> Iterator[Line]:
        pile = self._piles.pop(index)
        first = index * _RANGE
        products: list[tuple[list[Line], list[Line], list[Line]]] = [([], [], []) for _ in range(_RANGE)]
        for ordinal, rank, number, line in zip(pile.ordinals, pile.ranks, pile.numbers, pile.lines(), strict=True):
            products[ordinal - first][rank].append((number, line))
        pile.path.unlink(missing_ok=True)
        for groups in products:
            for group in groups:
                group.sort()
                yield from group
