"""What a person sees of the account's listings, and decides about them. Decisions are kept with who and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from psycopg.rows import dict_row

from pipeline.listings.cell import Cell
from pipeline.listings.lane import Lane
from pipeline.marketplaces.live import ListingsService
from pipeline.model.errors import UsageError
from pipeline.stores.actions import Person, record_action
from pipeline.submissions.account.adoption import enter
from pipeline.submissions.account.drift import Policy, take

_IN_LANE = b" WHERE store_id = %s AND site = %s AND transport = %s"
_LIST = (
    b"SELECT sku, found, account_sku, gtin, item_id, differs, decided,"
    b" nullif(looked_at, to_timestamp(0)) AS looked_at FROM account_lookups"
    + _IN_LANE
    + b" AND (found <> 'nothing' OR decided IS NOT NULL) ORDER BY sku"
)
_DRIFT = (
    b"SELECT sku, kind, ours, theirs, state, times, first_seen, last_seen FROM listing_drift" + _IN_LANE + b" ORDER BY sku, kind"
)


def account_listings(connection: psycopg.Connection[Any], lane: Lane) -> list[dict[str, Any]]:
    """Every SKU of ours that the account had when it was looked up, or sells under another SKU."""
    return _rows(connection, _LIST, lane)


def drifts(connection: psycopg.Connection[Any], lane: Lane) -> list[dict[str, Any]]:
    """Where the marketplace held something else than acknowledged when it was read back last."""
    return _rows(connection, _DRIFT, lane)


def map_skus(
    connection: psycopg.Connection[Any], cell: Cell, service: ListingsService, mappings: Mapping[str, str], by: Person
) -> None:
    """Sell these SKUs as the account's; raises UsageError for one that the account does not have or that is taken."""
    lane = cell.lane
    for sku, account_sku in mappings.items():
        if sku == account_sku or service.get(account_sku) is None:
            raise UsageError(f"the account of {lane.store} has no other SKU {account_sku} on {lane.site}; nothing is mapped")
        taken = connection.execute(
            b"SELECT sku FROM account_lookups" + _IN_LANE + b" AND decided = 'map' AND account_sku = %s AND sku <> %s",
            (*lane.key, account_sku, sku),
        ).fetchone()
        if taken:
            raise UsageError(f"{account_sku} is mapped to {taken[0]} already; first: --forget {taken[0]}")
        enter(connection, lane)
        connection.execute(
            b"INSERT INTO account_lookups (store_id, site, transport, sku, found, account_sku, decided)"
            b" VALUES (%s, %s, %s, %s, 'nothing', %s, 'map') ON CONFLICT (store_id, site, transport, sku)"
            b" DO UPDATE SET account_sku = excluded.account_sku, decided = 'map'",
            (*lane.key, sku, account_sku),
        )
    if mappings:
        _note(connection, lane, by, "account_map", map=dict(mappings))


def sell_anyway(connection: psycopg.Connection[Any], cell: Cell, skus: Sequence[str], by: Person) -> None:
    """Create these although the account sells their GTIN already, or somebody deleted them."""
    _decide(connection, cell.lane, skus, "sell_anyway", by)


def forget(connection: psycopg.Connection[Any], cell: Cell, skus: Sequence[str], by: Person) -> None:
    """Take decisions about these back."""
    _decide(connection, cell.lane, skus, None, by)


def decide_drift(
    connection: psycopg.Connection[Any], cell: Cell, policy: Policy, skus: Sequence[str], by: Person
) -> list[tuple[str, str]]:
    """Say ours again, or leave theirs; (SKU, kind) of what it was about."""
    about = take(connection, cell.lane, policy, skus)
    unknown = sorted(set(skus) - {sku for sku, _ in about})
    if unknown:
        raise UsageError(
            f"{', '.join(unknown[:5])} of {cell.lane.store} has no drift that waits on {cell.lane.site}; see: "
            f"pipeline connection drift {cell.lane.store} {cell.lane.site}"
        )
    if about:
        _note(connection, cell.lane, by, f"drift_{policy}", values=[f"{sku} {kind}" for sku, kind in about])
    return about


def _decide(connection: psycopg.Connection[Any], lane: Lane, skus: Sequence[str], decision: str | None, by: Person) -> None:
    for sku in skus:
        count = connection.execute(
            b"UPDATE account_lookups SET decided = %s"
            + _IN_LANE
            + b" AND sku = %s AND (found <> 'nothing' OR decided IS NOT NULL)",
            (decision, *lane.key, sku),
        ).rowcount
        if not count:
            raise UsageError(
                f"nothing is to be decided about {sku} of {lane.store} on {lane.site}; see: "
                f"pipeline connection adopt {lane.store} {lane.site}"
            )
    if skus:
        _note(connection, lane, by, f"account_{decision or 'forget'}", skus=list(skus))


def _note(connection: psycopg.Connection[Any], lane: Lane, by: Person, action: str, **details: Any) -> None:
    record_action(connection, by, action, lane.store, lane.site, **details)


def _rows(connection: psycopg.Connection[Any], query: bytes, lane: Lane) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return list(cursor.execute(query, lane.key).fetchall())
