"""What a catalog source is, and the exact copy that is kept of what it said.

One module a source; each yields the same batches, so that nothing after this point knows where a catalog came from.
Parsing belongs to the sources, writing tables to `importer`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from io import BufferedReader
from pathlib import Path
from typing import IO, Any, Protocol

import pyarrow as pa

from pipeline.model.errors import BadInputError
from pipeline.platform.inflate import GZIP_MAGIC, inflate

#: Small enough to stay in the processor's cache from reading to hashing to compressing.
BLOCK = 256 << 10
#: No catalog is larger (1M variants of bulk JSONL are 1.6 GB); what inflates to more is an attack.
MAX_BYTES = 8 << 30


class Scattered(Exception):
    """Raised by `Source.batches` when the parts of a product do not stand together.

    What was yielded so far is void: ask again with `scattered=True`, which takes a second look at everything.
    """


@dataclass(frozen=True)
class RawFile:
    """The exact (inflated) bytes that the source gave, zstd-compressed; `sha256` and `bytes` are of the content."""

    name: str
    path: Path
    sha256: str
    bytes: int

    def open(self) -> Any:
        """The content as a binary stream."""
        return pa.CompressedInputStream(pa.OSFile(str(self.path)), "zstd")


@dataclass(frozen=True)
class RawImport:
    """All files of one import, the products first."""

    files: tuple[RawFile, ...]

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


class Source(Protocol):
    """Where a catalog comes from."""

    name: str

    def fetch(self, folder: Path) -> RawImport:
        """Copy what the source says into `folder`; raises BadInputError when it cannot be read to its end."""

    def batches(self, raw: RawImport, *, currency: str, scattered: bool = False) -> Iterator[CatalogBatch]:
        """Parse a raw copy; prices become minor units of `currency`. Raises BadInputError, or Scattered at most once."""


def copy_raw(source: Path, folder: Path, stem: str) -> RawFile:
    """Copy a file, plain or gzip, into `folder`; refuses missing, empty, truncated and exploding ones."""
    try:
        with source.open("rb") as stream:
            packed = stream.peek(2)[:2] == GZIP_MAGIC
            blocks = _content(stream)
            return store_raw(inflate(blocks, source.name) if packed else blocks, folder, stem, source.name)
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise BadInputError(f"{source} cannot be read ({error.strerror}): give the path of a catalog file") from None


def store_raw(blocks: Iterable[bytes], folder: Path, stem: str, name: str) -> RawFile:
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
        if size == 0:
            raise BadInputError(f"{name} is empty: export the products again")
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return RawFile(name, path, digest.hexdigest(), size)


def _content(stream: BufferedReader | IO[bytes]) -> Iterator[bytes]:
    return iter(partial(stream.read, BLOCK), b"")
