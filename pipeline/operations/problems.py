"""What needs somebody, listing by listing: refused, faulty, unknown, changed by others, held or blocked; with why, and what to
press. What operators work through in the morning."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from shlex import quote
from typing import Any, Literal

import psycopg
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.listings.cell import Cell
from pipeline.listings.preview import in_force
from pipeline.model.quality import BLOCKING
from pipeline.platform.io_manager import stored_table
from pipeline.quality.schema import ISSUES
from pipeline.settings import Settings
from pipeline.submissions.status import listing_status

Kind = Literal["refused", "faulty", "unknown", "drift", "held", "blocked"]
#: What the marketplace said comes first, what no export has sent last.
KINDS: tuple[Kind, ...] = ("refused", "faulty", "unknown", "drift", "held", "blocked")

#: States of LISTING_STATUS that are a problem by themselves.
_STATES: Mapping[str, Kind] = {"rejected": "refused", "uncertain": "unknown"}
_BLOCKING = pa.array(sorted(BLOCKING), pa.string())


@dataclass(frozen=True)
class Problem:
    """One listing with one kind of problem. `field` is ours, where it is about one."""

    marketplace: str
    sku: str
    product_id: str | None
    problem: Kind
    field: str | None
    reason: str
    next: str


def problems(connection: psycopg.Connection[Any], settings: Settings, cell: Cell) -> list[Problem]:
    """All of a connection, by kind in the order of `KINDS`, then by SKU."""
    found = [*_said(connection, cell), *_planned(connection, settings, cell)]
    return sorted(found, key=lambda one: (KINDS.index(one.problem), one.sku))


def _said(connection: psycopg.Connection[Any], cell: Cell) -> Iterator[Problem]:
    """By what the marketplace answered, and by what it holds."""
    for piece in listing_status(connection, cell):
        for row in piece[piece["hint"].notna()].to_dict("records"):
            other: Kind = "faulty" if row["errors"] else "drift"
            kind = _STATES.get(row["state"], other)
            reason = {"refused": row["reason"], "faulty": row["issue"], "drift": row["drift"]}.get(kind)
            yield Problem(cell.site.key, row["sku"], row["product_id"], kind, row["field"], reason or "", row["hint"])


def _planned(connection: psycopg.Connection[Any], settings: Settings, cell: Cell) -> Iterator[Problem]:
    """By the plans that hold or block them now."""
    hints = _Hints(settings, cell)
    store, site = cell.store.key, cell.site.key
    for plan, newer in in_force(connection, cell.lane, settings.storage()):
        guarded = set(plan.guarded.arrow(["sku"])["sku"].to_pylist())
        for index in range(plan.changes.batches):
            for row in plan.changes.arrow_batch(index, ["sku", "product_id", "changes", "reason"]).to_pylist():
                kinds = {"hold", "blocked"}.intersection(row["changes"])
                if not kinds or row["product_id"] in newer:
                    continue
                sku, product, reason = row["sku"], row["product_id"], row["reason"] or ""
                if "blocked" in kinds:
                    field, hint = hints.of(sku, product)
                    again = f"pipeline export {store} {site}" if field == "category" else f"pipeline import {store}"
                    yield Problem(site, sku, product, "blocked", field, reason, f"{hint} Then: {again}".strip())
                else:
                    let = f"pipeline changes approve {store} {site} --sku {quote(sku)}" if sku in guarded else ""
                    yield Problem(
                        site, sku, product, "held", None, reason, let or f"pipeline explain {store} {quote(sku)} -m {site}"
                    )


class _Hints:
    """Of listings that are blocked: the field, and what would correct it."""

    def __init__(self, settings: Settings, cell: Cell) -> None:
        self._of: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
        table = stored_table(settings, "listing_issues", ISSUES, cell.site.key, cell.store.key)
        if table is None:
            return
        for index in range(table.batches):
            rows = table.arrow_batch(index, ["product_id", "sku", "severity", "field", "hint"])
            for row in rows.filter(pc.is_in(rows["severity"], value_set=_BLOCKING)).to_pylist():
                self._of[row["sku"] or f"\0{row['product_id']}"].append((row["field"], row["hint"]))

    def of(self, sku: str, product_id: str) -> tuple[str | None, str]:
        """Of the listing itself, else of its product."""
        found = self._of.get(sku) or self._of.get(f"\0{product_id}") or []
        return (found[0][0] if found else None), " ".join(dict.fromkeys(hint for _, hint in found))
