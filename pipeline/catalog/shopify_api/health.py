"""Whether imports of a shop would work: credentials, permissions, API version, currency, locations."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from pipeline.catalog.shopify_api import queries
from pipeline.catalog.shopify_api.client import Shop
from pipeline.platform.http import ApiError

#: Permissions that the import's queries need; a permission to write grants that to read.
SCOPES = ("read_products", "read_inventory", "read_locations")
#: What else a store may use, and the command that needs the permission (theme texts: `labels.shopify`).
OPTIONAL = {
    "read_translations": "`pipeline labels import {store}`",
    "read_themes": "`pipeline labels import {store}`",
}
_ADD = "add it in the Dev Dashboard and install the new version in the shop"


def problems(shop: Shop, *, currency: str, location_ids: Collection[str] | None) -> list[str]:
    """A sentence for each thing that is wrong, empty when nothing is. Never raises for a shop that refuses."""
    try:
        found = shop.ask(queries.HEALTH)
    except ApiError as error:
        return [str(error)]
    said = [f"the app lacks the permission {name}; {_ADD}" for name in missing_scopes(found, SCOPES)]
    supported = {version["handle"] for version in found["publicApiVersions"] if version["supported"]}
    if shop.version not in supported:
        newest = max((handle for handle in supported if handle[:1].isdigit()), default="a newer one")
        said.append(
            f"Shopify no longer supports API version {shop.version}; set another: pipeline store set {shop.store} "
            f"--api-version {newest}"
        )
    if (problem := currency_problem(shop.store, found["shop"]["currencyCode"], currency)) is not None:
        said.append(problem)
    if "read_locations" not in missing_scopes(found, SCOPES):
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
            said.append(f"the shop has no location {location}; correct it with: pipeline store set {shop.store} --location ID")
        elif not locations[location]:
            said.append(f"the location {location} is not active; its stock counts as 0")
    return said


def missing_options(shop: Shop) -> list[str]:
    """A sentence for each permission without which imports work, but something else that a store may use does not."""
    try:
        found = shop.ask(queries.HEALTH)
    except ApiError:  # `problems` says so
        return []
    return [
        f"the app lacks the permission {name}, which only {OPTIONAL[name].format(store=shop.store)} needs; {_ADD}"
        for name in missing_scopes(found, OPTIONAL)
    ]


def missing_scopes(found: dict[str, Any], wanted: Iterable[str]) -> list[str]:
    granted = {scope["handle"] for scope in found["currentAppInstallation"]["accessScopes"]}
    return [name for name in wanted if not {name, name.replace("read_", "write_")} & granted]


def currency_problem(store: str, shop: str, set_to: str) -> str | None:
    """Why prices would be wrong, or None."""
    if shop == set_to:
        return None
    press = f"pipeline store set {store} --currency {shop}"
    return f"the shop's prices are in {shop}, the store's are set to {set_to}; correct it: {press}"
