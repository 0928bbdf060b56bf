"""Prism, an OpenAPI proxy, between a client and a fake: it reports what does not fit the service's own models, of both."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

_PROJECT = Path(__file__).parents[2]
_START_SECONDS = 60
_HOP = {"connection", "transfer-encoding", "content-length", "content-encoding", "keep-alive", "host"}


@dataclass
class Proxy:
    """What passed: (method, path, status), and what Prism said of it."""

    url: str = ""
    passed: list[tuple[str, str, int]] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)


def executable() -> Path:
    """Skips the test where there is none."""
    if shutil.which("node") is None:
        pytest.skip("Node is not installed, and Prism needs it")
    own = _PROJECT / ".contract" / "node_modules" / ".bin" / "prism"
    found = own if own.exists() else shutil.which("prism")
    if found is None:
        pytest.skip("Prism is not installed; `make contract` does it where npm can")
    return Path(found)


@contextmanager
def proxied(upstream: str, models: Mapping[str, Path]) -> Iterator[Proxy]:
    """An address in front of `upstream`; requests below a prefix of `models` go through a Prism with that Swagger file."""
    program, proxy = executable(), Proxy()
    with ExitStack() as stack:
        routes = {prefix: stack.enter_context(_prism(program, model, upstream)) for prefix, model in models.items()}
        client = stack.enter_context(httpx.Client(timeout=60))
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(proxy, routes, upstream, client))
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        stack.callback(server.server_close)
        stack.callback(server.shutdown)
        proxy.url = f"http://127.0.0.1:{server.server_address[1]}"
        yield proxy


@contextmanager
def _prism(program: Path, model: Path, upstream: str) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(program), "proxy", str(model), upstream, "-h", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _listens(process, port)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def _listens(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)  # it says nothing that could be waited for
    raise AssertionError("Prism did not start")


def _handler(proxy: Proxy, routes: Mapping[str, str], upstream: str, client: httpx.Client) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None: ...

        def _pass(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            target = next((url for prefix, url in routes.items() if self.path.startswith(prefix)), upstream)
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
            answer = client.request(self.command, f"{target}{self.path}", headers=headers, content=body)
            proxy.passed.append((self.command, self.path.partition("?")[0], answer.status_code))
            if "sl-violations" in answer.headers:
                proxy.violations.append(f"{self.command} {self.path}: {answer.headers['sl-violations']}")
            self.send_response_only(answer.status_code)
            for name, value in answer.headers.items():
                if name.lower() not in _HOP:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _pass

    return Handler
