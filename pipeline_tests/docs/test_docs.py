"""The documentation is true where a machine can tell: links lead somewhere, commands and assets exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "pipeline/samples/README.md", *(ROOT / "docs").rglob("*.md")])
OPERATORS_PAGES = [ROOT / "README.md", ROOT / "docs/operations.md", ROOT / "docs/texts.md"]


def _code(page: Path) -> list[str]:
    """Lines of code blocks and code spans."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))
    return [line for block in blocks for line in block.splitlines()] + spans


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    local = [target.partition("#")[0] for target in targets if not re.match(r"https?://", target)]
    assert [target for target in local if not (page.parent / target).exists()] == []


def test_every_decision_is_listed() -> None:
    folder = ROOT / "docs/decisions"
    index = (folder / "README.md").read_text(encoding="utf-8")
    decisions = sorted(path.name for path in folder.glob("[0-9]*.md"))
    assert decisions
    assert [name for name in decisions if f"({name})" not in index] == []


def _commands() -> dict[tuple[str, ...], Any]:
    from pipeline.cli.app import app

    found: dict[tuple[str, ...], Any] = {}
    todo: list[tuple[tuple[str, ...], Any]] = [((), typer.main.get_command(app))]
    while todo:
        path, command = todo.pop()
        found[path] = command
        todo += [((*path, name), child) for name, child in getattr(command, "commands", {}).items()]
    return found


@pytest.mark.parametrize("page", OPERATORS_PAGES, ids=lambda page: page.name)
def test_commands_exist_with_their_options(page: Path) -> None:
    commands = _commands()
    checked = 0
    for line in _code(page):
        for words in re.findall(r"(?:^|[\s/])pipeline ([a-z].*)", line.partition("#")[0]):
            tokens = words.replace("[", " ").replace("]", " ").split()
            groups = [path for path in commands if path and path == tuple(tokens[: len(path)])]
            alternatives = tokens[1].replace("\\|", "|").split("|") if len(tokens) > 1 else []
            if (tokens[0],) in commands and len(alternatives) > 1:
                groups = [(tokens[0], name) for name in alternatives]
            assert groups, f"{page.name}: pipeline {words}"
            known = set()
            for path in groups:
                assert path in commands, f"{page.name}: pipeline {' '.join(path)}"
                known |= {
                    option for parameter in commands[path].params for option in (*parameter.opts, *parameter.secondary_opts)
                }
            options = {token for token in tokens if token.startswith("--")}
            assert options <= known, f"{page.name}: pipeline {words}"
            checked += 1
    assert checked > 5


def test_architecture_names_every_asset() -> None:
    from pipeline.definitions import defs

    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", text, re.MULTILINE)
    documented = {(group, name) for group, names in rows for name in re.findall(r"`(\w+)`", names)}
    keys = {spec.key: spec.group_name for spec in defs.resolve_asset_graph().asset_nodes if spec.is_materializable}
    assert documented == {(group, key.path[-1]) for key, group in keys.items()}


def test_readme_names_every_variable_of_the_settings() -> None:
    variables = set(re.findall(r'values\.get\("(\w+)"', (ROOT / "pipeline/settings.py").read_text(encoding="utf-8")))
    assert variables
    assert variables <= set(re.findall(r"^\| `(\w+)` \|", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE))
