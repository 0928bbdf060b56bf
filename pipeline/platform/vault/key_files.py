"""Where the vault's master keys lie: a file of our own user alone, or the environment; and changing such a file.

The embedded database makes itself a file once. With DATABASE_URL the keys must be given: a key that each machine makes for
itself would open nothing on the next one.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path

from pipeline.model.errors import PipelineError
from pipeline.platform.vault import aead
from pipeline.platform.vault.envelope import Vault
from pipeline.platform.vault.keys import KeyFormatError, Keyring, LazyKeys, format_key, parse_keys
from pipeline.settings import Settings

_MAX_BYTES = 64 * 1024
_HEADER = "# Keys of the credential vault, the primary one first. Keep a copy: without them stored credentials are lost."


def open_vault(settings: Settings) -> Vault:
    """The vault of these settings. Its keys are looked for when first needed, which raises KeyFormatError when there are none."""
    return Vault(LazyKeys(lambda: load_keys(settings), lambda: load_keys(settings, make=True)))


def load_keys(settings: Settings, *, make: bool = False) -> Keyring:
    """The keys of these settings; raises KeyFormatError when there are none.

    `make`: the embedded default may make its file, if it is not there, and says so on stderr."""
    if settings.credential_keys is not None:
        return parse_keys(settings.credential_keys.reveal(), "CREDENTIAL_KEYS")
    path = key_file(settings)
    if settings.credential_keys_file is None:
        if settings.database_url is not None:
            raise KeyFormatError(
                "credentials need a key, and with DATABASE_URL it must be given, the same on every machine: "
                "make one with `pipeline keys generate --file FILE` and set CREDENTIAL_KEYS_FILE=FILE"
            )
        kid, line = _new_key()
        if make and not path.exists() and _create(path, line):
            print(
                f"pipeline: made the key of the credential vault, {path} (name {kid}); keep a copy in a safe place, "
                "without it stored credentials are lost",
                file=sys.stderr,
            )
    return read_key_file(path)


def key_file(settings: Settings) -> Path:
    """The file that CREDENTIAL_KEYS_FILE names, else the one of the embedded default."""
    return settings.credential_keys_file or settings.data_dir / "credential.keys"


def read_key_file(path: Path) -> Keyring:
    """The keys in a file. Raises KeyFormatError when it is not a file, or one that other users can read."""
    return parse_keys(_read(path), str(path))


def add_key(path: Path) -> tuple[str, bool]:
    """A new key at the end of the file, which is made if it is not there: its name, and whether it is the primary one."""
    kid, line = _new_key()
    if not path.exists() and _create(path, line):
        return kid, True
    with _changing(path):
        text = _read(path)
        known = parse_keys(text, str(path)).names
        while kid in known:
            kid, line = _new_key()
        _replace(path, f"{text.rstrip()}\n{line}\n")
    return kid, False


def promote_key(path: Path, kid: str) -> None:
    """Make a key of the file its primary one."""
    with _changing(path):
        comments, entries = _entries(path)
        _replace(path, "\n".join([*comments, f"{kid}:{entries.pop(_known(path, kid, entries))}", *_lines(entries), ""]))


def remove_key(path: Path, kid: str) -> None:
    """Take a key out of the file; raises KeyFormatError for the primary one. What it has sealed cannot be read any more."""
    with _changing(path):
        comments, entries = _entries(path)
        if _known(path, kid, entries) == next(iter(entries)):
            raise KeyFormatError(f"{kid} is the primary key of {path}; make another one that first: pipeline keys promote")
        del entries[kid]
        _replace(path, "\n".join([*comments, *_lines(entries), ""]))


def _entries(path: Path) -> tuple[list[str], dict[str, str]]:
    """The comments of a key file, and its keys as they are written."""
    text = _read(path)
    parse_keys(text, str(path))
    comments = [line for line in text.splitlines() if line.lstrip().startswith("#")]
    rest = [line for line in text.splitlines() if line not in comments]
    pairs = (entry.partition(":") for line in rest for entry in line.split(",") if entry.strip())
    return comments, {kid.strip(): key.strip() for kid, _, key in pairs}


def _lines(entries: Mapping[str, str]) -> list[str]:
    return [f"{kid}:{key}" for kid, key in entries.items()]


def _known(path: Path, kid: str, entries: Mapping[str, str]) -> str:
    if kid not in entries:
        raise KeyFormatError(f"{path} has no key of that name; it has: {', '.join(entries)}")
    return kid


def _new_key() -> tuple[str, str]:
    """The name of a new key, unlike that of any other, and its line in a key file."""
    kid = f"k{datetime.now(timezone.utc):%Y%m%d}-{secrets.token_hex(2)}"
    return kid, format_key(kid, secrets.token_bytes(aead.KEY_BYTES))


def _read(path: Path) -> str:
    try:
        # Not blocking: a pipe in the file's place would be waited for without end.
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise KeyFormatError(
            f"the key file {path} cannot be read: {error.strerror}; put it back, or make one: pipeline keys generate"
        ) from None
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise KeyFormatError(f"the key file {path} is not a plain file")
        if found.st_mode & 0o077:
            raise KeyFormatError(
                f"the key file {path} can be read or changed by other users (mode {found.st_mode & 0o777:o}); "
                f"correct that with: chmod 600 {path}"
            )
        if os.geteuid() not in (0, found.st_uid):
            raise KeyFormatError(f"the key file {path} belongs to another user, who could change it; make it your own")
        content = os.read(handle, _MAX_BYTES + 1)
    finally:
        os.close(handle)
    if len(content) > _MAX_BYTES:
        raise KeyFormatError(f"the key file {path} is larger than {_MAX_BYTES} bytes; it is not a key file")
    return content.decode("utf-8", "surrogateescape")


def _create(path: Path, line: str) -> bool:
    """A new key file, complete or not at all; False if another process made it meanwhile."""
    temporary = _written(path, f"{_HEADER}\n{line}\n")
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    except OSError as error:
        raise _cannot_write(path, error) from None
    finally:
        temporary.unlink()
    _sync(path.parent)
    return True


@contextmanager
def _changing(path: Path) -> Iterator[None]:
    """One process at a time changes the files of a folder."""
    handle = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _replace(path: Path, text: str) -> None:
    temporary = _written(path, text)
    temporary.replace(path)
    _sync(path.parent)


def _written(path: Path, text: str) -> Path:
    """A file beside `path` that only its owner can read, on disk."""
    name = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape") as file:
            owner = (path if path.exists() else path.parent).stat()
            if os.geteuid() == 0:  # root works for whoever owns the data directory
                os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        if name:
            Path(name).unlink(missing_ok=True)
        raise _cannot_write(path, error) from None
    return Path(name)


def _cannot_write(path: Path, error: OSError) -> PipelineError:
    return PipelineError(f"the key file {path} cannot be written: {error.strerror}; change that, or set CREDENTIAL_KEYS_FILE")


def _sync(folder: Path) -> None:
    with suppress(OSError):  # some file systems cannot
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
