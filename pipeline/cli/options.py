"""Arguments and options that several commands share."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from pipeline.model.errors import UsageError

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
StoreKey = Annotated[str, typer.Argument(metavar="STORE", help="Key of the store.", show_default=False)]
SiteKey = Annotated[str, typer.Argument(metavar="MARKETPLACE", help="Site, for example amazon-us.", show_default=False)]


def confirm(question: str, *, yes: bool, as_json: bool) -> None:
    """Ask, unless `yes`; where nobody can answer, raise UsageError instead of waiting."""
    if yes:
        return
    if as_json or not sys.stdin.isatty():
        raise UsageError(f"{question} Nobody can be asked here: add --yes")
    typer.confirm(question, abort=True)
