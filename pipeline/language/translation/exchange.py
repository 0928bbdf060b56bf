"""The memory of a store from and to files of translators' tools. What comes in passes the guards like any translation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from uuid import UUID

import psycopg

from pipeline.language.languages import base
from pipeline.language.translation import guards
from pipeline.language.translation.glossary import Glossary, read_glossary
from pipeline.language.translation.masks import spans
from pipeline.language.translation.memory import Translation, remember
from pipeline.language.translation.segments import TEXT, Segment, loosely, tidy
from pipeline.language.translation.tmx import Bad, Unit, write_tmx
from pipeline.model.errors import BadInputError


@dataclass(frozen=True)
class Row:
    """What became of one text of a file in one language. `line` is 1-based; `reason` says why it is refused."""

    line: int
    language: str
    source: str
    outcome: Literal["new", "changed", "unchanged", "refused"]
    reason: str = ""


@dataclass(frozen=True)
class Imported:
    """A row for each translation of a file, and for what is none; in the order of the file."""

    rows: Sequence[Row]

    @property
    def by_language(self) -> dict[str, Counter[str]]:
        """Outcomes; what has no language that could be told is under ''."""
        found: dict[str, Counter[str]] = {}
        for row in self.rows:
            found.setdefault(row.language, Counter())[row.outcome] += 1
        return dict(sorted(found.items()))

    @property
    def refused(self) -> list[Row]:
        return [row for row in self.rows if row.outcome == "refused"]


@dataclass(frozen=True)
class Uses:
    """Where the store uses texts: `loosely` -> as segments, so that a translation is judged as it will be when it is used.
    `glossary` counts for these."""

    glossary: Glossary = field(default_factory=Glossary)
    segments: Mapping[str, Sequence[Segment]] = field(default_factory=dict)


def import_units(
    connection: psycopg.Connection[Any],
    store_id: UUID,
    units: Iterable[Unit | Bad],
    name: str,
    source_locale: str,
    only: Collection[str] = (),
    uses: Uses | None = None,
) -> Imported:
    """Remember what a file translates from the source language into others (`only` these, empty: all).

    Raises BadInputError, and then the caller's transaction must be rolled back."""
    own, uses = read_glossary(connection, store_id), uses or Uses()
    rows: list[Row] = []
    for unit in units:
        if isinstance(unit, Bad):
            rows.append(Row(unit.line, "", "", "refused", unit.reason))
            continue
        source = unit.texts.get(source_locale) or next(
            (text for locale, text in unit.texts.items() if base(locale) == base(source_locale)), None
        )
        if not source or not source.strip():
            rows.append(Row(unit.line, "", "", "refused", f"it has no text in {source_locale}"))
            continue
        used = uses.segments.get(loosely(source), ())
        glossary, segments = (uses.glossary, used) if used else (own, [_alone(source)])
        for locale, text in unit.texts.items():
            if base(locale) == base(source_locale) or (only and locale not in only):
                continue
            row = Row(unit.line, locale, source, "unchanged")
            targets = [(each, {TEXT: tidy(each.forms[TEXT], text)}) for each in segments]
            judged = (guards.check(*each, source_locale, locale, glossary) for each in targets)
            if problems := next(filter(None, judged), None):
                rows.append(replace(row, outcome="refused", reason="; ".join(problems[:3])))
                continue
            sources = dict.fromkeys(each.forms[TEXT] for each in segments)
            kept = [Translation({TEXT: each}, {TEXT: text}, "", name) for each in sources]
            outcomes = set(remember(connection, store_id, source_locale, locale, kept))
            rows.append(replace(row, outcome=next(one for one in ("changed", "new", "unchanged") if one in outcomes)))
    if not rows:
        raise BadInputError(f"{name} has no translations from {source_locale}; say its language with --from")
    return Imported(rows)


def _alone(source: str) -> Segment:
    """A text that no product has."""
    return Segment({TEXT: source}, html=any(span.kind == "tag" for span in spans(source)))


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
