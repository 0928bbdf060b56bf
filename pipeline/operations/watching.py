"""The job `watch_sources`: one run looks at all live stores and requests imports of what changed.

Annotations are not postponed here: Dagster looks at that of `context`.
Not a sensor, since it asks the services over the network. It makes a run a minute, so it removes its own old ones.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import dagster as dg
import psycopg

from pipeline.catalog.requests import add_request, forget_old
from pipeline.catalog.source import Newest
from pipeline.catalog.watches import note_error, note_look
from pipeline.model.errors import PipelineError
from pipeline.stores.sources import source_kind
from pipeline.stores.stores import Store, list_stores, open_credentials

if TYPE_CHECKING:
    from pipeline.platform.vault.envelope import Vault

#: Run tag of the nightly run, which requests an import of every live store.
NIGHTLY_TAG = "pipeline/nightly"
#: How many stores are asked at once.
_AT_ONCE = 8
_KEEP_RUNS = timedelta(hours=1)
_MAX_REMOVED = 20

#: Asks a store's source, given its credentials; may be called in any thread.
Ask = Callable[[Store, Any], Newest]


@dataclass
class Looked:
    """What one run of the watcher did: stores looked at, requests made, and errors by store."""

    stores: int = 0
    requested: list[str] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)


def ask_source(store: Store, credentials: Any) -> Newest:
    from pipeline.catalog.sources import live_source_of

    return live_source_of(store, credentials).newest_change()


def live_stores(connection: psycopg.Connection[Any]) -> list[Store]:
    return [store for store in list_stores(connection) if source_kind(store.source).live]


def look(connection: psycopg.Connection[Any], vault: "Vault", now: datetime, ask: Ask = ask_source) -> Looked:
    """Look at every live store; one that fails does not stop the others. The connection commits by itself."""
    done = Looked()
    ready: list[tuple[Store, Any]] = []
    bugs: list[Exception] = []
    for store in live_stores(connection):
        done.stores += 1
        try:
            ready.append((store, open_credentials(connection, vault, store)))
        except PipelineError as error:
            _failed(connection, done, store, error)
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        answers = [(store, pool.submit(ask, store, credentials)) for store, credentials in ready]
        for store, answer in answers:
            try:
                newest = answer.result()
            except PipelineError as error:
                _failed(connection, done, store, error)
            except Exception as bug:  # raised when the other stores are done
                bugs.append(bug)
            else:
                with connection.transaction():
                    if note_look(connection, store, newest, now) is not None:
                        done.requested.append(store.key)
    if bugs:
        raise bugs[0]
    return done


def request_all(connection: psycopg.Connection[Any], now: datetime) -> list[str]:
    """An import of every live store, once a day; such an import compares all product ids too."""
    day = now.date().isoformat()
    return [store.key for store in live_stores(connection) if add_request(connection, store.id, "all", "schedule", day)]


def _failed(connection: psycopg.Connection[Any], done: Looked, store: Store, error: PipelineError) -> None:
    done.errors[store.key] = str(error)
    with connection.transaction():
        note_error(connection, store.id, str(error))


def _remove_old_runs(instance: dg.DagsterInstance, now: datetime) -> None:
    """Of the runs that went well only those of the last hour stay."""
    filters = dg.RunsFilter(job_name="watch_sources", statuses=[dg.DagsterRunStatus.SUCCESS], created_before=now - _KEEP_RUNS)
    for run in instance.get_runs(filters, limit=_MAX_REMOVED):
        instance.delete_run(run.run_id)


@dg.op(required_resource_keys={"workspace"}, description="Ask each live store for its newest change.")
def look_at_sources(context: dg.OpExecutionContext) -> None:
    workspace, now = context.resources.workspace, datetime.now(timezone.utc)
    with workspace.database.autocommit() as connection:
        if NIGHTLY_TAG in context.run.tags:
            context.log.info(f"nightly imports requested: {', '.join(request_all(connection, now)) or 'none'}")
            forget_old(connection)
        done = look(connection, workspace.vault, now)
    _remove_old_runs(context.instance, now)
    context.log.info(f"{done.stores} stores looked at; imports requested: {', '.join(done.requested) or 'none'}")
    for store, error in done.errors.items():
        context.log.warning(f"{store}: {error}")


@dg.job(
    executor_def=dg.in_process_executor,
    description="Ask each live store for its newest change, and request an import when there is one.",
)
def watch_sources() -> None:
    look_at_sources()
