"""What a listing row is made from, as one hash: rows of an equal revision are taken over from the previous run."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np


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
