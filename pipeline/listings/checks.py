"""Checks of the listings stage: nothing blocked, and nothing that waits for a person. They warn; guards do the holding."""

import dagster as dg
import pyarrow.compute as pc

from pipeline.partitions import store_marketplaces
from pipeline.platform.checks import check
from pipeline.platform.tables import Table


@check(
    "listings",
    store_marketplaces,
    description="Every listing is ready. Blocked ones stay out of the feeds; the reasons are in listing_issues.",
)
def all_listings_ready(listings: Table) -> dg.AssetCheckResult:
    status = listings.arrow(["status"])["status"]
    blocked = pc.sum(pc.equal(status, "blocked"), min_count=0).as_py()
    return dg.AssetCheckResult(
        passed=blocked == 0,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{blocked} of {len(status)} listings are blocked" if blocked else "every listing is ready",
        metadata={"blocked": blocked, "listings": len(status)},
    )


@check(
    "listing_changes",
    store_marketplaces,
    description="No change is held back by a guard or waits for stock.",
)
def nothing_held(listing_changes: Table) -> dg.AssetCheckResult:
    changes = listing_changes.arrow(["changes"])["changes"]
    held = pc.sum(pc.equal(pc.list_flatten(changes), "hold"), min_count=0).as_py()
    return dg.AssetCheckResult(
        passed=held == 0,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{held} listings are held; the reasons are in listing_changes" if held else "nothing is held",
        metadata={"held": held},
    )


@check(
    "marketplace_lookups",
    store_marketplaces,
    description="Every category in use is one that the marketplace has, and it answered when it was asked what it wants.",
)
def categories_known(marketplace_lookups: Table) -> dg.AssetCheckResult:
    rows = marketplace_lookups.arrow(["category", "outcome"]).to_pylist()
    unclear = sorted({row["category"] for row in rows if row["outcome"] in ("failed", "unknown")})
    return dg.AssetCheckResult(
        passed=not unclear,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"unknown, or not answered: {', '.join(unclear[:20])}" if unclear else "all categories are known",
        metadata={"categories": len({row["category"] for row in rows}), "unclear": len(unclear)},
    )


CHECKS = [categories_known, all_listings_ready, nothing_held]
