"""The one model of a label, whatever file or service it comes from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

#: What one label file may have; a large theme has 2,000 labels, a large application 20,000.
MAX_BYTES = 8 << 20
MAX_LABELS = 200_000
MAX_TEXT = 50_000
MAX_KEY = 5_000
MAX_DEPTH = 64


@dataclass(frozen=True)
class Label:
    """A text that people read. `form` is its plural category when `key` has several texts, else None; `line` is 1-based.

    `digest` names the text where its source has names for texts."""

    key: str
    form: str | None
    text: str
    line: int
    max_length: int | None = None
    digest: str | None = None

    @property
    def version(self) -> str:
        """What a translation of this text is tied to: the source's digest, else the text's SHA-256."""
        return self.digest or hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True)
class RejectedLabel:
    """A place in a file that gave no label, and why. `excerpt` is short and printable."""

    key: str
    line: int
    reason: str
    excerpt: str = ""


#: (key, form) -> text
Texts = Mapping[tuple[str, str | None], str]


class LabelFile(Protocol):
    """A label file that was read and can be written with other texts."""

    @property
    def labels(self) -> list[Label]:
        """In the order of the file."""

    @property
    def rejected(self) -> list[RejectedLabel]: ...

    def render(self, texts: Texts, locale: str) -> bytes:
        """The file with these texts in place of its own, plural forms that it lacks added; what is not named stays as it is.

        Without texts, and for its own locale, the bytes are those that were read."""
