"""The label files of a store: a copy of each below the data directory, and its row in `label_files`.

A resource is one file in one or more languages. The file in the language that labels are written in is its source; files in
other languages hold translations, and what they say is remembered as people's words.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePath
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from pipeline.labels.formats import format_of, read
from pipeline.labels.model import MAX_BYTES, LabelFile
from pipeline.language.languages import base
from pipeline.model.errors import BadInputError, PipelineError, UsageError
from pipeline.settings import Settings
from pipeline.stores.stores import Store
from pipeline.stores.text import plain_text, shown

_RESOURCE = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_COLUMNS = "resource, locale, is_source, name, path, sha256, bytes, imported_at"


@dataclass(frozen=True)
class StoredFile:
    """`path` is that of the copy, below the data directory."""

    resource: str
    locale: str
    is_source: bool
    name: str
    path: str
    sha256: str
    bytes: int
    imported_at: datetime


class Added(NamedTuple):
    """A file that is the store's now, and the one whose place it took."""

    stored: StoredFile
    file: LabelFile
    replaced: StoredFile | None


def list_files(connection: psycopg.Connection[Any], store_id: UUID) -> list[StoredFile]:
    with connection.cursor(row_factory=class_row(StoredFile)) as cursor:
        return cursor.execute(
            f"SELECT {_COLUMNS} FROM label_files WHERE store_id = %s ORDER BY resource, NOT is_source, locale",  # noqa: S608
            (store_id,),
        ).fetchall()


def add_file(
    connection: psycopg.Connection[Any],
    settings: Settings,
    store: Store,
    name: str,
    content: bytes,
    locale: str,
    *,
    resource: str | None = None,
    source: bool = False,
) -> Added:
    """Read a file's content, keep a copy, and note it as the store's. A newer version of the same file replaces the one before;
    another file whose name only makes the same resource is refused, unless `resource` names what it is to replace.

    It is the source if its language is the store's, if it replaces a source, or if `source` says so. Raises UsageError and
    BadInputError in one sentence, and then nothing is changed.
    """
    file = read(content, name, locale)
    if not file.labels:
        raise BadInputError(f"{name} has no labels{_first_reason(file)}; the file before stays")
    named, resource = resource is not None, resource or resource_of(name, locale)
    if not _RESOURCE.fullmatch(resource):
        raise UsageError(f"{shown(resource)!r} cannot name a resource: use up to 63 lower-case letters, digits, dots and hyphens")
    found = {stored.locale: stored for stored in list_files(connection, store.id) if stored.resource == resource}
    before = found.get(locale)
    if before is not None and before.name != name and not named:
        raise UsageError(
            f"{before.name} is {resource} in {locale} already; say --resource {resource} if {name} is to replace it, or give "
            f"{name} a name of its own with --resource NAME"
        )
    present = next((stored for stored in found.values() if stored.is_source), None)
    if source and present and present.locale != locale:
        raise UsageError(
            f"the source of {resource} is in {present.locale} already; import {name} without --source, or name it --resource NAME"
        )
    is_source = source or (present.locale == locale if present else base(locale) == base(store.language))
    if not is_source and present is None:
        raise UsageError(
            f"there is no file that {name} is a translation of; import the one in {store.language} first, "
            f"name it with --resource NAME, or say --source if {locale} is the language that labels are written in"
        )
    if not is_source and present is not None:
        _refuse_strange(settings, present, file, name, list_files(connection, store.id))
    sha256 = hashlib.sha256(content).hexdigest()
    copy = PurePath("labels", store.key, resource, f"{locale}-{sha256[:12]}{PurePath(name).suffix.lower()}")
    _keep(settings.data_dir / copy, content)
    with connection.cursor(row_factory=class_row(StoredFile)) as cursor:
        stored = cursor.execute(
            "INSERT INTO label_files (store_id, resource, locale, is_source, name, path, sha256, bytes)"  # noqa: S608
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (store_id, resource, locale) DO UPDATE SET"
            " name = excluded.name, path = excluded.path, sha256 = excluded.sha256, bytes = excluded.bytes,"
            f" imported_at = clock_timestamp() RETURNING {_COLUMNS}",
            (store.id, resource, locale, is_source, name, str(copy), sha256, len(content)),
        ).fetchone()
    if stored is None:
        raise AssertionError("INSERT .. RETURNING gives a row")
    return Added(stored, file, before)


def _refuse_strange(settings: Settings, source: StoredFile, file: LabelFile, name: str, known: Sequence[StoredFile]) -> None:
    """Raise UsageError for translations of which no key is the source's: they are of another file and would replace good ones."""
    keys = {label.key for label in file.labels}
    others = [stored for stored in known if stored.is_source and stored.resource != source.resource]
    if any(label.key in keys for label in open_file(settings, source).labels):
        return
    fitting = [
        stored.resource for stored in others if any(label.key in keys for label in open_file(settings, stored).labels)
    ]  # fmt: skip
    fits = f"its keys are those of {', '.join(fitting)}: --resource {fitting[0]}" if fitting else (
        "import the file that it translates first, and give both a name with --resource NAME"
    )  # fmt: skip
    raise UsageError(f"no key of {name} is in {source.name}, the source of {source.resource}; {fits}")


def remove_file(connection: psycopg.Connection[Any], store: Store, resource: str, locale: str | None = None) -> int:
    """Forget a resource, or its file of one language; without its source nothing of it is left. The copies stay.

    Raises UsageError when there is none."""
    gone = connection.execute(
        "DELETE FROM label_files AS file WHERE store_id = %(store)s AND resource = %(resource)s AND (%(locale)s::text IS NULL"
        " OR locale = %(locale)s OR EXISTS (SELECT FROM label_files AS source WHERE source.store_id = file.store_id"
        " AND source.resource = file.resource AND source.is_source AND source.locale = %(locale)s))",
        {"store": store.id, "resource": resource, "locale": locale},
    ).rowcount
    if not gone:
        what = shown(resource) if locale is None else f"{shown(resource)} in {shown(locale)}"
        raise UsageError(f"{store.key} has no label file {what}; see: pipeline labels status {store.key}")
    return gone


def open_file(settings: Settings, stored: StoredFile) -> LabelFile:
    """A stored file, read again. Raises PipelineError when its copy is gone or is not what was imported."""
    try:
        content = (settings.data_dir / stored.path).read_bytes()
    except OSError:
        content = b""
    if hashlib.sha256(content).hexdigest() != stored.sha256:
        raise PipelineError(f"the copy of {stored.name} ({stored.path}) is gone or damaged; import the file again")
    return read(content, stored.name, stored.locale)


def resource_of(name: str, locale: str) -> str:
    """What a file is called in every language: `messages.en.po` is `messages`, `en.default.schema.json` is `schema`."""
    parts = re.split(r"[.\s]+", PurePath(name).stem.lower())
    ours = {locale.lower(), base(locale), locale.lower().replace("-", "_"), "default"}
    rest = [part for part in parts if part not in ours]
    return re.sub(r"[^a-z0-9.-]+", "-", ".".join(rest)).strip(".-")[:63] or "main"


def name_in(name: str, source_locale: str, locale: str) -> str:
    """The name of a file in another language: `en.default.json` becomes `de.json`, `labels.csv` becomes `labels.de.csv`."""
    path = PurePath(name)
    parts = [part for part in path.stem.split(".") if part.lower() != "default"] or [source_locale]
    ours = (source_locale.lower(), base(source_locale), source_locale.lower().replace("-", "_"))
    put = [locale if part.lower() in ours else part for part in parts]
    return ".".join([*(put if put != parts else [*parts, locale])]) + path.suffix


def file_content(path: Path) -> tuple[str, bytes]:
    """Name and content of a label file to add. Raises UsageError and BadInputError for what cannot be one."""
    name = plain_text(path.name, "the name of the file")
    format_of(name)
    if not path.is_file():
        raise UsageError(f"the label file {shown(str(path), 200)} does not exist or is not a file")
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise BadInputError(f"{name} has {size:,} bytes; label files may have {MAX_BYTES:,}: split it")
        return name, path.read_bytes()
    except OSError as error:
        raise UsageError(f"the label file {shown(str(path), 200)} cannot be read: {error.strerror}") from None


def _keep(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f".{path.name}.tmp")
    half.write_bytes(content)
    half.replace(path)


def _first_reason(file: LabelFile) -> str:
    first = next(iter(file.rejected), None)
    return f" (line {first.line}: {first.reason})" if first else ""
