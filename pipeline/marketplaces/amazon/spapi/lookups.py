"""Amazon's catalog behind the protocol of `marketplaces/live.py`: definitions of product types, and items by GTIN."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.marketplaces.amazon.spapi import catalog, definitions
from pipeline.marketplaces.amazon.spapi.client import SpApi
from pipeline.marketplaces.live import CatalogItem, FetchedDefinition
from pipeline.model.listing import Site


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
