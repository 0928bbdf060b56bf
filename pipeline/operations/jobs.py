"""The jobs that operators and sensors launch. Each has one kind of partition; what chains them is `sensors.py` or the CLI."""

from __future__ import annotations

from typing import Any

import dagster as dg

from pipeline.catalog.assets import KIND_TAG
from pipeline.catalog.source import Kind
from pipeline.operations.categories import decide_categories
from pipeline.operations.credits import daily_credit_deduction
from pipeline.operations.deciding import decide_listings, decide_submission
from pipeline.operations.decision_jobs import DECISION_JOBS
from pipeline.operations.explaining import explain_listing
from pipeline.operations.language_batches import poll_language_batches
from pipeline.operations.matching import choose_match
from pipeline.operations.polling import poll_submissions
from pipeline.operations.repairs import withdraw_repair
from pipeline.operations.suggestions import decide_suggestions

import_all = dg.define_asset_job(
    "import_all",
    selection=dg.AssetSelection.groups("catalog", "quality"),
    description="Read a store's whole catalog from its source, then find and fix its faults.",
    executor_def=dg.in_process_executor,
)

import_products = dg.define_asset_job(
    "import_products",
    selection=(dg.AssetSelection.groups("catalog", "quality") - dg.AssetSelection.assets("collections")),
    tags={KIND_TAG: "products"},
    description="Read a store's products, variants and stock, then find and fix their faults.",
    executor_def=dg.in_process_executor,
)


def _import_alone(part: Kind, description: str) -> Any:
    """The job `import_<part>`: the raw copy of one part, and its table."""
    return dg.define_asset_job(
        f"import_{part}",
        selection=dg.AssetSelection.assets("raw_products", part),
        tags={KIND_TAG: part},
        description=description,
        executor_def=dg.in_process_executor,
    )


import_collections = _import_alone("collections", "Read a store's collections only.")
import_inventory = _import_alone("inventory", "Read a store's stock only, for the variants that are there.")
import_attributes = _import_alone("attributes", "Read the attributes of a store's PIM with their options.")
import_families = _import_alone("families", "Read the families of a store's PIM with their variants.")

import_labels = dg.define_asset_job(
    "import_labels",
    selection=dg.AssetSelection.assets("ui_labels", "rejected_labels"),
    description="Read a store's UI labels from its label files, and what people translated in them.",
    executor_def=dg.in_process_executor,
)

translate_labels = dg.define_asset_job(
    "translate_labels",
    selection=dg.AssetSelection.assets("translated_labels"),
    description="Translate a store's UI labels into its languages: only what is new or changed.",
    executor_def=dg.in_process_executor,
)

publish_labels = dg.define_asset_job(
    "publish_labels",
    selection=dg.AssetSelection.assets("published_labels"),
    description="Give a live shop the translated texts of its theme: only what it does not have yet.",
    executor_def=dg.in_process_executor,
)

map_categories = dg.define_asset_job(
    "map_categories",
    selection=dg.AssetSelection.assets("listing_categories"),
    description="Find the category of each product of a store on one marketplace, without making listings.",
    executor_def=dg.in_process_executor,
)

export_listings = dg.define_asset_job(
    "export_listings",
    selection=(
        dg.AssetSelection.groups("listings", "feeds")
        | dg.AssetSelection.assets("account_listings", "feed_submissions", "export_statistics")
    )
    - dg.AssetSelection.assets("legacy_xml"),
    description="Make one marketplace's listings of a store, plan what changed, write the feeds and hand them over.",
    executor_def=dg.in_process_executor,
)

write_legacy_xml = dg.define_asset_job(
    "write_legacy_xml",
    selection=dg.AssetSelection.assets("legacy_xml"),
    description="Write a connection's listings in Amazon's old XML, which Amazon has refused since 2025-07-31. Nothing is sent.",
    executor_def=dg.in_process_executor,
)

read_verdicts = dg.define_asset_job(
    "read_verdicts",
    selection=dg.AssetSelection.assets("processing_reports", "listing_repairs", "listing_status", "export_statistics"),
    description="Show what the marketplace answered, message by message and listing by listing, and mend what can be mended.",
    executor_def=dg.in_process_executor,
)

adopt_listings = dg.define_asset_job(
    "adopt_listings",
    selection=dg.AssetSelection.assets("account_listings"),
    description="Look up what the account sells of a store's listings already, and adopt it; nothing is sent.",
    executor_def=dg.in_process_executor,
)

read_back = dg.define_asset_job(
    "read_back",
    selection=dg.AssetSelection.assets("listing_drift"),
    description="Read live listings back, and report where the marketplace holds something else than it acknowledged.",
    executor_def=dg.in_process_executor,
)

IMPORT_JOBS = [import_all, import_products, import_collections, import_inventory, import_attributes, import_families]
JOBS: list[Any] = [
    *IMPORT_JOBS,
    import_labels,
    translate_labels,
    publish_labels,
    map_categories,
    decide_categories,
    decide_suggestions,
    choose_match,
    export_listings,
    adopt_listings,
    decide_listings,
    decide_submission,
    poll_submissions,
    read_verdicts,
    read_back,
    withdraw_repair,
    explain_listing,
    daily_credit_deduction,
    poll_language_batches,
    write_legacy_xml,
    *DECISION_JOBS,
]
