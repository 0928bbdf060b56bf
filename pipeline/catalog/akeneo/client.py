"""Calls to one PIM: the token, pages, and what a refusal means.

At most four calls are in flight, which is Akeneo's limit a connection. Only reading; which entities are read is in `fetch`.
"""

from __future__ import annotations

import json
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

from pipeline.catalog.jsonl_lines import clean
from pipeline.model.secret import Secret
from pipeline.platform.http import Answer, ApiError, Service

Record = dict[str, Any]

#: Calls at once a connection, and items a page (api.akeneo.com/documentation/limitations.html, pagination.html).
AT_ONCE, PAGE = 4, 100
#: So often it is asked at most, when the answer is no JSON or the token has ended.
_TRIES = 3
_API = "api/rest/v1/"


class Client:
    """Reads one PIM; may be used by several threads."""

    def __init__(self, service: Service, credentials: Mapping[str, Secret]) -> None:
        self._service, self._credentials = service, credentials
        self._free = threading.BoundedSemaphore(AT_ONCE)
        self._renewing = threading.Lock()
        self._access: Secret | None = None
        self._refresh: Secret | None = None
        #: The time on the PIM's clock when it first answered; None when it does not tell.
        self.began: datetime | None = None

    def get(self, path: str, params: Mapping[str, str | int] | None = None) -> Record:
        """One object below `/api/rest/v1/`; raises ApiError."""
        return self._read(_API + path, params, path.split("/")[0])

    def pages(
        self, path: str, params: Mapping[str, str | int] | None = None, *, search_after: bool = False
    ) -> Iterator[list[Record]]:
        """The items of a list, page by page, until there is no next link; raises ApiError."""
        for items, _ in self.walk(path, params, search_after=search_after):
            yield items

    def walk(
        self,
        path: str,
        params: Mapping[str, str | int] | None = None,
        *,
        search_after: bool = False,
        start: str | None = None,
    ) -> Iterator[tuple[list[Record], str | None]]:
        """The same, each page with the address of the next one, from which a later walk can `start`."""
        what, first = path.rsplit("/", 1)[-1], {"limit": PAGE, **(params or {})}
        if search_after:
            first["pagination_type"] = "search_after"
        url = None if start is None else self._own(start, what)
        page = self._read(_API + path, first, what) if url is None else self._read(url, None, what)
        seen = {url}
        while True:
            items = page.get("_embedded", {}).get("items") if isinstance(page.get("_embedded"), dict) else None
            if not isinstance(items, list):
                raise ApiError(
                    "akeneo", f"a page of {what} of the PIM has no items, which is no answer of Akeneo; try again later"
                )
            link = (page.get("_links") or {}).get("next")
            url = self._own(str(link.get("href", "")), what) if link else None
            yield items, url
            if url is None:
                return
            if url in seen:
                raise ApiError("akeneo", f"the PIM's pages of {what} go in a circle; try again later")
            seen.add(url)
            page = self._read(url, None, what)

    def _own(self, href: str, what: str) -> str:
        """The address of the next page, which must be on the PIM itself: the token is sent there."""
        base = self._service.base_url
        url = urljoin(f"{base}/", href)
        if _origin(url) != _origin(base):
            raise ApiError(
                "akeneo", f"the next page of {what} is on another host than the PIM; check its address in the store's settings"
            )
        return url

    def _read(self, path: str, params: Mapping[str, str | int] | None, what: str) -> Record:
        answer, found = self._sound(lambda: self._get(path, params))
        if not answer.ok:
            raise self._refused(answer, what)
        if found is None:
            raise ApiError(
                "akeneo",
                f"the PIM's answer with {what} is cut off or no JSON, {_TRIES} times in a row: check that its address is right "
                "and that it is not in maintenance, then import again",
                status=answer.status,
                request_id=answer.request_id,
            )
        return found

    def _sound(self, call: Callable[[], Answer]) -> tuple[Answer, Record | None]:
        """The answer and its JSON object; asked for again when it is no such object."""
        patience = self._service.patience
        for attempt in range(1, _TRIES):
            answer = call()
            found = _object(answer) if answer.ok else None
            if found is not None or not answer.ok:
                return answer, found
            patience.sleep(patience.wait(attempt))
        answer = call()
        return answer, _object(answer) if answer.ok else None

    def _get(self, path: str, params: Mapping[str, str | int] | None) -> Answer:
        token = self._token()
        answer = self._send(path, params, token)
        if self.began is None:
            self.began = _date(answer.headers.get("date", ""))
        for _ in range(1, _TRIES):  # a new token may have ended too while this thread waited for its turn
            if answer.status != 401:
                break
            token = self._token(instead_of=token)
            answer = self._send(path, params, token)
        return answer

    def _send(self, path: str, params: Mapping[str, str | int] | None, token: Secret) -> Answer:
        with self._free:
            return self._service.send(
                "GET", path, params=params, headers={"Authorization": f"Bearer {token.reveal()}", "Accept": "application/json"}
            )

    def _token(self, instead_of: Secret | None = None) -> Secret:
        """The access token; a new one when `instead_of` is the present one. Threads wait for the one that renews it."""
        with self._renewing:
            if self._access is None or self._access is instead_of:
                granted = None
                if self._refresh is not None:
                    granted = self._grant({"grant_type": "refresh_token", "refresh_token": self._refresh.reveal()})
                if granted is None or not granted[0].ok:  # the refresh token is old too
                    names = ("username", "password")
                    granted = self._grant(
                        {"grant_type": "password", **{name: self._credentials[name].reveal() for name in names}}
                    )
                self._access, self._refresh = self._tokens(*granted)
            return self._access

    def _grant(self, body: Mapping[str, str]) -> tuple[Answer, Record | None]:
        pair = f"{self._credentials['client_id'].reveal()}:{self._credentials['client_secret'].reveal()}"
        headers = {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}
        with self._free:
            return self._sound(lambda: self._service.send("POST", "api/oauth/v1/token", headers=headers, json=body))

    def _tokens(self, answer: Answer, found: Record | None) -> tuple[Secret, Secret | None]:
        if answer.status in (400, 401, 403, 422):
            raise ApiError(
                "akeneo",
                f"the PIM refuses the credentials (HTTP {answer.status}): check client id, secret, user name and password of the "
                "connection in Akeneo (Connect, Connection settings) and enter them again",
                status=answer.status,
            )
        if not answer.ok:
            raise self._refused(answer, "the token")
        access, refresh = (found or {}).get("access_token"), (found or {}).get("refresh_token")
        if not isinstance(access, str) or not access:
            raise ApiError("akeneo", "the PIM gave no token: check that its address is right and that it is not in maintenance")
        return Secret(access), Secret(refresh) if isinstance(refresh, str) and refresh else None

    def _refused(self, answer: Answer, what: str) -> ApiError:
        status, said = answer.status, f": {answer.said}" if answer.said else ""
        if status == 401:
            text = "the PIM takes neither the old token nor a new one: check the connection in Akeneo"
        elif status == 403:
            text = f"the connection may not read {what}: give its role the Web API right to list {what} in Akeneo (System, Roles)"
        elif status == 404:
            text = f"the PIM does not have {what}: check its address, and that it is Akeneo 7 or newer"
        elif 300 <= status < 400:
            text = "the PIM's address leads elsewhere: give its final address in the store's settings"
        else:
            text = f"the PIM refuses the request for {what}: check channel, locale and attributes in the store's settings"
        return ApiError("akeneo", f"{text} (HTTP {status}{said})", status=status, request_id=answer.request_id)


def _object(answer: Answer) -> Record | None:
    """The answer's JSON object without characters that storage refuses; None when it is none."""
    try:
        found = answer.json()
    except ValueError:
        try:  # a lone surrogate is legal JSON, which orjson refuses
            found, _ = clean(json.loads(answer.body))
        except (ValueError, RecursionError):
            return None
    return found if isinstance(found, dict) else None


def _date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo else None


def _origin(url: str) -> tuple[str, str, int | None]:
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname or "", parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    except ValueError:
        return "", "", None
