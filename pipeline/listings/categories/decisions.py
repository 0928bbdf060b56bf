"""What people decided: rows of `category_decisions`. The newest decision about the same thing replaces the one before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any, Literal, get_args
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from pipeline.model.errors import UsageError
from pipeline.stores.text import plain_text

Scope = Literal["product", "product_type", "taxonomy"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
_MOST_KEY, _MOST_CATEGORY, _MOST_WHY = 255, 100, 500


@dataclass(frozen=True)
class Decision:
    """For everything that `scope` and `key` name, `category` is the one, or (rejected) is not."""

    scope: Scope
    key: str
    category: str
    accepted: bool = True


@dataclass(frozen=True)
class Recorded(Decision):
    """A decision, and who made it when and why."""

    who: str = ""
    why: str = ""
    decided_at: datetime | None = None


@dataclass(frozen=True)
class Decisions:
    """Of one connection, for looking up: (scope, key) -> the accepted category, and the rejected ones."""

    accepted: Mapping[tuple[Scope, str], str] = field(default_factory=dict)
    rejected: Mapping[tuple[Scope, str], frozenset[str]] = field(default_factory=dict)

    def refuses(self, keys: Iterable[tuple[Scope, str]]) -> frozenset[str]:
        """Categories that are rejected for any of the keys."""
        return frozenset().union(*(self.rejected.get(key, ()) for key in keys))

    @property
    def version(self) -> str:
        known = sorted(self.accepted.items()), sorted((key, sorted(found)) for key, found in self.rejected.items())
        return sha256(repr(known).encode()).hexdigest()


def key_of(scope: Scope, text: str) -> str:
    """The key of a product id, product type or taxonomy id as it is compared."""
    return " ".join(text.split()).casefold() if scope == "product_type" else text.strip()


def decide(
    connection: psycopg.Connection[Any], store_id: UUID, site: str, decisions: Sequence[Decision], who: str, why: str = ""
) -> int:
    """Record decisions; how many. An accepted category replaces the accepted one before, and what rejected it.

    Raises UsageError for an unusable category or key, and then nothing is recorded."""
    who, why = plain_text(who, "who decides"), plain_text(why, "the reason", _MOST_WHY) if why else ""
    checked = [_checked(one) for one in decisions]
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(
            "DELETE FROM category_decisions WHERE store_id = %s AND site = %s AND scope = %s AND key = %s"
            " AND (category = %s OR (accepted AND %s))",
            [(store_id, site, one.scope, one.key, one.category, one.accepted) for one in checked],
        )
        cursor.executemany(
            "INSERT INTO category_decisions (store_id, site, scope, key, category, accepted, who, why)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (store_id, site, scope, key, category) DO UPDATE SET accepted = excluded.accepted",
            [(store_id, site, one.scope, one.key, one.category, one.accepted, who, why) for one in checked],
        )
    return len(checked)


def forget(connection: psycopg.Connection[Any], store_id: UUID, site: str, scope: Scope, keys: Sequence[str]) -> int:
    """Remove all decisions about these; how many there were."""
    wanted = [key_of(scope, key) for key in keys]
    query = "DELETE FROM category_decisions WHERE store_id = %s AND site = %s AND scope = %s AND key = ANY(%s)"
    return connection.execute(query, (store_id, site, scope, wanted)).rowcount


def list_decisions(connection: psycopg.Connection[Any], store_id: UUID, site: str) -> list[Recorded]:
    with connection.cursor(row_factory=class_row(Recorded)) as cursor:
        return cursor.execute(
            "SELECT scope, key, category, accepted, who, why, decided_at FROM category_decisions"
            " WHERE store_id = %s AND site = %s ORDER BY scope, key, accepted DESC, category",
            (store_id, site),
        ).fetchall()


def read_decisions(connection: psycopg.Connection[Any], store_id: UUID, site: str) -> Decisions:
    accepted: dict[tuple[Scope, str], str] = {}
    rejected: dict[tuple[Scope, str], frozenset[str]] = {}
    for one in list_decisions(connection, store_id, site):
        if one.accepted:
            accepted[one.scope, one.key] = one.category
        else:
            rejected[one.scope, one.key] = rejected.get((one.scope, one.key), frozenset()) | {one.category}
    return Decisions(accepted, rejected)


def _checked(one: Decision) -> Decision:
    if one.scope not in SCOPES:
        raise UsageError(f"a category is chosen for a {', a '.join(SCOPES)}, not for a {one.scope!r}")
    key = plain_text(key_of(one.scope, one.key), f"the {one.scope.replace('_', ' ')}", _MOST_KEY)
    category = plain_text(one.category.strip(), "the category", _MOST_CATEGORY)
    return Decision(one.scope, key, category, one.accepted)
