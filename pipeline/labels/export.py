"""Translations back into files: the stored source file of each resource with the texts of another language."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.labels.files import StoredFile, name_in, open_file
from pipeline.model.errors import PipelineError
from pipeline.platform.tables import Table
from pipeline.settings import Settings


@dataclass(frozen=True)
class Written:
    """One file. `translated` labels have a text of the language, `missing` ones keep the source's (in PO files: stay empty);
    `stale` ones of these were translated from a source text that has changed since."""

    resource: str
    locale: str
    path: Path
    translated: int
    missing: int
    stale: int


def export_files(
    settings: Settings, sources: Sequence[StoredFile], translated: Table, locales: Sequence[str], folder: Path
) -> Iterator[Written]:
    """Write `folder/<locale>/<name>` for each source file and language. Raises PipelineError when a file cannot be written."""
    wanted = ["resource", "key", "form", "locale", "digest", "text"]
    rows: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in translated.arrow(wanted).to_pylist():
        rows.setdefault((row["resource"], row["locale"]), []).append(row)
    for stored in sources:
        file = open_file(settings, stored)
        present: dict[str, set[str]] = {}
        for label in file.labels:
            present.setdefault(label.key, set()).add(label.version)
        for locale in locales:
            mine = [row for row in rows.get((stored.resource, locale), []) if row["text"] is not None]
            # A label is written whole or not at all: forms of two versions do not mix.
            stale = {row["key"] for row in mine if row["digest"] not in present.get(row["key"], ())}
            texts = {(row["key"], row["form"]): str(row["text"]) for row in mine if row["key"] not in stale}
            path = folder / locale / name_in(stored.name, stored.locale, locale)
            _write(path, file.render(texts, locale))
            done = sum((label.key, label.form) in texts for label in file.labels)
            old = sum(label.key in stale for label in file.labels)
            yield Written(stored.resource, locale, path, done, len(file.labels) - done, old)


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        half = path.with_name(f".{path.name}.tmp")
        half.write_bytes(content)
        half.replace(path)
    except OSError as error:
        raise PipelineError(f"{path} cannot be written: {error.strerror}; give another folder with --out") from None
