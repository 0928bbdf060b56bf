"""Small, bounded samples of a listings run for people: what is blocked and why, and what a plan changes."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.model.money import format_minor
from pipeline.platform.tables import Table, to_frame

SAMPLE = 20
_QUIET = pa.array(["unchanged", "out_of_scope", "blocked"])


def blocked_sample(listings: Table) -> pd.DataFrame:
    """The first blocked listings: sku, product, title, reason."""
    return _first(listings, ["sku", "product_id", "title", "reason"], "status", pa.array(["blocked"]))


def changes_sample(changes: Table, currency: str) -> pd.DataFrame:
    """The first listings that a plan changes or holds, with prices and quantities before and after."""
    found: list[pa.Table] = []
    for index in range(changes.batches):
        batch = changes.arrow_batch(index)
        words = pc.binary_join(batch["changes"], " + ")
        batch = batch.set_column(batch.schema.get_field_index("changes"), "changes", words)
        found.append(
            batch.filter(pc.invert(pc.is_in(words, value_set=pa.array(["unchanged", "out_of_scope", "blocked"])))).slice(
                0, SAMPLE
            )
        )
        if sum(map(len, found)) >= SAMPLE:
            break
    if not found:
        return pd.DataFrame()
    frame = to_frame(pa.concat_tables(found).slice(0, SAMPLE))
    return pd.DataFrame(
        {
            "sku": frame["sku"],
            "change": frame["changes"],
            "price": _arrow(frame["price_before"], frame["price_after"], currency),
            "quantity": _arrow(frame["quantity_before"], frame["quantity_after"], None),
            "reason": frame["reason"].fillna(""),
        }
    )


def _arrow(before: pd.Series, after: pd.Series, currency: str | None) -> list[str]:
    def text(value: object) -> str:
        if value is None or value is pd.NA:
            return ""
        return str(value) if currency is None else format_minor(int(str(value)), currency)

    pairs = [(text(old), text(new)) for old, new in zip(before, after, strict=True)]
    return [new if old in ("", new) else f"{old} → {new or '?'}" for old, new in pairs]


def not_translated(overlay: Table) -> pd.DataFrame:
    """The first products of `localized_products` with a text that stays in the source language, and why; not those of which a
    model is still to be asked something."""
    frame = _first(overlay, ["product_id", "state", "problems"], "state", pa.array(["partly", "untranslated"]), without="open")
    return frame.assign(problems=[problems[0] if len(problems) else "" for problems in frame["problems"]])


def _first(table: Table, columns: list[str], by: str, values: pa.Array, without: str | None = None) -> pd.DataFrame:
    """`without`: a column that must be null."""
    found: list[pa.Table] = []
    for index in range(table.batches):
        batch = table.arrow_batch(index, [*columns, by, *([without] if without else [])])
        if without is not None:
            batch = batch.filter(pc.is_null(batch[without]))
        found.append(batch.filter(pc.is_in(batch[by], value_set=values)).select(columns).slice(0, SAMPLE))
        if sum(map(len, found)) >= SAMPLE:
            break
    return to_frame(pa.concat_tables(found).slice(0, SAMPLE)) if found else pd.DataFrame(columns=columns)
