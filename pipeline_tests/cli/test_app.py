"""How commands end: exit codes, sentences instead of tracebacks, help pages, and a fast start."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator

import psycopg
import pytest
import sqlalchemy.exc
import typer
from dagster_postgres.utils import DagsterPostgresException
from typer.main import get_command

from pipeline.cli import app as module
from pipeline.model.errors import BadInputError, PipelineError, UsageError
from pipeline.settings import Settings
from pipeline_tests.cli.conftest import Cli

PROGRAM = [sys.executable, "-c", "from pipeline.cli import main; main()"]


def commands() -> Iterator[tuple[list[str], typer.core.TyperCommand]]:
    """Every command of the program with its words."""

    def walk(words: list[str], command: typer.core.TyperCommand) -> Iterator[tuple[list[str], typer.core.TyperCommand]]:
        inner = getattr(command, "commands", None)
        if inner is None:
            yield words, command
        for name, child in (inner or {}).items():
            yield from walk([*words, name], child)

    yield from walk([], get_command(module.app))  # type: ignore[arg-type]


def test_every_command_has_a_sentence_an_example_that_parses_and_json() -> None:
    found = {" ".join(words): command for words, command in commands()}
    mine = {"store": "add list show set remove", "connection": "list show set pause resume remove", "jobs": "list status cancel"}
    assert {
        "demo",
        "import",
        "connect",
        "export",
        "status",
        "up",
        *(f"{noun} {verb}" for noun, verbs in mine.items() for verb in verbs.split()),
    } <= set(found)
    for name, command in found.items():
        assert command.help, name
        assert (command.epilog or "").startswith(f"Example: pipeline {name}"), name
        assert any("--json" in option.opts for option in command.params), name


def test_help_lists_the_nouns(cli: Cli) -> None:
    top = cli("--help")
    assert top.code == 0
    for noun in ("demo", "store", "import", "connect", "connection", "export", "jobs", "status", "up"):
        assert re.search(rf"\b{noun}\b", top.out)
    assert cli("store", "add", "--help").out.count("pipeline store add my-shop") == 1
    for arguments in ((), ("store",)):
        bare = cli(*arguments)
        assert (bare.code, bare.err) == (2, "") and "Usage" in bare.out


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom pipeline.cli import main\nsys.argv = ['pipeline', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'dagster', 'pandas', 'pyarrow', 'pandera', 'psycopg', 'pydantic', 'lxml', 'openai'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (PipelineError("the disk\n is \x1b[2Jfull"), 1),
        (BadInputError("the file is empty"), 1),
        (UsageError("no such thing"), 2),
    ],
)
def test_an_expected_error_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: PipelineError, code: int
) -> None:
    fail(monkeypatch, error)
    assert module.run(["store", "list", "--json"]) == code
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"error": str(error)}
    assert captured.err.startswith("error: ") and captured.err.count("\n") == 1 and captured.err.strip().isprintable()
    assert module.run(["store", "list"]) == code
    assert capsys.readouterr().out == ""


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    fail(monkeypatch, ZeroDivisionError("a bug"))
    with pytest.raises(ZeroDivisionError):
        module.run(["store", "list", "--json"])


def test_an_interrupt_is_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    fail(monkeypatch, KeyboardInterrupt())
    assert module.run(["store", "list"]) == 130
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "error",
    [
        psycopg.OperationalError("the connection\nis lost"),
        sqlalchemy.exc.OperationalError("SELECT 1", {}, psycopg.OperationalError("the connection\nis lost")),
        DagsterPostgresException("the connection\nis lost"),
    ],
)
def test_a_lost_database_is_one_sentence(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fail(monkeypatch, error)
    assert module.run(["store", "list"]) == 1
    assert capsys.readouterr().err == "error: the database did not answer: the connection is lost; try again when it is up\n"


def fail(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def raising() -> None:
        raise error

    monkeypatch.setattr("pipeline.cli.stores.session", raising)


def test_an_unreachable_database_is_one_sentence_in_a_real_process(settings: Settings) -> None:
    environment = {**os.environ, "DATABASE_URL": "postgresql://user:CANARY@127.0.0.1:1/none"}
    done = subprocess.run([*PROGRAM, "store", "list", "--json"], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert "DATABASE_URL" in json.loads(done.stdout)["error"]
    assert "CANARY" not in done.stdout + done.stderr


def test_a_reader_that_leaves_is_no_error(settings: Settings) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        done = subprocess.run([*PROGRAM, "store", "list", "--json"], stdout=pipe, stderr=subprocess.PIPE, text=True, check=False)
    assert done.stderr == ""
    assert done.returncode == 1


def test_ctrl_c_in_a_real_process_leaves_no_traceback(settings: Settings) -> None:
    """The program interrupts itself where it would work, so that nothing depends on timing."""
    code = (
        "import os, signal, pipeline.cli.stores as stores\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a background shell would have it ignored
        "stores.session = lambda: os.kill(os.getpid(), signal.SIGINT)\n"
        "from pipeline.cli import main\nmain()"
    )
    done = subprocess.run([sys.executable, "-c", code, "store", "list"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (128 + signal.SIGINT, "", "")
