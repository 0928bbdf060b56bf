"""`pipeline repairs`: what was mended by itself of what a marketplace refused, and taking it back."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from pipeline.cli.options import Json, SiteKey, StoreKey
from pipeline.cli.output import say, short, show_json, show_table
from pipeline.cli.session import session
from pipeline.model.errors import UsageError

app = typer.Typer(help="Repairs: refused listings that were mended by themselves.", no_args_is_help=True)


def register(parent: typer.Typer) -> None:
    parent.add_typer(app, name="repairs")


@app.command("list", epilog="Example: pipeline repairs list my-shop amazon-us")
def list_(
    store: StoreKey,
    marketplace: SiteKey,
    every: Annotated[bool, typer.Option("--all", help="Also those that no longer hold.")] = False,
    as_json: Json = False,
) -> None:
    """List the values that listings have in place of their own, and why."""
    from pipeline.listings.overrides import read_overrides
    from pipeline.operations.repairs import cell_of
    from pipeline.submissions.status import as_words, repair_states

    with session() as current, current.connect() as connection:
        lane = cell_of(connection, store, marketplace).lane
        found = read_overrides(connection, lane, ended=every)
        states = repair_states(connection, lane, found)
    if as_json:
        show_json({"repairs": [{**asdict(one), "state": states[one.id]} for one in found]})
        return
    show_table(
        ("SKU", "field", "attempt", "before", "after", "what was done", "because", "submission", "state"),
        [
            (
                one.sku, one.field, one.attempt, short(as_words(one.source_value), 60), short(as_words(one.value), 60),
                one.fix, short(f"{one.code}: {one.text}", 120), one.submission_id, states[one.id],
            )
            for one in found
        ],
        empty="nothing is mended by itself here",
    )  # fmt: skip


@app.command(epilog="Example: pipeline repairs withdraw my-shop amazon-us MUG-1 --why 'the long title is right'")
def withdraw(
    store: StoreKey,
    marketplace: SiteKey,
    sku: Annotated[str, typer.Argument(metavar="SKU", help="The SKU.", show_default=False)],
    why: Annotated[str, typer.Option("--why", help="Why; kept with your name.")] = "",
    as_json: Json = False,
) -> None:
    """Take back what was done by itself about a SKU: its own values are sent by the next export, and are not mended again."""
    import getpass

    from pipeline.operations.repairs import withdraw as take_back

    with session() as current, current.connect() as connection:
        fields = take_back(connection, store, marketplace, sku, getpass.getuser(), why)
    if not fields:
        raise UsageError(f"nothing of {sku} was mended by itself; see: pipeline repairs list {store} {marketplace}")
    if as_json:
        show_json({"store": store, "marketplace": marketplace, "sku": sku, "fields": fields})
    else:
        say(f"{sku} has its own {', '.join(fields)} again; send it with: pipeline export {store} {marketplace}")
