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
from collections.abc import Sequence
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
_UNINSTALLED = "app/uninstalled"
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

    def accept(self, store_id: UUID, topic: str, webhook_id: str) -> bool:
        """Write what a verified delivery asks for. False when it was delivered before."""
        kind = _KINDS.get(topic.partition("/")[0])
        with self._lock:
            if topic == _UNINSTALLED:
                self._call(lambda connection: note_error(connection, store_id, _GONE))
                return True
            assert kind is not None
            return (
                self._call(
                    lambda connection: add_request(
                        connection, store_id, kind, "webhook", webhook_id, detail={"topic": topic}, quiet=QUIET
                    )
                )
                is not None
            )

    def ready(self) -> None:
        """Raises when the database does not answer."""
        with self._lock:
            self._call(lambda connection: connection.execute("SELECT 1"))

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
