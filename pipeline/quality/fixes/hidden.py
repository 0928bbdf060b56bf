"""Elements of HTML that no reader sees: their text is dropped, so that it does not turn up where styles are dropped."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

#: Elements whose content is not text for a reader.
DROPPED = frozenset(
    ("script", "style", "iframe", "object", "embed", "svg", "math", "template", "noscript", "textarea", "select", "title", "head")
)
#: Where an element may hide itself, in the syntax of RE2 too.
MAY_HIDE = r"(?i)\bstyle\s*=|[\s\"'/]hidden\b"
_STYLE = re.compile(r"(?i)\bstyle\s*=\s*")
_VALUE = re.compile(r"\"([^\"]*)\"?|'([^']*)'?|([^\s>]*)")
_ATTRIBUTE = re.compile(r"(?i)[\s\"'/]hidden(?=[\s=/>\"'])")
_KEPT = re.compile(r"(?:style|hidden)=\"([^\"]*)\"")
_NAME = re.compile(r"<([A-Za-z][^\s/>\x00]*)")
_PIECE = re.compile(r"<(/?)([^\s<>/]+)([^<>]*)>|[^<]+")
_BRACKETS = str.maketrans("<>", "  ")
_ESCAPE = re.compile(r"\\([0-9a-f]{1,6})\s?|\\(.)")
_NUMBER = re.compile(r"(-?\d*\.?\d+)([a-z%]*)")
_VOID = frozenset(("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"))
_OUTSIDE = ("text-indent", "left", "right", "top", "bottom", "margin-left", "margin-top")
_FAR = -500  # pixels; nobody scrolls there
_LEAST_OPACITY, _LEAST_FONT = 0.05, 1.5  # of 1; pixels or points


@dataclass(frozen=True)
class _Look:
    """`gone` with all that is in it; `unseen` and `tiny` may be undone further in (False), or are as outside (None)."""

    gone: bool = False
    unseen: bool | None = None
    tiny: bool | None = None

    def inside(self, outer: _Look) -> _Look:
        return _Look(
            self.gone or outer.gone,
            outer.unseen if self.unseen is None else self.unseen,
            outer.tiny if self.tiny is None else self.tiny,
        )

    @property
    def hides(self) -> bool:
        return bool(self.gone or self.unseen or self.tiny)


def without_hidden(text: str) -> str:
    """HTML without the text of elements that are not displayed (`hidden`, or by their own style), and then without attributes;
    the text itself where there are none. What rules of a style sheet hide is not known."""
    if _ATTRIBUTE.search(text) is None and not any(_look(_value(text, match.end())).hides for match in _STYLE.finditer(text)):
        return text
    shown = _shown(_marked(text))
    return text if shown is None else shown


def _value(text: str, at: int) -> str:
    match = _VALUE.match(text, at)
    return next(filter(None, match.groups()), "") if match else ""


def _marked(text: str) -> str:
    """Well-formed HTML, as a browser reads it, whose only attributes are styles."""
    import nh3

    def kept(element: str, attribute: str, value: str) -> str | None:
        return "display:none" if attribute == "hidden" else value.translate(_BRACKETS)

    tags = {name.lower() for name in _NAME.findall(text)} - DROPPED
    cleaner: Any = nh3.Cleaner(
        tags=tags, attributes={"*": {"style", "hidden"}}, attribute_filter=kept, clean_content_tags=set(DROPPED), link_rel=None
    )
    return str(cleaner.clean(text))


def _shown(text: str) -> str | None:
    """Without what hides; None where nothing does."""
    pieces: list[str] = []
    whole = True
    open_: list[tuple[str, _Look]] = []
    for match in _PIECE.finditer(text):
        closing, name, attributes = match.groups()
        outer = open_[-1][1] if open_ else _Look()
        if name is None:
            if not outer.hides:
                pieces.append(match[0])
            elif not match[0].isspace():
                whole = False
        elif closing:
            while open_ and open_.pop()[0] != name:
                pass
            if not outer.gone:
                pieces.append(f"</{name}>")
        else:
            look = outer
            for style in _KEPT.findall(attributes):
                look = _look(style).inside(look)
            if name not in _VOID:
                open_.append((name, look))
            if not look.gone:
                pieces.append(f"<{name}>")
    return None if whole else "".join(pieces).strip()


@lru_cache(maxsize=10_000)
def _look(style: str) -> _Look:
    rules = _rules(html.unescape(style))
    number = {name: found for name, value in rules.items() if (found := _number(value)) is not None}
    size = number.get("font-size") or number.get("font")
    opacity, unit = number.get("opacity", (1.0, ""))
    flat = any(number.get(name, (1.0, ""))[0] == 0 for name in ("height", "max-height", "width", "max-width"))
    background = rules.get("background-color", rules.get("background"))
    gone = (
        rules.get("display") == "none"
        or opacity <= _LEAST_OPACITY * (100 if unit == "%" else 1)
        or any(number.get(name, (0.0, ""))[0] <= _FAR for name in _OUTSIDE)
        or (flat and rules.get("overflow") == "hidden")
        or re.match(r"rect\(\s*[01](?:px)?[\s,]+[01](?:px)?[\s,]+[01]", rules.get("clip", "")) is not None
        or re.match(r"inset\((?:50|100)%|circle\(0", rules.get("clip-path", "")) is not None
        or (background is not None and rules.get("color") == background)
    )
    return _Look(gone, _unseen(rules), _tiny(rules, size))


def _unseen(rules: Mapping[str, str]) -> bool | None:
    return {"hidden": True, "collapse": True, "visible": False}.get(rules.get("visibility", ""))


def _tiny(rules: Mapping[str, str], size: tuple[float, str] | None) -> bool | None:
    """A size in relation to the one outside undoes nothing."""
    if size is None:
        return False if rules.get("font-size") in ("small", "medium", "large", "x-large") else None
    if size[0] == 0 or (size[1] in ("px", "pt") and size[0] <= _LEAST_FONT):
        return True
    return None if size[1] in ("em", "%") else False


def _rules(style: str) -> dict[str, str]:
    """Properties of a style and their values, the last of each; the names as a browser reads them."""
    plain = re.sub(r"/\*.*?(?:\*/|$)", " ", style.lower(), flags=re.DOTALL)
    plain = _ESCAPE.sub(lambda match: chr(min(int(match[1], 16), 0x10FFFF)) if match[1] else match[2], plain)
    pairs = (rule.partition(":") for rule in plain.split(";"))
    return {name.strip(): value.replace("!important", "").strip() for name, colon, value in pairs if colon}


def _number(value: str) -> tuple[float, str] | None:
    match = _NUMBER.match(value)
    return (float(match[1]), match[2]) if match else None
