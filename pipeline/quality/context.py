"""What rules and fixes may know beside the row."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Context:
    """The same for all rows of one evaluation.

    `language` is BCP 47 (rules look at its primary subtag), `lexicon` maps a casefolded word to its usual casing,
    `shouting` says that the store writes its titles in capitals,
    `duplicate_gtins` are 14-digit keys used by more than one variant, `paddable` the lengths of barcodes that lost zeros.
    """

    store: str
    language: str
    currency: str
    flags: frozenset[str] = frozenset()
    shouting: bool = False
    lexicon: Mapping[str, str] = dataclasses.field(default_factory=dict)
    duplicate_gtins: frozenset[str] = frozenset()
    paddable: frozenset[int] = frozenset()

    @property
    def primary_language(self) -> str:
        return self.language.split("-")[0].lower()
