"""What a product value says: which entry counts for a channel and locale, and its data as text, money or grams.

Akeneo keeps a value as `{attribute: [{"locale", "scope", "data"}, ...]}`; null locale or scope means "for all". Amounts are texts
of decimals. Data of a shape that Akeneo does not document raises TypeError, KeyError, ValueError or AttributeError; the caller
rejects the row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

import yaml

from pipeline.catalog.akeneo.structure import Attribute
from pipeline.catalog.values import json_value

Values = Mapping[str, Any]

#: Types whose data is a media code, of which a file can be downloaded only with the PIM's token.
MEDIA_TYPES = frozenset({"pim_catalog_image", "pim_catalog_file"})
_SELECTS = frozenset({"pim_catalog_simpleselect", "pim_catalog_multiselect"})
_MARKUP = re.compile(r"</?[a-zA-Z]")
_EMPTY: tuple[Any, ...] = (None, "", [], {})


def pick(entries: Sequence[Mapping[str, Any]], channel: str, locale: str) -> Any:
    """The data for this channel and locale: of the exact pair, else of the channel, else of the locale, else of all, else None.

    An entry of another channel or another language never counts.
    """
    best, rank = None, -1
    for entry in entries:
        scope, language, data = entry["scope"], entry["locale"], entry["data"]
        if scope not in (channel, None) or language not in (locale, None) or data in _EMPTY:
            continue
        found = (scope is not None) * 2 + (language is not None)
        if found > rank:
            best, rank = data, found
    return best


def find(code: str, levels: Iterable[Values], channel: str, locale: str) -> Any:
    """The data of the nearest level that has some; levels are given nearest first (product, sub model, root model)."""
    for values in levels:
        entries = values.get(code)
        if entries:
            data = pick(entries, channel, locale)
            if data is not None:
                return data
    return None


def elsewhere(code: str, levels: Iterable[Values], channel: str, locale: str) -> bool:
    """Whether the value exists for this channel, but only in other languages: it needs a translation."""
    return any(
        entry["scope"] in (channel, None) and entry["locale"] not in (locale, None) and entry["data"] not in _EMPTY
        for values in levels
        for entry in values.get(code, ())
    )


def text_of(attribute: Attribute, data: Any) -> str:
    """Data as text by the attribute's type: labels of options, "1.5 kg", "12.50 EUR", "true", "2026-11-22"."""
    kind = attribute.type
    if kind in _SELECTS:
        return ", ".join(attribute.option(code) for code in ([data] if isinstance(data, str) else data))
    if kind == "pim_catalog_metric":
        unit = data["unit"]
        return f"{number_text(data['amount'])} {_units()['symbols'].get(unit, unit)}"
    if kind == "pim_catalog_price_collection":
        return ", ".join(f"{price['amount']} {price['currency']}" for price in data if price["amount"] is not None)
    if kind == "pim_catalog_boolean":
        return {True: "true", False: "false", "true": "true", "false": "false"}[data]
    if kind == "pim_catalog_date":
        return str(data)[:10]
    if kind == "pim_catalog_number":
        return number_text(data)
    if isinstance(data, str):
        return data
    if isinstance(data, list) and all(isinstance(item, str) for item in data):
        return ", ".join(data)
    return json_value(data)


def texts_of(attribute: Attribute, data: Any) -> list[str]:
    """Several values where the type has several, else the one."""
    if isinstance(data, list) and attribute.type != "pim_catalog_price_collection":
        return [text_of(attribute, [item]) for item in data]
    return [text_of(attribute, data)]


def number_text(data: Any) -> str:
    """A number without the zeros that the PIM pads it with: "12.5000" is 12.5."""
    if isinstance(data, bool) or not isinstance(data, int | float | str):
        raise TypeError("number")
    text = str(data)
    return text.rstrip("0").rstrip(".") if "." in text and "e" not in text.lower() else text


def amount_in(prices: Sequence[Mapping[str, Any]], currency: str) -> str | None:
    """The amount of a price collection in a currency, as the text that the PIM wrote; None where there is none."""
    for price in prices:
        if price["currency"] == currency and price["amount"] is not None:
            return number_text(price["amount"]) if not isinstance(price["amount"], str) else price["amount"]
    return None


def grams(metric: Mapping[str, Any]) -> float | None:
    """A weight in grams; None for a unit that is no weight and for an amount that is no number."""
    factor = _units()["grams"].get(metric["unit"])
    try:
        weight = Decimal(number_text(metric["amount"])) * Decimal(factor) if factor else None
    except InvalidOperation:
        return None
    return float(weight) if weight is not None and weight.is_finite() and weight >= 0 else None


def html_of(attribute: Attribute, text: str) -> str:
    """Text as HTML. Plain text of a plain text area is escaped, its line ends kept; markup stays markup."""
    if attribute.rich_text or _MARKUP.search(text) or not any(sign in text for sign in "&<>\n"):
        return text
    return escape(text, quote=False).replace("\r\n", "\n").replace("\n", "<br>")


def public_urls(text: str, own_host: str) -> list[str]:
    """The web addresses in a text that anybody can open; those of the PIM itself need its token and do not count."""
    return [word for word in (part.strip(",;") for part in text.split()) if _is_public(word, own_host)]


def _is_public(word: str, own_host: str) -> bool:
    try:
        url = urlsplit(word)
        host = url.hostname
    except ValueError:
        return False
    return url.scheme in ("https", "http") and bool(host) and host != own_host and "@" not in url.netloc


@cache
def _units() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = yaml.safe_load(files(__package__).joinpath("units.yaml").read_text("utf-8"))
    return found
