"""Our listings, a few products at a time, and whether the account's listings are as our messages say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import cast

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.listings.cell import Cell
from pipeline.listings.messages import cuts
from pipeline.listings.schema import LISTINGS
from pipeline.marketplaces.live import Difference, LiveMarketplace, RemoteListing
from pipeline.platform.tables import Table, to_frame

#: Listings of which the account is asked between two commits: ten requests of twenty.
_ROWS = 200
#: Kind of change whose message is compared -> the feed that would carry it.
_SAID = {"update": "product", "images": "images"}


def pieces(listings: Table) -> Iterator[pa.Table]:
    """The rows in pieces of whole products, of about 200."""
    for index in range(listings.batches):
        batch = listings.arrow_batch(index, LISTINGS.names)
        for first, last in pairwise(cuts(batch["product_id"], _ROWS)):
            yield batch.slice(first, last - first)


def differences(cell: Cell, piece: pa.Table, found: Iterable[RemoteListing]) -> dict[str, Mapping[str, Difference]]:
    """By SKU, where the listings of the account are not as our messages of kind update and images say; a SKU of ours that is
    blocked, or that the marketplace would refuse as we have it, is left out."""
    ready = piece.filter(pc.equal(piece["status"], "ready"))
    theirs = {one.sku: one for one in found}
    asked = {sku: frozenset(_SAID) for sku in ready["sku"].to_pylist() if sku in theirs}
    if not asked:
        return {}
    market = cast(LiveMarketplace, cell.marketplace)
    said = cell.marketplace.messages(to_frame(ready), asked, cell.site, cell.account).messages
    compared: dict[str, dict[str, Difference]] = {}
    for sku, feed, payload in zip(*(said[name].to_pylist() for name in ("sku", "feed", "payload")), strict=True):
        compared.setdefault(sku, {})[feed] = market.difference(payload, theirs[sku])
    return {
        sku: {kind: feeds[feed] for kind, feed in _SAID.items()}
        for sku, feeds in compared.items()
        if set(feeds) == set(_SAID.values())
    }
