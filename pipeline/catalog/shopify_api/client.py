"""One shop's GraphQL endpoint: cost budget, throttling, which failures are worth another try, and a sentence for the others.

Facts: shopify.dev, "GraphQL Admin API rate limits" and "Status and error codes". The budget is read from every answer, since
it depends on the shop's plan.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any

from pipeline.catalog.shopify_api.auth import Tokens
from pipeline.model.secret import Secret
from pipeline.platform.http import Answer, ApiError, Patience, Service, is_temporary, redact

#: The shortest wait after a THROTTLED answer.
THROTTLED_SECONDS = 1.0

_NO_RESULT = "NO_RESULT"
_REFUSALS = {
    401: "Shopify does not accept the credentials of {shop}: the token was revoked or the app was uninstalled; give the store "
    "new ones: pipeline store set {store} --credentials FILE",
    402: "the shop {shop} is frozen because a Shopify bill is not paid; its owner has to pay it in Shopify's admin",
    403: "Shopify refuses access to {shop}: the app lacks a permission or the shop is closed; see: pipeline store test {store}",
    404: "there is no shop {shop}, or it has no API version {version}; check both: pipeline store show {store}",
    423: "the shop {shop} is locked by Shopify, as after too many requests or suspected fraud; its owner has to ask Shopify",
}


class TooExpensive(ApiError):
    """The query costs more than one may: ask for smaller pages."""


class Shop:
    """The Admin API of one shop. `store` is the key for sentences; `notes` collects sentences that operators should read."""

    def __init__(
        self,
        store: str,
        domain: str,
        version: str,
        credentials: Mapping[str, Secret],
        *,
        url: str | None = None,
        patience: Patience | None = None,
    ) -> None:
        self.store, self.domain, self.version = store, domain, version
        self.service = Service("Shopify", url or f"https://{domain}", patience=patience)
        self._tokens = Tokens(self.service, store, domain, credentials)
        self._path = f"/admin/api/{version}/graphql.json"
        self._available, self._restore, self._seen = float("inf"), 0.0, 0.0
        self._costs: dict[str, float] = {}
        self.notes: list[str] = []

    def __enter__(self) -> Shop:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.service.close()

    def ask(self, query: str, variables: Mapping[str, Any] | None = None, *, repeat: bool = True) -> dict[str, Any]:
        """The `data` of a query. `repeat=False` for what must not take effect twice: throttled requests, which have no effect,
        are tried again all the same.

        Raises TooExpensive for a query above the limit of one query, ApiError for everything else that does not work.
        """
        patience, started, attempt = self.service.patience, self.service.patience.clock(), 0
        renewed = False
        while True:
            attempt += 1
            self._wait_for_budget(query)
            headers = {"X-Shopify-Access-Token": self._tokens.current().reveal(), "Accept": "application/json"}
            body = {"query": query, "variables": dict(variables or {})}
            answer = self.service.send("POST", self._path, headers=headers, json=body, repeat=repeat)
            if answer.status == 401 and not renewed and self._tokens.renew():
                renewed = True
                continue
            found = self._read(answer)
            self._note_budget(query, found)
            error, wait = self._failure(answer, found)
            if error is None:
                self._note_version(answer)
                data: dict[str, Any] = found["data"]
                return data
            error.temporary = wait is not None
            if wait is None or not (repeat or error.code == "THROTTLED"):
                raise error
            wait = max(wait, patience.wait(attempt))
            if patience.clock() - started + wait > patience.deadline_seconds:
                raise error
            patience.sleep(wait)

    def _read(self, answer: Answer) -> dict[str, Any]:
        """The answer's JSON; {} for what is none, such as an error page with status 200."""
        if not answer.ok:
            sentence = _REFUSALS.get(answer.status)
            if sentence is None:
                raise self.service.refused(answer)
            raise ApiError(
                "Shopify", sentence.format(store=self.store, shop=self.domain, version=self.version), status=answer.status,
                request_id=answer.request_id,
            )  # fmt: skip
        try:
            found = answer.json()
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def _failure(self, answer: Answer, found: Mapping[str, Any]) -> tuple[ApiError | None, float | None]:
        """The error of an answer, if it is one, and the seconds to wait before another try (None: no try will help)."""
        errors = found.get("errors")
        if isinstance(errors, str):
            errors = [{"message": errors}]
        first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else None
        if first is None and isinstance(found.get("data"), dict):
            return None, None
        if first is None:
            return self._error(answer, "answered with something that is no result", _NO_RESULT), 0.0
        extensions = first.get("extensions")
        code = str(extensions.get("code") or "") if isinstance(extensions, dict) else ""
        message = redact(str(first.get("message") or ""))
        if code == "THROTTLED":
            return self._error(answer, "is asked too often (throttled)", code), self._refill_seconds(found)
        if code == "INTERNAL_SERVER_ERROR":
            return self._error(answer, f"failed: {message}", code), 0.0
        if code == "MAX_COST_EXCEEDED":
            return TooExpensive("Shopify", f"Shopify refuses a query as too expensive: {message}", status=200, code=code), None
        if code == "ACCESS_DENIED":
            told = f"does not let the app of {self.domain} read this: {message}; see: pipeline store test {self.store}"
            return self._error(answer, told, code), None
        if code == "SHOP_INACTIVE":
            return self._error(answer, f"says that the shop {self.domain} is not active", code), None
        # Shopify names a code for what is wrong with a query; an error without one is its own trouble.
        return self._error(answer, f"refused the query: {message}", code or None), None if code else 0.0

    def _error(self, answer: Answer, what: str, code: str | None) -> ApiError:
        return ApiError("Shopify", f"Shopify {what}", status=answer.status, code=code, request_id=answer.request_id)

    def _wait_for_budget(self, query: str) -> None:
        """Wait until the bucket holds what this query was asked last time, rather than be throttled."""
        needed = self._costs.get(query, 0.0) - self._filled()
        if needed > 0 and self._restore > 0:
            self.service.patience.sleep(needed / self._restore)

    def _filled(self) -> float:
        return self._available + self._restore * (self.service.patience.clock() - self._seen)

    def _note_budget(self, query: str, found: Mapping[str, Any]) -> None:
        try:
            cost = found["extensions"]["cost"]
            status = cost["throttleStatus"]
            self._available, self._restore = float(status["currentlyAvailable"]), float(status["restoreRate"])
            self._costs[query] = min(float(cost["requestedQueryCost"]), float(status["maximumAvailable"]))
            self._seen = self.service.patience.clock()
        except (KeyError, TypeError, ValueError):
            return

    def _refill_seconds(self, found: Mapping[str, Any]) -> float:
        try:
            cost = found["extensions"]["cost"]
            status = cost["throttleStatus"]
            missing = float(cost["requestedQueryCost"]) - float(status["currentlyAvailable"])
            return max(THROTTLED_SECONDS, missing / float(status["restoreRate"]))
        except (KeyError, TypeError, ValueError, ZeroDivisionError):
            return THROTTLED_SECONDS

    def _note_version(self, answer: Answer) -> None:
        """A retired version falls forward to the oldest that is supported, silently but for this header."""
        served = answer.headers.get("x-shopify-api-version")
        note = f"Shopify served API version {redact(served or '')} instead of {self.version}; "
        note += f"set it with: pipeline store set {self.store} --api-version {redact(served or '')}"
        if served and served != self.version and note not in self.notes:
            self.notes.append(note)


def outcome_unknown(error: ApiError) -> bool:
    """Whether the request may have taken effect although it failed."""
    return error.status is None or is_temporary(error.status) or error.code in ("INTERNAL_SERVER_ERROR", _NO_RESULT)
