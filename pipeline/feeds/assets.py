"""Assets of the feeds stage: the files of the current export plan, one asset a kind. They only pack what the plan says."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pandas as pd

from pipeline.feeds.pack import FeedFile, put_folder, write_feeds
from pipeline.feeds.schema import FEED_FILES
from pipeline.listings.assets import connected
from pipeline.listings.plan_files import Plan, load_plan, plan_folder
from pipeline.listings.state import export_status
from pipeline.marketplaces.legacy import NOTES, WritesLegacy
from pipeline.model.errors import PipelineError
from pipeline.model.listing import FeedKind
from pipeline.partitions import store_marketplaces
from pipeline.platform import metadata as meta
from pipeline.platform.resources import ExportOptions, Workspace, expected_failures
from pipeline.platform.tables import Table, stage, to_frame

GROUP = "feeds"
OWNERS = ["team:feeds"]
_DESCRIPTIONS: dict[FeedKind, str] = {
    "product": "Feed files that create, change and end listings.",
    "price": "Feed files with new prices of live listings.",
    "inventory": "Feed files with new quantities of live listings.",
    "images": "Feed files with new pictures of live listings.",
}
#: Feed kind -> asset name.
NAMES: dict[FeedKind, str] = {
    "product": "product_feed",
    "price": "price_feed",
    "inventory": "inventory_feed",
    "images": "image_feed",
}


def _feed_asset(kind: FeedKind) -> dg.AssetsDefinition:
    @dg.asset(
        name=NAMES[kind],
        partitions_def=store_marketplaces,
        group_name=GROUP,
        owners=OWNERS,
        kinds={"json", "xml"},
        description=_DESCRIPTIONS[kind],
        output_required=False,
        ins={"listing_changes": dg.AssetIn(metadata={"columns": []})},
    )
    def feed(
        context: dg.AssetExecutionContext, workspace: Workspace, export_options: ExportOptions, listing_changes: Table
    ) -> Iterator[dg.Output[Any]]:
        with expected_failures():
            cell = connected(context, workspace)
            if cell is None:
                return
            root = workspace.settings.storage()
            plan = load_plan(plan_folder(root, cell.store.key, cell.site.key, listing_changes.metadata["export_id"]))
            if plan.dry_run and export_options.dry_run:
                context.log.info("dry run: no feeds are written")
                return
            with workspace.connect() as connection:
                _require_current(plan, export_status(connection, cell.lane, plan.export_id))
            folder = root / "feeds" / cell.store.key / cell.site.key / plan.export_id
            files = write_feeds(plan.messages, kind, cell.marketplace, cell.site, cell.account, folder, plan.urgent)
            rows = feed_rows(files, root_length=len(str(root)))
            table = stage(
                workspace.scratch(NAMES[kind]),
                NAMES[kind],
                rows,
                FEED_FILES,
                {"export_id": plan.export_id, "import_id": plan.import_id},
            )
        yield dg.Output(
            table,
            metadata={
                "export_id": plan.export_id,
                "messages": int(sum(file.messages for file in files)),
                "bytes": int(sum(file.bytes for file in files)),
                "files": meta.table(rows),
            },
        )

    return feed


def feed_rows(files: list[FeedFile], *, root_length: int) -> pd.DataFrame:
    """FEED_FILES rows; paths relative to the storage root."""
    rows = [(file.kind, str(file.path)[root_length:].lstrip("/"), file.messages, file.bytes, file.via) for file in files]
    return pd.DataFrame(rows, columns=FEED_FILES.names)


def _require_current(plan: Plan, status: str | None) -> None:
    if plan.dry_run:
        raise PipelineError(f"plan {plan.export_id} is a dry run; materialize listing_changes without dry_run first")
    if status in (None, "superseded"):
        raise PipelineError(f"plan {plan.export_id} is not the current one; materialize listing_changes first")


@dg.asset(
    partitions_def=store_marketplaces,
    group_name=GROUP,
    owners=OWNERS,
    kinds={"xml"},
    description="Optional: all ready listings in Amazon's old XML. Amazon has refused it since 2025-07-31; nothing sends it.",
    output_required=False,
    ins={"listings": dg.AssetIn()},
)
def legacy_xml(context: dg.AssetExecutionContext, workspace: Workspace, listings: Table) -> Iterator[dg.Output[Any]]:
    with expected_failures():
        cell = connected(context, workspace)
        if cell is None:
            return
        if not isinstance(cell.marketplace, WritesLegacy):
            context.log.info(f"{cell.marketplace.name} has no legacy format: nothing to do")
            return
        local = workspace.scratch("legacy_files")
        batches = (listings.arrow_batch(index) for index in range(listings.batches))
        found = cell.marketplace.legacy_files(batches, cell.site, cell.account, local)
        folder = workspace.settings.storage() / "feeds" / cell.store.key / cell.site.key / "legacy_xml"
        put_folder(local, folder)
        about = {"import_id": listings.metadata.get("import_id", "")}
        notes = to_frame(found.notes)
        table = stage(workspace.scratch("legacy_xml"), "legacy_xml", notes, NOTES, about)
    yield dg.Output(
        table,
        metadata={
            "warning": "Amazon has refused XML feeds since 2025-07-31; these files are for archives and other programs.",
            "folder": str(folder),
            "files": meta.table([{"file": file.path.name, "messages": file.messages} for file in found.files]),
            "notes": dg.MetadataValue.int(len(notes)),
            "what_it_cannot_say": meta.table(notes),
        },
    )


ASSETS = [*(_feed_asset(kind) for kind in NAMES), legacy_xml]
