"""`pipeline problems`: the listings that need somebody, each with why and what to press."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.options import Json, StoreKey
from pipeline.cli.output import cell_text, say, short, show_json, show_table
from pipeline.cli.session import session
from pipeline.model.errors import UsageError

if TYPE_CHECKING:
    from pipeline.operations.problems import Problem

_COLUMNS = ("marketplace", "sku", "product_id", "problem", "field", "reason", "next")


def register(parent: typer.Typer) -> None:
    parent.command("problems", epilog="Example: pipeline problems my-shop amazon-us --problem refused --csv refused.csv")(show)


def show(
    store: StoreKey,
    marketplace: Annotated[str | None, typer.Argument(metavar="[MARKETPLACE]", help="Only on this site.")] = None,
    problem: Annotated[
        list[str] | None,
        typer.Option("--problem", help="Only refused, faulty, unknown, drift, held or blocked; may be repeated."),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="How many rows to show.")] = 50,
    file: Annotated[Path | None, typer.Option("--csv", help="Write all rows into this file.")] = None,
    as_json: Json = False,
) -> None:
    """List the listings that need somebody: refused, faulty, unknown, changed by others, held or blocked; why, and what to do."""
    from pipeline.listings.cell import find_cell
    from pipeline.operations.problems import KINDS, problems
    from pipeline.stores.connections import get_connection, list_connections

    if strange := sorted(set(problem or ()) - set(KINDS)):
        raise UsageError(f"{strange[0]!r} is no problem; use {', '.join(KINDS)}")
    with session() as current, current.connect() as connection:
        sites = [get_connection(connection, store, marketplace).site] if marketplace else [
            one.site for one in list_connections(connection, store)
        ]  # fmt: skip
        cells = [cell for site in sites if (cell := find_cell(connection, store, site)) is not None]
        found = [one for cell in cells for one in problems(connection, current.settings, cell)]
    found = [one for one in found if not problem or one.problem in problem]
    if file is not None:
        _write(file, found)
    if as_json:
        counts = {kind: sum(one.problem == kind for one in found) for kind in KINDS}
        show_json({"counts": counts, "problems": found[:limit], **({"csv": str(file)} if file else {})})
        return
    show_table(
        ("marketplace", "SKU", "problem", "field", "reason", "what to do"),
        [(one.marketplace, one.sku, one.problem, one.field, short(one.reason, 90), one.next) for one in found[:limit]],
        empty=f"no listing of {store} needs anybody",
    )
    if len(found) > limit:
        say(f"{len(found) - limit} more; all of them: --limit {len(found)}, or --csv FILE")
    if file is not None:
        say(f"{len(found)} rows are in {file}")


def _write(file: Path, found: list[Problem]) -> None:
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(_COLUMNS)
        writer.writerows([cell_text(getattr(one, name)) for name in _COLUMNS] for one in found)
