"""`pipeline jobs`: runs of Dagster, with progress, and canceling them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.options import Json
from pipeline.cli.output import clean, duration, say, short, show_facts, show_json, show_line, show_table
from pipeline.cli.session import session

if TYPE_CHECKING:
    from pipeline.operations.runs import Run

app = typer.Typer(help="Jobs: what ran, what runs, how far it is.", no_args_is_help=True)

RunId = Annotated[str, typer.Argument(metavar="RUN", help="Id of the run, or its first characters.", show_default=False)]
Watch = Annotated[bool, typer.Option("--watch", "-w", help="Keep showing until nothing runs any more.")]

_REFRESH_SECONDS = 1.0


def register(parent: typer.Typer) -> None:
    parent.add_typer(app, name="jobs")


@app.command("list", epilog="Example: pipeline jobs list --store my-shop --watch")
def list_(
    store: Annotated[str | None, typer.Option("--store", help="Only runs of this store.")] = None,
    marketplace: Annotated[
        str | None, typer.Option("--marketplace", help="Only runs on this site, for example amazon-us.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many, newest first.")] = 20,
    unfinished: Annotated[bool, typer.Option("--unfinished", help="Only runs that wait or work.")] = False,
    watch: Watch = False,
    as_json: Json = False,
) -> None:
    """List the newest runs."""
    from pipeline.operations.launch import close_dead_runs
    from pipeline.operations.runs import list_runs

    with session() as current:
        instance = current.instance

        def read() -> list[Run]:
            close_dead_runs(instance, current.database)
            return list_runs(instance, limit=limit, store=store, marketplace=marketplace, unfinished=unfinished)

        runs = follow(read, as_json=as_json) if watch else read()
    if as_json:
        show_json({"jobs": runs})
        return
    show_table(
        ("run", "type", "store", "marketplace", "status", "progress", "message", "started (UTC)", "duration"),
        [
            (
                run.id[:8],
                run.type,
                run.store,
                run.marketplace,
                run.status,
                f"{run.progress} %",
                short(run.error or run.progress_message, 80),
                run.started,
                duration(run.duration_seconds),
            )
            for run in runs
        ],
        empty="no runs; start one with: pipeline import STORE",
    )


@app.command(epilog="Example: pipeline jobs status 3f2a9c11 --watch")
def status(run: RunId, watch: Watch = False, as_json: Json = False) -> None:
    """Show one run. With --watch the exit code is 1 when the run fails."""
    from pipeline.operations.launch import close_dead_runs
    from pipeline.operations.runs import get_run

    with session() as current:
        instance = current.instance

        def read(identity: str = run) -> list[Run]:
            close_dead_runs(instance, current.database)
            return [get_run(instance, identity)]

        (found,) = read()
        if watch:
            (found,) = follow(lambda: read(found.id), as_json=as_json)
    if as_json:
        show_json(found)
    else:
        show_facts({**_facts(found), "duration": duration(found.duration_seconds)})
    if watch and found.status != "success":
        raise typer.Exit(1)


@app.command(epilog="Example: pipeline jobs cancel 3f2a9c11")
def cancel(run: RunId, as_json: Json = False) -> None:
    """Cancel a run: at once while it waits, between two batches once it works."""
    from pipeline.operations.runs import cancel_run

    with session() as current, current.connect() as connection:
        found = cancel_run(current.instance, connection, run)
    if as_json:
        show_json(found)
    elif found.status == "canceled":
        say(f"run {found.id} is canceled")
    else:
        say(f"run {found.id} stops after its present batch; see: pipeline jobs status {found.id[:8]} --watch")


def follow(read: Callable[[], list[Run]], *, as_json: bool, wait: Callable[[float], None] = time.sleep) -> list[Run]:
    """Show progress until every run has ended, and return the runs: bars for people, a JSON line a change for machines."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TextColumn

    if as_json:
        seen: dict[str, tuple[str, int, str | None]] = {}
        while True:
            runs = read()
            for run in runs:
                state = (run.status, run.progress, run.progress_message)
                if not run.finished and seen.get(run.id) != state:
                    seen[run.id] = state
                    show_line(run)
            if all(run.finished for run in runs):
                return runs
            wait(_REFRESH_SECONDS)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    tail = TextColumn("{task.fields[message]}", markup=False)
    # Bars go to stderr: stdout holds only the result.
    with Progress(*columns, tail, console=Console(stderr=True), auto_refresh=False) as progress:
        tasks: dict[str, TaskID] = {}
        while True:
            runs = read()
            for run in runs:
                if run.id not in tasks:
                    if run.finished:
                        continue
                    tasks[run.id] = progress.add_task("", total=100, message="")
                progress.update(tasks[run.id], description=_label(run), completed=run.progress, message=_message(run))
            progress.refresh()
            if all(run.finished for run in runs):
                return runs
            wait(_REFRESH_SECONDS)


def _label(run: Run) -> str:
    return clean(" ".join(part for part in (run.id[:8], run.type, run.store, run.marketplace) if part))


def _message(run: Run) -> str:
    return clean(run.error or run.progress_message or run.status)


def _facts(run: Run) -> dict[str, Any]:
    return {
        "id": run.id,
        "type": run.type,
        "store": run.store,
        "marketplace": run.marketplace,
        "status": run.status,
        "progress": f"{run.progress} %",
        "progress_message": run.progress_message,
        "created": run.created,
        "started": run.started,
        "ended": run.ended,
        "error": run.error,
    }
