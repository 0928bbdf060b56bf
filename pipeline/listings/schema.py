"""The tables of the listings stage: one row a listing (a sellable SKU, or the parent of a variation family)."""

from __future__ import annotations

import pyarrow as pa

from pipeline.quality.schema import FIXES, ISSUES, SCORES

_TEXTS = pa.list_(pa.string())

#: Rows of one product are contiguous, a parent before its children.
LISTINGS = pa.schema(
    [
        ("sku", pa.string()),
        ("role", pa.string()),  # single | parent | child
        ("parent_sku", pa.string()),  # of a child
        ("product_id", pa.string()),
        ("variant_id", pa.string()),  # null for a parent
        ("title", pa.string()),
        ("description", pa.string()),  # plain text
        ("description_html", pa.string()),  # sanitized
        ("bullets", _TEXTS),
        ("keywords", pa.string()),
        ("brand", pa.string()),
        ("mpn", pa.string()),
        ("gtin", pa.string()),
        ("condition", pa.string()),  # new
        ("category", pa.string()),  # Amazon product type, eBay leaf category id ...
        ("category_source", pa.string()),  # rule | default, null when there is none
        ("option1_name", pa.string()),
        ("option1", pa.string()),
        ("option2_name", pa.string()),
        ("option2", pa.string()),
        ("option3_name", pa.string()),
        ("option3", pa.string()),
        ("attributes", pa.string()),  # JSON object of further facts (material, country_of_origin ...), sorted keys, or null
        ("weight_grams", pa.float64()),
        ("images", _TEXTS),  # the row's own first
        ("currency", pa.string()),
        ("price", pa.int64()),  # what a buyer pays outside of a sale with dates, minor units of `currency`; null for a parent
        ("list_price", pa.int64()),  # the price before a sale without dates, null when there is none
        ("sale_price", pa.int64()),  # what a buyer pays from sale_start until before sale_end; all three null without such a sale
        ("sale_start", pa.timestamp("us", "UTC")),
        ("sale_end", pa.timestamp("us", "UTC")),
        ("available", pa.int64()),  # stock as the source said, summed over locations; null when unknown
        ("quantity", pa.int64()),  # stock as sent: buffer, maximum and policies applied; null for a parent
        ("status", pa.string()),  # ready | blocked
        ("reason", pa.string()),  # of a blocked row: the open critical and error messages, most severe first
        ("score", pa.float64()),
        ("content_hash", pa.string()),  # of everything a content message says (also of the family, where it is one message)
        ("images_hash", pa.string()),
        ("revision", pa.string()),  # fixed product + stock + settings this row was made from
    ]
)

#: One row a listing: what the plan does with it, and the values before and after.
CHANGES = pa.schema(
    [
        ("sku", pa.string()),
        ("product_id", pa.string()),
        ("role", pa.string()),
        ("changes", _TEXTS),  # create | update | price | quantity | images | delete | unchanged | hold | blocked | out_of_scope
        ("reason", pa.string()),  # of hold, blocked and delete
        ("price_before", pa.int64()),
        ("price_after", pa.int64()),
        ("quantity_before", pa.int64()),
        ("quantity_after", pa.int64()),
        ("content_hash", pa.string()),  # the state that a commit of this plan records
        ("images_hash", pa.string()),
        ("list_price_after", pa.int64()),
        ("sale_price_after", pa.int64()),
        ("sale_start_after", pa.timestamp("us", "UTC")),
        ("sale_end_after", pa.timestamp("us", "UTC")),
    ]
)

SCHEMAS = {"listings": LISTINGS, "listing_issues": ISSUES, "listing_scores": SCORES, "listing_fixes": FIXES}
