"""The two dynamic dimensions: stores, and marketplace sites such as `amazon-us`. Products are rows, never partitions."""

from __future__ import annotations

import dagster as dg

stores = dg.DynamicPartitionsDefinition(name="stores")
marketplaces = dg.DynamicPartitionsDefinition(name="marketplaces")
store_marketplaces = dg.MultiPartitionsDefinition({"store": stores, "marketplace": marketplaces})


def cell(store: str, site: str) -> dg.MultiPartitionKey:
    """The partition key of one store on one marketplace site."""
    return dg.MultiPartitionKey({"store": store, "marketplace": site})


def store_and_site(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext | dg.OpExecutionContext) -> tuple[str, str]:
    """The store and the site of a run's two-dimensional partition."""
    key = context.partition_key
    if not isinstance(key, dg.MultiPartitionKey):
        raise TypeError(f"expected a store x marketplace partition, got {key!r}")
    return key.keys_by_dimension["store"], key.keys_by_dimension["marketplace"]
