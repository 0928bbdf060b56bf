"""Records of Shopify's bulk products query into catalog rows, product by product.

Lines must come product first, then its children, which is how grouped bulk files stand; `shopify_scattered` brings every
other order into this one. Field names are those of the Admin GraphQL API 2026-10, with the deprecated ones of older queries.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from pipeline.catalog.builder import Builder
from pipeline.catalog.jsonl_lines import MAX_LINE, NUL_ESCAPE, Line, clean, salvage
from pipeline.catalog.shopify_gid import (
    COLLECTION,
    INVENTORY_ITEM,
    INVENTORY_LEVEL,
    MEDIA,
    METAFIELD,
    PRODUCT,
    VARIANT,
    find_own_gid,
    guess_head,
    plain,
    written_parent,
)
from pipeline.catalog.shopify_rows import (
    WRONG,
    ProductLines,
    Record,
    Variant,
    image_url,
    options,
    ordered,
    product_row,
    variant_rows,
)
from pipeline.catalog.source import CatalogBatch, Scattered
from pipeline.catalog.values import json_value
from pipeline.model.errors import BadInputError

#: Part of every source_hash: raise it when later stages begin to make something else of the same rows.
_VERSION = "2"
#: So many products without a child at the start are the products of a file that is not grouped.
_ENOUGH = 50
_BACKSLASH = 92  # a search for one byte is many times faster
_KINDS = {PRODUCT: "product", VARIANT: "variant", INVENTORY_LEVEL: "inventory", COLLECTION: "collection"}


class Collections:
    """Collections and their members, in the order in which they appear."""

    def __init__(self) -> None:
        self._rows: dict[str, tuple[Any, Any, Any]] = {}
        self._members: dict[str, dict[str, None]] = {}

    def add(self, key: str, record: Record) -> bool:
        """Whether the record's fields are texts, as they must be."""
        fields = (record.get("handle") or None, record.get("title") or None, record.get("descriptionHtml") or None)
        if not all(field is None or isinstance(field, str) for field in fields):
            return False
        self._rows.setdefault(key, fields)
        return True

    def member(self, key: str, product: str) -> None:
        self._members.setdefault(key, {})[product] = None

    def rows(self) -> list[tuple[Any, ...]]:
        return [(key, *fields, list(self._members.get(key, ()))) for key, fields in self._rows.items()]


class Assembler:
    """Turns lines into batches. `state` knows of the lines at hand: `open_end` and `done` (see `Lines`)."""

    def __init__(self, builder: Builder, collections: Collections, state: Any, name: str, *, scattered: bool) -> None:
        self._builder, self._collections, self._state, self._name = builder, collections, state, name
        self._scattered = scattered
        self._product: ProductLines | None = None
        self._seen: set[str] = set()
        self._lost: set[str] = set()  # ids of broken lines; what hangs below goes with them
        self._seed = f"{_VERSION}:{builder.currency}:".encode()

    def run(self, lines: Iterable[Line]) -> Iterator[CatalogBatch]:
        """Batches of all lines but the last products, which `flush` and the builder's last batch give."""
        builder, state, loads = self._builder, self._state, orjson.loads
        product = self._product
        owned: dict[str | None, str] = product.owned if product else {}
        for number, line in lines:
            try:
                record = loads(line)
                if _BACKSLASH in line and NUL_ESCAPE in line:
                    record, dropped = clean(record)
                    builder.counts["characters_dropped"] += dropped
                gid = record["id"]
                head, _, key = gid.rpartition("/")
                parent = record.get("__parentId")
                owner = owned.get(parent)
                if owner is None and parent is not None and parent.__class__ is not str:
                    raise TypeError("parent")
            except WRONG:
                found = self._repair(number, line)
                if found is None:
                    product = self._product
                    owned = product.owned if product else {}
                    continue
                record, gid, head, key, parent = found
                owner = owned.get(parent)
            if parent is None:
                if head == PRODUCT:
                    self.flush()
                    if builder.full:
                        yield builder.take(state.done)
                    product = self._start(number, line, record, gid, key)
                    owned = product.owned
                elif head == COLLECTION:
                    builder.counts["collection_lines"] += 1
                    self._collection(number, key, record)
                else:
                    builder.counts["other_lines"] += 1
            elif product is None or (owner is None and (owner := _adopt(product, parent)) is None):
                self._stray(number, line, record, head, key, parent)
            elif head == METAFIELD:
                product.children += 1
                namespace, name, value = record.get("namespace"), record.get("key"), record.get("value")
                product.metafields[owner][f"{namespace}.{name}"] = value if value.__class__ is str else json_value(value)
            elif head == VARIANT:
                product.children += 1
                product.variants.append((gid, key, number, record))
                owned[gid] = gid
            elif head in MEDIA:
                product.children += 1
                url = image_url(record)
                if url:
                    product.images[owner][url] = None
            elif head == INVENTORY_LEVEL:
                product.children += 1
                product.levels[owner].append(record)
            else:
                builder.counts["other_lines"] += 1
                if head == COLLECTION:
                    self._collection(number, key, record)
                    self._collections.member(key, product.key)

    def _start(self, number: int, line: bytes, record: Record, gid: str, key: str) -> ProductLines:
        counts = self._builder.counts
        counts["product_lines"] += 1
        if counts["product_lines"] == _ENOUGH and not (self._scattered or counts["child_lines"]):
            raise Scattered
        broken = None if key and key not in self._seen else "its id stands twice in the file"
        self._seen.add(key)
        self._product = ProductLines(gid, key, number, line, record, broken)
        return self._product

    def _collection(self, number: int, key: str, record: Record) -> None:
        if not self._collections.add(key, record):
            self._builder.reject(number, "collection", key, "a field has the wrong type")

    def _stray(self, number: int, line: bytes, record: Record, head: str, key: str, parent: str) -> None:
        counts = self._builder.counts
        if parent.startswith(COLLECTION):
            counts["membership_lines" if head == PRODUCT else "other_lines"] += 1
            if head == PRODUCT:
                self._collections.member(parent.rpartition("/")[2], key)
            return
        if not self._scattered:
            raise Scattered
        counts["stray_lines"] += 1
        counts["variants_seen"] += head == VARIANT
        if parent not in self._lost:
            self._builder.reject(number, _KINDS.get(head, "line"), key or None, "its parent is not in the file", line)
        elif head == VARIANT:
            self._builder.reject(number, "variant", key, "its product was rejected", line)

    def _repair(self, number: int, line: bytes) -> tuple[Record, str | None, str, str, str | None] | None:
        """A line that is not a plain record: what can be made of it, or None after it was counted."""
        counts = self._builder.counts
        if not line.strip():
            counts["blank_lines"] += 1
            return None
        record: Any = None
        if len(line) <= MAX_LINE:
            record, dropped = salvage(line, number, self._name)
            counts["characters_dropped"] += dropped
            if record is None and self._state.open_end:
                raise BadInputError(f"{self._name} is cut off in the middle of line {number}: download or export it again")
        gid = record.get("id") if isinstance(record, dict) else None
        parent = record.get("__parentId") if isinstance(record, dict) else None
        if isinstance(gid, str) and (parent is None or isinstance(parent, str)):
            head, _, key = gid.rpartition("/")
            return record, gid, head, key, parent
        if isinstance(record, dict) and gid is None and isinstance(parent, str) and guess_head(record):
            return record, None, guess_head(record), "", parent
        self._broken(number, line, record)
        return None

    def _broken(self, number: int, line: bytes, record: Any) -> None:
        """Reject a line; what hangs below it goes with it where its id can still be read."""
        reason = "not a record of the products query" if record is not None else "not valid JSON"
        if len(line) > MAX_LINE:
            reason = f"longer than {MAX_LINE >> 20} MiB"
        gid, parent = find_own_gid(line), plain(written_parent(line))
        head, _, key = gid.rpartition("/")
        product, counts = self._product, self._builder.counts
        if head == PRODUCT and not parent:
            self.flush()
            counts["product_lines"] += 1
            self._seen.add(key)
            self._product = ProductLines(gid, key, number, line, {}, reason)
        elif head == VARIANT and product is not None and (parent == product.gid or not (parent or self._scattered)):
            product.children += 1
            product.variants.append((gid, key, number, None))
            product.owned[gid] = gid
            self._builder.reject(number, "variant", key, reason, line)
        else:
            counts["broken_lines"] += 1
            if gid:
                self._lost.add(gid)
            self._builder.reject(number, "line", None, reason, line)

    def flush(self) -> None:
        """Hand the product at hand, whole, to the builder."""
        product, builder = self._product, self._builder
        if product is None:
            return
        self._product = None
        builder.counts["variants_seen"] += len(product.variants)
        builder.counts["child_lines"] += product.children
        try:
            if product.broken:
                raise ValueError(product.broken)
            names, hidden = options(product)
            variants, repeated = _first_of_each_id(product.variants)
            rows, inventory, misshapen = variant_rows(product, ordered(variants), names, hidden)
            product_fields = product_row(product, names, rows, inventory, self._seed)
        except WRONG as error:
            reason = product.broken or f"its fields cannot be read ({type(error).__name__})"
            builder.reject(product.line, "product", product.key, reason, product.source)
            for _, key, line, record in product.variants:
                if record is not None:
                    builder.reject(line, "variant", key, "its product was rejected")
            return
        for _, key, line, _ in repeated:
            builder.reject(line, "variant", key, "its id stands twice in the file")
        for _, key, line, _ in misshapen:
            builder.reject(line, "variant", key, "its fields cannot be read")
        builder.add(product_fields, rows, inventory)


def _first_of_each_id(variants: list[Variant]) -> tuple[list[Variant], list[Variant]]:
    """The first variant of each id, and the sound ones that come again."""
    if len({variant[0] for variant in variants}) == len(variants):
        return variants, []
    first: dict[str, Variant] = {}
    again = [variant for variant in variants if first.setdefault(variant[0], variant) is not variant and variant[3] is not None]
    return list(first.values()), again


def _adopt(product: ProductLines, parent: str) -> str | None:
    """The variant of the product whose inventory item the parent is: its children are the variant's."""
    if not parent.startswith(INVENTORY_ITEM):
        return None
    for owner, _, _, record in product.variants:
        item = (record or {}).get("inventoryItem")
        if isinstance(item, dict) and item.get("id") == parent:
            product.owned[parent] = owner
            return owner
    return None
