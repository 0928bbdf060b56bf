"""The asset `localized_products`: a store's products in the language of one marketplace site."""

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import dagster as dg

from pipeline.language.asking.charging import would_cost
from pipeline.language.asking.ledger import spending
from pipeline.language.asking.models import configured_model
from pipeline.language.metadata import estimate_metadata, spent_metadata
from pipeline.listings.assets import GROUP, OWNERS, asking, connected
from pipeline.listings.build import one_import
from pipeline.listings.localized.build import NAME, TASK, Localizer, translates
from pipeline.listings.open_texts import BY_HAND, MOST_TEXT, by_hand, left_open, note_open, note_waiting
from pipeline.listings.overlays import LOCALIZED
from pipeline.listings.paying import payer
from pipeline.listings.summary import not_translated
from pipeline.partitions import store_marketplaces
from pipeline.platform import metadata as meta
from pipeline.platform.io_manager import stored_table
from pipeline.platform.progress import counted, reporter
from pipeline.platform.resources import ExportOptions, Workspace, expected_failures
from pipeline.platform.tables import Table, empty_frame, stage
from pipeline.stores.credits import deducted_by
from pipeline.stores.notifications import notify


@dg.asset(
    partitions_def=store_marketplaces,
    group_name=GROUP,
    owners=OWNERS,
    kinds={"parquet", "openai"},
    output_required=False,
    description="Texts of products in the marketplace's language, where auto_translate is on: by people, glossary or model.",
)
def localized_products(
    context: dg.AssetExecutionContext,
    workspace: Workspace,
    export_options: ExportOptions,
    fixed_products: Table,
    fixed_variants: Table,
) -> Iterator[dg.Output[Any]]:
    with expected_failures():
        cell = connected(context, workspace)
        if cell is None:
            return
        folder = workspace.scratch(NAME)
        if not translates(cell, export_options.translate):
            nothing = stage(folder, NAME, empty_frame(LOCALIZED), LOCALIZED, {})
            with workspace.connect() as connection:
                note_open(connection, cell.store.id, cell.site.key, TASK, {})
                note_waiting(connection, cell.store.id, cell.site.key, BY_HAND, 0)
            yield dg.Output(nothing, metadata={"translated": "no"})
            return
        import_id = one_import({"fixed_products": fixed_products, "fixed_variants": fixed_variants})
        with workspace.database.autocommit() as connection:
            model = configured_model(workspace.settings.data_dir) if export_options.translate is not False else None
            before = stored_table(workspace.settings, NAME, LOCALIZED, cell.site.key, cell.store.key)
            catalog = (fixed_products, fixed_variants)
            languages = (cell.store.language, cell.site.language)
            scope, review = export_options.product_ids, cell.connection.export_settings.review_translations
            work = Localizer(connection, cell.store, *languages, model, *catalog, before, scope, review)
            estimate = work.expect()
            price = would_cost(connection, cell.store.id, TASK, estimate.texts)
            expected = {"translated": " to ".join(languages), **estimate_metadata(estimate, model, price)}
            # Seen in the UI before anything is spent.
            partition = context.partition_key
            context.log_event(dg.AssetObservation(NAME, partition=partition, metadata=expected))
            account = payer(connection, cell, context.run.run_id, context.run.job_name)
            report = counted(reporter(context, NAME), "products")
            pays = model is not None and not export_options.dry_run
            with asking(context, workspace, f"translations of {cell.store.key}") if pays else nullcontext():
                table, outcome = work.write(folder, import_id, account if pays else None, report)
            spent = spending(connection, run_id=context.run.run_id, task=TASK)
            left = outcome.states.total() - outcome.states["translated"]
            waiting = left - left_open(table.open()).total()  # for people
            note_waiting(connection, cell.store.id, cell.site.key, BY_HAND, waiting)
            if not export_options.dry_run:
                note_open(connection, cell.store.id, cell.site.key, TASK, left_open(table.open()))
            if spent.calls or outcome.received or outcome.stopped:
                told = {"marketplace": cell.site.key, **outcome.states, "pending": outcome.pending, "stopped": outcome.stopped}
                subject = f"products of {cell.store.key} are translated for {cell.site.key}; {left} of them not wholly"
                notify(connection, cell.store.id, "products_translated", context.run.run_id, subject, told)
            command = by_hand(cell.store.key, cell.site.language)
            credits = deducted_by(connection, context.run.run_id)
    yield dg.Output(
        table,
        metadata={
            **expected,
            "by_state": meta.counts(outcome.states, "state"),
            "by_engine": meta.counts(outcome.engines, "engine"),
            "products_reused": outcome.reused,
            "pending_texts": outcome.pending,
            "stopped": outcome.stopped or "no",
            **spent_metadata(spent),
            "credits_deducted": credits,
            "left_open": meta.counts(left_open(table.open()), "why", MOST_TEXT),
            "not_translated": meta.table(not_translated(table.open())),
            "what_to_press": f"{command}; fill in the file, then: pipeline memory import" if left else "none",
        },
    )


ASSETS = [localized_products]
