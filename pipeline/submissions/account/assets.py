"""Assets that look at the account: `account_listings` before the first plan, `listing_drift` afterwards."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pandas as pd
from pydantic import Field

from pipeline.listings.account import require_reconciled
from pipeline.listings.assets import connected, hold
from pipeline.partitions import store_marketplaces
from pipeline.platform import metadata as meta
from pipeline.platform.progress import counted, reporter
from pipeline.platform.resources import Workspace, expected_failures
from pipeline.platform.tables import Table, stage
from pipeline.submissions.assets import GROUP, OWNERS, TRANSPORT
from pipeline.submissions.schema import ACCOUNT_LISTINGS, LISTING_DRIFT


class Look(dg.Config):
    """How the account is looked at."""

    again: bool = Field(
        default=False, description="Look at every SKU again, also at those whose state is known; decisions of persons stay."
    )


@dg.asset(
    partitions_def=store_marketplaces,
    group_name=GROUP,
    owners=OWNERS,
    kinds={"postgres"},
    output_required=False,
    ins={"listings": dg.AssetIn()},
    description="What the marketplace's account sells of ours already, adopted before anything is sent; empty in file mode.",
)
def account_listings(
    context: dg.AssetExecutionContext, config: Look, workspace: Workspace, listings: Table
) -> Iterator[dg.Output[Any]]:
    with expected_failures():
        cell = connected(context, workspace)
        if cell is None:
            return
        found, rows = Counter[str](), pd.DataFrame(columns=ACCOUNT_LISTINGS.names, dtype=object)
        if cell.lane.transport == "api":
            from pipeline.submissions.account import adoption, decisions
            from pipeline.submissions.live import Office

            hold(context, workspace, cell)
            office = Office(workspace.database, workspace.vault, workspace.settings.storage())
            report = counted(reporter(context, "account_listings"), "listings looked up in the account")
            with office.listings(cell) as service, workspace.database.autocommit() as connection:
                if config.again:
                    with connection.transaction():
                        adoption.forget(connection, cell)
                found = adoption.adopt(connection, cell, service, listings, report)
                known = decisions.account_listings(connection, cell.lane)
            rows = pd.DataFrame(known, columns=ACCOUNT_LISTINGS.names, dtype=object)
        about = {name: listings.metadata.get(name, "") for name in ("import_id", "version")}
        table = stage(workspace.scratch("account_listings"), "account_listings", rows, ACCOUNT_LISTINGS, about)
    to_decide = rows[rows["found"].isin(["gtin", "gone"]) & rows["decided"].isna()]
    yield dg.Output(
        table,
        metadata={
            "transport": TRANSPORT[cell.lane.transport],
            "looked_up_now": found.total(),
            "adopted_now": found["sku"],
            "adopted_otherwise": int((rows["found"].eq("sku") & rows["differs"].map(bool).astype(bool)).sum()),
            "to_decide": meta.table(to_decide.head(meta.MAX_ROWS)[["sku", "found", "account_sku", "gtin", "item_id"]]),
        },
    )


@dg.asset(
    partitions_def=store_marketplaces,
    group_name=GROUP,
    owners=OWNERS,
    kinds={"postgres"},
    output_required=False,
    ins={"listings": dg.AssetIn()},
    description="Live listings read back: where the marketplace holds something else than it acknowledged; empty in file mode.",
)
def listing_drift(context: dg.AssetExecutionContext, workspace: Workspace, listings: Table) -> Iterator[dg.Output[Any]]:
    with expected_failures():
        cell = connected(context, workspace)
        if cell is None:
            return
        counts, rows = Counter[str](), pd.DataFrame(columns=LISTING_DRIFT.names, dtype=object)
        if cell.lane.transport == "api":
            from pipeline.submissions.account import decisions, drift
            from pipeline.submissions.live import Office

            hold(context, workspace, cell)
            office = Office(workspace.database, workspace.vault, workspace.settings.storage())
            report = counted(reporter(context, "listing_drift"), "listings read back")
            with office.listings(cell) as service, workspace.database.autocommit() as connection:
                require_reconciled(connection, cell.lane, cell.account.seller_id)
                counts = drift.read_back(connection, cell, service, listings, report)
                known = decisions.drifts(connection, cell.lane)
            rows = pd.DataFrame(known, columns=LISTING_DRIFT.names, dtype=object)
        about = {"policy": cell.connection.export_settings.drift, "store": cell.store.key, "site": cell.site.key}
        table = stage(workspace.scratch("listing_drift"), "listing_drift", rows, LISTING_DRIFT, about)
    yield dg.Output(
        table,
        metadata={
            "policy": cell.connection.export_settings.drift,
            "read": counts["read"],
            "by_state": meta.counts(Counter(rows["state"]), "state"),
            "by_kind": meta.counts(Counter(rows["kind"]), "kind"),
            "drift": meta.table(rows.head(meta.MAX_ROWS)[["sku", "kind", "ours", "theirs", "state", "times"]]),
        },
    )


ASSETS = [account_listings, listing_drift]
