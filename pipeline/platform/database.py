"""The database: the embedded Postgres, or the one that DATABASE_URL names. Never one instead of the other.

Our tables live in schema `pipeline`, Dagster's in `public`. Own code speaks psycopg 3, Dagster psycopg2 through SQLAlchemy.
"""

from __future__ import annotations

import atexit
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import TYPE_CHECKING
from urllib.parse import quote

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from pipeline.model.errors import PipelineError, UsageError
from pipeline.settings import Settings

if TYPE_CHECKING:
    from pipeline.platform.embedded import EmbeddedServer

CONNECT_SECONDS = 5
MINIMUM_VERSION = 140000  # Postgres 14
_MALFORMED = (
    "DATABASE_URL cannot be read; it must look like postgresql://user:password@host:5432/database, "
    "with special characters percent-encoded"
)
#: One statement, one round trip: poolers refuse the startup parameter `options`.
_SESSION = "SELECT set_config('search_path', 'pipeline, public', false), set_config('TimeZone', 'UTC', false)"


class Database:
    """An opened database. Closing the last user of the embedded server stops it; forgotten ones close at exit."""

    def __init__(self, parameters: Mapping[str, str], server: EmbeddedServer | None = None) -> None:
        self._parameters = dict(parameters)
        self._server = server
        self._idle: list[psycopg.Connection] = []
        atexit.register(self.close)

    @classmethod
    def open(cls, settings: Settings) -> Database:
        """Start, attach or connect. Raises PipelineError in one sentence, without the password, when that fails."""
        if settings.database_url is None:
            if sys.platform == "win32":
                raise PipelineError("the embedded database needs Linux or macOS; on Windows use WSL, or set DATABASE_URL")
            from pipeline.platform.embedded import EmbeddedServer

            server = EmbeddedServer(settings.data_dir)
            return cls(server.conninfo(), server)
        parameters = _parse(settings.database_url)
        database = cls(parameters)
        try:
            with database.autocommit() as connection:
                version = connection.info.server_version
        except PipelineError:
            database.close()
            raise
        if version < MINIMUM_VERSION:
            database.close()
            raise PipelineError(f"{database} is Postgres {version // 10000}; version 14 or newer is needed (DATABASE_URL)")
        return database

    def connect(self, autocommit: bool = False) -> psycopg.Connection:
        """A new connection that sees `pipeline`, then `public`, and speaks UTC."""
        parameters = {"connect_timeout": str(CONNECT_SECONDS), "application_name": "pipeline", **self._parameters}
        try:
            connection = psycopg.connect(make_conninfo(**parameters), autocommit=True)
            connection.execute(_SESSION)
        except psycopg.Error as error:
            raise PipelineError(f"{self} cannot be reached: {self._reason(error)}; {self._advice}") from None
        connection.autocommit = autocommit
        return connection

    @contextmanager
    def transaction(self) -> Iterator[psycopg.Connection]:
        """As `with connect()`: committed at the end, rolled back on an error. Connections of what ended well are used again,
        since opening one costs Postgres more than most answers; inside one another they are different ones."""
        connection = self._kept() or self.connect(autocommit=True)
        try:
            connection.autocommit = False
            yield connection
            if not connection.closed:
                connection.commit()
                connection.autocommit = True
        except BaseException:
            with suppress(psycopg.Error):
                connection.rollback()
            connection.close()
            raise
        self._idle.append(connection)

    @contextmanager
    def autocommit(self) -> Iterator[psycopg.Connection]:
        """As `transaction`, but each statement counts at once. What it sets for its session stays set for the next user."""
        with self.transaction() as connection:
            connection.autocommit = True
            yield connection

    def _kept(self) -> psycopg.Connection | None:
        while self._idle:
            connection = self._idle.pop()
            try:
                connection.execute("")  # the server may have ended it since
            except psycopg.Error:
                connection.close()
                continue
            return connection
        return None

    @property
    def sqlalchemy_url(self) -> str:
        """For SQLAlchemy with psycopg2, which a bare postgresql:// no longer means (SQLAlchemy 2.1). Holds the password."""
        from sqlalchemy.engine import URL

        host, port = self._parameters.get("host", ""), self._parameters.get("port", "")
        rest = {key: self._parameters[key] for key in self._parameters.keys() - {"user", "password", "dbname", "host", "port"}}
        plain = host and not host.startswith("/") and "," not in host
        if not plain:
            rest |= {key: value for key, value in (("host", host), ("port", port)) if value}
        url = URL.create(
            "postgresql+psycopg2",
            username=self._parameters.get("user"),
            password=self._parameters.get("password"),
            host=host if plain else None,
            port=int(port) if plain and port else None,
            database=self._parameters.get("dbname"),
            query=rest,
        )
        return url.render_as_string(hide_password=False)

    @property
    def url(self) -> str:
        """As a DATABASE_URL for another process. Holds the password."""
        query = "&".join(f"{key}={quote(value, safe='')}" for key, value in sorted(self._parameters.items()) if key != "dbname")
        return f"postgresql:///{quote(self._parameters.get('dbname', ''), safe='')}?{query}"

    @property
    def name(self) -> str:
        return self._parameters.get("dbname", "")

    def sibling(self, name: str) -> Database:
        """Another database of the same server, which stays open only as long as this one."""
        return Database({**self._parameters, "dbname": name})

    def release(self) -> None:
        """Close the connections that are kept for later."""
        while self._idle:
            self._idle.pop().close()

    def close(self) -> None:
        atexit.unregister(self.close)
        self.release()
        if self._server is not None:
            self._server.close()
            self._server = None

    def __str__(self) -> str:
        if "requirepeer" in self._parameters:
            return f"the embedded database in {self._parameters['host']}"
        return (
            f"the database {self._parameters.get('dbname', '')!r} at "
            f"{self._parameters.get('host', 'localhost')}:{self._parameters.get('port', '5432')}"
        )

    def __enter__(self) -> Database:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @property
    def _advice(self) -> str:
        return "start the command again" if self._server else "check DATABASE_URL, or unset it to use the embedded database"

    def _reason(self, error: psycopg.Error) -> str:
        reason = re.sub(r"\s+", " ", str(error)).strip() or type(error).__name__
        password = self._parameters.get("password")
        return (reason.replace(password, "***") if password else reason)[:300]


def _parse(url: str) -> dict[str, str]:
    scheme_free = url.split("://", 1)[1]
    try:
        found = conninfo_to_dict(f"postgresql://{scheme_free}")
    except psycopg.Error:
        # libpq's message would quote the malformed part, which may be the password.
        raise UsageError(_MALFORMED) from None
    if not re.fullmatch(r"[\d,]*", str(found.get("port") or "")):
        raise UsageError(_MALFORMED)
    return {key: str(value) for key, value in found.items() if value is not None}
