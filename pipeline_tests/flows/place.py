"""A data directory with its database, and the command line on it: what every flow is driven by."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from importlib import import_module
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.cli.app import run
from pipeline.platform.database import Database
from pipeline.platform.tables import Table
from pipeline.settings import SERVICES, Settings
from pipeline_tests.conftest import new_database

if TYPE_CHECKING:
    import dagster as dg

SITES = ("amazon-us", "ebay-us")


@dataclass(frozen=True)
class Result:
    """How one command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> str:
        """The one sentence of a command that failed; fails the test when there is more, or a traceback."""
        assert self.code in (1, 2), (self.code, self.out, self.err)
        assert "Traceback" not in self.out + self.err
        found = [line for line in self.err.splitlines() if line.startswith("error: ")]
        found += self.json.get("errors", []) if self.out.startswith("{") and not found else []
        assert len(found) == 1, (self.out, self.err)
        return str(found[0]).removeprefix("error: ")


@dataclass(frozen=True)
class Place:
    """One data directory on a database of its own."""

    settings: Settings
    database: Database

    def cli(self, *arguments: str, code: int | None = None) -> Result:
        """One command in this process; fails the test when it ends otherwise than with `code`."""
        with self.environment():
            done = call(arguments)
        assert code is None or done.code == code, (done.code, done.out, done.err)
        return done

    def summary(self, *arguments: str) -> Any:
        """The JSON of a command that must succeed."""
        return self.cli(*arguments, "--json", code=0).json

    @contextmanager
    def environment(self) -> Iterator[None]:
        """The process's environment says this place; Dagster's storage is made from that."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.settings.environment().items():
                patch.setenv(name, value)
            yield

    @contextmanager
    def instance(self) -> Iterator[dg.DagsterInstance]:
        from pipeline.platform.instance import open_instance

        with self.environment(), open_instance(self.settings) as found:
            yield found

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.database.connect() as connection:
            return connection.execute(query.encode()).fetchall()

    def table(self, asset: str, store: str, site: str | None = None) -> Table:
        """A stored table of one partition."""
        return Table(self.settings.data_dir.joinpath("tables", asset, *([site] if site else []), f"{store}.parquet"))

    def path(self, feed: Mapping[str, Any]) -> Path:
        """Where a feed file of a summary lies."""
        return self.settings.data_dir / feed["path"]

    def hashes(self, folder: str) -> dict[str, str]:
        """SHA-256 of every file below a folder of the data directory."""
        root = self.settings.data_dir / folder
        files = sorted(path for path in root.rglob("*") if path.is_file())
        return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    def clone(self, folder: Path) -> Place:
        """A copy of database and data directory."""
        data = folder / "data"
        # Dagster's pools may still hold sessions, and a template must have none.
        others = "datname = current_database() AND pid <> pg_backend_pid()"
        self.rows(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")
        shutil.copytree(self.settings.data_dir, data, ignore=shutil.ignore_patterns("scratch", "logs"))
        made, ours = make_place(self.database, self.database.name, data), self.settings
        keys = replace(made.settings, credential_keys_file=ours.credential_keys_file, credential_keys=ours.credential_keys)
        return replace(made, settings=keys)

    def with_keys(self, file: Path | None) -> Place:
        """The same place with this file of master keys, which credentials need here."""
        return replace(self, settings=replace(self.settings, credential_keys_file=file))


#: Where places are, and their databases.
_made: dict[Path, Database] = {}


def make_place(server: Database, template: str, data: Path) -> Place:
    """A place on a database cloned from `template`."""
    database = _made[data] = new_database(server, template)
    data.mkdir(parents=True, exist_ok=True)
    return Place(Settings(data, str(data), database.url), database)


def drop_places(server: Database, folder: Path) -> None:
    """Drop the databases of the places below a test's folder. Old files cost ten times as much to remove as new ones."""
    over = [data for data in _made if data.is_relative_to(folder)]
    if over:
        with server.autocommit() as connection:
            for data in over:
                connection.execute(f"DROP DATABASE {_made.pop(data).name} WITH (FORCE)".encode())


def call(arguments: Sequence[str]) -> Result:
    """One command in this process and its environment."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run(list(arguments))
    return Result(code, out.getvalue(), err.getvalue())


#: Processes of their own, started from one that has loaded everything, so that each costs milliseconds.
CHILDREN = get_context("forkserver")
CHILDREN.set_forkserver_preload(["pipeline_tests.flows.preloaded"])

#: Called in a child with what it is given, the function that it replaces, and then that one's arguments.
Hook = Callable[..., Any]


def event() -> Any:
    """An event that children share."""
    return CHILDREN.Event()


def start(
    place: Place,
    *arguments: str,
    hooks: Mapping[str, tuple[Any, ...]] | None = None,
    values: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Child:
    """One command in a process of its own. `hooks`: "module:name" -> (hook, what it is given before the original ...);
    `values`: "module:name" -> another value of a constant; `environment`: variables beside those of the place."""
    ours, theirs = CHILDREN.Pipe(duplex=False)
    # The process that children are forked from has the environment of whoever started it.
    urls = {f"{service}_API_URL": os.environ.get(f"{service}_API_URL", "") for service in SERVICES}
    variables = {**place.settings.environment(), **urls, **(environment or {})}
    given = (theirs, variables, arguments, dict(hooks or {}), dict(values or {}))
    process = CHILDREN.Process(target=_child, args=given)
    process.start()
    theirs.close()
    return Child(process, ours)


@dataclass(frozen=True)
class Child:
    """A command in a process of its own."""

    process: BaseProcess
    pipe: Any

    def result(self) -> Result:
        """How it ended, after it did; fails the test when it died."""
        try:
            found: Result = self.pipe.recv()
        except EOFError:
            self.process.join()
            raise AssertionError(f"the process died with exit code {self.process.exitcode}") from None
        self.process.join()
        return found

    def killed(self) -> bool:
        """Whether it was killed by SIGKILL, after it ended."""
        self.process.join()
        return self.process.exitcode == -signal.SIGKILL


def _child(
    pipe: Any,
    environment: Mapping[str, str],
    arguments: Sequence[str],
    hooks: Mapping[str, tuple[Any, ...]],
    values: Mapping[str, Any],
) -> None:
    os.environ.update(environment)
    for target, value in values.items():
        owner, name = _owner(target)
        assert hasattr(owner, name), target
        setattr(owner, name, value)
    for target, (hook, *given) in hooks.items():
        owner, name = _owner(target)
        setattr(owner, name, _hooked(hook, tuple(given), getattr(owner, name)))
    pipe.send(call(arguments))


def _owner(target: str) -> tuple[Any, str]:
    """The module or class, and the name in it, of "module:name" or "module:Class.name"."""
    module, _, path = target.partition(":")
    *classes, name = path.split(".")
    owner: Any = import_module(module)
    for part in classes:
        owner = getattr(owner, part)
    return owner, name


def _hooked(hook: Hook, given: tuple[Any, ...], original: Callable[..., Any]) -> Callable[..., Any]:
    def replacement(*args: Any, **kwargs: Any) -> Any:
        return hook(*given, original, *args, **kwargs)

    return replacement
