"""What a command works with: settings, migrated database, Dagster's instance; each opened when needed, closed at the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import dagster as dg
    import psycopg

    from pipeline.platform.database import Database
    from pipeline.platform.vault.envelope import Vault
    from pipeline.settings import Settings


class Session:
    """Use it through `session()`. Heavy modules are imported only by what needs them."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    @cached_property
    def settings(self) -> Settings:
        from pipeline.settings import Settings

        return Settings.load()

    @cached_property
    def database(self) -> Database:
        from pipeline.platform.database import Database
        from pipeline.platform.migrations import migrate

        database = self._stack.enter_context(Database.open(self.settings))
        migrate(database)
        return database

    @cached_property
    def instance(self) -> dg.DagsterInstance:
        from pipeline.platform.instance import open_instance

        return self._stack.enter_context(open_instance(self.settings))

    @cached_property
    def vault(self) -> Vault:
        from pipeline.platform.vault.key_files import open_vault

        return open_vault(self.settings)

    @contextmanager
    def connect(self) -> Iterator[psycopg.Connection]:
        """A connection whose transaction is committed at the end, rolled back on an error."""
        with self.database.transaction() as connection:
            yield connection


@contextmanager
def session() -> Iterator[Session]:
    """The session of one command."""
    with ExitStack() as stack:
        yield Session(stack)
