"""`pipeline changes` and `pipeline rollback`: what plans do, letting them pass or not, and going back."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.options import Json, SiteKey, StoreKey, Who, Why, person
from pipeline.cli.output import cell_text, say, short, show_facts, show_json, show_table
from pipeline.cli.session import Session, session
from pipeline.model.errors import UsageError
from pipeline.model.money import format_minor

if TYPE_CHECKING:
    from pipeline.listings.cell import Cell
    from pipeline.operations.decisions import Decided, Desk

app = typer.Typer(help="Plans: what an export changes, and approving, rejecting or undoing it.", no_args_is_help=True)

ExportId = Annotated[str, typer.Option("--export", metavar="EXPORT_ID", help="The plan; else the newest.", show_default=False)]
Skus = Annotated[list[str] | None, typer.Option("--sku", help="Only this SKU; may be repeated.")]
Kinds = Annotated[
    list[str] | None,
    typer.Option("--kind", help="Only create, update, price, quantity, images or delete; may be repeated."),
]
PinKinds = Annotated[list[str] | None, typer.Option("--kind", help="Only price, content or images; may be repeated.")]
NoExport = Annotated[bool, typer.Option("--no-export", help="Only decide; a later export carries it out.")]

_TEXT = ("sku", "product_id", "role", "parent_sku", "changes", "reason")
_VALUES = ("price", "list_price", "quantity")
_FIELDS_UNKNOWN = "which fields change is not known: the export that said the content before is not kept any more"
_WHEN = ("before", "after", "wanted")
_CSV = (*_TEXT, *(f"{name}_{when}" for name in (*_VALUES, "sale") for when in _WHEN), "content_changes", "images_change")


def register(parent: typer.Typer) -> None:
    parent.add_typer(app, name="changes")
    parent.command(
        "rollback",
        epilog="Example: pipeline rollback my-shop amazon-us --to 000004-1f2e3d4c5b6a --kind price --why 'a typo'",
    )(rollback)


@app.command("list", epilog="Example: pipeline changes list my-shop amazon-us")
def list_(
    store: StoreKey,
    marketplace: SiteKey,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many: what waits, then the newest.")] = 20,
    as_json: Json = False,
) -> None:
    """List the exports of a connection, what waits to be sent first, and what is rejected or pinned."""
    from pipeline.listings.preview import exports_of, standing_decisions

    with session() as current, current.connect() as connection:
        cell = _cell(current, store, marketplace)
        found = exports_of(connection, cell.lane, limit=limit)
        standing = standing_decisions(connection, cell.lane)
    if as_json:
        show_json({"exports": found, **standing})
        return
    kinds = ("create", "update", "price", "quantity", "images", "delete")
    show_table(
        ("export", "status", "planned", "sent", *kinds, "held", "approved by"),
        [
            (
                one["export_id"], one["status"], one["planned_at"], one["committed_at"],
                *(one["counts"]["changes"].get(kind, 0) for kind in kinds), one["counts"]["held"],
                (one["approval"] or {}).get("who"),
            )
            for one in found
        ],
        empty="nothing was planned yet",
    )  # fmt: skip
    _say_standing(standing)


@app.command(epilog="Example: pipeline changes show my-shop amazon-us --kind price --csv prices.csv")
def show(
    store: StoreKey,
    marketplace: SiteKey,
    export: ExportId = "",
    sku: Skus = None,
    kind: Annotated[
        list[str] | None,
        typer.Option("--kind", help="Only with this change, also hold or blocked; may be repeated."),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="How many rows to show.")] = 50,
    file: Annotated[Path | None, typer.Option("--csv", help="Write all rows into this file.")] = None,
    as_json: Json = False,
) -> None:
    """Show what a plan changes, SKU by SKU, before and after; what is held, and why; who approved it."""
    from pipeline.listings.plan_files import load_plan, plan_folder
    from pipeline.listings.preview import exports_of, held_by_guards, rows_of, standing_decisions

    with session() as current:
        cell = _cell(current, store, marketplace)
        with current.connect() as connection:
            found = exports_of(connection, cell.lane, export_id=export or _newest(connection, cell), limit=1)
            standing = standing_decisions(connection, cell.lane)
        if not found:
            raise UsageError(f"{store} has no export {export} on {marketplace}; see: pipeline changes list {store} {marketplace}")
        facts = found[0]
        _require_known(current, cell, sku or ())
        plan = load_plan(plan_folder(current.settings.storage(), store, marketplace, facts["export_id"]))
        facts["waits_for_approval"] = held_by_guards(plan)
        facts["products"] = len(plan.product_ids) or None
        facts["filtered"] = bool(sku or kind)
        rows: list[dict[str, Any]] = []
        total = 0
        for row in rows_of(plan, skus=sku or (), kinds=kind or ()):
            total += 1
            if len(rows) < limit:
                rows.append(row)
        if file is not None:
            _write_csv(file, rows_of(plan, skus=sku or (), kinds=kind or ()), cell.site.currency)
        if sku:
            _add_fields(current, cell, plan, rows)
    shown = [_public(row, cell.site.currency) for row in rows]
    if as_json:
        show_json({**facts, **standing, "rows": total, "changes": shown, **({"csv": str(file)} if file else {})})
        return
    _show(store, marketplace, facts, shown, total)
    _say_standing(standing)
    if file is not None:
        say(f"{total} rows are in {file}")


@app.command(epilog="Example: pipeline changes approve my-shop amazon-us --kind price --why 'spring prices'")
def approve(
    store: StoreKey, marketplace: SiteKey, export: ExportId = "", sku: Skus = None, kind: Kinds = None,
    who: Who = None, why: Why = "", no_export: NoExport = False, as_json: Json = False,
) -> None:  # fmt: skip
    """Let a plan pass, or some of what its guards hold; then export."""
    _decide(store, marketplace, who, why, no_export, as_json, lambda desk: desk.approve(export, skus=sku or (), kinds=kind or ()))


@app.command(epilog="Example: pipeline changes reject my-shop amazon-us --sku A-1 --why 'the title is of another product'")
def reject(
    store: StoreKey, marketplace: SiteKey, export: ExportId = "", sku: Skus = None, kind: Kinds = None,
    who: Who = None, why: Why = "", no_export: NoExport = False, as_json: Json = False,
) -> None:  # fmt: skip
    """Do not send what a plan changes, or some of it, until it changes again; then export the rest."""
    _decide(store, marketplace, who, why, no_export, as_json, lambda desk: desk.reject(export, skus=sku or (), kinds=kind or ()))


@app.command(epilog="Example: pipeline changes unpin my-shop amazon-us --sku A-1")
def unpin(
    store: StoreKey, marketplace: SiteKey, sku: Skus = None, kind: PinKinds = None,
    who: Who = None, why: Why = "", no_export: NoExport = False, as_json: Json = False,
) -> None:  # fmt: skip
    """End a rollback: the source's values count again; then export."""
    _decide(store, marketplace, who, why, no_export, as_json, lambda desk: desk.unpin(skus=sku or (), kinds=kind or ()))


def rollback(
    store: StoreKey,
    marketplace: SiteKey,
    to: Annotated[str, typer.Option("--to", metavar="EXPORT_ID", help="Go back to what the listings were after this export.")],
    sku: Skus = None,
    kind: PinKinds = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan; pin and send nothing.")] = False,
    who: Who = None,
    why: Why = "",
    no_export: NoExport = False,
    as_json: Json = False,
) -> None:
    """Go back to an earlier export: prices, content and pictures as they were then, never stock; until the source changes."""
    from pipeline.listings.cell import require_running

    if not dry_run:
        _decide(
            store, marketplace, who, why, no_export, as_json, lambda desk: desk.roll_back(to, skus=sku or (), kinds=kind or ())
        )
        return
    with session() as current:
        require_running(_cell(current, store, marketplace))
        options = {"dry_run": True, "rollback_to": to, "rollback_kinds": kind or [], "rollback_skus": sku or []}
        summary, notes = _export(current, store, marketplace, options)
    _end(summary, notes, as_json)


def _decide(
    store: str, site: str, who: str | None, why: str, no_export: bool, as_json: bool, act: Callable[[Desk], Decided]
) -> None:
    """Do it, say it, and export, since what is to be sent may be another now."""
    from pipeline.operations.decisions import Desk

    with session() as current:
        done = act(Desk(current.database, current.settings, store, site, person(who, why)))
        cell = _cell(current, store, site)
        if not as_json:
            say(done.sentence)
            for reason, count in done.details.get("left_as_it_is", {}).items():
                say(f"{count} {reason}")
        if no_export or cell.connection.paused:
            if as_json:
                show_json({"done": done.sentence, **done.details})
            else:
                say(f"next: pipeline export {store} {site}")
            return
        summary, notes = _export(current, store, site, {})
    _end({"done": done.sentence, **done.details, **summary} if as_json else summary, notes, as_json)


def _export(current: Session, store: str, site: str, options: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    from pipeline.cli.results import here
    from pipeline.operations.chain import export_store
    from pipeline.operations.launch import close_dead_runs
    from pipeline.operations.summary import notes, summarize

    close_dead_runs(current.instance, current.database)
    outcomes = export_store(here(current), store, [site], options=options)
    with current.connect() as connection:
        return summarize(connection, current.instance, store, outcomes), notes(connection, current.settings, store, outcomes)


def _end(summary: dict[str, Any], notes: Sequence[str], as_json: bool) -> None:
    from pipeline.cli.results import show_summary

    code = show_summary(summary, notes, as_json=as_json)
    if code:
        raise typer.Exit(code)


def _cell(current: Session, store: str, site: str) -> Cell:
    from pipeline.listings.cell import find_cell
    from pipeline.stores.connections import get_connection

    with current.connect() as connection:
        get_connection(connection, store, site)
        found = find_cell(connection, store, site)
    if found is None:
        raise UsageError(f"{store} is not connected to {site}")
    return found


def _newest(connection: Any, cell: Cell) -> str:
    from pipeline.listings.state import latest_export

    found = latest_export(connection, cell.lane)
    if found is None:
        command = f"pipeline export {cell.store.key} {cell.site.key} --dry-run"
        raise UsageError(f"{cell.store.key} has no plan for {cell.site.key} yet; make one with: {command}")
    return found.export_id


def _require_known(current: Session, cell: Cell, skus: Sequence[str]) -> None:
    """Raise UsageError for a SKU that is neither listed nor live."""
    from pipeline.listings.preview import unknown_skus
    from pipeline.listings.schema import LISTINGS
    from pipeline.platform.io_manager import stored_table

    listings = stored_table(current.settings, "listings", LISTINGS, cell.site.key, cell.store.key)
    with current.connect() as connection:
        unknown = unknown_skus(connection, cell.lane, listings, skus)
    if unknown:
        raise UsageError(
            f"{cell.store.key} has no SKU {', '.join(unknown)} on {cell.site.key}; look for it with: "
            f"pipeline explain {cell.store.key} {unknown[0]}"
        )


def _add_fields(current: Session, cell: Cell, plan: Any, rows: list[dict[str, Any]]) -> None:
    """What of the content changes, for rows that somebody asked for by SKU."""
    from pipeline.listings.preview import fields_changed
    from pipeline.listings.rollback import kept_plans
    from pipeline.listings.schema import LISTINGS
    from pipeline.platform.io_manager import stored_table

    listings = stored_table(current.settings, "listings", LISTINGS, cell.site.key, cell.store.key)
    with current.connect() as connection:
        plans = kept_plans(connection, cell.lane, current.settings.storage())
    for row in rows:
        row["fields"] = fields_changed(plan, plans, row, listings)
        if not row["fields"] and not {"update", "images"}.isdisjoint(row["changes"]):
            row["fields_unknown"] = _FIELDS_UNKNOWN


def _public(row: dict[str, Any], currency: str) -> dict[str, Any]:
    """A row for people and machines: amounts of money as text."""

    def value(name: str, amount: int | None) -> Any:
        return amount if amount is None or name == "quantity" else format_minor(amount, currency)

    return {
        **{name: row[name] for name in _TEXT},
        **{name: {when: value(name, row[column]) for when, column in _columns(name)} for name in _VALUES},
        "sale": {when: _sale(row, column.removeprefix("sale"), currency) for when, column in _columns("sale")},
        "content_changes": "update" in row["changes"] or "create" in row["changes"],
        "images_change": "images" in row["changes"] or "create" in row["changes"],
        **{name: row[name] for name in ("fields", "fields_unknown") if name in row},
    }


def _sale(row: dict[str, Any], when: str, currency: str) -> str | None:
    """A sale with dates: its price, from when until before when (UTC)."""
    if row[f"sale_price{when}"] is None:
        return None
    starts, ends = (f"{row[f'{name}{when}']:%Y-%m-%d %H:%M}" for name in ("sale_start", "sale_end"))
    return f"{format_minor(row[f'sale_price{when}'], currency)} from {starts} to {ends}"


def _columns(name: str) -> list[tuple[str, str]]:
    return [("before", f"{name}_before"), ("after", f"{name}_after"), ("wanted", name)]


def _show(store: str, site: str, facts: dict[str, Any], rows: list[dict[str, Any]], total: int) -> None:
    approval, counts = facts["approval"], facts["counts"]
    show_facts(
        {
            "export": facts["export_id"], "status": facts["status"], "import": facts["import_id"], "planned": facts["planned_at"],
            "sent": facts["committed_at"], "products": facts["products"] or "all",
            "changes": {kind: count for kind, count in counts["changes"].items() if count},
            "held": counts["held"], "blocked": counts["blocked"],
            "approved": f"by {approval['who']}: {approval['why']}" if approval else None,
        }
    )  # fmt: skip
    for held in facts["waits_for_approval"]:
        say(f"waits for approval: {held['changes']} {held['change']}: {held['reason']}")
    if facts["waits_for_approval"] or facts["status"] == "waiting_approval":
        say(f"to let it pass: pipeline changes approve {store} {site}; else: pipeline changes reject {store} {site} --why REASON")
    show_table(
        ("SKU", "changes", "price", "list price", "quantity", "sale (UTC)", "reason"),
        [
            (
                row["sku"],
                " + ".join(row["changes"]),
                *(_arrow(row[name]) for name in (*_VALUES, "sale")),
                short(row["reason"], 120),
            )
            for row in rows
        ],
        empty="it has no such rows" if facts["filtered"] else "it changes nothing",
    )
    for row in rows:
        for one in row.get("fields", ()):
            before = one["before"] if one["said_before"] else "(no export has said it)"
            say(f"{row['sku']} {one['field']}: {before} -> {one['after']}")
        if "fields_unknown" in row:
            say(f"{row['sku']}: {row['fields_unknown']}")
    if facts["products"]:
        say(
            f"this plan is of some products only; what is held or blocked in all: pipeline problems {store} {site}; other plans: "
            f"pipeline changes list {store} {site}"
        )
    if total > len(rows):
        say(f"{total - len(rows)} more; all of them: --limit {total}, or --csv FILE")


def _arrow(value: dict[str, Any]) -> str:
    """Before -> after; what waits stands in brackets."""
    before, after, wanted = ("" if value[name] is None else str(value[name]) for name in _WHEN)
    said = after if before in ("", after) else f"{before} -> {after or '?'}"
    return said if wanted in ("", after) else f"{said} [{wanted}]"


def _say_standing(standing: dict[str, list[dict[str, Any]]]) -> None:
    for one in standing["rejected"]:
        say(f"rejected: {one['changes']} changes of export {one['export_id']} by {one['who']}: {one['why']}")
    for one in standing["pinned"]:
        say(f"pinned: {one['values']} {one['kind']} to export {one['export_id']}")


def _write_csv(file: Path, rows: Any, currency: str) -> None:
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(_CSV)
        for row in rows:
            public = _public(row, currency)
            texts = [cell_text(" + ".join(public[name]) if name == "changes" else public[name]) for name in _TEXT]
            numbers = [public[name][when] for name in (*_VALUES, "sale") for when in _WHEN]
            writer.writerow([*texts, *numbers, public["content_changes"], public["images_change"]])
