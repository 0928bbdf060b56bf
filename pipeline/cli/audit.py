"""`pipeline audit`: what operators decided, when and why."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli.options import Json
from pipeline.cli.output import show_json, show_table
from pipeline.cli.session import session


def register(parent: typer.Typer) -> None:
    parent.command("audit", epilog="Example: pipeline audit --store my-shop --action rollback")(audit)


def audit(
    store: Annotated[str | None, typer.Option("--store", help="Only of this store.")] = None,
    marketplace: Annotated[str | None, typer.Option("--marketplace", help="Only on this site, for example amazon-us.")] = None,
    action: Annotated[str | None, typer.Option("--action", help="Only this: approve, reject, rollback, pause ...")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many, newest first.")] = 50,
    as_json: Json = False,
) -> None:
    """Show what operators decided: who, when, what and why. Kept also after a store is removed."""
    from pipeline.stores.actions import list_actions

    with session() as current, current.connect() as connection:
        found = list_actions(connection, store=store, marketplace=marketplace, action=action, limit=limit)
    if as_json:
        show_json({"actions": found})
        return
    show_table(
        ("at (UTC)", "who", "action", "store", "marketplace", "export", "why", "details"),
        [
            (one.at, one.who, one.action, one.store, one.marketplace, one.export_id, one.why, dict(one.details) or None)
            for one in found
        ],
        empty="nothing was decided yet",
    )
