"""Item specifics: what a listing says beside its texts, as names and values that eBay's buyers filter by."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import orjson

from pipeline.marketplaces.ebay.xml import limits
from pipeline.marketplaces.options import label, said

Pairs = dict[str, list[str]]


@lru_cache(maxsize=4096)
def facts(document: str | None, language: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Names and values of the JSON object of further facts, in the site's words, without what is no plain text or too long."""
    if not document:
        return ()
    try:
        given = orjson.loads(document)
    except orjson.JSONDecodeError:
        return ()
    most = limits()["message"]
    found = []
    for key, value in given.items() if isinstance(given, dict) else ():
        if "." in key:  # said for one marketplace in its own words
            continue
        name = label(key, language)
        values = value if isinstance(value, list) else [value]
        texts = [" ".join(item.split()) for item in values if isinstance(item, str) and item.strip()]
        good = [item for item in said(key, texts, language) if _plain(item, most["specific_value"])]
        if _plain(name, most["specific_name"]) and good:
            found.append((name, tuple(good[: most["specific_values"]])))
    return tuple(found)


def _plain(value: str, most: int) -> bool:
    return 0 < len(value) <= most and value.isprintable() and "<" not in value


def specifics(
    brand: str,
    mpn: str | None,
    options: Iterable[tuple[str | None, str | None]],
    attributes: str | None,
    language: str,
    used: set[str],
) -> Pairs:
    """Brand, MPN, options, facts; a name once (any case), none of `used` (casefolded names of variations), 45 at most."""
    most = limits()["message"]
    taken = set(used)
    found: Pairs = {}
    brand_mpn = [(label("brand", language), (brand,)), (label("mpn", language), (mpn,))]
    own = [(name, (value,)) for name, value in options if name]
    for name, values in (*brand_mpn, *own, *facts(attributes, language)):
        fitting = [value for value in values if value and len(value) <= most["specific_value"]]
        if fitting and name.casefold() not in taken and len(name) <= most["specific_name"] and len(found) < most["specifics"]:
            taken.add(name.casefold())
            found[name] = fitting
    return found
