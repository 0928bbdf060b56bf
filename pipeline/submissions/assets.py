"""Assets of the submissions stage: the feeds of a plan handed over, and what the marketplace acknowledged recorded.

File mode for now: feeds are written and validated, nothing is sent, and the verdict comes at once.
"""

import time
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pandas as pd

from pipeline.feeds.assets import NAMES
from pipeline.feeds.pack import set_current
from pipeline.listings.assets import LOCK_WAIT_SECONDS, connected
from pipeline.listings.plan_files import load_plan, plan_folder
from pipeline.listings.state import export_status
from pipeline.model.errors import PipelineError
from pipeline.partitions import store_marketplaces
from pipeline.platform import metadata as meta
from pipeline.platform.progress import stop_if_canceled
from pipeline.platform.resources import Workspace, expected_failures
from pipeline.platform.tables import Table, stage
from pipeline.stores.connections import record_sync
from pipeline.submissions.file_mode import commit
from pipeline.submissions.schema import SUBMISSIONS


@dg.asset(
    partitions_def=store_marketplaces,
    group_name="submissions",
    owners=["team:submissions"],
    kinds={"postgres"},
    output_required=False,
    ins={name: dg.AssetIn() for name in NAMES.values()},
    description="The feeds of the current plan, handed over; in file mode they count as acknowledged at once.",
)
def feed_submissions(
    context: dg.AssetExecutionContext,
    workspace: Workspace,
    product_feed: Table,
    price_feed: Table,
    inventory_feed: Table,
    image_feed: Table,
) -> Iterator[dg.Output[Any]]:
    with expected_failures():
        cell = connected(context, workspace)
        if cell is None:
            return
        if cell.lane.transport != "file":  # never acknowledge here what only a marketplace can
            raise PipelineError(
                f"{cell.marketplace.name} says that it can be sent to, but this release sends nothing; uninstall its plug-in"
            )
        workspace.hold(
            cell.lock,
            holder=f"run {context.run.run_id}",
            wait_seconds=LOCK_WAIT_SECONDS,
            waiting=lambda: stop_if_canceled(context),
        )
        feeds = (product_feed, price_feed, inventory_feed, image_feed)
        export_id = _one_plan(feeds)
        root = workspace.settings.storage()
        plan = load_plan(plan_folder(root, cell.store.key, cell.site.key, export_id))
        files = pd.concat([feed.read() for feed in feeds], ignore_index=True)
        with workspace.connect() as connection:
            waits = export_status(connection, cell.lane, export_id) == "waiting_approval"
        if waits:
            context.log.info(
                f"plan {export_id} waits for approval: pipeline export {cell.store.key} {cell.site.key} --approve {export_id}"
            )
            return
        with workspace.database.connect(autocommit=True) as connection:
            new = commit(connection, cell.lane, plan, _records(files))
        set_current(root / "feeds" / cell.store.key / cell.site.key, export_id)
        with workspace.connect() as connection:
            synced, duration = _synced(plan.counts) if new else 0, time.time() - _started(context)
            record_sync(connection, cell.connection.id, products=synced, duration_seconds=duration)
        rows = files.assign(export_id=export_id, transport="file", status="done")[SUBMISSIONS.names]
        about = {"export_id": export_id, "import_id": plan.import_id}
        table = stage(workspace.scratch("feed_submissions"), "feed_submissions", rows, SUBMISSIONS, about)
    yield dg.Output(
        table,
        metadata={
            "export_id": export_id,
            "transport": "file (written and validated; nothing is sent)",
            "messages": int(files["messages"].sum()),
            "files": meta.table(rows),
        },
    )


def _one_plan(feeds: tuple[Table, ...]) -> str:
    found = {name: feed.metadata.get("export_id", "") for name, feed in zip(NAMES.values(), feeds, strict=True)}
    if len(set(found.values())) > 1:
        listed = ", ".join(f"{name} of {export_id}" for name, export_id in found.items())
        raise PipelineError(f"the feeds belong to different plans ({listed}); materialize all four feeds again")
    return next(iter(found.values()))


def _started(context: dg.AssetExecutionContext) -> float:
    """When the whole export began, as seconds since the epoch."""
    record = context.instance.get_run_record_by_id(context.run.run_id)
    return (record.start_time if record else None) or time.time()


def _records(files: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in files.to_dict("records")]


def _synced(counts: Any) -> int:
    return int(sum(count for kind, count in counts["changes"].items() if kind != "unchanged"))


ASSETS = [feed_submissions]
