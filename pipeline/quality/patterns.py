"""Patterns that rules and fixes share, in the syntax of RE2 (Arrow): no look-around, real characters instead of escapes."""

from __future__ import annotations

import re
from functools import lru_cache

from pipeline.quality.words import words

#: C0 and C1 control characters except tab and newlines, noncharacters, private use and the replacement of lone surrogates.
CONTROL = "[\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ue000-\uf8ff\ufdd0-\ufdef\ufffe\uffff]|\\x00"
#: Zero-width space, word joiner, byte-order mark, soft hyphen, directional marks and bidi controls; letters of tags, which no
#: screen shows and language models read (the flags of England, Scotland and Wales are made of them too, and turn black).
INVISIBLE = "[\u200b\u2060-\u2064\ufeff\u00ad\u180e\u200e\u200f\u202a-\u202e\u2066-\u206f\ufff9-\ufffb\U000e0000-\U000e007f]"
#: Emoji and decorative symbols, with joiners and variation selectors beside them; not ™, ®, ©, ° or currency.
EMOJI = (
    "[\U0001f000-\U0001faff\U0001fb00-\U0001fbff\u2190-\u21ff\u2301-\u23ff\u2460-\u24ff\u2500-\u257f\u25a0-\u27bf\u2e3a\u2e3b\u2900-\u297f"
    "\u2b00-\u2bff\u3030\u303d\u3297\u3299\ufe0e\ufe0f\u20e3\U000e0020-\U000e007f]"
)
#: What UTF-8 looks like when read as Windows-1252 or Latin-1, and the replacement character.
MOJIBAKE = "\ufffd|[ÂÃâ][\u0080-\u00bf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]|Ã[\u00a0-\u00bf]"
TAG = r"<[A-Za-z/!][^<>]*>"
#: Elements that do something; marketplaces refuse them even where they are escaped.
ACTIVE = "script|iframe|frame|form|input|button|object|embed|applet|meta|link|base|style|svg|math"
ACTIVE_TAG = rf"(?i)[<＜]\s*/?\s*({ACTIVE})\b"
ENTITY = r"&(#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});"
#: Addresses of pages, mail and telephones. Telephones need a leading + or a word, so that measures and part numbers stay.
URL = r"(?i)\b(https?://|www\.)[^\s<>\"]+"
EMAIL = r"(?i)\b[a-z0-9._%+\-]+@[a-z0-9\-]+(\.[a-z0-9\-]+)*\.[a-z]{2,}\b"
PHONE = r"(?i)(\b(tel|phone|telephone|call|whatsapp|telefon|téléphone|teléfono)\b[.:]?\s*\+?|\+)[0-9(][0-9 ()./\-]{6,}[0-9]"
CONTACT = f"{URL}|{EMAIL}|{PHONE}"
REPEATED_PUNCTUATION = r"!{2,}|\?{2,}|\.{4,}|~{2,}|\*{2,}|,{2,}|;{2,}"


@lru_cache
def phrases(name: str, language: str) -> str:
    """Any phrase of a word list as whole words, in any case. Group 2 is the phrase."""
    return rf"(?i)(^|[^\pL\pN])({listed(name, language)})($|[^\pL\pN])"


@lru_cache
def letters_of_phrases(name: str, language: str) -> str:
    """Any phrase of a word list anywhere, inside words too: found wherever `phrases` is, for a tenth of the compiling."""
    return f"(?i){listed(name, language)}"


def listed(name: str, language: str) -> str:
    """Any phrase of a word list, in the syntax of Python too."""
    return "|".join(re.escape(word).replace("\\ ", r"\s+") for word in words(name, language))
