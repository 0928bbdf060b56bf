"""The watcher of live stores: on a real database, and a fake shop over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import dagster as dg
import psycopg
import pytest

from pipeline.catalog.imports import begin_import
from pipeline.catalog.requests import close_batch, gather, open_batches
from pipeline.catalog.source import Newest
from pipeline.catalog.watches import ATTEMPTS, OVER, RETRY_AFTER, Watch, changed, is_over
from pipeline.definitions import defs
from pipeline.model.errors import PipelineError
from pipeline.model.secret import Secret
from pipeline.operations.schedules import import_nightly, watch_every_minute
from pipeline.operations.watching import NIGHTLY_TAG, look, request_all
from pipeline.platform.database import Database
from pipeline.platform.vault.envelope import Vault
from pipeline.platform.vault.keys import Keyring, format_key
from pipeline.settings import Settings
from pipeline.stores.stores import Store, add_store, get_store, save_credentials
from pipeline_tests.fakes.shopify import TOKEN, FakeShopify, running

KEY = bytes(range(32))
VAULT = Vault(Keyring({"k1": KEY}))
NOW = datetime(2026, 11, 26, 12, 0, tzinfo=timezone.utc)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def connection(database: Database) -> Iterator[psycopg.Connection[Any]]:
    with database.connect(autocommit=True) as found:
        yield found


def live(connection: psycopg.Connection[Any], key: str = "demo") -> Store:
    store = add_store(connection, key, source="shopify", source_settings={"domain": key})
    save_credentials(connection, VAULT, store, {"access_token": Secret(TOKEN)})
    return store


class Shops:
    """What the stores' sources would say, by key; minutes pass between looks."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection, self.now = connection, NOW
        self.says: dict[str, Newest | Exception] = {}

    def look(self, key: str = "demo", change: datetime | None = None, products: int = 10) -> list[str]:
        self.says[key] = Newest(change, products)
        return self.again()

    def again(self) -> list[str]:
        def ask(store: Store, credentials: Any) -> Newest:
            assert credentials["access_token"].reveal() == TOKEN
            found = self.says[store.key]
            if isinstance(found, Exception):
                raise found
            return found

        self.now += MINUTE
        return look(self.connection, VAULT, self.now, ask).requested

    def end(self, error: str | None = None) -> None:
        """All imports that were requested end."""
        self.connection.execute("UPDATE import_requests SET due_at = clock_timestamp() WHERE closed_at IS NULL")
        gather(self.connection, limit=9)
        for batch in open_batches(self.connection):
            close_batch(self.connection, batch.lead_id, error)


@pytest.fixture
def shops(connection: psycopg.Connection[Any]) -> Shops:
    live(connection)
    return Shops(connection)


def references(connection: psycopg.Connection[Any]) -> list[tuple[str, str]]:
    return connection.execute("SELECT reason, reference FROM import_requests ORDER BY id").fetchall()


A, B = NOW - timedelta(seconds=30), NOW - timedelta(seconds=10)


@pytest.mark.parametrize(
    ("before", "newest", "expected"),
    [
        (Watch(), Newest(A, 1), True),
        (Watch(), Newest(None, 0), False),
        (Watch(requested_change=A, requested_products=1), Newest(A, 1), False),
        (Watch(requested_change=A, requested_products=1), Newest(B, 1), True),
        (Watch(requested_change=A, requested_products=2), Newest(A, 1), True),
        (Watch(requested_change=B, requested_products=2), Newest(A, 1), True),  # the newest product was deleted
        (Watch(requested_change=A, requested_products=1), Newest(A, 2), False),
    ],
)
def test_what_is_a_change(before: Watch, newest: Newest, expected: bool) -> None:
    assert changed(before, newest) is expected


@pytest.mark.parametrize(
    ("before", "newest", "expected"),
    [
        (Watch(), Newest(A, 1), False),
        (Watch(seen_change=A, seen_products=1), Newest(A, 1), True),
        (Watch(seen_change=A, seen_products=1), Newest(B, 1), False),
        (Watch(seen_change=A, seen_products=2), Newest(A, 1), False),
        (Watch(), Newest(NOW - OVER, 1), True),
        (Watch(requested_change=NOW - OVER, seen_products=2), Newest(NOW - OVER, 1), False),  # it fell just now
        (Watch(seen_change=A, seen_products=1, waiting_since=NOW - OVER), Newest(B, 1), True),
    ],
)
def test_when_a_change_is_over(before: Watch, newest: Newest, expected: bool) -> None:
    assert is_over(before, newest, NOW) is expected


def test_a_new_store_is_imported_once_it_is_quiet(shops: Shops, connection: psycopg.Connection[Any]) -> None:
    assert shops.look(change=A) == []
    assert shops.look(change=B) == []
    assert shops.look(change=B) == ["demo"]
    assert shops.look(change=B) == [] and shops.look(change=B) == []
    assert references(connection) == [("change", f"{B.isoformat()} 10")]


def test_an_old_change_is_imported_at_the_first_look(shops: Shops) -> None:
    assert shops.look(change=NOW - OVER) == ["demo"]


def test_what_a_manual_import_has_seen_is_no_change(shops: Shops, connection: psycopg.Connection[Any]) -> None:
    import_id = begin_import(connection, get_store(connection, "demo").id, "all", "shopify", run_id="r")
    connection.execute(
        "UPDATE imports SET status = 'complete', finished_at = now(), watermark = %s WHERE id = %s", (B, import_id)
    )
    assert [shops.look(change=B) for _ in range(3)] == [[], [], []]


def test_a_shop_that_never_rests_is_imported_every_ten_minutes(shops: Shops) -> None:
    shops.look(change=NOW - OVER)
    found = [shops.look(change=shops.now) for _ in range(33)]
    assert [number for number, requested in enumerate(found) if requested] == [10, 21, 32]


def test_fewer_products_are_imported_although_nothing_is_newer(shops: Shops, connection: psycopg.Connection[Any]) -> None:
    shops.look(change=NOW - OVER)
    assert shops.look(change=NOW - OVER, products=9) == []
    assert shops.look(change=NOW - OVER, products=9) == ["demo"]
    assert [shops.look(change=NOW - OVER, products=9) for _ in range(2)] == [[], []]
    assert shops.look(change=NOW - 2 * OVER, products=8) == []  # the newest one was deleted
    assert shops.look(change=NOW - 2 * OVER, products=8) == ["demo"]
    assert len(references(connection)) == 3


def test_an_empty_shop_asks_for_nothing_until_it_has_products(shops: Shops) -> None:
    assert [shops.look(products=0) for _ in range(3)] == [[], [], []]
    assert shops.look(change=shops.now, products=1) == []
    assert shops.again() == ["demo"]


def test_one_that_fails_does_not_stop_the_others_and_says_so(shops: Shops, connection: psycopg.Connection[Any]) -> None:
    for key in ("broken", "locked", "other"):
        live(connection, key)
    connection.execute("UPDATE stores SET credentials = '{}' WHERE key = 'locked'")
    shops.says = {"demo": Newest(NOW - OVER, 1), "broken": PipelineError("Shopify says 401"), "other": Newest(NOW - OVER, 1)}
    assert shops.again() == ["demo", "other"]

    def errors() -> dict[str, Any]:
        return dict(connection.execute("SELECT key, last_error FROM stores WHERE status = 'error'").fetchall())

    assert set(errors()) == {"broken", "locked"}
    assert errors()["broken"] == "Shopify says 401" and "store set locked --credentials" in errors()["locked"]
    shops.look("broken", NOW - OVER)
    assert set(errors()) == {"locked"}


def test_a_bug_of_one_source_shows_but_only_after_the_others(shops: Shops, connection: psycopg.Connection[Any]) -> None:
    live(connection, "other")
    shops.says = {"demo": ZeroDivisionError("a bug"), "other": Newest(NOW - OVER, 1)}
    with pytest.raises(ZeroDivisionError):
        shops.again()
    assert len(references(connection)) == 1


def test_another_error_of_the_store_stays(shops: Shops, connection: psycopg.Connection[Any]) -> None:
    shops.says = {"demo": PipelineError("away")}
    shops.again()
    connection.execute("UPDATE stores SET last_error = 'credential: no key'")
    shops.look(change=A)
    assert connection.execute("SELECT status, last_error FROM stores").fetchone() == ("error", "credential: no key")


def test_a_failed_import_is_tried_again_but_not_for_ever(shops: Shops, connection: psycopg.Connection[Any]) -> None:
    shops.look(change=NOW - OVER)
    attempts = 1
    for _ in range(10):
        shops.end("Shopify is away")
        connection.execute("UPDATE import_requests SET closed_at = %s WHERE closed_at IS NOT NULL", (shops.now,))
        assert shops.again() == []
        shops.now += RETRY_AFTER
        attempts += len(shops.again())
    assert attempts == ATTEMPTS
    assert shops.look(change=NOW) == ["demo"]  # a new change is a new reason


def test_a_request_dies_with_what_the_look_saw(
    shops: Shops, connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request and the cursor are one transaction, so a change is neither lost nor imported twice."""
    original = psycopg.Connection.execute

    def killed(last: int) -> bool:
        count = 0

        def execute(self: psycopg.Connection[Any], *given: Any, **named: Any) -> Any:
            nonlocal count
            if count == last:
                raise KeyboardInterrupt
            count += 1
            return original(self, *given, **named)

        with monkeypatch.context() as patch:
            patch.setattr(psycopg.Connection, "execute", execute)
            try:
                shops.again()
            except KeyboardInterrupt:
                return True
        return False

    last = 0
    while True:
        shops.says["demo"] = Newest(NOW - OVER + last * timedelta(seconds=1), 10)
        died = killed(last)
        shops.again()
        assert len(references(connection)) == last + 1
        if not died:
            break
        last += 1
    assert last > 4


def test_each_live_store_is_imported_once_a_night(shops: Shops, connection: psycopg.Connection[Any]) -> None:
    live(connection, "other")
    assert request_all(connection, NOW) == ["demo", "other"]
    assert request_all(connection, NOW) == []
    assert request_all(connection, NOW + timedelta(days=1)) == ["demo", "other"]


def test_schedules_wait_for_live_stores_and_for_the_look_before(
    instance: dg.DagsterInstance, connection: psycopg.Connection[Any]
) -> None:
    context = dg.build_schedule_context(instance=instance, scheduled_execution_time=NOW)
    for schedule in (watch_every_minute, import_nightly):
        assert isinstance(schedule(context), dg.SkipReason)
    live(connection)
    assert isinstance(watch_every_minute(context), dg.RunRequest)
    nightly = import_nightly(context)
    assert isinstance(nightly, dg.RunRequest)
    assert (nightly.run_key, nightly.tags) == ("2026-11-26", {NIGHTLY_TAG: "true"})
    run = instance.create_run_for_job(defs.resolve_job_def("watch_sources"), status=dg.DagsterRunStatus.STARTED)
    skipped = watch_every_minute(context)
    assert isinstance(skipped, dg.SkipReason) and skipped.skip_message == "the look before is not over"
    instance.report_run_failed(run)
    assert isinstance(watch_every_minute(context), dg.RunRequest)


@pytest.fixture
def shop() -> Iterator[FakeShopify]:
    with running(FakeShopify()) as found:
        found.data.add_product("mug", variants=[{"sku": "MUG"}])
        yield found


def test_the_job_looks_at_a_shop_over_http(
    shop: FakeShopify,
    instance: dg.DagsterInstance,
    settings: Settings,
    connection: psycopg.Connection[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CREDENTIAL_KEYS", format_key("k1", KEY))
    monkeypatch.setenv("SHOPIFY_API_URL", shop.url)
    store = add_store(connection, "demo", source="shopify", source_settings={"domain": shop.domain})
    save_credentials(connection, VAULT, store, {"access_token": Secret(TOKEN)})
    run(instance)
    run(instance)
    assert references(connection) == [("change", f"{shop.data.now.isoformat()} 1")]
    shop.data.delete_product(next(iter(shop.data.products)))
    run(instance)
    run(instance)
    assert references(connection)[1:] == [("change", "- 0")]
    run(instance, {NIGHTLY_TAG: "true"})
    assert [reason for reason, _ in references(connection)[2:]] == ["schedule"]
    shop.tokens.clear()
    run(instance)
    (error,) = connection.execute("SELECT last_error FROM stores WHERE status = 'error'").fetchall()
    assert "demo" in error[0] or "Shopify" in error[0]
    assert TOKEN not in error[0]


def test_runs_of_the_watcher_do_not_pile_up(instance: dg.DagsterInstance, settings: Settings) -> None:
    job = defs.resolve_job_def("watch_sources")
    kept = instance.create_run_for_job(defs.resolve_job_def("import_all"), status=dg.DagsterRunStatus.SUCCESS).run_id
    failed = instance.create_run_for_job(job, status=dg.DagsterRunStatus.FAILURE).run_id
    old = [instance.create_run_for_job(job, status=dg.DagsterRunStatus.SUCCESS).run_id for _ in range(3)]
    with Database.open(settings) as database, database.connect(autocommit=True) as connection:
        connection.execute("UPDATE runs SET create_timestamp = create_timestamp - interval '2 hours'")
    fresh = run(instance)
    assert not {found.run_id for found in instance.get_runs()} & set(old)
    assert {found.run_id for found in instance.get_runs()} == {kept, failed, fresh}


def run(instance: dg.DagsterInstance, tags: dict[str, str] | None = None) -> str:
    job: Callable[..., Any] = defs.resolve_job_def("watch_sources").execute_in_process
    found = job(instance=instance, tags=tags)
    assert found.success
    return str(found.run_id)
