"""Feed files of an export plan: `<export folder>/<kind>-<part>.<json|xml>`, and the pointer to the current export.

Messages were validated when the plan was written; here they are only packed, one part in memory at a time.
"""

from __future__ import annotations

import json
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


def write_feeds(
    messages: Table, feed: FeedKind, marketplace: Marketplace, site: Site, account: Account, folder: UPath | Path
) -> list[FeedFile]:
    """Write the feed files of one kind from a plan's messages (schema MESSAGES, plan order) and return them in order.

    Each file appears whole or not at all; files of an earlier attempt that this one does not write are removed at the end.
    The same messages give the same bytes.
    """
    written: list[FeedFile] = []
    for part in marketplace.pack(feed, _messages(messages, feed), site, account):
        if not written:  # an export of nothing has no folder
            folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{part.name}.{part.suffix}"
        _replace(path, part.content)
        written.append(FeedFile(feed, path, part.messages, len(part.content)))
    kept = {file.path.name for file in written}
    for stale in [path for pattern in (f"{feed}-*", f".{feed}-*.tmp") for path in folder.glob(pattern)]:
        if stale.name not in kept:
            stale.unlink()
    return written


def set_current(folder: UPath | Path, export_id: str) -> None:
    """Point `current.json` of a store's marketplace folder to an export, after all its files are there."""
    _replace(folder / _CURRENT, json.dumps({"export_id": export_id}).encode() + b"\n")


def current(folder: UPath | Path) -> str | None:
    """The export that `current.json` points to; None before the first."""
    try:
        found: str = json.loads((folder / _CURRENT).read_bytes())["export_id"]
    except FileNotFoundError:
        return None
    return found


def _messages(messages: Table, feed: FeedKind) -> Iterator[pa.Table]:
    for index in range(messages.batches):
        of_feed = pc.equal(messages.arrow_batch(index, ["feed"])["feed"], feed)
        if not pc.any(of_feed).as_py():
            continue  # most batches hold one kind only, and payloads are nearly all of the file
        batch = messages.arrow_batch(index, ["sku", "operation", "payload"])
        yield batch if pc.all(of_feed).as_py() else batch.filter(of_feed)


def _replace(path: UPath | Path, content: bytes) -> None:
    """Write a file whole or not at all. An export holds a lock on its folder, so the temporary name has no rival."""
    local = path if isinstance(path, Path) else Path(path.path) if path.protocol in ("", "file", "local") else None
    if local is None:
        path.write_bytes(content)  # an object store shows an object only when it is whole
        return
    part = local.with_name(f".{local.name}.tmp")
    part.write_bytes(content)
    part.replace(local)
