"""What people decided about suggested texts: rows of `suggestion_decisions`. The newest about the same text counts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from pipeline.stores.text import plain_text

_MOST_WHY = 500


@dataclass(frozen=True)
class Decision:
    """About one field of a product, while its source has this hash. `value` is what is used, or what was refused."""

    product_id: str
    field: str
    source_hash: str
    accepted: bool
    value: str
    engine: str


@dataclass(frozen=True)
class Recorded(Decision):
    who: str
    why: str
    decided_at: datetime


def decide(
    connection: psycopg.Connection[Any], store_id: UUID, site: str, decisions: Sequence[Decision], who: str, why: str = ""
) -> int:
    """Record decisions, all or none; how many."""
    who, why = plain_text(who, "who decides"), plain_text(why, "the reason", _MOST_WHY) if why else ""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO suggestion_decisions (store_id, site, product_id, field, source_hash, accepted, value, engine, who, why)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (store_id, site, product_id, field, source_hash) DO UPDATE SET accepted = excluded.accepted,"
            " value = excluded.value, engine = excluded.engine, who = excluded.who, why = excluded.why,"
            " decided_at = clock_timestamp()",
            [
                (store_id, site, one.product_id, one.field, one.source_hash, one.accepted, one.value, one.engine, who, why)
                for one in decisions
            ],
        )
    return len(decisions)


def read_decisions(
    connection: psycopg.Connection[Any], store_id: UUID, site: str, product_ids: Collection[str]
) -> Mapping[str, list[Recorded]]:
    """By product, also those about an earlier source."""
    with connection.cursor(row_factory=class_row(Recorded)) as cursor:
        rows = cursor.execute(
            "SELECT product_id, field, source_hash, accepted, value, engine, who, why, decided_at FROM suggestion_decisions"
            " WHERE store_id = %s AND site = %s AND product_id = ANY(%s) ORDER BY product_id, field, source_hash",
            (store_id, site, list(product_ids)),
        ).fetchall()
    found: dict[str, list[Recorded]] = {}
    for row in rows:
        found.setdefault(row.product_id, []).append(row)
    return found
