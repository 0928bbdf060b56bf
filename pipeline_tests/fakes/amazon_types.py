"""Product types and the catalog of the fake Amazon: definitions behind presigned links, suggestions, items by GTIN, and the
validation of listings against the definitions, by a validator of its own."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from itertools import permutations
from pathlib import Path
from typing import Any

import jsonschema_rs

from pipeline_tests.fakes.amazon_http import Call, Operation, Refused, Reply

_TYPES = r"/definitions/2020-09-01/productTypes"
OPERATIONS: list[Operation] = [
    ("GET", _TYPES, "searchDefinitionsProductTypes"),
    ("GET", _TYPES + r"/([^/]+)", "getDefinitionsProductType"),
    ("GET", r"/catalog/2022-04-01/items", "searchCatalogItems"),
]
#: [requests a second, burst], the lower of what model and page say.
RATES: dict[str, tuple[float, float]] = {
    "searchDefinitionsProductTypes": (5, 5), "getDefinitionsProductType": (5, 5), "searchCatalogItems": (2, 2),
}  # fmt: skip
_OFFER = {"condition_type", "purchasable_offer", "fulfillment_availability"}
_PAGE = 20
_KINDS = {"EAN": (8, 13), "UPC": (12,), "GTIN": (8, 12, 13, 14)}


def own_definition() -> dict[str, Any]:
    """DRINKING_CUP, written for these tests."""
    found: dict[str, Any] = json.loads((Path(__file__).with_name("product_types") / "DRINKING_CUP.json").read_text())
    return found


def any_definition() -> dict[str, Any]:
    """One that requires nothing and allows every family: of product types that a test does not care about."""
    found = own_definition()
    properties = found["properties"]
    options = ["color", "size", "style", "pattern", "material", "scent", "flavor"]
    for name in options:
        properties[name] = {**properties["generic_keyword"], "title": name.title()}
    words = [name.upper() for name in options]
    themes = ["/".join(some) for count in (1, 2, 3) for some in permutations(words, count)]
    properties["variation_theme"]["items"]["properties"]["name"] = {"type": "string", "enum": themes}
    return {name: part for name, part in found.items() if name not in ("required", "allOf")}


class ProductTypes:
    """Operations by name, as in `FakeAmazon`. Attributes may be changed at any time."""

    #: Product type -> its schema with everything required (LISTING).
    definitions: dict[str, dict[str, Any]]
    versions: dict[str, str]
    #: Of all other product types; None: Amazon has no others.
    any_type: dict[str, Any] | None
    #: Title -> product types.
    suggestions: dict[str, list[str]]
    #: ASIN -> GTINs, title, product type.
    items: dict[str, dict[str, Any]]
    sells_on: set[str]
    #: What the next documents say instead of the schema (their checksum is of the schema).
    damaged: list[bytes]

    def begin_types(self) -> None:
        self.any_type = any_definition()
        self.definitions, self.versions, self.suggestions, self.items, self.damaged = {}, {}, {}, {}, []

    def getDefinitionsProductType(self, call: Call) -> Reply:
        (site,) = self._of_sites(call)
        schema = self.definitions.get(call.key, self.any_type)
        if schema is None:
            raise Refused(404, "NOT_FOUND", f"Product type {call.key} not found")
        requirements = call.query.get("requirements", ["LISTING"])[0]
        content = json.dumps(requiring(schema, requirements)).encode()
        document = self._new_document(None)  # type: ignore[attr-defined]
        document.content = self.damaged.pop(0) if self.damaged else content
        checksum = base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()
        link = {"link": {"resource": self._url(document), "verb": "GET"}, "checksum": checksum}  # type: ignore[attr-defined]
        return Reply(
            200,
            {
                "metaSchema": link, "schema": link, "requirements": requirements, "requirementsEnforced": "ENFORCED",
                "propertyGroups": {}, "locale": "en_US", "marketplaceIds": [site], "productType": call.key,
                "displayName": call.key.replace("_", " ").title(),
                "productTypeVersion": {"version": self.versions.get(call.key, "V1"), "latest": True},
            },
        )  # fmt: skip

    def searchDefinitionsProductTypes(self, call: Call) -> Reply:
        sites = self._of_sites(call)
        title, words = call.query.get("itemName", [None])[0], _values(call, "keywords")
        if title is not None and words:
            raise Refused(400, "InvalidInput", "keywords and itemName cannot be used together")
        if title is not None:
            names = self.suggestions.get(title, [])
        else:
            names = sorted(name for name in self.definitions if not words or any(word.upper() in name for word in words))
        rows = [{"name": name, "displayName": name.replace("_", " ").title(), "marketplaceIds": sites} for name in names]
        return Reply(200, {"productTypes": rows, "productTypeVersion": "V1"})

    def searchCatalogItems(self, call: Call) -> Reply:
        (site,) = self._of_sites(call)
        kind, wanted = call.query["identifiersType"][0], _values(call, "identifiers")
        if any(len(one) not in _KINDS[kind] for one in wanted):
            raise Refused(400, "InvalidInput", f"not of type {kind}")
        codes = {one.zfill(14) for one in wanted}
        found = [asin for asin, item in sorted(self.items.items()) if codes & {one.zfill(14) for one in item["gtins"]}]
        start = int(call.query.get("pageToken", ["0"])[0])
        rows = [self._catalog_item(asin, site) for asin in found[start : start + _PAGE]]
        body: dict[str, Any] = {"numberOfResults": len(found), "items": rows}
        return Reply(200, {**body, "pagination": {"nextToken": str(start + _PAGE)}} if len(found) > start + _PAGE else body)

    def _catalog_item(self, asin: str, site: str) -> dict[str, Any]:
        item = self.items[asin]
        identifiers = [{"identifierType": "EAN", "identifier": one} for one in item["gtins"]]
        return {
            "asin": asin,
            "identifiers": [{"marketplaceId": site, "identifiers": identifiers}],
            "summaries": [{"marketplaceId": site, "itemName": item.get("title", asin)}],
            "productTypes": [{"marketplaceId": site, "productType": item.get("type", "PRODUCT")}],
        }

    def by_definition(self, sku: str, body: Mapping[str, Any]) -> list[dict[str, Any]]:
        """A `preview`: what the product type's definition says of a whole listing."""
        schema = self.definitions.get(body["productType"], self.any_type)
        if schema is None or "attributes" not in body:
            return []
        validator = jsonschema_rs.Draft201909Validator(requiring(schema, body.get("requirements", "LISTING")), offline=True)
        return [_issue(error) for error in validator.iter_errors(body["attributes"])]

    def _of_sites(self, call: Call) -> list[str]:
        sites = _values(call, "marketplaceIds")
        if not sites or not set(sites) <= self.sells_on:
            raise Refused(400, "InvalidInput", f"Invalid marketplaces {', '.join(sites)}")
        return sites


def requiring(schema: dict[str, Any], requirements: str) -> dict[str, Any]:
    """The schema for one set of requirements."""
    if requirements == "LISTING_OFFER_ONLY":
        required = ["merchant_suggested_asin", *sorted(_OFFER)]
        return {**{name: part for name, part in schema.items() if name != "allOf"}, "required": required}
    required = schema.get("required", [])
    return {
        **schema,
        "required": [*required, *sorted(_OFFER & set(schema["properties"]))] if requirements == "LISTING" else required,
    }


def _issue(error: Any) -> dict[str, Any]:
    path, kind = list(error.instance_path), error.kind
    missing = kind.name == "required" and not path
    names = [kind.as_dict()["property"]] if missing else [str(path[0])] if path else []
    return {
        "code": "90220" if missing else "99022", "severity": "ERROR", "message": f"{kind.name}: {', '.join(names) or 'listing'}",
        "categories": ["MISSING_ATTRIBUTE" if missing else "INVALID_ATTRIBUTE"], "attributeNames": names,
    }  # fmt: skip


def _values(call: Call, name: str) -> list[str]:
    return [part for value in call.query.get(name, []) for part in value.split(",") if part]
