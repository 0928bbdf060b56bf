"""Product Type Definitions API 2020-09-01: what each product type wants, and which product type fits words or a title."""

from __future__ import annotations

import base64
import hashlib
from urllib.parse import quote

from pipeline.marketplaces.amazon.product_types.definition import MAX_BYTES, Definition
from pipeline.marketplaces.amazon.spapi.answers import object_of, objects, odd, said, text_of
from pipeline.marketplaces.amazon.spapi.client import SpApi
from pipeline.marketplaces.amazon.spapi.documents import download
from pipeline.marketplaces.live import FetchedDefinition
from pipeline.model.errors import BadInputError
from pipeline.model.listing import Site
from pipeline.model.secret import Secret
from pipeline.platform.http import ApiError

REQUIREMENTS = ("LISTING", "LISTING_PRODUCT_ONLY", "LISTING_OFFER_ONLY")
_API = "definitions/2020-09-01/productTypes"
_TRIES = 2
_WORDS = 5


def definition(api: SpApi, site: Site, product_type: str, requirements: str, known: str | None) -> FetchedDefinition:
    """The newest definition; its document is downloaded only when its checksum is not the `known` one.

    Raises ApiError, also for a document that twice is not what its checksum says; BadInputError for one that is no definition.
    """
    params: dict[str, str | int] = {
        "marketplaceIds": site.marketplace_id, "requirements": requirements, "requirementsEnforced": "ENFORCED",
        "locale": "DEFAULT",
    }  # fmt: skip
    path = f"{_API}/{quote(product_type, safe='')}"
    for _ in range(_TRIES):
        try:
            found = object_of(api.call("getDefinitionsProductType", "GET", path, params=params))
        except ApiError as error:
            if error.status == 404:
                return _unknown(api, site, product_type)
            raise
        link = found.get("schema")
        if not isinstance(link, dict) or not isinstance(link.get("link"), dict):
            raise odd("a schema")
        checksum = text_of(link, "checksum")
        version = found.get("productTypeVersion")
        number = said(version, "version") if isinstance(version, dict) else None
        if checksum == known:
            return FetchedDefinition(checksum, version=number)
        what = f"the definition of {product_type}"
        document = download(api.service, Secret(text_of(link["link"], "resource")), gzip=False, most=MAX_BYTES, what=what)
        if base64.b64encode(hashlib.md5(document, usedforsecurity=False).digest()).decode() == checksum:
            Definition(product_type, document).validator  # noqa: B018 (raises for one that cannot be used)
            return FetchedDefinition(checksum, document, number, said(found, "displayName"))
    raise ApiError("Amazon", f"the definition of {product_type} came damaged {_TRIES} times; try again later")


def _unknown(api: SpApi, site: Site, product_type: str) -> FetchedDefinition:
    near = [name for name, _ in search(api, site, product_type.replace("_", " ").lower())][:_WORDS]
    like = f"; similar: {', '.join(near)}" if near else ""
    problem = f"{site.key} has no product type {product_type}{like}."
    return FetchedDefinition(hashlib.sha256(problem.encode()).hexdigest()[:16], problem=problem)


def search(api: SpApi, site: Site, words: str) -> list[tuple[str, str]]:
    """(product type, its name for people) for words in the site's language."""
    keywords = ",".join(words.replace(",", " ").split())
    return _search(api, site, {"keywords": keywords})


def suggest(api: SpApi, site: Site, title: str) -> list[str]:
    """Product types for a title, as Amazon recommends them; it gives no confidence."""
    return [name for name, _ in _search(api, site, {"itemName": title[:500]})]


def _search(api: SpApi, site: Site, what: dict[str, str]) -> list[tuple[str, str]]:
    params: dict[str, str | int] = {"marketplaceIds": site.marketplace_id, **what}
    try:
        found = object_of(api.call("searchDefinitionsProductTypes", "GET", _API, params=params))
    except ApiError as error:
        if error.status == 404:
            return []
        raise
    rows = [(text_of(row, "name"), said(row, "displayName") or "") for row in objects(found, "productTypes")]
    if any(not name.replace("_", "").isalnum() or not name.isascii() for name, _ in rows):
        raise BadInputError("Amazon answered with a product type whose name cannot be one")
    return rows
