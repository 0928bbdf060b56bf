"""How imports and exports look on a terminal: a line for each run while it works, then the result in tables."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from pipeline.cli.output import clean, duration, say, show_json, show_table
from pipeline.model.errors import UsageError

if TYPE_CHECKING:
    import dagster as dg

    from pipeline.cli.session import Session
    from pipeline.operations.chain import Here
    from pipeline.operations.launch import Outcome


_REFRESH_SECONDS = 1.0


def here(current: Session) -> Here:
    """Runs in this process, told on the terminal."""
    from pipeline.definitions import defs
    from pipeline.operations.chain import Here

    return Here(defs, current.instance, current.database, tell, lambda run_id: watch(current.instance, run_id))


@contextmanager
def watch(instance: dg.DagsterInstance, run_id: str) -> Iterator[None]:
    """A bar on stderr while a run of this process works, when a person looks at it."""
    if not sys.stderr.isatty():
        yield
        return
    ended = threading.Event()
    thread = threading.Thread(target=_show_progress, args=(instance, run_id, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _show_progress(instance: dg.DagsterInstance, run_id: str, ended: threading.Event) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from pipeline.operations.runs import get_run

    columns = (BarColumn(), TextColumn("{task.percentage:>3.0f} %"), TimeElapsedColumn())
    message = TextColumn("{task.fields[message]}", markup=False)
    with Progress(*columns, message, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=100, message="")
        while not ended.wait(_REFRESH_SECONDS):
            with suppress(UsageError):  # not recorded yet
                run = get_run(instance, run_id)
                progress.update(task, completed=run.progress, message=clean(run.progress_message or ""))


def tell(what: str, outcome: Outcome | None) -> None:
    """One line on stderr before and after a run, so that stdout is the result alone."""
    if outcome is None:
        print(f"{what} ...", file=sys.stderr, flush=True)
    else:
        ending = "done" if outcome.success else "FAILED"
        print(f"{what} {ending} in {duration(outcome.seconds)} (run {outcome.run_id[:8]})", file=sys.stderr, flush=True)


def show_summary(summary: Mapping[str, Any], notes: Sequence[str] = (), *, as_json: bool) -> int:
    """Print the summary; the exit code is 1 when anything failed."""
    if as_json:
        show_json(summary)
    else:
        from pipeline.operations.texts import text_notes

        _show(summary, [*notes, *text_notes(summary)])
    return 0 if summary["status"] == "ok" else 1


def _show(summary: Mapping[str, Any], notes: Sequence[str]) -> None:
    issues, score = summary["issues"], summary["score"]
    show_table(
        ("store", "products", "variants", "rejected", "fixes", *issues, "mean score", "publishable"),
        [
            (
                summary["store"], summary["products"], summary["variants"], summary["rejected"], summary["fixes"],
                *issues.values(), score["mean"], score["publishable"],
            )
        ],
        empty="",
    )  # fmt: skip
    if summary["marketplaces"]:
        kinds = ("create", "update", "price", "quantity", "images", "delete", "unchanged")
        show_table(
            ("marketplace", "listings", "ready", "blocked", "held", *kinds),
            [
                (
                    site, found["listings"], found["ready"], found["blocked"], found["held"],
                    *(found["changes"][kind] for kind in kinds),
                )
                for site, found in summary["marketplaces"].items()
            ],
            empty="",
        )  # fmt: skip
    feeds = [
        (site, feed["kind"], feed["messages"], f"{feed['bytes']:,}", feed["path"])
        for site, found in summary["marketplaces"].items()
        for feed in found["feeds"]
    ]
    if summary["marketplaces"]:
        show_table(
            ("marketplace", "feed", "messages", "bytes", "file in the data directory"),
            feeds,
            empty="no feed files",
        )
    for note in notes:
        say(note)
    for error in summary["errors"]:
        say(f"failed: {error}")
