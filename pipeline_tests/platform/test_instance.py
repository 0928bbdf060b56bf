"""Dagster on our database: one storage class, one home a data directory, nothing secret in what is serialized."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import psycopg
import pytest
import yaml

from pipeline.model.errors import PipelineError
from pipeline.platform.database import Database
from pipeline.platform.instance import dagster_home, open_instance
from pipeline.settings import PROJECT_ROOT, Settings
from pipeline_tests.conftest import data_folder, new_database


@dg.asset
def numbers() -> None:
    pass


def test_runs_and_events_are_in_our_database(instance: dg.DagsterInstance, connection: psycopg.Connection) -> None:
    result = dg.materialize([numbers], instance=instance)
    assert result.success
    runs = connection.execute("SELECT run_id FROM public.runs").fetchall()
    assert runs == [(result.run_id,)]
    assert instance.get_latest_materialization_event(dg.AssetKey("numbers")) is not None


def test_a_run_needs_two_sessions_and_what_it_says_is_kept(instance: dg.DagsterInstance, connection: psycopg.Connection) -> None:
    """Dagster's parts share a pool; events that no table indexes are written by us, and read by Dagster like its own."""
    for _ in range(2):
        result = dg.materialize([numbers], instance=instance)
    kinds = [record.event_log_entry.dagster_event_type for record in instance.get_records_for_run(result.run_id).records]
    told = [event.event_type for event in result.all_events]
    assert [kind for kind in kinds if kind is not None and kind in told] == told
    assert {dg.DagsterEventType.STEP_SUCCESS, dg.DagsterEventType.ASSET_MATERIALIZATION} <= set(told)
    open_now = connection.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name <> 'pipeline'"
    ).fetchone()
    assert open_now is not None and 1 <= open_now[0] <= 2


def test_no_secret_in_a_serialized_instance(settings: Settings, database: Database) -> None:
    with Database.open(settings).connect(autocommit=True) as connection:
        connection.execute("ALTER ROLE postgres PASSWORD 'hunter2'")
    url = database.url + "&password=hunter2"
    with_password = Settings(settings.data_dir, settings.storage_uri, url)
    with open_instance(with_password) as instance:
        text = repr(instance.get_ref())
    assert "dagster_storage" in text
    assert "hunter2" not in text
    assert database.name not in text


def test_the_home_is_the_projects_configuration_with_its_own_logs(settings: Settings) -> None:
    home = dagster_home(settings)
    assert home == settings.data_dir / "dagster"
    made, source = (yaml.safe_load((folder / "dagster.yaml").read_text()) for folder in (home, PROJECT_ROOT))
    assert made.pop("compute_logs")["config"] == {"base_dir": str(settings.data_dir / "logs")}
    source.pop("compute_logs")
    assert made == source


def test_a_changed_configuration_reaches_the_home(settings: Settings, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    text = (PROJECT_ROOT / "dagster.yaml").read_text()
    (project / "dagster.yaml").write_text(text)
    other = Settings(settings.data_dir, settings.storage_uri, settings.database_url, project)
    first = (dagster_home(other) / "dagster.yaml").stat()
    assert (dagster_home(other) / "dagster.yaml").stat() == first  # untouched when nothing changed
    (project / "dagster.yaml").write_text(text.replace("max_concurrent_runs: 3", "max_concurrent_runs: 7"))
    assert "max_concurrent_runs: 7" in (dagster_home(other) / "dagster.yaml").read_text()


def test_the_instance_follows_its_settings(instance: dg.DagsterInstance, settings: Settings, server: Database) -> None:
    instance.add_dynamic_partitions("stores", ["a"])
    other = Settings(settings.data_dir / "other", settings.storage_uri, new_database(server).url)
    with open_instance(other) as second:
        assert second.get_dynamic_partitions("stores") == []
    with open_instance(settings) as first:
        assert first.get_dynamic_partitions("stores") == ["a"]


def test_an_unreachable_database_is_our_error(settings: Settings) -> None:
    broken = Settings(settings.data_dir, settings.storage_uri, "postgresql://u:hunter2@127.0.0.1:1/d")
    with pytest.raises(PipelineError, match="cannot be reached"):
        open_instance(broken)


WORKSPACE = """
import dagster as dg

@dg.asset
def numbers() -> None: ...

defs = dg.Definitions(assets=[numbers])
"""


@contextmanager
def interruptible() -> Iterator[None]:
    """Children started here obey SIGINT, also where a background shell started the tests with it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.slow
@pytest.mark.timeout(900)  # four processes that import Dagster, perhaps on a busy machine
def test_dagster_dev_in_the_project_uses_the_database_and_stops_it(tmp_path: Path) -> None:
    """The UI, the daemon and the code server share one embedded server, beside a command that comes and goes."""
    (tmp_path / "defs.py").write_text(WORKSPACE)
    (tmp_path / "dagster.yaml").write_text((PROJECT_ROOT / "dagster.yaml").read_text())
    with data_folder() as data:
        env = {**os.environ, "PIPELINE_DATA_DIR": str(data), "PYTHONPATH": str(PROJECT_ROOT)}
        command = [sys.executable, "-m", "dagster", "dev", "-f", "defs.py", "-p", "0"]
        log = (tmp_path / "log").open("w")
        with interruptible():
            process = subprocess.Popen(command, cwd=tmp_path, env=env, stdout=log, stderr=log, start_new_session=True)
        pid_file = data / "postgres" / "postmaster.pid"
        try:
            wait_for(lambda: "Serving dagster-webserver" in (tmp_path / "log").read_text(), process, tmp_path / "log")
            started = pid_file.read_text()
            with Database.open(Settings(data, str(data))) as database, database.connect() as connection:
                wait_for(
                    lambda: connection.execute("SELECT count(*) > 0 FROM public.daemon_heartbeats").fetchone() == (True,),
                    process,
                    tmp_path / "log",
                )
            assert pid_file.read_text() == started
            process.send_signal(signal.SIGINT)
            process.wait(timeout=240)
            wait_for(lambda: not pid_file.exists(), None, tmp_path / "log")
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            log.close()


def wait_for(done: Callable[[], bool], process: subprocess.Popen[bytes] | None, log: Path) -> None:
    deadline = time.monotonic() + 240
    while not done():
        assert time.monotonic() < deadline, log.read_text()[-2000:]
        assert process is None or process.poll() is None, log.read_text()[-2000:]
        time.sleep(0.1)
