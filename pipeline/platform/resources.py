"""Dagster resources that every stage uses: the workspace of a run, and the scope that an operator gives to one run."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field, PrivateAttr

from pipeline.model.errors import PipelineError
from pipeline.platform.locks import advisory_lock, is_locked, run_lock_name
from pipeline.settings import Settings

if TYPE_CHECKING:
    import psycopg

    from pipeline.platform.database import Database
    from pipeline.platform.vault.envelope import Vault


class Workspace(dg.ConfigurableResource[None]):
    """Settings, database and a scratch folder, opened once a run.

    It also holds the run's session lock: a run whose lock is free has died, whatever its status says.
    """

    _settings: Settings = PrivateAttr()
    _database: Database | None = PrivateAttr(default=None)
    _scratch: Path | None = PrivateAttr(default=None)
    _vault: Vault | None = PrivateAttr(default=None)
    _closing: ExitStack = PrivateAttr(default_factory=ExitStack)
    _held: set[str] = PrivateAttr(default_factory=set)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        from pipeline.platform.database import Database
        from pipeline.platform.migrations import migrate

        self._settings = Settings.load()
        with ExitStack() as opening:
            self._database = opening.enter_context(Database.open(self._settings))
            migrate(self._database)
            root = self._settings.data_dir / "scratch"
            root.mkdir(parents=True, exist_ok=True)
            _remove_left_behind(root, self._database)
            if context.run is not None:
                opening.enter_context(
                    advisory_lock(
                        self._database.connect,
                        run_lock_name(context.run.run_id),
                        wait_seconds=0,
                        holder=f"process {os.getpid()}",
                    )
                )
            # After the lock: a folder whose run holds none is a dead run's.
            self._scratch = Path(tempfile.mkdtemp(prefix=f"{context.run.run_id if context.run else ''}.", dir=root))
            opening.callback(shutil.rmtree, self._scratch, ignore_errors=True)
            self._closing = opening.pop_all()

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        self._closing.close()

    @property
    def settings(self) -> Settings:
        return self._settings

    @property
    def database(self) -> Database:
        if self._database is None:
            raise RuntimeError("the workspace is not open")
        return self._database

    @property
    def vault(self) -> Vault:
        """The credential vault. Its keys are read when the first credentials are opened; most runs need none."""
        if self._vault is None:
            from pipeline.platform.vault.key_files import open_vault

            self._vault = open_vault(self._settings)
        return self._vault

    @contextmanager
    def connect(self) -> Iterator[psycopg.Connection[Any]]:
        """A connection whose transaction is committed at the end, rolled back on an error."""
        with self.database.transaction() as connection:
            yield connection

    def scratch(self, step: str) -> Path:
        """A folder for the staged tables of one step, on the filesystem of the data directory."""
        if self._scratch is None:
            raise RuntimeError("the workspace is not open")
        folder = self._scratch / step
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return folder

    def hold(
        self, lock: str, *, holder: str, wait_seconds: float, waiting: Callable[[], None], busy: str = "is being exported"
    ) -> None:
        """Hold an advisory lock until the run ends; raises PipelineError naming the holder when the wait is over."""
        if lock not in self._held:
            self._closing.enter_context(
                advisory_lock(self.database.connect, lock, wait_seconds=wait_seconds, holder=holder, check=waiting, busy=busy)
            )
            self._held.add(lock)


def _remove_left_behind(root: Path, database: Database) -> None:
    """Remove the scratch folders of runs that were killed."""
    left = {folder: folder.name.partition(".")[0] for folder in root.iterdir()}
    if not any(left.values()):
        return
    with database.autocommit() as connection:
        for folder, run_id in left.items():
            if run_id and not is_locked(connection, run_lock_name(run_id)):
                shutil.rmtree(folder, ignore_errors=True)


class ExportOptions(dg.ConfigurableResource[None]):
    """The scope of one export run. Tables are always whole; this limits the plan and the paid work."""

    product_ids: list[str] = Field(
        default=[], description="Only these products may change on the marketplace; empty means all. Others are out of scope."
    )
    dry_run: bool = Field(default=False, description="Make the plan and show it; write no feeds and send nothing.")
    rollback_to: str = Field(
        default="", description="With dry_run: show what going back to this export would do. The job roll_back does it."
    )
    rollback_kinds: list[str] = Field(default=[], description="Of these kinds (price, content, images); empty means all.")
    rollback_skus: list[str] = Field(default=[], description="Of these SKUs; empty means all.")
    ai: bool | None = Field(default=None, description="Use AI optimization in this run; empty means the connection's setting.")
    translate: bool | None = Field(default=None, description="Translate in this run; empty means the connection's setting.")


@contextmanager
def expected_failures() -> Iterator[None]:
    """Expected errors become Dagster failures: one sentence, no retry, since trying again changes nothing."""
    try:
        yield
    except PipelineError as error:
        raise dg.Failure(description=str(error), allow_retries=False) from error
