"""The receiver of Shopify's webhooks: verifies a delivery, writes one request for an import, answers. Nothing else.

Shopify gives a receiver five seconds and drops one that fails for hours. So the shops and their secrets are kept for some
seconds, and a delivery costs one row. The body is not read for what it says: an import asks the shop itself.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import logging
import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pipeline.catalog.requests import Kind, add_request
from pipeline.catalog.watches import note_error
from pipeline.model.errors import PipelineError
from pipeline.model.secret import Secret
from pipeline.stores.stores import Store, list_stores, open_credentials

if TYPE_CHECKING:
    from pipeline.platform.database import Database
    from pipeline.platform.vault.envelope import Vault

PATH = "/webhooks/shopify"
#: A product with 2,000 variants is about 5 MB.
MAX_BYTES = 16 << 20
BODY_SECONDS = 10.0
#: Deliveries of one shop that come closer together become one import.
QUIET = timedelta(seconds=20)
#: How long shops and secrets are remembered.
_REMEMBER_SECONDS = 15.0
_KINDS: dict[str, Kind] = {"products": "products", "collections": "collections", "inventory_levels": "inventory"}
_WEBHOOK_ID = re.compile(r"[A-Za-z0-9-]{1,100}")
_GONE = "the app was uninstalled from the shop: install it again, then enter its credentials with: pipeline store set"

_log = logging.getLogger("pipeline.webhooks")


@dataclass
class Shop:
    """A store that a shop's deliveries are for. `secrets` are opened at its first delivery."""

    store: Store
    secrets: tuple[Secret, ...] | None = None
    problem: str | None = None


@dataclass
class Receiver:
    """What deliveries are checked against and written to. Its methods block; call them in a thread."""

    database: Database
    vault: Vault
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _connection: psycopg.Connection[Any] | None = None
    _shops: dict[str, list[Shop]] = field(default_factory=dict)
    _until: float = 0.0

    def shops(self, domain: str) -> list[Shop]:
        """The stores of this shop with their secrets; from memory, and at most every few seconds from the database."""
        with self._lock:
            if time.monotonic() >= self._until:
                self._shops = self._call(_load)
                self._until = time.monotonic() + _REMEMBER_SECONDS
            found = self._shops.get(domain, [])
            for shop in found:
                if shop.secrets is None:
                    self._open(shop)
        return found

    def accept(self, store_id: UUID, kind: Kind, topic: str, webhook_id: str) -> bool:
        """Write what a verified delivery asks for. False when it was delivered before."""
        detail = {"topic": topic[:100]}
        with self._lock:
            added = self._call(
                lambda connection: add_request(connection, store_id, kind, "webhook", webhook_id, detail=detail, quiet=QUIET)
            )
        return added is not None

    def uninstalled(self, store_id: UUID) -> None:
        """Nothing can be imported until the app is back; the store says so."""
        with self._lock:
            self._call(lambda connection: note_error(connection, store_id, _GONE))

    def ready(self) -> None:
        """Raises when the database does not answer."""
        with self._lock:
            self._call(lambda connection: connection.execute("SELECT 1"))

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _call(self, work: Callable[[psycopg.Connection[Any]], Any]) -> Any:
        """`work` on our connection, once more on a new one when the server has closed it. Raises PipelineError."""
        for last in (False, True):
            try:
                if self._connection is None or self._connection.closed:
                    self._connection = self.database.connect(autocommit=True)
                return work(self._connection)
            except psycopg.OperationalError:
                if self._connection is not None:
                    self._connection.close()
                self._connection = None
                if last:
                    raise PipelineError(f"{self.database} does not answer") from None
        raise AssertionError("the second time returns or raises")

    def _open(self, shop: Shop) -> None:
        """Either of two: after a rotation Shopify signs with the old client secret for a while."""
        try:
            found = self._call(lambda connection: open_credentials(connection, self.vault, shop.store))
        except PipelineError as error:
            shop.secrets, shop.problem = (), str(error)
        else:
            shop.secrets = tuple(found[name] for name in ("webhook_secret", "client_secret") if name in found)
            if not shop.secrets:
                shop.problem = (
                    f"store {shop.store.key} has no webhook_secret: pipeline store set {shop.store.key} --credentials FILE"
                )
        if shop.problem is not None:
            _log.warning(shop.problem)


def application(receiver: Receiver) -> Starlette:
    """The ASGI application: `POST /webhooks/shopify` and `GET /healthz`."""

    async def deliver(request: Request) -> Response:
        domain = request.headers.get("x-shopify-shop-domain", "").lower()
        shops = await run_in_threadpool(receiver.shops, domain)
        if not shops:
            raise HTTPException(404, "no store of this shop")
        signed = await _signed(request, shops)
        if not signed:
            raise HTTPException(503 if all(shop.problem for shop in shops) else 401, "the signature cannot be verified")
        topic = request.headers.get("x-shopify-topic", "")
        if topic == "app/uninstalled":
            for shop in signed:
                await run_in_threadpool(receiver.uninstalled, shop.store.id)
            return JSONResponse({"status": "accepted"})
        kind = _kind(topic)
        if kind is None:
            return JSONResponse({"status": "ignored"})  # refused, it would be delivered again and again
        webhook_id = request.headers.get("x-shopify-webhook-id", "")
        if not _WEBHOOK_ID.fullmatch(webhook_id):
            raise HTTPException(400, "X-Shopify-Webhook-Id is not 1 to 100 letters, digits and hyphens")
        new = [await run_in_threadpool(receiver.accept, shop.store.id, kind, topic, webhook_id) for shop in signed]
        return JSONResponse({"status": "accepted" if any(new) else "known"})

    async def health(request: Request) -> Response:
        await run_in_threadpool(receiver.ready)
        return JSONResponse({"status": "ok"})

    def unavailable(request: Request, error: Exception) -> Response:
        _log.warning(str(error))
        return JSONResponse({"error": "not now"}, 503)

    def refused(request: Request, error: Any) -> Response:
        return JSONResponse({"error": error.detail}, error.status_code, headers=error.headers)

    return Starlette(
        routes=[Route(PATH, deliver, methods=["POST"]), Route("/healthz", health, methods=["GET"])],
        exception_handlers={PipelineError: unavailable, HTTPException: refused},
    )


async def _signed(request: Request, shops: Sequence[Shop]) -> list[Shop]:
    """The shops with whose secret the body is signed. It is never held as a whole."""
    length = request.headers.get("content-length", "0")
    if length.isdecimal() and int(length) > MAX_BYTES:
        raise HTTPException(413, f"more than {MAX_BYTES} bytes")
    digests = [(shop, hmac.new(secret.reveal().encode(), digestmod="sha256")) for shop in shops for secret in shop.secrets or ()]
    try:
        await asyncio.wait_for(_digest(request, [digest for _, digest in digests]), BODY_SECONDS)
    except (asyncio.TimeoutError, TimeoutError):
        raise HTTPException(408, "the body did not come") from None
    except ClientDisconnect:
        raise HTTPException(400, "the body did not come whole") from None
    try:
        given = base64.b64decode(request.headers.get("x-shopify-hmac-sha256", ""), validate=True)
    except (binascii.Error, ValueError):
        given = b""
    # A list, not a generator: all are compared, whichever fits.
    fits = [hmac.compare_digest(digest.digest(), given) for _, digest in digests]
    return [shop for shop in shops if any(fit and other is shop for fit, (other, _) in zip(fits, digests, strict=True))]


async def _digest(request: Request, digests: Sequence[hmac.HMAC]) -> None:
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_BYTES:
            raise HTTPException(413, f"more than {MAX_BYTES} bytes")
        for digest in digests:
            digest.update(chunk)


def _kind(topic: str) -> Kind | None:
    """Which part of the catalog a topic is about; None for one that asks for nothing."""
    name, slash, _ = topic.partition("/")
    return _KINDS.get(name) if slash else None


def _load(connection: psycopg.Connection[Any]) -> dict[str, list[Shop]]:
    found: dict[str, list[Shop]] = {}
    for store in list_stores(connection):
        if store.source == "shopify":
            found.setdefault(str(store.source_settings["domain"]), []).append(Shop(store))
    return found
