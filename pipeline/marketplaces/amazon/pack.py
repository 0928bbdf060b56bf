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
    chunks: list[bytes] = []
    skus: set[bytes] = set()
    size = len(begin) + len(_END)
    part = 1
    for _, payload in messages:
        if not payload.startswith(_BEGIN):
            raise ValueError("not a stored Amazon message; materialize listing_changes again")
        sku = payload[: payload.index(_AFTER_SKU)]
        # with the separating comma and the longest id
        length = len(payload) + 24
        if chunks and (len(chunks) == most or size + length > room or sku in skus):
            yield _part(feed, part, begin, chunks)
            part, chunks, skus, size = part + 1, [], set(), len(begin) + len(_END)
        chunks.append(b'{"messageId":%d,' % (len(chunks) + 1) + payload[1:])
        skus.add(sku)
        size += length
    if chunks:
        yield _part(feed, part, begin, chunks)


def _part(feed: FeedKind, number: int, begin: bytes, chunks: list[bytes]) -> FeedPart:
    return FeedPart(name=f"{feed}-{number}", suffix="json", messages=len(chunks), content=begin + b",".join(chunks) + _END)
