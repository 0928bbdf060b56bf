"""What plans and listings need to know of the marketplace's account: whether it was looked at, what of it stands in the way of a
new listing, and under which of its SKUs ours are sold. `submissions` does the looking."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import psycopg

from pipeline.listings.lane import Lane
from pipeline.model.errors import PipelineError


def require_reconciled(connection: psycopg.Connection[Any], lane: Lane, account: str) -> None:
    """Raise PipelineError while a live lane does not know what its account sells already: it would create listings twice."""
    if lane.transport == "file":
        return
    row = connection.execute(
        b"SELECT reconciled_at IS NOT NULL, account FROM export_lanes WHERE store_id = %s AND site = %s AND transport = %s",
        lane.key,
    ).fetchone()
    if row is None or not row[0] or row[1] != account:
        raise PipelineError(
            f"what the account of {lane.store} sells on {lane.site} already was not read to the end, so nothing is sent; "
            f"materialize account_listings, or: pipeline connection adopt {lane.store} {lane.site}"
        )


def require_looked_up(lane: Lane, listings: Mapping[str, str], looked_up: Mapping[str, str]) -> None:
    """Raise PipelineError when the account was not asked about just these listings (metadata of both tables)."""
    if lane.transport == "api" and any(listings.get(name) != looked_up.get(name) for name in ("import_id", "version")):
        raise PipelineError(
            f"the listings of {lane.store} on {lane.site} are newer than the look at its account; materialize account_listings"
        )


def read_holds(connection: psycopg.Connection[Any], lane: Lane) -> dict[str, str]:
    """SKUs that are not created until a person has decided, with the reason and the ways out."""
    rows = connection.execute(
        b"SELECT sku, found, account_sku, gtin, item_id FROM account_lookups WHERE store_id = %s AND site = %s AND transport = %s"
        b" AND found IN ('gtin', 'gone') AND decided IS NULL ORDER BY sku",
        lane.key,
    )
    command = f"pipeline connection adopt {lane.store} {lane.site}"
    return {sku: _reason(command, sku, *row) for sku, *row in rows}


def _reason(command: str, sku: str, found: str, account_sku: str | None, gtin: str | None, item_id: str | None) -> str:
    if found == "gone":
        return f"Somebody deleted its listing on the marketplace. To list it again: {command} --sell-anyway {sku}"
    item = f", {item_id}" if item_id else ""
    return (
        f"The account sells its GTIN {gtin} already, as {account_sku}{item}. To use that listing: "
        f"{command} --map {sku}={account_sku}; to list it once more: {command} --sell-anyway {sku}"
    )


def read_mappings(connection: psycopg.Connection[Any], store_id: UUID, site: str) -> dict[str, str]:
    """Our SKU -> the account's SKU, as persons decided."""
    rows = connection.execute(
        b"SELECT sku, account_sku FROM account_lookups WHERE store_id = %s AND site = %s AND decided = 'map' ORDER BY sku",
        [store_id, site],
    )
    return {str(sku): str(account_sku) for sku, account_sku in rows}
