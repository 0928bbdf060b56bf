"""`pipeline store`: add, list, show, test, change and remove stores."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from pipeline.cli.credential_input import Credentials, read_credentials
from pipeline.cli.options import Json, StoreKey, Yes, confirm
from pipeline.cli.output import say, show_facts, show_json, show_table
from pipeline.cli.removal import remove_store, show_removed
from pipeline.cli.session import session
from pipeline.cli.store_add import (
    ApiVersion,
    Attribute,
    Channel,
    Collections,
    Domain,
    File,
    Locale,
    Location,
    Name,
    SameSource,
    Url,
    add,
    as_public,
)
from pipeline.model.errors import UsageError

app = typer.Typer(help="Stores: where catalogs come from.", no_args_is_help=True)

app.command(epilog="Example: pipeline store add my-shop --source shopify --domain my-shop.myshopify.com --credentials ask")(add)


def register(parent: typer.Typer) -> None:
    parent.add_typer(app, name="store")


@app.command("list", epilog="Example: pipeline store list --json")
def list_(as_json: Json = False) -> None:
    """List the stores."""
    from pipeline.stores.connections import list_sites
    from pipeline.stores.stores import list_stores

    with session() as current, current.connect() as connection:
        stores = list_stores(connection)
        sites = {store.key: list_sites(connection, store.key) for store in stores}
    if as_json:
        show_json({"stores": [as_public(store, sites[store.key]) for store in stores]})
        return
    show_table(
        ("store", "name", "source", "currency", "language", "marketplaces", "status"),
        [(s.key, s.name, s.source, s.currency, s.language, " ".join(sites[s.key]), s.last_error or s.status) for s in stores],
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
    public = as_public(store, sites)
    if as_json:
        show_json(public)
    else:
        show_facts({**public, "created_at": store.created_at, "updated_at": store.updated_at, "marketplaces": " ".join(sites)})


@app.command("set", epilog="Example: pipeline store set my-shop --file products_export_2.csv")
def set_(
    key: StoreKey,
    file: File = None,
    collections: Collections = None,
    domain: Domain = None,
    api_version: ApiVersion = None,
    location: Location = None,
    url: Url = None,
    channel: Channel = None,
    locale: Locale = None,
    attribute: Attribute = None,
    unset: Annotated[
        list[str] | None,
        typer.Option("--unset", metavar="SETTING", help="Put a setting back to its default: api_version, location_ids ..."),
    ] = None,
    name: Name = None,
    currency: Annotated[str | None, typer.Option("--currency", help="ISO 4217 code of the catalog's prices.")] = None,
    language: Annotated[str | None, typer.Option("--language", help="BCP 47 tag of the catalog's texts.")] = None,
    credentials: Credentials = None,
    same_source: SameSource = False,
    as_json: Json = False,
) -> None:
    """Change a store; what is not given stays. New credentials take the place of all the old ones."""
    from pipeline.stores.connections import list_sites
    from pipeline.stores.sources import source_kind
    from pipeline.stores.store_list import source_settings
    from pipeline.stores.stores import get_store, save_credentials, update_store

    settings: dict[str, Any] = {**source_settings(locals()), **dict.fromkeys(unset or [])}
    if not settings and (name, currency, language, credentials) == (None, None, None, None):
        raise UsageError(
            "nothing to change: give --file, --name, --credentials or another option; see: pipeline store set --help"
        )
    with session() as current:
        with current.connect() as connection:
            store = get_store(connection, key)
        if settings.get("attributes"):
            settings["attributes"] = {**store.source_settings.get("attributes", {}), **settings["attributes"]}
        secrets = {}
        if credentials is not None:  # nobody types while a transaction is open
            secrets = read_credentials(credentials, source_kind(store.source).credentials, f"the source {store.source}")
        with current.connect() as connection:
            if secrets:
                save_credentials(connection, current.vault, store, secrets)
            store = update_store(
                connection, key, source_settings=settings or None, name=name, currency=currency, language=language,
                same_source=same_source,
            )  # fmt: skip
            sites = list_sites(connection, key)
    if as_json:
        show_json(as_public(store, sites))
    else:
        say(f"store {store.key} is changed; it counts from the next import on: pipeline import {store.key}")


@app.command("test", epilog="Example: pipeline store test my-shop")
def try_(key: StoreKey, as_json: Json = False) -> int:
    """Try whether a store could be imported: its file is there, or its credentials open and the service lets them in.

    Exit code 1 with a problem, 0 with warnings alone."""
    from datetime import datetime, timezone

    from pipeline.catalog.sources import live_source_of
    from pipeline.labels.publish import publishes_labels, shop_of
    from pipeline.labels.publishing import publishing_problems
    from pipeline.stores.api_versions import version_warnings
    from pipeline.stores.sources import source_kind
    from pipeline.stores.stores import clear_error, get_store, open_credentials

    with session() as current, current.connect() as connection:
        store = get_store(connection, key)
        publishes = publishes_labels(connection, store)
        credentials = open_credentials(connection, current.vault, store)
    kind = source_kind(store.source)
    kind.check(store.source_settings)  # files are there
    problems, optional = list[str](), list[str]()
    warnings = version_warnings(store, datetime.now(timezone.utc))
    if kind.live:
        source = live_source_of(store, credentials)
        problems = source.check()
        optional = source.missing_options()
        if not problems and store.status == "error":
            with session() as current, current.connect() as connection:
                clear_error(connection, store.id)
    if publishes and not problems:
        with shop_of(store, credentials) as shop:
            problems = publishing_problems(shop)
    if as_json:
        show_json({"store": key, "source": store.source, "problems": problems, "warnings": warnings, "optional": optional})
    elif problems:
        for problem in problems:
            say(problem)
    else:
        say(f"store {key} can be imported: pipeline import {key}")
    if not as_json:
        for kind_of, sentences in (("warning", warnings), ("optional", optional)):
            for sentence in sentences:
                say(f"{kind_of}: {sentence}")
    return 1 if problems else 0


@app.command(epilog="Example: pipeline store remove my-shop --yes")
def remove(key: StoreKey, yes: Yes = False, as_json: Json = False) -> None:
    """Remove a store with all its rows, tables, raw copies and feeds. Listings on marketplaces stay as they are."""
    from pipeline.stores.stores import get_store
    from pipeline.submissions.live import left_behind

    with session() as current:
        with current.connect() as connection:
            get_store(connection, key)
            stays = left_behind(connection, key)
        question = f"Remove store {key} with its connections, tables, raw copies and feeds?"
        confirm(f"{stays}. {question}" if stays else question, yes=yes, as_json=as_json)
        removed = remove_store(current, key)
    if as_json:
        show_json({"removed": key, **removed, **({"stays": stays} if stays else {})})
        return
    say(f"store {key} is removed" + (f"; {stays}" if stays else ""))
    show_removed(removed)
