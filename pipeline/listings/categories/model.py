"""Letting a model choose among the candidates of products whose category is only a suggestion.

The model confirms or corrects: where it chooses what the words say too, that is sure enough for most thresholds; where it
chooses another candidate, the other one is suggested. It never brings a category of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.language.asking.batches import IN_BATCH
from pipeline.language.choices import Choice, Chooser, Chosen, plan_choices
from pipeline.listings.categories.overlay import NAME
from pipeline.listings.schema import CATEGORIES
from pipeline.platform.tables import StagedTable, Table, writers
from pipeline.stores.stores import Store

TASK = "category"
SILENT = "the model did not answer"
_AGREED, _OTHER = 0.92, 0.7
_FACTS = {"title": "title", "product_type": "type", "vendor": "brand", "category": "shop category"}
_MOST_REASON = 400


def prepare(
    connection: psycopg.Connection[Any],
    store: Store,
    model: str,
    categories: Table,
    fixed_products: Table,
    product_ids: frozenset[str] = frozenset(),
) -> Chooser:
    """The questions to a model about a table of categories, those that were answered before resolved. Nothing is spent."""
    chooser = Chooser(store.id, TASK, model)
    plan_choices(connection, chooser, open_choices(categories, fixed_products, product_ids))
    return chooser


def open_choices(categories: Table, fixed_products: Table, product_ids: frozenset[str]) -> Iterator[Choice]:
    """Questions about suggestions that were guessed from words; only of `product_ids` unless that is empty."""
    for number in range(categories.batches):
        rows = categories.arrow_batch(number, ["product_id", "status", "engine", "candidates", "candidate_names"])
        wanted = pc.and_(pc.equal(rows["status"], "suggested"), pc.is_in(rows["engine"], pa.array(["lexical", "marketplace"])))
        rows = rows.filter(wanted.fill_null(False))
        if not len(rows):
            continue
        products = fixed_products.arrow_batch(number, ["product_id", *_FACTS])
        at = pc.index_in(rows["product_id"], value_set=products["product_id"].combine_chunks())
        for row, product in zip(rows.to_pylist(), products.take(at).to_pylist(), strict=True):
            if product_ids and row["product_id"] not in product_ids:
                continue
            facts = {name: product[column] for column, name in _FACTS.items() if product[column]}
            candidates = dict(zip(row["candidates"], row["candidate_names"], strict=True))
            if facts and candidates:
                yield Choice(row["product_id"], facts, candidates)


def left_open(chooser: Chooser) -> Counter[str]:
    """How many products have no answer yet, by why."""
    in_batches = chooser.left_in_batches
    return +Counter({IN_BATCH: in_batches, chooser.stopped or SILENT: chooser.left - in_batches})


def with_choices(categories: Table, chosen: Mapping[str, Chosen], threshold: float, folder: Path) -> StagedTable:
    """The same table with what the model chose."""
    with writers(folder, {NAME: CATEGORIES}, categories.metadata) as out:
        for number in range(categories.batches):
            rows = categories.arrow_batch(number)
            touched = pc.is_in(rows["product_id"], value_set=pa.array(list(chosen), pa.string()))
            if pc.any(touched).as_py():
                records = [_with(row, chosen.get(row["product_id"]), threshold) for row in rows.to_pylist()]
                rows = pa.Table.from_pylist(records, schema=CATEGORIES)
            out[NAME].write(rows)
    return out[NAME].staged


def _with(row: dict[str, Any], chosen: Chosen | None, threshold: float) -> dict[str, Any]:
    if chosen is None:
        return row
    if chosen.candidate is None:
        reason = f"{row['reason']}; the model finds that none of the candidates fits"
        return {**row, "confidence": min(row["confidence"], 0.5), "engine": chosen.engine, "reason": reason[:_MOST_REASON]}
    agreed = chosen.candidate == row["category"]
    confidence = max(_AGREED, row["confidence"]) if agreed else _OTHER
    said = f'the model: "{chosen.reason}"' if chosen.reason else "chosen by the model"
    names = dict(zip(row["candidates"], row["candidate_names"], strict=True))
    return {
        **row,
        "category": chosen.candidate,
        "name": names[chosen.candidate],
        "confidence": confidence,
        "status": "accepted" if confidence >= threshold else "suggested",
        "engine": chosen.engine,
        "reason": f"{row['reason']}; {said}"[:_MOST_REASON] if agreed else said[:_MOST_REASON],
    }
