"""The asset `optimized_products`: suggested and accepted texts of a store's products on one marketplace site."""

from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import dagster as dg
import pyarrow.compute as pc

from pipeline.language.asking.charging import would_cost
from pipeline.language.asking.ledger import spending
from pipeline.language.asking.models import configured_model
from pipeline.language.languages import base
from pipeline.language.metadata import estimate_metadata, spent_metadata
from pipeline.language.optimize import TASK
from pipeline.language.reading import facts
from pipeline.listings.assets import GROUP, OWNERS, asking, connected
from pipeline.listings.build import one_import
from pipeline.listings.cell import Cell
from pipeline.listings.knowledge import read_knowledge
from pipeline.listings.open_texts import DECISION, MOST_TEXT, UNTRANSLATED, by_hand, left_open, note_open, note_waiting
from pipeline.listings.overlays import OPTIMIZED
from pipeline.listings.paying import payer
from pipeline.partitions import store_marketplaces
from pipeline.platform import metadata as meta
from pipeline.platform.io_manager import stored_table
from pipeline.platform.progress import counted, reporter
from pipeline.platform.resources import ExportOptions, Workspace, expected_failures
from pipeline.platform.tables import Table, empty_frame, stage
from pipeline.quality.summary import score_histogram_svg
from pipeline.stores.notifications import notify

NAME = "optimized_products"
_SAMPLE = 20


@dg.asset(
    partitions_def=store_marketplaces,
    group_name=GROUP,
    owners=OWNERS,
    kinds={"parquet", "openai"},
    output_required=False,
    ins={
        "fixed_products": dg.AssetIn(),
        "fixed_variants": dg.AssetIn(),
        "localized_products": dg.AssetIn(),
        "listing_categories": dg.AssetIn(),
    },
    description="Better texts for this marketplace, where use_ai_optimization is on: suggested by model or rules, decided.",
)
def optimized_products(
    context: dg.AssetExecutionContext,
    workspace: Workspace,
    export_options: ExportOptions,
    fixed_products: Table,
    fixed_variants: Table,
    localized_products: Table,
    listing_categories: Table,
) -> Iterator[dg.Output[Any]]:
    from pipeline.listings.optimized.build import Catalog, Optimizer

    with expected_failures():
        cell = connected(context, workspace)
        if cell is None:
            return
        folder = workspace.scratch(NAME)
        if not (cell.connection.export_settings.use_ai_optimization or export_options.ai is True):
            with workspace.connect() as connection:
                note_open(connection, cell.store.id, cell.site.key, TASK, {})
                note_waiting(connection, cell.store.id, cell.site.key, DECISION, 0)
            yield dg.Output(stage(folder, NAME, empty_frame(OPTIMIZED), OPTIMIZED, {}), metadata={"optimized": "no"})
            return
        import_id = one_import({"fixed_products": fixed_products, "fixed_variants": fixed_variants})
        with workspace.database.autocommit() as connection:
            model = configured_model(workspace.settings.data_dir)
            previous = stored_table(workspace.settings, NAME, OPTIMIZED, cell.site.key, cell.store.key)
            catalog = Catalog(fixed_products, fixed_variants, localized_products, listing_categories)
            knowledge = read_knowledge(connection, cell.store.id, cell.site.key, items=False)
            work = Optimizer(connection, cell, knowledge, model, catalog, previous, export_options.product_ids)
            estimate = work.expect()
            price = would_cost(connection, cell.store.id, TASK, estimate.texts)
            expected = {"optimized": _language(cell), **estimate_metadata(estimate, model, price)}
            # Seen in the UI before anything is spent.
            context.log_event(dg.AssetObservation(NAME, partition=context.partition_key, metadata=expected))
            account = payer(connection, cell, context.run.run_id, context.run.job_name)
            pays = model is not None and not export_options.dry_run and export_options.ai is not False
            report = counted(reporter(context, NAME), "products")
            with asking(context, workspace, f"better texts of {cell.store.key} on {cell.site.key}") if pays else nullcontext():
                table, outcome = work.write(folder, import_id, account if pays else None, report)
            spent = spending(connection, run_id=context.run.run_id, task=TASK)
            note_waiting(connection, cell.store.id, cell.site.key, DECISION, outcome.states["suggested"])
            if not export_options.dry_run:
                note_open(connection, cell.store.id, cell.site.key, TASK, left_open(table.open()))
            if spent.calls or outcome.received or outcome.stopped:
                told = {"marketplace": cell.site.key, **outcome.states, "pending": outcome.pending, "stopped": outcome.stopped}
                waiting = outcome.states["suggested"]
                subject = f"better texts for {cell.store.key} on {cell.site.key}: {waiting} products wait for a decision"
                notify(connection, cell.store.id, "texts_suggested", context.run.run_id, subject, told)
    place, left = f"{cell.store.key} {cell.site.key}", left_open(table.open())
    first = (
        f"{by_hand(cell.store.key, cell.site.language)} for those that wait for a translation; " if UNTRANSLATED in left else ""
    )
    yield dg.Output(
        table,
        metadata={
            **expected,
            "by_state": meta.counts(outcome.states, "state"),
            "by_field": meta.counts(outcome.fields, "field"),
            "by_engine": meta.counts(outcome.engines, "engine"),
            "refused_because": meta.counts(Counter(dict(outcome.problems.most_common(_SAMPLE))), "problem"),
            "score_before": meta.picture(score_histogram_svg(outcome.before), "Products by score, as they are"),
            "score_after": meta.picture(score_histogram_svg(outcome.after), "Products by score, with all that is suggested"),
            "left_open": meta.counts(left, "why", MOST_TEXT),
            "products_refused": outcome.refused.total(),
            "most_refused_because": next((why for why, _ in outcome.refused.most_common(1)), "none"),
            "products_reused": outcome.reused,
            "pending_products": outcome.pending,
            "products_in_batches": outcome.in_batches,
            "stopped": outcome.stopped or "no",
            **spent_metadata(spent),
            "suggested": meta.table(_sample(table.open())),
            "what_to_press": f"{first}pipeline suggestions list {place}; then accept, reject, or export and import a CSV file",
        },
    )


def _language(cell: Cell) -> str:
    tongue = base(cell.site.language)
    known = facts.supported(tongue)
    return tongue if known else f"by rules only: what a model would write in {tongue} could not be judged"


def _sample(table: Table) -> list[dict[str, Any]]:
    """The first fields that wait for a person."""
    found: list[dict[str, Any]] = []
    for index in range(table.batches):
        batch = table.arrow_batch(index, ["product_id", "state", "fields"])
        for row in batch.filter(pc.equal(batch["state"], "suggested")).slice(0, _SAMPLE).to_pylist():
            found += [
                {"product_id": row["product_id"], **{name: one[name] for name in ("field", "before", "after", "gain", "engine")}}
                for one in row["fields"]
                if one["state"] == "suggested"
            ]
        if len(found) >= _SAMPLE:
            break
    return found[:_SAMPLE]


ASSETS = [optimized_products]
