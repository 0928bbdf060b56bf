"""Checks of the submissions stage: nothing refused, nothing unknown. They warn."""

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.partitions import store_marketplaces
from pipeline.platform.checks import check
from pipeline.platform.tables import Table


@check(
    "listing_status",
    store_marketplaces,
    description="The marketplace took everything that was sent, and found nothing wrong with a listing.",
)
def nothing_refused(listing_status: Table) -> dg.AssetCheckResult:
    rows = listing_status.arrow(["state", "errors"])
    refused = pc.sum(pc.is_in(rows["state"], value_set=pa.array(["rejected", "uncertain"])), min_count=0).as_py()
    wrong = pc.sum(pc.greater(rows["errors"], 0), min_count=0).as_py()
    said = f"{refused} listings were refused or are uncertain, {wrong} have errors; what to do is in listing_status"
    return dg.AssetCheckResult(
        passed=not refused and not wrong,
        severity=dg.AssetCheckSeverity.WARN,
        description=said if refused or wrong else "the marketplace is content",
        metadata={"refused": refused, "with_errors": wrong, "listings": len(rows)},
    )


@check("listing_drift", store_marketplaces, description="The marketplace holds what it acknowledged.")
def no_drift(listing_drift: Table) -> dg.AssetCheckResult:
    rows, about = listing_drift.read(["sku", "kind", "state"]), listing_drift.metadata
    waiting = rows[rows["state"] == "open"]
    said = f"{waiting['sku'].nunique()} listings are not what the marketplace acknowledged; decide: pipeline connection drift "
    return dg.AssetCheckResult(
        passed=waiting.empty,
        severity=dg.AssetCheckSeverity.WARN,
        description="nothing waits for a decision" if waiting.empty else f"{said}{about.get('store')} {about.get('site')}",
        metadata={"open": len(waiting), **{str(kind): int(count) for kind, count in waiting["kind"].value_counts().items()}},
    )


CHECKS = [nothing_refused, no_drift]
