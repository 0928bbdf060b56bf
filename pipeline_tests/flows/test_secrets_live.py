"""Secrets of live sources stay secret: imports, watchers, webhooks, labels and the model, also when a service repeats them.

`make test` runs each flow with many failures one after the other; `make test-long` each failure for itself, until it is given up.
"""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from pipeline.platform.http import Patience
from pipeline_tests.catalog.akeneo.sample import fill as fill_pim
from pipeline_tests.catalog.shopify_api.conftest import fill as fill_shop
from pipeline_tests.catalog.shopify_api.helpers import nothing
from pipeline_tests.fakes.akeneo import FakeAkeneo
from pipeline_tests.fakes.openai_server import MODEL, FakeOpenAI
from pipeline_tests.fakes.openai_server import running as running_model
from pipeline_tests.fakes.shopify import SCOPES, FakeShopify
from pipeline_tests.fakes.shopify import running as running_shop
from pipeline_tests.flows import daemon
from pipeline_tests.flows.scene import HEADER_SAFE, PIM, Scene, impatient
from pipeline_tests.flows.test_crash import PROGRAM, die_after
from pipeline_tests.operations.test_webhooks import BODY, headers

#: Of a shop: temporary ones, which an import survives, and those that end it.
TEMPORARY = ("429", "throttled", "500", "reset", "lost", "html", "truncated", "internal")
FINAL = ("echo", "null", "402", "403", "404", "423", "hang")
PIM_TEMPORARY = (429, "html", 500, "truncated", "reset", "empty")
PIM_FINAL = ("echo", 403, 422, "hang", "foreign_link", "items_missing")
QUICK = {"pipeline.catalog.shopify_api.source:PATIENCE": Patience(sleep=nothing)}


@dataclass
class Live:
    """Stores `app` (client credentials), `token` (a static token) and `pim`, whose secrets are all planted."""

    scene: Scene
    shop: FakeShopify
    pim: FakeAkeneo
    webhook_secret: str

    def search(self) -> list[Any]:
        self.scene.plant_issued("shopify", *self.shop.issued)
        self.scene.plant_issued("akeneo", *self.pim.issued)
        return self.scene.search([*self.shop.recorded, *self.pim.recorded])


@pytest.fixture
def live(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Iterator[Live]:
    impatient(monkeypatch)
    with running_shop(FakeShopify(scopes=(*SCOPES, "read_translations"))) as shop, FakeAkeneo() as pim:
        fill_shop(shop.data)
        shop.data.add_theme({"general.cart.title": "Your cart", "general.note": "A note"})
        fill_pim(pim)
        monkeypatch.setenv("SHOPIFY_API_URL", shop.url)
        monkeypatch.setenv("AKENEO_API_URL", pim.url)
        app, token = scene.secrets("app", "client_id", "client_secret", "webhook_secret"), scene.secrets("token", "access_token")
        shop.client, shop.tokens = (app["client_id"], app["client_secret"]), {token["access_token"]}
        pim.credentials = scene.secrets("pim", *PIM)
        add = ("store", "add")
        for key, secrets in (("app", app), ("token", token)):
            domain = ("--source", "shopify", "--domain", f"{key}.myshopify.com")
            scene.cli(*add, key, *domain, "--credentials", scene.write(key, secrets))
        where = ("--url", "https://pim.example.com", "--channel", "ecommerce", "--locale", "en_US")
        roles = ("--attribute", "images=photo_urls")
        scene.cli(*add, "pim", "--source", "akeneo", *where, *roles, "--credentials", scene.write("pim", pim.credentials))
        yield Live(scene, shop, pim, app["webhook_secret"])


def test_imports_that_go_well_or_fail_leave_no_secret(live: Live) -> None:
    """Every temporary failure, a token that is refused in the middle, an address that expires, a kill, refusals that echo."""
    scene, shop, pim = live.scene, live.shop, live.pim
    for store in ("app", "token", "pim"):
        scene.cli("store", "test", store)
    polled = {"pipeline.catalog.shopify_api.bulk:Bulk._poll": (die_after,)}
    assert scene.child("import", "app", hooks=polled, values=QUICK).killed()
    shop.next_faults += ["429", "500", "reset", None, *TEMPORARY]  # the first of the token
    shop.faults[("download", 1)] = "expired"
    scene.cli("import", "app")
    assert shop.next_faults == [] and len([one for one in shop.issued if one.startswith("shpca_")]) >= 3
    assert scene.child("import", "pim", hooks={"pipeline.catalog.akeneo.client:Client._tokens": (die_after,)}).killed()
    # Three bodies that are none end the import, if one page gets them: so no two come to the same kind of page.
    for number, what in enumerate(PIM_TEMPORARY):
        pim.fail(("products", "product-models", "attributes")[number // 2], 1 + number % 2, what)
    pim.token_calls = 5  # renewed again and again
    scene.cli("import", "pim")
    for store, faults, said in (
        ("token", ["echo"], "does not accept the credentials"),
        ("app", ["echo"], "does not give app.myshopify.com an access token"),
        ("app", [None, "echo", None, "echo"], "does not accept the credentials"),
    ):
        shop.next_faults = list(faults)
        assert said in scene.cli("import", store, "--json", code=1).error
    shop.next_faults = ["echo"]
    scene.cli("store", "test", "app", code=1)
    pim.heal()
    pim.fail("*", 1, "echo", 100)
    scene.cli("import", "pim", code=1)
    scene.cli("store", "test", "pim", code=1)
    scene.cli("status", "--json")
    assert live.search() == []


@pytest.mark.long
@pytest.mark.parametrize("fault", [*TEMPORARY, *FINAL])
def test_whatever_a_shop_answers_leaves_no_secret(live: Live, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the token, in the middle, at the download, until it is given up; then the import ends well."""
    scene, shop = live.scene, live.shop
    if fault == "hang":
        impatient(monkeypatch, timeout=0.5)
    for store, kind, nth in (("app", "token", 1), ("app", "download", 1), ("token", "shop", 1), ("token", "download", 2)):
        shop.calls.clear()
        shop.faults = {(kind, number): fault for number in range(nth, nth + 40)}
        scene.cli("import", store, code=None)
        scene.cli("store", "test", store, code=None)
    shop.next_faults = [fault] * 40
    scene.cli("import", "token", code=None)
    scene.cli("labels", "import", "token", code=None)
    shop.next_faults, shop.faults = [], {}
    if fault != "hang":
        scene.cli("import", "app")
    assert live.search() == []


@pytest.mark.long
@pytest.mark.parametrize("what", [*PIM_TEMPORARY, *PIM_FINAL])
def test_whatever_a_pim_answers_leaves_no_secret(live: Live, what: int | str, monkeypatch: pytest.MonkeyPatch) -> None:
    scene, pim = live.scene, live.pim
    if what == "hang":
        impatient(monkeypatch, timeout=0.5)
    for kind in ("token", "products", "attributes"):
        pim.heal()
        pim.fail(kind, 1, what, 1000)
        scene.cli("import", "pim", code=None)
        scene.cli("store", "test", "pim", code=None)
    pim.heal()
    if what != "hang":
        scene.cli("import", "pim")
    assert live.search() == []


DEATHS = {
    "app": [
        {f"pipeline.catalog.shopify_api.{name}": (die_after,)}
        for name in ("auth:Tokens._grant", "bulk:Bulk._run", "bulk:Bulk._save_id", "bulk:Bulk._poll", "bulk:store_raw")
    ],
    "pim": [{f"pipeline.catalog.akeneo.{name}": (die_after,)} for name in ("client:Client._tokens", "source:fetch")],
}  # fmt: skip


@pytest.mark.long
def test_killed_imports_leave_no_secret(live: Live) -> None:
    for store, deaths in DEATHS.items():
        for hooks in deaths:
            assert live.scene.child("import", store, hooks=hooks, values=QUICK).killed(), hooks
            assert live.search() == []
        live.scene.cli("import", store)
    assert live.search() == []


def test_ticks_and_watchers_leave_no_secret(live: Live) -> None:
    """Sensors and schedules as the daemon runs them, with their cursors, errors and runs; a file in the inbox; the watcher's
    looks at shops that refuse; a tick without a database, one with wrong keys."""
    scene = live.scene
    inbox = scene.place.settings.data_dir / "inbox" / "shop"
    inbox.mkdir(parents=True)
    (inbox / "next.csv").write_text("Handle,Title\nmug,Mug\n")
    password = scene.canaries.plant("database-password", "")
    # Undone before the place's own environment is, in which it is set.
    with scene.place.instance() as instance, pytest.MonkeyPatch.context() as patch:
        daemon.tick(instance)
        live.shop.next_faults = ["echo"] * 8
        assert daemon.run(instance, "watch_sources").success and len(live.shop.next_faults) < 8
        patch.setenv("DATABASE_URL", f"postgresql://pipeline:{password}@127.0.0.1:1/none")
        failed = daemon.tick(instance)
        assert any("cannot be reached" in error for error in failed.values()), failed
        patch.setenv("DATABASE_URL", scene.place.settings.database_url or "")
        patch.setenv("CREDENTIAL_KEYS_FILE", "")
        patch.setenv("CREDENTIAL_KEYS", f"k9:{scene.canaries.plant('misplaced-key', '')}")
        daemon.tick(instance)
        daemon.run(instance, "watch_sources")
        daemon.run(instance, "poll_submissions")
    ticks = scene.place.rows("SELECT status, count(*) FROM job_ticks GROUP BY 1")
    assert {"SUCCESS", "SKIPPED", "FAILURE"} & {status for status, _ in ticks} >= {"FAILURE"}, ticks
    assert scene.place.rows("SELECT count(*) FROM stores WHERE status = 'error'")[0][0] > 0
    assert live.search() == []


def test_webhooks_leave_no_secret(live: Live) -> None:
    """The receiver as a process: right and wrong signatures, the secret itself where the signature belongs, and in the body."""
    scene, secret = live.scene, live.webhook_secret
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    import os

    environment = {**os.environ, **scene.place.settings.environment()}
    with subprocess.Popen([*PROGRAM, "webhooks", "--port", str(port), "--json"], env=environment, **pipes) as process:
        assert process.stdout is not None
        said = "".join(process.stdout.readline() for _ in range(3))
        url = json.loads(said)["url"]
        domain = {"Shop_Domain": "app.myshopify.com"}
        with httpx.Client(transport=httpx.HTTPTransport(retries=8), timeout=60) as client:
            echo = json.dumps({"secret": secret}).encode()
            other = scene.canaries.plant("other-secret", "")
            sent = [
                (200, BODY, headers(BODY, secret, **domain)),
                (200, echo, headers(echo, secret, **domain, Webhook_Id="second")),
                (401, BODY, headers(BODY, other, **domain)),
                (401, BODY, {**headers(BODY, secret, **domain), "X-Shopify-Hmac-SHA256": secret}),
                (400, BODY, headers(BODY, secret, **domain, Webhook_Id=secret)),
                (200, BODY, headers(BODY, secret, **domain, Topic=f"orders/{secret}")),
                (503, BODY, headers(BODY, secret, Shop_Domain="token.myshopify.com")),
                (404, BODY, headers(BODY, secret, Shop_Domain=secret)),
            ]
            for status, body, given in sent:
                answer = client.post(url, content=body, headers=given)
                assert answer.status_code == status, (given, answer.text)
                scene.said.append(answer.text)
        assert scene.canaries.in_processes() == []
        process.send_signal(signal.SIGINT)
        scene.said += [said, *process.communicate(timeout=60)]
    assert scene.place.rows("SELECT count(*) FROM import_requests WHERE reason = 'webhook'") == [(2,)]
    assert live.search() == []


@pytest.fixture
def model(live: Live, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeOpenAI]:
    with running_model(FakeOpenAI(key=live.scene.canaries.plant("llm-key", HEADER_SAFE))) as found:
        for name, value in found.environment().items():
            monkeypatch.setenv(name, value)
        yield found


def test_labels_and_the_model_leave_no_secret(live: Live, model: FakeOpenAI) -> None:
    scene, shop = live.scene, live.shop
    shop.next_faults = ["500", "throttled"]
    scene.cli("labels", "import", "token")
    shop.next_faults = ["echo"]
    scene.cli("labels", "import", "token", code=1)
    shop.next_faults = []
    model.fail(429, times=1)
    model.fail(500, times=1)
    for kind in ("disconnect", "malformed", "empty"):
        model.spoil(kind)
    scene.cli("labels", "translate", "token", "--to", "de")
    assert model.answered > 0
    model.spoil("echo", times=None)
    assert "key" in scene.cli("labels", "translate", "token", "--to", "fr", "--json", code=1).error
    for command in ("labels status token", "labels list token", "language status", "status"):
        scene.cli(*command.split(), "--json", code=None)
    assert live.search() == []
    assert scene.canaries.find(b"\n".join(model.recorded), "requests to the model") == []
    assert model.recorded and MODEL.encode() in model.recorded[0]


@pytest.mark.long
@pytest.mark.parametrize("kind", ["echo", "disconnect", "malformed", "empty", "refuse", "truncate", 400, 402, 403, 404, 429, 500])
def test_whatever_the_model_answers_leaves_no_secret(live: Live, model: FakeOpenAI, kind: int | str) -> None:
    scene = live.scene
    scene.cli("labels", "import", "token")
    if isinstance(kind, int):
        model.fail(kind, times=None, error={"message": f"refused {model.key}", "code": "no"})
    else:
        model.spoil(kind, times=None)
    scene.cli("labels", "translate", "token", "--to", "de", code=None)
    assert model.recorded and scene.canaries.find(b"\n".join(model.recorded), "requests to the model") == []
    assert live.search() == []


def test_without_database_or_keys_nothing_secret_is_said(live: Live, tmp_path: Path) -> None:
    scene = live.scene
    password = scene.canaries.plant("database-password", "")
    commands = ("status", "import app", "store test app", "keys check", "credentials rotate", "submissions poll", "jobs list")
    from dataclasses import replace

    good = scene.place.settings
    for url in (f"postgresql://pipeline:{password}@127.0.0.1:1/none", f"mysql://pipeline:{password}@127.0.0.1/none"):
        object.__setattr__(scene.place, "settings", replace(good, database_url=url))
        for command in commands:
            done = scene.cli(*command.split(), code=None)
            assert done.code in (1, 2) and "Traceback" not in done.err, (command, done)
    object.__setattr__(scene.place, "settings", good)
    assert live.search() == []
