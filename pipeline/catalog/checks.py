"""Checks of the catalog stage: did everything that the source said arrive. They look at whole tables, never at single rows."""

import dagster as dg

from pipeline.partitions import stores
from pipeline.platform import metadata as meta
from pipeline.platform.checks import check
from pipeline.platform.tables import Table


@check(
    "variants",
    stores,
    blocking=True,
    additional_ins={"products": dg.AssetIn(metadata={"columns": ["product_id"]})},
    description="Products and variants are of the same import, every variant has its product, and no id is there twice.",
)
def catalog_integrity(variants: Table, products: Table) -> dg.AssetCheckResult:
    problems = integrity_problems(products, variants)
    return dg.AssetCheckResult(
        passed=not problems,
        severity=dg.AssetCheckSeverity.ERROR,
        description=" ".join(problems) or "every variant has its product, ids are unique",
        metadata={
            "products": products.rows,
            "variants": variants.rows,
            "problems": meta.table([{"problem": p} for p in problems]),
        },
    )


def integrity_problems(products: Table, variants: Table) -> list[str]:
    """Sentences on what is wrong with the two tables together; empty when nothing is."""
    import pyarrow.compute as pc

    first, second = products.metadata.get("import_id"), variants.metadata.get("import_id")
    if first != second:
        return [f"products are of import {first}, variants of {second}: materialize both again."]
    ids, links = products.arrow(["product_id"])["product_id"], variants.arrow(["product_id", "variant_id"])
    problems = []
    if pc.count_distinct(ids).as_py() != len(ids):
        problems.append("a product id is there twice.")
    if pc.count_distinct(links["variant_id"]).as_py() != len(links):
        problems.append("a variant id is there twice.")
    orphans = pc.sum(pc.invert(pc.is_in(links["product_id"], value_set=ids.combine_chunks())), min_count=0).as_py()
    if orphans:
        problems.append(f"{orphans} variants have no product.")
    return problems


@check("rejected_rows", stores, description="No source row had to be rejected.")
def no_rejected_rows(rejected_rows: Table) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=rejected_rows.rows == 0,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{rejected_rows.rows} rows rejected" if rejected_rows.rows else "nothing rejected",
        metadata={"rejected": rejected_rows.rows},
    )


CHECKS = [catalog_integrity, no_rejected_rows]
