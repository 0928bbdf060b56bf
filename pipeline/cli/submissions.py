"""`pipeline submissions`: what was sent to marketplaces, what became of it, and deciding where only a person can."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.options import Json, Why, person
from pipeline.cli.output import say, show_facts, show_json, show_table
from pipeline.cli.session import session

if TYPE_CHECKING:
    from pipeline.submissions.operators import Action

app = typer.Typer(help="Submissions: feeds sent to marketplaces, and their verdicts.", no_args_is_help=True)

Id = Annotated[int, typer.Argument(metavar="ID", help="Number of the submission; see: submissions list.", show_default=False)]

_COLUMNS = (
    "id", "store", "marketplace", "export", "feed", "sent", "state",
    "messages", "accepted", "not accepted", "feed id", "since", "reason",
)  # fmt: skip


_NOTHING = "nothing was sent yet; connections without credentials send nothing"
_SENT = {"feed": "as a feed", "items": "one by one"}


def register(parent: typer.Typer) -> None:
    parent.add_typer(app, name="submissions")


@app.command("list", epilog="Example: pipeline submissions list --store my-shop --open")
def list_(
    store: Annotated[str | None, typer.Option("--store", help="Only of this store.")] = None,
    marketplace: Annotated[str | None, typer.Option("--marketplace", help="Only on this site, for example amazon-us.")] = None,
    open_only: Annotated[bool, typer.Option("--open", help="Only those without a verdict.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many: what is held, then the newest.")] = 20,
    as_json: Json = False,
) -> None:
    """List submissions: those that are held first, then the newest."""
    from pipeline.submissions.operators import list_submissions

    with session() as current, current.connect() as connection:
        found = list_submissions(connection, store=store, site=marketplace, open_only=open_only, limit=limit)
    if as_json:
        show_json({"submissions": found})
        return
    show_table(
        _COLUMNS,
        [
            (
                one["id"], one["store"], one["marketplace"], one["export_id"], one["feed"], _SENT[one["via"]], one["state"],
                one["messages"],
                one["counts"].get("accepted", 0), one["counts"].get("rejected", 0) + one["counts"].get("unknown", 0),
                one["feed_id"], one["ended_at"] or one["submitted_at"] or one["created_at"], one["reason"],
            )
            for one in found
        ],
        empty="no submission is like that" if open_only or store or marketplace else _NOTHING,
    )  # fmt: skip


@app.command(epilog="Example: pipeline submissions show 17")
def show(submission: Id, as_json: Json = False) -> None:
    """Show one submission: its way, and the messages that were not accepted."""
    from pipeline.submissions.operators import get_submission

    with session() as current, current.connect() as connection:
        found = get_submission(connection, submission)
    if as_json:
        show_json(found)
        return
    events, refused = found.pop("events"), found.pop("refused")
    told = "every message so far is fine" if found["counts"] else "no message has a verdict yet"
    show_facts(found)
    show_table(("at (UTC)", "state", "who", "note"), [tuple(one.values()) for one in events], empty="")
    show_table(("message", "SKU", "outcome", "reason"), [tuple(one.values()) for one in refused], empty=told)
    if found["state"] == "held":
        say(f"decide: pipeline submissions resend {submission}, or cancel {submission}, or adopt {submission} FEED_ID")


@app.command(epilog="Example: pipeline submissions resend 17 --why 'Amazon support says that it was lost'")
def resend(submission: Id, why: Why = "", as_json: Json = False) -> None:
    """Send a held submission again, or let the next export say again what was refused."""
    _decide("resend", submission, why, as_json)


@app.command(epilog="Example: pipeline submissions adopt 17 50012 --why 'seen in Seller Central'")
def adopt(
    submission: Id,
    feed: Annotated[str, typer.Argument(metavar="FEED_ID", help="The marketplace's id of the feed.", show_default=False)],
    why: Why = "",
    as_json: Json = False,
) -> None:
    """Say which of the marketplace's feeds a held submission is."""
    _decide("adopt", submission, why, as_json, feed)


@app.command(epilog="Example: pipeline submissions cancel 17 --why 'wrong prices'")
def cancel(submission: Id, why: Why = "", as_json: Json = False) -> None:
    """Stop a submission that is not sent yet, or not being processed, or held."""
    _decide("cancel", submission, why, as_json)


@app.command(epilog="Example: pipeline submissions poll")
def poll(as_json: Json = False) -> None:
    """Send and poll whatever is due, as the daemon does by itself."""
    from pipeline.cli.results import here
    from pipeline.operations.chain import poll as poll_all
    from pipeline.submissions.operators import list_submissions

    with session() as current:
        outcomes = poll_all(here(current))
        with current.connect() as connection:
            still = list_submissions(connection, store=None, site=None, open_only=True, limit=1000)
    failed = [one.error for one in outcomes if one.error is not None]
    if as_json:
        show_json({"open": still, "errors": failed})
    else:
        say(f"{len(still)} submissions are without a verdict; see: pipeline submissions list --open")
        for error in failed:
            say(f"failed: {error}")
    if failed:
        raise typer.Exit(1)


def _decide(action: Action, submission: int, why: str, as_json: bool, feed_id: str = "") -> None:
    from pipeline.submissions.live import Office
    from pipeline.submissions.operators import decide

    with session() as current:
        office = Office(current.database, current.vault, current.settings.storage())
        sentence = decide(office, submission, action, person(None, why), feed_id=feed_id)
    if as_json:
        show_json({"submission": submission, "done": sentence})
    else:
        say(sentence)
