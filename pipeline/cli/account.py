"""`pipeline connection adopt` and `drift`: what the marketplace's account has of ours, and deciding where only a person can."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from pipeline.cli import connections
from pipeline.cli.options import Json, SiteKey, StoreKey, person
from pipeline.cli.output import say, show_json, show_table
from pipeline.cli.session import Session, session
from pipeline.model.errors import UsageError

if TYPE_CHECKING:
    from pipeline.listings.cell import Cell

Why = Annotated[str, typer.Option("--why", help="Why; kept with your name.")]
_COLUMNS = ("SKU", "found", "account SKU", "GTIN", "item", "differs in", "decided")
_DRIFT = ("SKU", "kind", "acknowledged", "held now", "state", "times", "since")


def register(parent: typer.Typer) -> None:
    connections.app.command(
        epilog="Example: pipeline connection adopt my-shop amazon-us --map MUG-1=OLD-MUG-1 --why 'keeps its reviews'"
    )(adopt)
    connections.app.command(epilog="Example: pipeline connection drift my-shop amazon-us --take ours --sku MUG-1")(drift)


def adopt(
    store: StoreKey,
    marketplace: SiteKey,
    again: Annotated[bool, typer.Option("--again", help="Look at every SKU again; decisions stay.")] = False,
    mapped: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="SKU=ACCOUNT_SKU", help="Sell ours as that SKU of the account; may be repeated."),
    ] = None,
    sell_anyway: Annotated[
        list[str] | None,
        typer.Option("--sell-anyway", metavar="SKU", help="List it although the account sells its GTIN; may be repeated."),
    ] = None,
    forget: Annotated[
        list[str] | None, typer.Option("--forget", metavar="SKU", help="Take a decision back; may be repeated.")
    ] = None,
    why: Why = "",
    as_json: Json = False,
) -> None:
    """Look up what the account sells of ours already and adopt it, or decide about single SKUs. Nothing is sent."""
    decides = bool(mapped or sell_anyway or forget)
    if decides and again:
        raise UsageError("--again looks, the other options decide: use one command for each")
    pairs = dict(_pair(text) for text in mapped or ())
    with session() as current:
        cell = _cell(current, store, marketplace)
        error = None
        if decides:
            _decide(current, cell, pairs, sell_anyway or [], forget or [], why)
        else:
            error = _run(current, "adopt_listings", store, marketplace, {"account_listings": {"again": again}})
        from pipeline.submissions.account.decisions import account_listings

        with current.connect() as connection:
            rows = account_listings(connection, cell.lane)
    if as_json:
        show_json({"listings": rows, "errors": [error] if error else []})
    else:
        _show_adopted(rows, store, marketplace, error, decides)
    if error:
        raise typer.Exit(1)


def drift(
    store: StoreKey,
    marketplace: SiteKey,
    read: Annotated[bool, typer.Option("--read", help="Read the live listings back now, as every night.")] = False,
    take: Annotated[
        str | None, typer.Option("--take", metavar="ours|theirs", help="Say ours again, or leave theirs until ours changes.")
    ] = None,
    sku: Annotated[list[str] | None, typer.Option("--sku", help="Only this one; may be repeated.")] = None,
    why: Why = "",
    as_json: Json = False,
) -> None:
    """Show where the marketplace holds something else than it acknowledged, and decide about it."""
    if take not in (None, "ours", "theirs"):
        raise UsageError("--take is ours or theirs")
    if sku and take is None:
        raise UsageError("--sku says what --take is about")
    with session() as current:
        cell = _cell(current, store, marketplace)
        from pipeline.submissions.account.decisions import decide_drift, drifts
        from pipeline.submissions.account.drift import as_money

        error = _run(current, "read_back", store, marketplace, None) if read else None
        about: list[tuple[str, str]] = []
        with current.connect() as connection:
            if take is not None and error is None:
                policy: Literal["ours", "theirs"] = "ours" if take == "ours" else "theirs"
                about = decide_drift(connection, cell, policy, sku or [], person(None, why))
            rows = drifts(connection, cell.lane)
        for row in rows:
            if row["kind"] in ("content", "images"):
                row["ours"] = "as exported"
            elif row["kind"] == "price":
                row |= {name: as_money(row[name], cell.site.currency) for name in ("ours", "theirs")}
    if as_json:
        show_json({"drift": rows, "decided": [list(one) for one in about], "errors": [error] if error else []})
    else:
        _show_drift(rows, take, len(about), error, f"{store} {marketplace}")
    if error:
        raise typer.Exit(1)


def _pair(text: str) -> tuple[str, str]:
    sku, _, account_sku = text.partition("=")
    if not sku.strip() or not account_sku.strip():
        raise UsageError("--map takes SKU=ACCOUNT_SKU: ours, and the account's")
    return sku.strip(), account_sku.strip()


def _cell(current: Session, store: str, marketplace: str) -> Cell:
    from pipeline.listings.cell import find_cell
    from pipeline.listings.services import require_live
    from pipeline.stores.connections import require_connected

    with current.connect() as connection:
        require_connected(connection, store, marketplace)
        cell = find_cell(connection, store, marketplace)
    if cell is None:
        raise UsageError(f"{store} is not connected to {marketplace} any more")
    require_live(cell)
    return cell


def _run(current: Session, job: str, store: str, marketplace: str, ops: Any) -> str | None:
    from pipeline.cli.results import here
    from pipeline.operations.chain import for_connection

    return for_connection(here(current), job, store, marketplace, ops).error


def _decide(current: Session, cell: Cell, pairs: dict[str, str], anyway: list[str], forget: list[str], why: str) -> None:
    from pipeline.submissions.account import decisions
    from pipeline.submissions.live import Office

    by = person(None, why)
    office = Office(current.database, current.vault, current.settings.storage())
    with current.connect() as connection:
        if pairs:
            with office.listings(cell) as service:
                decisions.map_skus(connection, cell, service, pairs, by)
        decisions.sell_anyway(connection, cell, anyway, by)
        decisions.forget(connection, cell, forget, by)


def _show_adopted(rows: list[dict[str, Any]], store: str, marketplace: str, error: str | None, decided: bool) -> None:
    waiting = [row for row in rows if row["found"] in ("gtin", "gone") and row["decided"] is None]
    shown = [row for row in rows if row["found"] != "sku" or row["differs"]]
    names = ("sku", "found", "account_sku", "gtin", "item_id", "differs", "decided")
    show_table(
        _COLUMNS,
        [tuple(", ".join(row[name]) if name == "differs" else row[name] for name in names) for row in shown],
        empty="nothing that the account has is otherwise than we would say it",
    )
    if error:
        say(f"failed: {error}")
        return
    say(f"{sum(row['found'] == 'sku' for row in rows)} listings of the account are adopted; {len(waiting)} wait for a decision")
    if waiting:
        say("decide with --map SKU=ACCOUNT_SKU (use that listing) or --sell-anyway SKU (list it once more)")
    follow = "it counts from the next export on" if decided else "see what would change"
    say(f"{follow}: pipeline export {store} {marketplace} --dry-run")


def _show_drift(rows: list[dict[str, Any]], take: str | None, decided: int, error: str | None, where: str) -> None:
    names = ("sku", "kind", "ours", "theirs", "state", "times", "first_seen")
    show_table(_DRIFT, [tuple(row[name] for name in names) for row in rows], empty="the marketplace holds what it acknowledged")
    if error:
        say(f"failed: {error}")
    elif take is not None:
        follow = f"; ours is said again by: pipeline export {where}" if take == "ours" and decided else ""
        say(f"{decided} decided{follow}")
    elif any(row["state"] == "open" for row in rows):
        say(
            f"decide with: pipeline connection drift {where} --take ours|theirs [--sku SKU]; "
            f"for good with: pipeline connection set {where} drift=ours"
        )
