"""Physical lines of JSON Lines: numbers, a cap on length, what is damaged and what is only oddly encoded.

What a record means belongs to `shopify_jsonl`.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import Any

from pipeline.catalog.source import RawFile
from pipeline.catalog.values import storable
from pipeline.model.errors import BadInputError

#: No record of a catalog comes near (a product's text is at most about 1 MB).
MAX_LINE = 16 << 20
#: Small enough to stay in the processor's cache while it is cut into lines.
_BLOCK = 256 << 10

NUL_ESCAPE = b"\\u0000"

Line = tuple[int, bytes]


class Lines:
    """The physical lines of a raw file as (1-based number, UTF-8 bytes without line feed), blank ones included.

    A line above MAX_LINE is given as its first bytes only, which are still above MAX_LINE. While a line is being looked
    at, `suspicious` says that a NUL escape may be near and `open_end` that this is the last line and has no line feed.
    """

    def __init__(self, raw: RawFile) -> None:
        self._raw = raw
        self._read = 0
        self.total = 0
        self.suspicious = False
        self.open_end = False

    @property
    def done(self) -> float:
        return self._read / self._raw.bytes

    def __iter__(self) -> Iterator[Line]:
        rest = b""
        for block in self._blocks():
            head, found, tail = block.rpartition(b"\n")
            if not found:
                rest += tail if len(rest) <= MAX_LINE else b""
                continue
            first, *others = head.split(b"\n")
            first = rest if len(rest) > MAX_LINE else rest + first
            self.suspicious = NUL_ESCAPE in head or NUL_ESCAPE in first
            number, self.total = self.total + 1, self.total + 1 + len(others)
            yield number, first
            yield from enumerate(others, number + 1)
            rest = tail
        if rest:
            self.open_end, self.suspicious = True, NUL_ESCAPE in rest
            self.total += 1
            yield self.total, rest

    def _blocks(self) -> Iterator[bytes]:
        stream = self._raw.open()
        block = stream.read(_BLOCK)
        decoder = codecs.getincrementaldecoder("utf-16")() if block[:2] in (b"\xff\xfe", b"\xfe\xff") else None
        if block[:3] == b"\xef\xbb\xbf":
            self._read, block = 3, block[3:]
        while block:
            self._read += len(block)
            try:
                yield decoder.decode(block).encode() if decoder else block
            except UnicodeDecodeError:
                raise BadInputError(
                    f"{self._raw.name} is damaged UTF-16 near line {self.total + 1}: save it as UTF-8 and import it again"
                ) from None
            block = stream.read(_BLOCK)


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
        record, more = clean(json.loads(text))
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
