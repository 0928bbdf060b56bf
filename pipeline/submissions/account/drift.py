"""Reading back: where the marketplace holds something else than it acknowledged, and what becomes of that.

Only what a connection owns is compared, and only what nothing is on its way of. A quantity that is lower than ours is what
sales do. By the connection's policy ours is said again, theirs is left alone until ours changes, or a person decides.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Literal, cast

import psycopg
import pyarrow as pa
from psycopg.rows import dict_row

from pipeline.listings.cell import Cell
from pipeline.listings.guards import limit
from pipeline.listings.lane import Lane
from pipeline.marketplaces.live import Difference, Held, ListingsService, LiveMarketplace, RemoteListing
from pipeline.model.money import format_minor
from pipeline.platform.tables import Table
from pipeline.submissions.account.adoption import SHOWN_AFTER, advance
from pipeline.submissions.account.comparing import differences, pieces

Policy = Literal["ours", "theirs", "alert"]
#: State of a drift -> nothing is to be done about it by a person.
_STATE_OF: Mapping[Policy, str] = {"ours": "said_again", "theirs": "accepted", "alert": "open"}
_SETTLED = b"""
    SELECT s.sku, s.role, s.content_hash, s.images_hash, s.price, s.list_price, s.quantity, s.stock_elsewhere,
        s.sale_price, s.sale_start, s.sale_end
    FROM listing_state s WHERE s.store_id = %s AND s.site = %s AND s.transport = %s AND s.sku = ANY(%s) AND NOT s.uncertain
        AND s.left_at IS NULL AND s.updated_at < now() - %s::interval
        AND NOT EXISTS (SELECT 1 FROM listing_changes_sent c WHERE c.store_id = s.store_id AND c.site = s.site
            AND c.transport = s.transport AND c.sku = s.sku AND c.status = 'pending')
"""
_OVER = b"""
    DELETE FROM listing_drift d WHERE d.store_id = %s AND d.site = %s AND d.transport = %s AND d.sku = ANY(%s)
        AND NOT EXISTS (SELECT 1 FROM unnest(%s::text[], %s::text[]) AS n (sku, kind) WHERE n.sku = d.sku AND n.kind = d.kind)
"""
#: What was accepted stays so while ours is what it was.
_SEEN = b"""
    INSERT INTO listing_drift AS d (store_id, site, transport, sku, kind, ours, theirs, state)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (store_id, site, transport, sku, kind) DO UPDATE SET theirs = excluded.theirs, last_seen = now(),
        times = d.times + 1, ours = excluded.ours,
        state = CASE WHEN d.state = 'accepted' AND d.ours = excluded.ours THEN 'accepted' ELSE excluded.state END
    RETURNING d.state
"""
#: What it holds now counts as acknowledged: the next plan sees that ours is another.
_SAY_AGAIN = {
    "price": b"price = %(price)s, list_price = %(list_price)s, sale_price = %(sale_price)s, sale_start = %(sale_start)s,"
    b" sale_end = %(sale_end)s",
    "quantity": b"quantity = %(quantity)s",
    "content": b"content_hash = NULL",
    "images": b"images_hash = NULL",
}
_SALE = ", on sale for "
_PRICES = re.compile(
    r"(?:none|(?P<price>\d+))(?: instead of (?P<list_price>\d+))?"
    rf"(?:{_SALE}(?P<sale_price>\d+) from (?P<sale_start>\S+) until (?P<sale_end>\S+))?"
)
_IN_LANE = b" WHERE store_id = %s AND site = %s AND transport = %s"


@dataclass(frozen=True)
class Drift:
    sku: str
    kind: str  # content | images | price | quantity | missing
    ours: str
    theirs: str
    held: Held | None = None  # None: the account has no such SKU


def read_back(
    connection: psycopg.Connection[Any], cell: Cell, service: ListingsService, listings: Table, report: Callable[[int, int], None]
) -> Counter[str]:
    """Compare every live SKU of which nothing is on its way; returns how many were read, and drifts by state.

    `report` gets (listings done, listings in all). The connection must be outside of a transaction, in autocommit; the caller
    holds the lock of the cell. What is committed piece by piece stays when the process dies.
    """
    policy, counts, done = cell.connection.export_settings.drift, Counter[str](), 0
    most = limit(_live(connection, cell.lane))
    for piece in pieces(listings):
        live = _settled(connection, cell.lane, piece["sku"].to_pylist())
        if live:
            theirs = {one.sku: one for one in service.find(list(live))}
            found = list(_compare(cell, piece, live, theirs))
            counts["missing"] += sum(one.kind == "missing" for one in found)
            # So many at once are rather the account's trouble than somebody's decision about listings.
            policies = {one: "alert" if one.kind == "missing" and counts["missing"] > most else policy for one in found}
            with connection.transaction():
                counts.update(_record(connection, cell.lane, list(live), policies))
                _note_facts(connection, cell, theirs.values())
            counts["read"] += len(live)
        done += len(piece)
        report(done, listings.rows)
    return counts


def take(connection: psycopg.Connection[Any], lane: Lane, policy: Policy, skus: Sequence[str]) -> list[tuple[str, str]]:
    """Do what a person decided about open drifts, of these SKUs or (none given) all; (SKU, kind) of those that it was about."""
    rows = connection.execute(
        b"SELECT sku, kind, ours, theirs FROM listing_drift"
        + _IN_LANE
        + b" AND state <> 'accepted' AND (%s OR sku = ANY(%s)) ORDER BY sku, kind FOR UPDATE",
        (*lane.key, not skus, list(skus)),
    ).fetchall()
    if rows:
        version = advance(connection, lane)
        for sku, kind, ours, theirs in rows:
            _apply(connection, lane, Drift(sku, kind, ours, theirs), _STATE_OF[policy], version)
            connection.execute(
                b"UPDATE listing_drift SET state = %s" + _IN_LANE + b" AND sku = %s AND kind = %s",
                (_STATE_OF[policy], *lane.key, sku, kind),
            )
    return [(sku, kind) for sku, kind, _, _ in rows]


def _settled(connection: psycopg.Connection[Any], lane: Lane, skus: Sequence[str]) -> dict[str, dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_SETTLED, (*lane.key, list(skus), SHOWN_AFTER)).fetchall()
    return {row["sku"]: row for row in rows}


def _compare(
    cell: Cell, piece: pa.Table, live: Mapping[str, Mapping[str, Any]], theirs: Mapping[str, RemoteListing]
) -> Iterable[Drift]:
    market, owns = cast(LiveMarketplace, cell.marketplace), cell.connection.export_settings.owns
    # Only a listing that is as it was acknowledged says what the marketplace should hold.
    now = datetime.now(timezone.utc)
    listed = {row["sku"]: row for row in piece.select(["sku", "content_hash", "images_hash"]).to_pylist()}
    said = differences(cell, piece, theirs.values())
    for sku, state in live.items():
        listing = theirs.get(sku)
        if listing is None:
            yield Drift(sku, "missing", "listed", "not listed")
            continue
        held, compared = market.held(listing, cell.site), said.get(sku, {})
        for kind, change, name in (("content", "update", "content_hash"), ("images", "images", "images_hash")):
            one = compared.get(change, Difference())
            if kind in owns and one.differ and state[name] is not None and state[name] == listed[sku][name]:
                yield Drift(sku, kind, state[name], ", ".join(one.differ), held)
        if state["role"] == "parent":
            continue
        ours, theirs_now = _prices(state, now), _prices(_values_of(held), now)
        if ours.partition(_SALE)[1] == "":  # a sale that is none of ours is left alone
            theirs_now = theirs_now.partition(_SALE)[0]
        if "price" in owns and ours != theirs_now:
            yield Drift(sku, "price", ours, theirs_now, held)
        elsewhere = state["stock_elsewhere"] or held.stock_elsewhere
        if "quantity" in owns and not elsewhere and _more(held.quantity, state["quantity"]):
            yield Drift(sku, "quantity", str(state["quantity"]), str(held.quantity), held)


def _more(theirs: int | None, ours: int | None) -> bool:
    return ours is not None and (theirs is None or theirs > ours)


def _prices(values: Mapping[str, Any], now: datetime) -> str:
    """`1999`, `1999 instead of 2499`, `none`, and a sale that is not over: minor units, times in UTC."""
    price, before, sale, end = (values[name] for name in ("price", "list_price", "sale_price", "sale_end"))
    text = f"{'none' if price is None else price}" + (f" instead of {before}" if before is not None else "")
    if sale is None or end <= now:
        return text
    first, last = (values[name].astimezone(timezone.utc).isoformat() for name in ("sale_start", "sale_end"))
    return f"{text}{_SALE}{sale} from {first} until {last}"


def as_money(prices: str, currency: str) -> str:
    """What `_prices` says, as people write amounts."""
    found = _PRICES.fullmatch(prices)
    if found is None:
        return prices
    amounts = [found.span(name) for name in ("sale_price", "list_price", "price") if found[name] is not None]
    for first, last in amounts:  # from the end, so that places stay
        prices = f"{prices[:first]}{format_minor(int(prices[first:last]), currency)}{prices[last:]}"
    return prices


def _record(connection: psycopg.Connection[Any], lane: Lane, read: Sequence[str], found: Mapping[Drift, Policy]) -> Counter[str]:
    states = Counter[str]()
    connection.execute(_OVER, (*lane.key, list(read), [one.sku for one in found], [one.kind for one in found]))
    version = advance(connection, lane) if set(found.values()) - {"alert"} else 0
    for one, policy in found.items():
        row = connection.execute(_SEEN, (*lane.key, one.sku, one.kind, one.ours, one.theirs, _STATE_OF[policy])).fetchone()
        state = str(row[0]) if row else _STATE_OF[policy]
        states[state] += 1
        _apply(connection, lane, one, state, version)
    return states


def _apply(connection: psycopg.Connection[Any], lane: Lane, one: Drift, state: str, version: int) -> None:
    if state == "open":
        return
    if one.kind == "missing":
        connection.execute(b"DELETE FROM listing_state" + _IN_LANE + b" AND sku = %s", (*lane.key, one.sku))
        if state == "accepted":
            connection.execute(
                b"INSERT INTO account_lookups (store_id, site, transport, sku, found) VALUES (%s, %s, %s, %s, 'gone')"
                b" ON CONFLICT (store_id, site, transport, sku) DO UPDATE SET found = 'gone', decided = NULL, looked_at = now()",
                (*lane.key, one.sku),
            )
    elif state == "said_again":
        values = _values(one)
        store, site, transport = lane.key
        connection.execute(
            b"UPDATE listing_state SET version = %(version)s, "
            + _SAY_AGAIN[one.kind]
            + b" WHERE store_id = %(store)s AND site = %(site)s AND transport = %(transport)s AND sku = %(sku)s",
            {**values, "version": version, "store": store, "site": site, "transport": transport, "sku": one.sku},
        )


def _values(one: Drift) -> dict[str, Any]:
    """What it holds, as read just now or as the row says."""
    if one.held is not None:
        return _values_of(one.held)
    if one.kind == "quantity":
        return {"quantity": int(one.theirs) if one.theirs.isdigit() else None}
    found = _PRICES.fullmatch(one.theirs)
    said = found.groupdict() if found else dict.fromkeys(_PRICES.groupindex)
    numbers = {name: int(said[name] or 0) if said[name] else None for name in ("price", "list_price", "sale_price")}
    return {**numbers, **{name: said[name] for name in ("sale_start", "sale_end")}}


def _values_of(held: Held) -> dict[str, Any]:
    sale = dict(zip(("sale_price", "sale_start", "sale_end"), held.sale or (None, None, None), strict=True))
    return {"price": held.price, "list_price": held.list_price, "quantity": held.quantity, **sale}


def _live(connection: psycopg.Connection[Any], lane: Lane) -> int:
    row = connection.execute(b"SELECT count(*) FROM listing_state" + _IN_LANE, lane.key).fetchone()
    return int(row[0]) if row else 0


def _note_facts(connection: psycopg.Connection[Any], cell: Cell, theirs: Iterable[RemoteListing]) -> None:
    market = cast(LiveMarketplace, cell.marketplace)
    facts = [
        (one.item_id, list(one.status), market.held(one, cell.site).stock_elsewhere, *cell.lane.key, one.sku) for one in theirs
    ]
    with connection.cursor() as cursor:
        cursor.executemany(
            b"UPDATE listing_state SET marketplace_item_id = coalesce(%s, marketplace_item_id), marketplace_status = %s,"
            b" stock_elsewhere = %s" + _IN_LANE + b" AND sku = %s",
            facts,
        )
