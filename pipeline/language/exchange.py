"""The memory of a store from and to files of translators' tools. What comes in passes the guards like any translation."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg

from pipeline.language import guards
from pipeline.language.glossary import read_glossary
from pipeline.language.languages import base
from pipeline.language.masks import spans
from pipeline.language.memory import Translation, remember
from pipeline.language.segments import TEXT, Segment
from pipeline.language.tmx import Bad, read_tmx, write_tmx
from pipeline.model.errors import BadInputError


@dataclass(frozen=True)
class Imported:
    """`new`: language -> how many translations were new or changed; `read` in all; `refused`: (line, language, reason)."""

    read: int
    new: dict[str, int]
    refused: list[tuple[int, str, str]]


def import_tmx(
    connection: psycopg.Connection[Any], store_id: UUID, content: bytes, name: str, source_locale: str, only: Collection[str] = ()
) -> Imported:
    """Remember what a TMX file translates from the source language into others (`only` these, empty: all).

    Raises BadInputError, and then the caller's transaction must be rolled back."""
    glossary = read_glossary(connection, store_id)
    kept: dict[str, list[Translation]] = {}
    refused: list[tuple[int, str, str]] = []
    read = 0
    for unit in read_tmx(content, name):
        if isinstance(unit, Bad):
            refused.append((unit.line, "", unit.reason))
            continue
        source = unit.texts.get(source_locale) or next(
            (text for locale, text in unit.texts.items() if base(locale) == base(source_locale)), None
        )
        if not source or not source.strip():
            refused.append((unit.line, "", f"it has no text in {source_locale}"))
            continue
        segment = Segment({TEXT: source}, html=any(span.kind == "tag" for span in spans(source)))
        for locale, text in unit.texts.items():
            if base(locale) == base(source_locale) or (only and locale not in only):
                continue
            read += 1
            problems = guards.check(segment, {TEXT: text}, source_locale, locale, glossary)
            if problems:
                refused.append((unit.line, locale, "; ".join(problems[:3])))
            else:
                kept.setdefault(locale, []).append(Translation({TEXT: source}, {TEXT: text}, "", name))
    if not read and not refused:
        raise BadInputError(f"{name} has no translations from {source_locale}; say its language with --from")
    new = {locale: remember(connection, store_id, source_locale, locale, each) for locale, each in sorted(kept.items())}
    return Imported(read, new, refused)


def export_tmx(
    connection: psycopg.Connection[Any], store_id: UUID, source_locale: str, target_locale: str
) -> tuple[bytes, int, int]:
    """The file, how many translations it has, and how many are left out because they have plural forms."""
    rows = connection.execute(
        "SELECT source, target FROM translation_memory WHERE store_id = %s AND source_locale = %s AND target_locale = %s"
        " ORDER BY source_hash, context",
        (store_id, source_locale, target_locale),
    ).fetchall()
    pairs = dict.fromkeys(
        (source[TEXT], target[TEXT]) for source, target in rows if list(source) == [TEXT] and list(target) == [TEXT]
    )
    left = sum(list(source) != [TEXT] or list(target) != [TEXT] for source, target in rows)
    return write_tmx(source_locale, target_locale, pairs), len(pairs), left
