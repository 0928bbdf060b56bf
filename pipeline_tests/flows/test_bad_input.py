"""Bad input through the command line: one clear sentence, the right exit code, and everything else as it was."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.output import clean
from pipeline_tests.flows import catalogs
from pipeline_tests.flows.place import Place
from pipeline_tests.flows.test_changes import export, sent

STATE = "SELECT * FROM listing_state ORDER BY site, sku"


@pytest.fixture(scope="module")
def place(live_shop: Place, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A shop that is live; no test may change what it has."""
    return live_shop.clone(tmp_path_factory.mktemp("bad"))


@pytest.fixture
def unchanged(place: Place) -> Iterator[None]:
    """Tables, feeds, plans and state are after the test what they were before. `raw_products` is what was read last."""

    def all_of_it() -> Any:
        tables = {name: digest for name, digest in place.hashes("tables").items() if not name.startswith("raw_products/")}
        assert len(tables) > 20
        return tables, place.hashes("feeds"), place.hashes("plans"), place.rows(STATE)

    before = all_of_it()
    yield
    assert all_of_it() == before
    assert list((place.settings.data_dir / "scratch").glob("*")) == []


def csv_bytes(folder: Path, count: int = 30) -> bytes:
    return catalogs.write(folder / "sound.csv", catalogs.products(count)).read_bytes()


def bulk(*nodes: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(node, ensure_ascii=False).encode() + b"\n" for node in nodes)


PRODUCT = {"id": "gid://shopify/Product/1", "title": "Größe", "handle": "a", "status": "ACTIVE", "descriptionHtml": "<p>x</p>"}
VARIANT = {"id": "gid://shopify/ProductVariant/11", "price": "9.00", "sku": "A-1", "__parentId": "gid://shopify/Product/1"}


def bad_file(kind: str, folder: Path) -> bytes:
    sound = csv_bytes(folder)
    return {
        "wrong columns": b"Name,Financial Status\na,b\n",
        "empty": b"",
        "truncated csv": sound[: len(sound) // 2 - 40],
        "truncated jsonl": bulk(PRODUCT, VARIANT)[:-20],
        "truncated gzip": gzip.compress(sound)[:-9],
        "latin-1": sound.replace(b"hand-thrown", b"hand-thr\xf6wn"),
        "latin-1 jsonl": bulk(PRODUCT, VARIANT).decode().encode("latin-1"),
        "nul bytes only": bytes(5000),
        "binary": bytes(range(256)) * 20,
    }[kind]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("wrong columns", "it looks like a Shopify order"),
        ("empty", "is empty"),
        ("truncated csv", "is cut off in the middle of the record on line"),
        ("truncated jsonl", "is cut off in the middle of line 2"),
        ("truncated gzip", "truncated gzip"),
        ("latin-1", "is not UTF-8: byte 0xF6 on line"),
        ("latin-1 jsonl", "is not UTF-8: byte 0xF6 on line 1"),
        ("nul bytes only", ""),
        ("binary", ""),
    ],
)
def test_a_file_that_cannot_be_imported(kind: str, words: str, place: Place, unchanged: None, tmp_path: Path) -> None:
    file = tmp_path / "catalog.dat"
    file.write_bytes(bad_file(kind, tmp_path))
    place.cli("store", "set", "shop", "--file", str(file), code=0)
    done = place.cli("import", "shop")
    assert done.code == 1
    (said,) = [line for line in done.out.splitlines() if line.startswith("failed: ")]
    assert said.startswith("failed: import_all of shop: catalog.dat ") and words in said
    assert "Traceback" not in done.out + done.err and "dagster" not in said.lower()
    ((status, error),) = place.rows("SELECT status, error FROM imports ORDER BY id DESC LIMIT 1")
    assert status == "failed" and clean(f"import_all of shop: {error}") in said


@pytest.mark.parametrize("kind", ["wrong columns", "truncated gzip"])
def test_the_demo_with_such_a_file(kind: str, place: Place, unchanged: None, tmp_path: Path) -> None:
    file = tmp_path / "catalog.dat"
    file.write_bytes(bad_file(kind, tmp_path))
    done = place.cli("demo", "--catalog", str(file), "--json")
    assert done.code == 1
    assert "catalog.dat" in done.error
    assert (done.json["status"], done.json["marketplaces"], done.json["products"]) == ("failed", {}, 0)


def test_after_bad_files_the_shop_goes_on(place: Place, tmp_path: Path) -> None:
    file = tmp_path / "shop.csv"
    file.write_bytes(b"")
    place.cli("store", "set", "shop", "--file", str(file), code=0)
    assert place.cli("import", "shop").code == 1
    assert sent(export(place)) == {}
    file.write_bytes(csv_bytes(tmp_path))
    place.cli("import", "shop", code=0)
    assert sent(export(place)) == {}


def import_new(place: Place, key: str, content: bytes, folder: Path) -> Any:
    """The summary of a new store's import, which must succeed."""
    file = folder / f"{key}.dat"
    file.write_bytes(content)
    place.cli("store", "add", key, "--file", str(file), code=0)
    return place.summary("import", key)


def rejected(place: Place, key: str) -> list[tuple[int, str, str]]:
    rows = place.table("rejected_rows", key).read(["line", "kind", "reason"])
    return list(rows.itertuples(index=False, name=None))


def test_a_20_mb_field_is_one_rejected_product(place: Place, tmp_path: Path) -> None:
    rows = catalogs.products(5, {3: {"Body (HTML)": "x" * 20_000_000}})
    found = import_new(place, "huge", catalogs.write(tmp_path / "huge.csv", rows).read_bytes(), tmp_path)
    assert (found["products"], found["variants"], found["rejected"]) == (4, 4, 2)
    assert rejected(place, "huge")[0] == (4, "product", "its description is longer than 1000000 characters")


def test_a_child_without_parent_is_one_rejected_row(place: Place, tmp_path: Path) -> None:
    lost = {**VARIANT, "id": "gid://shopify/ProductVariant/99", "__parentId": "gid://shopify/Product/9"}
    found = import_new(place, "lost", bulk(PRODUCT, VARIANT, lost), tmp_path)
    assert (found["products"], found["variants"], found["rejected"]) == (1, 1, 1)
    assert rejected(place, "lost") == [(3, "variant", "its parent is not in the file")]


def test_nul_bytes_are_dropped(place: Place, tmp_path: Path) -> None:
    content = csv_bytes(tmp_path, 3).replace(b"Mug Number 2", b"Mug\0 Num\0ber 2")
    found = import_new(place, "nul", content, tmp_path)
    assert (found["products"], found["rejected"]) == (3, 0)
    assert list(place.table("products", "nul").read(["title"])["title"])[1] == "Stoneware Mug Number 2"


@pytest.mark.slow
def test_100k_rows_with_one_broken_line(place: Place, tmp_path: Path) -> None:
    """Products of 50 variants each, one variant row of them torn."""
    header, (first, *_) = list(catalogs.product(1)), catalogs.products(1)
    first |= {"Option1 Name": "Size", "Tags": "kitchen"}
    own = {"Handle", "Option1 Value", "Variant SKU", "Variant Price", "Variant Inventory Qty"}

    def line(product: int, variant: int) -> str:
        values = {
            **first, "Handle": f"p-{product}", "Title": f"Mug {product}", "Option1 Value": f"No. {variant}",
            "Variant SKU": f"S-{product}-{variant}", "Variant Barcode": "", "Body (HTML)": "A mug.",
        }  # fmt: skip
        return ",".join(values[name] if variant == 0 or name in own else "" for name in header) + "\n"

    lines = [line(product, variant) for product in range(2_000) for variant in range(50)]
    assert len(lines) == 100_000
    lines[77_777] = lines[77_777][:20] + "\n"
    found = import_new(place, "many", (",".join(header) + "\n" + "".join(lines)).encode(), tmp_path)
    assert (found["products"], found["variants"], found["rejected"]) == (2_000, 99_999, 1)
    ((at, kind, reason),) = rejected(place, "many")
    assert (at, kind) == (77_779, "line") and "fields where the header has" in reason


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("import", "nobody"), "there is no store 'nobody'; known stores: "),
        (("import", "../x"), "there is no store '../x'; known stores: "),
        (("export", "nobody", "amazon-us"), "there is no store 'nobody'"),
        (("export", "../x", "amazon-us"), "there is no store '../x'"),
        (("export", "shop", "nowhere-us"), "nowhere-us"),
        (("export", "shop", "../x"), "../x"),
        (("connect", "../x", "amazon-us"), "there is no store '../x'"),
        (("store", "add", "../x", "--file", "{file}"), "'../x' cannot be a store key"),
        (("store", "add", "x", "--file", "/nowhere.csv"), "/nowhere.csv does not exist"),
        (("demo", "--catalog", "/nowhere.csv"), "/nowhere.csv does not exist"),
        (("connection", "set", "shop", "amazon-us", "stock_buffer=-1"), "stock_buffer"),
        (("import", "shop", "--only", "pictures"), "pictures"),
    ],
)
def test_wrong_use(arguments: tuple[str, ...], words: str, place: Place, unchanged: None, tmp_path: Path) -> None:
    file = tmp_path / "sound.csv"
    csv_bytes(tmp_path)
    done = place.cli(*(argument.format(file=file) for argument in arguments))
    assert done.code == 2
    assert words in done.error
    assert done.out == ""
    assert not (place.settings.data_dir.parent / "x").exists()


@pytest.mark.parametrize(
    "arguments", [("demo",), ("import", "shop"), ("export", "shop", "amazon-us"), ("status",), ("jobs", "list")]
)
def test_an_unreachable_database_is_said_and_not_replaced(arguments: tuple[str, ...], place: Place, tmp_path: Path) -> None:
    url = "postgresql://kim:secret-word@127.0.0.1:1/nothing"
    data = tmp_path / "data"
    away = replace(place, settings=replace(place.settings, data_dir=data, storage_uri=str(data), database_url=url))
    done = away.cli(*arguments)
    assert done.code == 1
    assert "the database 'nothing' at 127.0.0.1:1 cannot be reached" in done.error
    assert "DATABASE_URL" in done.error and "secret-word" not in done.error
    assert not (data / "postgres").exists() and not (data / "tables").exists()
