"""Further facts of a product (material, country of origin ...) from its metafields, as a JSON object with sorted keys."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

#: Facts that have a column of their own in listings.schema.LISTINGS.
OWN_COLUMNS = ("mpn", "condition")

_TEXT = pa.string()


def facts(of_products: pa.Array, of_variants: pa.Array) -> pa.Table:
    """Columns `attributes`, `mpn`, `condition` from two columns of metafields (JSON objects "namespace.key" -> text, or null;
    plain or dictionary-encoded).

    The key without its namespace names the fact; a variant's own beats its product's; of equal keys the first namespace
    in the alphabet counts. Text that is no such object says nothing.
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


def _parse(text: str) -> dict[str, str]:
    try:
        values = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    if not isinstance(values, dict):
        return {}
    found: dict[str, str] = {}
    for key in sorted(values):
        value = values[key]
        if isinstance(value, str) and value.strip():
            found.setdefault(key.rsplit(".", 1)[-1].lower(), value.strip())
    return found


def _columns(values: dict[str, str]) -> tuple[str | None, str | None, str | None]:
    mpn, condition = (values.pop(name, None) for name in OWN_COLUMNS)
    attributes = orjson.dumps(values, option=orjson.OPT_SORT_KEYS).decode() if values else None
    return attributes, mpn, condition.lower() if condition else None
