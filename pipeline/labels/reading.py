"""Label files into the tables `ui_labels` and `rejected_labels`, and translations by people into the memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pandas as pd
import psycopg

from pipeline.labels.files import StoredFile
from pipeline.labels.groups import LabelGroup, kind_of, label_forms, make_group
from pipeline.labels.model import LabelFile, RejectedLabel
from pipeline.labels.schema import REJECTED_LABELS, UI_LABELS
from pipeline.labels.translation import TASK
from pipeline.language.translation import guards, icu
from pipeline.language.translation.glossary import Glossary
from pipeline.language.translation.masks import placeholders
from pipeline.language.translation.memory import Translation, remember, remembered_at, text_hash
from pipeline.language.translation.plan import Pair, make_plan
from pipeline.language.translation.segments import TEXT, Segment, tidy
from pipeline.platform.tables import empty_frame, to_frame


def label_rows(stored: StoredFile, file: LabelFile) -> list[dict[str, Any]]:
    """Rows of `ui_labels` of a source file."""
    return [
        {
            "resource": stored.resource,
            "key": label.key,
            "form": label.form,
            "source_locale": stored.locale,
            "text": label.text,
            "digest": label.version,
            "kind": kind_of(label.key, label.text),
            "placeholders": placeholders(label.text),
            "max_length": label.max_length,
            "line": label.line,
        }
        for label in file.labels
    ]


def rejected_rows(stored: StoredFile, rejected: Iterable[RejectedLabel]) -> list[dict[str, Any]]:
    """Rows of `rejected_labels`."""
    return [
        {
            "resource": stored.resource,
            "locale": stored.locale,
            "file": stored.name,
            "key": label.key,
            "line": label.line,
            "reason": label.reason,
            "excerpt": label.excerpt,
        }
        for label in rejected
    ]


def frames(labels: list[dict[str, Any]], rejected: list[dict[str, Any]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows as the two tables."""
    return _frame(labels, UI_LABELS), _frame(rejected, REJECTED_LABELS)


def _frame(rows: list[dict[str, Any]], schema: Any) -> pd.DataFrame:
    import pyarrow as pa

    return to_frame(pa.Table.from_pylist(rows, schema=schema)) if rows else empty_frame(schema)


@dataclass(frozen=True)
class Judged:
    """What a file of translations says, a key at a time: translations that are good and of what (`segments`), keys whose text is
    still the source's or empty, and what is refused."""

    good: list[Translation]
    segments: list[Segment]
    unchanged: int
    refused: list[RejectedLabel]


def learn(
    connection: psycopg.Connection[Any],
    store_id: UUID,
    glossary: Glossary,
    source: tuple[StoredFile, LabelFile],
    translated: tuple[StoredFile, LabelFile],
) -> Judged:
    """Remember what a file of translations says of the source's texts of today: of those that changed after it only what it did
    not say of them as they were before. What a model said stays the model's, also when its file comes back."""
    judged, place = judge(glossary, source, translated), (store_id, source[0].locale, translated[0].locale)
    results = make_plan(connection, Pair(store_id, TASK, *place[1:], glossary, None), judged.segments).finished()
    good = [
        one
        for one, said in zip(judged.good, results, strict=True)
        if said is None or not said.engine.startswith("model:") or said.forms != one.target
    ]
    if translated[0].imported_at < source[0].imported_at:
        before = remembered_at(connection, *place, [one.context for one in good])
        good = [one for one in good if not _is_of_before(one, before.get(one.context, ()))]
    remember(connection, *place, good)
    return judged


def _is_of_before(one: Translation, said: Iterable[tuple[str, Mapping[str, str]]]) -> bool:
    """Whether a place has this translation already, but of another text."""
    digests = {digest for digest, target in said if target == one.target}
    return bool(digests) and text_hash(one.source) not in digests


def judge(glossary: Glossary, source: tuple[StoredFile, LabelFile], translated: tuple[StoredFile, LabelFile]) -> Judged:
    """Which translations of the source's texts of today the guards let pass. Texts that are still the source's are none."""
    (source_file, originals), (stored, file) = source, translated
    known = label_forms((label.key, label.form, label.text) for label in originals.labels)
    lines = {label.key: label.line for label in reversed(file.labels)}
    kept, segments, refused, unchanged = [], [], [], 0
    for key, texts in label_forms((label.key, label.form, label.text) for label in file.labels).items():
        if key not in known:
            refused.append(RejectedLabel(key, lines[key], f"the source file {source_file.name} has no such key"))
            continue
        group = make_group(stored.resource, key, source_file.locale, known[key], {})
        try:
            target = _target(group, texts, stored.locale)
        except ValueError as error:
            refused.append(RejectedLabel(key, lines[key], str(error), next(iter(texts.values()))[:120]))
            continue
        if target == dict(group.segment.forms) or not any(text.strip() for text in target.values()):
            unchanged += 1
            continue
        problems = guards.check(group.segment, target, source_file.locale, stored.locale, glossary)
        if problems:
            refused.append(RejectedLabel(key, lines[key], "; ".join(problems[:3]), next(iter(texts.values()))[:120]))
        else:
            kept.append(Translation(group.segment.forms, target, group.segment.context, stored.name))
            segments.append(group.segment)
    return Judged(kept, segments, unchanged, refused)


def _target(group: LabelGroup, texts: dict[str | None, str], locale: str) -> dict[str, str]:
    """A translation in the group's forms; a form that people left out is their general one."""
    if group.problem:
        raise ValueError(group.problem)
    if group.message is not None:
        found: dict[str, str] = dict(icu.parse(texts.get(None, "")).forms)
    elif group.segment.plural:
        found = {form: text for form, text in texts.items() if form is not None}
        if not found:
            raise ValueError("the source has plural forms, this has one text")
    elif None in texts:
        found = {TEXT: texts[None]}
    else:
        raise ValueError("this has plural forms, the source has one text")
    general = found.get("other", list(found.values())[-1])
    wanted = group.segment.wanted(locale)
    return {form: tidy(group.segment.references(form, locale)[-1], found.get(form, general)) for form in wanted}
