"""Translations that people made, found again by their exact source text. Rows of the table `translation_memory`.

One that was made for a place (`context`) counts there before one from elsewhere. A model's answers are in `results`; they never
come before these.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from pipeline.language.languages import base, counted_as

Forms = Mapping[str, str]
#: What became of a translation that was to be remembered.
Outcome = Literal["new", "changed", "unchanged"]


@dataclass(frozen=True)
class Remembered:
    """A translation by people of exactly these source forms; `context` is where it was made."""

    context: str
    target: Forms


@dataclass(frozen=True)
class Translation:
    """A translation to remember; `origin` is where it came from, for people."""

    source: Forms
    target: Forms
    context: str
    origin: str


def text_hash(forms: Forms, *more: Any) -> str:
    """A name for texts, whatever their composition of characters and outer spaces."""
    even = {form: unicodedata.normalize("NFC", text.strip()) for form, text in forms.items()}
    return hashlib.sha256(json.dumps([sorted(even.items()), *more], ensure_ascii=False).encode()).hexdigest()


def remember(
    connection: psycopg.Connection[Any],
    store_id: UUID,
    source_locale: str,
    target_locale: str,
    translations: Iterable[Translation],
) -> list[Outcome]:
    """Keep what people translated; what became of each."""
    outcomes: list[Outcome] = []
    for each in translations:
        row = (text_hash(each.source), each.context, Jsonb(dict(each.source)), Jsonb(dict(each.target)), each.origin)
        done = connection.execute(
            "INSERT INTO translation_memory AS old (store_id, source_locale, target_locale, source_hash, context, source,"
            " target, origin) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (store_id, source_locale, target_locale, source_hash, context) DO UPDATE"
            " SET target = excluded.target, origin = excluded.origin, updated_at = clock_timestamp()"
            " WHERE old.target <> excluded.target RETURNING xmax = 0",  # 0: nobody had that row before
            (store_id, source_locale, target_locale, *row),
        ).fetchone()
        outcomes.append("unchanged" if done is None else "new" if done[0] else "changed")
    return outcomes


def remembers(
    connection: psycopg.Connection[Any], store_id: UUID, source_locale: str, target_locale: str, each: Translation
) -> bool:
    """Whether this very translation is there already."""
    row = connection.execute(
        "SELECT FROM translation_memory WHERE store_id = %s AND source_locale = %s AND target_locale = %s AND source_hash = %s"
        " AND context = %s AND target = %s",
        (store_id, source_locale, target_locale, text_hash(each.source), each.context, Jsonb(dict(each.target))),
    ).fetchone()
    return row is not None


def recall(
    connection: psycopg.Connection[Any],
    store_id: UUID,
    source_locale: str,
    target_locale: str,
    sources: Iterable[Forms],
    used: Collection[str] = (),
) -> dict[str, list[Remembered]]:
    """What is remembered of these texts, by their hash, the newest first. `used`: all languages that the store uses."""
    spoken = counted_languages(connection, store_id, source_locale, target_locale, used)
    rows = connection.execute(
        "SELECT source_hash, context, target FROM translation_memory WHERE store_id = %s AND source_locale = %s"
        " AND target_locale = ANY(%s) AND source_hash = ANY(%s)"
        " ORDER BY source_hash, target_locale = %s DESC, updated_at DESC, context",
        (store_id, source_locale, spoken, list({text_hash(forms) for forms in sources}), target_locale),
    )
    found: dict[str, list[Remembered]] = {}
    for digest, context, target in rows:
        found.setdefault(digest, []).append(Remembered(context, target))
    return found


def remembered_at(
    connection: psycopg.Connection[Any], store_id: UUID, source_locale: str, target_locale: str, contexts: Iterable[str]
) -> dict[str, list[tuple[str, Forms]]]:
    """What was remembered for places: place -> (hash of the source text, translation)."""
    rows = connection.execute(
        "SELECT context, source_hash, target FROM translation_memory WHERE store_id = %s AND source_locale = %s"
        " AND target_locale = %s AND context = ANY(%s)",
        (store_id, source_locale, target_locale, list(contexts)),
    )
    found: dict[str, list[tuple[str, Forms]]] = {}
    for context, digest, target in rows:
        found.setdefault(context, []).append((digest, target))
    return found


def counted_languages(
    connection: psycopg.Connection[Any], store_id: UUID, source_locale: str, target_locale: str, used: Collection[str] = ()
) -> list[str]:
    """A language as it is asked for, and without its country: what people translated into German is good for de-DE. For German
    also what counts as that: de-DE, if no other country's is remembered or used."""
    if target_locale != base(target_locale):
        return [target_locale, base(target_locale)]
    rows = connection.execute(
        "SELECT DISTINCT target_locale FROM translation_memory WHERE store_id = %s AND source_locale = %s"
        " AND starts_with(target_locale, %s)",
        (store_id, source_locale, f"{target_locale}-"),
    )
    return [target_locale, *counted_as([row[0] for row in rows], [target_locale, *used])]


def memory_version(connection: psycopg.Connection[Any], store_id: UUID, source_locale: str, target_locale: str) -> str:
    """Another text when anything between these languages was remembered, changed or forgotten."""
    row = connection.execute(
        "SELECT count(*), max(updated_at) FROM translation_memory WHERE store_id = %s AND source_locale = %s"
        " AND target_locale = ANY(%s)",
        (store_id, source_locale, counted_languages(connection, store_id, source_locale, target_locale)),
    ).fetchone()
    return "" if row is None else f"{row[0]} {row[1]}"
