"""How imports and exports look on a terminal: a line for each run while it works, then the result in tables."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.cli.output import duration, say, show_json, show_table

if TYPE_CHECKING:
    from pipeline.cli.session import Session
    from pipeline.operations.chain import Here
    from pipeline.operations.launch import Outcome


def here(current: Session) -> Here:
    """Runs in this process, told on the terminal."""
    from pipeline.definitions import defs
    from pipeline.operations.chain import Here

    return Here(defs, current.instance, current.database, tell)


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
        _show(summary, notes)
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
