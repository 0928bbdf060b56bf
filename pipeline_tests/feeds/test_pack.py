"""Feed files on disk: complete, deterministic, without leftovers."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from upath import UPath

from pipeline.feeds.pack import current, set_current, write_feeds
from pipeline.marketplaces import find_site
from pipeline.marketplaces.base import MESSAGES
from pipeline.model.listing import Account, FeedPart
from pipeline.platform.tables import Table, TableWriter, to_frame

ACCOUNT = Account("demo", "A1", {})
MARKET, SITE = find_site("amazon-us")


def plan(folder: Path, *batches: list[tuple[str, str]]) -> Table:
    """A plan's messages: (SKU, feed) in batches."""
    with TableWriter(folder, "messages", MESSAGES, {}) as writer:
        for batch in batches:
            rows = [(sku, feed, "DELETE", b'{"sku":"%s","operationType":"DELETE"}' % sku.encode()) for sku, feed in batch]
            frame = pd.DataFrame(rows, columns=MESSAGES.names).astype(to_frame(MESSAGES.empty_table()).dtypes)
            writer.write(frame)
    return writer.staged.open()


def skus(path: Path | UPath) -> list[str]:
    return [message["sku"] for message in json.loads(path.read_bytes())["messages"]]


def test_messages_of_a_kind_are_written_in_the_order_of_the_plan(tmp_path):
    table = plan(tmp_path, [("B", "product"), ("A", "price"), ("C", "product")], [], [("A", "product")])
    folder = tmp_path / "feeds" / "x1"
    (file,) = write_feeds(table, "product", MARKET, SITE, ACCOUNT, folder)
    assert (file.kind, file.path, file.messages) == ("product", folder / "product-1.json", 3)
    assert file.bytes == file.path.stat().st_size
    assert skus(file.path) == ["B", "C", "A"]
    (file,) = write_feeds(table, "price", MARKET, SITE, ACCOUNT, folder)
    assert skus(file.path) == ["A"]
    assert sorted(path.name for path in folder.iterdir()) == ["price-1.json", "product-1.json"]


def test_writing_again_gives_the_same_bytes(tmp_path):
    table = plan(tmp_path, [(f"S{number}", "product") for number in range(100)])
    first = [file.path.read_bytes() for file in write_feeds(table, "product", MARKET, SITE, ACCOUNT, tmp_path / "a")]
    second = [file.path.read_bytes() for file in write_feeds(table, "product", MARKET, SITE, ACCOUNT, tmp_path / "b")]
    assert first == second


def test_leftovers_of_an_earlier_attempt_are_removed_and_other_kinds_stay(tmp_path):
    folder = tmp_path / "x1"
    folder.mkdir()
    for name in ("product-1.json", "product-2.json", "product-add-1.xml", ".product-3.json.tmp", "price-1.json", "other.txt"):
        (folder / name).write_text("old")
    write_feeds(plan(tmp_path, [("A", "product")]), "product", MARKET, SITE, ACCOUNT, folder)
    assert sorted(path.name for path in folder.iterdir()) == ["other.txt", "price-1.json", "product-1.json"]
    assert skus(folder / "product-1.json") == ["A"]


def test_an_empty_kind_leaves_no_file(tmp_path):
    folder = tmp_path / "x1"
    folder.mkdir()
    (folder / "images-1.json").write_text("old")
    assert write_feeds(plan(tmp_path, []), "images", MARKET, SITE, ACCOUNT, folder) == []
    assert list(folder.iterdir()) == []


def test_a_crash_leaves_whole_files_only(tmp_path):
    class Crashing:
        def pack(self, feed, messages, site, account):
            yield FeedPart("product-1", "json", 1, b"[1]")
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        write_feeds(plan(tmp_path, [("A", "product")]), "product", Crashing(), SITE, ACCOUNT, tmp_path / "x1")
    assert [(path.name, path.read_bytes()) for path in (tmp_path / "x1").iterdir()] == [("product-1.json", b"[1]")]


def test_only_one_part_is_in_memory_at_a_time(tmp_path):
    """A part is on disk before the next one is made."""
    folder, seen = tmp_path / "x1", []

    class Watched:
        def pack(self, feed, messages, site, account):
            for number in (1, 2, 3):
                seen.append(sorted(path.name for path in folder.glob("*")))
                yield FeedPart(f"product-{number}", "json", 1, b"[]")

    write_feeds(plan(tmp_path, [("A", "product")]), "product", Watched(), SITE, ACCOUNT, folder)
    assert seen == [[], ["product-1.json"], ["product-1.json", "product-2.json"]]


@pytest.mark.parametrize("kind", ["plain", "file", "memory"])
def test_folders_may_be_anywhere(tmp_path, kind):
    folder = {"plain": tmp_path / "f", "file": UPath(f"file://{tmp_path}/f"), "memory": UPath(f"memory://{tmp_path.name}/f")}[
        kind
    ]
    (file,) = write_feeds(plan(tmp_path, [("A", "product")]), "product", MARKET, SITE, ACCOUNT, folder / "x1")
    assert skus(file.path) == ["A"]
    assert current(folder) is None
    set_current(folder, "x1")
    set_current(folder, "x2")
    assert current(folder) == "x2"


def test_nothing_to_say_leaves_no_folder(tmp_path: Path) -> None:
    assert write_feeds(plan(tmp_path, []), "product", MARKET, SITE, ACCOUNT, tmp_path / "feeds" / "x1") == []
    assert not (tmp_path / "feeds").exists()
