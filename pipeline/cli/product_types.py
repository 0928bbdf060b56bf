"""`pipeline product-types`: what a marketplace's categories want, as it was downloaded or given as a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from pipeline.cli.options import Json, SiteKey, StoreKey
from pipeline.cli.output import say, show_json, show_table
from pipeline.cli.session import Session, session

if TYPE_CHECKING:
    from pipeline.listings.cell import Cell
    from pipeline.listings.lookups import Asked

app = typer.Typer(help="Product types: what a marketplace wants of the listings in each.", no_args_is_help=True)

Type = Annotated[str, typer.Argument(metavar="TYPE", help="Product type, for example SHIRT.", show_default=False)]
_SHOWN = 6
#: A definition has 0.5 to 0.9 MB.
_MAX_FILE = 8 << 20


def register(parent: typer.Typer) -> None:
    parent.add_typer(app, name="product-types")


@app.command("list", epilog="Example: pipeline product-types list my-shop amazon-us")
def list_(store: StoreKey, marketplace: SiteKey, as_json: Json = False) -> None:
    """List the product types that are known for this marketplace, and how old what is known of them is."""
    from pipeline.listings.knowledge import list_definitions

    with session() as current, current.connect() as connection:
        cell = _cell(connection, store, marketplace)
        found = list_definitions(connection, cell.site.key)
    if as_json:
        show_json({"product_types": found})
        return
    columns = ("type", "name", "requirements", "version", "downloaded", "checked", "given", "problem")
    empty = (
        "nothing is known yet; an export of a live connection downloads what it needs, files are given with: product-types add"
    )
    show_table(columns, [tuple(one.values()) for one in found], empty=empty)


@app.command(epilog="Example: pipeline product-types show my-shop amazon-us SHIRT")
def show(store: StoreKey, marketplace: SiteKey, product_type: Type, as_json: Json = False) -> None:
    """Show what a product type requires, which values it takes, and its variation themes."""
    from pipeline.listings.knowledge import read_knowledge
    from pipeline.marketplaces.live import LiveMarketplace
    from pipeline.model.errors import UsageError

    with session() as current, current.connect() as connection:
        cell = _cell(connection, store, marketplace)
        known = read_knowledge(connection, cell.store.id, cell.site.key, items=False)
        found = known.definitions.get((product_type, "LISTING"))
    if found is None or found.deflated is None:
        why = found.problem if found is not None else f"nothing is known of {product_type} on {marketplace}."
        raise UsageError(f"{why} Download it with: pipeline product-types refresh {store} {marketplace} {product_type}")
    wants = cast(LiveMarketplace, cell.marketplace).wants(product_type, found)
    if as_json:
        show_json(wants)
        return
    show_table(
        ("attribute", "title", "required", "may change later", "allowed values"),
        [
            (
                one.name, one.title, "always" if one.always else "sometimes", one.editable,
                ", ".join(one.allowed[:_SHOWN]) + (" ..." if len(one.allowed) > _SHOWN else ""),
            )
            for one in wants.attributes
        ],
        empty="it requires nothing",
    )  # fmt: skip
    say(f"variation themes: {', '.join(wants.themes)}" if wants.themes else "it has no variations")
    say(
        f"say what the catalog does not: metafield amazon.ATTRIBUTE, or pipeline connection set {store} {marketplace} "
        f"attributes.{product_type}.ATTRIBUTE=VALUE"
    )


@app.command(epilog="Example: pipeline product-types search my-shop amazon-us 'running shoes'")
def search(
    store: StoreKey,
    marketplace: SiteKey,
    words: Annotated[str, typer.Argument(metavar="WORDS", help="Words, or a product's title.", show_default=False)],
    title: Annotated[bool, typer.Option("--title", help="What the marketplace suggests for this title.")] = False,
    as_json: Json = False,
) -> None:
    """Ask the marketplace which product types there are for words, or which one suits a title."""
    from pipeline.listings.services import lookup_service

    with session() as current:
        with current.connect() as connection:
            cell = _cell(connection, store, marketplace)
        with lookup_service(current.database, lambda: current.vault, cell) as service:
            found = [(name, "") for name in service.suggest(words)] if title else service.search(words)
    if as_json:
        show_json({"product_types": [{"type": name, "name": label or None} for name, label in found]})
        return
    show_table(("type", "name"), found, empty="the marketplace has none for these words")


@app.command(epilog="Example: pipeline product-types refresh my-shop amazon-us SHIRT HAT")
def refresh(
    store: StoreKey,
    marketplace: SiteKey,
    product_types: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TYPE]...", help="These; else all that the connection uses.", show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """Ask the marketplace for the newest definitions now; those given as files stay."""
    with session() as current:
        with current.connect() as connection:
            cell = _cell(connection, store, marketplace)
        asked = _refresh(current, cell, product_types or [])
    if as_json:
        show_json({"product_types": asked.definitions, "problems": asked.problems})
    else:
        show_table(("type", "outcome"), list(asked.definitions.items()), empty="the connection uses no product type yet")
        for problem in asked.problems:
            say(f"failed: {problem}")
    if asked.problems:
        raise typer.Exit(1)


@app.command(epilog="Example: pipeline product-types add my-shop amazon-us SHIRT.json HAT.json")
def add(
    store: StoreKey,
    marketplace: SiteKey,
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="Schema documents named after their product types.", show_default=False),
    ],
    as_json: Json = False,
) -> None:
    """Give definitions as files, for connections without credentials. They count for all stores on this marketplace."""
    import zlib

    from pipeline.listings.knowledge import save_definition
    from pipeline.marketplaces.base import StoredDefinition
    from pipeline.marketplaces.live import FetchedDefinition, LiveMarketplace
    from pipeline.model.errors import UsageError

    with session() as current, current.connect() as connection:
        cell = _cell(connection, store, marketplace)
        if not cell.marketplace.sends:
            raise UsageError(f"{marketplace} has no definitions of product types")
        added = []
        for file in files:
            document = _read(file)
            kept = StoredDefinition(zlib.compress(document), _checksum(document))
            cast(LiveMarketplace, cell.marketplace).wants(file.stem, kept)
            given = FetchedDefinition(_checksum(document), document, label=file.name)
            save_definition(connection, cell.site.key, file.stem, "LISTING", given, given=True)
            added.append(file.stem)
    if as_json:
        show_json({"product_types": added})
    else:
        say(f"{', '.join(added)}: kept for {marketplace}; the next export checks listings by it")


@app.command(epilog="Example: pipeline product-types remove my-shop amazon-us SHIRT")
def remove(store: StoreKey, marketplace: SiteKey, product_type: Type, as_json: Json = False) -> None:
    """Forget what is known of a product type; a live connection asks again when it needs it."""
    from pipeline.listings.knowledge import remove_definition

    with session() as current, current.connect() as connection:
        cell = _cell(connection, store, marketplace)
        count = remove_definition(connection, cell.site.key, product_type)
    if as_json:
        show_json({"removed": count})
    else:
        say(f"{product_type}: {count} documents of {marketplace} are forgotten")


def _cell(connection: Any, store: str, marketplace: str) -> Cell:
    from pipeline.listings.cell import find_cell
    from pipeline.model.errors import UsageError

    cell = find_cell(connection, store, marketplace)
    if cell is None:
        raise UsageError(f"{store} is not connected to {marketplace}; connect it with: pipeline connect {store} {marketplace}")
    return cell


def _refresh(current: Session, cell: Cell, product_types: list[str]) -> Asked:
    from datetime import datetime, timezone

    from pipeline.listings.lookups import Lookups, categories_in_use
    from pipeline.listings.services import lookup_service

    with lookup_service(current.database, lambda: current.vault, cell) as service:
        asking = Lookups(current.database, cell, service, datetime.now(timezone.utc))
        asking.definitions(product_types or categories_in_use(cell), again=True)
    return asking.asked


def _read(file: Path) -> bytes:
    from pipeline.model.errors import UsageError

    try:
        with file.open("rb") as source:
            content = source.read(_MAX_FILE + 1)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None
    if not file.stem.replace("_", "").isalnum() or not file.stem.isupper():
        raise UsageError(f"{file.name} is not named after a product type, such as SHIRT.json")
    return content


def _checksum(document: bytes) -> str:
    import hashlib

    return hashlib.sha256(document).hexdigest()
