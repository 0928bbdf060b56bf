"""The source `shopify`: a live shop through the Admin GraphQL API. `source.py` is the door; the rest is how to talk to the shop.

What a record means is in `catalog/shopify_jsonl.py`, shared with catalog files.
"""
