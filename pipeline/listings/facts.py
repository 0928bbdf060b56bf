"""Further facts of a product (material, country of origin ...) from its metafields, as a JSON object with sorted keys."""

from __future__ import annotations

from collections.abc import Mapping

import orjson
import pyarrow as pa

#: Facts that have a column of their own in listings.schema.LISTINGS.
OWN_COLUMNS = ("mpn", "condition")

_TEXT = pa.string()


def facts(of_products: pa.Array, of_variants: pa.Array) -> pa.Table:
    """Columns `attributes`, `mpn`, `condition` from two columns of metafields (JSON objects "namespace.key" -> text, or null).

    The key without its namespace names the fact; a variant's own beats its product's; of equal keys the first namespace
    in the alphabet counts. Text that is no such object says nothing.
    """
    parsed: dict[str | None, dict[str, str]] = {None: {}}
    done: dict[tuple[str | None, str | None], tuple[str | None, str | None, str | None]] = {(None, None): (None, None, None)}
    rows = []
    for pair in zip(of_products.to_pylist(), of_variants.to_pylist(), strict=True):
        if pair not in done:
            for text in pair:
                if text not in parsed:
                    parsed[text] = _parse(text)
            done[pair] = _columns({**parsed[pair[0]], **parsed[pair[1]]})
        rows.append(done[pair])
    columns = zip(*rows, strict=True) if rows else ((), (), ())
    return pa.table([pa.array(values, _TEXT) for values in columns], names=["attributes", *OWN_COLUMNS])


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


def _columns(values: Mapping[str, str]) -> tuple[str | None, str | None, str | None]:
    rest = {key: value for key, value in values.items() if key not in OWN_COLUMNS}
    attributes = orjson.dumps(rest, option=orjson.OPT_SORT_KEYS).decode() if rest else None
    condition = values.get("condition")
    return attributes, values.get("mpn"), condition.lower() if condition else None
