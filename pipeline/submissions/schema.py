"""The tables of the submissions stage."""

from __future__ import annotations

import pyarrow as pa

from pipeline.feeds.schema import FEED_FILES

#: One row a feed file that was handed over. `status`: done in file mode, else the state of the submission.
SUBMISSIONS = pa.schema([("export_id", pa.string()), *FEED_FILES, ("transport", pa.string()), ("status", pa.string())])

#: One row a SKU of ours that the account had when it was looked up, or whose GTIN it sells as another SKU.
ACCOUNT_LISTINGS = pa.schema(
    [
        ("sku", pa.string()),
        ("found", pa.string()),  # sku: adopted | gtin: as another SKU | gone: deleted there | nothing: only decided about
        ("account_sku", pa.string()),
        ("gtin", pa.string()),
        ("item_id", pa.string()),  # ASIN, item id
        ("differs", pa.list_(pa.string())),  # kinds in which an adopted one was not as we would say it
        ("decided", pa.string()),  # map | sell_anyway
        ("looked_at", pa.timestamp("us", "UTC")),  # null: to be looked at again
    ]
)

#: One row a SKU and kind in which the marketplace holds something else than it acknowledged.
LISTING_DRIFT = pa.schema(
    [
        ("sku", pa.string()),
        ("kind", pa.string()),  # content | images | price | quantity | missing
        ("ours", pa.string()),  # a value (minor units), or the hash of one
        ("theirs", pa.string()),  # a value, or the attributes that differ
        ("state", pa.string()),  # open | said_again | accepted
        ("times", pa.int64()),  # how often it was seen
        ("first_seen", pa.timestamp("us", "UTC")),
        ("last_seen", pa.timestamp("us", "UTC")),
    ]
)

#: One row a message of the newest export with a verdict.
PROCESSING_REPORTS = pa.schema(
    [
        ("submission_id", pa.int64()),
        ("export_id", pa.string()),
        ("feed", pa.string()),
        ("feed_id", pa.string()),  # the marketplace's
        ("message_id", pa.int64()),
        ("sku", pa.string()),
        ("outcome", pa.string()),  # accepted | rejected | unknown
        ("reason", pa.string()),
    ]
)

#: One row a SKU that is live, on its way or refused.
LISTING_STATUS = pa.schema(
    [
        ("sku", pa.string()),
        ("product_id", pa.string()),
        ("role", pa.string()),
        ("state", pa.string()),  # live | pending | rejected | uncertain | leaving
        ("refused", pa.string()),  # kinds of change, with commas
        ("reason", pa.string()),  # of what was refused
        ("item_id", pa.string()),  # ASIN, item id
        ("marketplace_status", pa.list_(pa.string())),  # its words: BUYABLE, DISCOVERABLE
        ("price", pa.int64()),  # acknowledged, minor units
        ("quantity", pa.int64()),  # acknowledged
        ("errors", pa.int64()),  # issues by severity
        ("warnings", pa.int64()),
        ("code", pa.string()),  # of the worst issue
        ("issue", pa.string()),
        ("attribute", pa.string()),  # the marketplace's name
        ("field", pa.string()),  # ours
        ("rule", pa.string()),  # of ours about that field
        ("drift", pa.string()),  # what the marketplace holds otherwise than acknowledged, and nobody has accepted
        ("fixed", pa.string()),  # fields that are mended by themselves, with commas
        ("hint", pa.string()),
    ]
)

#: One row an export that was handed over, the newest first. Counts are of messages.
EXPORT_STATISTICS = pa.schema(
    [
        ("export_id", pa.string()),
        ("committed_at", pa.timestamp("us", "UTC")),
        ("messages", pa.int64()),
        ("accepted", pa.int64()),
        ("rejected", pa.int64()),
        ("unknown", pa.int64()),
        ("waiting", pa.int64()),  # without a verdict yet
        ("files", pa.int64()),
        ("run_seconds", pa.float64()),  # of the run that handed it over
        ("verdict_seconds", pa.float64()),  # from the hand-over to the last verdict
    ]
)

#: One row a value that a listing has in place of its own, because the marketplace refused that.
LISTING_REPAIRS = pa.schema(
    [
        ("sku", pa.string()),
        ("product_id", pa.string()),
        ("field", pa.string()),
        ("attempt", pa.int64()),
        ("before", pa.string()),  # lists as JSON
        ("after", pa.string()),
        ("fix", pa.string()),
        ("fix_class", pa.string()),  # lossless | lossy-safe
        ("code", pa.string()),  # of the issue that it answers
        ("issue", pa.string()),
        ("submission_id", pa.int64()),  # that was refused
        ("created_at", pa.timestamp("us", "UTC")),
        ("state", pa.string()),  # holds | replaced | undone | withdrawn
    ]
)
