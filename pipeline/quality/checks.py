"""Checks of the quality stage, made from the rule declarations: one that blocks (integrity) and one a dimension that warns."""

import dagster as dg

from pipeline.catalog.imports import get_import
from pipeline.model.quality import DIMENSION_WEIGHTS
from pipeline.partitions import stores
from pipeline.platform import metadata as meta
from pipeline.platform.checks import check
from pipeline.platform.resources import Workspace
from pipeline.platform.tables import Table
from pipeline.quality.summary import open_rules


@check(
    "product_scores",
    stores,
    blocking=True,
    description="The tables as a whole may be used: nothing lost, ids and SKUs unique, no shrunken catalog. No row decides this.",
)
def quality_integrity(workspace: Workspace, product_scores: Table) -> dg.AssetCheckResult:
    import_id = product_scores.metadata["import_id"]
    with workspace.connect() as connection:
        found = get_import(connection, import_id)
    passed = bool(found and found.quality_passed)
    reason = (found.quality_reason if found else None) or ("passed" if passed else "there is no verdict on this import")
    return dg.AssetCheckResult(
        passed=passed, severity=dg.AssetCheckSeverity.ERROR, description=reason, metadata={"import_id": import_id}
    )


def _dimension_check(dimension: str) -> dg.AssetChecksDefinition:
    @check(
        "product_issues",
        stores,
        description=f"No open {dimension} rule. Rows with open errors stay out of feeds; they never stop the store.",
        name=f"{dimension}_rules",
    )
    def open_rules_of_dimension(product_issues: Table) -> dg.AssetCheckResult:
        rules = open_rules(product_issues, dimension)
        return dg.AssetCheckResult(
            passed=rules.empty,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"{len(rules)} rules are open" if len(rules) else "no open rule",
            metadata={"open_rules": meta.table(rules), "failed_rows": int(rules["rows"].sum()) if len(rules) else 0},
        )

    return open_rules_of_dimension


CHECKS = [quality_integrity, *(_dimension_check(dimension) for dimension in DIMENSION_WEIGHTS)]
