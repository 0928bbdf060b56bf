"""Attributes that a listing's own columns do not say: of metafields, category rules, the connection's settings, and facts.

They become final JSON in the column `attributes`, so that hashes cover them and messages only copy them.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from pipeline.marketplaces.amazon.product_types.definition import Definition
from pipeline.marketplaces.amazon.product_types.shape import shaped
from pipeline.marketplaces.data import read_yaml
from pipeline.marketplaces.options import said
from pipeline.model.listing import Site

#: Of the facts of a listing: what the merchant says in a marketplace's own words.
METAFIELD, RULE = "amazon.", "rule."
_EVERY = "all"
_LONGEST = 20_000


@cache
def fills() -> Any:
    """`fills.yaml`."""
    return read_yaml(Path(__file__).with_name("fills.yaml"))


def filled(
    facts: Mapping[str, Any], columns: Mapping[str, str | None], definition: Definition | None, category: str | None,
    settings: Mapping[str, Mapping[str, Any]], site: Site,
) -> dict[str, list[Any]]:  # fmt: skip
    """Attribute -> its value, by who knows best: the product's metafield, its category rule, the connection's setting for this
    product type, the one for all, then facts and columns for what the definition requires."""
    given: dict[str, Any] = {**settings.get(_EVERY, {}), **(settings.get(category, {}) if category else {})}
    for prefix in (RULE, METAFIELD):
        given |= {name.removeprefix(prefix): value for name, value in facts.items() if name.startswith(prefix)}
    for name in definition.wanted if definition else ():
        if name not in given and (value := _known(name, facts, columns, site)) is not None:
            given[name] = value
    reserved = fills()["reserved"]
    return {
        name: value
        for name in sorted(given)
        if name not in reserved
        and (definition is None or name in definition.attributes)
        and len(orjson.dumps(value := shaped(definition, name, given[name], site))) <= _LONGEST
    }


def _known(name: str, facts: Mapping[str, Any], columns: Mapping[str, str | None], site: Site) -> Any:
    for source in fills()["sources"].get(name, ()):
        kind, _, key = source.partition(" ")
        if kind == "column":
            if value := columns.get(key):
                return value
            continue
        found = facts.get(key)
        texts = [text for text in (found if isinstance(found, list) else [found]) if isinstance(text, str)]
        words = texts if key == "country_of_origin" else said(key, texts, site.language)
        if words:
            return words[0]
    return None
