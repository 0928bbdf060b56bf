"""The tables of the quality stage. Fixed tables keep the catalog's columns; the source tables are never changed."""

from __future__ import annotations

import pyarrow as pa

from pipeline.catalog.schema import PRODUCTS, VARIANTS

#: `description_html` is sanitized, `description` its plain text. `revision` changes when anything in the fixed product,
#: its fixed variants or the rule set did: later stages reuse their rows for an equal revision.
FIXED_PRODUCTS = pa.schema([*PRODUCTS, pa.field("description", pa.string()), pa.field("revision", pa.string())])

#: `sku` is filled, legal and unique (ignoring case); `barcode` holds a cleaned GTIN or null, `price` is parsed.
FIXED_VARIANTS = pa.schema([*VARIANTS])

#: The change log: putting every `before` back gives the source rows.
FIXES = pa.schema(
    [
        ("product_id", pa.string()),
        ("variant_id", pa.string()),  # null: the product's own field
        ("field", pa.string()),
        ("before", pa.string()),
        ("after", pa.string()),
        ("fix", pa.string()),
        ("fix_class", pa.string()),  # lossless | lossy-safe
    ]
)

#: One row an open rule and row. Also the schema of `listing_issues`, where `sku` is the listing's.
ISSUES = pa.schema(
    [
        ("product_id", pa.string()),
        ("variant_id", pa.string()),  # null: the product's own field
        ("sku", pa.string()),
        ("rule", pa.string()),
        ("dimension", pa.string()),
        ("severity", pa.string()),
        ("field", pa.string()),
        ("value", pa.string()),  # at most 120 characters
        ("message", pa.string()),
        ("hint", pa.string()),
        ("points_lost", pa.float64()),
    ]
)

#: One row a variant (or listing). `score` is exact, floored to two decimals; `display` is the whole number shown.
SCORES = pa.schema(
    [
        ("product_id", pa.string()),
        ("variant_id", pa.string()),
        ("sku", pa.string()),
        ("score", pa.float64()),
        ("display", pa.int32()),
        ("base", pa.float64()),
        ("worst", pa.string()),  # worst open severity, null when none
        ("completeness", pa.float64()),  # each dimension 0-100, null when no rule applies
        ("correctness", pa.float64()),
        ("compliance", pa.float64()),
        ("identifiers", pa.float64()),
        ("content", pa.float64()),
        ("media", pa.float64()),
    ]
)

SCHEMAS = {
    "fixed_products": FIXED_PRODUCTS,
    "fixed_variants": FIXED_VARIANTS,
    "product_fixes": FIXES,
    "product_issues": ISSUES,
    "product_scores": SCORES,
}
