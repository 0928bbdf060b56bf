"""Would an import work: credentials, version, rights, channel, locale, currency, and the attributes that play roles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.catalog.akeneo.client import Client, Record
from pipeline.catalog.akeneo.reader import MODELS, PRODUCTS
from pipeline.catalog.akeneo.roles import read_roles, role_problems
from pipeline.catalog.akeneo.structure import read_structure
from pipeline.platform.http import ApiError

#: `products-uuid` came with this version (api.akeneo.com/documentation/filter.html).
OLDEST = 7
#: Without these a listing cannot be made.
_NEEDED = ("title", "price")


def find_problems(
    client: Client, channel: str, locale: str, currency: str, roles: Mapping[str, str | Sequence[str]]
) -> list[str]:
    """One sentence a problem; empty when imports would work."""
    try:
        version = str(client.get("system-information").get("version", ""))
    except ApiError as error:
        if error.status is None or error.status != 403:
            return [f"{error}."]
        version = ""
    problems = _version_problems(version)
    lists: dict[str, list[Record]] = {}
    for path in ("channels", "locales", "currencies", "categories", "attributes", "families"):
        try:
            lists[path] = [item for page in client.pages(path) for item in page]
        except ApiError as error:
            problems.append(f"{error}.")
    for path in (PRODUCTS, MODELS):
        try:
            client.get(path, {"limit": 1})
        except ApiError as error:
            problems.append(f"{error}.")
    problems += _channel_problems(lists, channel, locale, currency)
    if "attributes" in lists:
        structure = read_structure({"channels": lists.get("channels", ()), "attributes": lists["attributes"]}, channel, locale)
        problems += role_problems(roles, structure)
        played = read_roles(roles, structure)
        problems += [
            f"{role}: no attribute is named and none of the usual ones is there; name it: --attribute {role}=CODE."
            for role in _NEEDED
            if not played.of(role) and role not in roles
        ]
    if not problems and _nothing(client, channel):
        problems.append(
            f"the channel {channel} shows no product: check that its category tree has products and that the connection's user "
            "may see them."
        )
    return problems


def _version_problems(version: str) -> list[str]:
    major = version.split(".")[0]
    if major.isdigit() and int(major) < OLDEST:
        return [f"the PIM is Akeneo {version}; version {OLDEST} or newer is needed."]
    return []


def _channel_problems(lists: Mapping[str, list[Record]], channel: str, locale: str, currency: str) -> list[str]:
    if "channels" not in lists:
        return []
    found = next((record for record in lists["channels"] if record.get("code") == channel), None)
    if found is None:
        known = ", ".join(sorted(str(record.get("code")) for record in lists["channels"])) or "none"
        return [f"there is no channel {channel} in the PIM; known channels: {known}."]
    problems = []
    for what, code, entity in (("locale", locale, "locales"), ("currency", currency, "currencies")):
        codes = found.get(entity) or []
        if code not in codes:
            problems.append(f"the channel {channel} does not have the {what} {code}, only {', '.join(codes) or 'none'}.")
        elif entity in lists and not any(record.get("code") == code and record.get("enabled") for record in lists[entity]):
            problems.append(f"the {what} {code} is not active in the PIM.")
    tree = found.get("category_tree")
    if "categories" in lists and not any(record.get("code") == tree for record in lists["categories"]):
        problems.append(
            f"the connection does not see the category tree {tree} of the channel {channel}: give its user rights on it."
        )
    return problems


def _nothing(client: Client, channel: str) -> bool:
    page: dict[str, Any] = client.get(PRODUCTS, {"limit": 1, "scope": channel})
    return not page.get("_embedded", {}).get("items")
