"""Hashes of what messages say, from column lists: blake2b over the JSON of each row's values."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import orjson


def digest(*documents: bytes) -> str:
    """32 hex digits over byte strings, each one JSON (so their borders cannot be confused)."""
    return hashlib.blake2b(b"".join(documents), digest_size=16).hexdigest()


def row_documents(columns: Iterable[Sequence[Any]]) -> list[bytes]:
    """The values of each row as JSON, from whole columns."""
    dumps = orjson.dumps
    return [dumps(values) for values in zip(*columns, strict=True)]
