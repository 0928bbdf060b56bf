"""The text of a label file: bytes to text and back, lines, and replacing parts of it. All formats write by replacing spans,
so whatever is not a label (order, indentation, comments, byte order mark) stays as it was."""

from __future__ import annotations

import codecs
import re
from bisect import bisect_right
from collections.abc import Iterable
from functools import cached_property
from typing import NamedTuple

from pipeline.labels.model import MAX_BYTES, MAX_KEY, MAX_TEXT
from pipeline.model.errors import BadInputError

_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
#: What neither Postgres nor a reader of labels can hold; tabs and line breaks are fine.
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_EXCERPT = 120


class Edit(NamedTuple):
    """Put `text` in place of what is between two offsets; equal offsets insert."""

    start: int
    end: int
    text: str


class SourceText:
    """A decoded file."""

    def __init__(self, content: bytes, name: str) -> None:
        """Raises BadInputError for files that are too large or not in UTF-8 or (with a byte order mark) UTF-16."""
        if len(content) > MAX_BYTES:
            raise BadInputError(f"{name} has {len(content):,} bytes; label files may have {MAX_BYTES:,}: split it")
        self.name = name
        self._mark, self._encoding = next(((m, e) for m, e in _MARKS if content.startswith(m)), (b"", "utf-8"))
        try:
            self.text = content[len(self._mark) :].decode(self._encoding)
        except UnicodeDecodeError as error:
            raise BadInputError(f"{name} is not {self._encoding.upper()} at byte {error.start}: save it as UTF-8") from None

    def line(self, offset: int) -> int:
        return bisect_right(self._breaks, offset) + 1

    @cached_property
    def _breaks(self) -> list[int]:
        return [match.end() for match in re.finditer(r"\r\n|\r|\n", self.text)]

    @cached_property
    def line_break(self) -> str:
        return "\r\n" if "\r\n" in self.text else "\n"

    def edited(self, edits: Iterable[Edit]) -> bytes:
        """The file with the edits made, which must not overlap. Insertions at one place keep their order."""
        parts, at = [], 0
        for edit in sorted(edits, key=lambda edit: (edit.start, edit.end)):
            if edit.start < at:
                raise AssertionError("two edits overlap")
            parts += [self.text[at : edit.start], edit.text]
            at = edit.end
        text = "".join([*parts, self.text[at:]])
        return self._mark + text.encode(self._encoding)


def unfit(key: str, text: str) -> str | None:
    """Why a text cannot be a label; None if it can."""
    if not key:
        return "it has no key"
    if len(key) > MAX_KEY:
        return f"its key has {len(key):,} characters, at most {MAX_KEY:,}"
    if _UNFIT.search(key):
        return "its key has control characters or broken text"
    if len(text) > MAX_TEXT:
        return f"it has {len(text):,} characters, at most {MAX_TEXT:,}"
    if _UNFIT.search(text):
        return "it has control characters or broken text"
    return None


def excerpt(text: str) -> str:
    """The beginning of a hostile text as it may stand in a table."""
    short = _UNFIT.sub("\ufffd", text[: _EXCERPT + 1])
    return short if len(short) <= _EXCERPT else f"{short[:_EXCERPT]}…"


def shown_key(key: str) -> str:
    """A key of any length and content as it may stand in a table."""
    return _UNFIT.sub("\ufffd", key[:MAX_KEY])
