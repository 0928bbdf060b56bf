"""Sensors on a real instance: which runs they request, and which runs they close or note."""

from __future__ import annotations

import dagster as dg
import psycopg
import pytest

from pipeline.definitions import defs
from pipeline.marketplaces import find_site
from pipeline.operations import launch
from pipeline.operations.decision_jobs import DECISION_JOBS, EXPORT_AFTER
from pipeline.operations.launch import CHAINED_BY
from pipeline.operations.partitions import register
from pipeline.operations.sensors import (
    dead_runs,
    export_after_decision,
    export_after_import,
    failed_exports,
    new_exports,
    submissions_due,
)
from pipeline.partitions import cell
from pipeline.platform.database import Database
from pipeline.platform.locks import advisory_lock, run_lock_name
from pipeline.samples import demo_catalog
from pipeline.stores.connections import connect, get_connection, set_status
from pipeline.stores.stores import add_store, remove_store

Status = dg.DagsterRunStatus


@pytest.fixture(autouse=True)
def store(instance: dg.DagsterInstance, connection: psycopg.Connection) -> str:
    """A store named demo, connected to two sites; and one that nobody connected."""
    for key in ("demo", "lonely"):
        add_store(connection, key, source="shopify-file", source_settings={"path": str(demo_catalog())})
    for site in ("amazon-us", "ebay-us"):
        connect(connection, "demo", find_site(site)[1])
    register(instance, store_keys=["demo", "lonely"], sites=["amazon-us", "ebay-us"])
    connection.commit()
    return "demo"


def finished(
    instance: dg.DagsterInstance, job: str, partition: str, status: Status = Status.SUCCESS, **tags: str
) -> dg.RunStatusSensorContext:
    """What a run-status sensor gets for a run that ended so."""
    run = instance.create_run_for_job(defs.resolve_job_def(job), status=status, tags={"dagster/partition": partition, **tags})
    event = dg.DagsterEvent(
        dg.DagsterEventType.RUN_SUCCESS.value if status == Status.SUCCESS else dg.DagsterEventType.RUN_FAILURE.value, job
    )
    return dg.build_run_status_sensor_context(
        sensor_name="a sensor", dagster_event=event, dagster_instance=instance, dagster_run=run
    )


def requests(context: dg.RunStatusSensorContext) -> list[dg.RunRequest]:
    found = list(export_after_import(context))  # type: ignore[call-overload]
    assert all(isinstance(item, (dg.RunRequest, dg.SkipReason)) for item in found) and found
    return [item for item in found if isinstance(item, dg.RunRequest)]


def reasons(context: dg.RunStatusSensorContext) -> str:
    return " ".join(str(item.skip_message) for item in export_after_import(context) if isinstance(item, dg.SkipReason))


@pytest.mark.parametrize("job", ["import_all", "import_products"])
def test_after_an_import_each_active_connection_is_exported_once(instance: dg.DagsterInstance, job: str) -> None:
    context = finished(instance, job, "demo")
    run_id = context.dagster_run.run_id
    first, again = requests(context), requests(context)
    assert [(item.run_key, item.partition_key) for item in first] == [
        (f"{run_id}:amazon-us", cell("demo", "amazon-us")), (f"{run_id}:ebay-us", cell("demo", "ebay-us")),
    ]  # fmt: skip
    assert [item.run_key for item in again] == [item.run_key for item in first]  # the daemon launches a key once
    assert first[0].tags == {"store": "demo", "marketplace": "amazon-us", "import_run": run_id}
    other = requests(finished(instance, job, "demo"))
    assert not {item.run_key for item in other} & {item.run_key for item in first}


def test_paused_connections_are_left_out_and_failed_ones_tried_again(
    instance: dg.DagsterInstance, connection: psycopg.Connection
) -> None:
    set_status(connection, "demo", "amazon-us", "inactive")
    set_status(connection, "demo", "ebay-us", "error")
    connection.commit()
    assert [item.tags["marketplace"] for item in requests(finished(instance, "import_all", "demo"))] == ["ebay-us"]


def test_imports_of_a_command_are_left_to_it(instance: dg.DagsterInstance) -> None:
    context = finished(instance, "import_all", "demo", **{CHAINED_BY: "command line"})
    assert requests(context) == []
    assert "is chained by command line" in reasons(context)


def test_a_store_without_connections_or_removed_since_is_skipped(
    instance: dg.DagsterInstance, connection: psycopg.Connection
) -> None:
    lonely = finished(instance, "import_all", "lonely")
    assert requests(lonely) == []
    assert reasons(lonely) == "store lonely has no active marketplace connection"
    context = finished(instance, "import_all", "demo")
    remove_store(connection, "demo")
    connection.commit()
    assert requests(context) == []
    assert reasons(context) == "store demo was removed"


def test_requests_are_for_a_job_with_that_partition(instance: dg.DagsterInstance) -> None:
    keys = defs.resolve_job_def("export_listings").partitions_def.get_partition_keys(dynamic_partitions_store=instance)  # type: ignore[union-attr]
    assert {item.partition_key for item in requests(finished(instance, "import_all", "demo"))} <= set(keys)


def test_a_failed_export_is_noted_on_its_connection(instance: dg.DagsterInstance, connection: psycopg.Connection) -> None:
    tags = {"store": "demo", "marketplace": "amazon-us"}
    context = finished(instance, "export_listings", "amazon-us|demo", Status.FAILURE, **tags)
    assert failed_exports(context) is None
    found = get_connection(connection, "demo", "amazon-us")
    assert (found.status, found.statistics["failed_exports"]) == ("error", 1)
    assert found.last_error
    assert get_connection(connection, "demo", "ebay-us").status == "active"


def test_a_failed_export_of_a_command_is_noted_by_it(instance: dg.DagsterInstance, connection: psycopg.Connection) -> None:
    tags = {"store": "demo", "marketplace": "amazon-us", CHAINED_BY: "command line"}
    skipped = failed_exports(finished(instance, "export_listings", "amazon-us|demo", Status.FAILURE, **tags))
    assert isinstance(skipped, dg.SkipReason)
    assert get_connection(connection, "demo", "amazon-us").status == "active"


def test_a_failed_export_of_a_removed_store_is_no_error(instance: dg.DagsterInstance, connection: psycopg.Connection) -> None:
    tags = {"store": "demo", "marketplace": "amazon-us"}
    context = finished(instance, "export_listings", "amazon-us|demo", Status.FAILURE, **tags)
    remove_store(connection, "demo")
    connection.commit()
    assert failed_exports(context) is None


def test_only_dead_runs_are_closed(instance: dg.DagsterInstance, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    job = defs.resolve_job_def("import_all")

    def create(status: Status) -> str:
        return str(instance.create_run_for_job(job, status=status, tags={"dagster/partition": "demo"}).run_id)

    living, dead, canceling = create(Status.STARTED), create(Status.STARTED), create(Status.CANCELING)
    others = [create(status) for status in (Status.NOT_STARTED, Status.SUCCESS, Status.FAILURE, Status.CANCELED)]
    before = [instance.get_run_by_id(run_id).status for run_id in others]  # type: ignore[union-attr]
    with advisory_lock(database.connect, run_lock_name(living), wait_seconds=0, holder="a test"):
        young = dead_runs(dg.build_sensor_context(instance=instance))
        assert isinstance(young, dg.SkipReason) and young.skip_message == "every started run is alive"
        monkeypatch.setattr(launch, "_YOUNG_SECONDS", 0.0)
        closed = dead_runs(dg.build_sensor_context(instance=instance))
        assert isinstance(closed, dg.SkipReason)
        assert {dead, canceling} == set(str(closed.skip_message).removeprefix("closed: ").split(", "))
    assert [instance.get_run_by_id(run_id).status for run_id in (living, dead, canceling)] == [  # type: ignore[union-attr]
        Status.STARTED, Status.FAILURE, Status.CANCELED,
    ]  # fmt: skip
    assert [instance.get_run_by_id(run_id).status for run_id in others] == before  # type: ignore[union-attr]


def test_sensors_run_by_default() -> None:
    assert {sensor.name for sensor in defs.sensors or [] if sensor.default_status == dg.DefaultSensorStatus.RUNNING} == {
        "new_imports", "export_after_import", "export_after_decision", "failed_exports", "submissions_due", "new_exports",
        "language_batches", "dead_runs",
    }  # fmt: skip


def submission(connection: psycopg.Connection, state: str, **values: object) -> None:
    """A submission of the store demo to amazon-us, which has credentials."""
    row = connection.execute(
        'UPDATE marketplace_credentials SET credentials = \'{"v": 1, "kid": "k", "dek": "", "ct": ""}\''
        " WHERE site = 'amazon-us' RETURNING store_id"
    ).fetchone()
    assert row is not None
    lane = (row[0], "amazon-us", "api")
    connection.execute("INSERT INTO export_lanes (store_id, site, transport) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING", lane)
    connection.execute(
        "INSERT INTO exports (store_id, site, transport, export_id, import_id, base_version, status, counts, scope, committed_at)"
        " VALUES (%s, %s, %s, 'e', 'i', 0, 'committed', '{}', '{}', now()) ON CONFLICT DO NOTHING",
        lane,
    )
    filled = {
        "kind": "price", "path": "p", "sha256": "0" * 64, "messages": 1, "lane": "l", "feed_id": "f", "export_id": "e",
        "next_at": "now", "idem_key": f"{state} {sorted(values.items())}", "state": state, **values,
    }  # fmt: skip
    names = ", ".join(filled)
    marks = ", ".join(["%s"] * len(filled))
    connection.execute(
        f"INSERT INTO submissions (store_id, site, transport, {names}) VALUES (%s, %s, %s, {marks})", (*lane, *filled.values())
    )
    connection.commit()


def asked(instance: dg.DagsterInstance, cursor: str | None = None) -> tuple[list[dg.RunRequest], dg.SensorEvaluationContext]:
    context = dg.build_sensor_context(instance=instance, cursor=cursor)
    found = list(submissions_due(context))  # type: ignore[call-overload]
    return [item for item in found if isinstance(item, dg.RunRequest)], context


def test_one_run_polls_whatever_is_due(instance: dg.DagsterInstance, connection: psycopg.Connection) -> None:
    assert asked(instance)[0] == []
    submission(connection, "submitted")
    (request,) = asked(instance)[0]
    assert (request.job_name, request.partition_key) == ("poll_submissions", None)
    instance.create_run_for_job(defs.resolve_job_def("poll_submissions"), status=Status.STARTED)
    assert asked(instance)[0] == []


@pytest.mark.parametrize(
    ("state", "status", "values"),
    [
        ("submitted", "active", {"next_at": "tomorrow"}),
        ("held", "active", {}),
        ("planned", "inactive", {"feed_id": None}),
        ("planned", "testing", {"feed_id": None}),
    ],
)
def test_what_waits_is_left_alone(
    instance: dg.DagsterInstance, connection: psycopg.Connection, state: str, status: str, values: dict[str, object]
) -> None:
    submission(connection, state, **values)
    connection.execute("UPDATE marketplace_credentials SET status = %s", [status])
    connection.commit()
    assert asked(instance)[0] == []


def test_a_paused_connection_is_followed(instance: dg.DagsterInstance, connection: psycopg.Connection) -> None:
    submission(connection, "submitted")
    connection.execute("UPDATE marketplace_credentials SET status = 'inactive'")
    connection.commit()
    assert len(asked(instance)[0]) == 1


def test_new_verdicts_are_shown_once(instance: dg.DagsterInstance, connection: psycopg.Connection) -> None:
    submission(connection, "done", ended_at="now")
    requested, context = asked(instance)
    (request,) = requested
    assert (request.job_name, request.partition_key) == ("read_verdicts", cell("demo", "amazon-us"))
    assert asked(instance, context.cursor)[0] == []


def exports_asked(instance: dg.DagsterInstance) -> list[dg.RunRequest]:
    found = list(new_exports(dg.build_sensor_context(instance=instance)))  # type: ignore[call-overload]
    return [item for item in found if isinstance(item, dg.RunRequest)]


def request(connection: psycopg.Connection, *products: str) -> int:
    row = connection.execute(
        "INSERT INTO export_requests (store_id, site, product_ids, reason) SELECT store_id, site, %s, 'test'"
        " FROM marketplace_credentials WHERE site = 'amazon-us' RETURNING id",
        [list(products)],
    ).fetchone()
    assert row is not None
    connection.commit()
    return int(row[0])


def test_a_request_is_exported_once(instance: dg.DagsterInstance, connection: psycopg.Connection) -> None:
    assert exports_asked(instance) == []
    first, second = request(connection, "p-3"), request(connection, "p-4")
    (asked_for,) = exports_asked(instance)  # one at a time of a connection
    assert (asked_for.job_name, asked_for.partition_key) == ("export_listings", cell("demo", "amazon-us"))
    assert asked_for.run_config["resources"]["export_options"]["config"] == {"product_ids": ["p-3"]}
    assert exports_asked(instance)[0].run_key == asked_for.run_key  # the daemon launches a key once

    job = defs.resolve_job_def("export_listings")
    run = instance.create_run_for_job(job, status=Status.STARTED, tags=asked_for.tags)
    assert exports_asked(instance) == []
    instance.report_run_failed(run)  # its process died
    (again,) = exports_asked(instance)
    assert again.run_key != asked_for.run_key and again.tags == asked_for.tags
    instance.create_run_for_job(job, status=Status.SUCCESS, tags=again.tags)
    assert [item.tags["pipeline/export_request"] for item in exports_asked(instance)] == [str(second)]
    closed = connection.execute("SELECT id, error FROM export_requests WHERE closed_at IS NOT NULL").fetchall()
    assert closed == [(first, None)]


def test_a_request_that_fails_three_times_is_given_up(instance: dg.DagsterInstance, connection: psycopg.Connection) -> None:
    request(connection, "p-3")
    for _ in range(3):
        (asked_for,) = exports_asked(instance)
        instance.create_run_for_job(defs.resolve_job_def("export_listings"), status=Status.FAILURE, tags=asked_for.tags)
    assert exports_asked(instance) == []
    row = connection.execute("SELECT closed_at IS NOT NULL, error IS NOT NULL FROM export_requests").fetchone()
    assert row == (True, True)


def test_a_paused_connection_is_not_exported(instance: dg.DagsterInstance, connection: psycopg.Connection) -> None:
    request(connection, "p-3")
    set_status(connection, "demo", "amazon-us", "inactive")
    connection.commit()
    assert exports_asked(instance) == []
    set_status(connection, "demo", "amazon-us", "active")
    connection.commit()
    assert len(exports_asked(instance)) == 1


def test_a_decision_in_the_ui_is_followed_by_the_export(instance: dg.DagsterInstance) -> None:
    said = {"who": "anna", "why": "counted"}
    done = defs.resolve_job_def("resume_connection").execute_in_process(
        {"ops": {"resume": {"config": said}}}, instance=instance, partition_key=cell("demo", "amazon-us")
    )
    run = instance.get_run_by_id(done.run_id)
    assert run is not None
    event = dg.DagsterEvent(dg.DagsterEventType.RUN_SUCCESS.value, run.job_name)
    context = dg.build_run_status_sensor_context(
        sensor_name="export_after_decision", dagster_event=event, dagster_instance=instance, dagster_run=run
    )
    found = export_after_decision(context)
    assert isinstance(found, dg.RunRequest)
    assert (found.partition_key, found.run_key) == (cell("demo", "amazon-us"), f"{done.run_id}:amazon-us")
    assert found.tags == {"store": "demo", "marketplace": "amazon-us"}


def test_all_decisions_but_a_pause_are_followed_by_an_export() -> None:
    assert {job.name for job in DECISION_JOBS} - {job.name for job in EXPORT_AFTER} == {"pause_connection"}
