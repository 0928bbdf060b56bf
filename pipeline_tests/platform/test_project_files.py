"""The files beside the code: the lock, the workspace, the entry points of make."""

from __future__ import annotations

import re
import subprocess

import pytest
import yaml

from pipeline.settings import PROJECT_ROOT

LOCK = (PROJECT_ROOT / "requirements.lock").read_text()


def test_the_lock_names_no_address() -> None:
    assert "://" not in LOCK


def test_every_locked_package_has_a_hash() -> None:
    packages = re.split(r"\n(?=\S)", LOCK.strip())
    assert len(packages) > 50
    assert [package.splitlines()[0] for package in packages if "--hash=sha256:" not in package] == []


def test_every_dependency_is_locked() -> None:
    # The extra is optional.
    text = re.sub(r"^rerank = \[.*?^\]", "", (PROJECT_ROOT / "pyproject.toml").read_text(), flags=re.MULTILINE | re.DOTALL)
    declared = {match.lower() for match in re.findall(r'^    "([A-Za-z0-9_-]+)(?:\[\w+\])?>=[^"]*",$', text, re.MULTILINE)}
    locked = {match.lower() for match in re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==", LOCK, re.MULTILINE)}
    assert {"dagster", "psutil", "pytest", "types-pyyaml"} <= declared
    assert declared - locked == set()


def test_the_workspace_is_the_one_code_location() -> None:
    (entry,) = yaml.safe_load((PROJECT_ROOT / "workspace.yaml").read_text())["load_from"]
    assert entry["python_module"]["module_name"] == "pipeline.definitions"


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("demo", "pipeline demo"),
        ("up", "pipeline up"),
        ("bench", "-m pipeline_tests.benchmarks"),
        ("test", "-m pytest -n 3"),
        ("lint", "lint-imports"),
        ("lock", "--generate-hashes"),
    ],
)
def test_make_targets(target: str, words: str) -> None:
    done = subprocess.run(["make", "-n", target], cwd=PROJECT_ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert words in done.stdout


def test_a_python_too_old_is_said() -> None:
    done = subprocess.run(
        ["make", "-B", "PYTHON=false", ".venv/.stamp"],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin"},
    )
    assert done.returncode != 0
    assert "Python 3.10 or newer is needed" in done.stderr


def test_ci_runs_the_tests() -> None:
    script = PROJECT_ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111 == 0o111
    assert "make test" in script.read_text()
