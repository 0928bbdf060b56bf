"""Access tokens of a shop: one that was given and stays, or one of 24 hours that the client credentials grant gives.

Facts: shopify.dev, "Access tokens" and "Client credentials grant".
"""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.model.errors import PipelineError
from pipeline.model.secret import Secret
from pipeline.platform.http import ApiError, Service

#: A token is renewed when less of its life is left.
RENEW_SECONDS = 300.0


class Tokens:
    """The token to send now. Not kept beyond the process: asking for one costs a request, storing it a risk."""

    def __init__(self, service: Service, store: str, domain: str, credentials: Mapping[str, Secret]) -> None:
        self._new = f"give the store new credentials: pipeline store set {store} --credentials FILE"
        if "access_token" not in credentials and not {"client_id", "client_secret"} <= credentials.keys():
            raise PipelineError(f"there are no credentials for {domain}; {self._new}")
        self._service, self._domain, self._credentials = service, domain, credentials
        self._token: Secret | None = credentials.get("access_token")
        self._static = self._token is not None
        self._ends = float("inf")

    def current(self) -> Secret:
        """The token, a new one when the last is about to expire."""
        if self._token is None or self._service.patience.clock() > self._ends - RENEW_SECONDS:
            self._token = self._grant()
        return self._token

    def renew(self) -> bool:
        """After a refusal: whether there is another token to try."""
        if self._static:
            return False
        self._token = None
        return True

    def _grant(self) -> Secret:
        form = {
            "grant_type": "client_credentials",
            "client_id": self._credentials["client_id"].reveal(),
            "client_secret": self._credentials["client_secret"].reveal(),
        }
        patience, attempt = self._service.patience, 0
        started = patience.clock()
        while True:
            attempt += 1
            answer = self._service.send("POST", "/admin/oauth/access_token", form=form, headers={"Accept": "application/json"})
            if not answer.ok:
                raise self._service.refused(
                    answer,
                    f"does not give {self._domain} an access token: the client id or secret is wrong, or the app is not "
                    f"installed in a store of its own organization; {self._new}",
                )
            try:
                found = answer.json()
                token, lifetime = Secret(found["access_token"]), float(found["expires_in"])
                break
            except (ValueError, KeyError, TypeError):
                wait = patience.wait(attempt)
                if patience.clock() - started + wait > patience.deadline_seconds:
                    # What it said may hold a token, so none of it is told.
                    raise ApiError("Shopify", f"Shopify gave no access token for {self._domain}; import again later") from None
                patience.sleep(wait)
        self._ends = self._service.patience.clock() + lifetime
        return token
