"""Which commands there are, and how every command ends: its exit code, and errors in one sentence without a traceback."""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import typer

from pipeline.cli import (
    account,
    audit,
    categories,
    changes,
    connections,
    credits,
    demo,
    explain,
    exports,
    feeds,
    imports,
    jobs,
    keys,
    labels,
    language,
    matches,
    memory,
    problems,
    product_types,
    repairs,
    stats,
    status,
    stores,
    submissions,
    suggestions,
    up,
    webhooks,
)  # fmt: skip
from pipeline.cli.output import show_error
from pipeline.model.errors import PipelineError

app = typer.Typer(
    name="pipeline",
    help="Turn Shopify catalogs into quality-scored listings and marketplace feeds.",
    epilog="First steps: pipeline demo, then pipeline up. Help on one command: pipeline store add --help",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
#: In the order of the help page.
for module in (
    demo,
    up,
    webhooks,
    stores,
    connections,
    product_types,
    matches,
    account,
    imports,
    exports,
    categories,
    suggestions,
    feeds,
    changes,
    submissions,
    repairs,
    explain,
    problems,
    labels,
    language,
    memory,
    credits,
    status,
    stats,
    audit,
    jobs,
    keys,
):
    module.register(app)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and leave the process with its exit code: 0 ok, 1 failed, 2 wrong use or configuration, 130 interrupted."""
    # Dagster warns of a parameter that it sets itself when sensors name asset jobs.
    warnings.filterwarnings("ignore", message="Parameter `owners` of initializer `SensorDefinition")
    sys.exit(run(list(sys.argv[1:] if arguments is None else arguments)))


def run(arguments: list[str]) -> int:
    """The exit code of one command; what is not an expected failure is a bug and keeps its traceback."""
    try:
        result = _command()(arguments, prog_name="pipeline", standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader went away (`| head`). The interpreter flushes once more at exit, so let that go nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        ending = _expected(error)
        if ending is None:
            raise
        sentence, code = ending
        if sentence:
            show_error(sentence, as_json="--json" in arguments)
        return code


@cache
def _command() -> Callable[..., Any]:
    """All commands, which take a while to make: once a process."""
    return typer.main.get_command(app)


def _expected(error: Exception) -> tuple[str, int] | None:
    """The sentence and exit code of an expected failure, else None."""
    if isinstance(error, PipelineError):
        return str(error), error.exit_code
    if isinstance(error, typer.Abort):
        return "stopped, nothing was changed", 1
    # Typer's own errors of wrong use, told by their method: where their class lives differs between its versions.
    message = getattr(error, "format_message", None)
    if message is not None:
        text = re.sub(r"\s+", " ", str(message())).strip()
        context = getattr(error, "ctx", None)
        command = context.command_path if context is not None else "pipeline"
        return (f"{text.rstrip('.')}; see: {command} --help" if text else ""), 2
    if isinstance(error, _database_errors()):
        said = str(getattr(error, "orig", None) or error)  # without the statement
        return f"the database did not answer: {' '.join(said.split())[:300]}; try again when it is up", 1
    return None


def _database_errors() -> tuple[type[Exception], ...]:
    """Of what is imported: ours, and Dagster's, which has tried again by then."""
    names = {
        "psycopg": "OperationalError",
        "sqlalchemy.exc": "OperationalError",
        "dagster_postgres.utils": "DagsterPostgresException",
    }
    return tuple(getattr(sys.modules[module], name) for module, name in names.items() if module in sys.modules)
