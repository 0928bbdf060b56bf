"""The receiver of webhooks over real HTTP on loopback: what is accepted, once, and all that is refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
import socket
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import psycopg
import pytest
import uvicorn

from pipeline.catalog.requests import gather, open_batches
from pipeline.model.secret import Secret
from pipeline.operations import webhooks
from pipeline.operations.webhooks import PATH, Receiver, application
from pipeline.platform.database import Database
from pipeline.platform.vault.envelope import Vault
from pipeline.platform.vault.keys import Keyring
from pipeline.stores.stores import Store, add_store, get_store, remove_store, save_credentials

SECRET, OLD, OTHER = "CANARY-client-secret", "CANARY-old-secret", "CANARY-other-secret"
BODY = b'{"id": 1, "title": "M\xc3\xbcg"}'
VAULT = Vault(Keyring({"k1": bytes(range(32))}))


@pytest.fixture
def connection(database: Database) -> Iterator[psycopg.Connection[Any]]:
    with database.connect(autocommit=True) as found:
        yield found


def shop(connection: psycopg.Connection[Any], key: str, credentials: Mapping[str, str], domain: str | None = None) -> Store:
    store = add_store(connection, key, source="shopify", source_settings={"domain": domain or key}, same_source=True)
    save_credentials(connection, VAULT, store, {name: Secret(value) for name, value in credentials.items()})
    return store


@pytest.fixture
def receiver(connection: psycopg.Connection[Any], database: Database) -> Iterator[Receiver]:
    shop(connection, "demo", {"client_id": "id", "client_secret": SECRET})
    shop(connection, "other", {"access_token": "token", "webhook_secret": OTHER})
    found = Receiver(database, VAULT)
    yield found
    found.close()


@pytest.fixture
def client(receiver: Receiver) -> Iterator[httpx.Client]:
    """Of a server that runs as `pipeline webhooks` runs it, in a thread."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(100)
        server = uvicorn.Server(uvicorn.Config(application(receiver), log_level="warning", access_log=False, lifespan="off"))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        with httpx.Client(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=30) as found:
            yield found
        server.should_exit = True
        thread.join()


def sign(body: bytes, secret: str) -> str:
    return base64.b64encode(hmac.digest(secret.encode(), body, hashlib.sha256)).decode()


def headers(body: bytes = BODY, secret: str = SECRET, **changes: str) -> dict[str, str]:
    found = {
        "X-Shopify-Topic": "products/update",
        "X-Shopify-Shop-Domain": "demo.myshopify.com",
        "X-Shopify-Hmac-SHA256": sign(body, secret),
        "X-Shopify-Webhook-Id": "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043",
        "Content-Type": "application/json",
    }
    return {**found, **{f"X-Shopify-{name.replace('_', '-')}": value for name, value in changes.items()}}


def deliver(client: httpx.Client, body: bytes = BODY, **changes: str) -> tuple[int, Any]:
    answer = client.post(PATH, content=body, headers=headers(body, **changes))
    return answer.status_code, answer.json().get("status")


def rows(connection: psycopg.Connection[Any]) -> list[tuple[Any, ...]]:
    return connection.execute(
        "SELECT s.key, r.kind, r.reason, r.reference FROM import_requests r JOIN stores s ON s.id = r.store_id ORDER BY r.id"
    ).fetchall()


def test_a_signed_delivery_is_one_request(client: httpx.Client, connection: psycopg.Connection[Any]) -> None:
    assert deliver(client) == (200, "accepted")
    assert rows(connection) == [("demo", "products", "webhook", "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043")]
    for _ in range(3):  # Shopify did not see our answer
        assert deliver(client) == (200, "known")
    assert len(rows(connection)) == 1


@pytest.mark.parametrize(
    ("topic", "kind"),
    [
        ("products/create", "products"), ("products/delete", "products"), ("collections/update", "collections"),
        ("inventory_levels/connect", "inventory"),
    ],
)  # fmt: skip
def test_topics(client: httpx.Client, connection: psycopg.Connection[Any], topic: str, kind: str) -> None:
    assert deliver(client, Topic=topic) == (200, "accepted")
    assert [row[1] for row in rows(connection)] == [kind]


@pytest.mark.parametrize("topic", ["orders/create", "themes/update", "", "products", "PRODUCTS/UPDATE", "x" * 5000])
def test_other_topics_ask_for_nothing_and_do_not_come_again(
    client: httpx.Client, connection: psycopg.Connection[Any], topic: str
) -> None:
    assert deliver(client, Topic=topic) == (200, "ignored")
    assert rows(connection) == []


def test_a_burst_becomes_one_import(client: httpx.Client, connection: psycopg.Connection[Any]) -> None:
    for number in range(50):
        assert deliver(client, Webhook_Id=f"id-{number}") == (200, "accepted")
    gather(connection, limit=9)
    assert open_batches(connection) == []  # not before it is over
    connection.execute("UPDATE import_requests SET due_at = due_at - %s", (webhooks.QUIET,))
    gather(connection, limit=9)
    (batch,) = open_batches(connection)
    assert (batch.store, batch.kind) == ("demo", "products")
    assert connection.execute("SELECT count(*) FROM import_requests WHERE lead_id = %s", (batch.lead_id,)).fetchone() == (50,)


@pytest.mark.parametrize("signature", ["", "x", "=", "AAAA", sign(BODY, OTHER), sign(BODY + b" ", SECRET), "ü", "A" * 10_000])
def test_a_wrong_signature_is_refused(client: httpx.Client, connection: psycopg.Connection[Any], signature: str) -> None:
    sent = {**headers(), "X-Shopify-Hmac-SHA256": signature.encode()}
    assert client.post(PATH, content=BODY, headers=sent).status_code == 401  # type: ignore[arg-type]
    assert rows(connection) == []


def test_a_signature_is_of_the_raw_body(client: httpx.Client, connection: psycopg.Connection[Any]) -> None:
    for body in (b"", b"{", b"\xff\xfe\x00", b'{"a":  1}\n', b"x" * 3_000_000):
        tampered = client.post(PATH, content=body + b"x", headers=headers(body))
        assert tampered.status_code == 401
        assert deliver(client, body, Webhook_Id=f"id-{len(body)}") == (200, "accepted")
    assert len(rows(connection)) == 5


def test_one_shop_cannot_speak_for_another(client: httpx.Client, connection: psycopg.Connection[Any]) -> None:
    assert deliver(client, Shop_Domain="other.myshopify.com")[0] == 401
    assert deliver(client, secret=OTHER, Shop_Domain="OTHER.myshopify.com") == (200, "accepted")
    assert [row[0] for row in rows(connection)] == ["other"]


def test_after_a_rotation_both_secrets_are_good(
    client: httpx.Client, connection: psycopg.Connection[Any], receiver: Receiver
) -> None:
    found = {"client_id": "id", "client_secret": SECRET, "webhook_secret": OLD}
    save_credentials(connection, VAULT, get_store(connection, "demo"), {name: Secret(value) for name, value in found.items()})
    for number, secret in enumerate((SECRET, OLD)):
        assert deliver(client, secret=secret, Webhook_Id=f"id-{number}") == (200, "accepted")
    assert deliver(client, secret=OTHER)[0] == 401


def test_unknown_shops_are_not_looked_up_each_time(
    client: httpx.Client, connection: psycopg.Connection[Any], receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads = []
    load = webhooks._load
    monkeypatch.setattr(webhooks, "_load", lambda connection: loads.append(1) or load(connection))
    for number in range(20):
        assert deliver(client, Shop_Domain=f"evil-{number}.myshopify.com")[0] == 404
    assert deliver(client, Shop_Domain="")[0] == 404
    assert rows(connection) == [] and len(loads) == 1
    shop(connection, "fresh", {"access_token": "t", "webhook_secret": OLD})
    assert deliver(client, secret=OLD, Shop_Domain="fresh.myshopify.com")[0] == 404
    receiver._until = 0.0  # some seconds later
    assert deliver(client, secret=OLD, Shop_Domain="fresh.myshopify.com") == (200, "accepted")


def test_the_vault_is_asked_once_for_many_deliveries(
    client: httpx.Client, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    original = webhooks.open_credentials
    monkeypatch.setattr(webhooks, "open_credentials", lambda *given: opened.append(1) or original(*given))
    for number in range(10):
        deliver(client, Webhook_Id=f"id-{number}")
    assert len(opened) == 1


def test_two_stores_of_one_shop_both_hear(client: httpx.Client, connection: psycopg.Connection[Any]) -> None:
    shop(connection, "demo-eur", {"access_token": "t", "webhook_secret": SECRET}, domain="demo")
    shop(connection, "demo-old", {"access_token": "t", "webhook_secret": OLD}, domain="demo")
    assert deliver(client) == (200, "accepted")
    assert sorted(row[0] for row in rows(connection)) == ["demo", "demo-eur"]


def test_too_large_a_body_is_refused(
    client: httpx.Client, connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "MAX_BYTES", 1000)
    assert deliver(client, b"x" * 1000, Webhook_Id="fits")[0] == 200
    assert deliver(client, b"x" * 1001)[0] == 413
    body = b"x" * 1001  # without a length: it is counted as it comes
    assert client.post(PATH, content=iter([body[:600], body[600:]]), headers=headers(body)).status_code == 413
    assert len(rows(connection)) == 1


def test_a_body_that_does_not_come_is_not_waited_for(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "BODY_SECONDS", 0.05)
    lines = [
        f"POST {PATH} HTTP/1.1",
        "Host: x",
        "Content-Length: 100",
        *(f"{name}: {value}" for name, value in headers().items()),
    ]
    with socket.create_connection((client.base_url.host, client.base_url.port or 80)) as slow:
        slow.sendall("\r\n".join([*lines, "", "{"]).encode())
        assert slow.recv(1000).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("webhook_id", ["", "a b", "x" * 101, "x" * 5000, "' OR 1=1"])
def test_a_delivery_without_a_good_id_is_refused(
    client: httpx.Client, connection: psycopg.Connection[Any], webhook_id: str
) -> None:
    answer = client.post(PATH, content=BODY, headers=headers(BODY, Webhook_Id=webhook_id))
    assert (answer.status_code, answer.json()) == (
        400,
        {"error": "X-Shopify-Webhook-Id is not 1 to 100 letters, digits and hyphens"},
    )
    assert rows(connection) == []


def test_methods_paths_and_health(client: httpx.Client) -> None:
    assert client.get(PATH).status_code == client.put(PATH).status_code == 405
    assert client.post("/").status_code == client.get("/docs").status_code == 404
    assert client.post("/healthz").status_code == 405
    assert (client.get("/healthz").status_code, client.get("/healthz").json()) == (200, {"status": "ok"})


def test_an_uninstalled_app_is_said_of_the_store(client: httpx.Client, connection: psycopg.Connection[Any]) -> None:
    assert deliver(client, Topic="app/uninstalled") == (200, "accepted")
    assert rows(connection) == []
    found = connection.execute("SELECT status, last_error FROM stores WHERE key = 'demo'").fetchone()
    assert found is not None and found[0] == "error" and "was uninstalled" in found[1]


def test_a_store_removed_meanwhile_is_no_error(client: httpx.Client, connection: psycopg.Connection[Any]) -> None:
    assert deliver(client) == (200, "accepted")
    remove_store(connection, "demo")
    assert deliver(client, Webhook_Id="id-2") == (200, "known")
    assert rows(connection) == []


def test_the_database_may_go_away_for_a_while(
    client: httpx.Client, connection: psycopg.Connection[Any], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert deliver(client) == (200, "accepted")
    connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    assert deliver(client, Webhook_Id="id-2") == (200, "accepted")
    connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    with monkeypatch.context() as patch:
        patch.setattr(database, "_parameters", {"host": "/nowhere", "dbname": "x"})
        assert deliver(client, Webhook_Id="id-3")[0] == 503  # Shopify delivers it again
        assert client.get("/healthz").status_code == 503
    assert deliver(client, Webhook_Id="id-3") == (200, "accepted")


def test_credentials_that_cannot_be_opened_are_said_without_them(
    client: httpx.Client, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.vault = Vault(Keyring({"k2": bytes(range(1, 33))}))
    assert deliver(client)[0] == 503
    assert "demo" in caplog.text and "CANARY" not in caplog.text


def test_nothing_secret_is_logged(
    client: httpx.Client, connection: psycopg.Connection[Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    shop(connection, "mute", {"access_token": "CANARY-token"})
    deliver(client)
    deliver(client, secret=OTHER)
    deliver(client, secret=OTHER, Shop_Domain="mute.myshopify.com")
    assert "store mute has no webhook_secret" in caplog.text
    said = "\n".join(record.getMessage() for record in caplog.records if not record.name.startswith(("httpx", "httpcore")))
    assert "CANARY" not in said and sign(BODY, SECRET) not in said
    stored = connection.execute("SELECT array_agg(r::text) FROM import_requests r").fetchone()
    assert "CANARY" not in str(stored) and "title" not in str(stored)
