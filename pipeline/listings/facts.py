"""Further facts of a product (material, country of origin ...) from its metafields, as a JSON object with sorted keys.

What is a fact, and what a value, is decided by `facts.yaml`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from pipeline.marketplaces.data import read_yaml
from pipeline.marketplaces.options import concept, value_key

#: Facts that have a column of their own in listings.schema.LISTINGS.
OWN_COLUMNS = ("mpn", "condition")

_TEXT = pa.string()
#: Letters of a size ("size-xl"): what follows the name of its attribute in a handle may also be the rest of a phrase.
_SHORT = 3
_HANDLE = re.compile(r"[^\W_A-Z]+(?:-[^\W_A-Z]+)*")

#: Names of facts (concepts of `options.yaml`, else words) and their values.
Facts = dict[str, tuple[str, ...]]


def facts(of_products: pa.Array, of_variants: pa.Array) -> pa.Table:
    """Columns `attributes`, `mpn`, `condition` from two columns of metafields (JSON objects "namespace.key" -> text, or null;
    plain or dictionary-encoded).

    `attributes` is a JSON object of names and values: one text, or a list of several. What is said for one marketplace in its
    own words keeps its key ("amazon.fabric_type") and its text. A variant's own fact beats its
    product's; of equal names the first key in the alphabet counts. Text that is no such object says nothing.
    """
    products, variants = of_products.dictionary_encode(), of_variants.dictionary_encode()
    first, second = ([*map(_parse, encoded.dictionary.to_pylist()), {}] for encoded in (products, variants))  # the last: null
    codes = _codes(products) * len(second) + _codes(variants)
    pairs, place = np.unique(codes, return_inverse=True)
    rows = [_columns({**first[pair // len(second)], **second[pair % len(second)]}) for pair in pairs.tolist()]
    columns = zip(*rows, strict=True) if rows else ((), (), ())
    return pa.table([pa.array(values, _TEXT).take(pa.array(place)) for values in columns], names=["attributes", *OWN_COLUMNS])


def _codes(encoded: pa.DictionaryArray) -> npt.NDArray[np.int64]:
    codes: npt.NDArray[np.int64] = encoded.indices.fill_null(len(encoded.dictionary)).to_numpy().astype(np.int64)
    return codes


def _parse(text: str) -> Facts:
    try:
        given = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    if not isinstance(given, dict):
        return {}
    found: Facts = {}
    for key in sorted(given):
        if isinstance(given[key], str) and key.lower().partition(".")[0] in _table()["marketplaces"]:
            if given[key].strip() and len(given[key]) <= _table()["longest_own"]:
                found[key.lower()] = (given[key].strip(),)
            continue
        name = _name(key)
        if name is not None and name not in found and isinstance(given[key], str):
            values = _values(key, given[key])
            if values:
                found[name] = values
    return found


def _columns(given: Facts) -> tuple[str | None, str | None, str | None]:
    mpn, condition = (given.pop(name, (None,))[0] for name in OWN_COLUMNS)
    said = {name: values[0] if len(values) == 1 else values for name, values in given.items()}
    attributes = orjson.dumps(said, option=orjson.OPT_SORT_KEYS).decode() if said else None
    return attributes, mpn, condition.lower() if condition else None


@cache
def _table() -> Mapping[str, Any]:
    found: dict[str, Any] = read_yaml(Path(__file__).with_name("facts.yaml"))
    never, not_values = "|".join(found["never"]), found["not_values"]
    return {**found, "never": re.compile(never), "not_values": re.compile(not_values, re.IGNORECASE)}


@lru_cache(maxsize=4096)
def _name(key: str) -> str | None:
    """The fact that a metafield ("namespace.key") is: a concept, else the words of an attribute's key; None for no fact."""
    namespace, _, own = key.lower().rpartition(".")
    known = concept(own)
    if namespace in _table()["attributes"]:
        return known or re.sub(r"[\s_-]+", " ", own).strip() or None
    return None if _table()["never"].search(key.lower()) else known


@lru_cache(maxsize=65536)
def _values(key: str, text: str) -> tuple[str, ...]:
    """The values of a metafield, each once, without what is none."""
    namespace, _, own = key.lower().rpartition(".")
    items = [" ".join(item.split()) for item in _items(text)]
    if namespace in _table()["attributes"]:
        items = [_words(own, item) for item in items]
    good = [item for item in items if item and len(item) <= _table()["longest"] and not _table()["not_values"].search(item)]
    real = [value_key(own, item) for item in good if item.casefold() not in _table()["placeholders"]]
    return tuple(dict.fromkeys(real))[: _table()["most"]]


def _items(text: str) -> list[str]:
    """A list is JSON in the bulk export, and joined in the CSV export."""
    if text.startswith("["):
        try:
            found = orjson.loads(text)
        except orjson.JSONDecodeError:
            return []
        return [item for item in found if isinstance(item, str)] if isinstance(found, list) else []
    return text.split(_table()["separator"])


def _words(key: str, value: str) -> str:
    """A handle as words: "sterling-silver" -> "Sterling silver", "size-5" of a ring-size -> "5"; other text as it is."""
    if not _HANDLE.fullmatch(value):
        return value
    words = value.split("-")
    if len(words) > 1 and words[0] == key.split("-")[-1] and (words[1][0].isdigit() or len(words[1]) <= _SHORT):
        words = words[1:]
    text = " ".join(words)
    return text[:1].upper() + text[1:]
