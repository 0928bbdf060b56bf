"""Arguments and options that several commands share."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.model.errors import UsageError

if TYPE_CHECKING:
    from pipeline.stores.actions import Person

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Who = Annotated[str | None, typer.Option("--who", help="Who decides this; else your login name.", show_default=False)]
Why = Annotated[str, typer.Option("--why", help="Why; kept with your name in the audit.")]
StoreKey = Annotated[str, typer.Argument(metavar="STORE", help="Key of the store.", show_default=False)]
SiteKey = Annotated[str, typer.Argument(metavar="MARKETPLACE", help="Site, for example amazon-us.", show_default=False)]


def person(who: str | None, why: str) -> Person:
    """Who decides, and why. Raises UsageError where nobody is logged in by a name."""
    import getpass

    from pipeline.stores.actions import Person

    try:
        return Person(who or getpass.getuser(), why)
    except (KeyError, OSError):
        raise UsageError("this process runs for nobody by a name; say who decides: --who NAME") from None


def confirm(question: str, *, yes: bool, as_json: bool) -> None:
    """Ask, unless `yes`; where nobody can answer, raise UsageError instead of waiting."""
    if yes:
        return
    if as_json or not sys.stdin.isatty():
        raise UsageError(f"{question} Nobody can be asked here: add --yes")
    typer.confirm(question, abort=True)
