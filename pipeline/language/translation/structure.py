"""Whether a translation still runs: template blocks in the order of the source, placeholders in their blocks, nothing emptied."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import unescape

from pipeline.language.translation.masks import even, spans

#: `{% if %}` of Liquid, `{{#if}}`, `{{^if}}`, `{{else}}` and `{{/if}}` of Handlebars; what they are, by their first word.
_CONTROL = re.compile(r"\{%-?\s*(\w+)|\{\{\{?[~-]?\s*([#^/])\s*\w*|\{\{\{?[~-]?\s*(else)\b")
_BRANCHES = {"else", "elsif", "elseif", "when"}
_SINGLE = {"assign", "render", "include", "section", "sections", "increment", "decrement", "cycle", "echo", "layout", "break",
           "continue", "liquid", "set", "t"}  # fmt: skip
_TAG = re.compile(r"<(/?)([A-Za-z][\w:-]*)")
_VOID = {"br", "hr", "img", "input", "wbr", "meta", "link", "source", "area", "col", "embed"}
_CONTENT = {"img", "input", "embed"}


@dataclass
class _Outline:
    """The template blocks of a text, in order; the placeholders of each part between them, the parts that say something, and
    how many elements of each name are empty."""

    blocks: list[str] = field(default_factory=list)
    placeholders: dict[tuple[int, ...], Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    said: set[tuple[int, ...]] = field(default_factory=set)
    empty: Counter[str] = field(default_factory=Counter)


def compare(source: str, target: str) -> Iterator[str]:
    """What is wrong with the structure of a translation, in sentences. That no tag is lost or new is for others to say."""
    before, after = _outline(source), _outline(target)
    if before.blocks != after.blocks:
        if Counter(before.blocks) == Counter(after.blocks):
            yield f"{' '.join(before.blocks)[:80]} must keep their order"
        return
    moved = {text for part, found in before.placeholders.items() for text in found - after.placeholders[part]}
    if moved and sum(before.placeholders.values(), Counter()) == sum(after.placeholders.values(), Counter()):
        yield f"{min(moved)[:60]} left its block, or came into one"
    for part in sorted(before.said - after.said - {()}):
        yield f"nothing is left inside {before.blocks[part[-1]][:60]}"
    for name in after.empty - before.empty:
        yield f"an element <{name}> has lost its text"


def _outline(text: str) -> _Outline:
    found = _Outline()
    part: list[int] = []
    open_elements: list[list[str]] = []  # a name, and "text" once there is some

    def say(content: str) -> None:
        if unescape(content).strip():
            found.said.add(tuple(part))
            for element in open_elements:
                element[1:] = ["text"]

    at = 0
    for span in spans(text):
        say(text[at : span.start])
        at = span.end
        control = _CONTROL.match(span.text) if span.kind == "placeholder" else None
        if control:
            _enter(control, part, len(found.blocks))
            found.blocks.append(even(span.text))
        elif span.kind == "tag":
            _element(span.text, open_elements, found.empty)
        else:
            say("x")
            if span.kind == "placeholder":
                found.placeholders[tuple(part)][even(span.text)] += 1
    say(text[at:])
    return found


def _enter(control: re.Match[str], part: list[int], index: int) -> None:
    word, mark = (control[1] or control[3] or "").lower(), control[2]
    if word in _SINGLE:
        return
    if (word in _BRANCHES or word.startswith("end") or mark == "/") and part:
        part.pop()
    if word in _BRANCHES or mark in ("#", "^") or (word and not word.startswith("end")):
        part.append(index)


def _element(tag: str, open_elements: list[list[str]], empty: Counter[str]) -> None:
    match = _TAG.match(tag)
    if match is None:
        return
    name = match[2].lower()
    if name in _CONTENT:
        for element in open_elements:
            element[1:] = ["text"]
    elif name in _VOID or tag.endswith("/>"):
        return
    elif not match[1]:
        open_elements.append([name])
    elif open_elements and open_elements[-1][0] == name and len(open_elements.pop()) == 1:
        empty[name] += 1
