"""The asset `listing_categories`: which category each product of a store gets on one marketplace site."""

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import dagster as dg

from pipeline.language.asking.ledger import spending
from pipeline.language.asking.models import Model, configured_model
from pipeline.language.choices import ask_choices, estimate_choices
from pipeline.listings.assets import GROUP, OWNERS, asking, connected
from pipeline.listings.categories import model as choosing
from pipeline.listings.categories import overlay, suggestions
from pipeline.listings.categories.inputs import proposer_of
from pipeline.listings.categories.model import TASK
from pipeline.listings.cell import Cell
from pipeline.listings.open_texts import MOST_TEXT, note_open
from pipeline.listings.paying import payer
from pipeline.listings.schema import CATEGORIES
from pipeline.partitions import store_marketplaces
from pipeline.platform import metadata as meta
from pipeline.platform.io_manager import stored_table
from pipeline.platform.progress import counted, reporter, stop_if_canceled
from pipeline.platform.resources import ExportOptions, Workspace, expected_failures
from pipeline.platform.tables import StagedTable, Table


@dg.asset(
    partitions_def=store_marketplaces,
    group_name=GROUP,
    owners=OWNERS,
    kinds={"parquet"},
    output_required=False,
    ins={"fixed_products": dg.AssetIn(), "collections": dg.AssetIn()},
    description="The category of each product here: chosen, by rule, or guessed from its words, with how sure it is and why.",
)
def listing_categories(
    context: dg.AssetExecutionContext,
    workspace: Workspace,
    export_options: ExportOptions,
    fixed_products: Table,
    collections: Table,
) -> Iterator[dg.Output[Any]]:
    with expected_failures():
        cell = connected(context, workspace)
        if cell is None:
            return
        suggested = suggestions.ask_for(
            workspace.database, lambda: workspace.vault, cell, fixed_products, collections, lambda: stop_if_canceled(context)
        )
        for problem in suggested.problems:
            context.log.warning(f"{problem}; suggestions that are known already are used")
        settings = cell.connection.export_settings
        asked = settings.use_ai_optimization if export_options.ai is None else export_options.ai
        model = configured_model(workspace.settings.data_dir) if asked else None
        with workspace.connect() as connection:
            proposer = proposer_of(connection, cell, workspace.settings.data_dir)
            if model is None:
                note_open(connection, cell.store.id, cell.site.key, TASK, {})
        table, counts = overlay.build_categories(
            fixed_products,
            collections,
            proposer,
            workspace.scratch("listing_categories"),
            previous=stored_table(workspace.settings, overlay.NAME, CATEGORIES, cell.site.key, cell.store.key),
            progress=counted(reporter(context, "listing_categories"), "batches of products"),
        )
        table, spent = _let_choose(context, workspace, cell, model, table, fixed_products, export_options)
    of_titles = {
        "titles_asked": suggested.suggested,
        "titles_left_for_the_next_run": suggested.left,
        "not_answered": meta.table([{"what": text} for text in suggested.problems]),
    }
    yield dg.Output(table, metadata={**_metadata(table.open(), counts, cell), **of_titles, **spent})


def _let_choose(
    context: dg.AssetExecutionContext,
    workspace: Workspace,
    cell: Cell,
    model: Model | None,
    proposed: StagedTable,
    products: Table,
    options: ExportOptions,
) -> tuple[StagedTable, dict[str, Any]]:
    """The table with what a model chose of its suggestions, and what that cost. A dry run asks nothing new; without a `model` to
    ask, what was chosen before still counts: it was paid."""
    table, threshold = proposed.open(), cell.connection.export_settings.category_confidence
    if model is None:
        with workspace.connect() as connection:
            found = choosing.prepare(connection, cell.store, "", table, products).found
        return (choosing.with_choices(table, found, threshold, workspace.scratch("chosen_categories")) if found else proposed), {}
    alone = nullcontext() if options.dry_run else asking(context, workspace, f"categories of {cell.store.key}")
    with alone, workspace.database.autocommit() as connection:
        scope = frozenset(options.product_ids)
        chooser = choosing.prepare(connection, cell.store, model.endpoint.model, table, products, scope)
        expected = estimate_choices(chooser, model.asking_price)
        seen: dict[str, Any] = {
            "model": model.endpoint.model,
            "transport": model.endpoint.transport,
            "products_to_ask_for": expected.texts,
            "estimated_calls": expected.calls,
            "estimated_usd": (expected.usd_micro or 0) / 1e6,
            "reserved_usd": (expected.most_usd_micro or 0) / 1e6,
        }
        # Seen in the UI before anything is spent.
        context.log_event(dg.AssetObservation(overlay.NAME, partition=str(context.partition_key), metadata=seen))
        report = counted(reporter(context, "listing_categories"), "products shown to the model")
        if not options.dry_run:
            account = payer(connection, cell, context.run.run_id, context.run.job_name)
            ask_choices(connection, model, account, chooser, report)
            note_open(connection, cell.store.id, cell.site.key, TASK, choosing.left_open(chooser))
        spent = spending(connection, run_id=context.run.run_id, task=TASK)
    chosen = choosing.with_choices(table, chooser.found, threshold, workspace.scratch("chosen_categories"))
    facts = {
        "left_open": meta.counts(choosing.left_open(chooser), "why", MOST_TEXT),
        "calls": spent.calls, "spent_usd": spent.usd_micro / 1e6, "stopped": chooser.stopped or "no",
        "pending_products": chooser.left, "products_in_batches": chooser.left_in_batches,
    }  # fmt: skip
    return chosen, {**seen, **facts}


def _metadata(table: Table, counts: overlay.Counts, cell: Cell) -> dict[str, Any]:
    of_people = table.arrow(overlay.SHOWN)
    place = f"{cell.store.key} {cell.site.key}"
    return {
        "import_id": table.metadata.get("import_id", ""),
        "products": counts.products,
        "products_reused": counts.reused,
        "by_status": meta.counts(overlay.tally(table, "status"), "status"),
        "by_engine": meta.counts(overlay.tally(table, "engine"), "engine"),
        "suggested": meta.table(overlay.sample(of_people, "suggested")),
        "without_category": meta.table(overlay.sample(of_people, "none")),
        "what_to_press": f"pipeline categories list {place}; then accept, set or reject, or set category_file on the connection",
    }


ASSETS = [listing_categories]
