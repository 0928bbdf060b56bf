"""Feed files from stored messages, without parsing them again.

A stored message is a JSON object that begins with `{"sku":` and lacks only its `messageId`; putting `{"messageId":7,` in
place of its first byte gives the complete message. Ids count from 1 in each file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.marketplaces.amazon.options import limits
from pipeline.model.listing import Account, FeedKind, FeedPart, Site

_BEGIN = b'{"sku":'
_BEFORE_ID, _AFTER_ID = b',{"messageId":', b","
_END = b"]}"
#: The separating comma and the longest id.
_ADDED = 24


def header(site: Site, account: Account) -> bytes:
    """Everything before the first message. Without `includedData` the report would hide failures of the listings."""
    document = {
        "sellerId": account.seller_id,
        "version": "2.0",
        "issueLocale": "en_US",  # whatever the site: repairs read these sentences
        "report": {"includedData": ["issues", "summaries"], "apiVersion": "2021-08-01"},
    }
    return b'{"header":' + orjson.dumps(document) + b',"messages":['


def pack(feed: FeedKind, messages: Iterable[pa.Table], site: Site, account: Account) -> Iterator[FeedPart]:
    """Files of at most 25,000 messages and 10 MiB, in the given order, none with one SKU twice.

    Raises ValueError for a payload that `messages` did not make.
    """
    most, room = limits()["feed"]["messages"], limits()["feed"]["bytes"]
    begin = header(site, account)
    empty = len(begin) + len(_END)
    chunks: list[pa.Buffer] = []
    skus: set[str] = set()
    size, count, part = empty, 0, 1
    for table in messages:
        payload = table["payload"].combine_chunks()
        if not pc.all(pc.starts_with(payload, _BEGIN), min_count=0).as_py():
            raise ValueError("not a stored Amazon message; materialize listing_changes again")
        tails = pc.binary_replace_slice(payload, 0, 1, b"")
        start, lengths = 0, (pc.binary_length(payload).to_numpy(zero_copy_only=False) + _ADDED).tolist()
        for place, (sku, length) in enumerate(zip(table["sku"].to_numpy().tolist(), lengths, strict=True)):
            if count and (count == most or size + length > room or sku in skus):
                if place > start:
                    chunks.append(_numbered(tails, start, place, count))
                yield _part(feed, part, count, begin, chunks)
                start, size, count, part, chunks, skus = place, empty, 0, part + 1, [], set()
            size, count = size + length, count + 1
            skus.add(sku)
        if len(tails) > start:
            chunks.append(_numbered(tails, start, len(tails), count))
    if count:
        yield _part(feed, part, count, begin, chunks)


def _numbered(tails: pa.Array, start: int, end: int, count: int) -> pa.Buffer:
    """Messages `start` to `end` with their ids, the last of which is `count`, and a comma before each."""
    rows = tails.slice(start, end - start)
    ids = pc.cast(pc.cast(pa.array(np.arange(count - len(rows) + 1, count + 1)), pa.string()), pa.binary())
    joined = pc.binary_join_element_wise(_BEFORE_ID, ids, _AFTER_ID, rows, b"")
    return joined.buffers()[2].slice(0, int(pc.sum(pc.binary_length(joined), min_count=0).as_py()))


def _part(feed: FeedKind, number: int, count: int, begin: bytes, chunks: list[pa.Buffer]) -> FeedPart:
    first, *others = chunks
    content = b"".join([begin, memoryview(first)[1:], *others, _END])  # without the comma before the first
    return FeedPart(name=f"{feed}-{number}", suffix="json", messages=count, content=content)
