"""Records of a CSV file in any of the dialects that spreadsheets write, with the line where each starts.

A damaged record costs itself and nothing else: after one whose quotes or fields do not add up, reading goes on at the
next line that begins a sound record. What the columns mean belongs to `shopify_csv`.
"""

from __future__ import annotations

import csv
import io
import re
from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pyarrow as pa

from pipeline.catalog.source import RawFile
from pipeline.model.errors import BadInputError

#: A record with all its lines, in characters; a body that Shopify accepts is far below.
MAX_RECORD = 64 << 20
_DELIMITERS = ",;\t|"
#: How far to look for the next sound record, and how often, before the file is given up.
_LOOK_LINES, _LOOK_AHEAD, _MAX_DAMAGES = 2_000, 5_000, 1_000
_TOO_LONG = f"longer than {MAX_RECORD >> 20} MiB"
_ESCAPED = re.compile("[\udc80-\udcff]")
_CESU = re.compile("\udced[\udca0-\udcbf][\udc80-\udcbf]")


class Record(NamedTuple):
    """A record, or (`fields` None) why there is none and how it begins."""

    line: int
    fields: list[str] | None
    reason: str = ""
    source: str = ""


class _Lines:
    """Physical lines with their line breaks, some of which may be given back; remembers those of the current record."""

    def __init__(self, stream: io.TextIOWrapper, name: str) -> None:
        self._stream, self._name = stream, name
        self._back: deque[str] = deque()
        self._size = 0
        self._utf8 = False
        self.number = 0
        self.taken: list[str] = []
        self.dropped = 0
        self.damaged = False  # some line had bytes that are not UTF-8

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._back.popleft() if self._back else self._read()
        if not line:
            raise StopIteration
        self.number += 1
        self._size += len(line)
        self.taken.append(line)
        if self._size > MAX_RECORD:
            raise csv.Error(_TOO_LONG)
        return line

    def begin(self) -> int:
        """Start a record; its line number."""
        self.taken = []
        self._size = 0
        return self.number + 1

    def give_back(self, lines: list[str]) -> None:
        self._back.extendleft(reversed(lines))
        self.number -= len(lines)

    def ahead(self, count: int) -> Iterator[str]:
        """The next lines, which stay where they are."""
        for index in range(count):
            if index == len(self._back):
                line = self._read()
                if not line:
                    return
                self._back.append(line)
            yield self._back[index]

    def _read(self) -> str:
        try:
            line = self._stream.readline(MAX_RECORD)
            if len(line) == MAX_RECORD:
                while (more := self._stream.readline(MAX_RECORD)) and not more.endswith(("\n", "\r")):
                    pass
                line += "\n"
        except UnicodeDecodeError:
            raise BadInputError(
                f"{self._name} is damaged UTF-16 after line {self.number}: save it as CSV UTF-8 and import it again"
            ) from None
        if not line:
            return ""
        if not line.isascii():
            line = self._checked(line)
        if "\0" in line:
            self.dropped += line.count("\0")
            line = line.replace("\0", "")
        return line or "\n"

    def _checked(self, line: str) -> str:
        """Non-ASCII text. Bytes that are not UTF-8 came in as escapes: in a file without any sound UTF-8 before, they say
        that it is written in another encoding."""
        line, surrogates = _CESU.subn("", line)
        bad = _ESCAPED.search(line)
        self.dropped += surrogates
        if bad is None:
            self._utf8 = True
        elif self._utf8:
            self.damaged = True
        else:
            raise BadInputError(
                f"{self._name} is not UTF-8: byte 0x{ord(bad[0]) - 0xDC00:02X} on line {self.number + len(self._back) + 1} "
                "(it looks like Windows-1252 or Latin-1); save the file as CSV UTF-8 and import it again"
            )
        return line


class Records:
    """The header and the records below it.

    `known` counts the columns that it knows in a header (to find the delimiter), `sound` says whether fields in the
    header's number can be a record (to find the next one after damage).
    """

    def __init__(self, raw: RawFile, known: Callable[[list[str]], int], sound: Callable[[list[str]], bool]) -> None:
        csv.field_size_limit(max(MAX_RECORD, csv.field_size_limit()))
        self._name, self._sound, self._damages = raw.name, sound, 0
        with raw.open() as probe:
            start = bytes(probe.read(4))
        encoding, errors = ("utf-16", "strict") if start[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig", "surrogateescape")
        self._source = pa.OSFile(str(raw.path))
        self._stored = raw.path.stat().st_size
        stream = pa.CompressedInputStream(self._source, "zstd")
        self._lines = _Lines(io.TextIOWrapper(stream, encoding, errors, newline=""), raw.name)
        self._damaged_line = ""
        self.blank = 0
        self.delimiter, self.header = self._read_header(known)

    @property
    def dropped(self) -> int:
        """Characters removed because storage refuses them."""
        return self._lines.dropped

    @property
    def done(self) -> float:
        return float(self._source.tell() / self._stored)

    def _read_header(self, known: Callable[[list[str]], int]) -> tuple[str, list[str]]:
        options: list[tuple[int, str, list[str], int]] = []
        for delimiter in _DELIMITERS:
            reader = csv.reader(self._lines.ahead(50), delimiter=delimiter)
            try:
                header = next((row for row in reader if any(cell.strip() for cell in row)), [])
            except csv.Error:
                continue
            options.append((known(header), delimiter, header, reader.line_num))
        if not any(header for _, _, header, _ in options):
            raise BadInputError(f"{self._name} holds nothing but blanks: export the products again")
        _, delimiter, header, lines = max(options, key=lambda option: option[0])
        for _ in range(lines):
            next(self._lines)
        return delimiter, [name.strip() for name in header]

    def __iter__(self) -> Iterator[Record]:
        lines, width = self._lines, len(self.header)
        reader = csv.reader(lines, delimiter=self.delimiter, strict=True)
        while True:
            start, quotes = lines.begin(), ""
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                fields, quotes = [], _TOO_LONG if str(error) == _TOO_LONG else "its quotes do not match"
            if not quotes and len(fields) > width and not any(fields[width:]):
                fields = fields[:width]
            if not quotes and not any(fields):
                self.blank += 1
            elif len(fields) != width:
                self._skip_damaged(start, fields, quotes)
                yield Record(start, None, quotes or f"{len(fields)} fields where the header has {width}", self._damaged_line)
            elif lines.damaged and any(_ESCAPED.search(field) for field in fields):
                yield Record(start, None, "not UTF-8", lines.taken[0])
            else:
                yield Record(start, fields)

    def _skip_damaged(self, start: int, fields: list[str], quotes: str) -> None:
        """Stand at the next line that begins a sound record; refuse a file that ends in the damage."""
        lines, taken = self._lines, self._lines.taken
        self._damaged_line = taken[0]
        complete = taken[-1].endswith(("\n", "\r"))
        if len(taken) > 1:
            self._damages += 1
            lines.give_back(taken[1:])
        if quotes or len(taken) > 1:
            reach = _LOOK_LINES if quotes else len(taken) - 1
            found = self._damages <= _MAX_DAMAGES and self._find_sound(reach)
            if quotes and not found:
                if next(lines.ahead(1), None) is None:
                    raise self._cut_off(start)
                raise BadInputError(f"{self._name} is damaged from line {start} on ({quotes}): export it again")
        if not complete and len(fields) < len(self.header) and next(lines.ahead(1), None) is None:
            raise self._cut_off(start)

    def _find_sound(self, reach: int) -> bool:
        lines, width = self._lines, len(self.header)
        for _ in range(reach):
            try:
                fields = next(csv.reader(lines.ahead(_LOOK_AHEAD), delimiter=self.delimiter, strict=True), [])
                if len(fields) == width and self._sound(fields):
                    return True
            except csv.Error:
                pass
            lines.begin()
            if next(lines, None) is None:
                return False
        return False

    def _cut_off(self, line: int) -> BadInputError:
        return BadInputError(f"{self._name} is cut off in the middle of the record on line {line}: download or export it again")
