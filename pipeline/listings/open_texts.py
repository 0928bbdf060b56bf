"""Texts that a model is still to be asked for on a connection, and why it was not: a row a kind of work and reason. And how many
products wait for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from pipeline.language.asking.batches import IN_BATCH
from pipeline.marketplaces import find_site
from pipeline.platform.tables import Table

OUT_OF_SCOPE = "its product was not in the scope of the run"
NOT_ASKED = "the model was not asked in that run"
#: Why better texts wait.
TRANSLATION_FIRST = "the translation comes first, as they are made of it"
UNTRANSLATED = (
    "they are made of the translation, and the title or description stays in the store's language: change it in the store, or "
    "translate it by hand"
)
#: Of a reason in metadata: all of it, since it says what to do.
MOST_TEXT = 1_000
#: What waits for people and for no model, as information: better texts to decide about, texts that were left for good.
DECISION, BY_HAND = "decision", "by_hand"


@dataclass(frozen=True)
class OpenTexts:
    """`products` wait for what `task` says; `why` is a sentence that says what to do where there is something to do."""

    store: str
    site: str
    task: str
    products: int
    why: str
    in_batch: bool  # a batch of this work is still open
    unasked: str | None = None  # when and why an open batch of this work could not be looked at the last time


#: By task: what the products have not got yet.
_MISSING: Mapping[str, str] = {
    "product": "a full translation",
    "optimize": "better texts",
    "category": "the model's choice of a category",
}


def by_hand(store: str, language: str) -> str:
    """The command that gives people what is left to translate."""
    return f"pipeline memory export {store} --to {language} --open"


def left_open(overlay: Table) -> Counter[str]:
    """How many products of an overlay a model is still to be asked for, by why."""
    found: Counter[str] = Counter()
    for number in range(overlay.batches):
        found.update(overlay.arrow_batch(number, ["open"])["open"].drop_null().to_pylist())
    return found


def note_open(connection: psycopg.Connection[Any], store_id: UUID, site: str, task: str, left: Mapping[str, int]) -> None:
    """What a run left: products by why. What runs before it left is forgotten."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM open_texts WHERE (store_id, site, task) = (%s, %s, %s)", (store_id, site, task))
        cursor.executemany(
            "INSERT INTO open_texts (store_id, site, task, products, why) VALUES (%s, %s, %s, %s, %s)",
            [(store_id, site, task, products, why) for why, products in left.items()],
        )


def note_waiting(connection: psycopg.Connection[Any], store_id: UUID, site: str, what: str, products: int) -> None:
    """How many products wait for people. What was noted before is forgotten."""
    note_open(connection, store_id, site, what, {what: products} if products else {})


@dataclass(frozen=True)
class Waiting:
    """`products` wait for people, who begin with `command`; `what` is DECISION or BY_HAND."""

    store: str
    marketplace: str
    what: str
    products: int
    command: str

    @property
    def sentence(self) -> str:
        count = "1 product" if self.products == 1 else f"{self.products} products"
        said = {
            DECISION: f"better texts of {count} wait for your decision",
            BY_HAND: f"texts of {count} stay in the store's language; to translate them by hand",
        }
        return f"{self.store} on {self.marketplace}: {said[self.what]}: {self.command}"


def read_waiting(connection: psycopg.Connection[Any]) -> list[Waiting]:
    """By store and site."""
    rows = connection.execute(
        "SELECT s.key, o.site, o.task, o.products FROM open_texts o JOIN stores s ON s.id = o.store_id WHERE o.task = ANY(%s)"
        " ORDER BY s.key, o.site, o.task",
        ([DECISION, BY_HAND],),
    ).fetchall()
    return [Waiting(store, site, what, products, _command(store, site, what)) for store, site, what, products in rows]


def _command(store: str, site: str, what: str) -> str:
    if what == BY_HAND:
        return by_hand(store, find_site(site)[1].language)
    return f"pipeline suggestions list {store} {site} --state suggested"


def read_open(connection: psycopg.Connection[Any], store: str | None = None, site: str | None = None) -> list[OpenTexts]:
    """Of all connections, or of one; of each kind of work first what most products wait for."""
    with connection.cursor(row_factory=class_row(OpenTexts)) as cursor:
        return cursor.execute(
            "SELECT s.key AS store, o.site, o.task, o.products, o.why, EXISTS (SELECT 1 FROM language_batches b"
            " WHERE b.store_id = o.store_id AND b.task = o.task AND b.ended_at IS NULL) AS in_batch,"
            " (SELECT 'at ' || to_char(b.polled_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC: ' || b.problem"
            " FROM language_batches b WHERE b.store_id = o.store_id AND b.task = o.task AND b.ended_at IS NULL"
            " AND b.problem IS NOT NULL ORDER BY b.polled_at DESC LIMIT 1) AS unasked"
            " FROM open_texts o JOIN stores s ON s.id = o.store_id"
            " WHERE o.task = ANY(%(tasks)s) AND (%(store)s::text IS NULL OR s.key = %(store)s)"
            " AND (%(site)s::text IS NULL OR o.site = %(site)s)"
            " ORDER BY s.key, o.site, o.task, o.products DESC, o.why",
            {"store": store, "site": site, "tasks": list(_MISSING)},
        ).fetchall()


def missing(task: str) -> str:
    """What products have not got, in words."""
    return _MISSING[task]


def sentence(one: OpenTexts) -> str:
    """For people who look at everything."""
    have = "1 product has" if one.products == 1 else f"{one.products} products have"
    each = f" (why, one by one: pipeline explain {one.store} SKU)" if one.why == UNTRANSLATED else ""
    return f"{one.store} on {one.site}: {have} not got {missing(one.task)} yet: {what_next(one)}{each}"


def stays(store: str, site: str) -> str:
    """Why products get no better texts that stay in the store's language, with the command."""
    return f"{UNTRANSLATED}: {by_hand(store, find_site(site)[1].language)}"


def what_next(one: OpenTexts) -> str:
    """Why, and what brings them forward."""
    if one.why == IN_BATCH and one.unasked:
        return f"it was asked in a batch, which could not be looked at {one.unasked}; then: pipeline language batches --poll"
    if one.why == IN_BATCH and one.in_batch:
        return f"{one.why}, and the export goes on by itself; to look now: pipeline language batches --poll"
    if one.why == UNTRANSLATED:
        return stays(one.store, one.site)
    if one.why == TRANSLATION_FIRST:
        return one.why
    why = "its batch ended (pipeline language batches)" if one.why == IN_BATCH else one.why
    return f"{why}; the next export asks: pipeline export {one.store} {one.site}"
