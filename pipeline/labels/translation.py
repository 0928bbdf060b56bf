"""`ui_labels` into `translated_labels`: plans for all languages of a store, and their results as rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import pandas as pd
import psycopg

from pipeline.labels.groups import LabelGroup
from pipeline.labels.schema import TRANSLATED_LABELS
from pipeline.language.translation.glossary import Glossary
from pipeline.language.translation.plan import Pair, Plan, make_plan
from pipeline.language.translation.segments import Result
from pipeline.model.errors import UsageError
from pipeline.platform.tables import empty_frame, to_frame
from pipeline.stores.stores import Store

TASK = "label"


@dataclass(frozen=True)
class LabelPlan:
    """The plan of one pair of languages, with the groups that its segments are of, in the same order.

    `hopeless` groups are for people only (see `LabelGroup.problem`)."""

    groups: Sequence[LabelGroup]
    hopeless: Sequence[LabelGroup]
    plan: Plan


def plan_labels(
    connection: psycopg.Connection[Any],
    store: Store,
    glossary: Glossary,
    groups: Sequence[LabelGroup],
    locales: Sequence[str],
    *,
    model: str | None,
    asked: Sequence[str],
    again: bool = False,
) -> list[LabelPlan]:
    """One plan a source language and target language; a model is asked only for the languages in `asked`."""
    plans = []
    for source_locale in sorted({group.source_locale for group in groups}):
        mine = [group for group in groups if group.source_locale == source_locale]
        hopeless = [group for group in mine if group.problem]
        mine = [group for group in mine if not group.problem]
        for locale in locales:
            if locale == source_locale:
                continue
            by_hand = f"pipeline labels import {store.key} FILE --locale {locale}"
            pair = Pair(store.id, TASK, source_locale, locale, glossary, model, used=locales, by_hand=by_hand)
            if locale not in asked:
                why = f"it was not asked for in this run: pipeline labels translate {store.key} --to {locale}"
                pair = replace(pair, model=None, nobody=why if model else pair.nobody)
            plan = make_plan(connection, pair, [group.segment for group in mine], again=again)
            plans.append(LabelPlan(mine, hopeless, plan))
    return plans


def rows_of(plans: Sequence[LabelPlan]) -> pd.DataFrame:
    """The table `translated_labels`: every label is there for every language."""
    import pyarrow as pa

    rows: list[dict[str, Any]] = []
    for each in plans:
        locale = each.plan.pair.target_locale
        for group, result in zip(each.groups, each.plan.results, strict=True):
            if result is None:
                raise AssertionError(f"{group.key} has no result")
            rows += _rows(group, result, locale)
        for group in each.hopeless:
            rows += _rows(group, Result("untranslated", "none", problems=(group.problem or "",)), locale)
    return to_frame(pa.Table.from_pylist(rows, schema=TRANSLATED_LABELS)) if rows else empty_frame(TRANSLATED_LABELS)


def _rows(group: LabelGroup, result: Result, locale: str) -> list[dict[str, Any]]:
    written: dict[str | None, str | None] = {**group.written(result)} or dict.fromkeys(group.texts)
    return [
        {
            "resource": group.resource,
            "key": group.key,
            "form": form,
            "source_locale": group.source_locale,
            "locale": locale,
            "digest": group.digests[group.reference(form)],
            "source": group.texts[group.reference(form)],
            "text": text,
            "state": result.state,
            "engine": result.engine,
            "problems": list(result.problems),
        }
        for form, text in written.items()
    ]


def read_locales(connection: psycopg.Connection[Any], store_id: UUID) -> list[str]:
    """The languages that the store's labels are translated into."""
    rows = connection.execute("SELECT locale FROM label_locales WHERE store_id = %s ORDER BY locale", (store_id,))
    return [str(row[0]) for row in rows]


def add_locales(connection: psycopg.Connection[Any], store_id: UUID, locales: Sequence[str]) -> None:
    for locale in locales:
        connection.execute(
            "INSERT INTO label_locales (store_id, locale) VALUES (%s, %s) ON CONFLICT DO NOTHING", (store_id, locale)
        )


def remove_locale(connection: psycopg.Connection[Any], store: Store, locale: str) -> None:
    """Raises UsageError when labels are not translated into it."""
    gone = connection.execute("DELETE FROM label_locales WHERE store_id = %s AND locale = %s", (store.id, locale)).rowcount
    if not gone:
        known = ", ".join(read_locales(connection, store.id)) or "no language"
        raise UsageError(f"labels of {store.key} are not translated into {locale}; they are into: {known}")
