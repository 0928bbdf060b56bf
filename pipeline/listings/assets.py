"""Assets of the listings stage: what a store offers on one marketplace site, and the plan of what changes there."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pyarrow as pa
from upath import UPath

from pipeline.catalog.imports import require_verdict
from pipeline.listings.account import read_holds, require_looked_up, require_reconciled
from pipeline.listings.build import build_listings, one_import
from pipeline.listings.categories.inputs import given_now
from pipeline.listings.cell import Cell, find_cell
from pipeline.listings.knowledge import read_knowledge
from pipeline.listings.metadata import listings_metadata, lookups_metadata, plan_metadata
from pipeline.listings.overrides import Overlay, read_overrides, undo
from pipeline.listings.pins import Pinned, lift, read_pins, replaced, split
from pipeline.listings.plan import plan_changes
from pipeline.listings.plan_files import Scope, load_plan, plan_folder
from pipeline.listings.rollback import committed_plans, roll_back
from pipeline.listings.schema import LOOKUPS, SCHEMAS
from pipeline.listings.state import (
    approved_changes,
    lane_version,
    read_refused,
    read_rejected,
    read_state,
    register,
    removed_lately,
    require_newest,
)
from pipeline.listings.unsent import NOTHING, find_unsent, plan_newest
from pipeline.model.errors import PipelineError
from pipeline.partitions import store_and_site, store_marketplaces
from pipeline.platform import metadata as meta
from pipeline.platform.io_manager import stored_import, stored_tables
from pipeline.platform.locks import advisory_lock
from pipeline.platform.progress import counted, reporter, stop_if_canceled
from pipeline.platform.resources import ExportOptions, Workspace, expected_failures
from pipeline.platform.tables import Table, stage

GROUP = "listings"
OWNERS = ["team:listings"]
LOCK_WAIT_SECONDS = 60.0
#: The longest that a run waits for another one that asks a model the same.
ASKING_SECONDS = 3_600.0
_DESCRIPTIONS = {
    "listings": "Every sellable SKU (and variation parent) as this marketplace wants it; ready or blocked.",
    "listing_issues": "Open rules of this marketplace, with points lost and what would fix them.",
    "listing_scores": "Channel score 0-100 of each listing.",
    "listing_fixes": "What this marketplace's fixes changed, field by field, before and after.",
}


def connected(context: dg.AssetExecutionContext, workspace: Workspace) -> Cell | None:
    """The cell of this run, or None (said in the log) when nobody connected it or an operator paused it."""
    store, site = store_and_site(context)
    with workspace.connect() as connection:
        cell = find_cell(connection, store, site)
    if cell is None:
        context.log.info(f"{store} is not connected to {site}: nothing to do (connect it with: pipeline connect {store} {site})")
    elif cell.connection.paused:
        context.log.info(f"{store} on {site} is paused: nothing to do (pipeline connection resume {store} {site})")
        return None
    return cell


def hold(context: dg.AssetExecutionContext, workspace: Workspace, cell: Cell) -> None:
    """Be the only one that plans, sends or reads back for this connection, until the run ends."""
    workspace.hold(
        cell.lock,
        holder=f"run {context.run.run_id}",
        wait_seconds=LOCK_WAIT_SECONDS,
        waiting=lambda: stop_if_canceled(context),
    )


@contextmanager
def asking(context: dg.AssetExecutionContext, workspace: Workspace, what: str) -> Iterator[None]:
    """Hold the lock `what` while a model is asked: of two runs at once the second waits, and finds the answers of the first."""
    with advisory_lock(
        workspace.database.connect,
        what,
        wait_seconds=ASKING_SECONDS,
        holder=f"run {context.run.run_id[:8]}",
        check=lambda: stop_if_canceled(context),
        busy="are being asked for",
    ):
        yield


@dg.asset(
    partitions_def=store_marketplaces,
    group_name=GROUP,
    owners=OWNERS,
    kinds={"parquet", "postgres"},
    output_required=False,
    ins={
        "fixed_variants": dg.AssetIn(metadata={"columns": ["sku", "barcode"]}),
        "listing_categories": dg.AssetIn(metadata={"columns": ["status", "category"]}),
    },
    description="What a live marketplace was asked: what the categories in use want, which items have our GTINs.",
)
def marketplace_lookups(
    context: dg.AssetExecutionContext, workspace: Workspace, fixed_variants: Table, listing_categories: Table
) -> Iterator[dg.Output[Any]]:
    from pipeline.listings.asking import ask, lookup_rows

    with expected_failures():
        cell = connected(context, workspace)
        if cell is None:
            return
        asked = ask(
            workspace.database, lambda: workspace.vault, cell, fixed_variants, listing_categories,
            lambda: stop_if_canceled(context),
        )  # fmt: skip
        for problem in asked.problems:
            context.log.warning(f"{problem}; what is known already is used")
        with workspace.connect() as connection:
            rows = lookup_rows(connection, cell, asked)
    folder = workspace.scratch(context.op_execution_context.op.name)
    yield dg.Output(stage(folder, "marketplace_lookups", rows, LOOKUPS, {}), metadata=lookups_metadata(asked, rows))


@dg.multi_asset(
    name="build_listings",
    partitions_def=store_marketplaces,
    group_name=GROUP,
    deps=["marketplace_lookups"],
    ins={
        "fixed_products": dg.AssetIn(),
        "fixed_variants": dg.AssetIn(),
        "inventory": dg.AssetIn(),
        "collections": dg.AssetIn(),
        "localized_products": dg.AssetIn(),
        "optimized_products": dg.AssetIn(),
        "listing_categories": dg.AssetIn(),
    },
    outs={
        name: dg.AssetOut(description=text, owners=OWNERS, kinds={"parquet", "pandera"}, is_required=False)
        for name, text in _DESCRIPTIONS.items()
    },
)
def listings(
    context: dg.AssetExecutionContext,
    workspace: Workspace,
    fixed_products: Table,
    fixed_variants: Table,
    inventory: Table,
    collections: Table,
    localized_products: Table,
    optimized_products: Table,
    listing_categories: Table,
) -> Iterator[dg.Output[Any]]:
    with expected_failures():
        cell = connected(context, workspace)
        if cell is None:
            return
        _refuse_torn(workspace, cell.store.key)
        import_id = one_import({"fixed_products": fixed_products, "fixed_variants": fixed_variants, "inventory": inventory})
        with workspace.connect() as connection:
            require_verdict(connection, cell.store, import_id)
            if listing_categories.metadata.get("given") != given_now(connection, cell):
                raise PipelineError("category rules or choices were changed; materialize listing_categories, then listings again")
            knowledge = read_knowledge(connection, cell.store.id, cell.site.key)
            overlay = Overlay(read_overrides(connection, cell.lane))
        before = stored_tables(workspace.settings, SCHEMAS, cell.site.key, cell.store.key)
        result = build_listings(
            fixed_products,
            fixed_variants,
            inventory,
            collections,
            listing_categories,
            cell.recipe(knowledge),
            workspace.scratch(context.op_execution_context.op.name),
            translated=localized_products,
            rewritten=optimized_products,
            previous=before,
            progress=counted(reporter(context, "listings"), "batches of products"),
            overlay=overlay,
        )
        if overlay.stale:  # before the tables are stored, since rows that are taken over are not looked at again
            with workspace.connect() as connection:
                undo(connection, cell.lane, overlay.stale)
            context.log.info(f"{len(overlay.stale)} overrides are undone: their source values changed")
    metadata = listings_metadata(result)
    for name, table in result.tables.items():
        yield dg.Output(table, name, metadata=metadata.get(name, {}))


def _refuse_torn(workspace: Workspace, store: str) -> None:
    """Raise PipelineError when an import stopped between products and variants: what is fixed may be of neither."""
    first, second = (stored_import(workspace.settings, name, store) for name in ("products", "variants"))
    if first != second:
        raise PipelineError(
            f"products of {store} are of import {first or 'none'}, variants of {second or 'none'}: an import was interrupted; "
            f"materialize products and variants again (pipeline import {store})"
        )


@dg.asset(
    partitions_def=store_marketplaces,
    group_name=GROUP,
    owners=OWNERS,
    kinds={"parquet", "postgres"},
    output_required=False,
    ins={"listings": dg.AssetIn(), "account_listings": dg.AssetIn()},
    description="The export plan: what is created, changed, ended or held, and why. The preview before sending.",
)
def listing_changes(
    context: dg.AssetExecutionContext,
    workspace: Workspace,
    export_options: ExportOptions,
    listings: Table,
    account_listings: Table,
) -> Iterator[dg.Output[Any]]:
    with expected_failures():
        cell = connected(context, workspace)
        if cell is None:
            return
        hold(context, workspace, cell)
        now, root = datetime.now(timezone.utc), workspace.settings.storage()
        with workspace.connect() as connection:
            require_reconciled(connection, cell.lane, cell.account.seller_id)
            require_looked_up(cell.lane, listings.metadata, account_listings.metadata)
            require_newest(connection, cell.lane, listings.metadata.get("import_id", ""))
            version = lane_version(connection, cell.lane)
            # The scope of one run is too small to take the place of what waits for other products.
            waiting = NOTHING if export_options.product_ids else find_unsent(connection, cell.lane)
            states = {unsent: read_state(connection, cell.lane, unsent) for unsent in {NOTHING, waiting}}
            refused, rejected = read_refused(connection, cell.lane), read_rejected(connection, cell.lane)
            holds = read_holds(connection, cell.lane)
            pins = read_pins(connection, cell.lane)
            if export_options.rollback_to:
                pins = _with_rollback(connection, cell, listings, pins, root, export_options)
            approved = approved_changes(connection, cell.lane, root, now)
            lately = removed_lately(connection, cell.lane, now)
            marketplace = cell.informed(connection)
        standing, lifted = split(pins, listings)
        plan = partial(
            plan_changes,
            Pinned(listings.path, listings.columns, standing),
            marketplace=marketplace,
            site=cell.site,
            account=cell.account,
            settings=cell.connection.export_settings,
            base_version=version,
            now=now,
            folder=workspace.scratch(context.op_execution_context.op.name),
            root=root,
            scope=Scope(frozenset(export_options.product_ids), export_options.dry_run),
            approved=approved,
            removed_lately=lately,
            refused=refused,
            holds=holds,
            rejected=rejected,
            transport=cell.lane.transport,
        )
        result, unsent = plan_newest(plan, states.__getitem__, waiting)
        with workspace.connect() as connection:
            status = register(connection, cell.lane, result.plan, unsent)
            if not export_options.dry_run:
                lift(connection, cell.lane, lifted)
    found = {"pinned": len(standing), "unpinned": len(lifted), "feeds_replaced": len(unsent.submissions)}
    yield dg.Output(result.changes, metadata={**plan_metadata(result, status, cell.site.currency), **found})


def _with_rollback(
    connection: psycopg.Connection[Any], cell: Cell, listings: Table, pins: pa.Table, root: Path | UPath, options: ExportOptions
) -> pa.Table:
    """The pins as they would be after a rollback; only to look at it."""
    if not options.dry_run:
        raise PipelineError("rollback_to only shows what going back would do, with dry_run; to do it, launch the job roll_back")
    before, after = committed_plans(connection, cell.lane, root, options.rollback_to)
    found = roll_back(
        listings,
        read_state(connection, cell.lane),
        before,
        after,
        export_id=options.rollback_to,
        family_is_one_listing=cell.marketplace.family_is_one_listing,
        kinds=options.rollback_kinds,
        skus=options.rollback_skus,
    )
    return replaced(pins, found.pins, options.rollback_kinds, options.rollback_skus)


@dg.asset(
    partitions_def=store_marketplaces,
    group_name=GROUP,
    owners=OWNERS,
    kinds={"parquet", "postgres"},
    output_required=False,
    ins={"listing_changes": dg.AssetIn(metadata={"columns": ["sku", "product_id"]})},
    description="Of a dry run: what the marketplace's own validation says of listings that the plan would create or change.",
)
def listing_previews(
    context: dg.AssetExecutionContext, workspace: Workspace, export_options: ExportOptions, listing_changes: Table
) -> Iterator[dg.Output[Any]]:
    from pipeline.listings.previews import PREVIEWED, preview_plan

    with expected_failures():
        cell = connected(context, workspace)
        if cell is None or not export_options.dry_run or cell.lane.transport != "api":
            return
        plan = load_plan(
            plan_folder(workspace.settings.storage(), cell.store.key, cell.site.key, listing_changes.metadata["export_id"])
        )
        found = preview_plan(
            workspace.database, lambda: workspace.vault, cell, plan, listing_changes.arrow(["sku", "product_id"]),
            progress=counted(reporter(context, "listing_previews"), "listings validated by the marketplace"),
        )  # fmt: skip
        table = stage(
            workspace.scratch("listing_previews"), "listing_previews", found.issues, PREVIEWED,
            {"export_id": plan.export_id, "import_id": plan.import_id},
        )  # fmt: skip
    metadata = {
        "export_id": plan.export_id,
        **found.counts,
        "issues": meta.table(found.issues[["sku", "severity", "rule", "value", "message"]]),
        "not_answered": meta.table([{"what": text} for text in found.problems]),
    }
    yield dg.Output(table, metadata=metadata)


ASSETS = [marketplace_lookups, listings, listing_changes, listing_previews]
