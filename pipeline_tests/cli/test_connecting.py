"""Connecting to Amazon: the walk at a terminal, and keys of former times that are refused with the reason."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest

from pipeline.settings import Settings
from pipeline_tests.cli import test_credentials
from pipeline_tests.cli.conftest import Cli
from pipeline_tests.cli.terminal import in_terminal
from pipeline_tests.cli.test_credentials import AMAZON, opened, pipe, write
from pipeline_tests.fakes.amazon import SELLER, FakeAmazon

key_file, amazon = test_credentials.key_file, test_credentials.amazon
FIRST = "client_id (Enter alone: file mode, nothing is sent): "


def answers(**other: str) -> list[tuple[str, str]]:
    given = {**AMAZON, **other}
    return [
        (FIRST, given["client_id"]), ("client_secret: ", given["client_secret"]), ("refresh_token: ", given["refresh_token"]),
        ("seller_id: ", SELLER),
    ]  # fmt: skip


def test_the_walk(demo: str, amazon: FakeAmazon, cli: Cli, settings: Settings, connection: psycopg.Connection) -> None:
    code, shown = in_terminal(["connect", demo, "amazon-us"], answers())
    assert code == 0, shown
    assert "amazon-us: region NA, marketplace ATVPDKIKX0DER, USD, en-US" in shown
    for where in ("Develop Apps", "Authorize", "Merchant Token"):
        assert where in shown
    assert "CANARY-id" in shown and SELLER in shown  # names of the account are shown while they are typed, secrets are not
    assert "CANARY-secret" not in shown and "CANARY-refresh" not in shown
    assert "live: exports are sent" in shown
    assert opened(connection, settings, "marketplace_credentials") == AMAZON
    found = cli("connection", "show", demo, "amazon-us", "--json").json
    assert (found["status"], found["mode"], found["sync_settings"], found["region"]) == (
        "active", "live", {"seller_id": SELLER}, "NA",
    )  # fmt: skip
    assert "CANARY" not in json.dumps(found)
    # A second time nobody types in vain.
    code, shown = in_terminal(["connect", demo, "amazon-us"], [])
    assert code == 2 and "is connected to amazon-us already" in shown


def test_the_walk_with_a_wrong_secret(demo: str, amazon: FakeAmazon, cli: Cli) -> None:
    code, shown = in_terminal(["connect", demo, "amazon-us"], answers(client_secret="CANARY-wrong"))
    assert code == 1
    assert "the client id or the client secret is wrong" in shown and "CANARY-wrong" not in shown
    assert f"pipeline connection set {demo} amazon-us --credentials ask" in shown
    found = cli("connection", "show", demo, "amazon-us", "--json").json
    assert found["status"] == "error" and "client secret is wrong" in found["last_error"]
    code, shown = in_terminal(
        ["connection", "set", demo, "amazon-us", "--credentials", "ask"],
        [("client_id: ", AMAZON["client_id"]), ("client_secret: ", AMAZON["client_secret"]),
         ("refresh_token: ", AMAZON["refresh_token"])],
    )  # fmt: skip
    assert code == 0 and "CANARY-secret" not in shown
    assert cli("connection", "show", demo, "amazon-us", "--json").json["status"] == "active"


def test_enter_alone_is_file_mode(demo: str, cli: Cli) -> None:
    code, shown = in_terminal(["connect", demo, "amazon-de"], [(FIRST, "")])
    assert code == 0 and "file mode" in shown and "region EU, marketplace A1PA6795UKMFR9, EUR, de-DE" in shown
    assert cli("connection", "show", demo, "amazon-de", "--json").json["mode"] == "file"


@pytest.mark.parametrize("options", [["--set", f"seller_id={SELLER}"], ["--json"], ["--account-name", "Shop"]])
def test_with_an_option_nothing_is_asked(demo: str, options: list[str]) -> None:
    code, shown = in_terminal(["connect", demo, "amazon-us", *options], [])
    assert code == 0 and "Develop Apps" not in shown


def test_without_a_terminal_nothing_is_asked(demo: str, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe(monkeypatch, "")
    assert cli("connect", demo, "amazon-us").code == 0


def test_nothing_is_asked_for_an_unknown_store(amazon: FakeAmazon, settings: Settings) -> None:
    code, shown = in_terminal(["connect", "nobody", "amazon-us"], [])
    assert code == 2 and "there is no store" in shown


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("mws_auth_token", "switched off on 2024-04-01"),
        ("MWS-Auth-Token", "switched off on 2024-04-01"),
        ("access_key", "no AWS keys and no signatures since 2023-10-02"),
        ("aws_access_key_id", "no AWS keys"),
        ("secret_key", "no AWS keys"),
        ("aws_secret_access_key", "no AWS keys"),
        ("role_arn", "no AWS keys"),
    ],
)
def test_keys_of_former_times_are_refused_with_the_reason(
    name: str, reason: str, demo: str, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {**AMAZON, name: "CANARY-old"}
    by_file = cli("connect", demo, "amazon-us", "--credentials", write(tmp_path, "c.json", given))
    pipe(monkeypatch, json.dumps(given))
    by_stdin = cli("connect", demo, "amazon-us", "--credentials", "-", "--json")
    for refused in (by_file, by_stdin):
        assert refused.code == 2
        assert reason in refused.err and "it takes client_id, client_secret and refresh_token" in refused.err
        assert "CANARY" not in refused.out + refused.err
    assert cli("connection", "list", "--json").json == {"connections": []}
