"""The memory of a store from and to files of translators' tools. What comes in passes the guards like any translation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from uuid import UUID

import psycopg

from pipeline.language.languages import base, counted_as
from pipeline.language.translation import guards
from pipeline.language.translation.glossary import Glossary, read_glossary
from pipeline.language.translation.masks import spans
from pipeline.language.translation.memory import Translation, counted_languages, remember, remembers, text_hash
from pipeline.language.translation.segments import TEXT, Segment, loosely, tidy
from pipeline.language.translation.tmx import Bad, Unit, write_tmx
from pipeline.model.errors import BadInputError


@dataclass(frozen=True)
class Row:
    """What became of one text of a file in one language, the one that it is remembered for. `line` is 1-based; `reason` says why
    it is refused; `of`: products | labels of the store that have the text now."""

    line: int
    language: str
    source: str
    outcome: Literal["new", "changed", "unchanged", "refused"]
    reason: str = ""
    of: tuple[str, ...] = ()

    @property
    def kept(self) -> bool:
        return self.outcome != "refused"


@dataclass(frozen=True)
class Imported:
    """A row for each translation of a file and each language that it is remembered for, and for what is none; in the order of the
    file. `counted`: languages of the file -> those that they counted as, or counted as too."""

    rows: Sequence[Row]
    counted: Mapping[str, str] = field(default_factory=dict)

    @property
    def by_language(self) -> dict[str, Counter[str]]:
        """Outcomes; what has no language that could be told is under ''."""
        found: dict[str, Counter[str]] = {}
        for row in self.rows:
            found.setdefault(row.language, Counter())[row.outcome] += 1
        return dict(sorted(found.items()))

    @property
    def refused(self) -> list[Row]:
        return [row for row in self.rows if not row.kept]

    @property
    def strangers(self) -> int:
        """How many of the remembered are of no text that the store has."""
        return len({(row.line, self.counted.get(row.language, row.language)) for row in self.rows if row.kept and not row.of})


@dataclass(frozen=True)
class Uses:
    """Where the store uses texts. Of products: `loosely` -> as segments, so that a translation is judged as it will be when it is
    used; `glossary` counts for these. `labels`: hashes of texts. `languages`: that products or labels are translated into."""

    glossary: Glossary = field(default_factory=Glossary)
    segments: Mapping[str, Sequence[Segment]] = field(default_factory=dict)
    labels: Collection[str] = ()
    languages: Collection[str] = ()


def import_units(
    connection: psycopg.Connection[Any],
    store_id: UUID,
    units: Iterable[Unit | Bad],
    name: str,
    source_locale: str,
    only: Collection[str] = (),
    uses: Uses | None = None,
    *,
    meaning: bool = True,
) -> Imported:
    """Remember what a file translates from the source language into others (`only` these, empty: all; one without a region is for
    all regions). Without `meaning` only what must never break is judged, see `guards.check`.

    Raises BadInputError, and then the caller's transaction must be rolled back."""
    own, uses = read_glossary(connection, store_id), uses or Uses()
    units = list(units)
    spoken = {locale for unit in units if isinstance(unit, Unit) for locale in unit.texts if base(locale) != base(source_locale)}
    wanted = {locale for locale in spoken if not only or locale in only or base(locale) in only}
    if spoken and not wanted:
        into, others = ", ".join(sorted(only)), ", ".join(sorted(spoken))
        raise BadInputError(f"{name} has no translations into {into}, but into {others}; say one of these with --to, or none")
    counted = counted_as(wanted, uses.languages)
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
        of = (*(["products"] if used else []), *(["labels"] if text_hash({TEXT: source}) in uses.labels else []))
        glossary, segments = (uses.glossary, used) if used else (own, [_alone(source)])
        for locale, text in _remembered_for(unit, wanted, counted, uses.languages):
            row = Row(unit.line, locale, source, "unchanged", of=of)
            sources = dict.fromkeys([*(each.forms[TEXT] for each in segments), *([source] if "labels" in of else [])])
            kept = [Translation({TEXT: each}, {TEXT: text}, "", name) for each in sources]
            # What people insisted on before is not refused now.
            insist = not meaning or all(remembers(connection, store_id, source_locale, locale, each) for each in kept)
            targets = [(each, {TEXT: tidy(each.forms[TEXT], text)}) for each in segments]
            judged = (guards.check(*each, source_locale, locale, glossary, meaning=not insist) for each in targets)
            if problems := next(filter(None, judged), None):
                rows.append(replace(row, outcome="refused", reason="; ".join(problems[:3])))
                continue
            outcomes = set(remember(connection, store_id, source_locale, locale, kept))
            rows.append(replace(row, outcome=next(one for one in ("changed", "new", "unchanged") if one in outcomes)))
    if not rows:
        raise BadInputError(f"{name} has no translations from {source_locale}; say its language with --from")
    return Imported(rows, counted)


def _remembered_for(
    unit: Unit, wanted: Collection[str], counted: Mapping[str, str], used: Collection[str]
) -> Iterator[tuple[str, str]]:
    """(language, text): as it is written, unless the store only uses the one that it counts as, of which the unit's own goes
    first."""
    for locale, text in unit.texts.items():
        if locale in wanted and (locale not in counted or locale in used):
            yield locale, text
        if locale in wanted and locale in counted and counted[locale] not in unit.texts:
            yield counted[locale], text


def _alone(source: str) -> Segment:
    """A text that no product has."""
    return Segment({TEXT: source}, html=any(span.kind == "tag" for span in spans(source)))


def export_tmx(
    connection: psycopg.Connection[Any], store_id: UUID, source_locale: str, target_locale: str
) -> tuple[bytes, int, int]:
    """All that is used for a language: the file, how many translations it has, and how many are left out because they have plural
    forms."""
    languages = counted_languages(connection, store_id, source_locale, target_locale)
    rows = connection.execute(
        "SELECT source, target FROM translation_memory WHERE store_id = %s AND source_locale = %s AND target_locale = ANY(%s)"
        " ORDER BY array_position(%s, target_locale), source_hash, context",
        (store_id, source_locale, languages, languages),
    ).fetchall()
    pairs = dict.fromkeys(
        (source[TEXT], target[TEXT]) for source, target in rows if list(source) == [TEXT] and list(target) == [TEXT]
    )
    left = sum(list(source) != [TEXT] or list(target) != [TEXT] for source, target in rows)
    return write_tmx(source_locale, target_locale, pairs), len(pairs), left
