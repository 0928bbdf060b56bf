"""`pipeline connect` and `pipeline connection`."""

from __future__ import annotations

import psycopg

from pipeline.platform.instance import open_instance
from pipeline.settings import Settings
from pipeline_tests.cli.conftest import Cli


def sites(settings: Settings) -> list[str]:
    with open_instance(settings) as instance:
        return sorted(instance.get_dynamic_partitions("marketplaces"))


def test_connecting_makes_a_partition_in_file_mode(cli: Cli, demo: str, settings: Settings) -> None:
    made = cli("connect", demo, "amazon-us", "--set", "rounding=.99", "--set", "assortment.include.vendors=[Acme]", "--json")
    assert made.code == 0, made.err
    assert (made.json["store"], made.json["marketplace"], made.json["mode"], made.json["status"]) == (
        demo, "amazon-us", "file", "active",
    )  # fmt: skip
    assert made.json["export_settings"]["rounding"] == ".99"
    assert made.json["export_settings"]["assortment"]["include"]["vendors"] == ["Acme"]
    assert sites(settings) == ["amazon-us"]
    assert cli("store", "show", demo, "--json").json["marketplaces"] == ["amazon-us"]
    assert cli("connection", "list", "--json").json["connections"] == [made.json]
    assert "amazon-us" in cli("connection", "list", demo).out


def test_account_settings_are_kept_apart(cli: Cli, demo: str) -> None:
    made = cli("connect", demo, "amazon-us", "--set", "seller_id=A0123", "--json")
    assert made.json["sync_settings"] == {"seller_id": "A0123"}
    shown = cli("connection", "show", demo, "amazon-us", "--json").json
    assert shown["account_settings"]["seller_id"] == "A0123"
    text = cli("connection", "show", demo, "amazon-us").out
    assert "A0123" in text and "default" in text and "stock_buffer" in text


WRONG_USE = [
    (["connect", "demo", "amazon-xx"], "amazon-us"),
    (["connect", "demo", "a\x1b[2J"], "is not a known marketplace"),
    (["connect", "nobody", "amazon-us"], "there is no store 'nobody'; known stores: demo"),
    (["connect", "../x", "amazon-us"], "there is no store '../x'"),
    (["connect", "demo", "amazon-us", "--set", "stock_bufer=1"], "not a setting; known settings: stock_buffer"),
    (["connect", "demo", "amazon-us", "--set", "stock_buffer=-1"], "stock_buffer"),
    (["connect", "demo", "amazon-us", "--set", "nonsense"], "name=value"),
    (["connect", "demo", "amazon-us", "--account-name", "a\x07"], "control characters"),
    (["connection", "show", "demo", "amazon-us"], "it has no connections"),
    (["connection", "pause", "demo", "amazon-us"], "it has no connections"),
    (["connection", "remove", "demo", "amazon-us", "--yes"], "it has no connections"),
    (["connection", "set", "demo", "amazon-us", "stock_buffer=1"], "it has no connections"),
    (["connection", "set", "demo", "amazon-us"], "nothing to change"),
    (["connection", "list", "nobody"], "there is no store"),
]  # fmt: skip


def test_wrong_use_is_one_sentence_and_connects_nothing(cli: Cli, demo: str, settings: Settings) -> None:
    for arguments, message in WRONG_USE:
        result = cli(*arguments)
        assert (result.code, result.out) == (2, "")
        assert message in result.err and result.err.count("\n") == 1 and result.err.strip().isprintable()
        assert message in cli(*arguments, "--json").json["error"]
    assert cli("connection", "list", "--json").json == {"connections": []}
    assert sites(settings) == []


def test_settings_change_and_a_bad_one_changes_none(cli: Cli, demo: str) -> None:
    cli("connect", demo, "amazon-us", "--set", "stock_buffer=2")
    assert cli("connection", "set", demo, "amazon-us", "stock_buffer=5", "rounding=.5").code == 2
    changed = cli("connection", "set", demo, "amazon-us", "stock_maximum=9", "--account-name", "Shop US", "--json").json
    assert (changed["export_settings"]["stock_buffer"], changed["export_settings"]["stock_maximum"]) == (2, 9)
    assert changed["account_name"] == "Shop US"
    back = cli("connection", "set", demo, "amazon-us", "stock_buffer=null", "--json").json
    assert back["export_settings"]["stock_buffer"] == 0


def test_pause_and_resume(cli: Cli, demo: str) -> None:
    cli("connect", demo, "ebay-us")
    assert cli("connection", "pause", demo, "ebay-us", "--json").json["status"] == "inactive"
    assert "is active" in cli("connection", "resume", demo, "ebay-us").out
    assert cli("connection", "show", demo, "ebay-us", "--json").json["status"] == "active"


def test_removing_keeps_a_partition_that_others_use(
    cli: Cli, demo: str, settings: Settings, connection: psycopg.Connection
) -> None:
    for site in ("amazon-us", "ebay-us"):
        cli("connect", demo, site)
    connection.execute(
        "INSERT INTO stores (key, name, source, currency, language) VALUES ('b', 'b', 'shopify-file', 'USD', 'en')"
    )
    connection.commit()
    cli("connect", "b", "amazon-us")
    assert cli("connection", "remove", demo, "amazon-us").code == 2  # nobody can be asked
    for kind in ("plans", "feeds", "tables/listings"):
        for key in (demo, "b"):
            path = settings.data_dir.joinpath(
                *kind.split("/"), *(["amazon-us", f"{key}.parquet"] if "/" in kind else [key, "amazon-us", "x"])
            )
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    removed = cli("connection", "remove", demo, "amazon-us", "--yes", "--json").json
    assert removed == {
        "removed": {"store": demo, "marketplace": "amazon-us"},
        "rows": {"marketplace_credentials": 1},
        "files": {"plans": 1, "feeds": 1, "tables": 1},
        "partitions": [],
    }
    assert sorted(
        str(path.relative_to(settings.data_dir))
        for kind in ("plans", "feeds", "tables")
        for path in (settings.data_dir / kind).rglob("*")
        if path.is_file()
    ) == ["feeds/b/amazon-us/x", "plans/b/amazon-us/x", "tables/listings/amazon-us/b.parquet"]
    assert "ebay-us" in cli("connection", "remove", demo, "ebay-us", "--yes").out
    assert sites(settings) == ["amazon-us"]


def test_damaged_settings_can_still_be_removed(cli: Cli, demo: str, connection: psycopg.Connection) -> None:
    cli("connect", demo, "amazon-us")
    connection.execute("""UPDATE marketplace_credentials SET export_settings = '{"old": 1}'""")
    connection.commit()
    shown = cli("connection", "show", demo, "amazon-us")
    assert shown.code == 2 and "the stored settings of demo on amazon-us are wrong" in shown.err
    assert cli("store", "list").code == 0
    assert cli("connection", "remove", demo, "amazon-us", "--yes").code == 0
