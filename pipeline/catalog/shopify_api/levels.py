"""Stock of a shop, from the records of its inventory file: variants, and their levels at each location, in any order.

Kept as numbers until the end of the file: about 25 bytes a variant and 21 a level.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from pipeline.catalog.jsonl_lines import Lines
from pipeline.catalog.schema import INVENTORY
from pipeline.catalog.shopify_gid import INVENTORY_LEVEL, VARIANT
from pipeline.catalog.source import RawFile
from pipeline.model.errors import BadInputError

_ROWS = 100_000
_UNKNOWN = -(1 << 62)


def stock_rows(raw: RawFile, location_ids: Collection[str] | None) -> Iterator[pa.Table]:
    """INVENTORY rows: one a variant and location that counts, one of 0 for a variant that none of them has.

    Locations that count are `location_ids`, or, without them, the active ones that fulfill online orders from the shop's own
    stock. Raises BadInputError for what is no inventory file.
    """
    found = _Read(raw, location_ids)
    parents = np.array(found.level_parents, dtype=np.int64)
    items = np.array(found.item_ids, dtype=np.int64)
    by_item = np.array(found.level_of_item, dtype=bool)
    owner = _positions(np.array(found.variant_ids, dtype=np.int64), parents)
    owner = np.where(by_item, _positions(items, parents), owner)
    if (owner < 0).any():
        raise BadInputError(f"{raw.name}: {int((owner < 0).sum())} stock levels belong to no variant of the file; import again")
    without = np.flatnonzero(np.bincount(owner, minlength=len(found.variant_ids)) == 0)
    rows = np.concatenate([owner, without])
    places = np.concatenate([np.array(found.level_places, dtype=np.int64), np.full(len(without), -1)])
    amounts = np.concatenate([np.array(found.level_amounts, dtype=np.int64), np.zeros(len(without), dtype=np.int64)])
    for start in range(0, len(rows), _ROWS):
        part = slice(start, start + _ROWS)
        yield found.table(rows[part], places[part], amounts[part])


class _Read:
    def __init__(self, raw: RawFile, location_ids: Collection[str] | None) -> None:
        self._name = raw.name
        self._wanted = None if location_ids is None else frozenset(location_ids)
        self.variant_ids, self.item_ids, self._products = array("q"), array("q"), array("q")
        self._tracked, self._oversell = array("b"), array("b")
        self.level_parents, self.level_of_item = array("q"), array("b")
        self.level_places, self.level_amounts = array("q"), array("q")
        self._locations: dict[str, int] = {}
        loads = orjson.loads
        for number, line in Lines(raw) if raw.bytes else ():
            if not line.strip():
                continue
            try:
                record = loads(line)
                head, _, key = record["id"].rpartition("/")
                if head == VARIANT:
                    self._variant(int(key), record)
                elif head == INVENTORY_LEVEL:
                    self._level(record)
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                raise BadInputError(
                    f"{raw.name}: line {number} is no record of stock ({type(error).__name__}); import again"
                ) from None

    def _variant(self, key: int, record: Mapping[str, Any]) -> None:
        item = record["inventoryItem"]
        self.variant_ids.append(key)
        self.item_ids.append(_number(item["id"]))
        self._products.append(_number(record["product"]["id"]))
        self._tracked.append(bool(item["tracked"]))
        self._oversell.append(record["inventoryPolicy"] == "CONTINUE")

    def _level(self, record: Mapping[str, Any]) -> None:
        location = record["location"]
        if record.get("isActive") is False or not self._counts(location):
            return
        amount = next((item["quantity"] for item in record["quantities"] if item["name"] == "available"), None)
        name = location.get("name") or location["id"].rpartition("/")[2]
        head = record["__parentId"].rpartition("/")[0]
        self.level_parents.append(_number(record["__parentId"]))
        self.level_of_item.append(head != VARIANT)
        self.level_places.append(self._locations.setdefault(name, len(self._locations)))
        self.level_amounts.append(_UNKNOWN if amount is None else amount)

    def _counts(self, location: Mapping[str, Any]) -> bool:
        if self._wanted is not None:
            return location["id"].rpartition("/")[2] in self._wanted
        active, own = location.get("isActive") is not False, not location.get("isFulfillmentService")
        return active and own and location.get("fulfillsOnlineOrders") is not False

    def table(self, rows: np.ndarray, places: np.ndarray, amounts: np.ndarray) -> pa.Table:
        """INVENTORY rows of variants (their numbers in the file) at places (-1: none)."""
        names = pa.array([*self._locations], pa.string())
        columns = {
            "variant_id": pa.array(np.asarray(self.variant_ids)[rows]).cast(pa.string()),
            "product_id": pa.array(np.asarray(self._products)[rows]).cast(pa.string()),
            "location": names.take(pa.array(places, mask=places < 0)),
            "available": pa.array(amounts, mask=amounts == _UNKNOWN),
            "tracked": pa.array(np.asarray(self._tracked)[rows].astype(bool)),
            "oversell": pa.array(np.asarray(self._oversell)[rows].astype(bool)),
        }
        return pa.Table.from_arrays([columns[name] for name in INVENTORY.names], schema=INVENTORY)


def _number(gid: str) -> int:
    return int(gid.rpartition("/")[2])


def _positions(ids: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Where each id stands in `ids`, -1 where it does not."""
    if not len(ids):
        return np.full(len(wanted), -1)
    order = np.argsort(ids, kind="stable")
    at = np.minimum(np.searchsorted(ids, wanted, sorter=order), len(ids) - 1)
    found = order[at]
    return np.where(ids[found] == wanted, found, -1)
