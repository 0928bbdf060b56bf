"""Translating the labels of one store: everything decided and estimated (`prepare`), then asked and paid (`carry_out`).

A dry run stops in between, so what it shows is what a run would do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg

from pipeline.labels.groups import groups_of
from pipeline.labels.translation import TASK, LabelPlan, plan_labels, read_locales, rows_of
from pipeline.language.asking.charging import would_cost
from pipeline.language.asking.ledger import Account, limited, read_budgets
from pipeline.language.asking.models import Model, configured_model
from pipeline.language.metadata import estimate_metadata
from pipeline.language.translation.batch_plans import keep_of, unasked
from pipeline.language.translation.glossary import read_glossary
from pipeline.language.translation.plan import Estimate, estimate
from pipeline.language.translation.run import NOTHING, ask_model
from pipeline.language.translation.translate import Work
from pipeline.model.errors import PipelineError
from pipeline.stores.stores import Store


@dataclass(frozen=True)
class Prepared:
    """What will be done. Texts that need no model have their results already."""

    store: Store
    model: Model | None
    locales: Sequence[str]
    plans: Sequence[LabelPlan]
    estimate: Estimate
    credits: int  # of the estimate

    @property
    def metadata(self) -> dict[str, Any]:
        """The estimate as operators see it before anything is spent."""
        return estimate_metadata(self.estimate, self.model, self.credits)


def prepare(
    connection: psycopg.Connection[Any],
    data_dir: Path,
    store: Store,
    labels: Sequence[Mapping[str, Any]],
    *,
    asked: Sequence[str] = (),
    again: bool = False,
    transport: str | None = None,
    batches: Sequence[str] = (),
) -> Prepared:
    """Plans of the rows of `ui_labels` for all languages of the store; the model is asked only for those in `asked` (empty: all),
    and where `batches` are named (by `run_key`) only for what they were asked.

    Nothing is spent."""
    locales = read_locales(connection, store.id)
    model = configured_model(data_dir, transport)
    plans = plan_labels(
        connection,
        store,
        read_glossary(connection, store.id),
        groups_of(labels),
        locales,
        model=model.endpoint.model if model else None,
        asked=asked or locales,
        again=again,
    )
    if batches:
        why = f"it was not asked for in this run: pipeline labels translate {store.key}"
        keep_of(connection, store.id, TASK, [each.plan for each in plans], batches, why)
    expected = estimate(unasked(connection, [each.plan for each in plans], TASK), model.asking_price if model else None)
    credits = would_cost(connection, store.id, TASK, expected.texts)
    return Prepared(store, model, locales, plans, expected, credits)


def carry_out(
    connection: psycopg.Connection[Any],
    prepared: Prepared,
    run_id: str,
    max_usd: float | None,
    progress: Callable[[int, int], None],
) -> tuple[pd.DataFrame, Work]:
    """The table `translated_labels`, and what the model did for it. `connection` must be in autocommit mode.

    Raises PipelineError when the model cannot be used at all, as nothing else is wanted of it; what it answered is kept."""
    work = NOTHING
    if prepared.model is not None:
        budget = None if max_usd is None else int(max_usd * 1_000_000)
        budgets = limited(read_budgets(connection, prepared.store.id), budget)
        account = Account(prepared.store.id, prepared.store.key, run_id, budgets)
        work = ask_model(connection, prepared.model, account, TASK, [each.plan for each in prepared.plans], progress)
        if work.unusable:
            raise PipelineError(str(work.stopped))
    return rows_of(prepared.plans), work
