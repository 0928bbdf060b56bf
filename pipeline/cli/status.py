"""`pipeline status`: every connection at a glance, what an operator looks at first in the morning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from pipeline.cli.options import Json
from pipeline.cli.output import say, show_json, show_table
from pipeline.cli.session import session

if TYPE_CHECKING:
    from pipeline.operations.overview import Row

_COLUMNS = (
    "store", "marketplace", "state", "last import", "quality", "last export", "live", "unknown", "sending", "drift", "refused",
    "faulty", "blocked", "held", "to approve", "next",
)  # fmt: skip
_EMPTY = "no stores yet; begin with: pipeline demo, or: pipeline store add KEY --file FILE"


def register(parent: typer.Typer) -> None:
    parent.command("status", epilog="Example: pipeline status --json")(status)


def status(as_json: Json = False) -> None:
    """Show all stores and connections: last import and export, what failed, what is held or waits for somebody."""
    with session() as current:
        from pipeline.catalog.inbox import inbox_of
        from pipeline.listings.open_texts import read_waiting
        from pipeline.operations.overview import notices, overview

        with current.connect() as connection:
            rows = overview(connection)
            said = notices(connection, inbox_of(current.settings.data_dir), rows)
            waiting = read_waiting(connection)
    if as_json:
        show_json({"connections": rows, "notices": said, "waiting": waiting})
        return
    show_table(_COLUMNS, [_cells(row) for row in rows], empty=_EMPTY)
    for sentence in [*said, *(one.sentence for one in waiting)]:
        say(sentence)


def _cells(row: Row) -> tuple[Any, ...]:
    told = (row.store, row.site, row.state, row.imported, row.quality, row.exported)
    return (
        *told,
        row.live,
        row.uncertain,
        row.sending,
        row.drift,
        row.refused,
        row.faulty,
        row.blocked,
        row.held,
        row.waiting,
        row.next,
    )
