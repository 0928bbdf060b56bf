"""What has a state of its own."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True)
class Lane:
    """One store on one site through one transport."""

    store_id: UUID
    store: str  # key
    site: str
    transport: str = "file"

    @property
    def key(self) -> tuple[UUID, str, str]:
        return self.store_id, self.site, self.transport
