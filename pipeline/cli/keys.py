"""`pipeline keys` and `pipeline credentials`: the vault's master keys, and moving credentials to another one of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.options import Json
from pipeline.cli.output import say, show_json, show_table
from pipeline.cli.session import session
from pipeline.model.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.settings import Settings

keys = typer.Typer(help="Master keys of the credential vault.", no_args_is_help=True)
credentials = typer.Typer(help="Stored credentials of stores and connections.", no_args_is_help=True)

KeyFile = Annotated[
    Path | None,
    typer.Option("--file", help="The key file; else that of CREDENTIAL_KEYS_FILE, or credential.keys in the data directory."),
]

KeyName = Annotated[str, typer.Argument(metavar="KEY", help="Name of a key in the file.", show_default=False)]


def register(parent: typer.Typer) -> None:
    parent.add_typer(keys, name="keys")
    parent.add_typer(credentials, name="credentials")


@keys.command(epilog="Example: pipeline keys generate --file /etc/pipeline/credential.keys")
def generate(file: KeyFile = None, as_json: Json = False) -> None:
    """Add a new key to the key file, which is made if it is not there. The key itself is never shown."""
    from pipeline.platform.vault.key_files import add_key

    with session() as current:
        path = _file(current.settings, file)
    kid, primary = add_key(path)
    if as_json:
        show_json({"key": kid, "file": str(path), "primary": primary})
        return
    say(f"key {kid} is in {path}; keep a copy in a safe place, without it stored credentials are lost")
    if primary:
        say("next: set CREDENTIAL_KEYS_FILE to this file wherever the pipeline runs (the embedded default finds its own)")
    else:
        say(
            f"next: restart everything that runs, so that it can read what this key will seal; then pipeline keys promote {kid}, "
            "then pipeline credentials rotate"
        )


@keys.command(epilog="Example: pipeline keys promote k20270101-1a2b")
def promote(key: KeyName, file: KeyFile = None, as_json: Json = False) -> None:
    """Make a key the primary one: from the next start on it seals what is saved."""
    from pipeline.platform.vault.key_files import promote_key

    with session() as current:
        path = _file(current.settings, file)
    promote_key(path, key)
    if as_json:
        show_json({"key": key, "file": str(path), "primary": True})
    else:
        say(f"{key} is the primary key in {path}; next: pipeline credentials rotate")


@keys.command(epilog="Example: pipeline keys remove k20260101-3c4d")
def remove(key: KeyName, file: KeyFile = None, as_json: Json = False) -> None:
    """Take a key that seals nothing any more out of the key file. Keep it elsewhere as long as backups may need it."""
    from pipeline.platform.vault.key_files import remove_key
    from pipeline.stores.credentials import count_sealed

    with session() as current:
        path = _file(current.settings, file)
        with current.connect() as connection:
            sealed = count_sealed(connection, key)
    if sealed:
        raise UsageError(f"{key} still seals {sealed} credentials, which would be lost; first: pipeline credentials rotate")
    remove_key(path, key)
    if as_json:
        show_json({"removed": key, "file": str(path)})
    else:
        say(f"{key} is removed from {path}")


@keys.command(epilog="Example: pipeline keys check")
def check(as_json: Json = False) -> int:
    """Open all stored credentials, and say which key has sealed how many."""
    from pipeline.platform.vault.key_files import load_keys
    from pipeline.stores.credentials import survey

    with session() as current:
        with current.connect() as connection:
            found = survey(connection, current.vault)
        ring = load_keys(current.settings) if found.sealed or _given(current.settings) else None
    known = ring.names if ring else ()
    counts = {name: _counts(found.sealed.get(name, {})) for name in dict.fromkeys([*known, *found.sealed])}
    if as_json:
        show_json({"primary": ring.primary if ring else None, "keys": counts, "unreadable": found.unreadable})
    else:
        states = {**dict.fromkeys(counts, "missing"), **dict.fromkeys(known, "known"), **dict.fromkeys(known[:1], "primary")}
        rows = [(name, states[name], *count.values()) for name, count in counts.items()]
        show_table(("key", "", "stores", "connections"), rows, empty="no credentials are stored, and there is no key yet")
        for what, reason in found.unreadable.items():
            say(f"{what}: {reason}")
        idle = [name for name in known[1:] if not any(counts[name].values())]
        if idle:
            say(
                f"nothing is sealed with {', '.join(idle)}; a new key: pipeline keys promote {idle[0]}; "
                f"an old one whose rotation is over: pipeline keys remove {idle[0]}"
            )
    return 1 if found.unreadable else 0


@credentials.command(epilog="Example: pipeline credentials rotate")
def rotate(as_json: Json = False) -> int:
    """Move all stored credentials to the primary key. Nothing has to stop meanwhile; safe to run again."""
    from pipeline.stores.credentials import rotate as move

    with session() as current:
        done = move(current.connect, current.vault)
    if as_json:
        show_json({"key": done.key, "moved": _counts(done.moved), "left": done.left, "unreadable": done.unreadable})
    else:
        moved = _counts(done.moved)
        say(f"{moved['stores']} stores and {moved['connections']} connections are moved to key {done.key}, the primary one")
        if not any(moved.values()) and not done.left:
            say("nothing was sealed with another key; for a new one: pipeline keys generate, then pipeline keys promote")
        for what, reason in done.unreadable.items():
            say(f"{what}: {reason}")
        if done.left:
            say(f"{done.left} are still sealed with another key; those being saved just now: pipeline credentials rotate")
    return 1 if done.left else 0


def _file(settings: Settings, file: Path | None) -> Path:
    from pipeline.platform.vault.key_files import key_file

    if file is not None:
        return file.expanduser().absolute()
    if settings.credential_keys is not None:
        raise UsageError("the keys are in CREDENTIAL_KEYS, which a command cannot change; write a key file with --file FILE")
    if settings.credential_keys_file is None and settings.database_url is not None:
        raise UsageError("with DATABASE_URL there is no default key file; name one with --file FILE, or set CREDENTIAL_KEYS_FILE")
    return key_file(settings)


def _given(settings: Settings) -> bool:
    from pipeline.platform.vault.key_files import key_file

    return bool(settings.credential_keys or settings.credential_keys_file or key_file(settings).exists())


def _counts(tables: Mapping[str, int]) -> dict[str, int]:
    return {"stores": tables.get("stores", 0), "connections": tables.get("marketplace_credentials", 0)}
