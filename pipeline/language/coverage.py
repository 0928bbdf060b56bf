"""Whether a translation stands for all of its source: not only for a part of it, as when a text orders what shall be written
instead. The shares are measured on human translations of shops and taxonomies.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from pipeline.language.languages import base, density
from pipeline.language.wording import fold

_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_SENTENCE_ENDS = re.compile(r"(?<=[^\W_]{3}[.!?])\s+(?=\W?[^\W\d_])")
_TARGET_ENDS = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])")
#: A source of so many words has at least this share of its letters in a translation; shorter ones may be a single word.
_SHARES = ((6, 0.34), (4, 0.25))
#: With fewer sentences than the source, at least this share.
_FEWER_SENTENCES = 0.5
_FEWEST_WORDS = 4


def compare(source: str, target: str, source_locale: str, target_locale: str) -> Iterator[str]:
    """What is wrong, in sentences. The texts are without markup."""
    before, after = _WORD.findall(source), _WORD.findall(target)
    if len(before) < _FEWEST_WORDS or not after:
        return
    share = len(target.strip()) * density(target_locale) / (len(source.strip()) * density(source_locale))
    if base(source_locale) != base(target_locale) and _part(after, before):
        yield "it is a part of the source, as it stands there"
    elif share < next(least for words, least in _SHARES if len(before) >= words):
        yield f"it is {len(target.strip())} characters long, the source {len(source.strip())}"
    elif share < _FEWER_SENTENCES and len(_TARGET_ENDS.split(target.strip())) < len(_SENTENCE_ENDS.split(source.strip())):
        yield "a sentence of the source is missing"


def _part(part: Sequence[str], whole: Sequence[str]) -> bool:
    """Whether some words are a row of others, and not all of them."""
    folded, within = [fold(word) for word in part], [fold(word) for word in whole]
    places = range(len(within) - len(folded) + 1)
    return len(folded) < len(within) and any(within[place : place + len(folded)] == folded for place in places)
