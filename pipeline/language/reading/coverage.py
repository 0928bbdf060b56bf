"""Whether a translation stands for all of its source and nothing else: not for a part of it, as when a text orders what shall be
written instead, and with no sentence beside it. The shares are measured on human translations of shops and taxonomies.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from pipeline.language.languages import base, density
from pipeline.language.reading.sentences import clauses, sentences, side_by_side
from pipeline.language.reading.wording import fold

_WORD = re.compile(r"(?<!\w)[^\W\d_]{2,}(?:['’-][^\W\d_]+)*")
_QUOTED = re.compile('["“”„«‘‚]([^"“”„«»‘‚]{3,})["“”»’]')
#: A source of so many words has at least this share of its letters in a translation; shorter ones may be a single word.
_SHARES = ((6, 0.34), (4, 0.25))
#: Languages that need more letters for the same.
_WORDY, _LESS = ("fr", "es", "it", "pt"), 0.8
#: With fewer sentences than the source, at least this share.
_FEWER_SENTENCES = 0.5
#: With more sentences than the source has clauses, at most this share.
_MORE_SENTENCES = 1.3
_FEWEST_WORDS = 4


def compare(source: str, target: str, source_locale: str, target_locale: str) -> Iterator[str]:
    """What is wrong, in sentences. The texts are without markup."""
    if base(source_locale) != base(target_locale):
        yield from _unquoted(source, target)
    for before, after in side_by_side(source, target):
        yield from _share(before, after, source_locale, target_locale)
    size = _letters(target, target_locale) / (_letters(source, source_locale) or 1)
    given, told = len(sentences(source)), len(sentences(target))
    if size < _FEWER_SENTENCES and told < given:
        yield "a sentence of the source is missing"
    if size > _MORE_SENTENCES and 1 < told > len(clauses(source)):
        yield "a sentence is not in the source"


def one_by_one(source: str, target: str) -> Iterator[str]:
    """That a translation has as many sentences as its source, none of them twice: people part and join them now and then, a model
    that adds or drops one does too."""
    given, told = ([fold(one) for one in sentences(text)] for text in (source, target))
    counts = [len(found) + text.count("|") for found, text in ((given, source), (told, target))]  # "|" adds a cell
    if max(counts) > 1 and counts[0] != counts[1]:
        yield f"it has {counts[1]} sentences, the source {counts[0]}"
    elif len(set(told)) < len(told) and len(set(given)) == len(given):
        yield f"it says {next(one for one in told if told.count(one) > 1)[:60]!r} twice"


def _share(source: str, target: str, source_locale: str, target_locale: str) -> Iterator[str]:
    before, after = _WORD.findall(source), _WORD.findall(target)
    if len(before) < _FEWEST_WORDS or not after:
        return
    least = next(share for words, share in _SHARES if len(before) >= words)
    if base(source_locale) in _WORDY:
        least *= _LESS
    if base(source_locale) != base(target_locale) and _part(after, before):
        yield f"{target.strip()[:60]!r} is a part of the source, as it stands there"
    elif _letters(target, target_locale) < least * _letters(source, source_locale):
        yield f"{target.strip()[:60]!r} is {len(target.strip())} characters long, the source {len(source.strip())}"


def _unquoted(source: str, target: str) -> Iterator[str]:
    """Words that the source only quotes, and the translation says."""
    if _QUOTED.search(target):
        return
    for match in _QUOTED.finditer(source):
        if len(_WORD.findall(match[1])) > 1 and fold(match[1].strip()) in fold(target):
            yield f"{match[1][:60]!r} has lost its quotation marks"


def _letters(text: str, locale: str) -> float:
    return len(text.strip()) * density(locale)


def _part(part: Sequence[str], whole: Sequence[str]) -> bool:
    """Whether some words are a row of others, and not all of them."""
    folded, within = [fold(word) for word in part], [fold(word) for word in whole]
    places = range(len(within) - len(folded) + 1)
    return len(folded) < len(within) and any(within[place : place + len(folded)] == folded for place in places)
