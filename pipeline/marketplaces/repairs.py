"""What can be mended by itself of what a marketplace refused, as data: why something was refused, and the kind of fix.

What a kind of fix does is in `submissions/repairs.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

FixKind = Literal["shorten", "fewer", "characters", "drop", "drop_item", "drop_image"]


@dataclass(frozen=True)
class Cause:
    """Why something was refused: one of the codes, or a text in which the pattern is found; for these fields only."""

    fix: FixKind
    fields: frozenset[str]
    codes: frozenset[str]
    pattern: re.Pattern[str] | None

    def explains(self, code: str, text: str) -> bool:
        return code in self.codes or (self.pattern is not None and self.pattern.search(text) is not None)


@dataclass(frozen=True)
class Part:
    """What of a listing an issue is about: a column, and of a column with several parts which one (the name of a fact, the
    address of a picture)."""

    field: str
    part: str | None = None


def parse_causes(rows: Iterable[Mapping[str, Any]]) -> tuple[Cause, ...]:
    """The list `causes` of a file of repairs."""
    return tuple(
        Cause(
            row["fix"],
            frozenset(row["fields"]),
            frozenset(map(str, row.get("codes", ()))),
            re.compile(row["text"], re.IGNORECASE) if "text" in row else None,
        )
        for row in rows
    )
