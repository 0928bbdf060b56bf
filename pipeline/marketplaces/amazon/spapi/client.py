"""One call to the Selling Partner API: token, rate limit, retries, and errors with Amazon's own code and request id."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

import httpx

from pipeline.marketplaces.amazon.spapi.tokens import Tokens, lwa_code
from pipeline.marketplaces.data import read_yaml
from pipeline.marketplaces.live import CredentialsRefused, TryLater
from pipeline.model.secret import Secret
from pipeline.platform.http import USER_AGENT, Answer, ApiError, Patience, Service
from pipeline.platform.rate_limits import Buckets
from pipeline.settings import api_url

TIMEOUT_SECONDS = 30.0
#: Short waits are slept through; for a longer one the worker goes on with something else.
_LONGEST_SLEEP = 5.0
_PATIENCE = Patience(first_seconds=1.0, longest_seconds=10.0, deadline_seconds=30.0)
#: Amazon's word for an access token that it does not take (any more); also for a missing role.
_REFUSED = "Unauthorized"
_USER_AGENT = (
    f"{USER_AGENT} (Language=Python/{sys.version_info.major}.{sys.version_info.minor})"  # the shape that Amazon asks for
)


@cache
def tables() -> Any:
    """`spapi.yaml`."""
    return read_yaml(Path(__file__).with_name("spapi.yaml"))


def field_of(attribute: str) -> str | None:
    """Our column of the listings for an attribute of Amazon's, where there is one."""
    found: str | None = tables()["fields"].get(attribute.partition(".")[0])
    return found


class SpApi:
    """Calls for one seller in one region. Close it."""

    def __init__(
        self,
        region: str,
        seller_id: str,
        credentials: Mapping[str, Secret],
        buckets: Buckets,
        tokens: Tokens,
        patience: Patience = _PATIENCE,
        *,
        renew: str,
    ) -> None:
        """`renew`: the command that gives the connection new credentials."""
        self._credentials, self._buckets, self._tokens, self._renew = credentials, buckets, tokens, renew
        self.region, self.seller_id = region, seller_id
        timeout = httpx.Timeout(TIMEOUT_SECONDS, connect=5.0)
        with ExitStack() as opening:

            def service(name: str, url: str, code: Any) -> Service:
                return opening.enter_context(Service(name, url, patience=patience, timeout=timeout, code=code))

            self.service = service("Amazon", api_url("AMAZON") or tables()["endpoints"][region], amazon_code)
            self._lwa = service("Login with Amazon", api_url("AMAZON_LWA") or tables()["lwa"], lwa_code)
            self._closing = opening.pop_all()

    def close(self) -> None:
        self._closing.close()

    def prepare(self, operation: str) -> None:
        """Everything that can fail before a request is sent: the next call of this operation is `prepared`."""
        self._take(operation)
        self._token()

    def call(
        self, operation: str, method: str, path: str, *, params: Mapping[str, str | int] | None = None, json: Any = None,
        repeat: bool = True, prepared: bool = False,
    ) -> Answer:  # fmt: skip
        """The answer, with a status below 300. `repeat=False` sends once, whatever comes back.

        Raises ApiError with Amazon's code; CredentialsRefused; TryLater before anything was sent.
        """
        if not prepared:
            self._take(operation)

        def send() -> Answer:
            headers = {"x-amz-access-token": token.reveal(), "User-Agent": _USER_AGENT}
            return self.service.send(method, path, headers=headers, params=params, json=json, repeat=repeat)

        token = self._token()
        answer = self._watched(operation, send)
        if answer.status in (401, 403) and amazon_code(answer) == _REFUSED:
            # Nothing was done, so asking again with a new token is no repetition.
            self._tokens.forget(self._credentials, token)
            token = self._token()
            answer = self._watched(operation, send)
        if answer.status in (401, 403):
            error = self.service.refused(answer)
            raise CredentialsRefused(
                "Amazon",
                f"Amazon does not let this account call {operation}: the seller revoked the authorization, or the application "
                f"lacks the role Product Listing ({error})", status=answer.status, code=error.code, request_id=error.request_id,
            )  # fmt: skip
        if not answer.ok:
            raise self.service.refused(answer)
        return answer

    def _token(self) -> Secret:
        return self._tokens.get(self._lwa, self._credentials, self._renew)

    def _watched(self, operation: str, send: Callable[[], Answer]) -> Answer:
        """What the answer says of the rate limit counts for every process."""
        try:
            answer = send()
        except ApiError as error:
            if error.status == 429:
                self._buckets.empty(self._bucket(operation))
            raise
        if (rate := _rate(answer)) is not None:
            self._buckets.correct(self._bucket(operation), rate)
        return answer

    def _take(self, operation: str) -> None:
        rate, burst = tables()["operations"][operation]
        patience = self.service.patience
        while seconds := self._buckets.take(self._bucket(operation), rate, burst):
            if seconds > _LONGEST_SLEEP:
                raise TryLater("Amazon", seconds)
            patience.sleep(seconds)

    def _bucket(self, operation: str) -> str:
        return f"amazon {self.region} {self.seller_id} {operation}"


def amazon_code(answer: Answer) -> str | None:
    """`errors[0].code` of an answer that is Amazon's list of errors: QuotaExceeded, InvalidInput ..."""
    try:
        found = answer.json()
        code = found["errors"][0]["code"]
    except (ValueError, TypeError, KeyError, IndexError):
        return None
    return code if isinstance(code, str) and 0 < len(code) <= 64 and code.isascii() and code.isprintable() else None


def _rate(answer: Answer) -> float | None:
    try:
        rate = float(answer.headers.get("x-amzn-ratelimit-limit", ""))
    except ValueError:
        return None
    return rate if 0 < rate < 10_000 else None
