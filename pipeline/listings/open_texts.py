"""Texts that a model is still to be asked for on a connection, and why it was not: a row a kind of work and reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from pipeline.language.batches import IN_BATCH
from pipeline.platform.tables import Table

OUT_OF_SCOPE = "its product was not in the scope of the run"
NOT_ASKED = "the model was not asked in that run"
#: Why better texts wait.
TRANSLATION_FIRST = "the translation comes first, as they are made of it"
UNTRANSLATED = (
    "they are made of the translation, and the title or description stays in the store's language: change it in the store, or "
    "give its translation in a TMX file (title, or description with its HTML, as the store has it) to: pipeline memory import"
)


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
            " WHERE (%(store)s::text IS NULL OR s.key = %(store)s) AND (%(site)s::text IS NULL OR o.site = %(site)s)"
            " ORDER BY s.key, o.site, o.task, o.products DESC, o.why",
            {"store": store, "site": site},
        ).fetchall()


def missing(task: str) -> str:
    """What products have not got, in words."""
    return _MISSING[task]


def sentence(one: OpenTexts) -> str:
    """For people who look at everything."""
    have = "1 product has" if one.products == 1 else f"{one.products} products have"
    return f"{one.store} on {one.site}: {have} not got {missing(one.task)} yet: {what_next(one)}{each(one.why, one.store)}"


def each(why: str, store: str) -> str:
    """Where products have reasons of their own: what says those. Not for `explain` itself."""
    return f" (why, one by one: pipeline explain {store} SKU)" if why == UNTRANSLATED else ""


def what_next(one: OpenTexts) -> str:
    """Why, and what brings them forward."""
    if one.why == IN_BATCH and one.unasked:
        return f"it was asked in a batch, which could not be looked at {one.unasked}; then: pipeline language batches --poll"
    if one.why == IN_BATCH and one.in_batch:
        return f"{one.why}, and the export goes on by itself; to look now: pipeline language batches --poll"
    if one.why in (TRANSLATION_FIRST, UNTRANSLATED):
        return one.why
    why = "its batch ended (pipeline language batches)" if one.why == IN_BATCH else one.why
    return f"{why}; the next export asks: pipeline export {one.store} {one.site}"
