"""The exact copy of a PIM: one file of JSON Lines an entity, one item a line as the API gave it.

A copy is always whole, also one that only read what changed (see `changes`). A full read of products or models that died goes on
behind its last segment: their pages are ordered by key, and the address of the next one stays good.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import orjson

from pipeline.catalog.akeneo.changes import read_changes
from pipeline.catalog.akeneo.reader import MODELS, PRODUCTS, Params, Reader, Stopped, changed_at, in_chunks, part
from pipeline.catalog.source import FetchJob, FetchState, Kind, RawFile, RawImport, store_raw
from pipeline.model.errors import PipelineError

#: Attributes of these types have options.
SELECTS = frozenset({"pim_catalog_simpleselect", "pim_catalog_multiselect"})
#: Pages of a segment: what is read again after a death, at most.
SEGMENT_PAGES = 20
_BLOCK = 256 << 10


def fetch(reader: Reader, folder: Path, job: FetchJob) -> RawImport:
    """All files that the job's kind needs; raises PipelineError. What describes products is read by threads meanwhile."""
    if job.kind == "inventory":
        raise PipelineError("a PIM has no stock: import the products, and take quantities from elsewhere")
    files, resumed = Files(folder), bool(job.state)
    with ThreadPoolExecutor(1) as pool:
        describing = pool.submit(_describing, reader, files, job.kind)
        describing.add_done_callback(lambda done: reader.stop.set() if done.exception() else None)
        try:
            if job.kind in ("all", "products"):
                _products(reader, files, job)
            elif job.kind == "collections":
                files.write("members", reader.large(PRODUCTS, {**reader.scope, **reader.slim}))
                files.write("member_models", reader.large(MODELS, reader.slim))
        except Stopped:
            pass
        except BaseException:
            reader.stop.set()
            raise
        describing.result()
    if job.kind in ("all", "products") and "products" not in files.found:
        raise PipelineError(
            f"the PIM gives no product of the channel {reader.channel}: check that its category tree has products and that the "
            "connection's user may see them"
        )
    order = sorted(files.found.values(), key=lambda file: (file.role != "products", file.role))
    # From when this copy was begun: what changed while it was read may be in it or not.
    began = datetime.fromisoformat(job.state["began"]) if "began" in job.state else None if resumed else reader.client.began
    watermark = began or (None if resumed else files.newest)
    return RawImport(tuple(order), watermark=watermark, reconciled=job.since is None or job.reconcile)


class Files:
    """Writes the files of a copy; `newest` is the newest change that any of their records says of itself."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.found: dict[str, RawFile] = {}
        self.newest: datetime | None = None

    def write(self, stem: str, records: Iterable[Mapping[str, Any]]) -> None:
        """No file where there is no record: a PIM without models has no file of models."""
        stream = (self._line(record) for record in records)
        first = next(stream, None)
        if first is None:
            (self.folder / f"{stem}.zst").unlink(missing_ok=True)  # of a fetch that died
        else:
            self.found[stem] = store_raw(_blocks(chain([first], stream)), self.folder, stem, stem.replace("_", " "))

    def write_long(self, stem: str, reader: Reader, path: str, params: Params, state: FetchState) -> None:
        """`write` for a long list, in segments that `state` knows of; what is there of a fetch that died is not read again."""
        said = state.setdefault(stem, {})
        whole, segments = said.get("file"), [self._segment(stem, *one) for one in enumerate(said.get("segments", []))]
        if whole is not None and (self.folder / f"{stem}.zst").is_file():
            self.found[stem] = RawFile(stem.replace("_", " "), self.folder / f"{stem}.zst", *whole)
            _remove(segments)
            return
        if not all(_is_sound(one) for one in segments):  # after a power cut
            said.clear()
            segments = []
        if segments:
            reader.count_read(said["read"])
        pages = () if said.get("whole") else reader.walk(path, params, said.get("next"))
        for some in in_chunks(pages, SEGMENT_PAGES):
            records = [record for items, _ in some for record in items]
            if records:
                lines = _blocks(self._line(record) for record in records)
                segments.append(store_raw(lines, self.folder, f"{stem}-{len(segments)}", stem))
            if reader.client.began is not None:
                state.setdefault("began", reader.client.began.isoformat())
            following = some[-1][1]
            said.update(
                segments=[[one.sha256, one.bytes] for one in segments], read=said.get("read", 0) + len(records), next=following,
                whole=following is None,
            )  # fmt: skip
            state.save()
        if not segments:  # a PIM without models
            return
        file = store_raw(chain.from_iterable(map(_content, segments)), self.folder, stem, stem.replace("_", " "))
        self.found[stem] = file
        said["file"] = [file.sha256, file.bytes]
        state.save()
        _remove(segments)

    def _segment(self, stem: str, number: int, said: tuple[str, int]) -> RawFile:
        return RawFile(stem, self.folder / f"{stem}-{number}.zst", *said)

    def _line(self, record: Mapping[str, Any]) -> bytes:
        changed = changed_at(record) if "updated" in record else None
        if changed is not None and (self.newest is None or changed > self.newest):
            self.newest = changed
        return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)


def _products(reader: Reader, files: Files, job: FetchJob) -> None:
    """Products before their models, so that none is newer than the models."""
    if job.since is not None and job.base_folder is not None and "products" not in job.state:
        done = read_changes(reader, files.folder, job.base_folder, job.since, reconcile=job.reconcile)
        if done is not None:
            with done as changes:
                files.write("products", changes.products())
                files.write("product_models", changes.models())
            return
    reader.expected = reader.count(reader.scope)
    files.write_long("products", reader, PRODUCTS, reader.scope, job.state)
    files.write_long("product_models", reader, MODELS, {}, job.state)


def _describing(reader: Reader, files: Files, kind: Kind) -> None:
    files.write("channels", reader.small("channels"))
    if kind not in ("attributes", "families"):
        files.write("categories", reader.small("categories"))
    if kind in ("all", "products", "attributes"):
        attributes = list(reader.small("attributes"))
        files.write("attributes", attributes)
        codes = [record["code"] for record in attributes if record.get("type") in SELECTS]
        files.write(
            "attribute_options", reader.of_each([(code, f"attributes/{part(code)}/options") for code in codes], "attribute")
        )
    if kind in ("all", "products", "families"):
        families = list(reader.small("families"))
        files.write("families", families)
        codes = [record["code"] for record in families]
        files.write("family_variants", reader.of_each([(code, f"families/{part(code)}/variants") for code in codes], "family"))


def _remove(files: Iterable[RawFile]) -> None:
    for file in files:
        file.path.unlink(missing_ok=True)


def _content(file: RawFile) -> Iterator[bytes]:
    with file.open() as stream:
        yield from iter(partial(stream.read, _BLOCK), b"")


def _is_sound(file: RawFile) -> bool:
    try:
        digest = hashlib.sha256()
        for block in _content(file):
            digest.update(block)
    except OSError:
        return False
    return digest.hexdigest() == file.sha256


def _blocks(lines: Iterable[bytes]) -> Iterator[bytes]:
    waiting, size = [], 0
    for line in lines:
        waiting.append(line)
        size += len(line)
        if size >= _BLOCK:
            yield b"".join(waiting)
            waiting, size = [], 0
    yield b"".join(waiting)
