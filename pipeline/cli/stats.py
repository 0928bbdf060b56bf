"""`pipeline stats`: how many exports, how many messages were taken and refused, how long it took, what texts cost."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli.options import Json
from pipeline.cli.output import duration, say, show_json, show_table
from pipeline.cli.session import session
from pipeline.model.errors import UsageError

_COLUMNS = (
    "store", "marketplace", "status", "exports", "failed runs", "messages taken", "refused", "waiting", "products", "last export",
    "took",
)  # fmt: skip


def register(parent: typer.Typer) -> None:
    parent.command("stats", epilog="Example: pipeline stats my-shop amazon-us")(stats)


def stats(
    store: Annotated[str | None, typer.Argument(metavar="[STORE]", help="Only this store.", show_default=False)] = None,
    marketplace: Annotated[
        str | None, typer.Argument(metavar="[MARKETPLACE]", help="Only this site, with its newest exports.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what exports came to: messages by the marketplace's verdict, products, duration; and the cost of language models."""
    from pipeline.operations.stats import stats as gather

    with session() as current, current.connect() as connection:
        found = gather(connection, store, marketplace)
    if as_json:
        show_json(found)
        return
    if store is not None and not found["connections"] and not any(one["calls"] for one in found["language"]):
        raise UsageError(f"store {store} has no connections; add one with: pipeline connect {store} MARKETPLACE")
    show_table(
        _COLUMNS,
        [
            (
                one["store"], one["marketplace"], one["status"], one["total_exports"], one["failed_exports"],
                one["success_count"], one["failure_count"], one["waiting_count"], one["products_synced"], one["last_sync_at"],
                duration(one["last_duration_seconds"]),
            )
            for one in found["connections"]
        ],
        empty="no connections yet; add one with: pipeline connect STORE MARKETPLACE",
    )  # fmt: skip
    for one in found["connections"]:
        if one.get("exports"):
            names = ("export_id", "committed_at", "messages", "accepted", "rejected", "unknown", "waiting")
            rows = [(*(row[name] for name in names), duration(row["run_seconds"])) for row in one["exports"]]
            show_table((*names, "took"), rows, empty="")
    for cost in found["language"]:
        if cost["calls"]:
            month = f"${cost['usd_month']:.4f} in {cost['month']}"
            say(f"{cost['store']}: language models cost {month}, ${cost['usd_total']:.4f} in all")
