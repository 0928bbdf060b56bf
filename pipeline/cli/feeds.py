"""`pipeline feeds`: files beside those that are sent."""

from __future__ import annotations

import typer

from pipeline.cli.options import Json, SiteKey, StoreKey
from pipeline.cli.output import say, show_json, show_table
from pipeline.cli.session import session
from pipeline.model.errors import UsageError

app = typer.Typer(help="Feeds: files beside those that are sent.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Feeds: files beside those that are sent."""


def register(parent: typer.Typer) -> None:
    parent.add_typer(app, name="feeds")


@app.command("legacy-xml", epilog="Example: pipeline feeds legacy-xml my-shop amazon-us")
def legacy_xml(store: StoreKey, marketplace: SiteKey, as_json: Json = False) -> None:
    """Write all ready listings in Amazon's old XML, which Amazon has refused since 2025-07-31. Nothing is sent."""
    from pipeline.cli.results import here
    from pipeline.marketplaces import find_site
    from pipeline.marketplaces.legacy import NOTES, WritesLegacy
    from pipeline.operations.chain import write_legacy_xml
    from pipeline.platform.io_manager import stored_table
    from pipeline.stores.connections import get_connection

    market, _ = find_site(marketplace)
    if not isinstance(market, WritesLegacy):
        raise UsageError(f"{market.name} has no legacy format")
    with session() as current:
        with current.connect() as connection:
            if get_connection(connection, store, marketplace).paused:
                raise UsageError(f"{store} on {marketplace} is paused: pipeline connection resume {store} {marketplace}")
        outcome = write_legacy_xml(here(current), store, marketplace)
        notes = stored_table(current.settings, "legacy_xml", NOTES, marketplace, store)
        folder = current.settings.storage("feeds", store, marketplace, "legacy_xml")
    if outcome.error is not None:
        if as_json:
            show_json({"error": outcome.error})
        else:
            say(f"failed: {outcome.error}")
        raise typer.Exit(1)
    rows = notes.arrow().to_pylist() if notes is not None else []
    files = sorted(path.name for path in folder.iterdir())
    if as_json:
        show_json({"folder": str(folder), "files": files, "notes": rows, "run": outcome.run_id})
        return
    show_table(("SKU", "file", "what it cannot say"), [tuple(row.values()) for row in rows[:50]], empty="all listings are in it")
    say(f"{len(files)} files are in {folder}; {len(rows)} notes, all of them in notes.csv")
    say("Amazon has refused XML feeds since 2025-07-31: these files are for archives and other programs")
