"""Fixes that a channel asks for: they take what a shop may want to keep, so the catalog does not use them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.quality import patterns
from pipeline.quality.context import Context
from pipeline.quality.fixes.base import fix, rewrite, text_fix
from pipeline.quality.fixes.values import distinct
from pipeline.quality.masks.base import Mask, arrow, column, fails, lengths, replaced, to_mask
from pipeline.quality.masks.text import phrased
from pipeline.quality.wording import spans, tidy, without_characters
from pipeline.quality.words import small_words, units

_QUOTES = str.maketrans({"“": '"', "”": '"', "„": '"', "″": '"', "‘": "'", "’": "'", "‚": "'", "′": "'"})
_EMOJI = re.compile(f"{patterns.EMOJI}|\u200d")
_CONTACT = re.compile(f"(?i){patterns.CONTACT.replace('(?i)', '')}")


@text_fix("T07", "lossy-safe")
def straight_quotes(texts: Any, context: Context) -> Any:
    """Curly quotes become straight ones."""
    return rewrite(texts, to_mask(pc.match_substring_regex(texts, "[“”„″‘’‚′]")), lambda text: text.translate(_QUOTES))


@text_fix("T09", "lossy-safe")
def emoji(texts: Any, context: Context, *, symbols: str = "") -> Any:
    """Emoji and decorative symbols are removed, and each of `symbols` (™ where a channel does not take it)."""
    extra = "".join(re.escape(symbol) for symbol in symbols)
    pattern = f"{patterns.EMOJI}|[{extra}]" if extra else patterns.EMOJI
    removed = re.compile(f"{_EMOJI.pattern}|[{extra}]") if extra else _EMOJI

    def plain(text: str) -> str:
        lines = text.split("\n")
        kept = [tidy(removed.sub(" ", line)) if removed.search(line) else line for line in lines]
        return "\n".join(line for line, before in zip(kept, lines, strict=True) if line or not before)

    return rewrite(texts, to_mask(pc.match_substring_regex(texts, pattern)), plain)


#: Where a sentence ends, in text or simple HTML.
_SENTENCE = re.compile(r"(<[^<>]*>|\n|(?<=[.!?])\s+)")


def without_sentences(text: str, bad: re.Pattern[str]) -> str | None:
    """The text without the sentences where `bad` is found; None when no word would be left."""
    pieces = _SENTENCE.split(text)  # sentences, and what stands between them at odd places
    for index in range(0, len(pieces), 2):
        if bad.search(pieces[index]):
            pieces[index] = ""
            if pieces[index + 1 : index + 2] and pieces[index + 1].isspace():
                pieces[index + 1] = ""
    kept = "".join(pieces)
    return kept.strip() if re.search(r"[^\W_]{2}", re.sub(r"<[^<>]*>", "", kept)) else None


@text_fix("T13", "lossy-safe")
def contact(texts: Any, context: Context, *, sentences: bool = False) -> Any:
    """Web addresses, e-mail addresses and telephone numbers are removed (`sentences`: with the sentence around them)."""
    suspects = to_mask(pc.match_substring_regex(texts, patterns.CONTACT))

    def remove(text: str) -> str:
        shorter = without_sentences(text, _CONTACT) if sentences else None
        return shorter or "\n".join(tidy(_CONTACT.sub(" ", line)) for line in text.split("\n"))

    return rewrite(texts, suspects, remove)


def _protected(frame: pd.DataFrame, rows: Mask, fields: Sequence[str]) -> list[tuple[str, ...]]:
    """For each selected row the words of `fields` that a fix must not touch."""
    columns = [arrow(frame[name]).filter(pa.array(rows)).to_pylist() for name in fields]
    return [tuple(value for value in values if value) for values in zip(*columns, strict=True)] or [()] * int(rows.sum())


def _rewrite_rows(
    frame: pd.DataFrame, field: str, rows: Mask, protected: Sequence[str], function: Any
) -> dict[str, pd.Series[Any]]:
    """`function(text, protected words)` over the selected rows; list columns item by item."""
    if not rows.any():
        return {}
    values = arrow(frame[field])
    before = values.filter(pa.array(rows)).to_pylist()
    kept = _protected(frame, rows, protected)
    after = [
        [function(item, words) for item in text] if isinstance(text, list) else function(text, words)
        for text, words in zip(before, kept, strict=True)
    ]
    if after == before:
        return {}
    return {field: column(replaced(values, np.flatnonzero(rows), after), frame[field])}


@fix("T11", "lossy-safe")
def forbidden_characters(
    frame: pd.DataFrame, field: str, context: Context, *, characters: str, loose: str = "", unless_in: list[str] | None = None
) -> dict[str, pd.Series[Any]]:
    """Characters that the channel forbids are removed, except in the values of `unless_in`."""
    rows = fails(frame, field, lambda texts: pc.match_substring_regex(texts, f"[{re.escape(characters + loose)}]"))
    return _rewrite_rows(
        frame, field, rows, unless_in or (), lambda text, kept: without_characters(text, kept, characters, loose)
    )


@lru_cache
def _promo(language: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![^\W_])(?:{patterns.listed('promo', language)})(?![^\W_])", re.IGNORECASE)


@fix("T12", "lossy-safe")
def promo(
    frame: pd.DataFrame, field: str, context: Context, *, keep: list[str] | None = None, sentences: bool = False
) -> dict[str, pd.Series[Any]]:
    """Phrases that advertise an offer are removed, except in the values of `keep`, in quotes, or if too little is left.

    `sentences`: the whole sentences are, if anything is left.
    """
    language = context.primary_language
    rows = fails(frame, field, lambda texts: phrased(texts, "promo", language))

    def remove(text: str, kept: tuple[str, ...]) -> str:
        if sentences:
            return without_sentences(text, _promo(language)) or text
        spared = [span for word in kept for span in spans(text, word)]
        spared += [match.span() for match in re.finditer(r"[\"“„«][^\"”“»]*[\"”“»]", text)]

        def replace(match: re.Match[str]) -> str:
            inside = any(start < match.end() and match.start() < end for start, end in spared)
            return match.group() if inside else " "

        shorter = _promo(language).sub(replace, text)
        if shorter == text:
            return text
        shorter = re.sub(r"!+(?=\s|$)", "", tidy(shorter)).strip()
        return shorter if len(re.findall(r"[^\W_]+", shorter)) >= 3 else text

    return _rewrite_rows(frame, field, rows, keep or (), remove)


_SEGMENT = re.compile(r"\s*(?:[,|;(]|\s[-–—]\s)")
_NUMBER_END = re.compile(r"(?:^|\s)\d+(?:[.,]\d+)?$")


def shorten(text: str, limit: int, unit: str, keep: Iterable[str], language: str) -> str:
    """The text within `limit`: whole trailing segments go first, then words; the values of `keep` stay.

    Unchanged where that is not possible without losing such a value or more than half of the room.
    """
    if size(text, unit) <= limit:
        return text
    head = _cut(text, limit, unit, language)
    lost = [word for word in keep if _contains(text, word) and not _contains(head, word)]
    if not lost:
        return head
    tail = ", ".join(dict.fromkeys(lost))
    room = limit - size(tail, unit) - 2
    if room < limit // 2:
        return text
    joined = f"{_cut(text, room, unit, language)}, {tail}"
    complete = all(_contains(joined, word) for word in keep if _contains(text, word))
    return joined if complete else text


def _contains(text: str, word: str) -> bool:
    return re.search(rf"(?<![^\W_]){re.escape(word)}(?![^\W_])", text, re.IGNORECASE) is not None


def size(text: str, unit: str) -> int:
    return len(text.encode()) if unit == "bytes" else len(text)


def _cut(text: str, limit: int, unit: str, language: str) -> str:
    for match in reversed(list(_SEGMENT.finditer(text))):
        head = text[: match.start()]
        if size(head, unit) <= limit:
            if size(head, unit) * 2 >= limit and head.count("(") == head.count(")"):
                return _end(head, language) or head
            break
    end = 0
    for match in re.finditer(r"\S+", text):
        if size(text[: match.end()], unit) > limit:
            break
        end = match.end()
    if end == 0:
        return _cut_word(text.strip(), limit, unit)
    head, following = text[:end], text[end:].split()[:1]
    if _NUMBER_END.search(head) and following and following[0].casefold().strip(".,;)") in units():
        head = _NUMBER_END.sub("", head)
    return _end(head, language) or _cut_word(text.strip(), limit, unit)


def _end(text: str, language: str) -> str:
    """Without a dangling separator, function word or open bracket at the end."""
    small = small_words(language)
    while True:
        before = text
        if text.count("(") > text.count(")"):
            text = text[: text.rindex("(")]
        text = re.sub(r"[\s,;:|/(\[–—&+-]+$", "", text)
        *rest, last = text.split(" ") if text else [""]
        if rest and last.casefold() in small:
            text = " ".join(rest)
        if text == before:
            return text


def _cut_word(text: str, limit: int, unit: str) -> str:
    """The longest beginning within the limit that does not end inside a character with marks or joiners."""
    end = min(len(text), limit)
    while end > 0 and (size(text[:end], unit) > limit or _joined(text, end)):
        end -= 1
    return text[:end].rstrip()


def _joined(text: str, end: int) -> bool:
    if end >= len(text):
        return False
    following, last = text[end], text[end - 1]
    flags = "\U0001f1e6" <= following <= "\U0001f1ff" and "\U0001f1e6" <= last <= "\U0001f1ff"
    modifier = following in "\u200d\ufe0e\ufe0f" or "\U0001f3fb" <= following <= "\U0001f3ff"
    return bool(unicodedata.combining(following)) or modifier or last == "\u200d" or flags


@fix("T18", "lossy-safe")
def over_long(
    frame: pd.DataFrame, field: str, context: Context, *, max: int, unit: str = "characters", keep: list[str] | None = None
) -> dict[str, pd.Series[Any]]:
    """A text beyond the limit (characters or UTF-8 bytes) loses whole segments, then words, from its end."""
    rows = fails(frame, field, lambda texts: pc.greater(lengths(texts, unit), max))
    language = context.primary_language
    return _rewrite_rows(frame, field, rows, keep or (), lambda text, kept: shorten(text, max, unit, kept, language))


@fix("T19", "lossy-safe")
def bullets(frame: pd.DataFrame, field: str, context: Context) -> dict[str, pd.Series[Any]]:
    """Bullets lose their leading marks; empty and repeated ones, and those with an offer or contact data, are removed."""
    unwanted = f"{patterns.phrases('promo', context.primary_language)}|{patterns.CONTACT}"
    rows = fails(frame, field, lambda texts: pc.match_substring_regex(texts, rf"^\s*[•*·▪►–—-]+\s+|{unwanted}"))
    advertises = _promo(context.primary_language).search

    def cleaned(text: str, _: tuple[str, ...]) -> str:
        return "" if advertises(text) or _CONTACT.search(text) else re.sub(r"^\s*[•*·▪►–—-]+\s+", "", text)

    marked = _rewrite_rows(frame, field, rows, (), cleaned)
    changed = frame.assign(**marked) if marked else frame
    return marked | distinct(changed, field, str.casefold, strip=True)
