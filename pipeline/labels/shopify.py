"""Reading the theme texts of a live Shopify store, with the digests that translations are registered against.

They are kept like a label file (`formats/shopify_content.py`), so that everything after is the same and can be repeated without
asking the shop. Facts: shopify.dev, `translatableResources`; theme texts cannot be read by a bulk operation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from pipeline.catalog.shopify_api.client import Shop
from pipeline.model.errors import BadInputError, UsageError
from pipeline.model.secret import Secret
from pipeline.settings import api_url
from pipeline.stores.sources import source_kind
from pipeline.stores.stores import Store

FILE_NAME = "theme.shopify"
#: Each theme is a resource with some thousand texts, so pages are small.
_PAGE = 5
_MAX_BYTES = 64 << 20
_QUERY = f"""query ThemeTexts($after: String) {{
  translatableResources(resourceType: ONLINE_STORE_THEME_LOCALE_CONTENT, first: {_PAGE}, after: $after) {{
    nodes {{ resourceId translatableContent {{ key value digest locale type }} }}
    pageInfo {{ hasNextPage endCursor }}
  }}
}}"""


def theme_texts(store: Store, credentials: Mapping[str, Secret]) -> tuple[bytes, str]:
    """The texts of all themes as a label file, and the language that they are written in.

    Raises UsageError for a store that is no live Shopify store, ApiError when the
    shop refuses.
    """
    if store.source != "shopify":
        raise UsageError(f"{store.key} is no live Shopify store; name a file: pipeline labels import {store.key} FILE")
    settings = source_kind(store.source).complete(store.source_settings)
    with Shop(store.key, settings["domain"], settings["api_version"], credentials, url=api_url("SHOPIFY")) as shop:
        resources, size = [], 0
        for node in _nodes(shop):
            resources.append(node)
            size += len(orjson.dumps(node))
            if size > _MAX_BYTES:
                raise BadInputError(f"the themes of {store.key} have over {_MAX_BYTES >> 20} MiB of texts; remove unused themes")
    locales = {text["locale"] for node in resources for text in node["translatableContent"]}
    if len(locales) != 1:
        found = ", ".join(sorted(locales)) or "none"
        raise BadInputError(f"the themes of {store.key} should have texts in one language; they have: {found}")
    return orjson.dumps({"resources": resources}, option=orjson.OPT_INDENT_2), locales.pop()


def _nodes(shop: Shop) -> Iterator[dict[str, Any]]:
    after: str | None = None
    seen: set[str | None] = set()
    while after not in seen:
        seen.add(after)
        page = shop.ask(_QUERY, {"after": after})["translatableResources"]
        yield from page["nodes"]
        after = page["pageInfo"]["endCursor"] if page["pageInfo"]["hasNextPage"] else None
        if after is None:
            return
    raise BadInputError("Shopify gives the same page of theme texts again and again; try later")
