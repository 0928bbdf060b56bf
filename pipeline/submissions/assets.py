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
from pipeline.listings.account import require_reconciled
from pipeline.listings.assets import connected, hold
from pipeline.listings.cell import Cell
from pipeline.listings.plan_files import Plan, load_plan, plan_folder
from pipeline.listings.state import export_status
from pipeline.model.errors import PipelineError
from pipeline.partitions import store_marketplaces
from pipeline.platform import metadata as meta
from pipeline.platform.locks import LockBusy
from pipeline.platform.points import point
from pipeline.platform.resources import Workspace, expected_failures
from pipeline.platform.tables import Table, TableWriter, stage
from pipeline.stores.connections import record_sync
from pipeline.submissions import api_mode, file_mode, repairing, statistics, status
from pipeline.submissions.ledger import submission_states
from pipeline.submissions.schema import (
    EXPORT_STATISTICS,
    LISTING_REPAIRS,
    LISTING_STATUS,
    PROCESSING_REPORTS,
    SUBMISSIONS,
)

GROUP = "submissions"
OWNERS = ["team:submissions"]
TRANSPORT = {"file": "file (written and validated; nothing is sent)", "api": "api (the verdicts are read by poll_submissions)"}


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
        hold(context, workspace, cell)
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
            with workspace.database.autocommit() as connection:
                new = file_mode.commit(connection, cell.lane, plan, records)
            states = ["done"] * len(files)
        else:
            new, states = _send(context, workspace, cell, plan, records)
        set_current(root / "feeds" / cell.store.key / cell.site.key, export_id)
        with workspace.connect() as connection:
            duration = time.time() - _started(context)
            record_sync(connection, cell.connection.id, duration_seconds=duration)
            if new:
                statistics.note_duration(connection, cell.lane, export_id, duration)
            statistics.refresh(connection, cell.lane)
        rows = files.assign(export_id=export_id, transport=cell.lane.transport, status=states)[SUBMISSIONS.names]
        about = {"export_id": export_id, "import_id": plan.import_id}
        table = stage(workspace.scratch("feed_submissions"), "feed_submissions", rows, SUBMISSIONS, about)
    yield dg.Output(
        table,
        metadata={
            "export_id": export_id,
            "transport": TRANSPORT[cell.lane.transport],
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
        outcomes, refused, exports = Counter[str](), _Sample(), set[str]()
        with (
            workspace.connect() as connection,
            TableWriter(workspace.scratch("processing_reports"), "processing_reports", PROCESSING_REPORTS, {}) as writer,
        ):
            for rows in status.processing_reports(connection, cell):
                writer.write(rows)
                point("report_file_half_written")
                outcomes.update(rows["outcome"])
                exports.update(rows["export_id"])
                refused.add(rows[rows["outcome"] != "accepted"])
    yield dg.Output(
        writer.staged,
        metadata={
            "export_id": ", ".join(sorted(exports)) or "none yet",
            "messages": writer.rows,
            "by_outcome": meta.counts(outcomes, "outcome"),
            "not_accepted": refused.shown("sku", "feed", "outcome", "reason"),
        },
    )


@dg.asset(
    partitions_def=store_marketplaces,
    group_name=GROUP,
    owners=OWNERS,
    kinds={"postgres"},
    output_required=False,
    deps=["processing_reports"],
    ins={"listings": dg.AssetIn()},
    description="What is done by itself about refused listings: which values they have in place of their own, and why.",
)
def listing_repairs(context: dg.AssetExecutionContext, workspace: Workspace, listings: Table) -> Iterator[dg.Output[Any]]:
    with expected_failures():
        cell = connected(context, workspace)
        if cell is None:
            return
        done = repairing.Repaired()
        with workspace.connect() as connection:
            if cell.lane.transport == "api":
                done = repairing.mend(connection, cell, listings)
            rows = status.listing_repairs(connection, cell)
        table = stage(workspace.scratch("listing_repairs"), "listing_repairs", rows, LISTING_REPAIRS, {})
    yield dg.Output(
        table,
        metadata={
            "mended": len(done.mended),
            "waiting": len(done.waiting),
            "holding": int((rows["state"] == "holds").sum()),
            "newest": meta.table(rows.iloc[::-1][["sku", "field", "before", "after", "fix", "issue", "state"]]),
            "why_not": meta.table([{"sku": sku, "why": why} for sku, why in done.waiting.items()]),
        },
    )


@dg.asset(
    partitions_def=store_marketplaces,
    group_name=GROUP,
    owners=OWNERS,
    kinds={"postgres"},
    output_required=False,
    deps=["listing_repairs"],
    description="Every SKU that is live, on its way or refused: what the marketplace says of it, and what to do.",
)
def listing_status(context: dg.AssetExecutionContext, workspace: Workspace) -> Iterator[dg.Output[Any]]:
    with expected_failures():
        cell = connected(context, workspace)
        if cell is None:
            return
        states, to_do = Counter[str](), _Sample()
        with (
            workspace.connect() as connection,
            TableWriter(workspace.scratch("listing_status"), "listing_status", LISTING_STATUS, {}) as writer,
        ):
            for rows in status.listing_status(connection, cell):
                writer.write(rows)
                states.update(rows["state"])
                to_do.add(rows[rows["state"].isin(["rejected", "uncertain"]) | (rows["errors"] > 0)])
    yield dg.Output(
        writer.staged,
        metadata={
            "listings": writer.rows,
            "by_state": meta.counts(states, "state"),
            "to_do": to_do.shown("sku", "state", "field", "reason", "issue", "hint"),
        },
    )


@dg.asset(
    partitions_def=store_marketplaces,
    group_name=GROUP,
    owners=OWNERS,
    kinds={"postgres"},
    output_required=False,
    deps=["feed_submissions"],
    description="The newest exports of a connection: what was sent, and what the marketplace said of it by now.",
)
def export_statistics(context: dg.AssetExecutionContext, workspace: Workspace) -> Iterator[dg.Output[Any]]:
    with expected_failures():
        cell = connected(context, workspace)
        if cell is None:
            return
        with workspace.connect() as connection:
            found = statistics.refresh(connection, cell.lane)
            rows = statistics.as_table(statistics.exports(connection, cell.lane))
        table = stage(workspace.scratch("export_statistics"), "export_statistics", rows, EXPORT_STATISTICS, {})
    numbers = {name: value for name, value in found.items() if isinstance(value, (int, float))}
    yield dg.Output(table, metadata={**numbers, "exports": meta.table(rows)})


class _Sample:
    """The first rows of what comes in pieces."""

    def __init__(self) -> None:
        self._pieces: list[pd.DataFrame] = []

    def add(self, rows: pd.DataFrame) -> None:
        if len(rows) and sum(map(len, self._pieces)) < meta.MAX_ROWS:
            self._pieces.append(rows.head(meta.MAX_ROWS))

    def shown(self, *columns: str) -> Any:
        return meta.table(pd.concat(self._pieces)[list(columns)] if self._pieces else [])


def _send(
    context: dg.AssetExecutionContext, workspace: Workspace, cell: Cell, plan: Plan, files: list[dict[str, Any]]
) -> tuple[bool, list[str]]:
    """Put the files into the ledger, and send what can be sent now; the states of their submissions."""
    from pipeline.submissions.live import Office, require_sending  # loads httpx

    require_sending(cell)
    with workspace.connect() as connection:
        require_reconciled(connection, cell.lane, cell.account.seller_id)
    office = Office(workspace.database, workspace.vault, workspace.settings.storage())
    with office.service(cell) as service:
        digests = {file["path"]: hashlib.sha256(office.read(file["path"])).hexdigest() for file in files}
        with workspace.database.autocommit() as connection:
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


ASSETS = [
    feed_submissions,
    processing_reports,
    listing_repairs,
    listing_status,
    export_statistics,
]
