"""What operators see of the materializations of this stage."""

from __future__ import annotations

from typing import Any

import pandas as pd

from pipeline.listings.build import ListingsResult
from pipeline.listings.lookups import Asked
from pipeline.listings.plan import PlanResult
from pipeline.listings.summary import blocked_sample, changes_sample
from pipeline.platform import metadata as meta
from pipeline.quality.summary import fix_sample, score_histogram_svg, top_issues


def lookups_metadata(asked: Asked, rows: pd.DataFrame) -> dict[str, Any]:
    return {
        "definitions": meta.table(rows),
        "gtins_asked": asked.gtins,
        "left_for_the_next_run": asked.left,
        "not_answered": meta.table([{"what": text} for text in asked.problems]),
    }


def listings_metadata(result: ListingsResult) -> dict[str, dict[str, Any]]:
    counts, issues = result.counts, result.tables["listing_issues"].open()
    return {
        "listings": {
            "import_id": result.import_id,
            "ready": counts.ready,
            "blocked": counts.blocked,
            "products": counts.products,
            "products_reused": counts.reused,
            "products_excluded": meta.counts(counts.excluded, "reason"),
            "blocked_sample": meta.table(blocked_sample(result.tables["listings"].open())),
        },
        "listing_issues": {
            "by_severity": meta.counts(counts.issues, "severity"),
            "top_issues": meta.table(top_issues(issues)),
        },
        "listing_scores": {
            "score_mean": float(counts.score_mean or 0.0),
            "score_distribution": meta.picture(score_histogram_svg(counts.histogram), "Listings by score"),
        },
        "listing_fixes": {
            "by_fix": meta.counts(counts.fixes, "fix"),
            "sample": meta.table(fix_sample(result.tables["listing_fixes"].open())),
        },
    }


def plan_metadata(result: PlanResult, status: str, currency: str) -> dict[str, Any]:
    plan = result.plan
    changes = plan.counts["changes"]
    return {
        "export_id": plan.export_id,
        "status": status,
        "import_id": plan.import_id,
        **{kind: int(count) for kind, count in changes.items()},
        "held": int(plan.counts["held"]),
        "said_at_once": int(plan.counts["urgent"]),
        "out_of_scope": int(plan.counts["out_of_scope"]),
        "diff": meta.table(changes_sample(result.changes.open(), currency)),
        "waits_for_approval": meta.table([{"what": text} for text in plan.approvals]),
    }
