"""Assets of the quality stage: the catalog with its faults repaired, what was changed, what is still open, and the scores."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from pipeline.catalog.assets import ACCEPT_SHRINK
from pipeline.catalog.imports import products_of_last_passed, record_verdict
from pipeline.partitions import stores
from pipeline.platform import metadata as meta
from pipeline.platform.io_manager import stored_tables
from pipeline.platform.progress import reporter
from pipeline.platform.resources import Workspace, expected_failures
from pipeline.platform.tables import Table
from pipeline.quality.schema import SCHEMAS
from pipeline.quality.stage import PreviousTables, QualityResult, run_quality
from pipeline.quality.summary import fix_sample, score_histogram_svg, top_issues
from pipeline.stores.stores import get_store

GROUP = "quality"
OWNERS = ["team:quality"]
_DESCRIPTIONS = {
    "fixed_products": "Products with every safe repair made; the source rows stay as they are.",
    "fixed_variants": "Variants with every safe repair made; each has a legal SKU that is unique in the store.",
    "product_fixes": "The change log: field, before, after, fix. Putting every `before` back gives the source rows.",
    "product_issues": "What is still wrong, for which product and field, what it costs and what would fix it.",
    "product_scores": "Quality score 0-100 of each variant, overall and by dimension.",
}


@dg.multi_asset(
    name="fix_and_score",
    partitions_def=stores,
    group_name=GROUP,
    ins={"products": dg.AssetIn(), "variants": dg.AssetIn()},
    outs={
        name: dg.AssetOut(description=text, owners=OWNERS, kinds={"parquet", "pandera"}) for name, text in _DESCRIPTIONS.items()
    },
)
def quality(
    context: dg.AssetExecutionContext, workspace: Workspace, products: Table, variants: Table
) -> Iterator[dg.Output[Any]]:
    with expected_failures():
        with workspace.connect() as connection:
            store = get_store(connection, context.partition_key)
            passed = products_of_last_passed(connection, store.id)
        before = stored_tables(workspace.settings, SCHEMAS, store.key)
        result = run_quality(
            products,
            variants,
            workspace.scratch("quality"),
            store_key=store.key,
            currency=store.currency,
            language=store.language,
            previous=PreviousTables(before) if before else None,
            baseline=None if ACCEPT_SHRINK in context.run.tags else passed,
            progress=reporter(context, "fixed_products"),
        )
    metadata = _metadata(result)
    for name, table in result.tables.items():
        yield dg.Output(table, name, metadata={"import_id": result.import_id, **metadata.get(name, {})})
    # The verdict comes last: a run that dies before leaves tables without one, and nothing downstream takes those.
    counts = result.counts
    with expected_failures(), workspace.connect() as connection:
        record_verdict(
            connection,
            result.import_id,
            result.verdict.passed,
            " ".join(result.verdict.problems) or None,
            {
                "fixes": sum(counts.fixes.values()),
                "issues": dict(counts.issues),
                "score_mean": counts.score_mean,
                "publishable": counts.publishable,
            },
        )


def _metadata(result: QualityResult) -> dict[str, dict[str, Any]]:
    counts = result.counts
    return {
        "fixed_products": {"products_reused": counts.reused, "rules_version": result.version},
        "product_fixes": {
            "by_fix": meta.counts(counts.fixes, "fix"),
            "sample": meta.table(fix_sample(result.tables["product_fixes"].open())),
        },
        "product_issues": {
            "by_severity": meta.counts(counts.issues, "severity"),
            "top_issues": meta.table(top_issues(result.tables["product_issues"].open())),
        },
        "product_scores": {
            "score_mean": dg.MetadataValue.float(counts.score_mean or 0.0),
            "publishable": counts.publishable,
            "score_distribution": meta.picture(score_histogram_svg(counts.histogram), "Variants by score"),
        },
    }


ASSETS = [quality]
