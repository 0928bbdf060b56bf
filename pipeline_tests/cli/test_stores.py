"""`pipeline store`: what operators see, hostile input, and that removing leaves nothing."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import psycopg
import pytest

from pipeline.platform.instance import open_instance
from pipeline.settings import Settings
from pipeline_tests.cli.conftest import Cli


def partitions(settings: Settings) -> tuple[list[str], list[str]]:
    with open_instance(settings) as instance:
        return sorted(instance.get_dynamic_partitions("stores")), sorted(instance.get_dynamic_partitions("marketplaces"))


def test_a_store_is_added_and_becomes_a_partition(cli: Cli, settings: Settings, catalog: Path) -> None:
    added = cli(
        "store", "add", "my-shop.com", "--source", "shopify-file", "--file", str(catalog), "--name", "Mine", "--currency", "EUR",
        "--language", "de", "--json",
    )  # fmt: skip
    assert added.code == 0
    assert added.json["source_settings"] == {"path": str(catalog)}
    assert partitions(settings) == (["my-shop.com"], [])
    (listed,) = cli("store", "list", "--json").json["stores"]
    assert listed == added.json == cli("store", "show", "my-shop.com", "--json").json
    assert (listed["key"], listed["name"], listed["currency"], listed["language"]) == ("my-shop.com", "Mine", "EUR", "de")
    text = cli("store", "list").out
    assert "my-shop.com" in text and "Mine" in text
    assert str(catalog) in cli("store", "show", "my-shop.com").out


def test_an_empty_list_says_what_to_do(cli: Cli) -> None:
    assert "pipeline store add" in cli("store", "list").out
    assert cli("store", "list", "--json").json == {"stores": []}


def test_a_hostile_key_is_one_sentence_and_exit_code_2(cli: Cli, settings: Settings, catalog: Path) -> None:
    keys = ("../x", "a\x1b[2Jb", "x" * 300, "dé", "a..b", "", "de mo", "demo\n", "\udcff")
    commands = (("add", "--file", str(catalog)), ("show",), ("remove", "--yes"), ("set", "--name", "x"))
    for key, (command, *options) in itertools.product(keys, commands):
        result = cli("store", command, key, *options)
        assert (result.code, result.out) == (2, "")
        assert result.err.startswith("error: ") and result.err.count("\n") == 1
        assert result.err.strip().isprintable() and len(result.err) < 300
    assert partitions(settings) == ([], [])
    assert [path.name for path in settings.data_dir.parent.iterdir()] in (["catalog.csv", "data"], ["data", "catalog.csv"])


WRONG_USE = [
    (["add", "demo", "--source", "shopify"], "--domain NAME.myshopify.com"),
    (["add", "demo", "--source", "akeneo"], "--url https://pim.example.com"),
    (["add", "demo"], "--file FILE"),
    (["add", "demo", "--file", "/nothing/here.csv"], "does not exist"),
    (["add"], "Missing argument 'KEY'"),
    (["add", "demo", "--colour", "red"], "No such option"),
    (["sell"], "No such command 'sell'"),
    (["show", "demo"], "there is no store 'demo'"),
    (["set", "demo"], "nothing to change"),
]


def test_wrong_use_is_one_sentence(cli: Cli) -> None:
    for arguments, message in WRONG_USE:
        result = cli("store", *arguments)
        assert (result.code, result.out) == (2, "")
        assert message in result.err and result.err.count("\n") == 1
        as_json = cli("store", *arguments, "--json")
        assert as_json.code == 2
        assert message in as_json.json["error"]


def test_a_failed_add_leaves_no_store(cli: Cli, demo: str, settings: Settings, catalog: Path) -> None:
    assert "there is a store demo already" in cli("store", "add", demo, "--file", str(catalog)).err
    assert cli("store", "add", "other", "--file", str(catalog), "--currency", "dollars").code == 2
    assert [store["key"] for store in cli("store", "list", "--json").json["stores"]] == [demo]
    assert partitions(settings) == ([demo], [])


def test_a_store_can_be_changed(cli: Cli, demo: str, catalog: Path) -> None:
    newer = catalog.with_name("newer.csv")
    newer.write_text("x")
    changed = cli("store", "set", demo, "--file", str(newer), "--json")
    assert changed.json["source_settings"] == {"path": str(newer)}
    assert cli("store", "set", demo, "--currency", "€").code == 2
    assert cli("store", "show", demo, "--json").json == changed.json


def test_removing_a_store_leaves_nothing_of_it_and_all_of_others(
    cli: Cli, demo: str, settings: Settings, catalog: Path, connection: psycopg.Connection
) -> None:
    """The other store has the name of a site, which is a folder among the tables."""
    other = "amazon-us"
    cli("store", "add", other, "--file", str(catalog))
    cli("connect", demo, "ebay-us")
    cli("connect", demo, "amazon-us")
    cli("connect", other, "amazon-us")
    for key in (demo, other):
        for kind in ("raw", "plans", "feeds", "reports"):
            write(settings, kind, key, "amazon-us", "one.json")
        write(settings, "tables", "products", f"{key}.parquet")
        write(settings, "tables", "listings", "amazon-us", f"{key}.parquet")
    write(settings, "tables", "listings", "amazon-us", f"x-{demo}.parquet")
    before = files(settings)
    removed = cli("store", "remove", demo, "--yes", "--json")
    assert removed.code == 0, removed.err
    assert removed.json == {
        "removed": demo,
        "rows": {"stores": 1, "marketplace_credentials": 2},
        "files": {"raw": 1, "plans": 1, "feeds": 1, "reports": 1, "tables": 2},
        "partitions": [demo, "ebay-us"],
    }
    gone = {name for name in before if f"/{demo}/" in name or name.endswith(f"/{demo}.parquet")}
    assert len(gone) == 6
    assert files(settings) == before - gone
    assert partitions(settings) == ([other], ["amazon-us"])
    assert connection.execute("SELECT key FROM stores").fetchall() == [(other,)]
    assert connection.execute("SELECT count(*) FROM marketplace_credentials").fetchone() == (1,)
    assert cli("store", "remove", demo, "--yes").code == 2
    said = cli("store", "remove", other, "--yes").out
    assert "1 stores, 1 marketplace_credentials" in said and "2 tables" in said


def test_removing_never_follows_a_link_out_of_the_storage(cli: Cli, demo: str, settings: Settings, tmp_path: Path) -> None:
    outside = tmp_path / "precious"
    outside.mkdir()
    (outside / "keep.txt").write_text("x")
    (settings.data_dir / "feeds").mkdir()
    (settings.data_dir / "feeds" / demo).symlink_to(outside)
    assert cli("store", "remove", demo, "--yes").code == 0
    assert (outside / "keep.txt").exists()
    assert not (settings.data_dir / "feeds" / demo).is_symlink()


def test_a_removal_that_the_storage_refused_can_be_run_again(
    cli: Cli, demo: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied")

    write(settings, "feeds", demo, "amazon-us", "one.json")
    with monkeypatch.context() as patch:
        patch.setattr("fsspec.implementations.local.LocalFileSystem.rm", refuse)
        refused = cli("store", "remove", demo, "--yes")
    assert (refused.code, refused.out) == (1, "")
    assert f"files of {demo} below" in refused.err and "Permission denied" in refused.err
    assert cli("store", "show", demo).code == 0
    assert cli("store", "remove", demo, "--yes", "--json").json["files"] == {"feeds": 1}


def test_nothing_is_removed_without_an_answer(cli: Cli, demo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = cli("store", "remove", demo)
    assert (asked.code, asked.out) == (2, "")
    assert "add --yes" in asked.err
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.confirm", _no)
    refused = cli("store", "remove", demo)
    assert (refused.code, refused.err) == (1, "error: stopped, nothing was changed\n")
    assert cli("store", "show", demo).code == 0


def _no(question: str, abort: bool) -> None:
    import typer

    assert abort and question.startswith("Remove store demo")
    raise typer.Abort


def write(settings: Settings, *parts: str) -> None:
    path = settings.data_dir.joinpath(*parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")


def files(settings: Settings) -> set[str]:
    kinds = ("raw", "plans", "feeds", "reports", "tables")
    return {
        str(path.relative_to(settings.data_dir))
        for kind in kinds
        for path in (settings.data_dir / kind).rglob("*")
        if path.is_file()
    }
