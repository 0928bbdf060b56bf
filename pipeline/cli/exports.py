"""`pipeline export`: listings, plan, feeds and submission of one store on one marketplace."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from pipeline.cli.options import Json, SiteKey, StoreKey, Who, Why, person
from pipeline.cli.session import Session, session


def register(parent: typer.Typer) -> None:
    parent.command("export", epilog="Example: pipeline export my-shop amazon-us --product-id 8123456789 --dry-run")(export)


def export(
    store: StoreKey,
    marketplace: SiteKey,
    product_id: Annotated[list[str] | None, typer.Option("--product-id", help="Only this product; may be repeated.")] = None,
    ai: Annotated[
        bool | None, typer.Option("--ai/--no-ai", help="AI optimization in this run; else as the connection says.")
    ] = None,
    translate: Annotated[
        bool | None, typer.Option("--translate/--no-translate", help="Translation in this run; else as the connection says.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan; write no feeds and send nothing.")] = False,
    approve: Annotated[
        str | None, typer.Option("--approve", metavar="EXPORT_ID", help="Approve this plan, or what its guards held, first.")
    ] = None,
    who: Who = None,
    why: Why = "",
    as_json: Json = False,
) -> None:
    """Export a store to a marketplace: only what changed since the last export."""
    from pipeline.cli.results import here, show_summary

    options: dict[str, Any] = {"product_ids": product_id or [], "dry_run": dry_run}
    options |= {name: value for name, value in (("ai", ai), ("translate", translate)) if value is not None}
    with session() as current:
        _check(current, store, marketplace, approve, who, why)
        from pipeline.operations.chain import export_store
        from pipeline.operations.launch import close_dead_runs
        from pipeline.operations.summary import notes, summarize

        close_dead_runs(current.instance, current.database)
        outcomes = export_store(here(current), store, [marketplace], options=options)
        with current.connect() as connection:
            summary = summarize(connection, current.instance, store, outcomes)
            said = notes(connection, current.settings, store, outcomes)
    code = show_summary(summary, said, as_json=as_json)
    if code:
        raise typer.Exit(code)


def _check(current: Session, store: str, marketplace: str, approve: str | None, who: str | None, why: str) -> None:
    """Wrong use and wrong configuration are told before anything runs; an approval is recorded with who gave it."""
    from pipeline.listings.categories.inputs import require_category_file
    from pipeline.listings.cell import find_cell, require_running
    from pipeline.model.errors import UsageError

    with current.connect() as connection:
        cell = find_cell(connection, store, marketplace)
        if cell is None:
            raise UsageError(
                f"{store} is not connected to {marketplace}; connect it with: pipeline connect {store} {marketplace}"
            )
        require_running(cell)
    require_category_file(cell)
    if cell.lane.transport == "api":
        current.vault.require_key()
    if approve is not None:
        from pipeline.operations.decisions import Desk

        Desk(current.database, current.settings, store, marketplace, person(who, why)).approve(approve)
