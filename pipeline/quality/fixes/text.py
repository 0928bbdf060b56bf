"""Fixes of text that are safe for every channel: characters, encoding, spaces, punctuation, capitals, repetitions."""

from __future__ import annotations

import html
import re
import unicodedata
from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from pipeline.quality import casing, patterns
from pipeline.quality.context import Context
from pipeline.quality.fixes.base import fix, rewrite, text_fix
from pipeline.quality.masks.base import arrow, column, to_mask
from pipeline.quality.masks.text import placeholder
from pipeline.quality.wording import repeating
from pipeline.quality.words import small_words

_INVISIBLE = re.compile(patterns.INVISIBLE)
_REMOVED = re.compile(f"{patterns.CONTROL}|{patterns.INVISIBLE}".replace("\\x00", "\x00"))
# Joiners matter inside emoji and in the scripts of South Asia and Arabic; between other characters they are dirt.
_JOINERS = re.compile("(?<![\u0600-\u0dff\u1000-\u109f\u1780-\u17ff\u2600-\u27bf\ufe0f\U0001f000-\U0001faff])[\u200c\u200d]")
_SPACES = "[\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\t\n\r\x0b\x0c\x85]"
_BEFORE_PUNCTUATION = re.compile(r"\s+(?=[,.;:!?)]+(?:\s|$))")


def _all_ascii(texts: Any) -> bool:
    return bool(pc.all(pc.string_is_ascii(texts)).as_py() is not False)


_NOTHING = re.compile(r"(?i)&#(?:0+|x0+|x0*d[89a-f][0-9a-f]{2});")


def clean_characters(text: str) -> str:
    """T01, T02 and T04 of one text: what decoding and unescaping may bring to light."""
    if text.isascii() and text.isprintable():
        return text
    return unicodedata.normalize("NFC", _JOINERS.sub("", _REMOVED.sub("", text)))


def without_nothing(text: str) -> str:
    """Without references to characters that do not exist (zero, surrogates), which decode to U+FFFD."""
    return _NOTHING.sub("", text) if "&#" in text else text


@text_fix("T01", "lossy-safe")
def control(texts: Any, context: Context) -> Any:
    """Control characters, private use and noncharacters are removed."""
    if not pc.any(pc.match_substring_regex(texts, patterns.CONTROL)).as_py():
        return texts
    return pc.replace_substring_regex(texts, patterns.CONTROL, "")


@text_fix("T02", "lossy-safe")
def invisible(texts: Any, context: Context) -> Any:
    """Invisible characters and direction marks are removed; joiners stay where their script needs them."""
    if _all_ascii(texts):
        return texts
    suspects = to_mask(pc.match_substring_regex(texts, f"{patterns.INVISIBLE}|[\u200c\u200d]"))
    return rewrite(texts, suspects, lambda text: _JOINERS.sub("", _INVISIBLE.sub("", text)))


@text_fix("T03", "lossless")
def mojibake(texts: Any, context: Context) -> Any:
    """Text that was read in the wrong encoding is read in the right one."""
    if _all_ascii(texts):
        return texts
    # A byte sequence of UTF-8 read in another encoding is two characters or more beside each other (or a lost space).
    suspects = to_mask(pc.match_substring_regex(texts, "[^\\x00-\\x7f][\\x00-\\x1f\\x7f]*[^\\x00-\\x7f]|[ÃÂ] "))
    return rewrite(texts, suspects, decode) if suspects.any() else texts


def decode(text: str) -> str:
    """The text in its right encoding, as it is after T01, T02 and T04; the text itself where they are all that it needs.

    Characters that do not print may stand inside a garbled letter, and C1 characters may be a part of one: the former go
    first, the latter last.
    """
    import ftfy

    plain = clean_characters(text)
    result = re.sub("[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f\ue000-\uf8ff]", "", _INVISIBLE.sub("", text))
    for _ in range(2):
        fixed = ftfy.fix_encoding(result)
        if fixed.count("\ufffd") > result.count("\ufffd"):
            break
        result = clean_characters(fixed)
    return text if clean_characters(result) == plain else result


@text_fix("T04", "lossless")
def composed(texts: Any, context: Context) -> Any:
    """Letters with accents are single characters (Unicode NFC)."""
    return rewrite(texts, ~to_mask(pc.string_is_ascii(texts)), lambda text: unicodedata.normalize("NFC", text))


@text_fix("T05", "lossless")
def entities(texts: Any, context: Context) -> Any:
    """HTML entities become the characters that they stand for (plain text only)."""
    suspects = to_mask(pc.match_substring_regex(texts, patterns.ENTITY))

    def unescape(text: str) -> str:
        once = html.unescape(without_nothing(text))
        return clean_characters(html.unescape(without_nothing(once)))

    return rewrite(texts, suspects, unescape)


@text_fix("T08", "lossless")
def spaces(texts: Any, context: Context) -> Any:
    """Special and repeated spaces become one space; none at the ends and, except in French, before punctuation."""
    french = context.primary_language == "fr"
    pattern = f"{_SPACES}|  |^ | $" if french else rf"{_SPACES}|  |^ | $| [,.;:!?)]"

    def respace(text: str) -> str:
        plain = " ".join(re.sub(_SPACES, " ", text).split(" ")).strip()
        plain = re.sub(" {2,}", " ", plain)
        return plain if french else _BEFORE_PUNCTUATION.sub("", plain)

    return rewrite(texts, to_mask(pc.match_substring_regex(texts, pattern)), respace)


_LEADING = re.compile(r"^(?:[-–—|/,;:~*•]+\s+)+|^[,;:|~*•]+")
_TRAILING = re.compile(r"(?:\s+[-–—|/~*•]+|\s*[,;:|~*•]+)+\s*$")


@text_fix("T10", "lossy-safe")
def punctuation(texts: Any, context: Context) -> Any:
    """Repeated punctuation counts once, and separators at the ends are removed."""
    suspects = to_mask(pc.match_substring_regex(texts, rf"{patterns.REPEATED_PUNCTUATION}|^[-–—|/,;:~*•]|[-–—|/~*•,;:]\s*$"))

    def collapse(text: str) -> str:
        short = re.sub(r"([!?~*,;])\1+", r"\1", re.sub(r"\.{4,}", "...", text))
        while (trimmed := _TRAILING.sub("", _LEADING.sub("", short)).strip()) != short:
            short = trimmed
        return trimmed or text

    return rewrite(texts, suspects, collapse)


@text_fix("T14", "lossy-safe")
def all_caps(texts: Any, context: Context, *, min_words: int = 4) -> Any:
    """A title in capital letters is set in title case, with the spellings of the store, of acronyms and of units."""
    suspects = to_mask(pc.match_substring_regex(texts, r"\p{Lu}{3}"))

    def lower(text: str) -> str:
        if not casing.is_all_caps(text, 1 if context.shouting else min_words):
            return text
        return casing.recase(text, context.lexicon, context.primary_language)

    return rewrite(texts, suspects, lower)


@text_fix("T15", "lossy-safe")
def all_lower(texts: Any, context: Context) -> Any:
    """A title without any capital letter is set in title case."""
    suspects = ~to_mask(pc.match_substring_regex(texts, r"\p{Lu}")) & to_mask(pc.is_valid(texts))

    def raise_(text: str) -> str:
        return casing.recase(text, context.lexicon, context.primary_language) if casing.is_all_lower(text) else text

    return rewrite(texts, suspects, raise_)


@text_fix("T16", "lossy-safe")
def repeats(texts: Any, context: Context, *, times: int = 2) -> Any:
    """Words beyond their second occurrence, runs of three and more, and doubled function words are removed."""
    small = small_words(context.primary_language)
    suspects = np.array(repeating(texts.to_pylist()), dtype=bool)

    def drop(text: str) -> str:
        words, folded = text.split(" "), text.casefold().split(" ")
        keys = [word.strip(".,;:!?()[]\"'") for word in folded]
        kept: list[str] = []
        seen: Counter[str] = Counter()
        for index, (word, key) in enumerate(zip(words, keys, strict=True)):
            word_like = key.isalpha()
            run = index > 0 and keys[index - 1] == key
            tripled = run and (keys[index - 2 : index] == [key, key] or keys[index + 1 : index + 2] == [key])
            seen[key] += word_like and key not in small
            if word_like and ((run and key in small) or tripled or seen[key] > times):
                continue
            kept.append(word)
        return " ".join(kept)

    return rewrite(texts, suspects, drop)


@fix("T17", "lossy-safe")
def doubled_brand(frame: pd.DataFrame, field: str, context: Context, *, brand: str) -> dict[str, pd.Series[Any]]:
    """A brand that is repeated at the start of the title stands there once."""
    titles, brands = arrow(frame[field]), arrow(frame[brand]).to_pylist()
    suspects = np.zeros(len(titles), bool)
    fixed: dict[str, str] = {}
    for row, (title, name) in enumerate(zip(titles.to_pylist(), brands, strict=True)):
        if title and name and title[: 2 * len(name) + 1].casefold() == f"{name} {name}".casefold():
            rest = re.sub(rf"^(?:{re.escape(name)}\s+)+(?={re.escape(name)}(?:\W|$))", "", title, flags=re.IGNORECASE)
            if rest != title:
                suspects[row] = True
                fixed[title] = rest
    if not fixed:
        return {}
    return {field: column(rewrite(titles, suspects, fixed.__getitem__), frame[field])}


@text_fix("I09", "lossy-safe")
def no_placeholder(texts: Any, context: Context) -> Any:
    """What people type into a field that they cannot fill (n/a, unknown, a single digit) is removed."""
    suspects = to_mask(placeholder(texts, context.primary_language))
    return rewrite(texts, suspects, lambda text: None)
