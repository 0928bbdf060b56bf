"""Events that people should hear of, kept until whoever sends messages has sent them. Nothing is sent here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb


@dataclass(frozen=True)
class Notification:
    """An event. `details` is for people and machines: counts and names, no secrets."""

    id: int
    store_id: UUID | None
    kind: str
    event: str
    subject: str
    details: Mapping[str, Any]
    created_at: datetime


def notify(
    connection: psycopg.Connection[Any],
    store_id: UUID | None,
    kind: str,
    event: str,
    subject: str,
    details: Mapping[str, Any],
) -> bool:
    """Note an event; False when it is there already. `event` names it within its kind, such as a run's id."""
    return bool(
        connection.execute(
            "INSERT INTO notifications (store_id, kind, event, subject, details) VALUES (%s, %s, %s, %s, %s)"
            " ON CONFLICT (kind, event) DO NOTHING",
            (store_id, kind, event, subject, Jsonb(dict(details))),
        ).rowcount
    )


def latest(connection: psycopg.Connection[Any], kind: str) -> dict[UUID | None, Mapping[str, Any]]:
    """The details of the newest event of a kind, by store."""
    rows = connection.execute(
        "SELECT DISTINCT ON (store_id) store_id, details FROM notifications WHERE kind = %s ORDER BY store_id, id DESC", (kind,)
    )
    return dict(rows.fetchall())


def unsent(connection: psycopg.Connection[Any]) -> list[Notification]:
    """What nobody was told of yet, the oldest first."""
    with connection.cursor(row_factory=class_row(Notification)) as cursor:
        return cursor.execute(
            "SELECT id, store_id, kind, event, subject, details, created_at FROM notifications WHERE sent_at IS NULL ORDER BY id"
        ).fetchall()
