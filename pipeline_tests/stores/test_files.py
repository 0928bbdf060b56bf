"""Removing files of a store or connection: local and on other storages, and never those of a neighbor."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from pipeline.settings import Settings
from pipeline.stores.files import remove_files

LAYOUT = [
    "raw/{key}/import-1/products.zst",
    "plans/{key}/{site}/e1/plan.json",
    "feeds/{key}/{site}/e1/product-1.json",
    "reports/{key}/one.html",
    "tables/products/{key}.parquet",
    "tables/listings/{site}/{key}.parquet",
]
STORES = ("demo", "demo2", "amazon-us", "parquet", "demo.parquet")
SITES = ("amazon-us", "ebay-us")


@pytest.fixture(params=["local", "memory"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    """Storage in the data directory, or elsewhere with only the raw copies in it."""
    data_dir = tmp_path / "data"
    yield Settings(data_dir, str(data_dir) if request.param == "local" else "memory://bucket/prefix")
    MemoryFileSystem.store.clear()


def roots(settings: Settings, kind: str) -> tuple[fsspec.AbstractFileSystem, str]:
    return fsspec.core.url_to_fs(str(settings.data_dir) if kind == "raw" else settings.storage_uri)


def fill(settings: Settings) -> None:
    for name in {name.format(key=key, site=site) for name in LAYOUT for key in STORES for site in SITES}:
        filesystem, root = roots(settings, name.split("/")[0])
        filesystem.pipe_file(f"{root}/{name}", b"x") if root.startswith("/bucket") else write(Path(root, name))


def write(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")


def files(settings: Settings) -> set[str]:
    found = set()
    for kind in ("raw", "plans", "feeds", "reports", "tables"):
        filesystem, root = roots(settings, kind)
        found |= {path.removeprefix(f"{root}/") for path in filesystem.find(f"{root}/{kind}")}
    return found


@pytest.mark.parametrize("key", STORES)
def test_a_store_loses_its_files_and_others_none(settings: Settings, key: str) -> None:
    fill(settings)
    before = files(settings)
    mine = {name.format(key=key, site=site) for name in LAYOUT for site in SITES}
    assert remove_files(settings, key) == {"raw": 1, "plans": 2, "feeds": 2, "reports": 1, "tables": 3}
    assert files(settings) == before - mine
    assert remove_files(settings, key) == {}


def test_a_connection_loses_only_what_is_of_its_site(settings: Settings) -> None:
    fill(settings)
    before = files(settings)
    assert remove_files(settings, "demo", "amazon-us") == {"plans": 1, "feeds": 1, "tables": 1}
    assert before - files(settings) == {
        "plans/demo/amazon-us/e1/plan.json", "feeds/demo/amazon-us/e1/product-1.json", "tables/listings/amazon-us/demo.parquet",
    }  # fmt: skip


@pytest.mark.parametrize(("key", "site"), [("..", None), ("", None), ("a/b", None), ("demo", ".."), ("demo", "a/b"), (".", None)])
def test_what_is_no_key_removes_nothing(settings: Settings, key: str, site: str | None) -> None:
    fill(settings)
    before = files(settings)
    with pytest.raises(ValueError, match="cannot be part of a path"):
        remove_files(settings, key, site)
    assert files(settings) == before
