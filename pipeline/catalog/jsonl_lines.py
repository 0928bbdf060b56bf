"""Physical lines of JSON Lines: numbers, a cap on length, what is damaged and what is only oddly encoded.

What a record means belongs to `shopify_jsonl`.
"""

from __future__ import annotations

import codecs
import io
import json
from collections.abc import Iterator
from typing import Any

import orjson
import pyarrow as pa

from pipeline.catalog.source import RawFile
from pipeline.catalog.values import storable
from pipeline.model.errors import BadInputError

#: No record of a catalog comes near (a product's text is at most about 1 MB).
MAX_LINE = 16 << 20
#: Small enough to stay in the processor's cache while it is cut into lines.
_BLOCK = 256 << 10

_LINE_FEED = 10
NUL_ESCAPE = b"\\u0000"

Line = tuple[int, bytes]


class Lines:
    """The physical lines of a raw file as (1-based number, UTF-8 bytes with the line feed), blank ones included.

    A line above MAX_LINE is given as its first bytes only, without line feed. `open_end` says that the line at hand is
    the last one and has no line feed in the file (it is given one).
    """

    def __init__(self, raw: RawFile) -> None:
        self._name = raw.name
        self._source = pa.OSFile(str(raw.path))
        self._stored = raw.path.stat().st_size
        self.total = 0
        self.open_end = False

    @property
    def done(self) -> float:
        return float(self._source.tell() / self._stored)

    def __iter__(self) -> Iterator[Line]:
        for block in self.blocks():
            number = self.total
            for line in io.BytesIO(block):  # the fastest way to cut
                number += 1
                yield number, line
            self.total = number

    def blocks(self) -> Iterator[bytes]:
        """The same lines in pieces of many; a line without line feed ends its piece, an open end is a piece of its own.
        Who takes them adds their lines to `total`."""
        stream: Any = pa.CompressedInputStream(self._source, "zstd")
        reader = io.BufferedReader(stream, _BLOCK)
        mark = reader.peek(3)
        if mark.startswith((b"\xff\xfe", b"\xfe\xff")):
            reader = io.BufferedReader(_Utf16(reader, self._name), _BLOCK)
        elif mark.startswith(b"\xef\xbb\xbf"):
            reader.read(3)
        while block := reader.read(_BLOCK):
            if begun := len(block) - block.rfind(b"\n") - 1:
                block += (rest := reader.readline(MAX_LINE + 1 - begun))
                size = begun + len(rest)
                if rest[-1:] == b"\n":
                    pass
                elif size > MAX_LINE:
                    while (rest := reader.readline(MAX_LINE)) and rest[-1] != _LINE_FEED:
                        pass
                else:
                    if whole := block[:-size]:
                        yield whole
                    self.open_end = True
                    block = block[-size:] + b"\n"
            yield block


class _Utf16(io.RawIOBase):
    """UTF-16 as UTF-8."""

    def __init__(self, source: io.BufferedReader, name: str) -> None:
        self._source, self._name, self._decoder, self._ready = source, name, codecs.getincrementaldecoder("utf-16")(), b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            block = self._source.read(_BLOCK)
            try:
                self._ready = self._decoder.decode(block, final=not block).encode()
            except UnicodeDecodeError:
                raise BadInputError(f"{self._name} is damaged UTF-16: save it as UTF-8 and import it again") from None
            if not block:
                break
        part, self._ready = self._ready[: len(buffer)], self._ready[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)


def salvage(line: bytes, number: int, name: str) -> tuple[Any, int]:
    """A line that orjson refused: the record and how many unstorable characters were dropped, or (None, 0).

    NUL bytes and lone surrogates are dropped. A line that is sound JSON only in a one-byte encoding means that the whole
    file is not UTF-8: reading it further would turn every accent into two wrong characters, so it is refused.
    """
    dropped = line.count(b"\0")
    bare = line.replace(b"\0", b"") if dropped else line
    try:
        text = bare.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        try:
            json.loads(bare.decode("cp1252", "replace"))
        except (ValueError, RecursionError):
            return None, 0
        raise BadInputError(
            f"{name} is not UTF-8: byte 0x{bare[error.start]:02X} on line {number} (it looks like Windows-1252 or Latin-1); "
            "save the file as UTF-8 and import it again"
        ) from None
    try:
        record, more = clean(json.loads(text, parse_int=orjson.loads))  # an integer beyond 64 bits is a float to orjson
    except (ValueError, RecursionError):
        return None, 0
    return record, dropped + more


def clean(record: Any) -> tuple[Any, int]:
    """The record without characters that storage refuses, and how many there were."""
    if isinstance(record, str):
        return storable(record)
    if isinstance(record, list):
        items = [clean(item) for item in record]
        return [item for item, _ in items], sum(dropped for _, dropped in items)
    if isinstance(record, dict):
        pairs = [(clean(key), clean(value)) for key, value in record.items()]
        return {key[0]: value[0] for key, value in pairs}, sum(key[1] + value[1] for key, value in pairs)
    return record, 0
