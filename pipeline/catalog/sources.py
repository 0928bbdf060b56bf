"""From a store's settings to its source. The settings of each source are checked in `stores.sources`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pipeline.catalog.source import LiveSource, Source
from pipeline.model.errors import PipelineError
from pipeline.model.secret import Secret
from pipeline.settings import api_url
from pipeline.stores.sources import source_kind
from pipeline.stores.stores import Store


def source_of(store: Store, credentials: Mapping[str, Secret]) -> Source:
    """The source that a store's settings name; `credentials` are those of the store, none for a file."""
    if source_kind(store.source).live:
        return live_source_of(store, credentials)
    from pipeline.catalog.shopify_file import ShopifyFile

    collections = store.source_settings.get("collections_path")
    return ShopifyFile(Path(store.source_settings["path"]), Path(collections) if collections else None)


def live_source_of(store: Store, credentials: Mapping[str, Secret]) -> LiveSource:
    """The source of a store that is an account at a service."""
    if store.source == "shopify":
        from pipeline.catalog.shopify_api.source import ShopifyApi

        settings = source_kind(store.source).complete(store.source_settings)
        return ShopifyApi(
            store.key,
            settings["domain"],
            credentials,
            currency=store.currency,
            version=settings["api_version"],
            location_ids=settings["location_ids"],
            url=api_url("SHOPIFY"),
        )
    if store.source == "akeneo":
        from pipeline.catalog.akeneo.source import Akeneo

        return Akeneo(store.settings, credentials, currency=store.currency, url=api_url("AKENEO"))
    raise PipelineError(f"the source {store.source} of store {store.key} cannot be imported yet; use a shopify-file store")
