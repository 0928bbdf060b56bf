"""`pipeline up`: the UI and the daemon."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.options import Json
from pipeline.cli.output import say, show_json
from pipeline.model.errors import PipelineError, UsageError

HOST = "127.0.0.1"


def register(parent: typer.Typer) -> None:
    parent.command(epilog="Example: pipeline up --port 3001")(up)


def up(
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port of the UI on this machine.")] = 3000,
    as_json: Json = False,
) -> None:
    """Start the UI and the daemon on this machine, until Ctrl-C."""
    refuse_taken_port(port)
    executable = Path(sys.executable).parent / "dagster"
    if not executable.exists():
        raise PipelineError(f"{executable} is missing; install the project again: pip install -e .")
    workspace, home = _prepare()
    hold(home)
    os.environ["DAGSTER_HOME"] = str(home)
    url = f"http://{HOST}:{port}"
    if as_json:
        show_json({"url": url})
    else:
        say(f"starting the UI and the daemon at {url}; Ctrl-C stops both")
    sys.stdout.flush()
    arguments = [str(executable), "dev", "-h", HOST, "-p", str(port), "-w", str(workspace)]
    os.chdir(home)  # elsewhere Dagster may find another dagster.yaml and warn about it
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, signal.SIG_DFL)  # a background shell starts us with them ignored, and exec would keep that
    os.execv(executable, arguments)  # noqa: S606 (our own program, no shell)


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


def hold(home: Path) -> None:
    """Raise UsageError when this data directory has its daemon already: two would start every run twice.

    The lock survives the exec and ends with the process; the children of `dagster dev` do not inherit it."""
    handle = os.open(home / "up.lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise UsageError(f"the UI and the daemon run already for {home.parent}; stop them there first (Ctrl-C)") from None
    os.set_inheritable(handle, True)


def _prepare() -> tuple[Path, Path]:
    """The workspace file and DAGSTER_HOME, after migrating, with every store and site known to Dagster."""
    from pipeline.cli.session import session
    from pipeline.operations.partitions import register
    from pipeline.platform.instance import dagster_home
    from pipeline.stores.connections import connected_sites
    from pipeline.stores.stores import list_stores

    with session() as current:
        with current.connect() as connection:
            keys, sites = [store.key for store in list_stores(connection)], connected_sites(connection)
        register(current.instance, store_keys=keys, sites=sites)
        home = dagster_home(current.settings)
        os.environ.update(current.settings.environment())
        return current.settings.project_root / "workspace.yaml", home
