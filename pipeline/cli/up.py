"""`pipeline up`: the UI and the daemon."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.options import Json
from pipeline.cli.output import say, show_json
from pipeline.model.errors import PipelineError, UsageError

HOST = "127.0.0.1"
#: What Dagster says of itself at each start.
_NO_NEWS = "ignore:Function `dev_command` is superseded,ignore:Parameter `owners` of initializer `SensorDefinition`"


def register(parent: typer.Typer) -> None:
    parent.command(epilog="Example: pipeline up --port 3001")(up)


def up(
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port of the UI on this machine.")] = 3000,
    as_json: Json = False,
) -> None:
    """Start the UI and the daemon on this machine, until Ctrl-C."""
    from pipeline.platform.instance import dagster_home
    from pipeline.platform.keeper import MARK, end_left
    from pipeline.settings import Settings

    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell starts us with it ignored
    executable = Path(sys.executable).parent / "dagster"
    if not executable.exists():
        raise PipelineError(f"{executable} is missing; install the project again: pip install -e .")
    settings, url = Settings.load(), f"http://{HOST}:{port}"
    home = dagster_home(settings)
    lock = hold(home, url)
    if left := end_left(settings.data_dir):
        say(f"ended {left} process(es) that an earlier `pipeline up` had left behind when it was killed")
    refuse_taken_port(port)
    _prepare()
    os.environ["DAGSTER_HOME"] = str(home)
    os.environ.setdefault("PYTHONWARNINGS", _NO_NEWS)
    os.environ[MARK] = str(settings.data_dir)
    if as_json:
        show_json({"url": url})
    else:
        say(f"starting the UI and the daemon at {url}; Ctrl-C stops both")
    sys.stdout.flush()
    workspace = settings.project_root / "workspace.yaml"
    command = [str(executable), "dev", "-h", HOST, "-p", str(port), "-w", str(workspace)]
    os.chdir(home)  # elsewhere Dagster may find another dagster.yaml and warn about it
    keeper = [sys.executable, "-m", "pipeline.platform.keeper", str(lock), str(settings.data_dir)]
    os.execv(sys.executable, [*keeper, *command])  # noqa: S606 (our own program, no shell)


def refuse_taken_port(port: int, host: str = HOST, command: str = "pipeline up") -> None:
    """Raise UsageError when nobody could listen there: a server would fail late, and with a traceback."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            reason = "is in use by another program" if taken else f"cannot be used ({error.strerror})"
            raise UsageError(f"port {port} {reason}; choose another one: {command} --port {port % 65535 + 1}") from None


def hold(home: Path, url: str) -> int:
    """The lock of this data directory's daemon, as a file descriptor that survives an exec; two would start every run twice.

    What a killed `pipeline up` left is waited for while it ends. Raises UsageError when a living one has the lock."""
    from pipeline.platform.keeper import ENDING, LEFT_SECONDS, ORDERLY_SECONDS

    handle = os.open(home / "up.lock", os.O_CREAT | os.O_RDWR, 0o600)
    began = time.monotonic()
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            said = os.pread(handle, 200, 0)
        # Its guard needs a moment to see that it was killed.
        patience = ORDERLY_SECONDS + 2 * LEFT_SECONDS if said.startswith(ENDING) else 1.0
        if time.monotonic() - began > patience:
            os.close(handle)
            where = said.decode(errors="replace") if said.startswith(b"http") else "in another process"
            raise UsageError(f"the UI and the daemon run already for {home.parent} ({where}); stop them there first (Ctrl-C)")
        time.sleep(0.1)
    os.ftruncate(handle, 0)
    os.pwrite(handle, url.encode(), 0)
    os.set_inheritable(handle, True)
    return handle


def _prepare() -> None:
    """Migrate, and make every store and site known to Dagster; child processes get the settings from the environment."""
    from pipeline.cli.session import session
    from pipeline.operations.partitions import register
    from pipeline.stores.connections import connected_sites
    from pipeline.stores.stores import list_stores

    with session() as current:
        with current.connect() as connection:
            keys, sites = [store.key for store in list_stores(connection)], connected_sites(connection)
        register(current.instance, store_keys=keys, sites=sites)
        os.environ.update(current.settings.environment())
