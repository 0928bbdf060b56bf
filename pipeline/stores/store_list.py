"""New stores as an operator names them: options of `store add`, or the rows of a table of many stores (CSV).

A column is an option. Credentials are never in the table: its column `credentials` names a file for each store.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.model.errors import UsageError
from pipeline.stores.sources import source_kind
from pipeline.stores.stores import check_currency, check_key, check_language
from pipeline.stores.text import known_names, plain_text, shown

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
_MAX_SHOWN = 200


#: Where a table is wrong, and why.
Mistake = tuple[int, str]


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


def read_store_list(path: Path, *, same_source: bool = False) -> tuple[list[NewStore], list[Mistake]]:
    """The stores of a table and all that is wrong with them, as far as it can be told without a database. Paths in it are
    relative to its folder. A store whose settings are wrong has none.

    Raises UsageError for what is no table of stores."""
    rows, wrong = _rows(path)
    if not rows and not wrong:
        raise UsageError(f"{path.name} has no store; its columns are options of store add, its rows are stores")
    stores, keys, catalogs = list[NewStore](), dict[str, int](), dict[Any, int]()
    for line, row in rows:
        store, mistakes = _store(row, line, path.parent)
        first = keys.setdefault(store.key, line)
        if first != line:
            mistakes.append(f"the key {store.key} stands on line {first} already")
        catalog = _identity(store)
        if catalog and not same_source and (first := catalogs.setdefault((store.source, catalog), line)) != line:
            mistakes.append(
                f"line {first} has this catalog already ({', '.join(catalog)}); say --same-source if you want it twice"
            )
        stores.append(store)
        wrong += [(line, mistake) for mistake in mistakes]
    return stores, wrong


def refuse(path: Path, wrong: Sequence[Mistake]) -> None:
    """Raise UsageError for the lines that are wrong, if there are any; then no store at all is added."""
    if wrong:
        found = sorted(wrong, key=lambda mistake: mistake[0])
        more = f"; and {len(found) - _MAX_SHOWN} more" if len(found) > _MAX_SHOWN else ""
        listed = "; ".join(f"line {line}: {reason}" for line, reason in found[:_MAX_SHOWN])
        raise UsageError(f"no store of {path.name} is added, correct these lines first: {listed}{more}")


def _rows(path: Path) -> tuple[list[tuple[int, dict[str, str]]], list[Mistake]]:
    """The rows that are not empty, by line, and those that are none."""
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
        found, wrong, line = [], list[Mistake](), reader.line_num + 1
        for cells in reader:
            if len(cells) > len(header):
                advice = f"quote texts that have a {_DELIMITERS[delimiter]} in them"
                wrong.append((line, f"it has {len(cells)} cells for {len(header)} columns; {advice}"))
            elif any(cell.strip() for cell in cells):
                found.append((line, {name: cell.strip() for name, cell in zip(header, cells, strict=False) if cell.strip()}))
            line = reader.line_num + 1
    except csv.Error:
        raise UsageError(f"{path.name} is not readable CSV at line {reader.line_num}; look at its quotes") from None
    return found, wrong


def _check_header(header: list[str]) -> None:
    for name in header:
        if name not in _COLUMNS:
            raise UsageError(
                f"{shown(name)!r} is not a column of a table of stores; known columns: {known_names(name, _COLUMNS)} "
                "(a secret never stands in it, credentials name a file)"
            )
    if "key" not in header or len(set(header)) < len(header):
        raise UsageError("a table of stores needs a column key, and no column twice")


def _store(row: Mapping[str, str], line: int, folder: Path) -> tuple[NewStore, list[str]]:
    """The store of a row, and everything that is wrong with it."""
    options: dict[str, Any] = dict(row)
    for name in _FILES:
        if name in options:
            options[name] = folder / Path(options[name]).expanduser()
    for name in _SEVERAL:
        if name in options:
            options[name] = [part for part in re.split(r"[;\s]+", options[name]) if part]
    wrong: list[str] = []

    def checked(check: Callable[..., Any], *values: Any) -> Any:
        try:
            return check(*values)
        except UsageError as error:
            wrong.append(str(error))
            return None

    key, source = options.get("key", ""), options.get("source", "shopify-file")
    checked(check_key, key)
    kind, settings = checked(source_kind, source), checked(source_settings, options)
    if kind is not None and settings is not None:
        settings = checked(kind.check, settings)
    if kind is not None and kind.live and "credentials" not in options:
        wrong.append(f"the source {source} needs credentials: a column credentials that names a file for each store")
    more = {name: options[name] for name in ("name", "currency", "language", "credentials") if name in options}
    for name, check in (
        ("name", partial(plain_text, what="the name of the store")),
        ("currency", check_currency),
        ("language", check_language),
    ):
        if name in more:
            checked(check, more[name])
    return NewStore(key, source, settings if kind and settings else {}, line=line, **more), wrong


def _identity(store: NewStore) -> tuple[str, ...]:
    """Which catalog a store has, where two stores could have one."""
    if not store.source_settings:
        return ()
    return tuple(str(store.source_settings.get(name)) for name in source_kind(store.source).identity)


def _attributes(texts: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for text in texts:
        role, equals, codes = text.partition("=")
        if not equals or not role.strip() or not codes.strip():
            raise UsageError("an attribute is given as role=code, for example title=name or images=front,back")
        several = [code.strip() for code in codes.split(",")]
        found[role.strip()] = several if len(several) > 1 else several[0]
    return found
