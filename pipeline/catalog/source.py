"""What a catalog source is, and the exact copy that is kept of what it said.

One module a source; each yields the same batches, so that nothing after this point knows where a catalog came from.
Parsing belongs to the sources, writing tables to `importer`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from io import BufferedReader
from pathlib import Path
from typing import IO, Any, Literal, Protocol

import pyarrow as pa

from pipeline.catalog.schema import SCHEMAS
from pipeline.model.errors import BadInputError
from pipeline.platform.inflate import GZIP_MAGIC, inflate

#: Small enough to stay in the processor's cache from reading to hashing to compressing.
BLOCK = 256 << 10
#: No catalog is larger (1M variants of bulk JSONL are 1.6 GB); what inflates to more is an attack.
MAX_BYTES = 8 << 30


Kind = Literal["all", "products", "collections", "inventory", "attributes", "families"]
#: Called with (share done, what was done); raises when the run was canceled, so it is called while waiting too.
Progress = Callable[[float, str], None]


class Scattered(Exception):
    """Raised by `Source.batches` when the parts of a product do not stand together.

    What was yielded so far is void: ask again with `scattered=True`, which takes a second look at everything.
    """


class FetchState(dict[str, Any]):
    """What a fetch must remember should its process die (JSON values, no secrets); nothing is kept before `save()`."""

    def __init__(self, values: Mapping[str, Any] | None = None, keep: Callable[[Mapping[str, Any]], None] | None = None) -> None:
        super().__init__(values or {})
        self._keep = keep

    def save(self) -> None:
        if self._keep is not None:
            self._keep(self)


@dataclass(frozen=True)
class FetchJob:
    """What is wanted of a source. Sources that are only a file read it whole, whatever is wanted."""

    kind: Kind = "all"
    since: datetime | None = None  # products that changed at or after this; None: all of them
    reconcile: bool = False  # with `since`: list the ids of all products too, so that every lost one is found
    state: FetchState = field(default_factory=FetchState)  # not empty: a fetch of the same that died; go on with it
    progress: Progress = lambda share, message: None
    base_folder: Path | None = None  # with `since`: the raw copy of the import that this one adds to


@dataclass(frozen=True)
class RawFile:
    """The exact (inflated) bytes that the source gave, zstd-compressed; `sha256` and `bytes` are of the content."""

    name: str
    path: Path
    sha256: str
    bytes: int

    @property
    def role(self) -> str:
        """What the file is to its source: products, collections, inventory, deleted ... (the stem of its path)."""
        return self.path.stem

    def open(self) -> Any:
        """The content as a binary stream."""
        return pa.CompressedInputStream(pa.OSFile(str(self.path)), "zstd")


@dataclass(frozen=True)
class RawImport:
    """All files of one import, the products first.

    An `incremental` one has only products that changed; a source may answer a job with `since` by a whole copy too. `watermark`
    is the newest change that it saw, from which the next incremental import goes on (None: from here none can). `notes` are
    sentences that an operator should read.
    """

    files: tuple[RawFile, ...]
    watermark: datetime | None = None
    incremental: bool = False
    reconciled: bool = False
    notes: tuple[str, ...] = ()

    def file(self, role: str) -> RawFile | None:
        return next((file for file in self.files if file.role == role), None)

    @property
    def name(self) -> str:
        return ", ".join(file.name for file in self.files)

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files)

    @property
    def sha256(self) -> str:
        """Of the only file, or of the files' digests."""
        if len(self.files) == 1:
            return self.files[0].sha256
        return hashlib.sha256("".join(file.sha256 for file in self.files).encode()).hexdigest()


@dataclass(frozen=True)
class CatalogBatch:
    """Whole products: Arrow tables by the names and schemas of `schema.SCHEMAS`.

    `counts` are the control totals of the source since the batch before: `variants_seen`, and lines or rows by what they
    were. `done` is the share of the source that has been read, 0 to 1.
    """

    tables: Mapping[str, pa.Table]
    counts: Mapping[str, int]
    done: float


@dataclass(frozen=True)
class Identities:
    """Product ids beside the products of an incremental import: those that are gone, and, after a reconciliation, all that
    exist. Arrow arrays of text."""

    deleted: pa.Array
    present: pa.Array | None = None


@dataclass(frozen=True)
class Newest:
    """The newest change of any product, and the number of products."""

    updated_at: datetime | None
    products: int


class Source(Protocol):
    """Where a catalog comes from. A source that is a whole file needs `fetch` and `batches` only."""

    name: str
    #: Whether a catalog without products is believed: an account may be empty, a file without products is a broken export.
    may_be_empty: bool = False
    #: How far before its watermark an incremental import begins, for what was saved late.
    overlap: timedelta = timedelta(0)

    def fetch(self, folder: Path, job: FetchJob) -> RawImport:
        """Copy what the source says into `folder`; raises PipelineError when it cannot be read to its end."""

    def batches(self, raw: RawImport, *, currency: str, scattered: bool = False) -> Iterator[CatalogBatch]:
        """Parse a raw copy; prices become minor units of `currency`. Raises BadInputError, or Scattered at most once."""

    def tables(self, raw: RawImport) -> frozenset[str]:
        """Names of the tables that this raw copy can become."""
        return frozenset(SCHEMAS)

    def stock(self, raw: RawImport) -> Iterator[pa.Table] | None:
        """Rows of INVENTORY for every variant in the raw copy, in any order; None where `batches` has the stock already."""
        return None

    def structure(self, raw: RawImport) -> Mapping[str, pa.Table]:
        """Tables of `schema.STRUCTURE` in this raw copy: what describes products, where a source tells that."""
        return {}

    def identities(self, raw: RawImport) -> Identities:
        """Which products an incremental import takes away."""
        return Identities(pa.array([], pa.string()))


class LiveSource(Source, Protocol):
    """A source that is an account at a service: it can be watched, and asked whether it would work."""

    may_be_empty: bool = True

    def newest_change(self) -> Newest:
        """One cheap request."""

    def check(self) -> list[str]:
        """One sentence for each thing that would keep imports from working: credentials, permissions, versions."""

    def missing_options(self) -> list[str]:
        """One sentence for each thing that imports do without, but another command that the store may use does not."""
        return []


def copy_raw(source: Path, folder: Path, stem: str) -> RawFile:
    """Copy a file, plain or gzip, into `folder`; refuses missing, empty, truncated and exploding ones."""
    try:
        with source.open("rb") as stream:
            packed = stream.peek(2)[:2] == GZIP_MAGIC
            blocks = _content(stream)
            return store_raw(
                inflate(blocks, source.name, "; it must be copied or downloaded again") if packed else blocks,
                folder,
                stem,
                source.name,
            )
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise BadInputError(f"{source} cannot be read ({error.strerror}): give the path of a catalog file") from None


def store_raw(blocks: Iterable[bytes], folder: Path, stem: str, name: str, *, may_be_empty: bool = False) -> RawFile:
    """Write blocks of content as `<stem>.zst` below `folder` (Arrow's zstd is level 1)."""
    folder.mkdir(parents=True, exist_ok=True)
    path, digest, size = folder / f"{stem}.zst", hashlib.sha256(), 0
    try:
        with pa.OSFile(str(path), "wb") as sink, pa.CompressedOutputStream(sink, "zstd") as out:
            for block in blocks:
                digest.update(block)
                size += len(block)
                if size > MAX_BYTES:
                    raise BadInputError(f"{name} holds more than {MAX_BYTES >> 30} GiB: split the catalog into several stores")
                out.write(block)
        if size == 0 and not may_be_empty:
            raise BadInputError(f"{name} is empty: export the products again")
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return RawFile(name, path, digest.hexdigest(), size)


def _content(stream: BufferedReader | IO[bytes]) -> Iterator[bytes]:
    return iter(partial(stream.read, BLOCK), b"")
