"""How secrets come in: typed without an echo, from stdin, or from a file. Never as an argument, which every process can read."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.model.credentials import CredentialNames
from pipeline.model.errors import UsageError
from pipeline.model.secret import Secret

ASK, STDIN = "ask", "-"
#: For sentences about credentials that are not there.
WAYS_IN = "give --credentials ask to type them at a terminal, --credentials FILE, or --credentials - for stdin"
_MAX_BYTES = 64 * 1024
_SHAPE = 'one JSON object of names and texts, such as {"client_id": "...", "client_secret": "..."}'

Credentials = Annotated[
    str | None,
    typer.Option(
        "--credentials",
        metavar="FILE|-|ask",
        help="Credentials as a JSON object of texts in a file or on stdin (-), or typed here (ask). They are kept sealed.",
    ),
]


def read_credentials(source: str, names: CredentialNames, what: str) -> dict[str, Secret]:
    """Credentials of `what` (for people) from `--credentials SOURCE`; raises UsageError, which never quotes what was given."""
    if not names.accepted:
        raise UsageError(f"{what} takes no credentials")
    if source == ASK:
        found = _ask(names, what)
    elif source == STDIN:
        found = _parse(_stdin(), "stdin")
    else:
        found = read_file(Path(source))
    names.check(what, found)
    return found


def read_file(path: Path) -> dict[str, Secret]:
    """The credentials in a file; raises UsageError. Says on stderr when other users can read it."""
    try:
        with path.open("rb") as file:  # also a pipe, as a shell's <(...) is
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(_MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        raise UsageError(f"the credentials file cannot be read ({reason}); --credentials takes a file, - or ask") from None
    found = _parse(content, "the credentials file")
    if stat.S_ISREG(mode) and mode & 0o077:
        print(f"note: other users can read {path}; when the vault keeps its content, remove the file", file=sys.stderr)
    return found


def can_ask() -> bool:
    """Whether somebody sits at a terminal."""
    return sys.stdin.isatty()


def _stdin() -> bytes:
    if can_ask():
        raise UsageError("--credentials - reads stdin, and what is typed there would be shown; use --credentials ask")
    return sys.stdin.buffer.read(_MAX_BYTES + 1)


def _parse(content: bytes, where: str) -> dict[str, Secret]:
    if len(content) > _MAX_BYTES:
        raise UsageError(f"{where} holds more than {_MAX_BYTES} bytes; it takes {_SHAPE}")
    try:
        pairs = json.loads(content.decode("utf-8-sig"), object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):  # whose messages quote what was read
        pairs = None
    if not isinstance(pairs, _Pairs) or not pairs or not all(isinstance(value, str) for _, value in pairs):
        raise UsageError(f"{where} must hold {_SHAPE}")
    if len(dict(pairs)) < len(pairs):
        raise UsageError(f"{where} has a name twice; it takes {_SHAPE}")
    return {name: Secret(value) for name, value in pairs}


class _Pairs(list[tuple[str, Any]]):
    """A JSON object, with its repeated names."""


def tell(sentence: str) -> None:
    """A line for whoever is asked; on stderr, as the questions."""
    print(sentence, file=sys.stderr)


def ask_one(name: str, names: CredentialNames, *, empty: str | None = None) -> str:
    """One value, typed; with where it is found. `empty` says what Enter alone means, else something must be typed."""
    if name in names.where:
        tell(names.where[name])
    said = name if empty is None else f"{name} ({empty})"
    hidden = name not in names.plain and any(name in choice for choice in names.accepted)
    default = None if empty is None else ""
    typed = typer.prompt(said, hide_input=hidden, err=True, default=default, show_default=False)
    return str(typed).strip()


def _ask(names: CredentialNames, what: str) -> dict[str, Secret]:
    if not can_ask():
        raise UsageError("--credentials ask needs a terminal; pipe the credentials to --credentials -, or name a file")
    found = {name: Secret(value) for name, value in _ask_kind(names, what).items()}
    for name in names.optional:
        value = typer.prompt(f"{name} (Enter if there is none)", hide_input=True, default="", show_default=False, err=True)
        if value:
            found[name] = Secret(value)
    return found


def _ask_kind(names: CredentialNames, what: str) -> dict[str, str]:
    """The values of one of the accepted sets. Nothing is asked but values, since people paste a secret at the first prompt,
    whatever it asks for: Enter alone goes on to the next set."""
    print(f"credentials of {what}, hidden while they are typed:", file=sys.stderr)
    *others, last = names.accepted
    for choice, after in zip(others, names.accepted[1:], strict=True):
        if first := ask_one(choice[0], names, empty=f"Enter to give {' and '.join(after)} instead"):
            return {choice[0]: first, **{name: ask_one(name, names) for name in choice[1:]}}
    return {name: ask_one(name, names) for name in last}
