"""CSV files that people edit in a spreadsheet and give back: written so that no program changes what is in them, and read in
every form that one saves them in."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.model.errors import BadInputError, PipelineError

_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
#: What spreadsheets write, by the language that they are set to; the first wins where none has a known column.
_DELIMITERS = (",", ";", "\t")
#: What a spreadsheet would change: formulas, and numbers so long (ids of Shopify) that it would round them. A sign before them
#: makes them texts.
_GUARDED = re.compile(r"[=+\-@\t\r']|\d{12,}$")
#: A long number that a spreadsheet rounded nevertheless: 8.12346E+12.
_ROUNDED = re.compile(r"\d[.,]\d+E\+\d+", re.IGNORECASE)


def write_rows(
    file: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]], text: Callable[[Any], str] = str
) -> int:  # fmt: skip
    """How many. Columns that a row does not have are empty; `text` makes a cell of what is neither None nor a text nor a number.

    Raises PipelineError when the file cannot be written."""
    count = 0
    try:
        with file.open("w", encoding="utf-8-sig", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(columns)
            for row in rows:
                writer.writerow([_cell(row.get(name), text) for name in columns])
                count += 1
    except OSError as error:
        raise PipelineError(f"{file} cannot be written: {error.strerror or error}") from None
    return count


def read_rows(file: Path, needed: Sequence[str], made_with: str, most_bytes: int) -> Iterator[tuple[int, dict[str, str]]]:
    """(line that it begins in, cells by column in lower case) of each row. `made_with` is the command that writes such a file.

    Raises BadInputError for a file that is none."""
    text = _text(file, most_bytes)
    delimiter, header = max(
        ((one, _header(text, one)) for one in _DELIMITERS), key=lambda found: len(set(needed).intersection(found[1]))
    )
    missing = [name for name in needed if name not in header]
    if missing:
        first = text.split("\n", 1)[0].strip()
        said = f"its first line begins {first[:60]!r}" if first else "it is empty"
        raise BadInputError(
            f"{file} has no column {' and no '.join(missing)} ({said}; commas, semicolons or tabs may separate columns); "
            f"make it with: {made_with}"
        )
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        next(reader)
        line = reader.line_num + 1
        for cells in reader:
            values = dict(zip(header, cells, strict=False))
            yield line, {name: _plain(values.get(name, "")) for name in header}
            line = reader.line_num + 1
    except csv.Error as error:
        raise BadInputError(f"{file} is not a CSV file (line {reader.line_num}: {error})") from None


def unknown(product_id: str, otherwise: str) -> str:
    """Why there is no such product: a spreadsheet took its id for a number and rounded it, or else what the caller says."""
    if _ROUNDED.fullmatch(product_id):
        return "a spreadsheet rounded the product's id; export again and leave that column as it is"
    return otherwise


def _cell(value: Any, text: Callable[[Any], str]) -> str:
    if value is None or isinstance(value, (int, float)):
        return "" if value is None else str(value)
    said = value if isinstance(value, str) else text(value)
    return f"'{said}" if _GUARDED.match(said) else said


def _plain(cell: str) -> str:
    cell = cell.replace("\r\n", "\n")
    return cell[1:] if cell.startswith("'") and _GUARDED.match(cell[1:]) else cell


def _text(file: Path, most_bytes: int) -> str:
    try:
        if file.stat().st_size > most_bytes:
            raise BadInputError(f"{file} is larger than {most_bytes} bytes; is it the right file?")
        content = file.read_bytes()
    except OSError as error:
        raise BadInputError(f"{file} cannot be read: {error.strerror or error}") from None
    mark, encoding = next(((mark, name) for mark, name in _MARKS if content.startswith(mark)), (b"", "utf-8"))
    try:
        text = content[len(mark) :].decode(encoding)
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:  # a workbook, UTF-16 without its mark, an older encoding
        raise BadInputError(f"{file} is neither UTF-8 nor UTF-16 text; save it as CSV UTF-8")
    return text


def _header(text: str, delimiter: str) -> list[str]:
    try:
        return [name.strip().lower() for name in next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])]
    except csv.Error:
        return []
