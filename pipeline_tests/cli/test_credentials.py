"""Secrets on the command line: how they come in, that they never come out, and what keys and rotation say."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pipeline.platform.instance import open_instance
from pipeline.platform.vault.key_files import read_key_file
from pipeline.settings import Settings
from pipeline_tests.cli.conftest import Cli
from pipeline_tests.cli.terminal import in_terminal
from pipeline_tests.fakes.amazon import FakeAmazon, running

SHOPIFY = {"access_token": "CANARY-shopify"}
AMAZON = {"client_id": "CANARY-id", "client_secret": "CANARY-secret", "refresh_token": "CANARY-refresh"}
AKENEO = {"client_id": "CANARY-id", "client_secret": "CANARY-secret", "username": "CANARY-user", "password": "CANARY-pass ☕"}
SHOP = ("--source", "shopify", "--domain", "my-shop")
PIM = ("--source", "akeneo", "--url", "https://pim.example.com", "--channel", "shop", "--locale", "de_DE")


@pytest.fixture(autouse=True)
def key_file(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = settings.data_dir / "keys"
    path.write_text(f"k1:{base64.b64encode(bytes(range(32))).decode()}\n")
    path.chmod(0o600)
    monkeypatch.setenv("CREDENTIAL_KEYS_FILE", str(path))
    return path


@pytest.fixture
def amazon(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAmazon]:
    with running() as fake:
        fake.credentials = dict(AMAZON)
        monkeypatch.setenv("AMAZON_API_URL", fake.url)
        monkeypatch.setenv("AMAZON_LWA_API_URL", fake.url)
        yield fake


@pytest.fixture(autouse=True)
def _nothing_is_shown(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Whatever a test runs, no canary reaches the terminal."""
    from pipeline_tests.cli import conftest

    seen = []
    make = conftest.Result

    def watched(code: int, out: str, err: str) -> Any:
        seen.append(out + err)
        return make(code, out, err)

    monkeypatch.setattr(conftest, "Result", watched)
    yield
    assert "CANARY" not in "".join(seen)


def write(folder: Path, name: str, value: object, mode: int = 0o600) -> str:
    path = folder / name
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    path.chmod(mode)
    return str(path)


def pipe(monkeypatch: pytest.MonkeyPatch, content: str | bytes) -> None:
    raw = content if isinstance(content, bytes) else content.encode()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(raw)))


def opened(connection: psycopg.Connection, settings: Settings, table: str = "stores") -> dict[str, str]:
    from pipeline.platform.vault.envelope import Vault
    from pipeline.stores.credentials import open_row

    found = connection.execute(f"SELECT id FROM {table}").fetchone()
    assert found is not None
    secrets = open_row(connection, Vault(read_key_file(settings.data_dir / "keys")), table, found[0])
    return {name: secret.reveal() for name, secret in secrets.items()}


def test_a_live_store_from_a_file(cli: Cli, tmp_path: Path, settings: Settings, connection: psycopg.Connection) -> None:
    made = cli("store", "add", "shop", *SHOP, "--credentials", write(tmp_path, "c.json", SHOPIFY), "--json")
    assert made.code == 0, made.err
    assert (made.json["source_settings"], made.json["credentials"], made.err) == (
        {"domain": "my-shop.myshopify.com"}, "sealed with key k1", "",
    )  # fmt: skip
    assert opened(connection, settings) == SHOPIFY
    assert "sealed with key k1" in cli("store", "show", "shop").out


def test_a_live_store_from_stdin(
    cli: Cli, settings: Settings, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe(monkeypatch, json.dumps(AKENEO))
    made = cli(
        "store", "add", "pim", *PIM, "--attribute", "title=name", "--attribute", "images=a,b", "--credentials", "-", "--json"
    )
    assert made.code == 0, made.err
    assert made.json["language"] == "de-DE"
    assert made.json["source_settings"]["attributes"] == {"title": "name", "images": ["a", "b"]}
    assert opened(connection, settings) == AKENEO


def test_a_live_store_by_prompt_without_an_echo(settings: Settings, connection: psycopg.Connection) -> None:
    code, shown = in_terminal(
        ["store", "add", "shop", *SHOP],
        [
            ("access_token (Enter to give client_id and client_secret instead): ", ""),
            ("client_id: ", "CANARY-id"),
            ("client_secret: ", "CANARY-secret"),
            ("webhook_secret (Enter if there is none): ", ""),
        ],
    )
    assert code == 0, shown
    assert "CANARY" not in shown
    assert opened(connection, settings) == {"client_id": "CANARY-id", "client_secret": "CANARY-secret"}


def test_what_is_pasted_at_the_first_prompt_is_not_shown(settings: Settings, connection: psycopg.Connection) -> None:
    code, shown = in_terminal(
        ["store", "add", "shop", *SHOP, "--credentials", "ask"],
        [(": ", "CANARY-token"), ("webhook_secret (Enter if there is none): ", "CANARY-hook")],
    )
    assert code == 0 and "CANARY" not in shown, shown.replace("CANARY", "...")
    assert opened(connection, settings) == {"access_token": "CANARY-token", "webhook_secret": "CANARY-hook"}


def test_nothing_is_asked_where_nobody_can_answer(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe(monkeypatch, "")
    result = cli("store", "add", "shop", *SHOP)
    assert result.code == 2 and "access_token, or client_id and client_secret" in result.err
    assert all(way in result.err for way in ("--credentials ask", "--credentials FILE", "--credentials -"))
    asked = cli("store", "add", "shop", *SHOP, "--credentials", "ask")
    assert asked.code == 2 and "needs a terminal" in asked.err
    assert cli("store", "list", "--json").json == {"stores": []}


WRONG = [
    ("", "must hold one JSON object"),
    ("CANARY", "must hold one JSON object"),
    ('["CANARY"]', "must hold one JSON object"),
    ("{}", "must hold one JSON object"),
    ('{"access_token": 1}', "must hold one JSON object"),
    ('{"access_token": {"a": "CANARY"}}', "must hold one JSON object"),
    ('{"access_token": "CANARY', "must hold one JSON object"),
    ('{"access_token": "CANARY-1", "access_token": "CANARY-2"}', "a name twice"),
    ('{"access_token": "CANARY", "CANARY-x": "y"}', "unknown name"),
    ('{"client_id": "CANARY"}', "not complete"),
    ('{"access_token": "CANARY\\n"}', "without line breaks"),
    ("[" * 100_000, "more than"),
    ("[" * 60_000, "must hold one JSON object"),
    (b'{"access_token": "CANARY\xff"}', "must hold one JSON object"),
]


@pytest.mark.parametrize(("content", "message"), WRONG, ids=range(len(WRONG)))
def test_wrong_credentials_are_one_sentence_that_quotes_nothing(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, content: str | bytes, message: str
) -> None:
    pipe(monkeypatch, content)
    result = cli("store", "add", "shop", *SHOP, "--credentials", "-", "--json")
    assert result.code == 2 and message in result.json["error"]
    assert cli("store", "list", "--json").json == {"stores": []}


def test_a_file_is_not_an_argument(cli: Cli, tmp_path: Path) -> None:
    """Who gives a secret instead of a file reads an error without it."""
    for given in ('{"access_token": "CANARY"}', "CANARY-token", str(tmp_path), "a\0CANARY"):
        result = cli("store", "add", "shop", *SHOP, "--credentials", given)
        assert result.code == 2 and "cannot be read" in result.err, result


def test_a_file_that_others_can_read_is_said(cli: Cli, tmp_path: Path) -> None:
    made = cli("store", "add", "shop", *SHOP, "--credentials", write(tmp_path, "c.json", SHOPIFY, 0o644), "--json")
    assert made.code == 0 and "other users can read" in made.err


def test_a_file_store_takes_none(cli: Cli, catalog: Path, tmp_path: Path) -> None:
    given = write(tmp_path, "c.json", SHOPIFY)
    result = cli("store", "add", "shop", "--file", str(catalog), "--credentials", given)
    assert result.code == 2 and "takes no credentials" in result.err


def test_a_store_gets_new_credentials_and_settings(
    cli: Cli, tmp_path: Path, settings: Settings, connection: psycopg.Connection
) -> None:
    cli("store", "add", "pim", *PIM, "--attribute", "title=name", "--credentials", write(tmp_path, "c.json", AKENEO))
    newer = {**AKENEO, "password": "CANARY-new"}
    given = ("--credentials", write(tmp_path, "n.json", newer), "--attribute", "gtin=ean", "--channel", "print")
    changed = cli("store", "set", "pim", *given, "--json")
    assert changed.code == 0, changed.err
    assert changed.json["source_settings"]["attributes"] == {"title": "name", "gtin": "ean"}
    assert changed.json["source_settings"]["channel"] == "print"
    assert opened(connection, settings) == newer
    plain = cli("store", "set", "pim", "--unset", "attributes", "--json")
    assert "attributes" not in plain.json["source_settings"]
    assert "needs the channel" in cli("store", "set", "pim", "--unset", "channel").err
    assert cli("store", "set", "pim", "--domain", "x").code == 2


def test_trying_a_store(cli: Cli, demo: str, catalog: Path, tmp_path: Path, key_file: Path) -> None:
    assert cli("store", "test", demo, "--json").json == {
        "store": demo, "source": "shopify-file", "problems": [], "warnings": [], "optional": [],
    }  # fmt: skip
    catalog.unlink()
    assert "does not exist" in cli("store", "test", demo).err
    cli("store", "add", "shop", *SHOP, "--credentials", write(tmp_path, "c.json", SHOPIFY))
    key_file.write_text(f"k1:{base64.b64encode(bytes(range(1, 33))).decode()}")
    result = cli("store", "test", "shop")
    assert result.code == 1 and "store shop: credential cannot be decrypted (kid k1)" in result.err
    stores = {store["key"]: store for store in cli("store", "list", "--json").json["stores"]}
    assert (stores["shop"]["status"], stores[demo]["status"]) == ("error", "active")
    (row,) = [row for row in cli("status", "--json").json["connections"] if row["store"] == "shop"]
    assert (row["state"], row["last_error"], row["next"]) == (
        "error", "credential cannot be decrypted (kid k1)", "pipeline store test shop",
    )  # fmt: skip


def test_credentials_alone_do_not_make_a_connection_live(
    cli: Cli, demo: str, tmp_path: Path, settings: Settings, connection: psycopg.Connection
) -> None:
    given = write(tmp_path, "c.json", AMAZON)
    made = cli("connect", demo, "ebay-us", "--credentials", given, "--json")
    assert made.code == 0, made.err
    assert (made.json["mode"], made.json["credentials"]) == ("file", "sealed with key k1")
    assert "nothing is sent (this release cannot send to ebay, the credentials are kept sealed (key k1))" in made.json["sending"]
    assert opened(connection, settings, "marketplace_credentials") == AMAZON
    assert "nothing is sent" in cli("connection", "show", demo, "ebay-us").out
    changed = cli("connection", "set", demo, "ebay-us", "stock_buffer=2", "--credentials", given, "--json")
    assert (changed.json["export_settings"]["stock_buffer"], changed.json["credentials"]) == (2, "sealed with key k1")
    gone = cli("connection", "set", demo, "ebay-us", "--forget-credentials", "--json")
    assert gone.json["credentials"] is None
    assert opened(connection, settings, "marketplace_credentials") == {}
    both = cli("connection", "set", demo, "ebay-us", "--forget-credentials", "--credentials", given)
    assert both.code == 2 and "exclude each other" in both.err


def test_refused_credentials_connect_nothing(cli: Cli, demo: str, tmp_path: Path) -> None:
    result = cli("connect", demo, "ebay-us", "--credentials", write(tmp_path, "c.json", SHOPIFY))
    assert result.code == 2 and "it takes client_id, client_secret and refresh_token" in result.err
    assert cli("connection", "list", "--json").json == {"connections": []}


def table(folder: Path, *lines: str, name: str = "stores.csv") -> str:
    path = folder / name
    path.write_text("\n".join(lines))
    return str(path)


def test_many_stores_from_a_table(cli: Cli, tmp_path: Path, settings: Settings, catalog: Path) -> None:
    write(tmp_path, "a.json", SHOPIFY)
    write(tmp_path, "p.json", AKENEO)
    made = cli(
        "store", "add", "--json", "--from", table(
            tmp_path, "Key,Source,Domain,API-Version,Location,Credentials,File,Currency,Name,url,channel,locale,attribute",
            "shop-a,shopify,shop-a,2026-07,1;2,a.json,,EUR,\"A, the first\",,,,",
            "",
            "shop-b,shopify-file,,,,,catalog.csv,,,,,,",
            'pim,akeneo,,,,p.json,,,,https://pim.example.com,shop,de_DE,"title=name;images=x,y"',
        ),
    )  # fmt: skip
    assert made.code == 0, made.err
    found = {store["key"]: store for store in made.json["stores"]}
    assert found["shop-a"]["source_settings"] == {
        "domain": "shop-a.myshopify.com", "api_version": "2026-07", "location_ids": ["1", "2"],
    }  # fmt: skip
    assert (found["shop-a"]["name"], found["shop-a"]["currency"]) == ("A, the first", "EUR")
    assert found["shop-b"]["source_settings"] == {"path": str(catalog)}
    assert found["pim"]["source_settings"]["attributes"] == {"title": "name", "images": ["x", "y"]}
    assert [found[key]["credentials"] for key in ("shop-a", "shop-b", "pim")] == [
        "sealed with key k1",
        None,
        "sealed with key k1",
    ]
    with open_instance(settings) as instance:
        assert sorted(instance.get_dynamic_partitions("stores")) == ["pim", "shop-a", "shop-b"]


def test_a_table_of_excel(cli: Cli, tmp_path: Path, catalog: Path) -> None:
    path = tmp_path / "excel.csv"
    path.write_bytes("\ufeffkey;file\r\nshop-a;catalog.csv\r\n".encode())
    assert cli("store", "add", "--from", str(path), "--json").json["stores"][0]["key"] == "shop-a"
    path.write_bytes(b"key\tfile\tname\r\nshop-b\tcatalog.csv\tB, the second\r\n")
    assert cli("store", "add", "--from", str(path), "--json").json["stores"][0]["name"] == "B, the second"
    path.write_bytes(b"key;file;name\r\nshop-c;catalog.csv;C; the third\r\n")
    refused = cli("store", "add", "--from", str(path))
    assert refused.code == 2
    assert "line 2: it has 4 cells for 3 columns; quote texts that have a semicolon in them" in refused.err


def test_one_catalog_in_two_stores_is_refused_unless_it_is_meant(cli: Cli, tmp_path: Path) -> None:
    write(tmp_path, "a.json", SHOPIFY)
    file, pim = write(tmp_path, "b.json", SHOPIFY), write(tmp_path, "p.json", AKENEO)
    shop = ("--source", "shopify", "--domain", "My-Shop.myshopify.com", "--credentials", file)
    at = ("--source", "akeneo", "--url", "https://pim.example.com", "--channel", "shop", "--credentials", pim, "--locale")
    assert cli("store", "add", "one", *shop).code == cli("store", "add", "pim-de", *at, "de_DE").code == 0
    refused = cli("store", "add", "two", *shop)
    assert refused.code == 2 and "store one has this catalog already (my-shop.myshopify.com)" in refused.err
    assert "store pim-de has this catalog already" in cli("store", "add", "again", *at, "de_DE").err
    assert cli("store", "add", "pim-fr", *at, "fr_FR").code == 0  # the other language of a PIM is another catalog
    rows = ("x,shopify,x,a.json", "y,shopify,x,a.json", "z,shopify,my-shop,a.json")
    several = table(tmp_path, "key,source,domain,credentials", *rows)
    said = cli("store", "add", "--from", several).err
    assert "line 3: line 2 has this catalog already (x.myshopify.com)" in said and "line 4: store one has" in said
    assert cli("store", "add", "--from", several, "--same-source").code == 0
    moved = cli("store", "set", "x", "--domain", "my-shop")
    assert moved.code == 2 and "store one has this catalog already" in moved.err
    assert cli("store", "set", "x", "--domain", "my-shop", "--same-source").code == 0
    assert cli("store", "set", "one", "--api-version", "2026-07").code == 0


def test_an_option_of_another_source_is_named_as_it_was_typed(cli: Cli, tmp_path: Path) -> None:
    credentials = write(tmp_path, "a.json", SHOPIFY)
    for arguments in (("shop", "--url", "https://a.myshopify.com"), ("shop", "--domain", "a", "--channel", "x")):
        refused = cli("store", "add", arguments[0], "--source", "shopify", *arguments[1:], "--credentials", credentials)
        said = f"the source shopify takes no {arguments[-2]}; it takes --domain, --api-version, --location"
        assert (refused.code, said in refused.err) == (2, True)


def test_one_wrong_line_adds_nothing_and_every_wrong_line_is_named(
    cli: Cli, demo: str, tmp_path: Path, settings: Settings, catalog: Path
) -> None:
    write(tmp_path, "a.json", SHOPIFY)
    write(tmp_path, "bad.json", {"access_token": "CANARY", "password": "CANARY"})
    static = table(
        tmp_path, "key,source,domain,file,credentials", "good,shopify-file,,catalog.csv,", "UPPER,shopify-file,,catalog.csv,",
        "good,shopify-file,,catalog.csv,", "x,magento,m.example.com,,", "y,shopify,shop.example.com,,a.json", "z,shopify,z,,",
        'w,shopify-file,,"no\nsuch.csv",', "v,shopify-file,,nothing.csv,",
    )  # fmt: skip
    said = cli("store", "add", "--from", static).err
    for words in (
        "line 3: 'UPPER' cannot be a store key: use 1 to 63 lower-case letters",
        "line 4: the key good stands on line 2 already", 
        "line 5: 'magento' is not a source",
        "line 6: 'shop.example.com' is not a shop", "line 7: the source shopify needs credentials", "line 8: ",
        "line 10: the catalog file",
    ):  # fmt: skip
        assert words in said
    with_secrets = table(
        tmp_path, "key,source,domain,file,credentials", "good,shopify-file,,catalog.csv,", "s,shopify,s,,bad.json", 
        "t,shopify,t,,no.json",
    )  # fmt: skip
    said = cli("store", "add", "--from", with_secrets).err
    assert "line 3: the credentials of the source shopify have an unknown name" in said
    assert "line 4: the credentials file cannot be read (No such file" in said
    taken = table(tmp_path, "key,file,currency", "new,catalog.csv,", f"{demo},catalog.csv,", "other,catalog.csv,dollars")
    said = cli("store", "add", "--from", taken).err
    assert "line 3: there is a store demo already" in said and "line 4: 'dollars' is not a currency" in said
    assert [store["key"] for store in cli("store", "list", "--json").json["stores"]] == [demo]
    with open_instance(settings) as instance:
        assert instance.get_dynamic_partitions("stores") == [demo]


def test_every_mistake_of_every_line_is_named_at_once(
    cli: Cli, demo: str, tmp_path: Path, connection: psycopg.Connection, settings: Settings, catalog: Path, key_file: Path
) -> None:
    """Mistakes of different kinds, several in one line, and such that only files or the database can tell."""
    good, bad = write(tmp_path, "a.json", SHOPIFY), write(tmp_path, "bad.json", {"password": "CANARY"})
    cli("store", "add", "one", "--source", "shopify", "--domain", "taken", "--credentials", good)
    before = key_file.read_bytes()
    several = table(
        tmp_path, "key,source,domain,channel,file,credentials,currency,language", "fine,shopify,fine,,,a.json,EUR,de",
        "UPPER,shopify,shop.example.com,web,,bad.json,dollars,deutsch!", "demo,shopify,taken,,,no.json,,", "x,magento,,,,,euros,",
        "y,shopify,fine,,,a.json,,", "fine,shopify-file,,,catalog.csv,,,", "z,akeneo,,,,,,",
        "w,shopify-file,,,catalog.csv,,,,more",
    )  # fmt: skip
    refused = cli("store", "add", "--from", several)
    assert (refused.code, refused.out, refused.err.count("\n")) == (2, "", 1)
    found = re.findall(r"line (\d+): (.*?)(?=; line \d+: |\n)", refused.err)
    expected = [
        (3, "'UPPER' cannot be a store key"), (3, "the source shopify takes no --channel"), (3, "'dollars' is not a currency"),
        (3, "'deutsch!' is not a language"), (3, "the credentials of the source shopify have an unknown name"),
        (4, "the credentials file cannot be read"), (4, "there is a store demo already"),
        (4, "store one has this catalog already"),
        (5, "'magento' is not a source"), (5, "'euros' is not a currency"), (6, "line 2 has this catalog already"),
        (7, "the key fine stands on line 2 already"),
        (8, "the source akeneo needs the address of the PIM: --url https://pim.example.com, and the channel to read"),
        (8, "the source akeneo needs credentials"), (9, "it has 9 cells for 8 columns"),
    ]  # fmt: skip
    assert [(int(line), said.startswith(words)) for (line, said), (_, words) in zip(found, expected, strict=True)] == [
        (line, True) for line, _ in expected
    ], found
    assert "'shop.example.com' is not a shop" in found[1][1]
    assert [store["key"] for store in cli("store", "list", "--json").json["stores"]] == [demo, "one"]
    assert key_file.read_bytes() == before and Path(bad).exists()
    with open_instance(settings) as instance:
        assert sorted(instance.get_dynamic_partitions("stores")) == [demo, "one"]


def test_a_taken_key_is_said_before_a_taken_catalog(cli: Cli, tmp_path: Path) -> None:
    shop = ("--source", "shopify", "--credentials", write(tmp_path, "a.json", SHOPIFY), "--domain")
    for key in ("one", "two"):
        assert cli("store", "add", key, *shop, key).code == 0
    taken = "error: there is a store two already; take another key, or change it with: pipeline store set two"
    assert cli("store", "add", "two", *shop, "two").err == cli("store", "add", "two", *shop, "new").err == f"{taken}\n"
    assert cli("store", "add", "two", *shop, "one").err.startswith(f"{taken}; store one has this catalog already")
    assert cli("store", "add", "two", *shop, "one", "--same-source").err == f"{taken}\n"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["key,access_token", "a,CANARY"], "'access_token' is not a column"),
        (["key,key", "a,b"], "no column twice"),
        (["file", "a"], "needs a column key"),
        (["key,file", "a,b,CANARY"], "line 2: it has 3 cells for 2 columns"),
        (["key,file", 'a,"b'], "not readable CSV"),
        (["key,file"], "has no store"),
        ([], "needs a column key"),
    ],
)
def test_a_table_that_is_none(cli: Cli, tmp_path: Path, lines: list[str], message: str) -> None:
    result = cli("store", "add", "--from", table(tmp_path, *lines))
    assert result.code == 2 and message in result.err


def test_a_table_without_keys_says_so_once(cli: Cli, tmp_path: Path, key_file: Path) -> None:
    write(tmp_path, "a.json", SHOPIFY)
    key_file.unlink()
    lines = [f"shop-{number},shopify,shop-{number},a.json" for number in range(3)]
    result = cli("store", "add", "--from", table(tmp_path, "key,source,domain,credentials", *lines))
    assert result.code == 2 and result.err.count("the key file") == 1 and "line 2" not in result.err
    assert cli("store", "list", "--json").json == {"stores": []}


@pytest.mark.parametrize("wrong", ["missing", "readable by others", "no key"])
def test_a_key_file_that_cannot_be_used_is_wrong_configuration(
    cli: Cli, demo: str, tmp_path: Path, key_file: Path, wrong: str, connection: psycopg.Connection, amazon: FakeAmazon
) -> None:
    """Exit code 2 everywhere, as for any other setting, and no run that fails."""
    file = write(tmp_path, "a.json", SHOPIFY)
    cli("store", "add", "shop", *SHOP, "--credentials", file)
    cli("connect", demo, "amazon-us", "--set", "seller_id=A1", "--credentials", write(tmp_path, "b.json", AMAZON))
    connection.execute("UPDATE marketplace_credentials SET status = 'active'")
    connection.commit()
    if wrong == "missing":
        key_file.unlink()
    elif wrong == "no key":
        key_file.write_text("k1:secret")
    else:
        key_file.chmod(0o644)
    for command in (
        ("store", "test", "shop"), ("store", "set", "shop", "--credentials", file), ("import", "shop"),
        ("labels", "import", "shop"), ("export", demo, "amazon-us"), ("keys", "check"), ("credentials", "rotate"),
        ("store", "add", "more", "--source", "shopify", "--domain", "more", "--credentials", file),
    ):  # fmt: skip
        result = cli(*command)
        assert (result.code, result.out) == (2, ""), command
        assert result.err.startswith("error: ") and str(key_file) in result.err and result.err.count("\n") == 1, command
    assert cli("jobs", "list", "--json").json == {"jobs": []}


def test_a_table_comes_alone(cli: Cli, tmp_path: Path) -> None:
    assert "leave the key and the other options away" in cli("store", "add", "shop", "--from", "x.csv").err
    assert "cannot be read" in cli("store", "add", "--from", "nothing.csv").err


def test_rotating(cli: Cli, demo: str, tmp_path: Path, key_file: Path) -> None:
    cli("store", "add", "shop", *SHOP, "--credentials", write(tmp_path, "a.json", SHOPIFY))
    cli("connect", demo, "amazon-us", "--credentials", write(tmp_path, "b.json", AMAZON))
    idle = cli("credentials", "rotate")
    assert (
        idle.code == 0 and "0 stores and 0 connections are moved to key k1" in idle.out and "pipeline keys generate" in idle.out
    )
    added = cli("keys", "generate", "--json").json
    new = added["key"]
    assert (added["file"], added["primary"]) == (str(key_file), False)
    third = cli("keys", "generate").out
    assert "pipeline keys promote k20" in third and new not in third
    assert cli("keys", "promote", new).code == 0
    assert read_key_file(key_file).primary == new
    before = cli("keys", "check", "--json").json
    assert (before["primary"], before["keys"]["k1"], before["keys"][new]) == (
        new, {"stores": 1, "connections": 1}, {"stores": 0, "connections": 0},
    )  # fmt: skip
    moved = cli("credentials", "rotate", "--json")
    assert (moved.code, moved.json) == (0, {"key": new, "moved": {"stores": 1, "connections": 1}, "left": 0, "unreadable": {}})
    text = cli("keys", "check").out
    assert "primary" in text and "nothing is sealed with k1" in text
    assert f"{new} still seals 2 credentials" in cli("keys", "remove", new).err
    assert cli("keys", "remove", "k1", "--json").json == {"removed": "k1", "file": str(key_file)}
    assert "k1" not in read_key_file(key_file).names
    assert cli("keys", "check").code == 0
    for line in key_file.read_text().splitlines():
        assert line.partition(":")[2] not in text + str(before) + str(moved)


def test_checking_names_what_cannot_be_opened(cli: Cli, demo: str, tmp_path: Path, key_file: Path) -> None:
    assert "no credentials are stored" not in cli("keys", "check").out  # a key is there
    cli("store", "add", "shop", *SHOP, "--credentials", write(tmp_path, "a.json", SHOPIFY))
    key_file.write_text(f"k2:{base64.b64encode(bytes(range(5, 37))).decode()}")
    result = cli("keys", "check", "--json")
    assert result.code == 1
    assert result.json["unreadable"] == {"store shop": "credential is sealed with the key k1, which is not among the keys given"}
    assert "missing" in cli("keys", "check").out
    moved = cli("credentials", "rotate")
    assert moved.code == 1 and "1 are still sealed with another key" in moved.out
    assert cli("store", "show", "shop", "--json").json["status"] == "active"  # a look changes nothing


def test_without_a_key_only_what_needs_one_fails(cli: Cli, demo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = write(tmp_path, "a.json", SHOPIFY)
    monkeypatch.setenv("CREDENTIAL_KEYS_FILE", "")
    refused = cli("store", "add", "shop", *SHOP, "--credentials", given)
    assert refused.code == 2 and "with DATABASE_URL it must be given" in refused.err
    assert cli("connect", demo, "amazon-us").code == 0
    assert "no credentials are stored" in cli("keys", "check").out
    assert "there is no default key file" in cli("keys", "generate").err
    made = cli("keys", "generate", "--file", str(tmp_path / "new" / "keys"), "--json").json
    assert made["primary"] is True and (tmp_path / "new" / "keys").stat().st_mode & 0o777 == 0o600
    monkeypatch.setenv("CREDENTIAL_KEYS", "k1:your-32-byte-encryption-key-change-in-production")
    assert "placeholder" in cli("store", "add", "shop", *SHOP, "--credentials", given).err
    assert "which a command cannot change" in cli("keys", "generate").err
    assert [store["key"] for store in cli("store", "list", "--json").json["stores"]] == [demo]
