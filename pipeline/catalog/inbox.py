"""The inbox: catalog files that somebody drops into `<data dir>/inbox/<store>/`, of a store whose source is a file.

| where | what |
|---|---|
| `inbox/<store>/<any name>` | a file arrives; it is left alone while it still changes |
| `inbox/.taken/<store>/new-<name>` | claimed by a rename, so that nobody replaces it while it is looked at |
| `inbox/.taken/<store>/<request id>-<name>` | its request is in the database; the run imports this very file |
| `inbox/.failed/<store>/...` | not imported; the text beside it says why |

Every step may be repeated, so a process may die between any two of them. Names are hostile: nothing is ever named as they say.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from pipeline.catalog.requests import (
    Request,
    add_request,
    get_request,
    newest_file_of,
    newest_inbox_request,
)
from pipeline.model.errors import PipelineError
from pipeline.stores.stores import Store
from pipeline.stores.text import shown

SOURCE = "shopify-file"
#: Names under which programs write what they rename when it is whole; such files are left alone.
PARTIAL = (".part", ".partial", ".tmp", ".temp", ".crdownload", ".download", ".filepart", "~")
#: The end of the name of the text beside a failed file.
WHY = ".why.txt"
_CLAIMED = "new-"
_BLOCK = 1 << 20
_MAX_NAME = 80
#: A tick takes no more files than this; the others wait for the next one.
_MAX_FILES = 50


@dataclass(frozen=True)
class Inbox:
    """The folders of an inbox. They are made when needed."""

    root: Path

    def arriving(self, store: str) -> Path:
        return self.root / store

    def taken(self, store: str) -> Path:
        return self.root / ".taken" / store

    def failed(self, store: str) -> Path:
        return self.root / ".failed" / store

    def file(self, store: str, request: Request) -> Path:
        """Where the file of an inbox request lies."""
        return self.taken(store) / f"{request.id}-{request.detail['name']}"

    def waiting(self) -> dict[str, int]:
        """Number of files that have arrived, by store; files beside the folders under an empty name."""
        return _counted(path.parent.name if path.parent != self.root else "" for path in _look(self.root))

    def set_aside(self) -> dict[str, int]:
        """Number of files that were not imported, by store."""
        return _counted(path.parent.name for path in (self.root / ".failed").glob("*/*") if not path.name.endswith(WHY))


def inbox_of(data_dir: Path) -> Inbox:
    return Inbox(data_dir / "inbox")


def take(connection: psycopg.Connection[Any], inbox: Inbox, stores: Mapping[str, Store], pause: Callable[[], None]) -> list[str]:
    """Turn files that have arrived into requests; returns a sentence for each. The connection commits by itself.

    `pause` is called between two looks: a file that changes meanwhile is still being written and is left for next time."""
    for store in stores.values():
        if store.source == SOURCE:
            inbox.arriving(store.key).mkdir(parents=True, exist_ok=True)
    said = [_each(path, partial(_admit, connection, inbox, stores[key], path)) for key, path in _left_over(inbox, stores)]
    return said + [_each(path, partial(_take, connection, inbox, stores, path)) for path in _settled(inbox.root, pause)]


def as_requested(connection: psycopg.Connection[Any], data_dir: Path, store: Store, lead_id: str) -> Store:
    """The store as the run that answers these requests must see it: with the file that was dropped, if one was, in place of
    its own. Raises PipelineError when that file is gone."""
    lead = get_request(connection, int(lead_id)) if re.fullmatch("[0-9]{1,18}", lead_id) else None
    if lead is None or lead.store_id != store.id or lead.lead_id != lead.id:
        raise PipelineError(f"there is no request {shown(lead_id)} of store {store.key}: pipeline import {store.key}")
    newest = newest_file_of(connection, lead.id)
    if newest is None:
        return store
    inbox = inbox_of(data_dir)
    file = inbox.file(store.key, newest)
    if not file.exists():
        raise PipelineError(f"{file} is no longer there: drop the file into {inbox.arriving(store.key)} again")
    return replace(store, source_settings={**store.source_settings, "path": str(file)})


def imported(connection: psycopg.Connection[Any], inbox: Inbox, store: Store, lead_id: int) -> None:
    """The import of this batch is complete: its file is the store's catalog from now on, older ones are not kept.

    What was imported once is kept among the raw copies; what a newer file overtook is set aside."""
    newest = newest_file_of(connection, lead_id)
    if newest is None:
        return
    file = inbox.file(store.key, newest)
    if not file.exists():
        return
    status = file.stat()
    if (status.st_size, status.st_mtime_ns) != (newest.detail["size"], newest.detail["modified"]):
        # Somebody was still writing it, after a long break: it is looked at once more, as if it had just been dropped.
        file.rename(file.with_name(_CLAIMED + newest.detail["name"]))
        return
    connection.execute(
        "UPDATE stores SET source_settings = source_settings || %s WHERE id = %s AND source = %s",
        (Jsonb({"path": str(file.resolve())}), store.id, SOURCE),
    )
    for older, request_id in _numbered(inbox.taken(store.key)):
        if request_id < newest.id:
            request = get_request(connection, request_id)
            if request is not None and request.lead_id == lead_id:
                _set_aside(inbox, older, store.key, older.name, _overtaken(newest))
            else:
                older.unlink(missing_ok=True)


def not_imported(connection: psycopg.Connection[Any], inbox: Inbox, store: str, lead_id: int, error: str) -> None:
    """The import of this batch failed: its files are set aside with the reason."""
    newest = newest_file_of(connection, lead_id)
    if newest is None:
        return
    for file, request_id in _numbered(inbox.taken(store)):
        request = get_request(connection, request_id) if request_id <= newest.id else None
        if request is not None and request.lead_id == lead_id:
            reason = error if request_id == newest.id else _overtaken(newest)
            _set_aside(inbox, file, store, file.name, reason)


def safe_name(name: str) -> str:
    """A name of letters, digits, dots, dashes and underscores that keeps its ending and begins with no dot or dash."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name)[-_MAX_NAME:].strip("._-") or "file"


def _overtaken(newest: Request) -> str:
    return f"not imported: {newest.detail['name']} was dropped after it, before this one's turn; drop this one again if it counts"


def _each(path: Path, work: Callable[[], str]) -> str:
    """One file that cannot be moved does not keep the others."""
    try:
        return work()
    except OSError as error:
        hints = {errno.EXDEV: ": mount the whole inbox folder, not one store's", errno.EACCES: ": change its permissions"}
        return f"{_called(path)} cannot be moved ({error.strerror}){hints.get(error.errno or 0, '')}"


def _take(connection: psycopg.Connection[Any], inbox: Inbox, stores: Mapping[str, Store], path: Path) -> str:
    folder = path.parent.name if path.parent != inbox.root else ""
    reason = _refusal(folder, stores.get(folder), path)
    if reason is not None:
        # The inode: another name for it would be a place that two files can claim.
        name = f"{path.lstat().st_ino}-{safe_name(path.name)}"
        return _set_aside(inbox, path, safe_name(folder) if folder else "no-store", name, reason)
    claimed = inbox.taken(folder) / (_CLAIMED + safe_name(path.name))
    claimed.parent.mkdir(parents=True, exist_ok=True)
    if claimed.exists():  # one of the same name that could not be moved on
        return f"{_called(path)} waits for one of the same name in {claimed.parent}"
    path.rename(claimed)
    return _admit(connection, inbox, stores[folder], claimed)


def _refusal(folder: str, store: Store | None, path: Path) -> str | None:
    """Why this cannot be a catalog of a store; None when it can."""
    if not stat.S_ISREG(path.lstat().st_mode):
        return "is not a plain file: drop one CSV or JSON Lines file, plain or gzip"
    if not folder:
        return "lies beside the folders of the stores: drop it into inbox/<store>/"
    if store is None:
        return f"there is no store {shown(folder)!r}: pipeline store add KEY --file FILE, or drop it into another store's folder"
    if store.source != SOURCE:
        return f"the catalog of store {store.key} comes from {store.source}, not from files: pipeline import {store.key}"
    return None


def _admit(connection: psycopg.Connection[Any], inbox: Inbox, store: Store, claimed: Path) -> str:
    """From a claimed file to a request. The same content as the store's present file is no news."""
    name = claimed.name.removeprefix(_CLAIMED)
    try:
        detail = {"name": name, **_fingerprint(claimed)}
    except OSError as error:
        reason = f"cannot be read ({error.strerror}): change its permissions and drop it again"
        return _set_aside(inbox, claimed, store.key, f"{claimed.lstat().st_ino}-{name}", reason)
    with connection.transaction():
        connection.execute("SELECT FROM stores WHERE id = %s FOR UPDATE", (store.id,))
        last = newest_inbox_request(connection, store.id)
        if last is not None and last.detail["digest"] == detail["digest"] and _current(inbox, store, last):
            request_id, name = last.id, str(last.detail["name"])
        else:
            # Not the digest alone: yesterday's file may be dropped again after today's.
            reference = str(detail["digest"]) if last is None else f"{detail['digest']} after {last.id}"
            added = add_request(connection, store.id, "all", "inbox", reference, detail=detail)
            if added is None:
                return f"store {store.key} was removed"
            request_id = added
    file = claimed.with_name(f"{request_id}-{name}")
    if file.exists():
        claimed.unlink()
        return f"{_called(claimed)} of {store.key} is the same as {file.name}: nothing new"
    claimed.rename(file)
    return f"{file.name} of {store.key} is taken"


def _current(inbox: Inbox, store: Store, request: Request) -> bool:
    """Whether this file waits, is being imported, or is the store's catalog."""
    if request.closed_at is None:
        return True
    path = store.source_settings.get("path")
    return request.error is None and path is not None and Path(path) == inbox.file(store.key, request).resolve()


def _set_aside(inbox: Inbox, path: Path, folder: str, name: str, reason: str) -> str:
    """Move a file to the failed ones, its reason first. Returns what to say."""
    target = inbox.failed(folder) / name
    target.parent.mkdir(parents=True, exist_ok=True)
    why = target.with_name(f"{name}{WHY}")
    temporary = target.with_name(f".{name}{WHY}")
    temporary.unlink(missing_ok=True)
    temporary.write_text(f"{_called(path)}: {reason}\n")
    temporary.replace(why)
    path.rename(target)
    return f"{_called(path)} is set aside: {reason}"


def _fingerprint(path: Path) -> dict[str, Any]:
    digest = hashlib.sha256()
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
        status = os.fstat(handle)
    return {"digest": digest.hexdigest(), "size": status.st_size, "modified": status.st_mtime_ns}


def _settled(root: Path, pause: Callable[[], None]) -> list[Path]:
    """Files that did not change between two looks, the oldest first."""
    first = _look(root)
    if not first:
        return []
    pause()
    second = _look(root)
    same = [path for path, signs in first.items() if second.get(path) == signs]
    return sorted(same, key=lambda path: (first[path][2], path.name))[:_MAX_FILES]


def _look(root: Path) -> dict[Path, tuple[int, int, int]]:
    """Everything that has arrived, with inode, size and time of its last change."""
    found = {}
    for entry in _entries(root):
        for path in _entries(entry) if entry.is_dir() else [entry]:
            if path.name.endswith(PARTIAL):
                continue
            try:
                status = path.lstat()
            except FileNotFoundError:
                continue
            found[path] = (status.st_ino, status.st_size, status.st_mtime_ns)
    return found


def _entries(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if not path.name.startswith(".")]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _left_over(inbox: Inbox, stores: Mapping[str, Store]) -> Iterator[tuple[str, Path]]:
    """Files whose claim was not finished."""
    for folder in _entries(inbox.root / ".taken"):
        if folder.name in stores:
            yield from ((folder.name, path) for path in sorted(folder.glob(f"{_CLAIMED}*")))


def _numbered(folder: Path) -> list[tuple[Path, int]]:
    found = [(path, path.name.partition("-")[0]) for path in _entries(folder)]
    return sorted(((path, int(number)) for path, number in found if number.isdecimal()), key=lambda item: item[1])


def _called(path: Path) -> str:
    return shown(path.name.removeprefix(_CLAIMED), _MAX_NAME)


def _counted(names: Iterable[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    return counts
