"""A JSON text as places: where every value and its key stand, so that texts can be replaced without touching the rest.

The standard library's decoder gives values without places and recurses; this one is iterative, needs no memory of its own for
long texts, and also reads the comments that theme files begin with. Arrays count as objects whose keys are 0, 1, 2 ...
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from pipeline.labels.formats.source import SourceText
from pipeline.labels.model import MAX_DEPTH, MAX_LABELS
from pipeline.model.errors import BadInputError

_BLANK = re.compile(r"[ \t\r\n]+")
_STOP = re.compile(r'["\\\x00-\x1f]')
_ESCAPE = re.compile(r'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})')
_LITERAL = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null")


@dataclass
class Value:
    """A value at `start:end`, its key at `key_start:key_end` (empty in arrays). `text` is None for what is no string.

    `problem` says why it cannot be a label."""

    path: tuple[str, ...]
    start: int
    end: int
    key_start: int
    key_end: int
    text: str | None
    problem: str | None = None


@dataclass
class _Container:
    path: tuple[str, ...]
    is_object: bool
    seen: dict[str, list[int]] = field(default_factory=dict)  # name -> its values, from and to
    last: str | None = None
    items: int = 0


@dataclass(frozen=True)
class Scan:
    """All leaf values in order, and where the key of each member of the outermost object stands."""

    values: list[Value]
    root_keys: list[tuple[int, int]]


def scan(source: SourceText) -> Scan:
    """Raises BadInputError with the line for a text that is not JSON."""
    scanner = _Scanner(source)
    scanner.run()
    return Scan(scanner.values, scanner.root_keys)


class _Scanner:
    def __init__(self, source: SourceText) -> None:
        self.source, self.text, self.at = source, source.text, 0
        self.values: list[Value] = []
        self.stack: list[_Container] = []
        self.key_start = self.key_end = 0
        self.root_keys: list[tuple[int, int]] = []

    def run(self) -> None:
        self.blank()
        if self.text[self.at : self.at + 1] not in ("{", "["):
            raise self.error("a label file is an object of keys and texts")
        self.value(())
        while self.stack:
            top = self.stack[-1]
            self.blank()
            closing = "}" if top.is_object else "]"
            if self.take(closing):
                self.stack.pop()
                continue
            if top.items and not self.take(","):
                raise self.error(f"expected ',' or '{closing}'")
            self.member(top)
        self.blank()
        if self.at < len(self.text):
            raise self.error("there is more after the end of the object")

    def member(self, top: _Container) -> None:
        self.blank()
        self.key_start = self.key_end = self.at
        if top.is_object:
            name = self.string("expected a key in double quotes")
            self.key_end = self.at
            if len(self.stack) == 1:
                self.root_keys.append((self.key_start, self.at))
            self.blank()
            if not self.take(":"):
                raise self.error("expected ':' after a key")
            self.blank()
            if top.last is not None:
                top.seen[top.last][1] = len(self.values)
            if name in top.seen:
                line = self.source.line(self.key_start)
                for value in self.values[slice(*top.seen[name])]:
                    value.problem = f"its key is written again in line {line}, and readers take that one"
            top.seen[name], top.last = [len(self.values), len(self.values)], name
        else:
            name = str(top.items)
        top.items += 1
        self.value((*top.path, name))

    def value(self, path: tuple[str, ...]) -> None:
        start = self.at
        character = self.text[start : start + 1]
        if len(self.values) > MAX_LABELS:
            raise BadInputError(f"{self.source.name} has more than {MAX_LABELS:,} labels: split it")
        if character and character in "{[":
            if len(self.stack) >= MAX_DEPTH:
                raise self.error(f"objects are nested deeper than {MAX_DEPTH} levels")
            self.at += 1
            self.stack.append(_Container(path, character == "{"))
        elif character == '"':
            text = self.string("a text is not closed")
            self.values.append(Value(path, start, self.at, self.key_start, self.key_end, text))
        else:
            match = _LITERAL.match(self.text, start)
            if match is None:
                raise self.error("expected a text, a number, true, false, null, an object or an array")
            self.at = match.end()
            problem = f"{match[0][:20]} is not a text"
            self.values.append(Value(path, start, self.at, self.key_start, self.key_end, None, problem))

    def string(self, otherwise: str) -> str:
        if not self.text.startswith('"', self.at):
            raise self.error(otherwise)
        end = self.at + 1
        while True:
            stop = _STOP.search(self.text, end)
            if stop is None:
                raise self.error(otherwise)
            if stop[0] == '"':
                break
            escape = _ESCAPE.match(self.text, stop.start())
            if escape is None:
                raise self.error("a text has a line break, control character or unknown escape; write \\n for a line break")
            end = escape.end()
        found: str = json.loads(self.text[self.at : stop.end()])
        self.at = stop.end()
        return found

    def take(self, character: str) -> bool:
        found = self.text.startswith(character, self.at)
        self.at += found
        return found

    def blank(self) -> None:
        while True:
            match = _BLANK.match(self.text, self.at)
            if match:
                self.at = match.end()
            elif self.text.startswith("/*", self.at):
                self.at = self.end_of("*/") + 2
            elif self.text.startswith("//", self.at):
                self.at = self.end_of("\n")
            else:
                return

    def end_of(self, mark: str) -> int:
        end = self.text.find(mark, self.at)
        if end < 0 and mark == "*/":
            raise self.error("a comment is not closed")
        return len(self.text) if end < 0 else end

    def error(self, what: str) -> BadInputError:
        return BadInputError(f"{self.source.name} is not JSON in line {self.source.line(self.at)}: {what}")
