"""Checks of the labels stage: nothing in a file was passed over silently, and what is still untranslated."""

import dagster as dg

from pipeline.labels.summary import untranslated_sample
from pipeline.partitions import stores
from pipeline.platform import metadata as meta
from pipeline.platform.checks import check
from pipeline.platform.tables import Table


@check("rejected_labels", stores, description="Everything in the label files became a label or translation.")
def label_files_complete(rejected_labels: Table) -> dg.AssetCheckResult:
    rows = rejected_labels.rows
    return dg.AssetCheckResult(
        passed=not rows,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{rows} texts were rejected" if rows else "no text was rejected",
    )


@check("translated_labels", stores, description="Every label has a translation in every language of the store.")
def labels_translated(translated_labels: Table) -> dg.AssetCheckResult:
    rows = translated_labels.read()
    left = int((rows["state"] == "untranslated").sum())
    return dg.AssetCheckResult(
        passed=not left,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{left} of {len(rows)} texts are untranslated" if left else "all texts are translated",
        metadata={"sample": meta.table(untranslated_sample(rows))},
    )


@check("published_labels", stores, description="The shop took every translation that was offered to it.")
def labels_published(published_labels: Table) -> dg.AssetCheckResult:
    rows = published_labels.read()
    left = rows[~rows["state"].isin(["published", "unchanged"])]
    return dg.AssetCheckResult(
        passed=left.empty,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{len(left)} of {len(rows)} texts are not in the shop" if len(left) else "the shop has all texts",
        metadata={"sample": meta.table(left[["locale", "key", "state", "reason"]])},
    )


CHECKS = [label_files_complete, labels_translated, labels_published]
