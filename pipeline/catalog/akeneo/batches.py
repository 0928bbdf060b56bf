"""The raw copy of a PIM into catalog batches: products are joined with their models in bounded memory.

The API gives products by uuid, so those of one model stand anywhere. They are spooled to disk while only their models' codes are
looked at, and read again model by model. Every product of the PIM is a row of `variants` or a rejected row.
"""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from pipeline.catalog.akeneo.rows import WRONG, Mapper, Member, Product
from pipeline.catalog.akeneo.spool import Spool
from pipeline.catalog.akeneo.structure import Record, Structure
from pipeline.catalog.builder import Builder, Row
from pipeline.catalog.jsonl_lines import NUL_ESCAPE, Line, Lines, clean
from pipeline.catalog.source import CatalogBatch, RawFile
from pipeline.model.errors import BadInputError

_UNKNOWN: tuple[None, ...] = (None, None, None, None)  # location, available, tracked, oversell: a PIM has no stock
_DISABLED = "it is disabled in the PIM, others of its model are not: enable it there to sell it"


def read_records(raw: RawFile) -> Iterator[Record]:
    """The records of a small raw file; raises BadInputError when it is damaged, since everything else depends on these."""
    for number, line in Lines(raw):
        record = _parse(line)
        if record is None:
            raise BadInputError(f"{raw.name} is damaged on line {number}: import again")
        yield record


def catalog_batches(files: Mapping[str, RawFile], mapper: Mapper, builder: Builder) -> Iterator[CatalogBatch]:
    """Batches of the raw files by entity; the last one has the collections."""
    with ExitStack() as closing:
        folder = Path(closing.enter_context(tempfile.TemporaryDirectory(dir=files["products"].path.parent)))
        models = closing.enter_context(Models(folder, files.get("product_models"), builder))
        products = closing.enter_context(Spool(folder))
        order, starts = _spool(files["products"], products, models, builder)
        members: dict[str, list[str]] = {code: [] for code in mapper.structure.categories}
        for place, (first, end) in enumerate(zip(starts, [*starts[1:], len(order)], strict=True)):
            lines = [products.read(index) for index in order[first:end]]
            _add(lines, models, mapper, builder, members)
            if builder.full:
                yield _take(builder, mapper, place / len(starts))
        builder.counts["models_without_products"] += models.unused
    for name, raw in files.items():
        if name not in ("products", "product_models"):
            kind = "collection_lines" if name == "categories" else "other_lines"
            count = sum(1 for _ in Lines(raw))
            builder.counts[kind] += count
            builder.counts["lines"] += count
    yield _take(builder, mapper, 1.0, collection_rows(mapper.structure, members))


def member_batches(files: Mapping[str, RawFile], structure: Structure, builder: Builder) -> Iterator[CatalogBatch]:
    """One batch of collections alone, from a copy that holds of products only what they are a member of."""
    parents, categories = {}, {}
    for record in read_records(files["member_models"]) if "member_models" in files else ():
        parents[record["code"]], categories[record["code"]] = record.get("parent"), record.get("categories") or ()
    members: dict[str, dict[str, None]] = {code: {} for code in structure.categories}
    for record in read_records(files["members"]):
        found, key, parent = set(record.get("categories") or ()), str(record["uuid"]), record.get("parent")
        while parent is not None:
            found.update(categories.get(parent, ()))
            key, parent = parent, parents.get(parent)
        for code in structure.within(found):
            members[code][key] = None
    yield builder.take(1.0, collection_rows(structure, {code: list(keys) for code, keys in members.items()}))


class Models:
    """Product models on disk, found by their code. A context."""

    def __init__(self, folder: Path, raw: RawFile | None, builder: Builder) -> None:
        self._spool, self._builder = Spool(folder), builder
        self._index: dict[str, int] = {}
        self._parents: dict[str, str] = {}  # of sub models
        self._used: set[str] = set()
        for number, line in Lines(raw) if raw is not None else ():
            builder.counts["lines"] += 1
            record = _parse(line)
            code = record.get("code") if record is not None else None
            if record is None or not isinstance(code, str) or not code or code in self._index:
                builder.counts["broken_lines"] += 1
                builder.reject(number, "product", None, "its product model is damaged or there twice", line)
                continue
            builder.counts["product_lines"] += 1
            self._index[code] = self._spool.append(number, line)
            if isinstance(record.get("parent"), str):
                self._parents[code] = record["parent"]

    def __enter__(self) -> Models:
        return self

    def __exit__(self, *error: Any) -> None:
        self._spool.__exit__(*error)

    def root(self, code: str) -> str:
        """The root above a model, known or not."""
        return self._parents.get(code, code)

    def read(self, code: str) -> tuple[int, Record] | None:
        """The line and record of a model; None when the PIM did not give it."""
        index = self._index.get(code)
        if index is None:
            return None
        self._used.add(code)
        number, line = self._spool.read(index)
        return number, _parse(line) or {}

    @property
    def unused(self) -> int:
        """Models that no product hangs below: nothing of them can be sold, at least not in this channel."""
        return len(self._index) - len(self._used)


def _spool(raw: RawFile, products: Spool, models: Models, builder: Builder) -> tuple[list[int], list[int]]:
    """All products on disk: indexes ordered by catalog product (in the order of their first line), and where each one starts."""
    ordinals, places, seen = array("q"), dict[str, int](), set[str]()
    count = 0
    for number, line in Lines(raw):
        builder.counts["lines"] += 1
        builder.counts["variants_seen"] += 1
        record = _parse(line)
        uuid, parent = (record.get("uuid"), record.get("parent")) if record is not None else (None, None)
        if not isinstance(uuid, str) or not uuid or not isinstance(parent, str | None):
            builder.counts["broken_lines"] += 1
            builder.reject(number, "variant", None, "it is no product with a uuid", line)
            continue
        builder.counts["product_lines"] += 1
        if uuid in seen:
            builder.reject(number, "variant", uuid, "its uuid is there twice", line)
            continue
        seen.add(uuid)
        if parent is None:
            ordinals.append(count)
            count += 1
        else:
            ordinal = places.setdefault(models.root(parent), count)
            count += ordinal == count
            ordinals.append(ordinal)
        products.append(number, line)
    sorted_ = np.argsort(np.array(ordinals, dtype=np.int64), kind="stable")
    steps = np.array(ordinals, dtype=np.int64)[sorted_]
    starts = np.flatnonzero(np.r_[True, steps[1:] != steps[:-1]]) if len(steps) else steps
    return sorted_.tolist(), starts.tolist()


def _add(lines: list[Line], models: Models, mapper: Mapper, builder: Builder, members: dict[str, list[str]]) -> None:
    """The products of one model, or one simple product, as rows or rejected rows."""
    records = [(number, line, _parse(line) or {}) for number, line in lines]
    root: tuple[int, Record] | None = None
    found: list[Member] = []
    subs: dict[str, Record | None] = {}
    for number, line, record in records:
        parent, levels = record.get("parent"), [record.get("values") or {}]
        if parent is not None:
            top = models.root(parent)
            root = root or models.read(top)
            if parent != top and parent not in subs:
                sub = models.read(parent)
                subs[parent] = sub[1] if sub else None
            if root is None or (parent != top and subs[parent] is None):
                reason = (
                    f"the PIM did not give its product model {top if root is None else parent}: check the connection's rights"
                )
                builder.reject(number, "variant", record["uuid"], reason, line)
                continue
            above = subs.get(parent)
            levels += [above.get("values") or {}] if above is not None else []
            levels.append(root[1].get("values") or {})
        found.append(Member(number, record, tuple(levels)))
    enabled = [member for member in found if member.record.get("enabled", True)]
    for member in found if enabled else ():
        if not member.record.get("enabled", True):
            builder.reject(member.line, "variant", member.uuid, _DISABLED)
    if found:
        start, top_record = root or (lines[0][0], None)
        between = [sub for sub in subs.values() if sub is not None]
        _map(Product(start, top_record, enabled or found, between), mapper, builder, members)


def _map(product: Product, mapper: Mapper, builder: Builder, members: dict[str, list[str]]) -> None:
    try:
        ordered = mapper.ordered(product)
        product = replace(product, members=ordered)
        rows: list[Row] = []
        for member in ordered:
            try:
                rows.append(mapper.variant_row(product, member, len(rows) + 1))
            except WRONG:
                builder.reject(member.line, "variant", member.uuid, "a value has a shape that Akeneo does not document")
        if not rows:
            builder.reject(product.line, "product", product.key, "none of its products can be read")
            return
        kept = {row[0] for row in rows}
        product = replace(product, members=[member for member in ordered if member.uuid in kept])
        row = mapper.product_row(product, rows)
        categories = mapper.categories(product)
    except WRONG as error:
        reason = "a value has a shape that Akeneo does not document"
        reason = str(error) if str(error).startswith("its ") else reason
        builder.reject_product(product.line, product.key, reason, ((one.line, one.uuid) for one in product.members))
        return
    builder.add(row, rows, [(variant[0], product.key, *_UNKNOWN) for variant in rows])
    for code in categories:
        members[code].append(product.key)


def collection_rows(structure: Structure, members: Mapping[str, list[str]]) -> list[Row]:
    """Categories as collections; a product in one is in those above it too."""
    return [(code, code, one.label or code, None, members[code]) for code, one in structure.categories.items()]


def _take(builder: Builder, mapper: Mapper, done: float, collections: Iterable[Row] = ()) -> CatalogBatch:
    builder.counts.update(+mapper.counts)
    mapper.counts.clear()
    return builder.take(done, list(collections))


def _parse(line: bytes) -> Record | None:
    try:
        record = orjson.loads(line)
    except ValueError:
        return None
    if NUL_ESCAPE in line:
        record, _ = clean(record)
    return record if isinstance(record, dict) else None
