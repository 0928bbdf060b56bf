"""Short texts that people type: names, paths, settings. What storage or a terminal cannot hold is refused here."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from pipeline.model.errors import UsageError

#: Control characters, lone surrogates and the two non-characters that neither Postgres, XML nor a terminal should see.
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")


def plain_text(value: str, what: str, maximum: int = 200) -> str:
    """`value` without outer spaces; raises UsageError when it is empty, too long or not plain text."""
    text = value.strip()
    if not text:
        raise UsageError(f"{what} is empty")
    if len(text) > maximum:
        raise UsageError(f"{what} is too long: {len(text)} characters, at most {maximum}")
    if _UNFIT.search(text):
        raise UsageError(f"{what} contains control characters or broken text; use plain text")
    return text


def is_plain(value: str) -> bool:
    """Whether storage, XML and a terminal can all hold this text (line breaks and tabs are fine)."""
    return not _UNFIT.search(re.sub(r"[\t\n\r]", "", value))


def shown(value: str, maximum: int = 60) -> str:
    """A hostile value as it may stand in a sentence: one line, printable, short."""
    text = _UNFIT.sub("?", value)
    return text if len(text) <= maximum else f"{text[:maximum]}..."


def known_names(wanted: str, names: Iterable[str], maximum: int = 40) -> str:
    """The known names for an error message, nearest to `wanted` first, at most `maximum` of them."""
    every = sorted(names)
    near = difflib.get_close_matches(wanted[:100], every, n=3, cutoff=0.5)
    ordered = [*near, *(name for name in every if name not in near)]
    rest = len(ordered) - maximum
    return ", ".join(ordered[:maximum]) + (f" and {rest} more" if rest > 0 else "")
