"""What texts in pieces cost: as much as any text, once they are whole. Their pieces cost nothing.

A text that was joined is recorded like an answer, so that it is paid like one, and only once; it is never asked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import psycopg

from pipeline.language.asking.results import are_pieces, record
from pipeline.language.translation.plan import Item, Plan


def record_whole(connection: psycopg.Connection[Any], plans: Iterable[Plan]) -> None:
    """The texts of the plans that a model translated in pieces, also those of a run that died."""
    for plan in plans:
        for one in plan.pieces.values():
            result = plan.joined(one)
            if one.apart.rest is None or result is None or result.state != "translated" or not result.engine.startswith("model:"):
                continue
            if are_pieces(connection, plan.pair.store_id, one.questions):  # else they were paid as texts
                record(connection, plan.pair.store_id, one.question, "accepted", dict(result.forms), [], result.engine)


def affordable(plan: Plan, most: int) -> tuple[list[Item], list[Item]]:
    """The items of so many texts at most, in their order, and the others; of a text in pieces all or none."""
    chosen = {id(item) for item in [item for item in plan.items if not item.piece][:most]}
    open_ = {use.index for item in plan.items for use in item.uses}
    wholes = [one for one in plan.pieces.values() if one.apart.rest is not None and not open_.isdisjoint(one.places)]
    places = {place for one in wholes[: most - len(chosen)] for place in one.places}
    kept, beyond = list[Item](), list[Item]()
    for item in plan.items:
        wanted = id(item) in chosen or any(use.index in places for use in item.uses)
        (kept if wanted else beyond).append(item)
    return kept, beyond
