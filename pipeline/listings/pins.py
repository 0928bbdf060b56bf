"""Pinned values: what a rollback brought back stands in for what the source says, until the source says something else.

A pin is of one SKU and kind. Every plan is made from listings with the pins laid over them, so a rollback is an ordinary
export, and the exports after it plan nothing. Stock is never pinned: older stock must not overwrite newer.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from hashlib import blake2b
from typing import Any

import orjson
import psycopg
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.listings.lane import Lane
from pipeline.listings.schema import LISTINGS, PRICES
from pipeline.platform.tables import Table

_OWN = ("sku", "role", "parent_sku", "product_id", "variant_id", "currency", "available", "quantity", "status", "reason", "score")
_IMAGES = ("images", "images_hash")
#: Kind -> the columns of a listing that it stands for.
KINDS: Mapping[str, tuple[str, ...]] = {
    "content": tuple(name for name in LISTINGS.names if name not in {*_OWN, *PRICES, *_IMAGES, "revision"}),
    "price": PRICES,
    "images": _IMAGES,
}
#: Kind -> the values that say whether two of it are the same.
SAME: Mapping[str, tuple[str, ...]] = {"content": ("content_hash",), "price": PRICES, "images": ("images_hash",)}

#: `source`: fingerprint of what the source said when it was pinned; `listing`: JSON of the kind's columns.
PINS = pa.schema(
    [
        ("sku", pa.string()),
        ("kind", pa.string()),
        ("source", pa.string()),
        ("listing", pa.string()),
        ("export_id", pa.string()),  # that was gone back to
    ]
)


def fingerprint(rows: pa.Table, kind: str) -> pa.Array:
    """What tells one value of a kind from another; `rows` has the columns SAME names."""
    parts = [pc.fill_null(rows[name].combine_chunks().cast(pa.string()), "") for name in SAME[kind]]
    return pc.binary_join_element_wise(*parts, "|")


@dataclass(frozen=True)
class Pinned(Table):
    """Listings with pins (schema PINS) laid over the ready ones. Blocked ones stay as they are: nothing is said of them."""

    pins: pa.Table = field(default_factory=PINS.empty_table)

    @cached_property
    def metadata(self) -> dict[str, str]:
        """The recipe says that there are pins: an approval of a plan without them does not cover one with them."""
        found = Table(self.path).metadata
        said = blake2b(orjson.dumps(self.pins.to_pylist()), digest_size=6).hexdigest()
        return {**found, "version": f"{found.get('version', '')}+pins:{said}"} if len(self.pins) else found

    @cached_property
    def _laid_over(self) -> list[pa.Table]:
        return [_values(self.pins.filter(pc.equal(self.pins["kind"], kind)), kind) for kind in KINDS]

    def arrow_batch(self, index: int, columns: Sequence[str] | None = None) -> pa.Table:
        wanted = self._selection(columns) or LISTINGS.names
        batch = super().arrow_batch(index, list(dict.fromkeys((*wanted, "sku", "status"))))
        for pins in self._laid_over:
            batch = _laid_over(batch, pins)
        return batch.select(wanted)


def _values(pins: pa.Table, kind: str) -> pa.Table:
    """A column for each column of the kind, by SKU."""
    rows = [orjson.loads(listing) for listing in pins["listing"].to_pylist()]
    columns = {name: _column([row.get(name) for row in rows], LISTINGS.field(name).type) for name in KINDS[kind]}
    return pa.table({"sku": pins["sku"].combine_chunks(), **columns})


def _column(values: list[Any], kind: pa.DataType) -> pa.Array:
    """Values as JSON has them."""
    if pa.types.is_timestamp(kind):
        values = [None if value is None else datetime.fromisoformat(value) for value in values]
    return pa.array(values, kind)


def _laid_over(batch: pa.Table, pins: pa.Table) -> pa.Table:
    position = pc.index_in(batch["sku"].combine_chunks(), value_set=pins["sku"].combine_chunks())
    mask = pc.and_(position.is_valid(), pc.equal(batch["status"].combine_chunks(), "ready"))
    if not pc.any(mask).as_py():
        return batch
    taken = pins.take(position)
    for name in pins.column_names[1:]:
        if name in batch.column_names:
            place = batch.schema.get_field_index(name)
            values = pc.if_else(mask, taken[name].combine_chunks(), batch[name].combine_chunks())
            batch = batch.set_column(place, batch.schema.field(name), values)
    return batch


def split(pins: pa.Table, listings: Table) -> tuple[pa.Table, pa.Table]:
    """The pins that still hold, and those whose source says something else now. A blocked or absent listing says nothing."""
    if not len(pins):
        return pins, pins
    rows = listings.arrow(["sku", "status", *(name for names in SAME.values() for name in names)])
    rows = rows.filter(pc.equal(rows["status"], "ready"))
    moved = []
    for kind in KINDS:
        of_kind = pins.filter(pc.equal(pins["kind"], kind))
        position = pc.index_in(of_kind["sku"].combine_chunks(), value_set=rows["sku"].combine_chunks())
        now = fingerprint(rows, kind).take(position)
        moved.append(of_kind.filter(pc.fill_null(pc.not_equal(now, of_kind["source"].combine_chunks()), False)))
    lifted = pa.concat_tables(moved)
    keys = {(pin["sku"], pin["kind"]) for pin in lifted.select(["sku", "kind"]).to_pylist()}
    stands = [(pin["sku"], pin["kind"]) not in keys for pin in pins.select(["sku", "kind"]).to_pylist()]
    return pins.filter(pa.array(stands, pa.bool_())), lifted


def replaced(old: pa.Table, new: pa.Table, kinds: Collection[str] = (), skus: Collection[str] = ()) -> pa.Table:
    """The pins after a rollback of these kinds and SKUs (none: all): it takes the place of any earlier one."""
    touched = [
        (not kinds or pin["kind"] in kinds) and (not skus or pin["sku"] in skus)
        for pin in old.select(["sku", "kind"]).to_pylist()
    ]
    return pa.concat_tables([old.filter(pc.invert(pa.array(touched, pa.bool_()))), new])


def read_pins(connection: psycopg.Connection[Any], lane: Lane) -> pa.Table:
    """The pins of a lane (schema PINS)."""
    rows = connection.execute(
        b"SELECT sku, kind, source, listing::text, export_id FROM pinned_values"
        b" WHERE store_id = %s AND site = %s AND transport = %s ORDER BY sku, kind",
        lane.key,
    ).fetchall()
    columns = zip(*rows, strict=True) if rows else [()] * len(PINS)
    return pa.table([pa.array(column, pa.string()) for column in columns], schema=PINS)


def save_pins(connection: psycopg.Connection[Any], lane: Lane, pins: pa.Table) -> None:
    """Add pins; one of the same SKU and kind is replaced."""
    with connection.cursor() as cursor:
        cursor.executemany(
            b"INSERT INTO pinned_values (store_id, site, transport, sku, kind, source, listing, export_id)"
            b" VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (store_id, site, transport, sku, kind) DO UPDATE SET"
            b" source = excluded.source, listing = excluded.listing, export_id = excluded.export_id, pinned_at = now()",
            [(*lane.key, *pin.values()) for pin in pins.to_pylist()],
        )


def drop_pins(
    connection: psycopg.Connection[Any], lane: Lane, skus: Sequence[str] | None = None, kinds: Sequence[str] | None = None
) -> list[tuple[str, str]]:
    """Remove pins of these SKUs and kinds (None: all); returns (SKU, kind) of each."""
    return connection.execute(
        b"DELETE FROM pinned_values WHERE store_id = %s AND site = %s AND transport = %s"
        b" AND (%s::text[] IS NULL OR sku = ANY(%s)) AND (%s::text[] IS NULL OR kind = ANY(%s)) RETURNING sku, kind",
        (*lane.key, *([None if skus is None else list(skus)] * 2), *([None if kinds is None else list(kinds)] * 2)),
    ).fetchall()


def lift(connection: psycopg.Connection[Any], lane: Lane, pins: pa.Table) -> None:
    """Remove exactly these pins, unless they were set anew since."""
    with connection.cursor() as cursor:
        cursor.executemany(
            b"DELETE FROM pinned_values WHERE store_id = %s AND site = %s AND transport = %s AND sku = %s AND kind = %s"
            b" AND source = %s",
            [(*lane.key, pin["sku"], pin["kind"], pin["source"]) for pin in pins.to_pylist()],
        )
