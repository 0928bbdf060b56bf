"""Runs as operators see them, on a real instance: progress, filters, canceling living, waiting and dead runs.

Annotations are not postponed here: Dagster compares that of `context`, which a nested function could not resolve.
"""

from collections.abc import Iterator

import dagster as dg
import psycopg
import pytest
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin

from pipeline.model.errors import PipelineError, UsageError
from pipeline.operations import runs
from pipeline.operations.partitions import register, unregister
from pipeline.platform.database import Database
from pipeline.platform.instance import open_instance
from pipeline.platform.locks import advisory_lock, run_lock_name
from pipeline.settings import Settings

Status = dg.DagsterRunStatus


@pytest.fixture
def instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    with open_instance(settings) as found:
        yield found


def job_of(*assets: dg.AssetsDefinition) -> dg.JobDefinition:
    job = dg.define_asset_job("import_all", executor_def=dg.in_process_executor)
    return dg.Definitions(assets=assets, jobs=[job]).resolve_job_def("import_all")


@dg.asset
def first() -> None: ...


JOB = job_of(first)


#: What Dagster wants to know of a queued run: where its worker would load the job from.
ORIGIN = RemoteJobOrigin(RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("pipeline"), "__repository__"), "import_all")


def create(instance: dg.DagsterInstance, status: Status, tags: dict[str, str] | None = None) -> str:
    return instance.create_run_for_job(JOB, status=status, tags=tags, remote_job_origin=ORIGIN).run_id


def test_progress_is_finished_steps_and_the_reported_part_of_this_one(instance: dg.DagsterInstance) -> None:
    seen = []

    @dg.asset(deps=[first])
    def second(context: dg.AssetExecutionContext) -> None:
        seen.append(runs.get_run(context.instance, context.run.run_id))
        for progress, message in ((10, "1 of 10"), (60, "6 of 10")):
            context.log_event(dg.AssetObservation("second", metadata={"progress": progress, "progress_message": message}))
        context.log_event(dg.AssetObservation("second", metadata={"rows": 7}))
        seen.append(runs.get_run(context.instance, context.run.run_id))

    run_id = job_of(first, second).execute_in_process(instance=instance, tags={"store": "demo"}).run_id
    assert [(run.progress, run.progress_message) for run in seen] == [(50, None), (80, "step 2 of 2: 6 of 10")]
    assert (seen[0].status, seen[0].type, seen[0].store, seen[0].finished) == ("started", "import_all", "demo", False)
    assert seen[0].ended is None and seen[0].duration_seconds is not None
    done = runs.get_run(instance, run_id)
    assert (done.status, done.progress, done.error, done.finished) == ("success", 100, None, True)
    assert done.started is not None and done.ended is not None and done.ended >= done.started


@pytest.mark.parametrize("value", ["soon", -5.0, 1e9, True])
def test_a_strange_progress_stays_within_bounds(instance: dg.DagsterInstance, value: object) -> None:
    seen = []

    @dg.asset
    def odd(context: dg.AssetExecutionContext) -> None:
        context.log_event(dg.AssetObservation("odd", metadata={"progress": value, "progress_message": "x" * 2000}))
        seen.append(runs.get_run(context.instance, context.run.run_id))

    job_of(odd).execute_in_process(instance=instance)
    assert 0 <= seen[0].progress <= 100
    assert seen[0].progress_message == "x" * 500


def test_a_failed_run_says_what_the_step_said(instance: dg.DagsterInstance) -> None:
    @dg.asset
    def broken() -> None:
        raise dg.Failure("the file is empty\n  look there", allow_retries=False)

    @dg.asset
    def bug() -> None:
        raise ValueError("x" * 2000)

    expected = job_of(broken).execute_in_process(instance=instance, raise_on_error=False).run_id
    unexpected = job_of(bug).execute_in_process(instance=instance, raise_on_error=False).run_id
    found = runs.get_run(instance, expected)
    assert found.status == "failure"
    assert found.error == "the file is empty look there"
    error = runs.get_run(instance, unexpected).error
    assert error is not None and error.startswith("ValueError: xxx") and len(error) == 500


def test_runs_are_found_by_store_and_site_however_they_were_started(instance: dg.DagsterInstance) -> None:
    ours = create(instance, Status.QUEUED, {"store": "demo", "marketplace": "amazon-us"})
    ui = create(
        instance,
        Status.QUEUED,
        {"dagster/partition": "amazon-us|demo", "dagster/partition/store": "demo", "dagster/partition/marketplace": "amazon-us"},
    )
    single = create(instance, Status.SUCCESS, {"dagster/partition": "demo"})
    other = create(instance, Status.QUEUED, {"store": "other", "marketplace": "ebay-us"})

    def ids(**filters: object) -> list[str]:
        return [run.id for run in runs.list_runs(instance, **filters)]  # type: ignore[arg-type]

    assert ids() == [other, single, ui, ours]
    assert ids(limit=1) == [other]
    assert ids(store="demo") == [single, ui, ours]
    assert ids(store="demo", marketplace="amazon-us") == [ui, ours]
    assert ids(marketplace="ebay-us") == [other]
    assert ids(store="demo", unfinished=True) == [ui, ours]
    assert ids(store="nobody") == []
    shown = {run.id: (run.store, run.marketplace) for run in runs.list_runs(instance)}
    assert shown == {
        ours: ("demo", "amazon-us"), ui: ("demo", "amazon-us"), single: ("demo", None), other: ("other", "ebay-us"),
    }  # fmt: skip


def test_a_run_is_named_by_the_beginning_of_its_id(instance: dg.DagsterInstance) -> None:
    run_id = create(instance, Status.QUEUED)
    assert runs.get_run(instance, run_id).id == run_id
    assert runs.get_run(instance, f" {run_id[:8].upper()} ").id == run_id
    for wrong in ("", "abc", "x" * 36, "a\x00bcd", "../x", "%%%%"):
        with pytest.raises(UsageError, match="named by its id"):
            runs.get_run(instance, wrong)
    with pytest.raises(UsageError, match="there is no run 0000000"):
        runs.get_run(instance, "00000000-0000")


def test_two_runs_with_one_beginning_are_not_guessed(instance: dg.DagsterInstance) -> None:
    for end in ("1", "2"):
        instance.create_run_for_job(JOB, run_id="aaaaaaaa-0000-4000-8000-00000000000" + end)
    with pytest.raises(UsageError, match="2 runs begin with aaaaaaaa"):
        runs.get_run(instance, "aaaaaaaa")


def test_a_waiting_run_is_canceled_at_once(instance: dg.DagsterInstance, connection: psycopg.Connection) -> None:
    run_id = create(instance, Status.QUEUED)
    assert runs.cancel_run(instance, connection, run_id).status == "canceled"
    with pytest.raises(UsageError, match=r"has ended already \(canceled\)"):
        runs.cancel_run(instance, connection, run_id)


def test_a_living_run_is_flagged_and_a_dead_one_closed(
    instance: dg.DagsterInstance, connection: psycopg.Connection, database: Database
) -> None:
    run_id = create(instance, Status.STARTED, {"store": "demo"})
    with advisory_lock(database.connect, run_lock_name(run_id), wait_seconds=0, holder="a test"):
        for _ in range(2):  # asking twice is fine
            assert runs.cancel_run(instance, connection, run_id).status == "canceling"
        with pytest.raises(PipelineError, match=f"1 run.s. of store demo wait or work; .* pipeline jobs cancel {run_id}"):
            runs.refuse_while_running(instance, connection, "demo")
    runs.refuse_while_running(instance, connection, "demo")
    assert runs.cancel_run(instance, connection, run_id).status == "canceled"


def test_a_waiting_run_of_another_store_keeps_nobody(instance: dg.DagsterInstance, connection: psycopg.Connection) -> None:
    create(instance, Status.QUEUED, {"store": "other"})
    runs.refuse_while_running(instance, connection, "demo")
    with pytest.raises(PipelineError, match="of store other"):
        runs.refuse_while_running(instance, connection, "other")


def test_partitions_come_and_go(instance: dg.DagsterInstance) -> None:
    for _ in range(2):
        register(instance, store_keys=["b", "a"], sites=["amazon-us"])
    assert sorted(instance.get_dynamic_partitions("stores")) == ["a", "b"]
    assert list(instance.get_dynamic_partitions("marketplaces")) == ["amazon-us"]
    for _ in range(2):
        unregister(instance, store_keys=["a"], sites=["amazon-us", "ebay-us"])
    assert list(instance.get_dynamic_partitions("stores")) == ["b"]
    assert list(instance.get_dynamic_partitions("marketplaces")) == []
