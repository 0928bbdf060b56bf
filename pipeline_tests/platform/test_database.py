"""Opening the database: DATABASE_URL or embedded, clear errors, no passwords, a server that several processes share."""

from __future__ import annotations

import os
import pwd
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg
import pytest

from pipeline.model.errors import PipelineError, UsageError
from pipeline.platform.database import Database
from pipeline.settings import Settings
from pipeline_tests.conftest import data_folder

#: Opens the database, says so, and leaves when its standard input ends.
USER = (
    "import sys; from pipeline.settings import Settings; from pipeline.platform.database import Database;"
    "db = Database.open(Settings.load()); db.connect().close(); print('open', flush=True); sys.stdin.read()"
)


def embedded(folder: Path) -> Settings:
    return Settings(folder, str(folder))


def running(data_dir: Path) -> psutil.Process | None:
    """The server's process, if it lives (a zombie waits only for the container's init)."""
    file = data_dir / "postgres" / "postmaster.pid"
    try:
        process = psutil.Process(int(file.read_text().split()[0]))
        return None if process.status() == psutil.STATUS_ZOMBIE else process
    except (FileNotFoundError, psutil.NoSuchProcess):
        return None


def start_user(settings: Settings) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", USER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **settings.environment()},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    return process


def leave(process: subprocess.Popen[str]) -> None:
    process.communicate(timeout=60)
    assert process.returncode == 0


@pytest.fixture(scope="session")
def initialized() -> Iterator[Path]:
    """A data directory whose server has run and stopped: copying one is faster than making one."""
    with data_folder() as folder:
        Database.open(embedded(folder)).close()
        yield folder


@pytest.fixture
def data_dir(initialized: Path) -> Iterator[Path]:
    with data_folder() as folder:
        copy_data(initialized, folder)
        yield folder


def copy_data(source: Path, target: Path) -> None:
    target.mkdir(parents=True)
    subprocess.run(["cp", "-a", source / "postgres", target / "postgres"], check=True)


@pytest.fixture
def fresh() -> Iterator[Path]:
    with data_folder() as folder:
        yield folder


@pytest.fixture
def deep(fresh: Path) -> Path:
    """A data directory whose path is too long for a socket, with characters that shells and URLs trip over."""
    return fresh / ("d" * 60) / "it's 100% a & ü" / ("e" * 60)


# --- DATABASE_URL


def test_our_schema_comes_first_and_times_are_utc(database: Database) -> None:
    with database.connect() as connection:
        assert connection.execute("SHOW search_path").fetchone() == ("pipeline, public",)
        assert connection.execute("SHOW TimeZone").fetchone() == ("UTC",)
        assert connection.autocommit is False
        connection.rollback()
        assert connection.execute("SHOW search_path").fetchone() == ("pipeline, public",)


def test_transactions_after_one_another_share_a_session_and_nothing_else(database: Database, server: Database) -> None:
    def session(connection: psycopg.Connection) -> int:
        assert connection.autocommit is False
        return connection.info.backend_pid

    with database.transaction() as connection:
        first = session(connection)
        connection.execute("CREATE TABLE kept (number integer)")
        with database.transaction() as inner:
            second = session(inner)
            assert inner.execute("SELECT to_regclass('kept')").fetchone() == (None,)
    assert first != second
    with pytest.raises(ZeroDivisionError), database.transaction() as connection:
        assert session(connection) == first
        connection.execute("INSERT INTO kept VALUES (1)")
        raise ZeroDivisionError
    assert connection.closed  # whatever a failure left in its session
    with database.transaction() as connection:
        assert session(connection) == second
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)
        connection.execute("INSERT INTO kept VALUES (2)")
    with server.connect(autocommit=True) as other:  # as a server that was started again, or that ends idle sessions
        other.execute("SELECT pg_terminate_backend(%s, 10000)", [second])
    with database.transaction() as connection:
        assert session(connection) != second
        assert connection.execute("SELECT number FROM kept").fetchone() == (2,)
    database.close()
    assert connection.closed


def test_statements_that_count_at_once_share_the_session_too(database: Database) -> None:
    with database.transaction() as connection:
        first = connection.info.backend_pid
    with database.autocommit() as connection:
        assert connection.info.backend_pid == first
        connection.execute("CREATE TABLE kept (number integer)")
        with database.transaction() as other:
            assert other.execute("SELECT count(*) FROM kept").fetchone() == (0,)
    with pytest.raises(ZeroDivisionError), database.autocommit() as connection:
        connection.execute("INSERT INTO kept VALUES (1)")
        raise ZeroDivisionError
    assert connection.closed
    with database.transaction() as connection:
        assert connection.autocommit is False
        assert connection.execute("SELECT number FROM kept").fetchone() == (1,)


def test_what_asked_for_the_version_is_used_again(settings: Settings, connection: psycopg.Connection) -> None:
    """Opening a database and asking it something takes one session."""
    with Database.open(settings) as database, database.transaction() as ours:
        found = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).fetchall()
        assert found == [(ours.info.backend_pid,)]
        database.release()
        assert not ours.closed
    assert ours.closed


def test_a_url_opens_the_same_database(database: Database) -> None:
    for scheme in ("postgres", "postgresql", "postgresql+psycopg2"):
        url = database.url.replace("postgresql", scheme, 1)
        with Database.open(Settings.load({"DATABASE_URL": url})) as other, other.connect() as connection:
            assert connection.execute("SELECT current_database()").fetchone() == (database.name,)


def test_sqlalchemy_reaches_it_with_psycopg2(database: Database) -> None:
    import sqlalchemy

    assert database.sqlalchemy_url.startswith("postgresql+psycopg2://")
    engine = sqlalchemy.create_engine(database.sqlalchemy_url)
    with engine.connect() as connection:
        assert connection.execute(sqlalchemy.text("SELECT current_database()")).scalar() == database.name
    engine.dispose()


PASSWORD = "p@ss:/?#[]% ü"


@pytest.mark.parametrize(
    ("url", "host", "query"),
    [
        (f"postgres://u:{quote(PASSWORD, safe='')}@h:5433/d?sslmode=require", "h", {"sslmode": "require"}),
        (f"postgresql://u:{quote(PASSWORD, safe='')}@[::1]:5433/d", "::1", {}),
        (f"postgresql://u:{quote(PASSWORD, safe='')}@/d?host=/run/x&port=5433", None, {"host": "/run/x", "port": "5433"}),
    ],
)
def test_sqlalchemy_gets_the_same_parts(url: str, host: str | None, query: dict[str, str]) -> None:
    from sqlalchemy.engine import make_url

    from pipeline.platform.database import _parse

    found = make_url(Database(_parse(url)).sqlalchemy_url)
    assert (found.drivername, found.username, found.password, found.host, found.database) == (
        "postgresql+psycopg2",
        "u",
        PASSWORD,
        host,
        "d",
    )
    assert found.port == (5433 if host else None)
    assert dict(found.query) == query


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_an_unreachable_database_is_one_sentence_and_no_embedded_one(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    settings = Settings.load(
        {"PIPELINE_DATA_DIR": str(tmp_path), "DATABASE_URL": f"postgresql://u:hunter2@127.0.0.1:{port}/shop"}
    )
    with pytest.raises(PipelineError) as caught:
        Database.open(settings)
    message = str(caught.value)
    assert f"the database 'shop' at 127.0.0.1:{port} cannot be reached" in message
    assert "check DATABASE_URL" in message
    assert "hunter2" not in message
    assert "\n" not in message
    assert list(tmp_path.iterdir()) == []


def test_a_silent_database_ends_in_an_error(silent_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.platform.database.CONNECT_SECONDS", 2)
    with pytest.raises(PipelineError, match="timeout"):
        Database.open(Settings.load({"DATABASE_URL": f"postgresql://u:hunter2@127.0.0.1:{silent_port}/shop"}))


@pytest.mark.parametrize(
    "url", ["postgresql://u:hunter2@h:port/d", "postgresql://u:hun%zzter2@h/d", "postgresql://u:p@h/d?hunter2=1"]
)
def test_a_malformed_url_is_not_quoted(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        Database.open(Settings.load({"DATABASE_URL": url}))
    assert "DATABASE_URL cannot be read" in str(caught.value)
    assert "ter2" not in str(caught.value)


def test_an_old_server_is_refused(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.platform.database.MINIMUM_VERSION", 990000)
    with pytest.raises(PipelineError, match="is Postgres 18; version 14 or newer"):
        Database.open(Settings.load({"DATABASE_URL": database.url}))


# --- the embedded server


def test_the_last_to_leave_stops_the_server(data_dir: Path) -> None:
    settings = embedded(data_dir)
    first = start_user(settings)
    server = running(settings.data_dir)
    assert server is not None
    with Database.open(settings) as short, short.connect() as connection:
        connection.execute("CREATE TABLE public.kept (x int)")
    second = start_user(settings)
    leave(first)
    assert running(settings.data_dir) == server  # short commands and others come and go
    leave(second)
    assert running(settings.data_dir) is None
    with Database.open(settings) as again, again.connect() as connection:
        assert connection.execute("SELECT count(*) FROM public.kept").fetchone() == (0,)


def test_a_killed_user_counts_no_longer(data_dir: Path) -> None:
    settings = embedded(data_dir)
    killed = start_user(settings)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert running(settings.data_dir) is not None  # nobody was there to stop it
    Database.open(settings).close()
    assert running(settings.data_dir) is None


def test_four_processes_start_and_stop_one_server(fresh: Path) -> None:
    settings = embedded(fresh)
    env = {**os.environ, **settings.environment()}
    program = USER.replace("print('open', flush=True); sys.stdin.read()", "db.close(); print('closed')")
    for _ in range(2):
        processes = [
            subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=env) for _ in range(4)
        ]
        assert [process.communicate(timeout=60)[0] for process in processes] == ["closed\n"] * 4
        assert running(settings.data_dir) is None


def test_a_killed_server_recovers_what_was_committed(data_dir: Path) -> None:
    settings = embedded(data_dir)
    with Database.open(settings) as database:
        with database.connect() as connection:
            connection.execute("CREATE TABLE public.kept (x int)")
            connection.execute("INSERT INTO public.kept VALUES (1)")
        server = running(settings.data_dir)
        assert server is not None
        server.kill()
        with Database.open(settings) as again, again.connect() as connection:
            assert connection.execute("SELECT x FROM public.kept").fetchall() == [(1,)]


def test_a_dead_servers_number_that_another_process_has(data_dir: Path) -> None:
    settings = embedded(data_dir)
    Database.open(settings).close()
    file = settings.data_dir / "postgres" / "postmaster.pid"
    file.write_text(f"{os.getpid()}\n{settings.data_dir / 'postgres'}\n1\n5432\n{settings.data_dir / 'postgres'}\n\n\nready\n")
    with Database.open(settings) as database:
        database.connect().close()


def test_a_copied_data_directory_never_reaches_the_first_ones_server(data_dir: Path) -> None:
    copy = data_dir.with_name("copy")
    with Database.open(embedded(data_dir)) as database:
        with database.connect(autocommit=True) as connection:
            connection.execute("CREATE TABLE public.first (x int)")
            connection.execute("CHECKPOINT")
        copy_data(data_dir, copy)
        with Database.open(embedded(copy)) as second, second.connect(autocommit=True) as connection:
            connection.execute("DROP TABLE public.first")
            assert running(copy) != running(data_dir)
        with database.connect() as connection:
            assert connection.execute("SELECT count(*) FROM public.first").fetchone() == (0,)


def test_a_fork_that_leaves_does_not_stop_the_server(data_dir: Path) -> None:
    with Database.open(embedded(data_dir)) as database:
        child = os.fork()
        if child == 0:
            try:
                database.close()
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        database.connect().close()
    assert running(data_dir) is None


def test_a_path_too_long_for_a_socket(deep: Path) -> None:
    settings = embedded(deep)
    process = start_user(settings)
    with Database.open(settings) as database:
        with database.connect() as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        (socket_folder,) = {Path(line) for line in (deep / "postgres" / "postmaster.pid").read_text().split("\n")[4:5]}
        assert stat.S_IMODE(socket_folder.stat().st_mode) == 0o700
        with Database.open(Settings.load({"DATABASE_URL": database.url})) as by_url:
            by_url.connect().close()
        import sqlalchemy

        engine = sqlalchemy.create_engine(database.sqlalchemy_url)
        engine.connect().close()
        engine.dispose()
    leave(process)
    assert running(deep) is None
    assert not socket_folder.exists()


def test_a_folder_in_the_sockets_place_is_refused(deep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.platform import server_user as module

    with tempfile.TemporaryDirectory() as elsewhere:
        monkeypatch.setattr(module.tempfile, "gettempdir", lambda: elsewhere)
        folder = module.socket_folder(deep / "postgres", pwd.getpwuid(os.geteuid()))
        assert folder.parent == Path(elsewhere)
        folder.chmod(0o777)
        with pytest.raises(PipelineError, match="belongs to someone else"):
            module.socket_folder(deep / "postgres", pwd.getpwuid(os.geteuid()))
        folder.rmdir()
        folder.symlink_to(elsewhere)
        with pytest.raises(PipelineError, match="belongs to someone else"):
            module.socket_folder(deep / "postgres", pwd.getpwuid(os.geteuid()))


def test_other_local_users_cannot_log_in(data_dir: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    with Database.open(embedded(data_dir)) as database:
        (data_dir / "postgres").chmod(0o755)  # the other user reaches the socket, which is not enough
        with pytest.raises(PipelineError, match="eer authentication failed"):
            as_user("nobody", lambda: database.connect().close())
        as_user("pgserver", lambda: database.connect().close())


def as_user(name: str, action: Callable[[], None]) -> None:
    """Run `action` in a child process of that user; its PipelineError is raised here."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            entry = pwd.getpwnam(name)
            os.setgroups([])
            os.setgid(entry.pw_gid)
            os.setuid(entry.pw_uid)
            action()
        except PipelineError as error:
            os.write(writer, str(error).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        message = answer.read()
    os.waitpid(child, 0)
    if message:
        raise PipelineError(message)


def test_a_folder_with_other_files_is_not_taken(fresh: Path) -> None:
    (fresh / "postgres").mkdir(parents=True)
    (fresh / "postgres" / "notes.txt").write_text("mine")
    with pytest.raises(PipelineError, match="holds files but no database"):
        Database.open(embedded(fresh))


def test_a_data_directory_of_another_postgres_is_not_touched(data_dir: Path) -> None:
    settings = embedded(data_dir)
    Database.open(settings).close()
    (settings.data_dir / "postgres" / "PG_VERSION").write_text("16\n")
    with pytest.raises(PipelineError, match="made by Postgres 16"):
        Database.open(settings)


def test_a_server_that_cannot_start_says_why(data_dir: Path) -> None:
    settings = embedded(data_dir)
    Database.open(settings).close()
    (settings.data_dir / "postgres" / "postgresql.auto.conf").write_text("shared_buffers = 'nonsense'\n")
    with pytest.raises(PipelineError, match=r"does not start: .*(nonsense|contains errors).*server\.log"):
        Database.open(settings)


def test_a_killed_first_start_is_made_good(fresh: Path) -> None:
    settings = embedded(fresh)
    half = settings.data_dir / "postgres.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    Database.open(settings).close()
    assert not half.exists()


def test_postgres_variables_of_the_environment_do_not_matter(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PGPORT": "1", "PGDATA": "/nowhere", "PGUSER": "x", "PGDATABASE": "y", "PGHOST": "/nowhere"}.items():
        monkeypatch.setenv(name, value)
    with Database.open(embedded(data_dir)) as database:
        database.connect().close()


def test_embedded_commits_are_durable(data_dir: Path) -> None:
    with Database.open(embedded(data_dir)) as database, database.connect() as connection:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            assert connection.execute(f"SHOW {setting}").fetchone() == ("on",)  # type: ignore[arg-type]


def test_a_lost_server_is_a_clear_error(data_dir: Path) -> None:
    with Database.open(embedded(data_dir)) as database:
        server = running(data_dir)
        assert server is not None
        server.terminate()
        deadline = time.monotonic() + 30
        while running(data_dir) is not None:
            assert time.monotonic() < deadline
        with pytest.raises(PipelineError, match="start the command again"):
            database.connect()


def test_closing_twice_is_fine(data_dir: Path) -> None:
    database = Database.open(embedded(data_dir))
    database.close()
    database.close()
    with pytest.raises(PipelineError):
        database.connect()
