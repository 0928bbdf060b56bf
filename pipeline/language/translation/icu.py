"""ICU messages with one plural or select argument, as whole sentences for each branch and back.

`{count, plural, one {# item} other {# items}} in cart` becomes the forms "one": "{#} item in cart" and "other": "{#} items in
cart": a translator sees sentences, never syntax. Simple arguments stay placeholders. What this cannot express (nested or
several such arguments, ordinals) raises ValueError; nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_COMPLEX = re.compile(r"\{\s*([\w.\-]+)\s*,\s*(plural|selectordinal|select)\s*,")
_SELECTOR = re.compile(r"\s*(?:(offset)\s*:\s*(\d+)|(=\d+|[\w\-]+)\s*\{)")
_SIMPLE = re.compile(r"\{\s*[\w.\-#]+\s*(?:,[^{}]*)?\}")
_MAX_BRANCHES = 50


@dataclass(frozen=True)
class Message:
    """`forms`: selector ("one", "=0", "female") -> the whole sentence of that branch, quotes resolved, `#` as `{#}`."""

    argument: str
    type: str  # plural | select
    offset: str | None
    forms: Mapping[str, str]

    def rebuild(self, forms: Mapping[str, str]) -> str:
        """The message with these sentences; its branches hold whole sentences, as translators are advised to write them."""
        offset = f"offset:{self.offset} " if self.offset else ""
        branches = " ".join(f"{selector} {{{_quote(text, self.type)}}}" for selector, text in forms.items())
        return f"{{{self.argument}, {self.type}, {offset}{branches}}}"


def is_message(text: str) -> bool:
    """Whether the text has a plural or select argument; simple arguments such as `{name}` are placeholders, not this."""
    return bool(_COMPLEX.search(text))


def parse(text: str) -> Message:
    """The message; raises ValueError saying what is wrong or not supported."""
    start = _COMPLEX.search(text)
    if start is None:
        raise ValueError("there is no plural or select argument")
    argument, kind = start[1], start[2]
    if kind == "selectordinal":
        raise ValueError("ordinal forms are not supported")
    branches: dict[str, str] = {}
    offset, at = None, start.end()
    while True:
        match = _SELECTOR.match(text, at)
        if match is None:
            break
        at = match.end()
        if match[1]:
            offset = match[2]
            continue
        if match[3] in branches or len(branches) >= _MAX_BRANCHES:
            raise ValueError(f"the branch {match[3][:40]!r} is written twice, or there are too many")
        branches[match[3]], at = _literal(text, at, branch=kind)
    rest = text[at:].lstrip()
    if not rest.startswith("}"):
        raise ValueError(f"a brace is missing or out of place at character {at + 1}")
    if "other" not in branches:
        raise ValueError("the branch 'other' is missing")
    before, after = _literal(text[: start.start()])[0], _literal(rest[1:])[0]
    return Message(argument, kind, offset, {name: f"{before}{branch}{after}" for name, branch in branches.items()})


def _literal(text: str, at: int = 0, *, branch: str | None = None) -> tuple[str, int]:
    """Text with its quotes resolved, from `at` to the end, or in a branch to behind its closing brace."""
    parts: list[str] = []
    while at < len(text):
        character = text[at]
        if character == "'":
            if text[at + 1 : at + 2] == "'":
                parts.append("'")
                at += 2
            elif text[at + 1 : at + 2] in ("{", "}", "#") or (branch and text[at + 1 : at + 2] == "|"):
                end = text.find("'", at + 1)
                end = len(text) if end < 0 else end
                if not set("{}#").isdisjoint(text[at + 1 : end]):
                    raise ValueError("quoted braces and number signs are not supported")
                parts.append(text[at + 1 : end])
                at = end + 1
            else:
                parts.append("'")
                at += 1
        elif character == "{":
            simple = _SIMPLE.match(text, at)
            if simple is None or "#" in simple[0]:
                raise ValueError("arguments within or beside the plural or select argument are not supported")
            parts.append(simple[0])
            at = simple.end()
        elif character == "}":
            if branch is None:
                raise ValueError("a closing brace has no opening one")
            return "".join(parts), at + 1
        else:
            parts.append("{#}" if character == "#" and branch == "plural" else character)
            at += 1
    if branch is not None:
        raise ValueError("a branch is not closed")
    return "".join(parts), at


def _quote(text: str, kind: str) -> str:
    """Literal text with its quotes, arguments as they are."""
    parts, at = [], 0
    for match in _SIMPLE.finditer(text):
        parts += [_quoted(text[at : match.start()], kind), "#" if match[0] == "{#}" else match[0]]
        at = match.end()
    return "".join([*parts, _quoted(text[at:], kind)])


def _quoted(text: str, kind: str) -> str:
    text = text.replace("'", "''")
    return re.sub(r"[{}#]" if kind == "plural" else r"[{}]", lambda match: f"'{match[0]}'", text)
