"""Secrets stay in the vault: whatever is done, and whatever fails, they are in no table, file, log, output or argument."""

import base64
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from pipeline.model.errors import PipelineError
from pipeline.platform.resources import Workspace, expected_failures
from pipeline.stores.stores import get_store, open_credentials
from pipeline_tests.fakes.amazon import SELLER, FakeAmazon, Fault, running
from pipeline_tests.fakes.amazon_feeds import Ending
from pipeline_tests.flows import daemon
from pipeline_tests.flows.place import SITES
from pipeline_tests.flows.scene import ACCOUNT, PIM, Scene, impatient
from pipeline_tests.points import dying_at


@pytest.fixture
def amazon(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAmazon]:
    with running() as fake:
        monkeypatch.setenv("AMAZON_API_URL", fake.url)
        monkeypatch.setenv("AMAZON_LWA_API_URL", fake.url)
        yield fake


@pytest.fixture
def with_credentials(scene: Scene, amazon: FakeAmazon, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """Stores and connections with credentials, which came in all the ways there are."""
    scene.cli(
        "store",
        "add",
        "static",
        "--source",
        "shopify",
        "--domain",
        "static",
        "--credentials",
        scene.file("static", "access_token"),
    )
    given = json.dumps(scene.secrets("pim", *PIM))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(given.encode())))
    pim = ("--source", "akeneo", "--url", "https://pim.example.com", "--channel", "shop", "--locale", "en_US")
    scene.cli("store", "add", "pim", *pim, "--credentials", "-")
    scene.file("listed", "client_id", "client_secret", "webhook_secret")
    (scene.folder / "stores.csv").write_text("key,source,domain,credentials\nlisted,shopify,listed,listed.json\n")
    scene.cli("store", "add", "--from", str(scene.folder / "stores.csv"))
    for site in SITES:
        file = scene.file(site, *ACCOUNT)
        if site.startswith("amazon"):
            amazon.credentials = json.loads(Path(file).read_text())
        scene.cli("connection", "set", "shop", site, f"seller_id={SELLER}", "--credentials", file)
    # Amazon does not know these, and says so with the secret in its answer.
    unknown = scene.file("uk", *ACCOUNT)
    scene.cli("connect", "static", "amazon-uk", "--set", f"seller_id={SELLER}", "--credentials", unknown, code=1)
    return scene


def test_a_day_of_work_leaves_no_secret_anywhere(with_credentials: Scene) -> None:
    scene = with_credentials
    scene.cli("import", "shop")
    scene.cli("connection", "set", "shop", "amazon-us", "price_adjustment_percent=3")
    for site in SITES:
        scene.cli("export", "shop", site)
    for command in (
        "store list",
        "store show static",
        "connection list",
        "connection show shop amazon-us",
        "jobs list",
        "status",
    ):
        scene.cli(*command.split())
        scene.cli(*command.split(), "--json")
    run = scene.cli("jobs", "list", "--json").json["jobs"][0]["id"]
    scene.cli("jobs", "status", run)
    scene.cli("keys", "check")
    new = scene.cli("keys", "generate", "--json").json["key"]
    scene.plant_keys()
    scene.cli("keys", "promote", new)
    assert scene.cli("credentials", "rotate", "--json").json["moved"] == {"stores": 3, "connections": 3}
    scene.cli("keys", "check", "--json")
    scene.cli("store", "set", "static", "--credentials", scene.file("newer", "access_token"))
    scene.cli("connection", "set", "shop", "ebay-us", "--forget-credentials")
    scene.cli("store", "remove", "listed", "--yes")
    assert scene.search() == []


def test_whatever_fails_leaves_no_secret_anywhere(with_credentials: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = with_credentials
    good = scene.keys.read_text()
    kid = next(line for line in good.splitlines() if not line.startswith("#")).partition(":")[0]
    scene.keys.write_text(f"{kid}:{base64.b64encode(os.urandom(32)).decode()}\n")  # another key under the same name
    failed = scene.cli("import", "static", "--json", code=1)
    assert f"store static: credential cannot be decrypted (kid {kid})" in failed.out
    scene.cli("store", "test", "pim", code=1)
    assert len(scene.cli("keys", "check", "--json", code=1).json["unreadable"]) == 6
    scene.cli("credentials", "rotate")  # nothing is sealed by another name
    scene.cli("export", "shop", "ebay-us")  # file mode opens no credentials
    scene.cli("export", "shop", "amazon-us", code=1)
    rows = {row["store"]: row["state"] for row in scene.cli("status", "--json").json["connections"]}
    assert (rows["static"], rows["pim"], rows["listed"]) == ("error", "error", "not connected")
    scene.keys.chmod(0o644)
    scene.cli("import", "static", code=2)
    scene.cli("keys", "check", code=2)
    scene.keys.chmod(0o600)
    secret = scene.canaries.plant("misplaced")
    wrong = (secret, json.dumps({"access_token": secret})[:-2], json.dumps({secret: "x"}), json.dumps({"access_token": [secret]}))
    for content in wrong:
        (scene.folder / "wrong.json").write_text(content)
        scene.cli("store", "set", "static", "--credentials", str(scene.folder / "wrong.json"), code=2)
        scene.cli("connect", "pim", "ebay-us", "--credentials", str(scene.folder / "wrong.json"), "--json", code=2)
    scene.cli("store", "set", "static", "--credentials", json.dumps({"access_token": secret}), code=2)
    scene.cli("connection", "set", "shop", "amazon-us", f"refresh_token={secret.replace('%', '')}", code=2)
    (scene.folder / "stores.csv").write_text(f"key,source,domain,access_token\nx,shopify,x,{secret}\n")
    scene.cli("store", "add", "--from", str(scene.folder / "stores.csv"), code=2)
    scene.keys.write_text(secret)
    scene.cli("keys", "check", code=2)
    scene.keys.write_text(good)
    scene.cli("keys", "check")
    assert scene.search() == []


KINDS = [401, "echo"]
LONG_KINDS = [
    pytest.param(kind, marks=pytest.mark.long) for kind in (400, 403, 429, 500, 503, "lost", "refused", "garbage", "hang")
]


@pytest.mark.parametrize("kind", [*KINDS, *LONG_KINDS])
def test_whatever_amazon_answers_leaves_no_secret_anywhere(
    with_credentials: Scene, amazon: FakeAmazon, kind: str | int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each operation fails once or twice on the way of two exports; the token is lost or refused in the middle."""
    scene = with_credentials
    impatient(monkeypatch, timeout=0.5 if kind == "hang" else None)
    operations = ("token", "createFeedDocument", "upload", "createFeed", "getFeed", "getFeeds", "getFeedDocument", "download")
    amazon.faults = [Fault(operation, kind, times=2) for operation in operations]
    for percent in ("3", "5"):
        scene.cli("connection", "set", "shop", "amazon-us", f"price_adjustment_percent={percent}")
        scene.cli("export", "shop", "amazon-us", code=None)
        for _ in range(5):
            amazon.clock.advance(4000)
            with scene.place.database.connect() as connection:
                connection.execute(
                    "UPDATE submissions SET next_at = now(), sending_at = sending_at - interval '1 hour',"
                    " documented_at = documented_at - interval '1 hour'"
                )
                connection.execute("UPDATE rate_limits SET tokens = burst")
            scene.cli("submissions", "poll", code=None)
        scene.cli("connection", "test", "shop", "amazon-us", code=None)
    scene.cli("submissions", "list", "--json")
    assert len(amazon.feeds) > 0 or kind in (400, "hang")  # refused for good, or never heard
    assert_no_secret(scene, amazon)


def assert_no_secret(scene: Scene, amazon: FakeAmazon) -> None:
    scene.plant_issued("amazon", *amazon.tokens, *amazon.signatures)
    assert scene.search(amazon.recorded) == []
    assert not any(b"Atza|" in call or b"X-Amz-Signature" in call for call in amazon.recorded)


def follow(scene: Scene, amazon: FakeAmazon, minutes: int) -> None:
    """Passes of the poll, some minutes apart."""
    for _ in range(minutes // 5):
        amazon.clock.advance(300)
        with scene.place.database.connect() as connection:
            connection.execute("UPDATE submissions SET next_at = now()")
            connection.execute("DELETE FROM rate_limits")
        scene.cli("submissions", "poll", code=None)


@pytest.mark.long
@pytest.mark.parametrize("ending", ["FATAL", "FATAL with a report", "DONE without a report", "bad report", "revoked", "expired"])
def test_however_a_feed_ends_leaves_no_secret_anywhere(
    with_credentials: Scene, amazon: FakeAmazon, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = with_credentials
    impatient(monkeypatch)
    amazon.endings = [Ending(ending.split()[0], "with a" in ending)] if ending[0] in "FD" else []
    amazon.report_content = b"\x1f\x8bbroken" if ending == "bad report" else None
    scene.cli("export", "shop", "amazon-us")
    amazon.revoked = ending == "revoked"
    if ending == "expired":
        amazon.tokens.update(dict.fromkeys(amazon.tokens, amazon.clock.now()))
    follow(scene, amazon, 30)
    for command in ("submissions list", "submissions show 1", "connection show shop amazon-us", "status"):
        scene.cli(*command.split())
        scene.cli(*command.split(), "--json")
    assert_no_secret(scene, amazon)


@pytest.mark.long
@pytest.mark.parametrize(
    "name", ["token_refreshed_unsaved", "doc_created_unrecorded", "sending_before_post", "posted_unrecorded", "submitted"]
)
def test_killed_exports_leave_no_secret_anywhere(with_credentials: Scene, amazon: FakeAmazon, name: str) -> None:
    scene = with_credentials
    assert scene.child("export", "shop", "amazon-us", values=dying_at(name)).killed()
    assert_no_secret(scene, amazon)
    follow(scene, amazon, 30)
    assert_no_secret(scene, amazon)


def test_a_process_that_reads_secrets_has_none_in_its_arguments(scene: Scene) -> None:
    given = json.dumps(scene.secrets("piped", "access_token"))
    command = [sys.executable, "-c", "from pipeline.cli import main; main()", "store", "add", "piped", "--source", "shopify"]
    environment = {**os.environ, **scene.place.settings.environment()}
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([*command, "--domain", "piped", "--credentials", "-"], env=environment, **pipes) as child:
        assert scene.canaries.in_processes() == []
        scene.said += child.communicate(given)
    assert child.returncode == 0, scene.said
    assert scene.search() == []


def test_an_asset_that_is_careless_with_secrets_shows_stars(with_credentials: Scene) -> None:
    """Logged, printed, raised, put into metadata, or returned to an IO manager that pickles."""
    scene = with_credentials

    def credentials(workspace: Workspace) -> Any:
        with workspace.connect() as connection:
            return open_credentials(connection, workspace.vault, get_store(connection, "static"))

    @dg.asset
    def talkative(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.Output[int]:
        found = credentials(workspace)
        context.log.info(f"opened {found} {found['access_token']:>40}")
        print(found)
        return dg.Output(1, metadata={"credentials": str(found)})

    @dg.asset
    def failing(workspace: Workspace) -> None:
        found = credentials(workspace)
        with expected_failures():
            try:
                raise KeyError(found["access_token"])
            except KeyError as error:
                raise PipelineError(f"refused: {error} {found}") from error

    @dg.asset
    def returning(workspace: Workspace) -> Any:
        return credentials(workspace)

    with scene.place.instance() as instance:
        storage = dg.FilesystemIOManager(base_dir=str(scene.place.settings.data_dir / "pickles"))
        resources = {"workspace": Workspace(), "io_manager": storage}
        for asset, succeeds in ((talkative, True), (failing, False), (returning, False)):
            result = dg.materialize([asset], instance=instance, resources=resources, raise_on_error=False)
            assert result.success is succeeds
    events = scene.place.rows("SELECT event FROM event_logs")
    assert any("Secret('**********')" in event for (event,) in events)
    assert any("a secret cannot be pickled" in event for (event,) in events)
    assert scene.search() == []


def test_the_search_looks_where_the_work_was_done(with_credentials: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same search finds a secret that a run, a tick, a table, a file, an output or a request does hold."""
    scene = with_credentials
    secret = scene.canaries.plant("leaked")

    @dg.asset
    def leaking(context: dg.AssetExecutionContext) -> None:
        context.log.info(secret)
        raise ValueError(secret)

    with scene.place.instance() as instance:
        dg.materialize([leaking], instance=instance, raise_on_error=False)
        monkeypatch.setattr("pipeline.operations.new_imports.tick", lambda *_: 1 / int(secret))
        assert secret in daemon.tick(instance)["new_imports"]
    (scene.place.settings.data_dir / "logs").mkdir(exist_ok=True)
    (scene.place.settings.data_dir / "logs" / "debug.log").write_text(f"token={secret}\n")
    with scene.place.database.connect() as connection:
        connection.execute("UPDATE stores SET last_error = %s WHERE key = 'static'", [secret])
    scene.said.append(secret)
    places = {hit.where for hit in scene.search([secret.encode()])}
    expected = {"public.event_logs.event", "public.job_ticks.tick_body", "pipeline.stores.last_error", "output", "requests"}
    assert expected <= places, places
    assert any(place.endswith("debug.log") for place in places)
