"""The tables of the listings stage: one row a listing (a sellable SKU, or the parent of a variation family)."""

from __future__ import annotations

import pyarrow as pa

from pipeline.quality.schema import FIXES, ISSUES, SCORES

_TEXTS = pa.list_(pa.string())

#: Columns of a sale with dates, and all that a price message says.
SALE = ("sale_price", "sale_start", "sale_end")
PRICES = ("price", "list_price", *SALE)

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
        (
            "category_source",
            pa.string(),
        ),  # choice | rule | taxonomy | lexical | marketplace | model:... | item | default, or null
        ("option1_name", pa.string()),
        ("option1", pa.string()),
        ("option2_name", pa.string()),
        ("option2", pa.string()),
        ("option3_name", pa.string()),
        ("option3", pa.string()),
        ("attributes", pa.string()),  # JSON object of further facts (material, country_of_origin ...), sorted keys, or null
        ("weight_grams", pa.float64()),
        ("images", _TEXTS),  # the row's own first
        ("item_id", pa.string()),  # an item of the marketplace's catalog (ASIN) that this is only an offer on; null: its own item
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

#: One row a product, in the order and batches of `fixed_products`: its category on this marketplace, and how it came about.
CATEGORIES = pa.schema(
    [
        ("product_id", pa.string()),
        ("category", pa.string()),  # the marketplace's id; null when none is known
        ("name", pa.string()),  # for people: the category with its parents, where that is known
        ("status", pa.string()),  # accepted (listings use it) | suggested | none
        ("confidence", pa.float64()),  # 0-1, null for none
        ("engine", pa.string()),  # choice | rule | taxonomy | lexical | marketplace | model:<name>; null for none
        ("reason", pa.string()),
        ("attributes", pa.string()),  # JSON object: what the rule says of its products, in the marketplace's words, or null
        ("taxonomy", pa.string()),  # id of its category in Shopify's taxonomy, the store's own or the likeliest
        ("taxonomy_name", pa.string()),
        ("taxonomy_confidence", pa.float64()),  # 1 for the store's own
        ("google_category", pa.string()),  # Google's number for the same
        ("candidates", _TEXTS),  # ids to choose from, the best first
        ("candidate_names", _TEXTS),
        ("revision", pa.string()),  # of what this row was made from; null where that may change by itself
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

#: One row a category in use and set of requirements: what is known of what it wants.
LOOKUPS = pa.schema(
    [
        ("category", pa.string()),
        ("requirements", pa.string()),
        ("label", pa.string()),  # the category's name for people
        ("version", pa.string()),
        ("fetched_at", pa.string()),
        ("checked_at", pa.string()),
        ("outcome", pa.string()),  # of this run: known | unchanged | new | unknown | failed
        ("problem", pa.string()),
    ]
)

SCHEMAS = {"listings": LISTINGS, "listing_issues": ISSUES, "listing_scores": SCORES, "listing_fixes": FIXES}
