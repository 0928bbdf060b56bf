"""Assets of the labels stage: the texts of a storefront, and their translations."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import dagster as dg
from pydantic import Field

from pipeline.labels.files import StoredFile, list_files, open_file
from pipeline.labels.model import LabelFile
from pipeline.labels.publish import published, shop_of
from pipeline.labels.publishing import Publisher, rows_to_publish
from pipeline.labels.reading import frames, label_rows, learn, rejected_rows
from pipeline.labels.schema import PUBLISHED_LABELS, READ, TRANSLATED_LABELS
from pipeline.labels.summary import coverage, engines, untranslated_sample
from pipeline.labels.work import carry_out, prepare
from pipeline.language.asking.ledger import spending
from pipeline.language.metadata import spent_metadata
from pipeline.language.translation.glossary import read_glossary
from pipeline.model.errors import PipelineError
from pipeline.partitions import stores
from pipeline.platform import metadata as meta
from pipeline.platform.progress import counted, reporter, stop_if_canceled
from pipeline.platform.resources import Workspace, expected_failures
from pipeline.platform.tables import Table, stage
from pipeline.stores.credits import deducted_by
from pipeline.stores.notifications import latest, notify
from pipeline.stores.stores import get_store, open_credentials

GROUP = "labels"
OWNERS = ["team:labels"]
_WAIT_SECONDS = 600.0
_DESCRIPTIONS = {
    "ui_labels": "Texts of the storefront that are not products, one row a text or plural form.",
    "rejected_labels": "What label files had that could not become a label or translation, each with line and reason.",
}


@dg.multi_asset(
    name="read_labels",
    partitions_def=stores,
    group_name=GROUP,
    outs={name: dg.AssetOut(description=text, owners=OWNERS, kinds={"parquet", "file"}) for name, text in _DESCRIPTIONS.items()},
)
def read_labels(context: dg.AssetExecutionContext, workspace: Workspace) -> Iterator[dg.Output[Any]]:
    with expected_failures():
        with workspace.connect() as connection:
            store = get_store(connection, context.partition_key)
            files = list_files(connection, store.id)
            if not files:
                raise PipelineError(f"{store.key} has no label files: pipeline labels import {store.key} FILE --locale en")
            glossary = read_glossary(connection, store.id)
            labels, rejected = list[dict[str, Any]](), list[dict[str, Any]]()
            sources = dict[str, tuple[StoredFile, LabelFile]]()
            for stored in files:  # the source of a resource comes before its translations
                file = open_file(workspace.settings, stored)
                rejected += rejected_rows(stored, file.rejected)
                if stored.is_source:
                    sources[stored.resource] = (stored, file)
                    labels += label_rows(stored, file)
                else:
                    judged = learn(connection, store.id, glossary, sources[stored.resource], (stored, file))
                    rejected += rejected_rows(stored, judged.refused)
        tables = dict(zip(READ, frames(labels, rejected), strict=True))
        folder = workspace.scratch("labels")
        staged = {name: stage(folder, name, tables[name], schema, {}) for name, schema in READ.items()}
    yield dg.Output(
        staged["ui_labels"],
        "ui_labels",
        metadata={
            "files": meta.table([{"resource": f.resource, "locale": f.locale, "file": f.name} for f in files]),
            "by_kind": meta.counts(Counter(tables["ui_labels"]["kind"]), "kind"),
        },
    )
    yield dg.Output(
        staged["rejected_labels"],
        "rejected_labels",
        metadata={
            "by_reason": meta.counts(Counter(tables["rejected_labels"]["reason"]), "reason"),
            "sample": meta.table(tables["rejected_labels"]),
        },
    )


class LabelOptions(dg.Config):
    """What one translation of labels does."""

    locales: list[str] = Field(default=[], description="Ask the model only for these of the store's languages; empty means all.")
    again: bool = Field(default=False, description="Ask once more for what the model could not do before.")
    transport: str | None = Field(default=None, description="sync or batch; empty: LLM_TRANSPORT.")
    max_usd: float | None = Field(default=None, ge=0, description="Spend at most this in the run; empty: the store's budget.")
    batches: list[str] = Field(default=[], description="Use the answers of these batches, and ask only for what they left.")


@dg.asset(
    partitions_def=stores,
    group_name=GROUP,
    owners=OWNERS,
    kinds={"parquet", "openai"},
    description="Every label in every language of the store: by people, glossary or model, or untranslated and why.",
)
def translated_labels(
    context: dg.AssetExecutionContext, config: LabelOptions, workspace: Workspace, ui_labels: Table
) -> dg.Output[Any]:
    with expected_failures(), workspace.database.autocommit() as connection:
        store = get_store(connection, context.partition_key)
        workspace.hold(
            f"labels of {store.key}",
            holder=f"run {context.run.run_id[:8]}",
            wait_seconds=_WAIT_SECONDS,
            waiting=lambda: stop_if_canceled(context),
            busy="are being translated",
        )
        data_dir = workspace.settings.data_dir
        prepared = prepare(
            connection,
            data_dir,
            store,
            ui_labels.arrow().to_pylist(),
            asked=config.locales,
            again=config.again,
            transport=config.transport,
            batches=config.batches,
        )
        # Seen in the UI before anything is spent.
        context.log_event(dg.AssetObservation("translated_labels", partition=store.key, metadata=prepared.metadata))
        report = counted(reporter(context, "translated_labels"), "texts translated")
        rows, work = carry_out(connection, prepared, context.run.run_id, config.max_usd, report)
        spent = spending(connection, run_id=context.run.run_id)
        credits = deducted_by(connection, context.run.run_id)
        table = stage(workspace.scratch("translated_labels"), "translated_labels", rows, TRANSLATED_LABELS, {})
        done = {"untranslated": int((rows["state"] == "untranslated").sum()), "texts": len(rows), "pending": work.pending}
        stopped = work.stopped or work.silent
        was_stopped = latest(connection, "labels_translated").get(store.id, {}).get("stopped")
        if was_stopped or work.calls or stopped or work.accepted or work.rejected or work.quarantined:
            subject = f"labels of {store.key} are translated: {done['untranslated']} of {done['texts']} texts are left"
            notify(connection, store.id, "labels_translated", context.run.run_id, subject, {**done, "stopped": stopped})
    return dg.Output(
        table,
        metadata={
            **prepared.metadata,
            "coverage": meta.table(coverage(rows.to_dict("records"))),
            "by_engine": meta.counts(engines(rows), "engine"),
            "untranslated": meta.table(untranslated_sample(rows)),
            **spent_metadata(spent),
            "credits_deducted": credits,
            "pending": work.pending,
            "stopped": stopped or "no",
            "what_to_press": (
                f"pipeline labels list {store.key} --state untranslated; then labels translate again, or labels import a file"
                if done["untranslated"]
                else f"pipeline labels export {store.key}, or publish"
            ),
        },
    )


class PublishOptions(dg.Config):
    """What one publication of labels does."""

    locales: list[str] = Field(default=[], description="Only these of the store's languages; empty means all.")
    overwrite: bool = Field(default=False, description="Replace also what people wrote in the shop.")


@dg.asset(
    partitions_def=stores,
    group_name=GROUP,
    owners=OWNERS,
    kinds={"parquet", "shopify"},
    description="What a live shop was given of its theme's translated texts: only what it did not have, and what it refused.",
)
def published_labels(
    context: dg.AssetExecutionContext, config: PublishOptions, workspace: Workspace, translated_labels: Table
) -> dg.Output[Any]:
    with expected_failures(), workspace.database.autocommit() as connection:
        store = get_store(connection, context.partition_key)
        workspace.hold(
            f"labels of {store.key}",
            holder=f"run {context.run.run_id[:8]}",
            wait_seconds=_WAIT_SECONDS,
            waiting=lambda: stop_if_canceled(context),
            busy="are being translated",
        )
        rows, left_out = rows_to_publish(connection, workspace.settings, store, translated_labels, config.locales)
        report = counted(reporter(context, "published_labels"), "texts published")
        with shop_of(store, open_credentials(connection, workspace.vault, store)) as shop:
            publisher = Publisher(connection, store.id, shop, context.run.run_id, overwrite=config.overwrite)
            ended = publisher.publish(rows, report)
        result = published(ended)
        if result.changed:
            notify(connection, store.id, "labels_published", context.run.run_id, result.subject(store.key), result.states)
        folder = workspace.scratch("published_labels")
        table = stage(folder, "published_labels", result.frame, PUBLISHED_LABELS, {})
    return dg.Output(
        table,
        metadata={
            "by_state": meta.counts(result.states, "state"),
            "by_locale": meta.table(result.by_locale),
            "not_published": meta.table(result.sample),
            "left_out": meta.counts(left_out, "translations that are"),
        },
    )


ASSETS = [read_labels, translated_labels, published_labels]
