"""Runs of labels for `pipeline labels`: starting them, and what came of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.cli.session import Session

if TYPE_CHECKING:
    from pipeline.operations.launch import Outcome
    from pipeline.stores.stores import Store


def run_labels(current: Session, what: str, store: str, options: dict[str, Any] | None = None) -> Outcome:
    """Carry out a job of labels here: `read_labels`, `translate_labels` or `publish_labels`."""
    from pipeline.cli.results import here
    from pipeline.operations.chain import publish_labels, read_labels, translate_labels
    from pipeline.operations.launch import close_dead_runs

    close_dead_runs(current.instance, current.database)
    if what == "read_labels":
        return read_labels(here(current), store)
    work = publish_labels if what == "publish_labels" else translate_labels
    return work(here(current), store, {name: value for name, value in (options or {}).items() if value is not None})


def require_success(outcome: Outcome) -> None:
    """Raise PipelineError where it failed."""
    from pipeline.model.errors import PipelineError

    if outcome.error is not None:
        raise PipelineError(outcome.error)


def require_labels(connection: Any, store: Store) -> None:
    """Raise PipelineError, with the first command, for a store that has no labels yet."""
    from pipeline.labels.files import list_files
    from pipeline.model.errors import PipelineError

    if not any(file.is_source for file in list_files(connection, store.id)):
        theme = f"; those of its theme: pipeline labels import {store.key}" if store.source == "shopify" else ""
        first = f"pipeline labels import {store.key} FILE --locale {store.language}"
        raise PipelineError(f"{store.key} has no labels yet; begin with: {first}{theme}")


def label_table(current: Session, asset: str, store: str, missing_ok: bool = False) -> Any:
    """A stored table of labels. Raises PipelineError that says what makes it."""
    from pipeline.labels.schema import SCHEMAS
    from pipeline.model.errors import PipelineError
    from pipeline.platform.io_manager import stored_table

    found = stored_table(current.settings, asset, SCHEMAS[asset], store)
    if found is None and not missing_ok:
        command = f"translate {store} --to de" if asset == "translated_labels" else f"import {store} FILE --locale en"
        raise PipelineError(f"{store} has no {asset.replace('_', ' ')} yet; make them with: pipeline labels {command}")
    return found


def translations(current: Session, store: str, missing_ok: bool = False) -> list[dict[str, Any]]:
    """Rows of `translated_labels`, against the labels as they are now."""
    from pipeline.labels.summary import as_of_now

    found, labels = (label_table(current, asset, store, missing_ok) for asset in ("translated_labels", "ui_labels"))
    return as_of_now(store, found.arrow().to_pylist(), labels.arrow().to_pylist()) if found and labels else []


def estimate(
    current: Session, connection: Any, store: Store, asked: list[str], again: bool, transport: str | None
) -> dict[str, Any]:
    """What a translation would ask for and cost; nothing is asked."""
    from pipeline.labels.work import prepare

    labels = label_table(current, "ui_labels", store.key).arrow().to_pylist()
    return prepare(connection, current.settings.data_dir, store, labels, asked=asked, again=again, transport=transport).metadata


def summary_of(current: Session, store: Store, outcome: Outcome) -> dict[str, Any]:
    """What one translation did and cost, and how far the languages are now."""
    from pipeline.labels.summary import coverage, engines
    from pipeline.labels.translation import TASK
    from pipeline.language.asking.batches import waiting
    from pipeline.language.asking.ledger import dollars, spending

    rows = label_table(current, "translated_labels", store.key).read()
    with current.connect() as connection:
        spent = spending(connection, run_id=outcome.run_id)
        in_batches = waiting(connection, store.id, TASK)
    return {
        "store": store.key,
        "run": outcome.run_id,
        "coverage": coverage(rows.to_dict("records")),
        "engines": dict(engines(rows)),
        "calls": spent.calls,
        "tokens_in": spent.tokens_in,
        "tokens_out": spent.tokens_out,
        "spent_usd": (spent.usd_micro - spent.unsettled) / 1e6,
        "reserved_usd": spent.unsettled / 1e6,  # for answers that are not there yet, or never came
        "spent": dollars(spent.usd_micro - spent.unsettled),
        "reserved": dollars(spent.unsettled),
        "in_batches": in_batches,
        "stopped": _stopped(current, outcome.run_id),
    }


def _stopped(current: Session, run_id: str) -> str | None:
    """Why the run left texts for the next one, as its materialization says."""
    import dagster as dg

    records = current.instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION).records
    for record in records:
        metadata = record.event_log_entry.asset_materialization.metadata if record.event_log_entry.asset_materialization else {}
        if "stopped" in metadata and metadata["stopped"].value != "no":
            return str(metadata["stopped"].value)
    return None
