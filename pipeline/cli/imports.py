"""`pipeline import`: read a store's catalog, then find and fix its faults."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from pipeline.cli.options import Json, StoreKey
from pipeline.cli.session import session


class Part(str, Enum):
    products = "products"
    collections = "collections"
    inventory = "inventory"
    categories = "categories"  # Akeneo's word for collections
    attributes = "attributes"
    families = "families"


def register(parent: typer.Typer) -> None:
    parent.command("import", epilog="Example: pipeline import my-shop --only products")(import_)


def import_(
    store: StoreKey,
    only: Annotated[Part | None, typer.Option("--only", help="Only this part of the catalog; all of it if not given.")] = None,
    accept_shrink: Annotated[
        bool, typer.Option("--accept-shrink", help="The catalog may have lost many products since the last good import.")
    ] = False,
    since: Annotated[
        str,
        typer.Option(
            "--since",
            metavar="TIME|auto",
            help="Live sources: only what changed at or after this time; auto: since the last import, where that is possible.",
        ),
    ] = "auto",
    full: Annotated[bool, typer.Option("--full", help="Read everything, whatever was imported before.")] = False,
    as_json: Json = False,
) -> None:
    """Import a store's catalog and check its quality."""
    from pipeline.catalog.opening import parse_since
    from pipeline.cli.results import here, show_summary
    from pipeline.model.errors import UsageError
    from pipeline.stores.sources import source_kind
    from pipeline.stores.stores import get_store

    if full and since != "auto":
        raise UsageError("--full reads everything and --since only what changed; give one of them")
    parse_since(since)
    with session() as current:
        with current.connect() as connection:
            found = get_store(connection, store)
        if only is not None:
            source_kind(found.source).check_part(only.value, store)
        if found.sealed_by is not None:
            current.vault.require_key()  # wrong configuration is told before a run begins
        from pipeline.operations.chain import import_store
        from pipeline.operations.launch import close_dead_runs
        from pipeline.operations.summary import summarize

        close_dead_runs(current.instance, current.database)
        outcome = import_store(
            here(current),
            store,
            only=only.value if only else None,
            since="full" if full else since,
            accept_shrink=accept_shrink,
        )
        with current.connect() as connection:
            summary = summarize(connection, current.instance, store, [outcome])
    code = show_summary(summary, [f"warning: {one}" for one in summary["warnings"]], as_json=as_json)
    if code:
        raise typer.Exit(code)
