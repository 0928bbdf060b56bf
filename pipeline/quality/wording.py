"""Words inside a text: removing some, sparing others, and tidying up behind. Rules and fixes share it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence


def repeating(texts: Sequence[str | None]) -> list[bool]:
    """Which texts have some word twice, in any case."""
    split = (text.casefold().split(" ") if text else () for text in texts)
    return [len(set(words)) < len(words) for words in split]


def tidy(text: str) -> str:
    """What removing words leaves behind is cleaned: repeated spaces, empty brackets, separators without neighbors."""
    text = re.sub(r"\(\s*\)|\[\s*\]", " ", text)
    text = re.sub(r"[^\S\n]+", " ", text)
    text = re.sub(r"( [-–—|/•]|[,;:])(?=(?: [-–—|/•]| ?[,;:])(?:\s|$))", "", text)
    text = re.sub(r"^(?:\s*[-–—|/,;:•!.]+\s+)+|(?:\s+[-–—|/•]+|\s*[,;:]+)+$", "", text.strip())
    return re.sub(r" +([,.;:!?])(?=\s|$)", r"\1", text).strip()


def without_characters(text: str, protected: Iterable[str], characters: str, loose: str) -> str:
    """The text without `characters` (outside protected words), and without `loose` ones unless a digit is beside them."""
    spared = [span for word in protected for span in spans(text, word)]
    result = []
    for index, letter in enumerate(text):
        forbidden = letter in characters and not any(start <= index < end for start, end in spared)
        beside = text[max(index - 1, 0) : index] + text[index + 1 : index + 2]
        lonely = letter in loose and not any(other.isdigit() for other in beside)
        result.append(" " if forbidden or lonely else letter)
    return tidy("".join(result)) if result != list(text) else text


def spans(text: str, word: str) -> list[tuple[int, int]]:
    return [match.span() for match in re.finditer(re.escape(word), text, re.IGNORECASE)]
