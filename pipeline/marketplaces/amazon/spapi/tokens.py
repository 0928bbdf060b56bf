"""Login with Amazon: access tokens from a seller's refresh token, kept in memory for as long as they live."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from pipeline.marketplaces.live import CredentialsRefused
from pipeline.model.secret import Secret
from pipeline.platform.http import Answer, ApiError, Service
from pipeline.platform.points import point

#: A token is renewed this long before it ends (it lives an hour), so that none ends on its way.
_EARLY_SECONDS = 60.0
_WRONG = {
    "invalid_client": "the client id or the client secret is wrong, or the secret has expired",
    "invalid_grant": "the refresh token is wrong or was revoked by the seller",
    "unauthorized_client": "the application may not act for this seller",
}


class Tokens:
    """Access tokens by credential. May be used by several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, tuple[Secret, float]] = {}

    def get(self, lwa: Service, credentials: Mapping[str, Secret], renew: str) -> Secret:
        """A token that lives for at least a minute. Raises CredentialsRefused when Amazon says that it never will;
        `renew` is the command that gives new credentials."""
        key = _key(credentials)
        with self._lock:
            token, ends = self._known.get(key, (None, 0.0))
            if token is None or self._clock() >= ends:
                began = self._clock()
                token, lives = _request(lwa, credentials, renew)
                point("token_refreshed_unsaved")
                self._known[key] = (token, began + max(0.0, lives - _EARLY_SECONDS))
            return token

    def forget(self, credentials: Mapping[str, Secret], token: Secret) -> None:
        """This token was refused: the next `get` asks for another, unless somebody did already."""
        with self._lock:
            known = self._known.get(_key(credentials))
            if known is not None and known[0] == token:
                del self._known[_key(credentials)]


def lwa_code(answer: Answer) -> str | None:
    """`error` of an answer that is one: invalid_grant ..."""
    found = _json(answer).get("error")
    return found if isinstance(found, str) and len(found) < 64 and found.replace("_", "").isalpha() else None


def _request(lwa: Service, credentials: Mapping[str, Secret], renew: str) -> tuple[Secret, float]:
    form = {name: credentials[name].reveal() for name in ("client_id", "client_secret", "refresh_token")}
    answer = lwa.send("POST", "auth/o2/token", form={"grant_type": "refresh_token", **form})
    if not answer.ok:
        code = lwa_code(answer)
        if answer.status in (400, 401) and code is not None:
            reason = _WRONG.get(code, f"Amazon says {code}")
            raise CredentialsRefused(
                lwa.name, f"Amazon refused the credentials: {reason}; give new ones: {renew}", status=answer.status,
                code=code, request_id=answer.request_id,
            )  # fmt: skip
        raise lwa.refused(answer, "refused to give a token")
    found = _json(answer)
    token, lives = found.get("access_token"), found.get("expires_in")
    if not isinstance(token, str) or not token or not token.isprintable() or not isinstance(lives, (int, float)):
        raise ApiError(lwa.name, f"{lwa.name} gave no token in an answer that should have one; try again later")
    return Secret(token), float(lives)


def _json(answer: Answer) -> Mapping[str, Any]:
    try:
        found = answer.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _key(credentials: Mapping[str, Secret]) -> str:
    digest = hashlib.sha256()
    for name in ("client_id", "client_secret", "refresh_token"):
        value = credentials[name].reveal().encode("utf-8", "surrogatepass")
        digest.update(len(value).to_bytes(4, "big") + value)
    return digest.hexdigest()
