"""What operators did: who, when, what, to which connection and export, and why. Kept after a store or a connection is gone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from pipeline.model.errors import UsageError
from pipeline.stores.text import plain_text


@dataclass(frozen=True)
class Person:
    """Who decides, and why. `run_id`: of the job, if it is one."""

    who: str
    why: str
    run_id: str | None = None

    def __post_init__(self) -> None:
        if not self.who.strip():
            raise UsageError("say who decides this: --who NAME, or the field `who` of the job")


@dataclass(frozen=True)
class Action:
    """One row of the audit."""

    at: datetime
    who: str
    action: str
    store: str
    marketplace: str | None
    export_id: str | None
    why: str
    details: Mapping[str, Any]
    run_id: str | None


def record_action(
    connection: psycopg.Connection[Any],
    person: Person,
    action: str,
    store: str,
    marketplace: str | None = None,
    *,
    export_id: str | None = None,
    **details: Any,
) -> None:
    """Note what was done, in the transaction that does it. No secrets in `details`."""
    who, why = plain_text(person.who, "who"), plain_text(person.why, "why", 500) if person.why else ""
    connection.execute(
        b"INSERT INTO operator_actions (who, why, action, store, marketplace, export_id, details, run_id)"
        b" VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
        (who, why, action, store, marketplace, export_id, Jsonb(details), person.run_id),
    )


def list_actions(
    connection: psycopg.Connection[Any],
    *,
    store: str | None = None,
    marketplace: str | None = None,
    action: str | None = None,
    limit: int = 50,
) -> list[Action]:
    """The newest first."""
    query = b"""
        SELECT at, who, action, store, marketplace, export_id, why, details, run_id FROM operator_actions
        WHERE (%(store)s::text IS NULL OR store = %(store)s) AND (%(site)s::text IS NULL OR marketplace = %(site)s)
            AND (%(action)s::text IS NULL OR action = %(action)s) ORDER BY id DESC LIMIT %(limit)s
    """
    with connection.cursor(row_factory=class_row(Action)) as cursor:
        return cursor.execute(query, {"store": store, "site": marketplace, "action": action, "limit": limit}).fetchall()
