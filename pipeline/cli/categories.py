"""`pipeline categories`: which category each product gets on a marketplace, and deciding about the guesses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.options import Json, SiteKey, StoreKey, Who, Why, person
from pipeline.cli.output import say, show_json, show_table
from pipeline.cli.session import session

if TYPE_CHECKING:
    from pipeline.listings.categories.review import Which
    from pipeline.stores.actions import Person

app = typer.Typer(help="Categories of products on a marketplace: guesses, choices.", no_args_is_help=True)

Products = Annotated[list[str] | None, typer.Option("--product", metavar="ID", help="Of this product; may be repeated.")]
Types = Annotated[
    list[str] | None, typer.Option("--product-type", metavar="TYPE", help="Of all products of this type; may be repeated.")
]
Everything = Annotated[bool, typer.Option("--all", help="Of all products.")]
_STATES = ("accepted", "suggested", "none")
_SHOWN = ("product_id", "title", "category", "name", "status", "confidence", "engine", "reason")


def register(parent: typer.Typer) -> None:
    parent.add_typer(app, name="categories")


@app.command("map", epilog="Example: pipeline categories map my-shop amazon-us --no-ai")
def map_(
    store: StoreKey,
    marketplace: SiteKey,
    ai: Annotated[
        bool | None, typer.Option("--ai/--no-ai", help="Let the model choose among candidates; else as the connection says.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Find the category of each product, without exporting. What did not change is not looked at again."""
    from pipeline.catalog.imports import latest_import
    from pipeline.cli.results import here
    from pipeline.language.asking.ledger import dollars
    from pipeline.listings.categories.inputs import require_category_file
    from pipeline.listings.categories.review import connected_cell, open_shelf
    from pipeline.listings.open_texts import read_open, sentence
    from pipeline.model.errors import PipelineError
    from pipeline.operations.chain import map_categories
    from pipeline.operations.launch import close_dead_runs
    from pipeline.operations.texts import texts_of

    with session() as current:
        with current.connect() as connection:
            cell = connected_cell(connection, store, marketplace)
            if latest_import(connection, cell.store.id) is None:
                raise PipelineError(f"{store} has no catalog yet; read it with: pipeline import {store}")
        require_category_file(cell)
        close_dead_runs(current.instance, current.database)
        outcome = map_categories(here(current), store, marketplace, {} if ai is None else {"ai": ai})
        if outcome.error is not None:
            raise PipelineError(outcome.error)
        with current.connect() as connection:
            counts = open_shelf(connection, current.settings, cell).counts()
            asked = texts_of(connection, current.instance, store, outcome).get("categories")
            left = [sentence(one) for one in read_open(connection, store, marketplace) if one.task == "category"]
    if as_json:
        show_json({"run": outcome.run_id, **{state: counts[state] for state in _STATES}, "model": asked})
        return
    say(_said(counts))
    if asked is not None and asked["spent"]["requests"]:
        cost = f"{asked['spent']['requests']} requests, for {dollars(round(asked['spent']['usd'] * 1e6))}"
        say(f"the model was asked about {asked['estimate']['texts']} products in {cost}")
    elif asked is not None and not asked["estimate"]["texts"]:
        say("there was nothing new to ask the model")
    for one in left:
        say(one)
    place = f"{store} {marketplace}"
    if not counts["suggested"] and counts["none"] and cell.connection.export_settings.category_file is None:
        say(f"next: name a file of the marketplace's categories: pipeline connection set {place} category_file=FILE")
    else:
        say(f"next: pipeline categories list {place} --status {'suggested' if counts['suggested'] else 'none'}")


@app.command("list", epilog="Example: pipeline categories list my-shop amazon-us --status suggested --csv review.csv")
def list_(
    store: StoreKey,
    marketplace: SiteKey,
    status: Annotated[str | None, typer.Option("--status", help="Only: accepted, suggested or none.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="How many to show.")] = 50,
    file: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write all of them here instead.")] = None,
    decided: Annotated[bool, typer.Option("--decisions", help="List what people decided instead.")] = False,
    as_json: Json = False,
) -> None:
    """List the category of each product: how sure it is, and why. What people decided is shown at once."""
    from pipeline.listings.categories.decisions import list_decisions
    from pipeline.listings.categories.review import connected_cell, open_shelf, write_csv
    from pipeline.model.errors import UsageError

    if status is not None and status not in _STATES:
        raise UsageError(f"--status is one of: {', '.join(_STATES)}")
    with session() as current:
        with current.connect() as connection:
            cell = connected_cell(connection, store, marketplace)
            if decided:
                _show_decisions(list_decisions(connection, cell.store.id, cell.site.key), as_json)
                return
            shelf = open_shelf(connection, current.settings, cell)
        if file is not None:
            count = write_csv(shelf.rows(status), file)
            back = f"pipeline categories set {store} {marketplace} --csv {file}"
            show_json({"file": str(file), "products": count}) if as_json else say(
                f"{count} products are in {file}; write accept or reject into the column decision, then: {back}"
            )
            return
        shown: list[dict[str, Any]] = []
        counts = dict.fromkeys(_STATES, 0)
        for row in shelf.rows():
            counts[row["status"]] += 1
            if status in (None, row["status"]) and len(shown) < limit:
                shown.append(row)
    if as_json:
        show_json({"categories": shown, "counts": counts})
        return
    show_table(_SHOWN, [tuple(row[name] for name in _SHOWN) for row in shown], empty="there are none")
    if len(shown) == limit:
        say(f"the first {limit}; all of them with: --csv FILE")
    say(_said(counts))


@app.command(epilog="Example: pipeline categories accept my-shop amazon-us --all --min-confidence 0.8")
def accept(
    store: StoreKey,
    marketplace: SiteKey,
    product: Products = None,
    product_type: Types = None,
    everything: Everything = False,
    minimum: Annotated[float, typer.Option("--min-confidence", min=0, max=1, help="Only what is at least so sure.")] = 0.0,
    why: Why = "",
    who: Who = None,
    as_json: Json = False,
) -> None:
    """Accept suggested categories. The choice stays, also after imports."""
    from pipeline.listings.categories import review

    which = review.Which(product or (), product_type or (), everything, minimum)
    _decide(store, marketplace, which, "suggested", review.accept, person(who, why), as_json)


@app.command(epilog="Example: pipeline categories reject my-shop amazon-us --product 8123456789")
def reject(
    store: StoreKey,
    marketplace: SiteKey,
    product: Products = None,
    product_type: Types = None,
    everything: Everything = False,
    why: Why = "",
    who: Who = None,
    as_json: Json = False,
) -> None:
    """Reject guessed categories: the same is not guessed again for these products. Takes back what was accepted for them, except
    with --all."""
    from functools import partial

    from pipeline.listings.categories import review

    which = review.Which(product or (), product_type or (), everything)
    _decide(store, marketplace, which, None, partial(review.reject, named=not everything), person(who, why), as_json)


@app.command("set", epilog="Example: pipeline categories set my-shop amazon-us SHIRT --product-type T-Shirts")
def set_(
    store: StoreKey,
    marketplace: SiteKey,
    category: Annotated[str | None, typer.Argument(metavar="[CATEGORY]", help="The marketplace's category.")] = None,
    product: Products = None,
    product_type: Types = None,
    taxonomy: Annotated[
        list[str] | None,
        typer.Option("--taxonomy", metavar="ID", help="Of a category of Shopify's taxonomy, such as aa-1-13."),
    ] = None,
    file: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="An edited file of: categories list --csv.")] = None,
    why: Why = "",
    who: Who = None,
    as_json: Json = False,
) -> None:
    """Choose categories yourself: one for products, product types or taxonomy categories, or those of an edited file."""
    from pipeline.listings.categories import review
    from pipeline.listings.categories.decisions import Scope
    from pipeline.model.errors import UsageError

    keys: dict[Scope, list[str]] = {"product": product or [], "product_type": product_type or [], "taxonomy": taxonomy or []}
    if (file is None) == (category is None) or (category is not None and not any(keys.values())):
        raise UsageError("give a CATEGORY with --product, --product-type or --taxonomy, or else a file with --csv")
    by, refused = person(who, why), list[review.Refused]()
    with session() as current, current.connect() as connection:
        cell = review.connected_cell(connection, store, marketplace)
        if file is not None:
            decisions, refused = review.read_csv(file, cell, review.open_shelf(connection, current.settings, cell).categories)
            count = review.record(connection, cell, "choose_categories", decisions, by)
        else:
            review.require_products(current.settings, cell, keys["product"], "categories list")
            count = sum(
                review.choose(connection, cell, category or "", scope, found, by) for scope, found in keys.items() if found
            )
    if as_json:
        show_json({"decided": count, "refused": refused})
        return
    show_table(
        ("line", "product", "not taken because"), [(one.line, one.product_id, one.reason) for one in refused[:20]],
        empty="",
    ) if refused else None  # fmt: skip
    if count:
        say(f"{count} decided; they count from the next export on (pipeline export {store} {marketplace})")
    else:
        say(f"nothing is decided; write accept or reject into the column decision of {file}")


@app.command(epilog="Example: pipeline categories forget my-shop amazon-us --product-type T-Shirts")
def forget(
    store: StoreKey,
    marketplace: SiteKey,
    product: Products = None,
    product_type: Types = None,
    taxonomy: Annotated[list[str] | None, typer.Option("--taxonomy", metavar="ID", help="Of this taxonomy category.")] = None,
    why: Why = "",
    who: Who = None,
    as_json: Json = False,
) -> None:
    """Forget decisions, so that rules and guesses count again."""
    from pipeline.listings.categories import review
    from pipeline.listings.categories.decisions import Scope, key_of, list_decisions
    from pipeline.model.errors import UsageError

    keys: dict[Scope, list[str]] = {
        "product": product or [], "product_type": product_type or [], "taxonomy": taxonomy or [],
    }  # fmt: skip
    if not any(keys.values()):
        raise UsageError("say what about: --product, --product-type or --taxonomy; see: pipeline categories list --decisions")
    with session() as current, current.connect() as connection:
        cell = review.connected_cell(connection, store, marketplace)
        decided = {one.key for one in list_decisions(connection, cell.store.id, cell.site.key)}  # the product may be gone
        new = [one for one in keys["product"] if key_of("product", one) not in decided]
        review.require_products(current.settings, cell, new, "categories list")
        gone = review.forget(connection, cell, keys, person(who, why))
    if as_json:
        show_json({"forgotten": gone})
    elif gone:
        say(f"{gone} forgotten; rules and guesses count again from the next export on (pipeline export {store} {marketplace})")
    else:
        say(f"nothing was decided about that; see: pipeline categories list {store} {marketplace} --decisions")


@app.command(epilog="Example: pipeline categories google my-shop --names taxonomy-with-ids.en-US.txt --csv google.csv")
def google(
    store: StoreKey,
    status: Annotated[str | None, typer.Option("--status", help="Only: own, guessed, suggested or none.")] = None,
    names: Annotated[
        Path | None,
        typer.Option("--names", metavar="FILE", help="Google's taxonomy with ids: names, and finer numbers."),
    ] = None,
    sure: Annotated[float, typer.Option("--confidence", min=0, max=1, help="Guesses below it are only suggested.")] = 0.9,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="How many to show.")] = 50,
    file: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write all of them here instead.")] = None,
    as_json: Json = False,
) -> None:
    """List Google's number for each active product: from its category in Shopify's taxonomy. Needs no connection."""
    from pipeline.listings.categories.google import COLUMNS, STATUSES, Summary, open_view
    from pipeline.listings.spreadsheets import write_rows
    from pipeline.model.errors import UsageError

    if status is not None and status not in STATUSES:
        raise UsageError(f"--status is one of: {', '.join(STATUSES)}")
    with session() as current:
        with current.connect() as connection:
            view = open_view(connection, current.settings, store, names, sure)
        summary = Summary()
        rows = (row for row in summary.counted(view.rows()) if status in (None, row["status"]))
        if file is not None:
            count = write_rows(file, COLUMNS, rows)
            show_json({"file": str(file), "products": count, "summary": summary.counts}) if as_json else say(
                f"{count} products are in {file}; {summary}"
            )
            return
        shown = [row for number, row in enumerate(rows) if number < limit]
    if as_json:
        show_json({"categories": shown, "summary": summary.counts})
        return
    columns = [name for name in COLUMNS if name != "taxonomy" and (names is not None or name != "google_name")]
    show_table(columns, [tuple(row.get(name) for name in columns) for row in shown], empty="there are none")
    say(str(summary))


def _decide(
    store: str,
    marketplace: str,
    which: Which,
    status: str | None,
    act: Callable[[Any, Any, Iterator[dict[str, Any]], Person], int],
    by: Person,
    as_json: bool,
) -> None:
    from pipeline.listings.categories.review import connected_cell, open_shelf, require_products
    from pipeline.model.errors import UsageError

    if not (which.product_ids or which.product_types or which.everything):
        raise UsageError("say which: --product, --product-type or --all")
    with session() as current, current.connect() as connection:
        cell = connected_cell(connection, store, marketplace)
        require_products(current.settings, cell, which.product_ids, "categories list")
        rows = open_shelf(connection, current.settings, cell).rows(status, which)
        count = act(connection, cell, rows, by)
    if as_json:
        show_json({"decided": count})
    elif count:
        say(f"{count} decided; they count from the next export on (pipeline export {store} {marketplace})")
    else:
        say(f"no guess is among them; see: pipeline categories list {store} {marketplace}")


def _said(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{counts[state]} {state if state != 'none' else 'without a category'}" for state in _STATES)


def _show_decisions(found: list[Any], as_json: bool) -> None:
    if as_json:
        show_json({"decisions": found})
        return
    show_table(
        ("for", "key", "category", "decision", "who", "why", "at (UTC)"),
        [
            (one.scope, one.key, one.category, "accepted" if one.accepted else "rejected", one.who, one.why, one.decided_at)
            for one in found
        ],
        empty="nobody decided anything yet",
    )
