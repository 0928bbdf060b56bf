"""What changed in a PIM since its last copy, put in its place in that copy: the new copy is whole, though little of it was read.

Tables are made from the whole copy, so that a changed label, a product that moved to another model and another category tree are
right everywhere, as after a full import. What counts is how many calls the PIM gets: 100 changed products are a handful, 100,000
products are a thousand.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from datetime import datetime, timezone, tzinfo
from pathlib import Path
from types import TracebackType

import orjson

from pipeline.catalog.akeneo.client import Record
from pipeline.catalog.akeneo.reader import MODELS, PRODUCTS, Reader, changed_after, changed_at, part, search
from pipeline.catalog.akeneo.spool import Spool
from pipeline.catalog.jsonl_lines import Lines
from pipeline.catalog.source import RawFile
from pipeline.platform.http import ApiError

#: The products of each changed model take a call; with more models than this everything is read instead.
MAX_MODELS = 1_000


def read_changes(reader: Reader, folder: Path, base: Path, since: datetime, *, reconcile: bool) -> Changes | None:
    """What changed after `since`, to be laid over the copy in the folder `base`; None where everything must be read.

    `reconcile`: also list the ids of all products and models, to find what was deleted, moved out of sight, or missed.
    """
    files = {stem: base / f"{stem}.zst" for stem in ("products", "product_models")}
    if not files["products"].is_file():
        return None
    try:
        old = Copy(files["products"], "uuid"), Copy(files["product_models"], "code")
    except (OSError, ValueError):  # damaged: what cannot be read cannot be added to
        return None
    after = changed_after(since, old[0].zone)
    models = {item["code"]: item for item in reader.large(MODELS, after)}
    if len(models) > MAX_MODELS:
        return None
    for item in reader.some(MODELS, "parent", list(models), {}):  # their values may hold what they inherit
        models.setdefault(item["code"], item)
    asked = {item["uuid"] for item in reader.large(PRODUCTS, {**after, **reader.slim})}
    gone: set[str] = set()
    if reconcile:
        present = {item["uuid"] for item in reader.large(PRODUCTS, {**reader.scope, **reader.slim})}
        gone, asked = old[0].ids - present, asked | (present - old[0].ids)
        codes = {item["code"] for item in reader.large(MODELS, reader.slim)}
        models |= _models(reader, codes - old[1].ids - models.keys())
        old[1].drop(old[1].ids - codes)
    changes = Changes(folder, old, models)
    with ExitStack() as closing:
        closing.enter_context(changes)
        for item in reader.some(PRODUCTS, "uuid", sorted(asked), reader.scope):
            changes.add(item)
        for items in reader.at_once(lambda code: _children(reader, code), sorted(models)):
            for item in items:
                changes.add(item)
        models |= _models(reader, changes.parents - old[1].ids - models.keys())
        old[0].drop(gone | asked | changes.uuids)  # what was asked for and not given has left the channel
        old[1].drop(models.keys())
        closing.pop_all()
    return changes


class Copy:
    """A file of an earlier copy: its ids, and its records without those that were dropped."""

    def __init__(self, path: Path, key: str) -> None:
        self._raw, self._key = RawFile(path.stem, path, "", 0), key
        self._dropped: set[str] = set()
        self.ids: set[str] = set()
        newest: datetime | None = None
        for record in self._all():
            self.ids.add(str(record.get(key)))
            changed = changed_at(record)
            newest = changed if newest is None or (changed is not None and changed > newest) else newest
        #: Of the PIM's server, by the newest change, since clocks are put forward and back.
        self.zone: tzinfo | None = newest.tzinfo if newest else timezone.utc

    def drop(self, ids: Iterable[str]) -> None:
        self._dropped.update(ids)

    def records(self) -> Iterator[Record]:
        return (record for record in self._all() if record.get(self._key) not in self._dropped)

    def _all(self) -> Iterator[Record]:
        if self._raw.path.is_file():
            yield from (orjson.loads(line) for _, line in Lines(self._raw))


class Changes:
    """Records that were read, waiting on disk, over the copy of before. A context."""

    def __init__(self, folder: Path, old: tuple[Copy, Copy], models: dict[str, Record]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._old, self._models = old, models
        self._spool = Spool(folder)
        self.uuids: set[str] = set()
        self.parents: set[str] = set()

    def __enter__(self) -> Changes:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._spool.__exit__(kind, error, trace)

    def add(self, item: Record) -> None:
        if item["uuid"] not in self.uuids:
            self.uuids.add(item["uuid"])
            self._spool.append(0, orjson.dumps(item))
            if item.get("parent") is not None:
                self.parents.add(item["parent"])

    def products(self) -> Iterator[Record]:
        yield from self._old[0].records()
        for index in range(len(self._spool)):
            yield orjson.loads(self._spool.read(index)[1])

    def models(self) -> Iterator[Record]:
        yield from self._old[1].records()
        yield from self._models.values()


def _children(reader: Reader, code: str) -> list[Record]:
    """All products below a model, at any depth."""
    try:
        return list(reader.quietly(PRODUCTS, {**search("parent", "=", code), **reader.scope}))
    except ApiError as error:
        if error.status in (404, 422) and not _models(reader, {code}):  # deleted since it was listed
            return []
        raise


def _models(reader: Reader, codes: set[str]) -> dict[str, Record]:
    """Models by their codes, with those above them; without the ones that are gone."""
    found: dict[str, Record] = {}
    waiting = sorted(codes)
    while waiting:
        items = [item for item in reader.at_once(lambda code: _model(reader, code), waiting) if item is not None]
        found |= {item["code"]: item for item in items}
        waiting = sorted({item["parent"] for item in items if item.get("parent")} - found.keys())
    return found


def _model(reader: Reader, code: str) -> Record | None:
    try:
        return reader.client.get(f"{MODELS}/{part(code)}")
    except ApiError as error:
        if error.status == 404:
            return None
        raise
