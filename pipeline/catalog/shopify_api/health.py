"""Whether imports of a shop would work: credentials, permissions, API version, currency, locations."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from pipeline.catalog.shopify_api import queries
from pipeline.catalog.shopify_api.client import Shop
from pipeline.platform.http import ApiError

#: Permissions that the import's queries need; a permission to write grants that to read.
SCOPES = ("read_products", "read_inventory", "read_locations")


def problems(shop: Shop, *, currency: str, location_ids: Collection[str] | None) -> list[str]:
    """A sentence for each thing that is wrong, empty when nothing is. Never raises for a shop that refuses."""
    try:
        found = shop.ask(queries.HEALTH)
    except ApiError as error:
        return [str(error)]
    said = [
        f"the app lacks the permission {name}; add it in the Dev Dashboard and install the new version in the shop"
        for name in missing_scopes(found)
    ]
    supported = {version["handle"] for version in found["publicApiVersions"] if version["supported"]}
    if shop.version not in supported:
        newest = max((handle for handle in supported if handle[:1].isdigit()), default="a newer one")
        said.append(f"Shopify no longer supports API version {shop.version}; set {newest} with --api-version")
    if (problem := currency_problem(found["shop"]["currencyCode"], currency)) is not None:
        said.append(problem)
    if "read_locations" not in missing_scopes(found):
        said += _location_problems(shop, location_ids or ())
    return said + [note for note in shop.notes if note not in said]


def _location_problems(shop: Shop, location_ids: Collection[str]) -> list[str]:
    try:
        found = shop.ask(queries.LOCATIONS)
    except ApiError as error:
        return [str(error)]
    said = []
    locations = {node["id"].rpartition("/")[2]: node["isActive"] for node in found["locations"]["nodes"]}
    for location in location_ids:
        if location not in locations:
            said.append(f"the shop has no location {location}; correct it with: pipeline store set STORE --location ID")
        elif not locations[location]:
            said.append(f"the location {location} is not active; its stock counts as 0")
    return said


def missing_scopes(found: dict[str, Any]) -> list[str]:
    granted = {scope["handle"] for scope in found["currentAppInstallation"]["accessScopes"]}
    return [name for name in SCOPES if not {name, name.replace("read_", "write_")} & granted]


def currency_problem(shop: str, store: str) -> str | None:
    """Why prices would be wrong, or None."""
    if shop == store:
        return None
    return f"the shop's prices are in {shop}, the store's are set to {store}; correct it: pipeline store set STORE --currency"
