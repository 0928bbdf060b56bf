"""The whole system, in flow order. `build_defs()` makes it; tests and the command line override resources by name."""

from __future__ import annotations

from typing import Any

import dagster as dg

from pipeline.catalog import assets as catalog
from pipeline.catalog import checks as catalog_checks
from pipeline.feeds import assets as feeds
from pipeline.labels import assets as labels
from pipeline.labels import checks as labels_checks
from pipeline.listings import assets as listings
from pipeline.listings import checks as listings_checks
from pipeline.listings.categories import assets as categories
from pipeline.listings.localized import assets as localized
from pipeline.listings.optimized import assets as optimized
from pipeline.operations.jobs import JOBS
from pipeline.operations.schedules import SCHEDULES
from pipeline.operations.sensors import SENSORS
from pipeline.operations.watching import watch_sources
from pipeline.platform.io_manager import parquet_io_manager
from pipeline.platform.resources import ExportOptions, Workspace
from pipeline.quality import assets as quality
from pipeline.quality import checks as quality_checks
from pipeline.submissions import assets as submissions
from pipeline.submissions import checks as submissions_checks
from pipeline.submissions.account import assets as account


def build_defs(**overrides: Any) -> dg.Definitions:
    """All assets, checks, jobs, sensors and schedules; `overrides` replace resources by name."""
    resources = {
        "io_manager": parquet_io_manager,
        "workspace": Workspace(),
        "export_options": ExportOptions.configure_at_launch(),
    }
    unknown = set(overrides) - set(resources)
    if unknown:
        raise TypeError(f"unknown resources: {sorted(unknown)}")
    return dg.Definitions(
        assets=[
            *catalog.ASSETS,
            *quality.ASSETS,
            *labels.ASSETS,
            *categories.ASSETS,
            *localized.ASSETS,
            *optimized.ASSETS,
            *listings.ASSETS,
            *feeds.ASSETS,
            *account.ASSETS,
            *submissions.ASSETS,
        ],
        asset_checks=[
            *catalog_checks.CHECKS,
            *quality_checks.CHECKS,
            *labels_checks.CHECKS,
            *listings_checks.CHECKS,
            *submissions_checks.CHECKS,
        ],
        jobs=[*JOBS, watch_sources],
        sensors=SENSORS,
        schedules=SCHEDULES,
        resources={**resources, **overrides},
        executor=dg.in_process_executor,
    )


defs = build_defs()
