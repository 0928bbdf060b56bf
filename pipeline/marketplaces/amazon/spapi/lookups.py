"""Amazon's catalog behind the protocol of `marketplaces/live.py`: definitions, items, and validation without effect."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

import orjson

from pipeline.marketplaces.amazon.spapi import catalog, definitions
from pipeline.marketplaces.amazon.spapi.answers import object_of, objects, said
from pipeline.marketplaces.amazon.spapi.client import SpApi
from pipeline.marketplaces.live import CatalogItem, FeedIssue, FetchedDefinition, Preview, Severity
from pipeline.model.listing import Site

_SEVERITY: dict[str | None, Severity] = {"ERROR": "error", "WARNING": "warning"}
#: Operation of a message -> method, and the parts of the message that the request's body has.
_PREVIEWS = {
    "UPDATE": ("PUT", ("productType", "requirements", "attributes")),
    "PATCH": ("PATCH", ("productType", "patches")),
}


class AmazonLookups:
    """Questions of one seller about one site."""

    requirements: Sequence[str] = definitions.REQUIREMENTS
    most_gtins = catalog.MOST_GTINS

    def __init__(self, api: SpApi, site: Site) -> None:
        self._api, self._site = api, site

    def close(self) -> None:
        self._api.close()

    def definition(self, category: str, requirements: str, known: str | None) -> FetchedDefinition:
        return definitions.definition(self._api, self._site, category, requirements, known)

    def search(self, words: str) -> list[tuple[str, str]]:
        return definitions.search(self._api, self._site, words)

    def suggest(self, title: str) -> list[str]:
        return definitions.suggest(self._api, self._site, title)

    def items(self, gtins: Sequence[str]) -> dict[str, list[CatalogItem]]:
        return catalog.items(self._api, self._site, gtins)

    def preview(self, message: bytes) -> Preview:
        """`mode=VALIDATION_PREVIEW`: nothing is stored. Of messages that create or change content."""
        given = orjson.loads(message)
        method, parts = _PREVIEWS[given["operationType"]]
        path = f"listings/2021-08-01/items/{quote(self._api.seller_id, safe='')}/{quote(given['sku'], safe='')}"
        params: dict[str, str | int] = {
            "marketplaceIds": self._site.marketplace_id, "mode": "VALIDATION_PREVIEW",
            "issueLocale": self._site.language.replace("-", "_"),
        }  # fmt: skip
        body = {name: given[name] for name in parts if name in given}
        found = object_of(self._api.call("previewListingsItem", method, path, params=params, json=body))
        issues = tuple(
            FeedIssue(
                _SEVERITY.get(said(row, "severity"), "info"), said(row, "code", 64) or "", said(row, "message", 500) or "",
                sku=given["sku"], attribute=next((name for name in row.get("attributeNames") or () if isinstance(name, str)), None),
            )
            for row in objects(found, "issues")
        )  # fmt: skip
        return Preview(found.get("status") == "VALID", issues)
