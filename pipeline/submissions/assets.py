"""Assets of the submissions stage: the feeds of a plan handed over, what the marketplace answered, and how each listing stands.

In file mode nothing is sent, and the verdict comes at once. Else the ledger sends, and `poll_submissions` reads the verdicts.
"""

import hashlib
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pandas as pd

from pipeline.feeds.assets import NAMES
from pipeline.feeds.pack import set_current
from pipeline.listings.assets import LOCK_WAIT_SECONDS, connected
from pipeline.listings.cell import Cell
from pipeline.listings.plan_files import Plan, load_plan, plan_folder
from pipeline.listings.state import export_status
from pipeline.model.errors import PipelineError
from pipeline.partitions import store_marketplaces
from pipeline.platform import metadata as meta
from pipeline.platform.locks import LockBusy
from pipeline.platform.progress import stop_if_canceled
from pipeline.platform.resources import Workspace, expected_failures
from pipeline.platform.tables import Table, stage
from pipeline.stores.connections import record_sync
from pipeline.submissions import api_mode, file_mode, status
from pipeline.submissions.ledger import submission_states
from pipeline.submissions.schema import LISTING_STATUS, PROCESSING_REPORTS, SUBMISSIONS

GROUP = "submissions"
OWNERS = ["team:submissions"]
_TRANSPORT = {"file": "file (written and validated; nothing is sent)", "api": "api (the verdicts are read by poll_submissions)"}


@dg.asset(
    partitions_def=store_marketplaces,
    group_name=GROUP,
    owners=OWNERS,
    kinds={"postgres"},
    output_required=False,
    ins={name: dg.AssetIn() for name in NAMES.values()},
    description="The feeds of the current plan, handed over: acknowledged at once in file mode, else sent and followed.",
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
        records = _records(files)
        if cell.lane.transport == "file":
            with workspace.database.connect(autocommit=True) as connection:
                new = file_mode.commit(connection, cell.lane, plan, records)
            states = ["done"] * len(files)
        else:
            new, states = _send(context, workspace, cell, plan, records)
        set_current(root / "feeds" / cell.store.key / cell.site.key, export_id)
        with workspace.connect() as connection:
            synced, duration = _synced(plan.counts) if new else 0, time.time() - _started(context)
            record_sync(connection, cell.connection.id, products=synced, duration_seconds=duration)
        rows = files.assign(export_id=export_id, transport=cell.lane.transport, status=states)[SUBMISSIONS.names]
        about = {"export_id": export_id, "import_id": plan.import_id}
        table = stage(workspace.scratch("feed_submissions"), "feed_submissions", rows, SUBMISSIONS, about)
    yield dg.Output(
        table,
        metadata={
            "export_id": export_id,
            "transport": _TRANSPORT[cell.lane.transport],
            "messages": int(files["messages"].sum()),
            "files": meta.table(rows),
        },
    )


@dg.asset(
    partitions_def=store_marketplaces,
    group_name=GROUP,
    owners=OWNERS,
    kinds={"postgres"},
    output_required=False,
    deps=["feed_submissions"],
    description="What the marketplace said of every message of the newest export with a verdict.",
)
def processing_reports(context: dg.AssetExecutionContext, workspace: Workspace) -> Iterator[dg.Output[Any]]:
    with expected_failures():
        cell = connected(context, workspace)
        if cell is None:
            return
        with workspace.connect() as connection:
            rows = status.processing_reports(connection, cell)
        table = stage(workspace.scratch("processing_reports"), "processing_reports", rows, PROCESSING_REPORTS, {})
        refused = rows[rows["outcome"] != "accepted"]
    yield dg.Output(
        table,
        metadata={
            "export_id": str(rows["export_id"].iloc[0]) if len(rows) else "none yet",
            "messages": len(rows),
            "by_outcome": meta.counts(Counter(rows["outcome"]), "outcome"),
            "not_accepted": meta.table(refused.head(20)[["sku", "feed", "outcome", "reason"]]),
        },
    )


@dg.asset(
    partitions_def=store_marketplaces,
    group_name=GROUP,
    owners=OWNERS,
    kinds={"postgres"},
    output_required=False,
    deps=["processing_reports"],
    description="Every SKU that is live, on its way or refused: what the marketplace says of it, and what to do.",
)
def listing_status(context: dg.AssetExecutionContext, workspace: Workspace) -> Iterator[dg.Output[Any]]:
    with expected_failures():
        cell = connected(context, workspace)
        if cell is None:
            return
        with workspace.connect() as connection:
            rows = status.listing_status(connection, cell)
        table = stage(workspace.scratch("listing_status"), "listing_status", rows, LISTING_STATUS, {})
        wrong = rows[rows["state"].isin(["rejected", "uncertain"]) | (rows["errors"] > 0)]
    yield dg.Output(
        table,
        metadata={
            "listings": len(rows),
            "by_state": meta.counts(Counter(rows["state"]), "state"),
            "to_do": meta.table(wrong.head(20)[["sku", "state", "field", "reason", "issue", "hint"]]),
        },
    )


def _send(
    context: dg.AssetExecutionContext, workspace: Workspace, cell: Cell, plan: Plan, files: list[dict[str, Any]]
) -> tuple[bool, list[str]]:
    """Put the files into the ledger, and send what can be sent now; the states of their submissions."""
    from pipeline.submissions.live import Office  # loads httpx

    if cell.connection.status == "testing":
        raise PipelineError(
            f"{cell.store.key} on {cell.site.key} is being tested, nothing is sent yet; try its credentials with: "
            f"pipeline connection test {cell.store.key} {cell.site.key}"
        )
    office = Office(workspace.database, workspace.vault, workspace.settings.storage())
    with office.service(cell) as service:
        digests = {file["path"]: hashlib.sha256(office.read(file["path"])).hexdigest() for file in files}
        with workspace.database.connect(autocommit=True) as connection:
            new = api_mode.commit(connection, cell.lane, plan, files, digests, service.lane)
        try:
            reached = office.work(cell, service, holder=f"run {context.run.run_id}")
            context.log.info(f"submissions: {dict(reached) or 'nothing to do now'}")
        except LockBusy as busy:
            context.log.info(f"{busy}; what is planned is sent by poll_submissions")
    with workspace.connect() as connection:
        known = submission_states(connection, cell.lane, plan.export_id)
    return new, [known.get(file["path"], "planned") for file in files]


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


ASSETS = [feed_submissions, processing_reports, listing_status]
