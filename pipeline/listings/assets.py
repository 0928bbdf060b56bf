"""Assets of the listings stage: what a store offers on one marketplace site, and the plan of what changes there."""

from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import dagster as dg

from pipeline.catalog.imports import require_verdict
from pipeline.listings.build import ListingsResult, build_listings, one_import
from pipeline.listings.cell import Cell, find_cell
from pipeline.listings.plan import PlanResult, plan_changes
from pipeline.listings.plan_files import Scope
from pipeline.listings.schema import SCHEMAS
from pipeline.listings.state import (
    approved_changes,
    lane_version,
    read_refused,
    read_state,
    register,
    removed_lately,
    require_newest,
)
from pipeline.listings.summary import blocked_sample, changes_sample
from pipeline.model.errors import PipelineError
from pipeline.partitions import store_and_site, store_marketplaces
from pipeline.platform import metadata as meta
from pipeline.platform.io_manager import stored_import, stored_tables
from pipeline.platform.progress import counted, reporter, stop_if_canceled
from pipeline.platform.resources import ExportOptions, Workspace, expected_failures
from pipeline.platform.tables import Table
from pipeline.quality.summary import fix_sample, score_histogram_svg, top_issues

GROUP = "listings"
OWNERS = ["team:listings"]
LOCK_WAIT_SECONDS = 60.0
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


@dg.multi_asset(
    name="build_listings",
    partitions_def=store_marketplaces,
    group_name=GROUP,
    ins={
        "fixed_products": dg.AssetIn(),
        "fixed_variants": dg.AssetIn(),
        "inventory": dg.AssetIn(),
        "collections": dg.AssetIn(),
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
) -> Iterator[dg.Output[Any]]:
    with expected_failures():
        cell = connected(context, workspace)
        if cell is None:
            return
        _refuse_torn(workspace, cell.store.key)
        import_id = one_import({"fixed_products": fixed_products, "fixed_variants": fixed_variants, "inventory": inventory})
        with workspace.connect() as connection:
            require_verdict(connection, cell.store, import_id)
        before = stored_tables(workspace.settings, SCHEMAS, cell.site.key, cell.store.key)
        result = build_listings(
            fixed_products,
            fixed_variants,
            inventory,
            collections,
            cell.recipe(),
            workspace.scratch(context.op_execution_context.op.name),
            previous=before,
            progress=counted(reporter(context, "listings"), "batches of products"),
        )
    metadata = _listings_metadata(result)
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
    ins={"listings": dg.AssetIn()},
    description="The export plan: what is created, changed, ended or held, and why. The preview before sending.",
)
def listing_changes(
    context: dg.AssetExecutionContext, workspace: Workspace, export_options: ExportOptions, listings: Table
) -> Iterator[dg.Output[Any]]:
    with expected_failures():
        cell = connected(context, workspace)
        if cell is None:
            return
        workspace.hold(
            cell.lock,
            holder=f"run {context.run.run_id}",
            wait_seconds=LOCK_WAIT_SECONDS,
            waiting=lambda: stop_if_canceled(context),
        )
        now, root = datetime.now(timezone.utc), workspace.settings.storage()
        with workspace.connect() as connection:
            require_newest(connection, cell.lane, listings.metadata.get("import_id", ""))
            version = lane_version(connection, cell.lane)
            state = read_state(connection, cell.lane)
            refused = read_refused(connection, cell.lane)
            approved = approved_changes(connection, cell.lane, root, now)
            lately = removed_lately(connection, cell.lane, now)
        result = plan_changes(
            listings,
            state,
            marketplace=cell.marketplace,
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
            transport=cell.lane.transport,
        )
        with workspace.connect() as connection:
            status = register(connection, cell.lane, result.plan)
    yield dg.Output(result.changes, metadata=_plan_metadata(result, status, cell.site.currency))


def _listings_metadata(result: ListingsResult) -> dict[str, dict[str, Any]]:
    counts, issues = result.counts, result.tables["listing_issues"].open()
    return {
        "listings": {
            "import_id": result.import_id,
            "ready": counts.ready,
            "blocked": counts.blocked,
            "products": counts.products,
            "products_reused": counts.reused,
            "products_excluded": meta.counts(counts.excluded, "reason"),
            "blocked_sample": meta.table(blocked_sample(result.tables["listings"].open())),
        },
        "listing_issues": {
            "by_severity": meta.counts(counts.issues, "severity"),
            "top_issues": meta.table(top_issues(issues)),
        },
        "listing_scores": {
            "score_mean": dg.MetadataValue.float(counts.score_mean or 0.0),
            "score_distribution": meta.picture(score_histogram_svg(counts.histogram), "Listings by score"),
        },
        "listing_fixes": {
            "by_fix": meta.counts(counts.fixes, "fix"),
            "sample": meta.table(fix_sample(result.tables["listing_fixes"].open())),
        },
    }


def _plan_metadata(result: PlanResult, status: str, currency: str) -> dict[str, Any]:
    plan = result.plan
    changes = plan.counts["changes"]
    return {
        "export_id": plan.export_id,
        "status": status,
        "import_id": plan.import_id,
        **{kind: dg.MetadataValue.int(count) for kind, count in changes.items()},
        "held": dg.MetadataValue.int(plan.counts["held"]),
        "said_at_once": dg.MetadataValue.int(plan.counts["urgent"]),
        "out_of_scope": dg.MetadataValue.int(plan.counts["out_of_scope"]),
        "diff": meta.table(changes_sample(result.changes.open(), currency)),
        "waits_for_approval": meta.table([{"what": text} for text in plan.approvals]),
    }


ASSETS = [listings, listing_changes]
