"""`pipeline store`: add, list, show, change and remove stores."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.options import Json, StoreKey, Yes, confirm
from pipeline.cli.output import say, show_facts, show_json, show_table
from pipeline.cli.removal import remove_store, show_removed
from pipeline.cli.session import session

if TYPE_CHECKING:
    from pipeline.stores.stores import Store

app = typer.Typer(help="Stores: where catalogs come from.", no_args_is_help=True)

File = Annotated[Path | None, typer.Option("--file", help="Catalog to import: Shopify CSV export or bulk JSONL, also .gz.")]
Collections = Annotated[Path | None, typer.Option("--collections", help="Collections as bulk JSONL, if in a file of their own.")]
Name = Annotated[str | None, typer.Option("--name", help="Name for people; the key if not given.")]


def register(parent: typer.Typer) -> None:
    parent.add_typer(app, name="store")


@app.command(epilog="Example: pipeline store add my-shop --file products_export.csv --currency EUR --language de")
def add(
    key: Annotated[
        str, typer.Argument(metavar="KEY", help="Lower-case letters, digits, dots, hyphens, for example my-shop.com.")
    ],
    source: Annotated[str, typer.Option("--source", help="Where the catalog comes from.")] = "shopify-file",
    file: File = None,
    collections: Collections = None,
    name: Name = None,
    currency: Annotated[str, typer.Option("--currency", help="ISO 4217 code of the catalog's prices.")] = "USD",
    language: Annotated[str, typer.Option("--language", help="BCP 47 tag of the catalog's texts.")] = "en",
    as_json: Json = False,
) -> None:
    """Add a store."""
    from pipeline.stores.stores import add_store, check_source

    source_settings = _source_settings(file, collections)
    check_source(source, source_settings)  # before a database is started for nothing
    with session() as current:
        from pipeline.operations.partitions import register

        with current.connect() as connection:
            store = add_store(
                connection, key, source=source, source_settings=source_settings, name=name, currency=currency, language=language
            )
            # Before the commit: a store without its partition could not be imported, a partition without a store harms nobody.
            register(current.instance, store_keys=[key])
    if as_json:
        show_json(_public(store, []))
        return
    say(f"store {store.key} is added, its catalog is {store.source_settings['path']}")
    say(f"next: pipeline import {store.key}, then pipeline connect {store.key} amazon-us")


@app.command("list", epilog="Example: pipeline store list --json")
def list_(as_json: Json = False) -> None:
    """List the stores."""
    from pipeline.stores.connections import list_sites
    from pipeline.stores.stores import list_stores

    with session() as current, current.connect() as connection:
        stores = list_stores(connection)
        sites = {store.key: list_sites(connection, store.key) for store in stores}
    if as_json:
        show_json({"stores": [_public(store, sites[store.key]) for store in stores]})
        return
    show_table(
        ("store", "name", "source", "currency", "language", "marketplaces"),
        [(s.key, s.name, s.source, s.currency, s.language, " ".join(sites[s.key])) for s in stores],
        empty="no stores yet; add one with: pipeline store add KEY --file FILE",
    )


@app.command(epilog="Example: pipeline store show my-shop")
def show(key: StoreKey, as_json: Json = False) -> None:
    """Show one store and its connections."""
    from pipeline.stores.connections import list_sites
    from pipeline.stores.stores import get_store

    with session() as current, current.connect() as connection:
        store = get_store(connection, key)
        sites = list_sites(connection, key)
    public = _public(store, sites)
    if as_json:
        show_json(public)
    else:
        show_facts({**public, "created_at": store.created_at, "updated_at": store.updated_at, "marketplaces": " ".join(sites)})


@app.command("set", epilog="Example: pipeline store set my-shop --file products_export_2.csv")
def set_(
    key: StoreKey,
    file: File = None,
    collections: Collections = None,
    name: Name = None,
    currency: Annotated[str | None, typer.Option("--currency", help="ISO 4217 code of the catalog's prices.")] = None,
    language: Annotated[str | None, typer.Option("--language", help="BCP 47 tag of the catalog's texts.")] = None,
    as_json: Json = False,
) -> None:
    """Change a store; what is not given stays."""
    from pipeline.model.errors import UsageError
    from pipeline.stores.connections import list_sites
    from pipeline.stores.stores import update_store

    source_settings = _source_settings(file, collections)
    if not source_settings and (name, currency, language) == (None, None, None):
        raise UsageError("nothing to change: give --file, --collections, --name, --currency or --language")
    with session() as current, current.connect() as connection:
        store = update_store(
            connection, key, source_settings=source_settings or None, name=name, currency=currency, language=language
        )
        sites = list_sites(connection, key)
    if as_json:
        show_json(_public(store, sites))
    else:
        say(f"store {store.key} is changed; it counts from the next import on: pipeline import {store.key}")


@app.command(epilog="Example: pipeline store remove my-shop --yes")
def remove(key: StoreKey, yes: Yes = False, as_json: Json = False) -> None:
    """Remove a store with all its rows, tables, raw copies and feeds. Listings on marketplaces stay as they are."""
    from pipeline.stores.stores import get_store

    with session() as current:
        with current.connect() as connection:
            get_store(connection, key)
        confirm(f"Remove store {key} with its connections, tables, raw copies and feeds?", yes=yes, as_json=as_json)
        removed = remove_store(current, key)
    if as_json:
        show_json({"removed": key, **removed})
        return
    say(f"store {key} is removed")
    show_removed(removed)


def _source_settings(file: Path | None, collections: Path | None) -> dict[str, str]:
    given = {"path": file, "collections_path": collections}
    return {name: str(path) for name, path in given.items() if path is not None}


def _public(store: Store, sites: list[str]) -> dict[str, Any]:
    return {
        "key": store.key,
        "id": store.id,
        "name": store.name,
        "source": store.source,
        "source_settings": store.source_settings,
        "currency": store.currency,
        "language": store.language,
        "marketplaces": sites,
        "created_at": store.created_at,
        "updated_at": store.updated_at,
    }
