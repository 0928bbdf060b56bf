"""Text of a source into storable values: exact money, grams, counts, text without what storage refuses."""

from __future__ import annotations

import re
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.model.money import exponent

_NUMBER = r"^\s*(?P<sign>[+-]?)(?P<whole>[0-9]{1,14})(?:\.(?P<fraction>[0-9]*))?\s*$"
_COUNT = re.compile(r"\s*([+-]?[0-9]{1,15})(?:\.0*)?\s*\Z")
_MEASURE = re.compile(r"\s*([0-9]{1,12}(?:\.[0-9]*)?)\s*\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")
_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")

#: Shopify's weight units (REST and CSV short forms, GraphQL names) in grams.
GRAMS = {
    "GRAMS": 1.0, "KILOGRAMS": 1000.0, "OUNCES": 28.349523125, "POUNDS": 453.59237,
    "G": 1.0, "KG": 1000.0, "OZ": 28.349523125, "LB": 453.59237,
}  # fmt: skip


def minor_units(text: pa.Array, currency: str) -> pa.Array:
    """Price texts ("19.99", "1200") as integers of minor units, exactly; null where absent or not such a number.

    Digits beyond the currency's must be zeros ("19.990" USD is 1999, "19.995" is unreadable). Separators of thousands
    and decimal commas are ambiguous here and unreadable too; the quality stage looks at them again.
    """
    digits = exponent(currency)
    if digits and pc.all(pc.match_substring_regex(text, rf"^[0-9]{{1,14}}\.[0-9]{{{digits}}}$")).as_py() is not False:
        return pc.cast(pc.replace_substring(text, ".", ""), pa.int64())
    parts = pc.extract_regex(text, _NUMBER)
    sign, whole, fraction = (pc.struct_field(parts, name) for name in ("sign", "whole", "fraction"))
    fraction = pc.utf8_rtrim(pc.fill_null(fraction, ""), "0")
    readable = pc.less_equal(pc.utf8_length(fraction), digits)
    number = pc.binary_join_element_wise(whole, pc.utf8_rpad(fraction, digits, "0"), "") if digits else whole
    number = pc.if_else(readable, number, pa.scalar(None, pa.string()))
    value = pc.cast(number, pa.int64())
    return pc.if_else(pc.equal(sign, "-"), pc.negate(value), value)


def count(text: str) -> int | None:
    """A whole number ("12", "-3", "12.0"), else None."""
    found = _COUNT.match(text)
    return int(found[1]) if found else None


def measure(text: str) -> float | None:
    """A plain non-negative decimal number, else None."""
    found = _MEASURE.match(text)
    return float(found[1]) if found else None


def flag(text: str) -> bool | None:
    """`true`/`false` in any case, else None."""
    return {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}.get(text.strip().lower())


def excerpt(text: str | bytes) -> str:
    """At most 200 characters of hostile text that are safe to show."""
    shown = text[:800].decode("utf-8", "replace") if isinstance(text, bytes) else text[:800]
    return _CONTROL.sub(" ", shown).strip()[:200]


def storable(text: str) -> tuple[str, int]:
    """Text without NUL and lone surrogates, which neither Parquet nor Postgres can hold, and how many were dropped."""
    paired = text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    clean = _UNSTORABLE.sub("", paired)
    return clean, len(paired) - len(clean)


def json_text(values: dict[str, Any]) -> str | None:
    """A JSON object with sorted keys, or None for an empty one."""
    return orjson.dumps(values, option=orjson.OPT_SORT_KEYS).decode() if values else None


def json_value(value: Any) -> str:
    """Any JSON value as text."""
    return orjson.dumps(value).decode()


def handleize(title: str) -> str:
    """Shopify's way from a title to a handle: lower case, everything but letters and digits becomes one hyphen."""
    return re.sub(r"[\W_]+", "-", title.lower()).strip("-")
