"""Checks of text. On a list column (bullets) every item must pass."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.quality import patterns
from pipeline.quality.casing import is_all_caps, recase
from pipeline.quality.context import Context
from pipeline.quality.masks.base import Degree, Mask, arrow, blank, check, fails, lengths, to_mask
from pipeline.quality.wording import repeating, without_characters
from pipeline.quality.words import small_words, words

_STEPS = 10


def _graded(counts: pa.Array, target: int, most: int | None = None) -> Degree:
    """count / target in tenths, full from the target on; half as much beyond `most`."""
    values = pc.fill_null(counts, 0).to_numpy(zero_copy_only=False).astype(np.int64)
    numerator = np.minimum(values * _STEPS // max(target, 1), _STEPS)
    if most is not None:
        numerator = np.where(values > most, _STEPS // 2, numerator)
    return Degree(numerator, _STEPS)


def _search(frame: pd.DataFrame, field: str, pattern: str) -> Mask:
    return ~fails(frame, field, lambda texts: pc.match_substring_regex(texts, pattern))


@check
def matches(frame: pd.DataFrame, field: str, context: Context, *, pattern: str) -> Mask:
    """The whole value matches the pattern (RE2)."""
    return ~fails(frame, field, lambda texts: pc.invert(pc.match_substring_regex(texts, f"^(?:{pattern})$")))


@check
def not_matches(frame: pd.DataFrame, field: str, context: Context, *, pattern: str, ignore_case: bool = False) -> Mask:
    """The pattern (RE2) is nowhere in the value."""
    return _search(frame, field, f"(?i){pattern}" if ignore_case else pattern)


@check
def max_length(frame: pd.DataFrame, field: str, context: Context, *, max: int, unit: str = "characters") -> Mask:
    """The text has at most `max` characters or UTF-8 bytes."""
    return ~fails(frame, field, lambda texts: pc.greater(lengths(texts, unit), max))


@check
def length_target(frame: pd.DataFrame, field: str, context: Context, *, min: int, max: int | None = None) -> Degree:
    """The text has `min` characters; fewer count in proportion, in tenths, and more than `max` count half."""
    return _graded(pc.utf8_length(arrow(frame[field])), min, max)


@check
def words_target(frame: pd.DataFrame, field: str, context: Context, *, min: int) -> Degree:
    """The text has `min` words (separated by one space or newline); fewer count in proportion, in tenths."""
    texts = arrow(frame[field])
    gaps = pc.add(pc.count_substring(texts, " "), pc.count_substring(texts, "\n"))
    return _graded(pc.if_else(pa.array(blank(frame, field)), 0, pc.add(gaps, 1)), min)


@check
def not_all_caps(frame: pd.DataFrame, field: str, context: Context, *, min_words: int = 4) -> Mask:
    """The text is not set in capital letters (`min_words` words or more, over 70 % capitals), codes and acronyms aside."""

    def bad(texts: pa.Array) -> pa.Array:
        suspects = np.flatnonzero(to_mask(pc.match_substring_regex(texts, r"\p{Lu}{3}")))
        result = np.zeros(len(texts), bool)
        for row in suspects:
            title = texts[row].as_py()
            shouts = is_all_caps(title, 1 if context.shouting else min_words)
            result[row] = shouts and recase(title, context.lexicon, context.primary_language) != title
        return pa.array(result)

    return ~fails(frame, field, bad)


@check
def no_repeats(frame: pd.DataFrame, field: str, context: Context, *, times: int = 2) -> Mask:
    """No word occurs more than `times` times, function words and numbers aside."""
    exempt = small_words(context.primary_language)

    def bad(texts: pa.Array) -> pa.Array:
        result = np.zeros(len(texts), bool)
        for row in np.flatnonzero(repeating(texts.to_pylist())):
            counts = Counter(word.strip(".,;:!?()[]\"'|/-") for word in texts[row].as_py().casefold().split())
            result[row] = any(n > times and word.isalpha() and word not in exempt for word, n in counts.items())
        return pa.array(result)

    return ~fails(frame, field, bad)


@check
def no_phrases(frame: pd.DataFrame, field: str, context: Context, *, words: str) -> Mask:
    """No phrase of the word list `words` (promo, filler) in the language of the context."""
    return ~fails(frame, field, lambda texts: phrased(texts, words, context.primary_language))


def phrased(texts: pa.Array, words: str, language: str) -> pa.Array:
    """Which texts have a phrase of the word list `words`."""
    found = pc.match_substring_regex(texts, patterns.letters_of_phrases(words, language))
    return pc.match_substring_regex(texts, patterns.phrases(words, language)) if pc.any(found).as_py() else found


@check
def not_placeholder(frame: pd.DataFrame, field: str, context: Context) -> Mask:
    """The value is not what people type into a field that they cannot fill, such as n/a or unknown."""
    return ~fails(frame, field, lambda texts: placeholder(texts, context.primary_language))


def placeholder(texts: pa.Array, language: str) -> pa.Array:
    """Which values are a placeholder, or have not a single letter or digit, or are one digit."""
    if pc.all(pc.match_substring_regex(texts, "^[0-9]{2,}$")).as_py() is not False:
        return pa.array(np.zeros(len(texts), bool))
    coded = pc.dictionary_encode(texts)
    bare = pc.utf8_lower(pc.replace_substring_regex(coded.dictionary, r"[^\pL\pN]", ""))
    known = pc.is_in(bare, pa.array(words("placeholder", language)))
    found = pc.or_(known, pc.match_substring_regex(bare, "^[0-9]?$"))
    return pc.fill_null(found.take(coded.indices), False)


@check
def no_emoji(frame: pd.DataFrame, field: str, context: Context) -> Mask:
    """There is no emoji and no decorative symbol."""
    return _search(frame, field, patterns.EMOJI)


@check
def no_html(frame: pd.DataFrame, field: str, context: Context) -> Mask:
    """There is no HTML tag and no HTML entity."""
    return _search(frame, field, f"{patterns.TAG}|{patterns.ENTITY}")


@check
def no_characters(
    frame: pd.DataFrame, field: str, context: Context, *, characters: str, loose: str = "", unless_in: list[str] | None = None
) -> Mask:
    """None of `characters` occurs, except in the values of the columns `unless_in`; nor of `loose` without a digit beside."""
    bad = fails(frame, field, lambda texts: pc.match_substring_regex(texts, f"[{re.escape(characters + loose)}]"))
    for row in np.flatnonzero(bad):
        value, *spared = (frame[name].iat[row] for name in (field, *(unless_in or ())))
        protected = [str(word) for word in spared if not pd.isna(word)]
        items = [value] if isinstance(value, str) else list(value)
        bad[row] = any(without_characters(item, protected, characters, loose) != item for item in items)
    return ~bad


@check
def no_contact(frame: pd.DataFrame, field: str, context: Context) -> Mask:
    """There is no web address, e-mail address or telephone number."""
    return _search(frame, field, patterns.CONTACT)


@check
def no_mojibake(frame: pd.DataFrame, field: str, context: Context) -> Mask:
    """There are no signs of text read in the wrong encoding."""
    return _search(frame, field, patterns.MOJIBAKE)


@check
def no_control(frame: pd.DataFrame, field: str, context: Context) -> Mask:
    """There is no control, private-use or invisible character."""
    return _search(frame, field, f"{patterns.CONTROL}|{patterns.INVISIBLE}")


@check
def html_tags(frame: pd.DataFrame, field: str, context: Context, *, allowed: list[str]) -> Mask:
    """Every HTML tag is one of `allowed` and has no attributes; no comment."""
    plain = rf"(?i)</?(?:{'|'.join(allowed)})\s*/?>"
    return ~fails(
        frame, field, lambda texts: pc.match_substring_regex(pc.replace_substring_regex(texts, plain, ""), patterns.TAG)
    )


@check
def structured(frame: pd.DataFrame, field: str, context: Context, *, min: int) -> Mask:
    """A text of `min` characters or more has several paragraphs or a list; a missing text fails."""
    texts = arrow(frame[field])
    return to_mask(pc.or_(pc.less(pc.utf8_length(texts), min), pc.match_substring(texts, "\n")))


@check
def short_sentences(frame: pd.DataFrame, field: str, context: Context, *, words: int) -> Mask:
    """No sentence has more than `words` words."""
    return _search(frame, field, rf"(?:[^\s.!?;:\n]+[^\S\n]+){{{words}}}[^\s.!?;:\n]")
