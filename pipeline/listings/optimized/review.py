"""People looking at suggested texts and deciding: what there is, in bulk, and as a CSV file to edit and give back.

A decision counts from the next time that `optimized_products` is made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from pipeline.language.drafts import DOUBT, FIELDS, form_problems
from pipeline.language.languages import base
from pipeline.listings.categories.review import connected_cell, require_products
from pipeline.listings.cell import Cell
from pipeline.listings.open_texts import DECISION, left_open, note_waiting
from pipeline.listings.optimized.decisions import Decision, Recorded, decide, read_decisions
from pipeline.listings.optimized.judge import limits_of
from pipeline.listings.overlays import OPTIMIZED
from pipeline.listings.schema import CATEGORIES
from pipeline.listings.spreadsheets import read_rows, unknown, write_rows
from pipeline.model.errors import PipelineError
from pipeline.platform.io_manager import stored_table
from pipeline.platform.tables import Table
from pipeline.settings import Settings, model_endpoint
from pipeline.stores.actions import Person, record_action
from pipeline.stores.text import shown

STATES = ("suggested", "accepted", "rejected", "kept")
COLUMNS = (
    "product_id", "field", "state", "gain", "score_before", "score_after", "engine", "before", "after", "reason", "problems",
    "category", "category_reason", "who", "why", "decided_at", "source_hash", "decision",
)  # fmt: skip
_NEEDED = ("product_id", "field", "after", "source_hash", "decision")
_MOST_BYTES = 256_000_000
#: Fields that one line of the audit names; all of them are in `suggestion_decisions`.
_MOST_AUDITED = 20

__all__ = [
    "COLUMNS", "DOUBT", "STATES", "Refused", "Which", "accept", "connected_cell", "open_table", "read_csv", "reject",
    "require_products",
]  # fmt: skip


@dataclass(frozen=True)
class Which:
    """Fields of suggestions. Empty collections mean all; `problem` is a part of what a guard said; `doubtful`: also those that a
    person must see."""

    state: str | None = None
    fields: Collection[str] = ()
    product_ids: Collection[str] = ()
    minimum: float | None = None
    problem: str | None = None
    engine: str | None = None
    doubtful: bool = True

    def takes(self, row: Mapping[str, Any]) -> bool:
        return (
            (self.state is None or row["state"] == self.state)
            and (not self.fields or row["field"] in self.fields)
            and (not self.product_ids or row["product_id"] in self.product_ids)
            and (self.minimum is None or (row["gain"] is not None and row["gain"] >= self.minimum))
            and (self.problem is None or any(self.problem.lower() in text.lower() for text in row["problems"]))
            and (self.engine is None or row["engine"].startswith(self.engine))
            and (self.doubtful or not any(text.startswith(DOUBT) for text in row["problems"]))
        )


@dataclass(frozen=True)
class Refused:
    """A line of a file of decisions that was not taken."""

    line: int
    product_id: str
    reason: str


@dataclass(frozen=True)
class Shelf:
    """The stored suggestions of a connection as they are decided now, and its categories where there are some."""

    connection: psycopg.Connection[Any]
    cell: Cell
    table: Table
    categories: Table | None

    def rows(self, which: Which) -> Iterator[dict[str, Any]]:
        """One row a field, columns of COLUMNS but `decision`; in the order of the catalog."""
        together = self.categories is not None and self.categories.batches == self.table.batches
        for number in range(self.table.batches):
            of_category: dict[str, tuple[str | None, str | None]] = {}
            if together and self.categories is not None:
                found = self.categories.arrow_batch(number, ["product_id", "category", "reason"])
                of_category = {row["product_id"]: (row["category"], row["reason"]) for row in found.to_pylist()}
            rows = [row for row in self.table.arrow_batch(number).to_pylist() if row["fields"]]
            ids = [row["product_id"] for row in rows]
            decided = read_decisions(self.connection, self.cell.store.id, self.cell.site.key, ids)
            for row in rows:
                category, why = of_category.get(row["product_id"], (None, None))
                hold = {one.field: one for one in decided.get(row["product_id"], ()) if one.source_hash == row["source_hash"]}
                for one in row["fields"]:
                    said = {**row, "category": category, "category_reason": why, **_as_decided(one, hold.get(one["field"]))}
                    if which.takes(said):
                        yield {name: said[name] for name in COLUMNS[:-1]}

    def note_waiting(self) -> None:
        """How many products still wait for a decision, for whoever looks at all connections; to be called after deciding."""
        waiting = {row["product_id"] for row in self.rows(Which("suggested"))}
        note_waiting(self.connection, self.cell.store.id, self.cell.site.key, DECISION, len(waiting))

    def why_none(self) -> str:
        """Why no row is shown, and what to do about it."""
        place = f"{self.cell.store.key} {self.cell.site.key}"
        states = Counter(row["state"] for row in self.rows(Which()))
        if states:
            said = ", ".join(f"{states[state]} {state}" for state in STATES if states[state])
            return f"none of them is so; there are {said}: pipeline suggestions list {place}"
        if not self.cell.connection.export_settings.use_ai_optimization:
            return f"there are none; to get some: pipeline connection set {place} use_ai_optimization=true, then export"
        if left := left_open(self.table):
            said = "; ".join(f"of {products} products: {why}" for why, products in left.most_common())
            return f"there are none yet, {said}; then: pipeline export {place}"
        if model_endpoint() is not None:
            return "there are none: nothing better was found for any product"
        spoken, wanted = self.cell.store.language, self.cell.site.language
        other = f", which need texts in {wanted}, not in {spoken}," if base(spoken) != base(wanted) else ""
        return f"there are none: no model is configured (LLM_BASE_URL, LLM_MODEL), and rules{other} found nothing better"


def open_table(connection: psycopg.Connection[Any], settings: Settings, cell: Cell) -> Shelf:
    """`connection` is used while rows are read. Raises PipelineError while there are no suggestions yet."""
    table = stored_table(settings, "optimized_products", OPTIMIZED, cell.site.key, cell.store.key)
    place = f"{cell.store.key} {cell.site.key}"
    if table is None:
        raise PipelineError(f"there are no suggestions for {place} yet; make them with: pipeline export {place} --dry-run")
    categories = stored_table(settings, "listing_categories", CATEGORIES, cell.site.key, cell.store.key)
    return Shelf(connection, cell, table, categories)


def _as_decided(entry: Mapping[str, Any], decision: Recorded | None) -> Mapping[str, Any]:
    """A field as it will be made the next time: a decision that is newer than the table goes before what the table says."""
    if decision is None or decision.decided_at == entry["decided_at"]:
        return entry
    same = decision.value == entry["after"]
    return {
        **entry,
        "state": "accepted" if decision.accepted else "rejected",
        "after": decision.value,
        "engine": decision.engine,
        "gain": entry["gain"] if same else None,
        "problems": entry["problems"] if same else [],
        "who": decision.who,
        "why": decision.why,
        "decided_at": decision.decided_at,
    }


def accept(connection: psycopg.Connection[Any], cell: Cell, rows: Iterable[Mapping[str, Any]], person: Person) -> int:
    """Use what is suggested; how many fields."""
    return _decide(connection, cell, [row for row in rows if row["state"] == "suggested"], True, person)


def reject(connection: psycopg.Connection[Any], cell: Cell, rows: Iterable[Mapping[str, Any]], person: Person) -> int:
    """Do not use it, also not what was accepted before; how many fields."""
    chosen = [row for row in rows if row["state"] in ("suggested", "accepted") and row["after"]]
    return _decide(connection, cell, chosen, False, person)


def _decide(
    connection: psycopg.Connection[Any], cell: Cell, rows: Sequence[Mapping[str, Any]], accepted: bool, person: Person
) -> int:
    decisions = [
        Decision(row["product_id"], row["field"], row["source_hash"], accepted, row["after"], row["engine"]) for row in rows
    ]
    return record(connection, cell, decisions, person)


def record(connection: psycopg.Connection[Any], cell: Cell, decisions: Sequence[Decision], person: Person) -> int:
    """Keep decisions, and that they were made in the audit; how many."""
    with connection.transaction():
        for accepted, action in ((True, "accept_texts"), (False, "reject_texts")):
            made = [one for one in decisions if one.accepted == accepted]
            if made:
                decide(connection, cell.store.id, cell.site.key, made, person.who, person.why)
                about = [f"{one.product_id} {one.field}" for one in made[:_MOST_AUDITED]]
                record_action(connection, person, action, cell.store.key, cell.site.key, fields=len(made), about=about)
    return len(decisions)


def write_csv(rows: Iterable[Mapping[str, Any]], file: Path) -> int:
    """For a spreadsheet: write `accept` or `reject` into the column `decision`; `after` may be edited before."""
    return write_rows(file, COLUMNS, rows, lambda value: "; ".join(value) if isinstance(value, list) else str(value))


def read_csv(file: Path, shelf: Shelf) -> tuple[list[Decision], list[Refused]]:
    """The decisions of an edited file; lines without one are left alone. A text that a person changed is the person's.

    Raises BadInputError for a file that is none."""
    known = {(row["product_id"], row["field"]): row for row in shelf.rows(Which())}
    limits = limits_of(shelf.cell.recipe().ruleset)
    found: dict[tuple[str, str], Decision] = {}
    refused = []
    for line, row in read_rows(file, _NEEDED, "pipeline suggestions export", _MOST_BYTES):
        said, key, text = row["decision"].strip().lower(), (row["product_id"], row["field"]), row["after"].strip()
        if not said:
            continue
        present = known.get(key)
        problem = None
        if said not in ("accept", "reject"):
            problem = f"decision must be accept or reject, not {shown(said)}"
        elif row["field"] not in FIELDS or present is None:
            problem = unknown(row["product_id"], "nothing is suggested for this field of this product")
        elif row["source_hash"] != present["source_hash"]:
            problem = "the product was changed after the file was made; export again"
        elif key in found:
            problem = "the field is decided in a line before"
        elif not text:
            problem = "there is no text in the column after"
        elif said == "accept" and row["field"] in limits:
            parts = text.split("\n") if row["field"] == "bullets" else [text]
            problem = next((wrong for part in parts for wrong in form_problems(part, limits[row["field"]])), None)
        if problem is not None or present is None:
            refused.append(Refused(line, shown(row["product_id"]), problem or ""))
            continue
        engine = present["engine"] if text == (present["after"] or "").strip() else "human"
        found[key] = Decision(*key, present["source_hash"], said == "accept", text, engine)
    return list(found.values()), refused
