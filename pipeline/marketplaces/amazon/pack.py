"""Feed files from stored messages, without parsing them again.

A stored message is a JSON object that begins with `{"sku":` and lacks only its `messageId`; putting `{"messageId":7,` in
place of its first byte gives the complete message. Ids count from 1 in each file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import orjson

from pipeline.marketplaces.amazon.options import limits
from pipeline.model.listing import Account, FeedKind, FeedPart, Site

_BEGIN = b'{"sku":'
#: Ends the SKU: a quote inside a JSON string is always escaped, so these bytes cannot be part of one.
_AFTER_SKU = b'","operationType":'
_END = b"]}"


def header(site: Site, account: Account) -> bytes:
    """Everything before the first message. Without `includedData` the report would hide failures of the listings."""
    document = {
        "sellerId": account.seller_id,
        "version": "2.0",
        "issueLocale": site.language.replace("-", "_"),
        "report": {"includedData": ["issues", "summaries"], "apiVersion": "2021-08-01"},
    }
    return b'{"header":' + orjson.dumps(document) + b',"messages":['


def pack(feed: FeedKind, messages: Iterable[tuple[str, bytes]], site: Site, account: Account) -> Iterator[FeedPart]:
    """Files of at most 25,000 messages and 10 MiB, in the given order, none with one SKU twice.

    Raises ValueError for a payload that `messages` did not make.
    """
    most, room = limits()["feed"]["messages"], limits()["feed"]["bytes"]
    begin = header(site, account)
    chunks: list[bytes | memoryview] = [begin]
    skus: set[bytes] = set()
    size = len(begin) + len(_END)
    count, part = 0, 1
    for _, payload in messages:
        if not payload.startswith(_BEGIN):
            raise ValueError("not a stored Amazon message; materialize listing_changes again")
        sku = payload[: payload.index(_AFTER_SKU)]
        # with the separating comma and the longest id
        length = len(payload) + 24
        if count and (count == most or size + length > room or sku in skus):
            yield _part(feed, part, count, chunks)
            part, count, chunks, skus, size = part + 1, 0, [begin], set(), len(begin) + len(_END)
        count += 1
        chunks.append(b'%s{"messageId":%d,' % (b"," if count > 1 else b"", count))
        chunks.append(memoryview(payload)[1:])
        skus.add(sku)
        size += length
    if count:
        yield _part(feed, part, count, chunks)


def _part(feed: FeedKind, number: int, count: int, chunks: list[bytes | memoryview]) -> FeedPart:
    return FeedPart(name=f"{feed}-{number}", suffix="json", messages=count, content=b"".join([*chunks, _END]))
