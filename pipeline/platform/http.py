"""HTTP with outside services: one client a service, with timeouts, retries, caps, and errors that give nothing away.

Only transport is here. What a status or body means to one service belongs to that service's client.
"""

from __future__ import annotations

import ipaddress
import json
import logging
import random
import re
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from functools import cache
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx

from pipeline.model.errors import PipelineError
from pipeline.platform.inflate import inflate

USER_AGENT = "pipeline/0.1"
#: Most bytes of an answer that is read into memory; pages of catalogs are below 10 MB.
MAX_ANSWER = 64 << 20
#: Most bytes of a downloaded document (1M variants of bulk JSONL are 1.6 GB).
MAX_DOCUMENT = 8 << 30
_MAX_SAID = 200
_MAX_ERROR = 1 << 16
_TIMEOUT = httpx.Timeout(60.0, connect=10.0)
#: What looks like a token, key or signature, and URLs (their query may be a signature). Long plain words have no digit.
_TOKEN = re.compile(r"(?=[\w\-+/=.~%]*\d)[\w\-+/=.~%]{20,}")
_URL = re.compile(r"\w+://\S+")
_UNFIT = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_Result = TypeVar("_Result")


class ApiError(PipelineError):
    """A service refused, failed or could not be reached. The text is one sentence without secrets.

    `status` is None when no answer arrived: the request may or may not have taken effect. `code` is the service's own word.
    """

    def __init__(
        self,
        service: str,
        sentence: str,
        *,
        status: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
        temporary: bool = False,
    ) -> None:
        told = f" (request {request_id})" if request_id else ""
        super().__init__(sentence if told in sentence else f"{sentence}{told}")
        self.service = service
        self.status = status
        self.code = code
        self.request_id = request_id
        self.temporary = temporary


@dataclass(frozen=True)
class Answer:
    """A complete answer, whatever its status. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    said: str  # at most 200 redacted characters of the error in the body, for sentences

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def request_id(self) -> str | None:
        found = self.headers.get("x-request-id") or self.headers.get("x-amzn-requestid")
        return re.sub(r"[^\w.:-]", "", found)[:80] or None if found else None

    def json(self) -> Any:
        """The body as JSON; raises ValueError when it is none."""
        import orjson

        return orjson.loads(self.body)


@dataclass(frozen=True)
class Patience:
    """When to try again: exponential waits with jitter, or what Retry-After says, until the deadline has passed.

    Tests inject `sleep` and `clock`; a step that can be canceled injects a `sleep` that raises then.
    """

    first_seconds: float = 1.0
    longest_seconds: float = 30.0
    deadline_seconds: float = 300.0
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    jitter: Callable[[], float] = random.random

    def wait(self, attempt: int) -> float:
        """Seconds before the attempt after number `attempt` (1, 2 ...): between half and all of the doubled wait."""
        longest = min(self.longest_seconds, self.first_seconds * 2 ** min(attempt - 1, 16))
        return float(longest * (0.5 + 0.5 * self.jitter()))


class Service:
    """The client of one service at one base URL; may be used by several threads. Close it, or use it as a context."""

    def __init__(
        self,
        name: str,
        base_url: str,
        *,
        patience: Patience | None = None,
        timeout: httpx.Timeout = _TIMEOUT,
        transport: httpx.BaseTransport | None = None,
        code: Callable[[Answer], str | None] = lambda answer: None,
    ) -> None:
        """`code` reads the service's own word for an error from an answer that is one, None where it says none."""
        self.name = name
        self._code = code
        self.patience = patience or Patience()
        self.base_url = base_url.rstrip("/")
        self._loopback = _is_loopback(base_url)
        self._check(base_url)
        for logger in ("httpx", "httpcore"):  # they log whole URLs, signatures included
            logging.getLogger(logger).setLevel(logging.WARNING)
        self._client = httpx.Client(
            headers={"User-Agent": USER_AGENT}, timeout=timeout, follow_redirects=False, trust_env=not self._loopback,
            transport=transport, verify=_certificates(),
        )  # fmt: skip

    def __enter__(self) -> Service:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._client.close()

    def send(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str | int] | None = None,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        content: bytes | None = None,
        repeat: bool = True,
        max_bytes: int = MAX_ANSWER,
    ) -> Answer:
        """One answer to `path` below the base URL (or to a full URL), after retries of 429, 430, 408, 5xx and lost connections.

        `repeat=False` sends once, for requests that must not take effect twice. Statuses that are not retried come back as
        answers; raises ApiError when no answer arrived, or only such that are retried, until the patience ended.
        """
        url = self._url(path)
        hidden = _hidden(headers, form, json)

        def once() -> Answer:
            with self._client.stream(
                method, url, headers=dict(headers or {}), params=dict(params) if params else None, json=json,
                data=dict(form) if form is not None else None, content=content,
            ) as response:  # fmt: skip
                body = self._body(response, max_bytes)
                return Answer(response.status_code, _lower(response.headers), body, redact(_sentence(body), hidden))

        found: Answer = self._patiently(once, repeat=repeat)
        return found

    def download(
        self,
        url: str,
        use: Callable[[Iterator[bytes]], _Result],
        *,
        headers: Mapping[str, str] | None = None,
        max_bytes: int = MAX_DOCUMENT,
    ) -> _Result:
        """What `use` makes of the document's blocks; it is called again from the start when the connection breaks off.

        Content-Encoding gzip is inflated within bounds. Raises ApiError with the status when the document is refused.
        """
        target = self._url(url)

        def once() -> Answer | _Result:
            with self._client.stream("GET", target, headers={"Accept-Encoding": "identity", **(headers or {})}) as response:
                if response.status_code != 200:
                    body = self._body(response, 1 << 16, cut=True)
                    return Answer(response.status_code, _lower(response.headers), body, redact(_sentence(body)))
                blocks: Iterable[bytes] = response.iter_raw(256 << 10)
                if response.headers.get("content-encoding", "").lower() == "gzip":
                    blocks = inflate(blocks, f"the document of {self.name}")
                return use(self._capped(blocks, max_bytes))

        found = self._patiently(once, repeat=True, waits_only=True)
        if isinstance(found, Answer):
            raise self.refused(found, "refused the download")
        result: _Result = found
        return result

    def refused(self, answer: Answer, what: str = "refused the request", code: str | None = None) -> ApiError:
        """The error of an answer: "shopify refused the request (HTTP 400: what it said)"."""
        said = f": {answer.said}" if answer.said else ""
        return ApiError(
            self.name, f"{self.name} {what} (HTTP {answer.status}{said})", status=answer.status,
            code=code or self._code(answer), request_id=answer.request_id, temporary=is_temporary(answer.status),
        )  # fmt: skip

    def _patiently(self, once: Callable[[], Answer | _Result], *, repeat: bool, waits_only: bool = False) -> Any:
        """`waits_only`: the deadline is for the waits alone, since a document may take long and still be on its way."""
        patience = self.patience
        started, attempt, waited = patience.clock(), 0, 0.0
        while True:
            attempt += 1
            said: float | None = None
            try:
                found = once()
                if not (isinstance(found, Answer) and is_temporary(found.status)):
                    return found
                error = self.refused(found, "failed" if found.status >= 500 else "is asked too often")
                said = retry_after(found.headers)
            except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as lost:
                # The cause would carry the URL with its query.
                lasting = not isinstance(lost, httpx.TransportError) or isinstance(lost, httpx.UnsupportedProtocol)
                told = f"{self.name} cannot be reached: {_words(lost)}; try again later"
                error = ApiError(self.name, told, temporary=not lasting)
                if lasting:
                    raise error from None
            wait = max(said or 0.0, patience.wait(attempt))
            passed = waited if waits_only else patience.clock() - started
            if not repeat or passed + wait > patience.deadline_seconds:
                raise error from None
            patience.sleep(wait)
            waited += wait

    def _body(self, response: httpx.Response, most: int, *, cut: bool = False) -> bytes:
        parts, size = [], 0
        for block in response.iter_bytes():
            size += len(block)
            if size > most:
                if cut:
                    break
                raise ApiError(self.name, f"{self.name} answered with more than {most >> 20} MiB, which no answer should have")
            parts.append(block)
        return b"".join(parts)

    def _capped(self, blocks: Iterable[bytes], most: int) -> Iterator[bytes]:
        size = 0
        for block in blocks:
            size += len(block)
            if size > most:
                raise ApiError(self.name, f"a document of {self.name} has more than {most >> 20} MiB, which no catalog has")
            yield block

    def _url(self, path: str) -> str:
        if "://" not in path:
            return f"{self.base_url}/{path.lstrip('/')}"
        self._check(path)
        return path

    def _check(self, url: str) -> None:
        """https to a named host; plain http only within this machine, and only when the base is there too."""
        try:
            parts = urlsplit(url)
            host, sound = parts.hostname or "", not parts.username and not parts.password
        except ValueError:
            host, sound = "", False
        named = bool(host) and not _is_address(host) and host != "localhost"
        if not sound or not ((parts.scheme == "https" and named) or (self._loopback and _is_loopback(url))):
            raise ApiError(self.name, f"an address of {self.name} is not an https address of a named host; check the settings")


def is_temporary(status: int) -> bool:
    """Whether the same request may work later (430 is Shopify's word for too many)."""
    return status in (408, 429, 430) or status >= 500


def retry_after(headers: Mapping[str, str], now: Callable[[], datetime] = lambda: datetime.now(timezone.utc)) -> float | None:
    """Seconds that a Retry-After header asks for, as a number or a date; None when there is none that can be read."""
    said = headers.get("retry-after", "").strip()
    try:
        return max(0.0, float(said))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(said) - now()).total_seconds())
    except (TypeError, ValueError):
        return None


def redact(text: str | bytes, hidden: Iterable[str] = ()) -> str:
    """At most 200 characters of what a service said: one line, without `hidden` values, URLs and what looks like a token."""
    shown = text[:4000].decode("utf-8", "replace") if isinstance(text, bytes) else text[:4000]
    for value in sorted(hidden, key=len, reverse=True):
        shown = shown.replace(value, "***")
    shown = _TOKEN.sub("***", _URL.sub("***", shown))
    shown = _UNFIT.sub(" ", shown).strip()
    return shown if len(shown) <= _MAX_SAID else f"{shown[: _MAX_SAID - 3]}..."


def _sentence(body: bytes) -> str | bytes:
    """What a JSON body says is wrong, in the ways that services say it; of other bodies all."""
    try:
        found = json.loads(body) if len(body) <= _MAX_ERROR else None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        return body
    for part in ("errors", "error"):
        inner = found.get(part)
        inner = inner[0] if isinstance(inner, list) and inner else inner
        if isinstance(inner, dict):
            found = inner
    words = [found.get("code")] if isinstance(found.get("code"), str) else []
    words += [found.get(name) for name in ("message", "error_description", "errors", "error")]
    told = [word for word in words if isinstance(word, str) and word]
    return ": ".join(dict.fromkeys(told)) or body


def _hidden(headers: Mapping[str, str] | None, form: Mapping[str, str] | None, body: Any) -> set[str]:
    """Every value that we sent and that a service might echo, also as JSON writes it, and the parts of a header."""
    found = {part for value in (headers or {}).values() for part in (value, *value.split())}
    found |= set((form or {}).values())
    waiting = [body]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            found.add(item)
        elif isinstance(item, Mapping):
            waiting.extend(item.values())
        elif isinstance(item, (list, tuple)):
            waiting.extend(item)
    found |= {json.dumps(value)[1:-1] for value in found}
    return {value for value in found if len(value) >= 4}


def _lower(headers: httpx.Headers) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _words(error: Exception) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time"
    if isinstance(error, httpx.ConnectError):
        return "no connection"
    return f"the connection broke off ({type(error).__name__})"


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_loopback(url: str) -> bool:
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@cache
def _certificates() -> ssl.SSLContext:
    """Reading them takes longer than a request."""
    return httpx.create_ssl_context()
