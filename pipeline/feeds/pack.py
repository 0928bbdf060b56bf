"""Feed files of an export plan: `<export folder>/<kind>-<part>.<json|xml>`, and the pointer to the current export.

What the plan wants said at once, one SKU at a time, is in files of its own, `<kind>-urgent-<part>`, and in no other: so nothing
is said twice. They have the form of a feed, and can become one.
Messages were validated when the plan was written; here they are only packed, one part in memory at a time.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from upath import UPath

from pipeline.marketplaces.base import Marketplace
from pipeline.model.listing import Account, FeedKind, Site
from pipeline.platform.tables import Table

_CURRENT = "current.json"


@dataclass(frozen=True)
class FeedFile:
    """One written feed file; `bytes` is its size."""

    kind: FeedKind
    path: UPath | Path
    messages: int
    bytes: int
    via: str = "feed"  # or items: its messages are said one by one


def write_feeds(
    messages: Table,
    feed: FeedKind,
    marketplace: Marketplace,
    site: Site,
    account: Account,
    folder: UPath | Path,
    urgent: Table | None = None,
) -> list[FeedFile]:
    """Write the feed files of one kind from a plan's messages (schema MESSAGES, plan order) and return them in order: first those
    of what is `urgent` (schema URGENT), in its order.

    Each file appears whole or not at all; files of an earlier attempt that this one does not write are removed at the end.
    The same messages give the same bytes.
    """
    first = pa.array([], pa.string()) if urgent is None else _skus(urgent.arrow(), feed)
    written: list[FeedFile] = []
    sources = [("items", _chosen(messages, feed, first))] if len(first) else []
    for via, found in (*sources, ("feed", _messages(messages, feed, first))):
        for part in marketplace.pack(feed, found, site, account):
            if not written:  # an export of nothing has no folder
                folder.mkdir(parents=True, exist_ok=True)
            name = part.name if via == "feed" else part.name.replace(feed, f"{feed}-urgent", 1)
            path = folder / f"{name}.{part.suffix}"
            _replace(path, part.content)
            written.append(FeedFile(feed, path, part.messages, len(part.content), via))
    kept = {file.path.name for file in written}
    for stale in [path for pattern in (f"{feed}-*", f".{feed}-*.tmp") for path in folder.glob(pattern)]:
        if stale.name not in kept:
            stale.unlink()
    return written


def set_current(folder: UPath | Path, export_id: str) -> None:
    """Point `current.json` of a store's marketplace folder to an export, after all its files are there."""
    folder.mkdir(parents=True, exist_ok=True)  # the first export may have nothing to say
    _replace(folder / _CURRENT, json.dumps({"export_id": export_id}).encode() + b"\n")


def put_folder(local: Path, folder: UPath | Path) -> None:
    """Put the files of a local folder into the storage; older files there that it does not have are removed."""
    folder.mkdir(parents=True, exist_ok=True)
    files = sorted(local.iterdir())
    for file in files:
        with file.open("rb") as source, (folder / file.name).open("wb") as target:
            shutil.copyfileobj(source, target)
    names = {file.name for file in files}
    for old in [path for path in folder.iterdir() if path.name not in names]:
        old.unlink()


def current(folder: UPath | Path) -> str | None:
    """The export that `current.json` points to; None before the first."""
    try:
        found: str = json.loads((folder / _CURRENT).read_bytes())["export_id"]
    except FileNotFoundError:
        return None
    return found


def _skus(urgent: pa.Table, feed: FeedKind) -> pa.Array:
    return urgent.filter(pc.equal(urgent["feed"], feed))["sku"].combine_chunks()


def _chosen(messages: Table, feed: FeedKind, skus: pa.Array) -> Iterator[pa.Table]:
    """The messages of these SKUs, in their order."""
    every = pa.concat_tables(list(_messages(messages, feed, pa.array([], pa.string()))))
    yield every.take(pc.index_in(skus, value_set=every["sku"].combine_chunks()).drop_null())


def _messages(messages: Table, feed: FeedKind, without: pa.Array) -> Iterator[pa.Table]:
    """All messages of a feed but those of some SKUs."""
    for index in range(messages.batches):
        of_feed = pc.equal(messages.arrow_batch(index, ["feed"])["feed"], feed)
        if not pc.any(of_feed).as_py():
            continue  # most batches hold one kind only, and payloads are nearly all of the file
        batch = messages.arrow_batch(index, ["sku", "operation", "payload"])
        batch = batch if pc.all(of_feed).as_py() else batch.filter(of_feed)
        yield batch.filter(pc.invert(pc.is_in(batch["sku"], value_set=without))) if len(without) else batch


def _replace(path: UPath | Path, content: bytes) -> None:
    """Write a file whole or not at all. An export holds a lock on its folder, so the temporary name has no rival."""
    local = path if isinstance(path, Path) else Path(path.path) if path.protocol in ("", "file", "local") else None
    if local is None:
        path.write_bytes(content)  # an object store shows an object only when it is whole
        return
    part = local.with_name(f".{local.name}.tmp")
    part.write_bytes(content)
    part.replace(local)
