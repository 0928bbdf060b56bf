"""New stores as an operator names them: options of `store add`, or the rows of a table of many stores (CSV).

A column is an option. Credentials are never in the table: its column `credentials` names a file for each store.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.model.errors import UsageError
from pipeline.stores.sources import source_kind
from pipeline.stores.stores import check_key
from pipeline.stores.text import known_names, shown

#: Option -> setting of a source.
OPTIONS = {
    "file": "path",
    "collections": "collections_path",
    "domain": "domain",
    "api_version": "api_version",
    "location": "location_ids",
    "url": "base_url",
    "channel": "channel",
    "locale": "locale",
    "attribute": "attributes",
}
_FILES = ("file", "collections", "credentials")
_SEVERAL = ("location", "attribute")
_COLUMNS = ("key", "source", "name", "currency", "language", "credentials", *OPTIONS)
_DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab"}
_MAX_BYTES = 4 * 1024 * 1024
_MAX_SHOWN = 10


@dataclass(frozen=True)
class NewStore:
    """One store to add; `line` is where it stands in the table."""

    key: str
    source: str
    source_settings: Mapping[str, Any]
    name: str | None = None
    currency: str = "USD"
    language: str | None = None
    credentials: Path | None = None
    line: int = 0


def source_settings(options: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a source from those of OPTIONS that are among `options` (None, or an empty list: not given); attributes as
    `role=code` texts."""
    given = {setting: options[name] for name, setting in OPTIONS.items() if options.get(name) not in (None, [], ())}
    if "attributes" in given:
        given["attributes"] = _attributes(given["attributes"])
    return given


def read_store_list(path: Path) -> list[NewStore]:
    """The stores of a table, checked without a database. Paths in it are relative to its folder.

    Raises UsageError that names every wrong line, up to ten."""
    rows = _rows(path)
    stores, wrong, lines = [], [], dict[str, int]()
    for line, row in rows:
        try:
            store = _store(row, line, path.parent)
            if store.key in lines:
                raise UsageError(f"the key {store.key} stands on line {lines[store.key]} already")
            lines[store.key] = line
            stores.append(store)
        except UsageError as error:
            wrong.append((line, str(error)))
    refuse(path, wrong)
    if not stores:
        raise UsageError(f"{path.name} has no store; its columns are options of store add, its rows are stores")
    return stores


def refuse(path: Path, wrong: Sequence[tuple[int, str]]) -> None:
    """Raise UsageError for the lines that are wrong, if there are any; then no store at all is added."""
    if wrong:
        more = f"; and {len(wrong) - _MAX_SHOWN} more" if len(wrong) > _MAX_SHOWN else ""
        listed = "; ".join(f"line {line}: {reason}" for line, reason in wrong[:_MAX_SHOWN])
        raise UsageError(f"no store of {path.name} is added, correct these lines first: {listed}{more}")


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{path.name} is not UTF-8; save it as CSV in UTF-8") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{shown(str(path), 200)} cannot be read: {getattr(error, 'strerror', None) or 'not a path'}") from None
    if len(content) > _MAX_BYTES:
        raise UsageError(f"{path.name} is larger than {_MAX_BYTES} bytes; it is not a table of stores")
    head = text.split("\n", 1)[0]
    delimiter = max(_DELIMITERS, key=head.count)  # spreadsheets write what their language has
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header = [re.sub(r"[\s-]+", "_", name.strip().lower()) for name in next(reader, [])]
        _check_header(header)
        found, line = [], reader.line_num + 1
        for cells in reader:
            if len(cells) > len(header):
                raise UsageError(
                    f"{path.name} line {line} has {len(cells)} cells for {len(header)} columns; quote texts that have a "
                    f"{_DELIMITERS[delimiter]} in them"
                )
            if any(cell.strip() for cell in cells):
                found.append((line, {name: cell.strip() for name, cell in zip(header, cells, strict=False) if cell.strip()}))
            line = reader.line_num + 1
    except csv.Error:
        raise UsageError(f"{path.name} is not readable CSV at line {reader.line_num}; look at its quotes") from None
    return found


def _check_header(header: list[str]) -> None:
    for name in header:
        if name not in _COLUMNS:
            raise UsageError(
                f"{shown(name)!r} is not a column of a table of stores; known columns: {known_names(name, _COLUMNS)} "
                "(a secret never stands in it, credentials name a file)"
            )
    if "key" not in header or len(set(header)) < len(header):
        raise UsageError("a table of stores needs a column key, and no column twice")


def _store(row: Mapping[str, str], line: int, folder: Path) -> NewStore:
    options: dict[str, Any] = dict(row)
    for name in _FILES:
        if name in options:
            options[name] = folder / Path(options[name]).expanduser()
    for name in _SEVERAL:
        if name in options:
            options[name] = [part for part in re.split(r"[;\s]+", options[name]) if part]
    key, source = options.get("key", ""), options.get("source", "shopify-file")
    check_key(key)
    kind = source_kind(source)
    settings = source_settings(options)
    kind.check(settings)
    if kind.live and "credentials" not in options:
        raise UsageError(f"the source {source} needs credentials: a column credentials that names a file for each store")
    more = {name: options[name] for name in ("name", "currency", "language", "credentials") if name in options}
    return NewStore(key, source, settings, line=line, **more)


def _attributes(texts: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for text in texts:
        role, equals, codes = text.partition("=")
        if not equals or not role.strip() or not codes.strip():
            raise UsageError("an attribute is given as role=code, for example title=name or images=front,back")
        several = [code.strip() for code in codes.split(",")]
        found[role.strip()] = several if len(several) > 1 else several[0]
    return found
