"""`pipeline matches`: which of our GTINs a marketplace's catalog has already, and deciding where only a person can."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli.options import Json, SiteKey, StoreKey, Who, Why, person
from pipeline.cli.output import say, show_json, show_table
from pipeline.cli.session import session

app = typer.Typer(help="Items of a marketplace's catalog that have our GTINs.", no_args_is_help=True)


def register(parent: typer.Typer) -> None:
    parent.add_typer(app, name="matches")


@app.command("list", epilog="Example: pipeline matches list my-shop amazon-us --several")
def list_(
    store: StoreKey,
    marketplace: SiteKey,
    several: Annotated[bool, typer.Option("--several", help="Only GTINs with several items, of which nobody chose one.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many, by GTIN.")] = 100,
    as_json: Json = False,
) -> None:
    """List GTINs that were looked for, with the items that were found."""
    from pipeline.listings.knowledge import list_matches
    from pipeline.stores.connections import get_connection

    with session() as current, current.connect() as connection:
        found = list_matches(connection, get_connection(connection, store, marketplace), several=several, limit=limit)
    if as_json:
        show_json({"matches": found})
        return
    show_table(
        ("GTIN", "items", "chosen", "by", "looked for"),
        [
            (
                one["gtin"], ", ".join(f"{item['item_id']} {item['title'] or ''}".strip() for item in one["items"][:3]),
                one["chosen"], one["who"], one["looked_at"],
            )
            for one in found
        ],
        empty="none; matching is switched on with match_existing_asins=true",
    )  # fmt: skip


@app.command(epilog="Example: pipeline matches choose my-shop amazon-us 4006381333931 B071VG5N9D")
def choose(
    store: StoreKey,
    marketplace: SiteKey,
    gtin: Annotated[str, typer.Argument(metavar="GTIN", show_default=False)],
    item: Annotated[str, typer.Argument(metavar="ITEM", help="Id of the item (ASIN), or none.", show_default=False)],
    why: Why = "",
    who: Who = None,
    as_json: Json = False,
) -> None:
    """Choose the item that a variant is sold on, or none: then it is listed as an item of its own. Kept with your name."""
    from pipeline.listings.knowledge import choose_item
    from pipeline.stores.connections import get_connection

    with session() as current, current.connect() as connection:
        sentence = choose_item(connection, get_connection(connection, store, marketplace), gtin, item, person(who, why))
    if as_json:
        show_json({"gtin": gtin, "done": sentence})
    else:
        say(sentence)
