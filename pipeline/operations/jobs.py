"""The jobs that operators and sensors launch. Each has one kind of partition; what chains them is `sensors.py` or the CLI."""

from __future__ import annotations

from typing import Any

import dagster as dg

from pipeline.catalog.assets import KIND_TAG
from pipeline.catalog.source import Kind
from pipeline.operations.polling import poll_submissions

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

export_listings = dg.define_asset_job(
    "export_listings",
    selection=dg.AssetSelection.groups("listings", "feeds") | dg.AssetSelection.assets("feed_submissions"),
    description="Make one marketplace's listings of a store, plan what changed, write the feeds and hand them over.",
    executor_def=dg.in_process_executor,
)

read_verdicts = dg.define_asset_job(
    "read_verdicts",
    selection=dg.AssetSelection.assets("processing_reports", "listing_status"),
    description="Show what the marketplace answered: each message of the last export, and each listing as it stands.",
    executor_def=dg.in_process_executor,
)

IMPORT_JOBS = [import_all, import_products, import_collections, import_inventory, import_attributes, import_families]
JOBS: list[Any] = [*IMPORT_JOBS, import_labels, translate_labels, export_listings, poll_submissions, read_verdicts]
