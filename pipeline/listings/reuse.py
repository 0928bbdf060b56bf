"""Rows of the previous run that can be taken over as they are, because everything they were made from is unchanged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.platform.tables import Table

#: Where products moved about, a batch takes rows from at most so many row groups and computes the others again.
_MOST_GROUPS = 3


@dataclass(frozen=True)
class PreviousListings:
    """The four tables of an earlier run (keys of listings.schema.SCHEMAS), written in lockstep."""

    tables: dict[str, Table]


class Reusable:
    """Finds the previous rows of products whose revision is the same. Holds one short entry a product, not the rows."""

    def __init__(self, previous: PreviousListings | None) -> None:
        self._tables = previous.tables if previous else {}
        self._cache: dict[int, dict[str, pa.Table]] = {}
        self._products: dict[str, tuple[int, str]] = {}
        listings = self._tables.get("listings")
        if listings is None or len({table.batches for table in self._tables.values()}) > 1:
            return
        for group in range(listings.batches):
            frame = listings.batch(group, ["product_id", "revision"]).drop_duplicates("product_id")
            pairs = zip(frame["product_id"].tolist(), frame["revision"].tolist(), strict=True)
            self._products.update((product_id, (group, revision)) for product_id, revision in pairs)

    def take(self, product_ids: Sequence[str], revisions: Sequence[str]) -> tuple[list[bool], dict[str, pa.Table]]:
        """Which of the products need no computing, and their rows of each table (empty without any)."""
        groups = [
            found[0] if found is not None and found[1] == revision else None
            for found, revision in zip(map(self._products.get, product_ids), revisions, strict=True)
        ]
        counted = Counter(group for group in groups if group is not None)
        chosen = {group for group, _ in counted.most_common(_MOST_GROUPS)}
        self._cache = {group: rows for group, rows in self._cache.items() if group in chosen}
        taken = [group in chosen for group in groups]
        wanted = pa.array([key for key, yes in zip(product_ids, taken, strict=True) if yes], pa.string())
        parts = [self._group(group) for group in sorted(chosen)]
        rows = {
            name: pa.concat_tables([part[name].filter(pc.is_in(part[name]["product_id"], value_set=wanted)) for part in parts])
            for name in (self._tables if parts else ())
        }
        return taken, rows

    def _group(self, group: int) -> dict[str, pa.Table]:
        if group not in self._cache:
            self._cache[group] = {name: table.arrow_batch(group) for name, table in self._tables.items()}
        return self._cache[group]


def revisions(fingerprint: bytes, parts: Sequence[Sequence[str | None]], stock: np.ndarray, sizes: Sequence[int]) -> list[str]:
    """The revision of each product: a 16-byte hash (hex) over all that its rows are made from.

    `parts` are columns of text by product, `stock` an int64 matrix by variant in product order, `sizes` the number of
    variants of each product.
    """
    data = np.ascontiguousarray(stock, dtype=np.int64)
    width = data.shape[1] * data.itemsize
    view = memoryview(data.tobytes())
    found, start = [], 0
    for texts, size in zip(zip(*parts, strict=True), sizes, strict=True):
        end = start + size * width
        digest = blake2b("\x1f".join(text or "" for text in texts).encode(), digest_size=16, key=fingerprint)
        digest.update(view[start:end])
        found.append(digest.hexdigest())
        start = end
    return found
