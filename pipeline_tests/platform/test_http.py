"""The HTTP layer against a real server on loopback: retries, caps, downloads, and errors that give nothing away."""

from __future__ import annotations

import gzip
import logging
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.model.errors import BadInputError
from pipeline.platform.http import ApiError, Patience, Service, redact, retry_after

SECRET = "shpat_0123456789abcdef"


class Time:
    """A clock that moves only by sleeping."""

    def __init__(self) -> None:
        self.now, self.slept = 0.0, list[float]()

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def patience(self, **changes: Any) -> Patience:
        return Patience(sleep=self.sleep, clock=lambda: self.now, jitter=lambda: 1.0, **changes)


@contextmanager
def serve(*answers: bytes | Callable[[bytes], bytes]) -> Iterator[tuple[str, list[bytes]]]:
    """A server that gives each connection the next answer, raw, the last one again and again; and what was asked."""
    asked: list[bytes] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            lines = []
            while (line := self.rfile.readline()) not in (b"\r\n", b""):
                lines.append(line)
            length = next((int(line.split(b":")[1]) for line in lines if line.lower().startswith(b"content-length")), 0)
            request = b"".join(lines) + b"\r\n" + self.rfile.read(length)
            answer = answers[min(len(asked), len(answers) - 1)]
            asked.append(request)
            self.wfile.write(answer if isinstance(answer, bytes) else answer(request))

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
        server.shutdown()


def http(status: int, body: bytes = b"{}", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def test_an_answer() -> None:
    with serve(http(200, b'{"a": 1}', "X-Request-Id: r-1")) as (url, asked), Service("akeneo", url) as service:
        answer = service.send("POST", "/api/x", headers={"X-Token": SECRET}, json={"q": 1}, params={"limit": 5})
    assert (answer.status, answer.json(), answer.request_id, answer.ok) == (200, {"a": 1}, "r-1", True)
    assert asked[0].startswith(b"POST /api/x?limit=5 HTTP/1.1") and asked[0].endswith(b'{"q":1}')
    assert b"user-agent: pipeline/" in asked[0].lower()


@pytest.mark.parametrize("status", [408, 429, 430, 500, 502, 503, 504])
def test_temporary_failures_are_tried_again(status: int) -> None:
    time = Time()
    with serve(http(status), http(status), http(200)) as (url, asked), Service("s", url, patience=time.patience()) as service:
        assert service.send("GET", "x").ok
    assert (len(asked), time.slept) == (3, [1.0, 2.0])


def test_retry_after_is_obeyed() -> None:
    time = Time()
    with serve(http(429, b"", "Retry-After: 7"), http(200)) as (url, _), Service("s", url, patience=time.patience()) as service:
        assert service.send("GET", "x").ok
    assert time.slept == [7.0]


@pytest.mark.parametrize("status", [301, 400, 401, 402, 403, 404, 422, 423])
def test_other_statuses_are_answers(status: int) -> None:
    with serve(http(status, b"no", "Location: http://127.0.0.1:1/")) as (url, asked), Service("s", url) as service:
        answer = service.send("GET", "x")
    assert (answer.status, answer.ok, len(asked)) == (status, False, 1)
    assert str(service.refused(answer)) == f"s refused the request (HTTP {status}: no)"


def test_patience_ends() -> None:
    time = Time()
    with (
        serve(http(503, b"down")) as (url, asked),
        Service("s", url, patience=time.patience(deadline_seconds=10)) as service,
        pytest.raises(ApiError, match=r"^s failed \(HTTP 503: down\)$") as caught,
    ):
        service.send("GET", "x")
    assert caught.value.status == 503
    assert (len(asked), time.slept) == (4, [1.0, 2.0, 4.0])


def test_a_wait_beyond_the_deadline_is_not_begun() -> None:
    time = Time()
    with (
        serve(http(429, b"", "Retry-After: 9999")) as (url, _),
        Service("s", url, patience=time.patience()) as service,
        pytest.raises(ApiError, match="asked too often"),
    ):
        service.send("GET", "x")
    assert time.slept == []


def test_a_request_that_must_not_repeat_is_sent_once() -> None:
    with serve(http(503)) as (url, asked), Service("s", url, patience=Time().patience()) as service, pytest.raises(ApiError):
        service.send("POST", "x", repeat=False)
    assert len(asked) == 1


def test_lost_connections_are_tried_again_and_have_no_status() -> None:
    cut = http(200, b"0123456789")[:-4]
    with serve(b"", cut, http(200, b"1")) as (url, asked), Service("s", url, patience=Time().patience()) as service:
        assert service.send("GET", "x").body == b"1"
    assert len(asked) == 3
    with (
        Service("s", url, patience=Time().patience(deadline_seconds=0)) as service,
        pytest.raises(ApiError, match=r"^s cannot be reached: no connection; try again later$") as caught,
    ):  # nobody listens there any more
        service.send("GET", f"x?sig={SECRET}")
    assert caught.value.status is None
    assert caught.value.__cause__ is None and caught.value.__suppress_context__


def test_big_answers_are_refused() -> None:
    with (
        serve(http(200, b"x" * 2000)) as (url, _),
        Service("s", url) as service,
        pytest.raises(ApiError, match="which no answer should have"),
    ):
        service.send("GET", "x", max_bytes=1000)


def test_nothing_that_was_sent_is_in_an_error(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("httpx").setLevel(logging.DEBUG)

    def echo(request: bytes) -> bytes:
        return http(400, b'{"message": "no such user", "sent": "' + request[-200:].replace(b'"', b"'") + b'"}')

    with serve(echo) as (url, _), Service("s", url) as service:
        for given_ in (
            {"headers": {"Authorization": f"Bearer {SECRET}"}},
            {"form": {"client_secret": SECRET, "password": "correct horse"}},
            {"json": {"password": "correct horse", "list": [{"key": SECRET}]}},
        ):
            said = str(service.refused(service.send("POST", f"x?sig={SECRET}", **given_)))  # type: ignore[arg-type]
            assert "no such user" in said
            assert SECRET not in said and "correct horse" not in said
    assert SECRET not in caplog.text


@given(st.text(), st.text(min_size=4))
def test_redacted_text_is_short_and_has_no_hidden_value(text: str, value: str) -> None:
    shown = redact(text + value + text, [value])
    assert len(shown) <= 200
    assert value not in shown or value in "***" or value in "..."


def test_redact_drops_addresses_and_tokens() -> None:
    said = redact(f"see https://x.test/a?sig=1 or {SECRET}, eyJhbGciOiJIUzI1NiJ9.eyJ or a-long-word-without-any-number")
    assert said == "see *** or ***, *** or a-long-word-without-any-number"


def test_retry_after_dates() -> None:
    now = datetime(2026, 11, 1, 12, 0, 0, tzinfo=timezone.utc)
    assert retry_after({"retry-after": "Sun, 01 Nov 2026 12:00:30 GMT"}, lambda: now) == 30.0
    assert retry_after({"retry-after": "Sun, 01 Nov 2026 11:00:30 GMT"}, lambda: now) == 0.0
    assert retry_after({"retry-after": "soon"}) is None
    assert retry_after({}) is None


def test_download_begins_again_when_it_breaks_off() -> None:
    body = bytes(range(256)) * 4000
    time, calls = Time(), 0

    def use(blocks: Iterator[bytes]) -> bytes:
        nonlocal calls
        calls += 1
        return b"".join(blocks)

    cut = http(200, body)[:-1000]
    with serve(http(503), cut, http(200, body)) as (url, asked), Service("s", url, patience=time.patience()) as service:
        assert service.download(f"{url}/file?sig=1", use) == body
    assert (calls, len(asked)) == (2, 3)


def test_download_inflates_within_bounds() -> None:
    body = b"a line\n" * 10_000
    packed, bomb = gzip.compress(body), gzip.compress(b"\0" * (64 << 20))
    encoded = "Content-Encoding: gzip"
    with serve(http(200, packed, encoded), http(200, bomb, encoded), http(200, body)) as (url, _), Service("s", url) as service:
        assert service.download("f", b"".join) == body
        with pytest.raises(BadInputError, match="inflates more than 200 times"):
            service.download("f", b"".join)
        with pytest.raises(ApiError, match="which no catalog has"):
            service.download("f", b"".join, max_bytes=1000)


def test_an_expired_download_says_its_status() -> None:
    with (
        serve(http(403, b"<Error>Request has expired, sig=abc</Error>")) as (url, _),
        Service("s", url) as service,
        pytest.raises(ApiError, match="refused the download") as caught,
    ):
        service.download(f"{url}/f?sig={SECRET}", b"".join)
    assert caught.value.status == 403
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://shop.test",
        "https://10.0.0.1",
        "https://[2001:db8::1]",
        "https://u:p@shop.test",
        "ftp://shop.test",
        "https://",
        "x",
    ],
)
def test_addresses_that_are_refused(url: str) -> None:
    with pytest.raises(ApiError, match="not an https address of a named host"):
        Service("s", url)


def test_a_live_service_is_never_sent_to_loopback() -> None:
    with Service("s", "https://shop.test") as service, pytest.raises(ApiError, match="named host"):
        service.send("GET", "http://127.0.0.1:1/x")
