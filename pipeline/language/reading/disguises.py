"""What a text says once it is read: without what is invisible, and with its disguises taken off.

A language model reads escaped, spelled-out, encoded and look-alike letters as well as plain ones. What buyers see is `visible`;
`readings` are for searching only.
"""

from __future__ import annotations

import base64
import binascii
import html
import re
import unicodedata
from collections.abc import Iterator
from functools import cache

#: Characters of a tag (U+E0000-E007F) are letters that no screen shows; the flags of England, Scotland and Wales have five.
_FLAG = "\U0001f3f4[\U000e0061-\U000e007a]{5}\U000e007f"
#: Fillers are letters to Unicode, and blank.
_INVISIBLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb"
)
_INVISIBLE += "\U000e0000-\U000e007f\U000e0100-\U000e01ef"
_HIDDEN = re.compile(f"[{_INVISIBLE}\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
#: What has no business in a prompt. Joiners and marks of direction are letters' own in some scripts.
_SMUGGLED = re.compile(
    f"({_FLAG})|[\u00ad\u180e\u200b\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f\U000e0100-\U000e01ef]"
)
#: Marks on letters, and beside symbols, that break words apart.
_MARKS = re.compile("[\ufe00-\ufe0f\u20d0-\u20ff]")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|[nrt])")
_COMMENT = re.compile(r"<!--.*?(?:-->|$)", re.DOTALL)
#: Tags that stand within a sentence.
INLINE = re.compile(
    r"(?i)</?(?:a|abbr|b|big|cite|code|em|font|i|ins|mark|q|s|small|span|strong|sub|sup|tt|u|wbr)(?:\s[^<>]*)?/?>"
)
_TAG = re.compile(r"<[A-Za-z/!][^<>]*>")
_TAG_LETTERS = re.compile("[\U000e0020-\U000e007e]{4,}")
_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]{6,}")
_REVERSED = re.compile("\u202e([^\u202c\u202d\n]*)")
#: i-g-n-o-r-e
_SPELLED = re.compile(r"(?<=(?<![^\W_])[^\W\d_])[-._* ](?=[^\W\d_](?![^\W_]))")
_LEET_WORD = re.compile(r"(?<![^\W_])(?=[0-9@$]*[A-Za-z])(?=[A-Za-z]*[013457@$])[A-Za-z013457@$]{2,}(?![^\W_])")
_LEET = str.maketrans("013457@$", "oieastas")
_WORD = re.compile(r"[^\W\d_]+")
_ENCODED = re.compile(r"(?<![A-Za-z0-9+/=_-])[A-Za-z0-9+/_-]{16,}={0,2}(?![A-Za-z0-9+/=_-])")
#: Nobody tells buyers whole sentences in base64.
_MANY = 4
_READABLE = re.compile(r"[^\W\d_]{2,}")
_ALIKE = str.maketrans(
    "аеорсухіјѕһԁԛԝкмнтвгпАВЕЅІЈКМНОРСТХУҮԌԚԜαβεικνορτυχγηωΑΒΕΖΗΙΚΜΝΟΡΤΥΧіɡıℓ",
    "aeopcyxijshdqwkmhtbrnABESIJKMHOPCTXYYGQWaBeikvoptuxynwABEZHIKMNOPTYXigil",
)


def visible(text: str) -> str:
    """What a buyer sees: without comments, and without characters that hide text."""
    return _HIDDEN.sub("", unicodedata.normalize("NFKC", _COMMENT.sub(" ", text)))


def unsmuggled(text: str) -> str:
    """The text as a model may get it: without characters that only machines read."""
    return text if text.isascii() else _SMUGGLED.sub(r"\1", text)


def unescaped(text: str) -> str:
    """Without HTML entities, which may be escaped themselves, and escapes of programs."""
    for _ in range(3):
        if "&" not in text or (plain := html.unescape(text)) == text:
            break
        text = plain
    text = text.replace("%20", " ")
    return _ESCAPE.sub(lambda match: chr(int(match[1], 16)) if match[1] else " ", text) if "\\" in text else text


def readings(text: str) -> Iterator[str]:
    """The text without markup, then what else it may say to a machine; each once."""
    seen: set[str] = set()
    for one in _readings(unescaped(text)):
        if one not in seen and one.strip():
            seen.add(one)
            yield one


def squeezed(text: str) -> Iterator[str]:
    """Its bare Latin letters, forward, backward and turned by 13, for finding words that are written without spaces or with too
    many."""
    letters = re.sub(r"[^a-z]+", "", _alike(visible(unescaped(text))).translate(_LEET).lower())
    yield letters
    yield letters[::-1]
    yield letters.translate(_rotated())


def encoded(text: str, words: int = _MANY) -> Iterator[str]:
    """What is written in base64 and has at least so many words."""
    for match in _ENCODED.finditer(text):
        said = _decoded(match[0])
        if said is not None and len(_READABLE.findall(said)) >= words:
            yield said


def _readings(text: str) -> Iterator[str]:
    if not text.isascii():
        yield from ("".join(chr(ord(char) - 0xE0000) for char in run) for run in _TAG_LETTERS.findall(text))
        yield from map(_selected, _SELECTORS.findall(text))
        if "\u202e" in text:
            yield from _plain(_REVERSED.sub(lambda match: match[1][::-1], text))
    yield from _plain(text)
    yield from encoded(text, 2)


def _plain(text: str) -> Iterator[str]:
    """Without markup, then with other letters."""
    plain = _MARKS.sub("", visible(text))
    if "<" in plain:
        plain = _TAG.sub("\n", INLINE.sub("", plain))
    plain = plain.replace("_", " ")
    yield plain
    bare = _alike(plain)
    yield bare
    if _SPELLED.search(bare):
        bare = _SPELLED.sub("", bare)
        yield bare
    if _LEET_WORD.search(bare):
        yield _LEET_WORD.sub(lambda match: match[0].translate(_LEET), bare)


def _alike(text: str) -> str:
    """With letters that look like Latin ones as those, in words that have both, or nothing else."""
    if text.isascii():
        return text
    return _WORD.sub(lambda match: _latin(match[0]), text)


def _latin(word: str) -> str:
    plain = word.translate(_ALIKE)
    return plain if plain != word and plain.isascii() else word


def _selected(run: str) -> str:
    """Bytes that are written as variation selectors."""
    codes = (ord(char) for char in run)
    data = bytes(code - 0xFE00 if code < 0xE0100 else code - 0xE0100 + 16 for code in codes)
    return data.decode("utf-8", "ignore")


def _decoded(run: str) -> str | None:
    run = run.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        said = base64.b64decode(run + "=" * (-len(run) % 4), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    letters = sum(map(len, _READABLE.findall(said)))
    return said if said.isprintable() and letters > 0.6 * len(said) else None


@cache
def _rotated() -> dict[int, int]:
    return {97 + at: 97 + (at + 13) % 26 for at in range(26)}
