"""Amounts of money and moments that a source says as text, in metafields and market columns, read exactly or not at all."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from functools import cache
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import orjson

from pipeline.model.money import exponent

Integers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Texts = Sequence[str | None]

_DECIMAL = re.compile(r"([0-9]{1,12})(?:\.([0-9]{0,6}))?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_Found = TypeVar("_Found")


@dataclass(frozen=True)
class Amounts:
    """One amount a row, in minor units, where `there`; of the site's currency where `in_site`, else of the store's."""

    values: Integers
    there: Mask
    in_site: Mask
    unreadable: Mask


def amounts(texts: Texts, *, store_currency: str, site_currency: str, plain: str) -> Amounts:
    """Amounts from plain decimals, which are of the currency `plain`, or Shopify's money (`{"amount": "9.99", "currency_code":
    "USD"}`), which names its own: the site's or the store's. Anything else, and an amount below zero, is unreadable."""
    known = {store_currency, site_currency}

    def read(text: str) -> tuple[int, str] | None:
        number, currency = _money(text) if text.startswith("{") else (text, plain)
        minor = _minor(number, exponent(currency)) if currency in known else None
        return None if minor is None else (minor, currency)

    found, unreadable = _distinctly(texts, read)
    return Amounts(
        np.array([one[0] if one else 0 for one in found], dtype=np.int64),
        np.array([one is not None for one in found], dtype=bool),
        np.array([one is not None and one[1] == site_currency for one in found], dtype=bool),
        unreadable,
    )


def moments(texts: Texts, zone: tzinfo, *, end: bool) -> tuple[list[datetime | None], Mask]:
    """UTC moments from ISO 8601 dates and date-times, and where a text is neither.

    What names no zone is meant in `zone`. A date is its first moment there, and as the `end` of something the first moment of
    the day after: on its last day it still holds. Days of 23 and 25 hours, and without a midnight, are as the zone has them."""

    def read(text: str) -> datetime | None:
        try:
            if _DAY.fullmatch(text):
                day = date.fromisoformat(text) + timedelta(days=1 if end else 0)
                found = datetime.combine(day, time(), zone)
            else:
                found = datetime.fromisoformat(text.replace("Z", "+00:00"))
                found = found if found.tzinfo else found.replace(tzinfo=zone)
            return found.astimezone(timezone.utc)
        except (ValueError, OverflowError):
            return None

    return _distinctly(texts, read)


def _distinctly(texts: Texts, read: Callable[[str], _Found | None]) -> tuple[list[_Found | None], Mask]:
    """What each text says, and where there is one that says nothing."""
    reading = cache(read)
    stripped = [text.strip() if text else "" for text in texts]
    found = [reading(text) if text else None for text in stripped]
    unreadable = [bool(text) and one is None for text, one in zip(stripped, found, strict=True)]
    return found, np.array(unreadable, dtype=bool)


def _money(text: str) -> tuple[str, str]:
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return "", ""
    if not isinstance(found, dict):
        return "", ""
    return str(found.get("amount", "")), str(found.get("currency_code", ""))


def _minor(text: str, digits: int) -> int | None:
    """Minor units, exactly: digits beyond the currency's must be zeros."""
    match = _DECIMAL.fullmatch(text.strip())
    if match is None:
        return None
    fraction = (match[2] or "").rstrip("0")
    return None if len(fraction) > digits else int(match[1] + fraction.ljust(digits, "0"))
