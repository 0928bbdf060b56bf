"""Going live: what the account already sells of ours becomes the state that plans are made from, before anything is sent.

Our SKUs are looked up in pieces, and each piece is committed: a run that dies goes on where it was, and so does the look at
SKUs that came later. SKUs of the account that are not in our catalog are never touched.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import psycopg
import pyarrow as pa

from pipeline.listings.cell import Cell
from pipeline.listings.lane import Lane
from pipeline.marketplaces.live import ListingsService, LiveMarketplace, RemoteListing
from pipeline.model.errors import PipelineError
from pipeline.platform.points import point
from pipeline.platform.tables import Table
from pipeline.submissions.account.comparing import differences, pieces

#: A look is good for so long: then somebody may have listed the SKU by hand.
_GOOD_DAYS = 7
#: What was acknowledged lately may not be shown yet.
SHOWN_AFTER = "1 hour"
_BATCH = 200

#: Those of these SKUs that nobody knows anything certain of, and that are not on their way.
_UNKNOWN = b"""
    SELECT u.sku FROM unnest(%(skus)s::text[]) WITH ORDINALITY AS u (sku, place)
    LEFT JOIN listing_state s ON s.store_id = %(store)s AND s.site = %(site)s AND s.transport = %(transport)s AND s.sku = u.sku
    LEFT JOIN account_lookups l ON l.store_id = %(store)s AND l.site = %(site)s AND l.transport = %(transport)s AND l.sku = u.sku
    WHERE (s.uncertain OR s.sku IS NULL AND (l.sku IS NULL OR l.looked_at < now() - make_interval(days => %(days)s)))
        AND NOT EXISTS (SELECT 1 FROM listing_changes_sent c WHERE c.store_id = %(store)s AND c.site = %(site)s
            AND c.transport = %(transport)s AND c.sku = u.sku AND c.status = 'pending')
    ORDER BY u.place
"""
#: Uncertain ones that are no listings of ours any more.
_REST = b"""
    SELECT s.sku FROM listing_state s WHERE s.store_id = %(store)s AND s.site = %(site)s AND s.transport = %(transport)s
        AND s.uncertain AND s.sku > %(after)s AND NOT EXISTS (SELECT 1 FROM listing_changes_sent c
            WHERE c.store_id = s.store_id AND c.site = s.site AND c.transport = s.transport AND c.sku = s.sku
            AND c.status = 'pending') ORDER BY s.sku LIMIT %(limit)s
"""
_ADOPT = b"""
    INSERT INTO listing_state AS s (store_id, site, transport, version, sku, product_id, role, parent_sku, content_hash,
        images_hash, price, list_price, quantity, stock_elsewhere, marketplace_item_id, marketplace_status)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (store_id, site, transport, sku) DO UPDATE SET version = excluded.version, product_id = excluded.product_id,
        role = excluded.role, parent_sku = excluded.parent_sku, content_hash = excluded.content_hash,
        images_hash = excluded.images_hash, price = excluded.price, list_price = excluded.list_price,
        quantity = excluded.quantity, stock_elsewhere = excluded.stock_elsewhere, uncertain = false, updated_at = now(),
        marketplace_item_id = excluded.marketplace_item_id, marketplace_status = excluded.marketplace_status
"""
#: The content of what is no listing of ours any more stays as it is.
_READ_AGAIN = b"""
    UPDATE listing_state SET version = %s, price = %s, list_price = %s, quantity = %s, stock_elsewhere = %s, uncertain = false,
        marketplace_item_id = %s, marketplace_status = %s, updated_at = now()
    WHERE store_id = %s AND site = %s AND transport = %s AND sku = %s
"""
_LOOKED_UP = b"""
    INSERT INTO account_lookups (store_id, site, transport, sku, found, account_sku, gtin, item_id, differs)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (store_id, site, transport, sku) DO UPDATE SET looked_at = now(),
        found = CASE WHEN account_lookups.found = 'gone' AND excluded.found = 'nothing' THEN 'gone' ELSE excluded.found END,
        account_sku = coalesce(excluded.account_sku, account_lookups.account_sku), gtin = excluded.gtin,
        item_id = excluded.item_id, differs = excluded.differs
"""
_IN_LANE = b" WHERE store_id = %s AND site = %s AND transport = %s"


@dataclass(frozen=True)
class Row:
    """What one look at a SKU found. `ours` is its listing; None for a SKU that is no listing any more."""

    sku: str
    ours: dict[str, Any] | None
    listing: RemoteListing | None  # of that SKU
    twin: RemoteListing | None = None  # another SKU of the account with its GTIN
    differs: tuple[str, ...] = ()


def adopt(
    connection: psycopg.Connection[Any], cell: Cell, service: ListingsService, listings: Table, report: Callable[[int, int], None]
) -> Counter[str]:
    """Look up every SKU that is not known, and adopt what the account has; returns what was found, by kind.

    `report` gets (listings done, listings in all). The connection must be outside of a transaction, in autocommit; the caller
    holds the lock of the cell. Raises PipelineError for an account that the state is not about.
    """
    _enter(connection, cell)
    found, done = Counter[str](), 0
    for piece in pieces(listings):
        todo = _unknown(connection, cell.lane, piece["sku"].to_pylist())
        if todo:
            rows = _look(cell, service, piece, todo)
            point("before_adoption")
            with connection.transaction():
                _record(connection, cell, rows)
            point("after_adoption")
            found.update("gtin" if row.twin else "sku" if row.listing else "nothing" for row in rows)
        done += len(piece)
        report(done, listings.rows)
    after = ""
    while rest := _rest(connection, cell.lane, after):
        theirs = {one.sku: one for one in service.find(rest)}
        with connection.transaction():
            _record(connection, cell, [Row(sku, None, theirs.get(sku)) for sku in rest])
        after = rest[-1]
    connection.execute(
        b"UPDATE export_lanes SET reconciled_at = coalesce(reconciled_at, now()), account = %s" + _IN_LANE,
        (cell.account.seller_id, *cell.lane.key),
    )
    return found


def forget(connection: psycopg.Connection[Any], cell: Cell) -> None:
    """Look at everything again: all that is not on its way becomes uncertain; what persons decided stays. Of another account
    than before, everything goes."""
    connection.execute(
        b"INSERT INTO export_lanes (store_id, site, transport) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING", cell.lane.key
    )
    row = connection.execute(b"SELECT account FROM export_lanes" + _IN_LANE + b" FOR UPDATE", cell.lane.key).fetchone()
    if row is not None and row[0] not in (None, cell.account.seller_id):
        for table in (b"listing_state", b"listing_changes_sent", b"listing_drift", b"marketplace_issues", b"account_lookups"):
            connection.execute(b"DELETE FROM " + table + _IN_LANE, cell.lane.key)
    connection.execute(
        b"UPDATE listing_state SET uncertain = true"
        + _IN_LANE
        + b" AND updated_at < now() - interval '"
        + SHOWN_AFTER.encode()
        + b"'",
        cell.lane.key,
    )
    connection.execute(b"UPDATE account_lookups SET looked_at = to_timestamp(0)" + _IN_LANE, cell.lane.key)
    connection.execute(
        b"UPDATE export_lanes SET reconciled_at = NULL, account = NULL, version = version + 1" + _IN_LANE, cell.lane.key
    )


def advance(connection: psycopg.Connection[Any], lane: Lane) -> int:
    """The next version of a lane: plans that were made before are stale from now on."""
    row = connection.execute(
        b"UPDATE export_lanes SET version = version + 1" + _IN_LANE + b" RETURNING version", lane.key
    ).fetchone()
    return int(row[0]) if row else 0


def enter(connection: psycopg.Connection[Any], lane: Lane) -> None:
    """The lane has a row from now on."""
    connection.execute(
        b"INSERT INTO export_lanes (store_id, site, transport) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING", lane.key
    )


def _enter(connection: psycopg.Connection[Any], cell: Cell) -> None:
    lane = cell.lane
    connection.execute(
        b"INSERT INTO export_lanes (store_id, site, transport) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING", lane.key
    )
    row = connection.execute(b"SELECT account FROM export_lanes" + _IN_LANE, lane.key).fetchone()
    if row is not None and row[0] not in (None, cell.account.seller_id):
        raise PipelineError(
            f"{lane.store} on {lane.site} was live with account {row[0]}, and is connected to {cell.account.seller_id} now; to "
            f"start over with the new one: pipeline connection adopt {lane.store} {lane.site} --again"
        )


def _unknown(connection: psycopg.Connection[Any], lane: Lane, skus: Sequence[str]) -> list[str]:
    store, site, transport = lane.key
    values = {"skus": list(skus), "store": store, "site": site, "transport": transport, "days": _GOOD_DAYS}
    return [sku for (sku,) in connection.execute(_UNKNOWN, values)]


def _rest(connection: psycopg.Connection[Any], lane: Lane, after: str) -> list[str]:
    store, site, transport = lane.key
    values = {"store": store, "site": site, "transport": transport, "after": after, "limit": _BATCH}
    return [sku for (sku,) in connection.execute(_REST, values)]


def _look(cell: Cell, service: ListingsService, piece: pa.Table, todo: Sequence[str]) -> list[Row]:
    """Ask the account about these SKUs, and about the GTINs of those that it does not have."""
    market = cast(LiveMarketplace, cell.marketplace)
    ours = {row["sku"]: row for row in piece.select(_OURS).to_pylist()}
    theirs = {one.sku: one for one in service.find(todo)}
    gtins = {ours[sku]["gtin"] for sku in todo if sku not in theirs and ours[sku]["gtin"]}
    twins: dict[str, RemoteListing] = {}
    for one in service.find_gtins(sorted(gtins)) if gtins else ():
        for gtin in market.held(one, cell.site).gtins:
            twins.setdefault(_digits(gtin), one)
    compared = differences(cell, piece, theirs.values())
    rows = []
    for sku in todo:
        listing, gtin = theirs.get(sku), ours[sku]["gtin"]
        twin = None if listing is not None or not gtin else twins.get(_digits(gtin))
        kinds = compared.get(sku)
        same = {kind for kind, one in (kinds or {}).items() if not one.differ and not one.unknown}
        rows.append(Row(sku, ours[sku], listing, twin, tuple(kind for kind in ("update", "images") if kind not in same)))
    return rows


_OURS = ["sku", "product_id", "role", "parent_sku", "gtin", "content_hash", "images_hash", "price", "list_price", "quantity"]


def _record(connection: psycopg.Connection[Any], cell: Cell, rows: Iterable[Row]) -> None:
    """In one transaction with the version of the lane: what is adopted, what is gone, and what each look found."""
    market, lane = cast(LiveMarketplace, cell.marketplace), cell.lane
    version = advance(connection, lane)
    skus = [row.sku for row in rows]
    # What became of it is known now, so nothing that was refused before stands in the way.
    connection.execute(
        b"DELETE FROM listing_changes_sent c USING listing_state s WHERE c.store_id = %s AND c.site = %s AND c.transport = %s"
        b" AND c.status = 'rejected' AND c.sku = ANY(%s) AND s.store_id = c.store_id AND s.site = c.site"
        b" AND s.transport = c.transport AND s.sku = c.sku AND s.uncertain",
        (*lane.key, skus),
    )
    absent = [row.sku for row in rows if row.listing is None]
    connection.execute(b"DELETE FROM listing_state" + _IN_LANE + b" AND sku = ANY(%s) AND uncertain", (*lane.key, absent))
    with connection.cursor() as cursor:
        for row in rows:
            differs = row.differs
            if row.listing is not None:
                held, one = market.held(row.listing, cell.site), row.listing
                offer = (held.price, held.list_price, held.quantity, held.stock_elsewhere)
                seen = (one.item_id, list(one.status))
                if row.ours is None:
                    cursor.execute(_READ_AGAIN, (version, *offer, *seen, *lane.key, row.sku))
                    continue
                hashes = [row.ours[name] if kind not in differs else None for kind, name in _HASHES]
                family = [row.ours[name] for name in ("product_id", "role", "parent_sku")]
                cursor.execute(_ADOPT, (*lane.key, version, row.sku, *family, *hashes, *offer, *seen))
                differs = (*differs, *_offer_differs(row.ours, offer))
            if row.ours is None:
                continue
            found = "gtin" if row.twin is not None else "nothing" if row.listing is None else "sku"
            seen_as = row.twin or row.listing
            account_sku, item_id = (row.twin.sku if row.twin else None), (seen_as.item_id if seen_as else None)
            gtin = row.ours["gtin"] if row.twin else None
            cursor.execute(
                _LOOKED_UP, (*lane.key, row.sku, found, account_sku, gtin, item_id, list(differs) if row.listing else [])
            )


_HASHES = (("update", "content_hash"), ("images", "images_hash"))


def _offer_differs(ours: dict[str, Any], offer: tuple[Any, ...]) -> tuple[str, ...]:
    price, list_price, quantity, elsewhere = offer
    if ours["role"] == "parent":
        return ()
    kinds = []
    if (price, list_price) != (ours["price"], ours["list_price"]):
        kinds.append("price")
    if not elsewhere and ours["quantity"] is not None and quantity != ours["quantity"]:
        kinds.append("quantity")
    return tuple(kinds)


def _digits(gtin: str) -> str:
    """The same article, however many zeros its number begins with."""
    return gtin.strip().lstrip("0")
