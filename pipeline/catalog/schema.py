"""The normalized tables of a catalog. Every source yields exactly these columns; money is integer minor units."""

from __future__ import annotations

import pyarrow as pa

_TEXTS = pa.list_(pa.string())

#: One row a product. `source_hash` covers all that was read of the product, its variants and their stock.
PRODUCTS = pa.schema(
    [
        ("product_id", pa.string()),  # Shopify's numeric id, or the handle where the source has no ids (CSV)
        ("handle", pa.string()),
        ("title", pa.string()),
        ("description_html", pa.string()),
        ("vendor", pa.string()),
        ("product_type", pa.string()),
        ("category", pa.string()),  # full name in Shopify's taxonomy: "Apparel & Accessories > Clothing > ..."
        ("tags", _TEXTS),
        ("status", pa.string()),  # active | draft | archived
        ("gift_card", pa.bool_()),
        ("seo_title", pa.string()),
        ("seo_description", pa.string()),
        ("option1_name", pa.string()),  # null for the "Title / Default Title" of a product without options
        ("option2_name", pa.string()),
        ("option3_name", pa.string()),
        ("images", _TEXTS),  # URLs in the merchant's order
        ("metafields", pa.string()),  # JSON object "namespace.key" -> value as text, or null
        ("source_hash", pa.string()),
        ("line", pa.int64()),  # where the product starts in the source
    ]
)

#: One row a sellable variant, in the order of `products` and of `position`.
VARIANTS = pa.schema(
    [
        ("variant_id", pa.string()),  # Shopify's numeric id, or "handle/option values" (CSV); unique in the store
        ("product_id", pa.string()),
        ("position", pa.int32()),  # 1-based
        ("sku", pa.string()),
        ("barcode", pa.string()),
        ("option1", pa.string()),
        ("option2", pa.string()),
        ("option3", pa.string()),
        ("price", pa.int64()),  # what a buyer pays now, minor units; null when absent or unreadable
        ("compare_at_price", pa.int64()),  # the list price of a sale, minor units
        ("price_text", pa.string()),  # the source's words, only where `price` or `compare_at_price` could not be read
        ("cost", pa.int64()),
        ("weight_grams", pa.float64()),
        ("image", pa.string()),
        ("requires_shipping", pa.bool_()),
        ("market_prices", pa.string()),  # JSON object market -> {"included", "price", "compare_at_price"}, or null
        ("metafields", pa.string()),
        ("line", pa.int64()),
    ]
)

#: One row a variant and location. `available` null means unknown, which is not 0.
INVENTORY = pa.schema(
    [
        ("variant_id", pa.string()),
        ("product_id", pa.string()),
        ("location", pa.string()),
        ("available", pa.int64()),
        ("tracked", pa.bool_()),  # false: always in stock
        ("oversell", pa.bool_()),  # inventory policy "continue"
    ]
)

COLLECTIONS = pa.schema(
    [
        ("collection_id", pa.string()),
        ("handle", pa.string()),
        ("title", pa.string()),
        ("description_html", pa.string()),
        ("product_ids", _TEXTS),
    ]
)

#: Source rows that could not become a row, each with the reason; nothing is dropped silently.
REJECTED = pa.schema(
    [
        ("line", pa.int64()),  # 1-based line of the source file (first line of a CSV record)
        ("kind", pa.string()),  # product | variant | inventory | collection | line
        ("key", pa.string()),
        ("reason", pa.string()),
        ("excerpt", pa.string()),  # at most 200 characters, no control characters
    ]
)

SCHEMAS = {
    "products": PRODUCTS,
    "variants": VARIANTS,
    "inventory": INVENTORY,
    "collections": COLLECTIONS,
    "rejected_rows": REJECTED,
}

#: One row an attribute of a PIM. Values of attributes without a column are metafields `akeneo.<code>`.
ATTRIBUTES = pa.schema(
    [
        ("code", pa.string()),
        ("label", pa.string()),  # in the store's locale; null when the PIM has none
        ("type", pa.string()),  # the PIM's own word: pim_catalog_text ...
        ("role", pa.string()),  # what it is for this store: title, price ...; null for a metafield
        ("group", pa.string()),
        ("localizable", pa.bool_()),
        ("scopable", pa.bool_()),
        ("unique", pa.bool_()),
        ("locales", _TEXTS),  # of an attribute that only some locales have
        ("metric_family", pa.string()),
        ("unit", pa.string()),  # the default one
        ("reference", pa.string()),  # the reference entity or asset family that it points to
        ("max_characters", pa.int64()),
        ("options", pa.string()),  # JSON object code -> label or null, of selects
    ]
)

#: One row a family of a PIM: which attributes its products have.
FAMILIES = pa.schema(
    [
        ("code", pa.string()),
        ("label", pa.string()),
        ("label_attribute", pa.string()),
        ("image_attribute", pa.string()),
        ("attributes", _TEXTS),
        ("required", _TEXTS),  # in the store's channel
        ("variants", pa.string()),  # JSON object: code of the family variant -> axes by level
    ]
)

#: Tables of sources that describe their products.
STRUCTURE = {"attributes": ATTRIBUTES, "families": FAMILIES}

#: The files of an import's exact copy; paths are relative to the data directory.
RAW_FILES = pa.schema([("name", pa.string()), ("path", pa.string()), ("sha256", pa.string()), ("bytes", pa.int64())])
