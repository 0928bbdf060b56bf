"""The inbox on a real database: which files become requests, under which names, and where all others end, with a reason."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.catalog import inbox as inboxes
from pipeline.catalog.inbox import Inbox, as_requested, safe_name, take
from pipeline.catalog.requests import Request, close_batch, gather, get_request, open_batches
from pipeline.model.errors import PipelineError
from pipeline.platform.database import Database
from pipeline.stores.stores import add_store, get_store, list_stores

CATALOG = b"Handle,Title\nmug,Mug\n"


@pytest.fixture
def connection(database: Database) -> Iterator[psycopg.Connection[Any]]:
    with database.connect(autocommit=True) as found:
        yield found


@pytest.fixture
def inbox(connection: psycopg.Connection[Any], tmp_path: Path) -> Inbox:
    """Of a store `shop` whose source is a file, and a store `live` whose source is an account."""
    catalog = tmp_path / "catalog.csv"
    catalog.write_bytes(CATALOG)
    add_store(connection, "shop", source="shopify-file", source_settings={"path": str(catalog)})
    add_store(connection, "live", source="shopify", source_settings={"domain": "live.myshopify.com"})
    found = Inbox((tmp_path / "data").resolve() / "inbox")
    for key in ("shop", "live"):
        found.arriving(key).mkdir(parents=True)
    return found


def look(connection: psycopg.Connection[Any], inbox: Inbox, pause: Callable[[], None] = lambda: None) -> list[str]:
    return take(connection, inbox, {store.key: store for store in list_stores(connection)}, pause)


def requests(connection: psycopg.Connection[Any]) -> list[Request]:
    rows = connection.execute("SELECT id FROM import_requests ORDER BY id").fetchall()
    found = [get_request(connection, row[0]) for row in rows]
    return [request for request in found if request is not None]


def drop(inbox: Inbox, name: str = "a.csv", content: bytes = CATALOG, store: str = "shop") -> Path:
    path = inbox.arriving(store) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def why(inbox: Inbox) -> str:
    """The only reason beside the failed files."""
    (text,) = (inbox.root / ".failed").rglob("*.why.txt")
    return text.read_text()


def test_a_file_becomes_a_request_that_names_it(connection: psycopg.Connection[Any], inbox: Inbox) -> None:
    drop(inbox, "My products.csv")
    assert look(connection, inbox) == ["1-My_products.csv of shop is taken"]
    (request,) = requests(connection)
    assert (request.reason, request.kind, request.detail["name"], request.detail["size"]) == (
        "inbox", "all", "My_products.csv", len(CATALOG),
    )  # fmt: skip
    assert files(inbox.root) == {".taken/shop/1-My_products.csv": CATALOG}
    assert look(connection, inbox) == []
    assert len(requests(connection)) == 1


def test_a_file_that_grows_is_left_until_it_stops(connection: psycopg.Connection[Any], inbox: Inbox) -> None:
    path = drop(inbox, content=b"Handle,")

    def grow() -> None:
        with path.open("ab") as stream:
            stream.write(b"Title\n")

    assert look(connection, inbox, grow) == []
    assert path.exists() and requests(connection) == []
    assert len(look(connection, inbox)) == 1


def test_a_file_that_is_replaced_or_vanishes_between_two_looks_is_left(
    connection: psycopg.Connection[Any], inbox: Inbox, tmp_path: Path
) -> None:
    path, other = drop(inbox), tmp_path / "other"
    other.write_bytes(CATALOG)
    status = path.stat()
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert look(connection, inbox, lambda: other.replace(path) and None) == []
    assert look(connection, inbox, path.unlink) == []
    assert requests(connection) == []


@pytest.mark.parametrize("name", [".hidden.csv", "a.csv.part", "a.tmp", "b.crdownload", "c.filepart", "d.csv~"])
def test_names_of_unfinished_files_are_left_alone(connection: psycopg.Connection[Any], inbox: Inbox, name: str) -> None:
    path = drop(inbox, name)
    assert look(connection, inbox) == []
    path.rename(path.with_name("whole.csv"))
    assert len(look(connection, inbox)) == 1


def test_a_file_renamed_into_place_is_taken_as_it_is(connection: psycopg.Connection[Any], inbox: Inbox, tmp_path: Path) -> None:
    upload = tmp_path / "upload"
    upload.write_bytes(CATALOG)
    os.utime(upload, (0, 0))
    upload.rename(inbox.arriving("shop") / "old.csv")
    assert len(look(connection, inbox)) == 1


NAMES = [
    "-rf", "a b;rm -rf ~.csv", "$(id).csv", "new-1.csv", "12-x.csv", "line\nbreak.csv", "\x1b[31mred.csv", "ü" * 100 + ".csv",
    "x" * 255, "%00.csv", "..a", "CON", "'; DROP TABLE stores;--.csv", "a\\..\\b.csv", "x.why",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_hostile_names_become_safe_ones(connection: psycopg.Connection[Any], inbox: Inbox, name: str) -> None:
    if name.startswith("."):
        name = f"_{name}"
    drop(inbox, name)
    (said,) = look(connection, inbox)
    (taken,) = files(inbox.root)
    assert Path(taken).parent == Path(".taken/shop")
    assert Path(taken).name == f"1-{safe_name(name)}"
    assert said.isprintable()


@given(st.text(min_size=1))
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
def test_a_safe_name_is_a_plain_file_name(name: str) -> None:
    safe = safe_name(name)
    assert 0 < len(safe) <= 80 and safe.isascii() and not set(safe) & set("/\\ \0")
    assert safe[0] not in ".-" and safe_name(safe) == safe


def test_a_name_that_is_no_text_at_all(connection: psycopg.Connection[Any], inbox: Inbox) -> None:
    Path(os.fsdecode(os.fsencode(inbox.arriving("shop")) + b"/\xff\xfe.csv")).write_bytes(CATALOG)
    (said,) = look(connection, inbox)
    assert said == "1-csv of shop is taken"


def test_the_same_content_again_is_no_news(connection: psycopg.Connection[Any], inbox: Inbox) -> None:
    drop(inbox, "a.csv")
    look(connection, inbox)
    drop(inbox, "b.csv")
    assert look(connection, inbox) == ["b.csv of shop is the same as 1-a.csv: nothing new"]
    assert len(requests(connection)) == 1
    finish(connection, inbox)
    drop(inbox, "c.csv")
    assert "nothing new" in look(connection, inbox)[0]
    assert files(inbox.root) == {".taken/shop/1-a.csv": CATALOG}


def test_two_with_the_same_content_at_once_are_one(connection: psycopg.Connection[Any], inbox: Inbox) -> None:
    drop(inbox, "a b.csv")
    drop(inbox, "a_b.csv")
    assert len(look(connection, inbox)) == 2
    assert len(requests(connection)) == 1
    assert len(files(inbox.root)) == 1


def test_yesterdays_file_after_todays_counts(connection: psycopg.Connection[Any], inbox: Inbox) -> None:
    for content in (b"one", b"two", b"one"):
        drop(inbox, content=content)
        look(connection, inbox)
        finish(connection, inbox)
    assert [request.closed_at is not None for request in requests(connection)] == [True] * 3
    assert files(inbox.root) == {".taken/shop/3-a.csv": b"one"}


def test_a_file_whose_import_failed_may_be_dropped_again(connection: psycopg.Connection[Any], inbox: Inbox) -> None:
    drop(inbox)
    look(connection, inbox)
    gather(connection, limit=9)
    inboxes.not_imported(connection, inbox, "shop", 1, "a.csv is empty")
    close_batch(connection, 1, "a.csv is empty")
    assert files(inbox.root) == {".failed/shop/1-a.csv": CATALOG, ".failed/shop/1-a.csv.why.txt": b"1-a.csv: a.csv is empty\n"}
    drop(inbox)
    assert look(connection, inbox) == ["2-a.csv of shop is taken"]


def finish(connection: psycopg.Connection[Any], inbox: Inbox) -> None:
    """The import of all that waits is complete."""
    gather(connection, limit=9)
    for batch in open_batches(connection):
        inboxes.imported(connection, inbox, get_store(connection, batch.store), batch.lead_id)
        close_batch(connection, batch.lead_id)


def test_the_imported_file_becomes_the_catalog_and_older_ones_go(connection: psycopg.Connection[Any], inbox: Inbox) -> None:
    drop(inbox, content=b"one")
    look(connection, inbox)
    finish(connection, inbox)
    assert get_store(connection, "shop").source_settings["path"] == str(inbox.taken("shop") / "1-a.csv")
    drop(inbox, content=b"two")
    look(connection, inbox)
    assert set(files(inbox.root)) == {".taken/shop/1-a.csv", ".taken/shop/2-a.csv"}
    finish(connection, inbox)
    assert files(inbox.root) == {".taken/shop/2-a.csv": b"two"}
    assert get_store(connection, "shop").source_settings["path"] == str(inbox.taken("shop") / "2-a.csv")


def test_of_two_files_at_once_the_newer_is_imported_and_the_other_kept(connection: psycopg.Connection[Any], inbox: Inbox) -> None:
    for number, name in enumerate(("z.csv", "a.csv")):
        path = drop(inbox, name, name.encode())
        os.utime(path, (number, number))
    look(connection, inbox)
    gather(connection, limit=9)
    (batch,) = open_batches(connection)
    store = as_requested(connection, inbox.root.parent, get_store(connection, "shop"), str(batch.lead_id))
    assert Path(store.source_settings["path"]).name == "2-a.csv"
    finish(connection, inbox)
    assert set(files(inbox.root)) == {".taken/shop/2-a.csv", ".failed/shop/1-z.csv", ".failed/shop/1-z.csv.why.txt"}
    assert "a.csv was dropped after it" in why(inbox)


def test_a_file_that_grew_after_all_is_looked_at_again(connection: psycopg.Connection[Any], inbox: Inbox) -> None:
    path = drop(inbox, content=b"one\n")
    with path.open("ab") as stream:  # an upload that paused
        look(connection, inbox)
        stream.write(b"two\n")
    finish(connection, inbox)
    assert look(connection, inbox) == ["2-a.csv of shop is taken"]
    assert files(inbox.root) == {".taken/shop/2-a.csv": b"one\ntwo\n"}


@pytest.mark.parametrize(
    ("store", "reason"),
    [
        ("live", "the catalog of store live comes from shopify, not from files: pipeline import live"),
        ("nobody", "there is no store 'nobody'"),
        ("Sh op\n", "there is no store 'Sh op?'"),
    ],
)
def test_files_of_other_stores_are_set_aside(connection: psycopg.Connection[Any], inbox: Inbox, store: str, reason: str) -> None:
    drop(inbox, store=store)
    assert reason in look(connection, inbox)[0]
    assert reason in why(inbox)
    assert requests(connection) == [] and CATALOG in files(inbox.root / ".failed").values()
    assert look(connection, inbox) == []
    assert sum(inbox.set_aside().values()) == 1


def test_a_file_beside_the_folders_is_set_aside(connection: psycopg.Connection[Any], inbox: Inbox) -> None:
    (inbox.root / "products.csv").write_bytes(CATALOG)
    look(connection, inbox)
    assert "drop it into inbox/<store>/" in why(inbox)


def test_what_is_no_file_is_set_aside_unopened(
    connection: psycopg.Connection[Any], inbox: Inbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("do not read")
    folder = inbox.arriving("shop")
    (folder / "link.csv").symlink_to(secret)
    (folder / "dangling.csv").symlink_to(tmp_path / "nothing")
    (folder / "folder.csv").mkdir()
    os.mkfifo(folder / "pipe.csv")
    monkeypatch.chdir(folder)  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.csv")
        assert len(look(connection, inbox)) == 5
    assert requests(connection) == [] and list(folder.iterdir()) == []
    assert len(list((inbox.root / ".failed/shop").glob("*.why.txt"))) == 5
    assert secret.read_text() == "do not read"
    assert all("is not a plain file" in text.read_text() for text in (inbox.root / ".failed/shop").glob("*.why.txt"))


def test_a_file_that_may_not_be_read(connection: psycopg.Connection[Any], inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    drop(inbox)

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied")  # root may read everything, so that no mode shows this

    monkeypatch.setattr(inboxes, "_fingerprint", refuse)
    look(connection, inbox)
    assert "cannot be read (Permission denied): change its permissions" in why(inbox)


def test_one_that_cannot_be_moved_does_not_keep_the_others(
    connection: psycopg.Connection[Any], inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck = drop(inbox, "a.csv")
    drop(inbox, "b.csv", b"other")
    rename = Path.rename

    def refuse(self: Path, target: Path) -> Path:
        if self == stuck:
            raise OSError(18, "Invalid cross-device link")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    first, second = look(connection, inbox)
    assert first == "a.csv cannot be moved (Invalid cross-device link): mount the whole inbox folder, not one store's"
    assert second == "1-b.csv of shop is taken"


def test_the_run_of_a_file_that_is_gone_says_so(connection: psycopg.Connection[Any], inbox: Inbox) -> None:
    drop(inbox)
    look(connection, inbox)
    gather(connection, limit=9)
    shop = get_store(connection, "shop")
    for wrong in ("2", "x", "-1", "١", ""):
        with pytest.raises(PipelineError, match="there is no request"):
            as_requested(connection, inbox.root.parent, shop, wrong)
    with pytest.raises(PipelineError, match="there is no request"):
        as_requested(connection, inbox.root.parent, get_store(connection, "live"), "1")
    (inbox.taken("shop") / "1-a.csv").unlink()
    with pytest.raises(PipelineError, match="is no longer there: drop the file into"):
        as_requested(connection, inbox.root.parent, shop, "1")
