"""`pipeline demo`: the whole main job on the sample store, or on any Shopify catalog file."""

from __future__ import annotations

import re
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.options import Json
from pipeline.cli.output import say
from pipeline.cli.session import Session, session

if TYPE_CHECKING:
    from pipeline.stores.stores import Store

STORE = "demo"


def register(parent: typer.Typer) -> None:
    parent.command("demo", epilog="Example: pipeline demo --catalog products_export.csv")(demo)


def demo(
    catalog: Annotated[
        Path | None,
        typer.Option("--catalog", help="A Shopify product export (CSV) or bulk JSONL, also .gz; else the sample store."),
    ] = None,
    product_id: Annotated[list[str] | None, typer.Option("--product-id", help="Only this product; may be repeated.")] = None,
    as_json: Json = False,
) -> None:
    """Import a catalog, check and fix it, and write Amazon and eBay feeds. Nothing is sent anywhere."""
    from pipeline.cli.removal import remove_store
    from pipeline.cli.results import here, show_summary
    from pipeline.samples import demo_catalog, demo_connections
    from pipeline.stores.stores import check_source

    path = catalog or demo_catalog()
    check_source("shopify-file", {"path": str(path)})  # before a database is started for nothing
    connections = demo_connections(own_catalog=catalog is not None)
    with session() as current:
        key = store_key(catalog)
        new = _is_new(current, key)
        store = _prepare(current, key, path, connections)
        from pipeline.operations.chain import export_store, import_store
        from pipeline.operations.launch import close_dead_runs
        from pipeline.operations.summary import notes, summarize

        close_dead_runs(current.instance, current.database)
        outcomes = [import_store(here(current), store.key, chained=True)]
        if outcomes[0].success:
            options: dict[str, Any] = {"product_ids": product_id or []}
            outcomes += export_store(here(current), store.key, list(connections), options=options)
        with current.connect() as connection:
            summary = summarize(connection, current.instance, store.key, outcomes)
            said = notes(connection, current.settings, store.key, outcomes)
        if new and not outcomes[0].success:
            remove_store(current, key)  # a file that cannot be read leaves nothing behind
        data_dir = current.settings.storage_uri
    code = show_summary(summary, said, as_json=as_json)
    if not as_json:
        if catalog is not None:
            say("set for this demo: gtin_exempt (a missing barcode is only a warning), a default category for every product,")
            say("unknown_quantity (1 where the file does not say how many there are) and, on Amazon, include_out_of_stock;")
            say(f"change them with: pipeline connection set {store.key} amazon-us gtin_exempt=false")
        say(f"files are below {data_dir}")
        say("next: make up (or: pipeline up), then open http://127.0.0.1:3000 to see scores, issues and the plan of each store")
    if code:
        raise typer.Exit(code)


def store_key(catalog: Path | None) -> str:
    """`demo` for the sample; for a file a key made of its name, so that each catalog is a store of its own."""
    if catalog is None:
        return STORE
    name = re.sub(r"[^a-z0-9]+", "-", catalog.name.split(".")[0].lower()).strip("-")[:40]
    place = blake2b(str(catalog.absolute()).encode(), digest_size=3).hexdigest()
    return f"demo-{name}-{place}" if name else f"demo-{place}"


def _is_new(current: Session, key: str) -> bool:
    from pipeline.stores.stores import find_store

    with current.connect() as connection:
        return find_store(connection, key) is None


def _prepare(current: Session, key: str, path: Path, connections: dict[str, list[str]]) -> Store:
    """The store and its connections as the demo wants them; what an operator changed since stays."""
    from pipeline.marketplaces import find_site
    from pipeline.operations.partitions import register
    from pipeline.stores.assignments import parse_assignments
    from pipeline.stores.connections import connect, find_connection
    from pipeline.stores.stores import add_store, find_store, update_store

    with current.connect() as connection:
        if find_store(connection, key) is None:
            store = add_store(connection, key, source="shopify-file", source_settings={"path": str(path)})
        else:
            store = update_store(connection, key, source_settings={"path": str(path)})
        for site_key, settings in connections.items():
            if find_connection(connection, key, site_key) is None:
                marketplace, site = find_site(site_key)
                assignments = parse_assignments(settings)
                connect(connection, key, site, assignments=assignments, account_settings=marketplace.account_settings)
        register(current.instance, store_keys=[key], sites=list(connections))
    return store
