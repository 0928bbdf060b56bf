"""From a request to a run, once: on a real database and Dagster instance, with a death between any two steps."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pytest

from pipeline.catalog.imports import begin_import, fail_import, finish_import
from pipeline.catalog.inbox import Inbox, inbox_of
from pipeline.catalog.requests import (
    MAX_WAIT,
    REQUEST_TAG,
    add_request,
    forget_old,
    get_request,
    mark_import,
    open_batches,
)
from pipeline.catalog.source import RawFile, RawImport
from pipeline.definitions import defs
from pipeline.operations import new_imports as ticks
from pipeline.operations.new_imports import Tick, tick
from pipeline.operations.overview import notices, overview
from pipeline.operations.partitions import register
from pipeline.operations.sensors import new_imports
from pipeline.platform.database import Database
from pipeline.settings import Settings
from pipeline.stores.stores import add_store, get_store, remove_store

Status = dg.DagsterRunStatus
RUN_KEY = "dagster/run_key"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def connection(database: Database) -> Iterator[psycopg.Connection[Any]]:
    with database.connect(autocommit=True) as found:
        yield found


@pytest.fixture
def inbox(connection: psycopg.Connection[Any], instance: dg.DagsterInstance, settings: Settings, tmp_path: Path) -> Inbox:
    """Of two file stores `a` and `b` and a live one."""
    catalog = tmp_path / "catalog.csv"
    catalog.write_text("Handle,Title\nmug,Mug\n")
    for key in ("a", "b"):
        add_store(connection, key, source="shopify-file", source_settings={"path": str(catalog)})
        inbox_of(settings.data_dir).arriving(key).mkdir(parents=True)
    add_store(connection, "live", source="shopify", source_settings={"domain": "live.myshopify.com"})
    register(instance, store_keys=["a", "b", "live"])
    return inbox_of(settings.data_dir)


def request(connection: psycopg.Connection[Any], store: str, reference: str, kind: str = "products", **other: Any) -> int | None:
    return add_request(connection, get_store(connection, store).id, kind, "webhook", reference, **other)  # type: ignore[arg-type]


def drop(inbox: Inbox, store: str = "a", content: str = "Handle,Title\ncup,Cup\n", name: str = "x.csv") -> Path:
    path = inbox.arriving(store) / name
    path.write_text(content)
    return path


class Daemon:
    """What Dagster's daemon does with what the sensor returns: a run for each key that has none."""

    def __init__(self, database: Database, instance: dg.DagsterInstance, settings: Settings) -> None:
        self.database, self.instance, self.settings = database, instance, settings

    def tick(self, launch: bool = True) -> Tick:
        for _ in range(1000):  # Postgres may still be closing the session of a tick that died
            with self.database.connect(autocommit=True) as connection:
                found = tick(connection, self.instance, self.settings, lambda: None)
            if found.said != ["another tick is at work"]:
                break
        for batch in found.batches if launch else []:
            if not self.instance.get_runs(dg.RunsFilter(tags={RUN_KEY: batch.run_key})):
                self.create(batch.run_key, batch.lead_id, batch.store)
        return found

    def create(self, key: str, lead: int, store: str, status: Status = Status.STARTED) -> str:
        tags = {RUN_KEY: key, REQUEST_TAG: str(lead), "store": store, "dagster/partition": store}
        return str(self.instance.create_run_for_job(defs.resolve_job_def("import_all"), status=status, tags=tags).run_id)

    def runs(self) -> list[dg.DagsterRun]:
        return list(self.instance.get_runs())

    def end(self, error: str | None = None, *, begin: bool = True) -> None:
        """All unfinished runs end, their imports complete or failed."""
        for run in self.runs():
            if run.is_finished:
                continue
            with self.database.connect(autocommit=True) as connection:
                if begin:
                    store = get_store(connection, run.tags["store"])
                    import_id = begin_import(connection, store.id, "all", store.source, run_id=run.run_id)
                    mark_import(connection, int(run.tags[REQUEST_TAG]), import_id)
                    if error is not None:
                        fail_import(connection, import_id, error)
                    else:
                        raw = RawImport((RawFile("x.csv", Path("x.zst"), "0" * 64, 1),))
                        finish_import(connection, import_id, raw, "raw/x", {"products": 1})
            if error is None:
                success = dg.DagsterEvent(dg.DagsterEventType.RUN_SUCCESS.value, run.job_name)
                self.instance.report_dagster_event(success, run.run_id)
            else:
                self.instance.report_run_failed(run, message=error)
                self.instance.add_run_tags(run.run_id, {"dagster/will_retry": "false"})  # as of one whose step failed


@pytest.fixture
def daemon(database: Database, instance: dg.DagsterInstance, settings: Settings, inbox: Inbox) -> Daemon:
    return Daemon(database, instance, settings)


def test_the_sensor_requests_a_run_and_registers_stores(
    connection: psycopg.Connection[Any], inbox: Inbox, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ticks, "LOOK_SECONDS", 0.0)
    instance.delete_dynamic_partition("stores", "b")
    drop(inbox, "b")
    request(connection, "a", "w1", "collections")
    request(connection, "live", "w2", "inventory")
    found = new_imports(dg.build_sensor_context(instance=instance))
    assert isinstance(found, dg.SensorResult)
    assert [(r.run_key, r.job_name, r.partition_key, r.tags) for r in found.run_requests or []] == [
        ("a:1", "import_collections", "a", {"store": "a", REQUEST_TAG: "1"}),
        ("live:2", "import_inventory", "live", {"store": "live", REQUEST_TAG: "2"}),
        ("b:3", "import_all", "b", {"store": "b", REQUEST_TAG: "3"}),
    ]
    (added,) = found.dynamic_partitions_requests or []
    assert (added.partitions_def_name, list(added.partition_keys)) == ("stores", ["b"])


def test_nothing_to_do_is_said(inbox: Inbox, instance: dg.DagsterInstance) -> None:
    found = new_imports(dg.build_sensor_context(instance=instance))
    assert isinstance(found, dg.SensorResult) and found.run_requests == []
    assert found.skip_reason and found.skip_reason.skip_message == "nothing new"


def test_a_request_is_asked_for_until_its_run_is_there_and_then_no_more(
    connection: psycopg.Connection[Any], daemon: Daemon
) -> None:
    request(connection, "a", "w1")
    assert [batch.run_key for batch in daemon.tick(launch=False).batches] == ["a:1"]
    assert [batch.run_key for batch in daemon.tick().batches] == ["a:1"]
    assert daemon.tick().batches == []
    (run,) = daemon.runs()
    found = get_request(connection, 1)
    assert found is not None and found.run_id == run.run_id
    assert request(connection, "a", "w1") is None  # delivered again
    daemon.end()
    assert daemon.tick().batches == []
    found = get_request(connection, 1)
    assert found is not None and found.closed_at is not None and found.error is None
    assert request(connection, "a", "w1") is None
    assert daemon.tick().batches == [] and len(daemon.runs()) == 1


def test_a_run_that_was_made_but_not_queued_is_asked_for_again(connection: psycopg.Connection[Any], daemon: Daemon) -> None:
    request(connection, "a", "w1")
    daemon.tick(launch=False)
    daemon.create("a:1", 1, "a", Status.NOT_STARTED)
    assert [batch.run_key for batch in daemon.tick().batches] == ["a:1"]  # the daemon then queues the run that is there
    assert len(daemon.runs()) == 1


def test_what_comes_together_is_one_run_of_the_kind_that_answers_all(connection: psycopg.Connection[Any], daemon: Daemon) -> None:
    for store, kinds in {"a": ("products", "inventory"), "b": ("inventory", "collections"), "live": ("collections",)}.items():
        for kind in kinds * 2:
            request(connection, store, f"{kind} {len(open_batches(connection))} {os.urandom(4).hex()}", kind)
    found = daemon.tick().batches
    assert [(batch.store, batch.kind) for batch in found] == [("a", "products"), ("b", "all"), ("live", "collections")]
    assert len(daemon.runs()) == 3
    daemon.end()
    daemon.tick()
    assert connection.execute("SELECT count(*) FROM import_requests WHERE closed_at IS NULL").fetchone() == (0,)


def test_a_burst_is_waited_for_but_not_for_ever(connection: psycopg.Connection[Any], daemon: Daemon) -> None:
    request(connection, "a", "w1", quiet=MINUTE)
    assert daemon.tick().batches == []
    connection.execute("UPDATE import_requests SET due_at = due_at - %s", (MINUTE,))
    request(connection, "a", "w2", quiet=MINUTE)  # the burst goes on
    assert daemon.tick().batches == []
    connection.execute("UPDATE import_requests SET due_at = due_at - %s WHERE reference = 'w1'", (MAX_WAIT,))
    (batch,) = daemon.tick().batches
    assert (batch.lead_id, batch.reasons) == (2, ["webhook"])


def test_what_comes_during_an_import_becomes_one_more(connection: psycopg.Connection[Any], daemon: Daemon) -> None:
    request(connection, "a", "w1")
    daemon.tick()
    for number in range(5):
        request(connection, "a", f"during {number}")
        request(connection, "b", f"other {number}")
        daemon.tick()
    assert sorted(run.tags["store"] for run in daemon.runs()) == ["a", "b"]
    daemon.end()
    daemon.tick()
    daemon.end()
    daemon.tick()
    assert sorted(run.tags["store"] for run in daemon.runs()) == ["a", "a", "b", "b"]
    assert daemon.tick().batches == []


def test_a_failed_import_of_a_file_sets_it_aside_and_is_said(
    connection: psycopg.Connection[Any], daemon: Daemon, inbox: Inbox
) -> None:
    drop(inbox)
    daemon.tick()
    daemon.end("x.csv holds no products")
    assert daemon.tick().said == ["a: x.csv holds no products"]
    (why,) = inbox.failed("a").glob("*.why.txt")
    assert why.read_text() == "1-x.csv: x.csv holds no products\n"
    assert notices(connection, inbox, []) == [
        f"a: 1 file(s) of the inbox were not imported; the texts beside them say why: {inbox.failed('a')}"
    ]


def test_a_shrunken_catalog_becomes_the_stores_file_so_that_it_can_be_accepted(
    connection: psycopg.Connection[Any], daemon: Daemon, inbox: Inbox
) -> None:
    drop(inbox)
    daemon.tick()
    daemon.end("the catalog shrank from 9 to 1 products; import with --accept-shrink")
    daemon.tick()
    assert get_store(connection, "a").source_settings["path"] == str(inbox.taken("a") / "1-x.csv")
    found = get_request(connection, 1)
    assert found is not None and found.error is not None
    (said,) = (row.last_error for row in overview(connection) if row.store == "a")
    assert said == "the catalog shrank from 9 to 1 products; import with --accept-shrink"


def test_a_run_that_died_before_it_began_an_import(connection: psycopg.Connection[Any], daemon: Daemon, inbox: Inbox) -> None:
    request(connection, "a", "w1")
    daemon.tick()
    daemon.end("The run's process is gone.", begin=False)
    assert daemon.tick().said == ["a: The run's process is gone."]
    assert "did not begin: The run's process is gone." in notices(connection, inbox, [])[0]


def test_a_run_that_dagster_starts_again_is_waited_for(connection: psycopg.Connection[Any], daemon: Daemon) -> None:
    request(connection, "a", "w1")
    daemon.tick()
    (first,) = daemon.runs()
    daemon.end("killed", begin=False)
    daemon.instance.add_run_tags(first.run_id, {"dagster/will_retry": "true"})
    assert daemon.tick().said == [] and get_request(connection, 1).closed_at is None  # type: ignore[union-attr]
    again = daemon.create("a:1", 1, "a")
    assert daemon.tick().said == []
    assert get_request(connection, 1).run_id == again  # type: ignore[union-attr]
    daemon.end()
    daemon.tick()
    assert get_request(connection, 1).error is None  # type: ignore[union-attr]
    assert len(daemon.runs()) == 2


def test_a_run_that_failed_this_moment_is_waited_for_until_dagster_says_whether_it_is_retried(
    connection: psycopg.Connection[Any], daemon: Daemon
) -> None:
    """Dagster notes the failure first, and whether it starts the run again after that."""
    request(connection, "a", "w1")
    daemon.tick()
    (first,) = daemon.runs()
    failed = dg.DagsterEvent(dg.DagsterEventType.RUN_FAILURE.value, first.job_name)
    daemon.instance.run_storage.handle_run_event(first.run_id, failed, datetime.now(timezone.utc))
    assert daemon.tick().said == [] and get_request(connection, 1).closed_at is None  # type: ignore[union-attr]
    daemon.instance.add_run_tags(first.run_id, {"dagster/will_retry": "false"})
    assert len(daemon.tick().said) == 1 and get_request(connection, 1).closed_at is not None  # type: ignore[union-attr]


def test_a_deleted_run_does_not_keep_its_store_waiting(connection: psycopg.Connection[Any], daemon: Daemon) -> None:
    request(connection, "a", "w1")
    daemon.tick()
    daemon.tick()
    daemon.instance.delete_run(daemon.runs()[0].run_id)
    assert daemon.tick().said == ["a: the run of this import is gone"]
    request(connection, "a", "w2")
    assert [batch.run_key for batch in daemon.tick().batches] == ["a:2"]


def test_requests_of_a_removed_store_go_with_it(connection: psycopg.Connection[Any], daemon: Daemon, inbox: Inbox) -> None:
    drop(inbox)
    daemon.tick(launch=False)
    store_id = get_store(connection, "a").id
    assert remove_store(connection, "a")["import_requests"] == 1
    assert add_request(connection, store_id, "all", "webhook", "late") is None
    assert daemon.tick().batches == []


def test_only_one_tick_works_at_a_time(connection: psycopg.Connection[Any], daemon: Daemon, inbox: Inbox) -> None:
    drop(inbox)
    seen = []

    def meanwhile() -> None:
        seen.append(daemon.tick())

    found = tick(connection, daemon.instance, daemon.settings, meanwhile)
    assert seen[0].said == ["another tick is at work"] and len(found.batches) == 1


def test_old_requests_are_forgotten_except_a_stores_newest_file(
    connection: psycopg.Connection[Any], daemon: Daemon, inbox: Inbox
) -> None:
    drop(inbox)
    daemon.tick()
    daemon.end()
    for reference in ("w1", "w2"):
        request(connection, "b", reference)
    daemon.tick()
    daemon.end()
    daemon.tick()
    request(connection, "b", "open")
    connection.execute("UPDATE import_requests SET closed_at = closed_at - interval '8 days' WHERE closed_at IS NOT NULL")
    assert forget_old(connection) == 2
    assert connection.execute("SELECT reference FROM import_requests WHERE reason = 'webhook'").fetchall() == [("open",)]
    assert connection.execute("SELECT count(*) FROM import_requests WHERE reason = 'inbox'").fetchone() == (1,)


def test_an_inbox_that_cannot_be_used_keeps_no_other_request(
    connection: psycopg.Connection[Any], daemon: Daemon, inbox: Inbox, settings: Settings
) -> None:
    inbox.root.rename(settings.data_dir / "elsewhere")
    inbox.root.write_text("a file")
    request(connection, "live", "w1")
    found = daemon.tick()
    assert [batch.run_key for batch in found.batches] == ["live:1"]
    assert "cannot be used" in found.said[0]


class Killed(BaseException):
    """The process is gone."""


class Steps:
    """Counts what a tick does to the database and the files, and dies before step number `last`."""

    def __init__(self, patch: pytest.MonkeyPatch, last: int) -> None:
        self.count, self.last = 0, last
        for owner, name in (
            (psycopg.Connection, "execute"), (psycopg.Cursor, "execute"), (Path, "rename"), (Path, "replace"), (Path, "unlink"),
            (Path, "write_text"), (Path, "mkdir"),
        ):  # fmt: skip
            patch.setattr(owner, name, self.counted(getattr(owner, name)))

    def counted(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any, **kwargs: Any) -> Any:
            if self.count == self.last:
                raise Killed
            self.count += 1
            return original(*args, **kwargs)

        return step


def killed(daemon: Daemon, last: int) -> bool:
    """One tick that dies before this step; False when it ended before."""
    with pytest.MonkeyPatch.context() as patch:
        Steps(patch, last)
        try:
            daemon.tick()
        except Killed:
            return True
    return False


def test_a_file_is_imported_once_wherever_ticks_die(connection: psycopg.Connection[Any], daemon: Daemon, inbox: Inbox) -> None:
    """The tick that takes a file, and the one that closes its import, die before each of their steps, one after the other."""
    round_ = 0
    for dies_at in range(200):
        round_ += 1
        runs = len(daemon.runs())
        drop(inbox, content=f"Handle,Title\ncup,Cup {round_}\n")
        taking = killed(daemon, dies_at)
        for _ in range(2):
            daemon.tick()
        assert len(daemon.runs()) == runs + 1, dies_at
        daemon.end()
        closing = killed(daemon, dies_at)
        for _ in range(2):
            assert daemon.tick().batches == [], dies_at
        assert len(daemon.runs()) == runs + 1, dies_at
        assert [path.name for path in inbox.taken("a").iterdir()] == [f"{round_}-x.csv"], dies_at
        assert (inbox.taken("a") / f"{round_}-x.csv").read_text().endswith(f"{round_}\n")
        assert not inbox.failed("a").exists() and list(inbox.arriving("a").iterdir()) == []
        assert get_store(connection, "a").source_settings["path"].endswith(f"{round_}-x.csv"), dies_at
        if not taking and not closing:
            break
    assert dies_at > 12
    assert connection.execute("SELECT count(*), count(closed_at), count(error) FROM import_requests").fetchone() == (
        round_, round_, 0,
    )  # fmt: skip


def test_a_file_that_fails_is_set_aside_once_wherever_ticks_die(
    connection: psycopg.Connection[Any], daemon: Daemon, inbox: Inbox
) -> None:
    for dies_at in range(200):
        drop(inbox, content=f"{dies_at}")
        daemon.tick()
        daemon.end(f"{dies_at} is no catalog")
        died = killed(daemon, dies_at)
        for _ in range(2):
            daemon.tick()
        number = dies_at + 1
        assert sorted(path.name for path in inbox.failed("a").glob(f"{number}-*")) == [
            f"{number}-x.csv", f"{number}-x.csv.why.txt",
        ], dies_at  # fmt: skip
        assert list(inbox.taken("a").iterdir()) == [], dies_at
        if not died:
            break
    assert dies_at > 12
    assert not list(inbox.failed("a").glob(".*"))
    assert len(daemon.runs()) == dies_at + 1
