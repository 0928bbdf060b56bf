"""The command line in this process, on the test's own database and data directory."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.app import run
from pipeline.settings import Settings


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Cli = Callable[..., Result]


@pytest.fixture
def cli(settings: Settings, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run one command: `cli("store", "list")`."""

    def call(*arguments: str) -> Result:
        capsys.readouterr()
        code = run(list(arguments))
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return call


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    path = tmp_path / "catalog.csv"
    path.write_text("Handle,Title\nmug,Mug\n")
    return path


@pytest.fixture
def demo(cli: Cli, catalog: Path) -> str:
    """A store named demo."""
    assert cli("store", "add", "demo", "--file", str(catalog)).code == 0
    return "demo"
