"""Gzip content in bounded steps: truncated, damaged and exploding streams are refused before they fill memory or disk."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

from pipeline.model.errors import BadInputError

#: Most bytes of one decompressed block; small enough to stay in the processor's cache.
BLOCK = 256 << 10
#: A gzip that grows more than this after its first MiB is a bomb; catalogs reach about 20.
MAX_RATIO = 200

GZIP_MAGIC = b"\x1f\x8b"


def inflate(blocks: Iterable[bytes], name: str, advice: str = "") -> Iterator[bytes]:
    """The content of gzip `blocks`; several members in a row are one content, as for gunzip. Raises BadInputError."""
    inflater, given, taken, ended = zlib.decompressobj(31), 0, 0, False
    try:
        for data in blocks:
            taken += len(data)
            while data:
                if ended:
                    if not data.strip(b"\0"):  # padding after the last member is legal
                        break
                    inflater, ended = zlib.decompressobj(31), False
                block = inflater.decompress(data, BLOCK)
                given += len(block)
                if given > 1 << 20 and given > MAX_RATIO * taken:
                    raise BadInputError(f"{name} inflates more than {MAX_RATIO} times its size, which no honest file does")
                if block:
                    yield block
                ended = inflater.eof
                data = inflater.unused_data if ended else inflater.unconsumed_tail
        while not ended and (block := inflater.decompress(b"", BLOCK)):  # what the last block left inside
            given += len(block)
            yield block
            ended = inflater.eof
        if not (ended or inflater.eof):
            raise BadInputError(f"{name} is a truncated gzip file{advice}")
    except zlib.error:
        raise BadInputError(f"{name} is a damaged gzip file{advice}") from None
