"""`pipeline suggestions`: better texts of products for a marketplace, and deciding about them, one by one or thousands."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.options import Json, SiteKey, StoreKey, Who, Why, person
from pipeline.cli.output import say, short, show_json, show_table
from pipeline.cli.session import session

if TYPE_CHECKING:
    from pipeline.listings.optimized.review import Shelf, Which
    from pipeline.stores.actions import Person

app = typer.Typer(help="Suggested texts of products: list, edit, accept, reject.", no_args_is_help=True)

Fields = Annotated[
    list[str] | None, typer.Option("--field", metavar="FIELD", help="Only title, description, bullets, keywords; repeatable.")
]
Products = Annotated[list[str] | None, typer.Option("--product", metavar="ID", help="Only of this product; repeatable.")]
Gain = Annotated[float | None, typer.Option("--min-gain", help="Only what brings at least so many points of score.")]
Problem = Annotated[str | None, typer.Option("--guard", metavar="TEXT", help="Only where a guard said this, e.g. 'new number'.")]
By = Annotated[str | None, typer.Option("--engine", metavar="ENGINE", help="Only by: rules, model, human.")]
Status = Annotated[str | None, typer.Option("--state", help="Only: suggested, accepted, rejected or kept.")]
Seen = Annotated[bool, typer.Option("--seen", help="With --all: also those that a person must see, since you saw them.")]
Everything = Annotated[bool, typer.Option("--all", help="All of them.")]
_SHOWN = ("product_id", "field", "state", "gain", "engine", "before", "after", "problems")
_MOST_SHOWN = 60


def register(parent: typer.Typer) -> None:
    parent.add_typer(app, name="suggestions")


@app.command("list", epilog="Example: pipeline suggestions list my-shop amazon-us --state suggested --min-gain 2")
def list_(
    store: StoreKey,
    marketplace: SiteKey,
    state: Status = None,
    field: Fields = None,
    product: Products = None,
    min_gain: Gain = None,
    guard: Problem = None,
    engine: By = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="How many to show.")] = 50,
    as_json: Json = False,
) -> None:
    """List suggested texts: before, after, what they bring, and why others were refused."""
    which = _which(state, field, product, min_gain, guard, engine)
    with _shelf(store, marketplace, product) as shelf:
        shown = list(islice(shelf.rows(which), limit))
        empty = "" if shown or as_json else shelf.why_none()
    if as_json:
        show_json({"suggestions": shown})
        return
    rows = [tuple(_short(row[name]) for name in _SHOWN) for row in map(_differing, shown)]
    show_table(_SHOWN, rows, empty=empty)
    if len(shown) == limit:
        say(f"the first {limit}; all of them with: pipeline suggestions export {store} {marketplace} FILE")


@app.command(epilog="Example: pipeline suggestions export my-shop amazon-us review.csv --state suggested")
def export(
    store: StoreKey,
    marketplace: SiteKey,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV file to write.")],
    state: Status = None,
    field: Fields = None,
    product: Products = None,
    min_gain: Gain = None,
    guard: Problem = None,
    engine: By = None,
    as_json: Json = False,
) -> None:
    """Write suggestions into a CSV file, to edit and decide in a spreadsheet."""
    from pipeline.listings.optimized.review import write_csv

    which = _which(state, field, product, min_gain, guard, engine)
    with _shelf(store, marketplace, product) as shelf:
        count = write_csv(shelf.rows(which), file)
    back = f"pipeline suggestions import {store} {marketplace} {file}"
    show_json({"file": str(file), "fields": count}) if as_json else say(
        f"{count} fields are in {file}; write accept or reject into the column decision (after may be edited), then: {back}"
    )


@app.command("import", epilog="Example: pipeline suggestions import my-shop amazon-us review.csv")
def import_(
    store: StoreKey,
    marketplace: SiteKey,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The edited CSV file.")],
    why: Why = "",
    who: Who = None,
    as_json: Json = False,
) -> None:
    """Take the decisions of an edited file. Lines that do not fit are told; the others count."""
    from pipeline.listings.optimized import review

    with _shelf(store, marketplace) as shelf:
        decisions, refused = review.read_csv(file, shelf)
        count = review.record(shelf.connection, shelf.cell, decisions, person(who, why))
        shelf.note_waiting()
    if as_json:
        show_json({"decided": count, "refused": refused})
        return
    if refused:
        lines = [(one.line, one.product_id, one.reason) for one in refused[:20]]
        show_table(("line", "product", "not taken because"), lines, empty="")
    _decided(count, store, marketplace)


@app.command(epilog="Example: pipeline suggestions accept my-shop amazon-us --all --field keywords --min-gain 1")
def accept(
    store: StoreKey,
    marketplace: SiteKey,
    field: Fields = None,
    product: Products = None,
    min_gain: Gain = None,
    engine: By = None,
    everything: Everything = False,
    seen: Seen = False,
    why: Why = "",
    who: Who = None,
    as_json: Json = False,
) -> None:
    """Use suggested texts. The decision stays, also after imports, until the product's own texts change."""
    which = replace(_which("suggested", field, product, min_gain, None, engine), doubtful=seen or bool(product))
    _decide("accept", store, marketplace, which, everything, person(who, why), as_json)


@app.command(epilog="Example: pipeline suggestions reject my-shop amazon-us --product 8123456789 --field title")
def reject(
    store: StoreKey,
    marketplace: SiteKey,
    field: Fields = None,
    product: Products = None,
    min_gain: Gain = None,
    engine: By = None,
    everything: Everything = False,
    why: Why = "",
    who: Who = None,
    as_json: Json = False,
) -> None:
    """Refuse suggested texts, or take back accepted ones: the product's own texts are used."""
    _decide(
        "reject", store, marketplace, _which(None, field, product, min_gain, None, engine), everything, person(who, why), as_json
    )


@app.command(epilog="Example: pipeline suggestions again my-shop")
def again(store: StoreKey, as_json: Json = False) -> None:
    """Let the next export ask once more for what the model gave no answer to. What guards refused stays refused."""
    from pipeline.language.asking.results import forget_silent
    from pipeline.language.optimize import TASK
    from pipeline.stores.stores import get_store

    with session() as current, current.connect() as connection:
        count = forget_silent(connection, get_store(connection, store).id, TASK)
    if as_json:
        show_json({"store": store, "forgotten": count})
    else:
        say(
            f"{count} products are asked for once more by the next export"
            if count
            else "the model answered all that it was asked"
        )


def _which(
    state: str | None,
    fields: list[str] | None,
    products: list[str] | None,
    gain: float | None,
    problem: str | None,
    engine: str | None,
) -> Which:
    from pipeline.language.drafts import FIELDS
    from pipeline.listings.optimized.review import STATES, Which
    from pipeline.model.errors import UsageError

    if state is not None and state not in STATES:
        raise UsageError(f"--state is one of: {', '.join(STATES)}")
    if unknown := set(fields or ()) - set(FIELDS):
        raise UsageError(f"there is no field {min(unknown)}; --field is one of: {', '.join(FIELDS)}")
    return Which(state, frozenset(fields or ()), frozenset(products or ()), gain, problem, engine)


@contextmanager
def _shelf(store: str, marketplace: str, products: Collection[str] | None = None) -> Iterator[Shelf]:
    """The suggestions of a connection; what is decided meanwhile is kept at the end."""
    from pipeline.listings.optimized.review import connected_cell, open_table, require_products

    with session() as current, current.connect() as connection:
        cell = connected_cell(connection, store, marketplace)
        shelf = open_table(connection, current.settings, cell)
        require_products(current.settings, cell, products or (), "suggestions list")
        yield shelf


def _decide(action: str, store: str, marketplace: str, which: Which, everything: bool, by: Person, as_json: bool) -> None:
    from pipeline.listings.optimized import review
    from pipeline.model.errors import UsageError

    if not (which.product_ids or everything):
        raise UsageError("say which: --product, or --all (with --field, --min-gain, --engine to narrow it)")
    act = review.accept if action == "accept" else review.reject
    with _shelf(store, marketplace, which.product_ids) as shelf:
        count = act(shelf.connection, shelf.cell, shelf.rows(which), by)
        shelf.note_waiting()
        left = 0 if which.doubtful else sum(1 for _ in shelf.rows(replace(which, doubtful=True, problem=review.DOUBT)))
    if as_json:
        show_json({"decided": count, "to_be_seen": left})
        return
    if count or not left:
        _decided(count, store, marketplace)
    if left:
        look = f"pipeline suggestions list {store} {marketplace} --guard '{review.DOUBT}'"
        say(f"{left} fields say more than the product does and stay suggested: {look}; then accept them with --product or --seen")


def _decided(count: int, store: str, marketplace: str) -> None:
    place = f"{store} {marketplace}"
    say(f"{count} fields decided; they count from the next export on: pipeline export {place}" if count else
        f"no suggestion is among them; see: pipeline suggestions list {place}")  # fmt: skip


def _differing(row: dict[str, Any]) -> dict[str, Any]:
    """The row with what differs alone: lines or words that go and come; of a text where it begins to be another."""
    before, after = row["before"] or "", row["after"] or ""
    if row["field"] in ("bullets", "keywords"):
        joint = "\n" if row["field"] == "bullets" else ", "
        parts = [part for part in before.split(joint) if part], [part for part in after.split(joint) if part]
        goes, comes = ([part for part in one if part not in other] for one, other in (parts, parts[::-1]))
        stays = len(parts[1]) - len(comes)
        kept = [f"({stays} stay)"] if stays else []
        return {**row, "before": " / ".join([*kept, *goes]), "after": " / ".join(comes)}
    same = next((place for place, (one, other) in enumerate(zip(before, after, strict=False)) if one != other), 0)
    start = before.rfind(" ", 0, same) + 1 if same > _MOST_SHOWN // 3 else 0
    if start and before and after:
        before, after = f"… {before[start:]}", f"… {after[start:]}"
    return {**row, "before": before, "after": after}


def _short(value: Any) -> Any:
    text = "; ".join(value) if isinstance(value, list) else value
    return short(text, _MOST_SHOWN) if isinstance(text, str) else text
