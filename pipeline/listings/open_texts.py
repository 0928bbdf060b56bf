"""Texts that a model is still to be asked for on a connection, and why it was not: a row a kind of work, while there are some."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
import pyarrow.compute as pc
from psycopg.rows import class_row

from pipeline.language.batches import IN_BATCH
from pipeline.platform.tables import Table


@dataclass(frozen=True)
class OpenTexts:
    """`products` wait for what `task` says; `why` is a sentence that says what to do where there is something to do."""

    store: str
    site: str
    task: str
    products: int
    why: str
    in_batch: bool  # a batch of this work is still open


#: By task: what the products have not got yet.
_MISSING: Mapping[str, str] = {
    "product": "a full translation",
    "optimize": "better texts",
    "category": "the model's choice of a category",
}
_OTHERWISE = "the model has not answered yet, or they were outside of the scope of the last export"


def left_open(overlay: Table) -> int:
    """How many products of an overlay a model is still to be asked for: those without a revision."""
    return int(pc.sum(pc.equal(overlay.arrow(["revision"])["revision"], "")).as_py() or 0)


def note_open(connection: psycopg.Connection[Any], store_id: UUID, site: str, task: str, products: int, why: str | None) -> None:
    """What a run left; nothing left forgets what runs before it left."""
    if not products:
        connection.execute("DELETE FROM open_texts WHERE (store_id, site, task) = (%s, %s, %s)", (store_id, site, task))
        return
    connection.execute(
        "INSERT INTO open_texts (store_id, site, task, products, why) VALUES (%s, %s, %s, %s, %s)"
        " ON CONFLICT (store_id, site, task) DO UPDATE"
        " SET products = excluded.products, why = excluded.why, noted_at = excluded.noted_at",
        (store_id, site, task, products, why or _OTHERWISE),
    )


def read_open(connection: psycopg.Connection[Any], store: str | None = None, site: str | None = None) -> list[OpenTexts]:
    """Of all connections, or of one."""
    with connection.cursor(row_factory=class_row(OpenTexts)) as cursor:
        return cursor.execute(
            "SELECT s.key AS store, o.site, o.task, o.products, o.why, EXISTS (SELECT 1 FROM language_batches b"
            " WHERE b.store_id = o.store_id AND b.task = o.task AND b.ended_at IS NULL) AS in_batch"
            " FROM open_texts o JOIN stores s ON s.id = o.store_id"
            " WHERE (%(store)s::text IS NULL OR s.key = %(store)s) AND (%(site)s::text IS NULL OR o.site = %(site)s)"
            " ORDER BY s.key, o.site, o.task",
            {"store": store, "site": site},
        ).fetchall()


def missing(task: str) -> str:
    """What products have not got, in words."""
    return _MISSING[task]


def sentence(one: OpenTexts) -> str:
    """For people who look at everything."""
    return f"{one.store} on {one.site}: {one.products} products have not got {missing(one.task)} yet: {what_next(one)}"


def what_next(one: OpenTexts) -> str:
    """Why, and what brings them forward."""
    if one.why == IN_BATCH and one.in_batch:
        return f"{one.why}, and the export goes on by itself; to look now: pipeline language batches --poll"
    why = "its batch ended (pipeline language batches)" if one.why == IN_BATCH else one.why
    return f"{why}; the next export asks: pipeline export {one.store} {one.site}"
