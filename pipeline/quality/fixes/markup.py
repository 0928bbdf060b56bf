"""HTML: the allow-list that every channel accepts, and plain text from it."""

from __future__ import annotations

import html
import re
from functools import lru_cache
from typing import Any

import pandas as pd
import pyarrow.compute as pc

from pipeline.quality import patterns
from pipeline.quality.context import Context
from pipeline.quality.fixes.base import fix, on_items, rewrite
from pipeline.quality.fixes.hidden import DROPPED, MAY_HIDE, without_hidden
from pipeline.quality.fixes.text import clean_characters, without_nothing
from pipeline.quality.masks.base import arrow, column, to_mask

_ALLOWED = "p div br hr ul ol li dl dt dd b strong i em u small sub sup blockquote h1 h2 h3 h4 h5 h6 table thead tbody tr td th"
TAGS = frozenset(_ALLOWED.split(" "))
# Blocks that are not allowed become plain blocks first: a sanitizer that only drops the tag would join the words.
_BLOCK = (
    r"(?i)<(/?)(?:article|section|header|footer|aside|main|nav|figure|figcaption|address|center|details|summary|form|fieldset|pre"
    r"|caption)(?:[\s/][^<>]*)?>"
)
_TAG = re.compile(patterns.TAG)
_WIDE = "[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]"
# Markup may be hidden in escaped markup; nobody escapes honest text more often.
_MOST_ROUNDS = 4
_LT = r"(?:[<＜]|&(?:amp;)*(?:lt|#0*60|#x0*3c);)"
_GT = r"(?:[>＞]|&(?:amp;)*(?:gt|#0*62|#x0*3e);)"
_ESCAPED_TAG = re.compile(rf"(?i){_LT}\s*/?\s*(?:{patterns.ACTIVE})\b(?:(?:(?!{_LT}|{_GT}).)*{_GT})?", re.DOTALL)
_ESCAPED_LT = re.compile(rf"(?i){_LT.replace('<＜', '＜')}")
_OPEN_TWICE = re.compile("<[^<>]*<")
_TAG_IN_TAG = re.compile(rf"(?i)(<[a-z/][^<>]*)<\s*/?\s*(?:{patterns.ACTIVE})\b[^<>]*>")
_NEWLINE_TAGS = "<[bh]r>|</?(?:p|div|ul|ol|dl|dt|dd|tr|table|thead|tbody|blockquote|h[1-6])>|</li>"


@lru_cache
def _cleaner(tags: frozenset[str]) -> Any:
    import nh3

    return nh3.Cleaner(tags=set(tags), attributes={}, clean_content_tags=set(DROPPED), link_rel=None)


def sanitize(text: str, tags: frozenset[str] = TAGS) -> str:
    """Only `tags`, without attributes; content of scripts, styles and frames and what is not displayed dropped; well-formed."""
    cleaned = without_hidden(without_nothing(text))
    if _OPEN_TWICE.search(cleaned):
        cleaned = _TAG_IN_TAG.sub(r"\1", cleaned)
    cleaned = _cleaner(tags).clean(cleaned)
    if "&" in text:  # an entity may have brought a character that T01 or T02 removes
        cleaned = clean_characters(cleaned)
    # Without these nothing is escaped, and what stands in real brackets is one of `tags`.
    return (_inert(cleaned) if "&" in cleaned or "＜" in cleaned else cleaned).strip()


def cleaned(text: str) -> str:
    """One description as `markup` leaves it."""
    return _without_empty(sanitize(re.sub(_BLOCK, r"<\1div>", without_hidden(text))))


_NBSP = "(?:\u00a0|&nbsp;)"
_INLINE = "b|strong|i|em|u|small|sub|sup"
_BLOCKS = f"{_INLINE}|p|div|li|ul|ol|blockquote|h[1-6]"
_EMPTY = rf"<(?:{_BLOCKS})>(?:\s|{_NBSP}|<br>)*</(?:{_BLOCKS})>"
_LEADING_BREAK = rf"(<(?:p|div|li)>)(?:\s|{_NBSP})*<br>"
_INDENT = rf"{_NBSP}\s*(?:{_NBSP}\s*)+"
_BARE = f"{_EMPTY}|{_LEADING_BREAK}|{_INDENT}"


def _without_empty(text: str) -> str:
    """Without elements that show nothing, line breaks that begin a block, and indents of special spaces."""
    text = re.sub(_INDENT, " ", text)
    while (shorter := re.sub(_LEADING_BREAK, r"\1", re.sub(_EMPTY, "", text))) != text:
        text = shorter
    return text.strip()


def _inert(text: str) -> str:
    """Without what is active markup once more unescaped; where it is nested on and on, without any escaped bracket."""
    for _ in range(_MOST_ROUNDS):
        before = text
        text = _ESCAPED_TAG.sub("", text)
        if text == before:
            return text
    return _ESCAPED_LT.sub("", text)


def _strip(text: str) -> str:
    """Plain text of a plain field with tags in it: tags that end a word leave a space, lines stay."""
    for _ in range(_MOST_ROUNDS):
        before = text
        spaced = re.sub(r"(?i)<(?:br|/p|/div|/li|/h[1-6]|/td|/tr)\b[^<>]*>", " ", without_hidden(text))
        text = clean_characters(re.sub(r"[^\S\n]+", " ", html.unescape(sanitize(spaced, frozenset()))).strip())
        if text == before or not _TAG.search(text):
            break
    return text if not _ESCAPED_TAG.search(text) else " ".join(_inert(text).split())


def plain_text(markup: Any) -> Any:
    """Sanitized HTML (string array) as plain text: a line for each block, `- ` before each item of a list."""
    texts = pc.replace_substring_regex(markup, r"[ \t\r\n\f]{2,}|[\t\r\n\f]", " ")
    if pc.any(pc.match_substring(texts, "<")).as_py():
        texts = pc.replace_substring(texts, "<li>", "\n- ")
        texts = pc.replace_substring_regex(texts, _NEWLINE_TAGS, "\n")
        texts = pc.replace_substring_regex(texts, "<t[dh]>", " ")
        texts = pc.replace_substring_regex(texts, "<[^>]*>", "")
    if pc.any(pc.match_substring(texts, "&")).as_py():
        texts = rewrite(texts, to_mask(pc.match_substring(texts, "&")), html.unescape)
        # What was escaped twice is markup again, and nobody after this looks for it.
        texts = rewrite(texts, to_mask(pc.match_substring_regex(texts, patterns.TAG)), _strip)
        texts = pc.replace_substring_regex(texts, f"{patterns.CONTROL}|{patterns.INVISIBLE}", "")
    texts = pc.replace_substring_regex(texts, f" *{_WIDE}[ {_WIDE[1:]}*| {{2,}}", " ")
    texts = pc.replace_substring_regex(texts, r"( *\n *(- *\n)?)+", "\n")
    return pc.utf8_trim_whitespace(texts)


def _plain(texts: Any) -> Any:
    if not pc.any(pc.match_substring_regex(texts, "[<＜]")).as_py():
        return texts
    return rewrite(texts, to_mask(pc.match_substring_regex(texts, f"{patterns.TAG}|{patterns.ACTIVE_TAG}")), _strip)


@fix("T06", "lossy-safe")
def markup(
    frame: pd.DataFrame, field: str, context: Context, *, text_to: str | None = None, plain: bool = False
) -> dict[str, pd.Series[Any]]:
    """HTML keeps only simple tags, no attributes or links (`plain`: no tags); scripts, styles and hidden elements are dropped."""
    texts = arrow(frame[field])
    if plain:
        clean = on_items(texts, _plain)
    else:
        clean = rewrite(texts, to_mask(pc.match_substring_regex(texts, MAY_HIDE)), without_hidden)
        clean = rewrite(clean, to_mask(pc.match_substring_regex(clean, _BLOCK)), lambda text: re.sub(_BLOCK, r"<\1div>", text))
        clean = rewrite(clean, to_mask(pc.match_substring_regex(clean, "[<&＜]")), sanitize)
        clean = rewrite(clean, to_mask(pc.match_substring_regex(clean, _BARE)), _without_empty)
    changed = {} if clean is texts else {field: column(clean, frame[field])}
    if text_to is not None:
        changed[text_to] = column(plain_text(clean), frame[field])
    return changed
