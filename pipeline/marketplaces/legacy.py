"""The protocol of a marketplace whose old file format can still be written, though nobody takes it any more: `legacy_xml`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import pyarrow as pa

from pipeline.model.listing import Account, Site


@dataclass(frozen=True)
class LegacyFile:
    """One written file."""

    kind: str
    path: Path
    messages: int


#: What the old format cannot say: one row a SKU and problem. `file` is null where the SKU is in none.
NOTES = pa.schema([("sku", pa.string()), ("file", pa.string()), ("note", pa.string())])


@dataclass(frozen=True)
class LegacyFiles:
    """What was written, and where it says less than the listings: rows of NOTES."""

    files: Sequence[LegacyFile]
    notes: pa.Table


@runtime_checkable
class WritesLegacy(Protocol):
    """A `Marketplace` with an old format."""

    def legacy_files(self, listings: Iterable[pa.Table], site: Site, account: Account, folder: Path) -> LegacyFiles:
        """Write all ready listings (tables of `listings.schema.LISTINGS`, products whole, parents first) into a local folder."""
