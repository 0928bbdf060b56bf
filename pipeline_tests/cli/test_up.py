"""`pipeline up`: what it starts, where, and what it refuses. It never starts anything here: the exec is caught."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.up import HOST, hold, refuse_taken_port
from pipeline.model.errors import UsageError
from pipeline.platform.instance import dagster_home, open_instance
from pipeline.platform.keeper import MARK
from pipeline.settings import Settings
from pipeline_tests.cli.conftest import Cli


@pytest.fixture
def listener() -> Iterator[int]:
    """A port of this machine in use."""
    with socket.socket() as server:
        server.bind((HOST, 0))
        server.listen()
        yield server.getsockname()[1]


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    calls: list[list[str]] = []
    monkeypatch.setattr("os.execv", lambda path, arguments: calls.append(arguments))
    monkeypatch.setattr("os.chdir", lambda path: None)
    for name in ("DAGSTER_HOME", "PYTHONWARNINGS", MARK):
        monkeypatch.setenv(name, "")
    return calls


def test_it_starts_our_own_dagster_on_loopback(
    cli: Cli, demo: str, settings: Settings, executed: list[list[str]], free_port: int
) -> None:
    cli("connect", demo, "amazon-us")
    with open_instance(settings) as instance:  # as if the database came from a backup
        instance.delete_dynamic_partition("stores", demo)
        instance.delete_dynamic_partition("marketplaces", "amazon-us")
    started = cli("up", "--port", str(free_port), "--json")
    assert (started.code, started.json) == (0, {"url": f"http://127.0.0.1:{free_port}"})
    ((program, *arguments),) = executed
    keeper, dagster = arguments[:4], arguments[4:]
    assert program == sys.executable and keeper[:2] == ["-m", "pipeline.platform.keeper"] and keeper[3] == str(settings.data_dir)
    assert Path(dagster[0]).is_file() and Path(dagster[0]).name == "dagster"
    assert dagster[1:] == ["dev", "-h", "127.0.0.1", "-p", str(free_port), "-w", str(settings.project_root / "workspace.yaml")]
    assert os.environ["DAGSTER_HOME"] == str(settings.data_dir / "dagster")
    assert os.environ["PIPELINE_DATA_DIR"] == str(settings.data_dir)
    assert (settings.data_dir / "dagster" / "dagster.yaml").is_file()
    with open_instance(settings) as instance:
        assert list(instance.get_dynamic_partitions("stores")) == [demo]
        assert list(instance.get_dynamic_partitions("marketplaces")) == ["amazon-us"]


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def test_a_second_daemon_for_one_data_directory_is_refused(tmp_path: Path) -> None:
    """The lock must outlive an exec, and end with the process."""
    code = (
        "import os, sys, pathlib\nfrom pipeline.cli.up import hold\nhold(pathlib.Path(sys.argv[1]), 'http://127.0.0.1:3000')\n"
        "os.execv('/bin/sh', ['/bin/sh', '-c', 'echo held; read line'])"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdin is not None and holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(UsageError, match=rf"run already for {tmp_path.parent} \(http://127.0.0.1:3000\)"):
            hold(tmp_path, "http://127.0.0.1:3001")
        holder.stdin.close()
        holder.wait(timeout=60)
    os.close(hold(tmp_path, "http://127.0.0.1:3001"))


def test_a_second_up_does_not_advise_another_port(cli: Cli, settings: Settings, listener: int, executed: list[Any]) -> None:
    held = hold(dagster_home(settings), f"http://127.0.0.1:{listener}")
    second = cli("up", "--port", str(listener))
    os.close(held)
    assert (second.code, executed) == (2, [])
    assert "run already for" in second.err and "choose another one" not in second.err


def test_a_taken_port_is_a_sentence(cli: Cli, listener: int, executed: list[Any]) -> None:
    result = cli("up", "--port", str(listener))
    assert (result.code, executed) == (2, [])
    assert f"port {listener} is in use by another program; choose another one" in result.err


def test_a_port_that_was_just_left_is_free() -> None:
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as web servers do
        server.bind((HOST, 0))
        server.listen()
        port = server.getsockname()[1]
        with socket.create_connection((HOST, port)):
            server.accept()[0].close()  # this side closes first, so the port keeps a connection in TIME_WAIT
    refuse_taken_port(port)


def test_a_forbidden_port_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: socket.socket, address: object) -> None:
        raise PermissionError(13, "Permission denied")

    class Refusing(socket.socket):
        bind = refuse

    monkeypatch.setattr("socket.socket", Refusing)
    with pytest.raises(UsageError, match=r"port 80 cannot be used \(Permission denied\)"):
        refuse_taken_port(80)


@pytest.mark.parametrize("port", ["0", "65536", "-1", "x"])
def test_nonsense_ports_are_wrong_use(cli: Cli, executed: list[Any], port: str) -> None:
    result = cli("up", "--port", port)
    assert (result.code, executed) == (2, [])
    assert result.err.startswith("error: ")
