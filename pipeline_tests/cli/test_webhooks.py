"""`pipeline webhooks` as a process: it listens, answers, and ends with Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx

from pipeline.settings import Settings
from pipeline_tests.cli.conftest import Cli

PROGRAM = [sys.executable, "-c", "from pipeline.cli import main; main()"]


def test_it_listens_until_it_is_interrupted(settings: Settings, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with subprocess.Popen(
        [*PROGRAM, "webhooks", "--port", str(port), "--json"], env={**os.environ, **settings.environment()}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None and process.stderr is not None
        said = "".join(process.stdout.readline() for _ in range(3))
        url = json.loads(said)["url"]
        assert url == f"http://127.0.0.1:{port}/webhooks/shopify"
        with httpx.Client(transport=httpx.HTTPTransport(retries=8), timeout=60) as client:
            assert client.get(f"http://127.0.0.1:{port}/healthz").json() == {"status": "ok"}
            assert client.post(url, content=b"{}").status_code == 404
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=60)
    assert (process.returncode, rest, errors) == (0, "", "")


def test_a_taken_port_is_a_sentence(cli: Cli) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        result = cli("webhooks", "--port", str(port))
    assert result.code == 2
    assert f"choose another one: pipeline webhooks --port {port % 65535 + 1}" in result.err
