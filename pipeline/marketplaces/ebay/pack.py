"""Feed files from stored requests: the envelope around them, one type of request a file, split by bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa

from pipeline.marketplaces.ebay.xml import envelope, limits
from pipeline.model.listing import FeedKind, FeedPart, Site

#: Names of the product feed's files by request; the other feeds have one type of request only.
_PRODUCT_FILES = {
    "AddFixedPriceItem": "product-add",
    "ReviseFixedPriceItem": "product-revise",
    "EndFixedPriceItem": "product-end",
}


def pack(feed: FeedKind, messages: Iterable[pa.Table], site: Site) -> Iterator[FeedPart]:
    """Files of one type of request and at most 14 MB each, in the given order; additions, then revisions, then ends.

    Raises ValueError for an operation that `messages` did not make.
    """
    begin, end = envelope(str(site.extra["site_id"]))
    room = limits()["feed"]["bytes"] - len(begin) - len(end)
    open_files: dict[str, list[bytes]] = {name: [] for name in (_PRODUCT_FILES.values() if feed == "product" else (feed,))}
    sizes = dict.fromkeys(open_files, 0)
    parts = dict.fromkeys(open_files, 0)

    def close(name: str) -> FeedPart:
        content = b"".join([begin, *open_files[name], end])
        parts[name] += 1
        part = FeedPart(name=f"{name}-{parts[name]}", suffix="xml", messages=len(open_files[name]), content=content)
        open_files[name], sizes[name] = [], 0
        return part

    for operation, payload in _pairs(messages):
        name = _PRODUCT_FILES.get(operation) if feed == "product" else feed
        if name is None or not payload.startswith(b"<" + operation.encode() + b"Request"):
            raise ValueError("not a stored eBay request; materialize listing_changes again")
        if open_files[name] and sizes[name] + len(payload) > room:
            yield close(name)
        open_files[name].append(payload)
        sizes[name] += len(payload)
    for name in open_files:
        if open_files[name]:
            yield close(name)


def _pairs(messages: Iterable[pa.Table]) -> Iterator[tuple[str, bytes]]:
    for table in messages:
        # through numpy, which is several times faster than `to_pylist`
        yield from zip(table["operation"].to_numpy().tolist(), table["payload"].to_numpy().tolist(), strict=True)
