"""Prices of one marketplace site from the store's: currency, percent, rounding, then floor and ceiling (clamp last).

Exact: amounts are integers in minor units and every factor is a fraction, so that no price passes through a float.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.model.money import exponent, format_minor
from pipeline.stores.export_settings import ExportSettings

_INT64_MAX = 2**63 - 1
_TEXT = pd.StringDtype("pyarrow")
#: Part of a whole unit that a rounded price ends in.
_ENDINGS = {".99": Fraction(99, 100), ".95": Fraction(95, 100)}

Integers = npt.NDArray[np.int64]


def site_prices(
    variants: pd.DataFrame, settings: ExportSettings, *, store_currency: str, site_currency: str, site: str
) -> pd.DataFrame:
    """Prices of `variants` (columns price, compare_at_price, cost; Int64 minor units of `store_currency`) on one site.

    Returns `price`, `list_price` (Int64 minor units of `site_currency`) and `problem` (why a row cannot be sold, or null).
    The order is that of reference P04: base, currency, percent, rounding, clamp. One rounding (half up) to minor units
    follows currency and percent together; `.99` and `.95` mean the next price at or above that ends so, `whole` the
    nearest whole unit. `price_floor` and `price_ceiling` are in the site's currency; the cost floor is cost * (1 +
    floor_margin_percent), converted, rounded up. Amounts of zero or less are passed on: a rule blocks them.
    `list_price` is the compare-at price after the same rules, not clamped, and only where it is above the price.
    The currency rate is used only where the currencies differ; without one every row is a problem.
    """
    rate = _rate(settings, store_currency, site_currency)
    if rate is None:
        problem = (
            f"Prices are in {store_currency} and {site} sells in {site_currency}: "
            "set currency_rate and currency_rate_date of the connection."
        )
        nothing = pd.array([pd.NA] * len(variants), dtype="Int64")
        problems = pd.array([problem] * len(variants), dtype=_TEXT)
        return pd.DataFrame({"price": nothing, "list_price": nothing, "problem": problems}, index=variants.index)

    factor = rate * (1 + Fraction(settings.price_adjustment_percent) / 100)
    price, missing = _integers(variants["price"])
    was, no_sale = _integers(variants["compare_at_price"])
    on_sale = ~missing & ~no_sale & (price > 0) & (was > price)

    unit = 10 ** exponent(site_currency)
    price = _rounded(_scaled(price, factor), settings.rounding, unit)
    was = _rounded(_scaled(np.where(on_sale, was, 0), factor), settings.rounding, unit)

    floor = _floor(variants["cost"], settings, rate, unit)
    ceiling = np.int64(_INT64_MAX if settings.price_ceiling is None else _minor(settings.price_ceiling, unit, math.floor))
    sellable = ~missing & (price > 0)
    price = np.where(sellable, np.minimum(np.maximum(price, floor), ceiling), price)
    breach = sellable & (price < floor)
    on_sale &= was > price
    return pd.DataFrame(
        {
            "price": pd.arrays.IntegerArray(price, missing),
            "list_price": pd.arrays.IntegerArray(was, ~on_sale),
            "problem": _breaches(breach, floor, int(ceiling), site_currency),
        },
        index=variants.index,
    )


def _rate(settings: ExportSettings, store_currency: str, site_currency: str) -> Fraction | None:
    """Minor units of the site's currency per minor unit of the store's, or None where no rate is set."""
    if store_currency == site_currency:
        return Fraction(1)
    if settings.currency_rate is None:
        return None
    return Fraction(settings.currency_rate) * Fraction(10) ** (exponent(site_currency) - exponent(store_currency))


def _integers(column: pd.Series) -> tuple[Integers, npt.NDArray[np.bool_]]:
    """An Int64 column as numbers (0 where missing) and the mask of what is missing."""
    return column.to_numpy("int64", na_value=0), column.isna().to_numpy("bool")


def _scaled(amounts: Integers, factor: Fraction, *, up: bool = False) -> Integers:
    """`amounts * factor`, rounded half up (or up). Beyond 64 bits only those rows go through Python's integers."""
    if factor == 1:
        return amounts
    top, bottom = factor.numerator, factor.denominator
    extra, divisor = (bottom - 1, bottom) if up else (bottom, 2 * bottom)
    top = top if up else 2 * top
    if divisor > _INT64_MAX or top > _INT64_MAX:
        safe = np.zeros(len(amounts), dtype=bool)
    else:
        safe = np.abs(np.clip(amounts, -_INT64_MAX, _INT64_MAX)) <= (_INT64_MAX - extra) // top
    result = np.zeros_like(amounts)
    if safe.any():
        result[safe] = (amounts[safe] * top + extra) // divisor
    if not safe.all():
        exact = [min((int(amount) * top + extra) // divisor, _INT64_MAX) for amount in amounts[~safe]]
        result[~safe] = np.array(exact, dtype=np.int64)
    return result


def _rounded(amounts: Integers, rounding: str, unit: int) -> Integers:
    """Merchants' rounding of positive amounts; a currency without minor units has no endings."""
    if rounding == "none" or unit == 1:
        return amounts
    room = amounts <= _INT64_MAX - 2 * unit
    if rounding == "whole":
        rounded = np.maximum((amounts + np.where(room, unit // 2, 0)) // unit, 1) * unit
    else:
        ending = int(_ENDINGS[rounding] * unit)
        rounded = -((ending - amounts) // unit) * unit + ending
    return np.where((amounts > 0) & room, rounded, amounts)


def _floor(cost: pd.Series, settings: ExportSettings, rate: Fraction, unit: int) -> Integers:
    fixed = 0 if settings.price_floor is None else _minor(settings.price_floor, unit, math.ceil)
    if settings.floor_margin_percent is None:
        return np.full(len(cost), fixed, dtype=np.int64)
    costs, _ = _integers(cost)
    margin = 1 + Fraction(settings.floor_margin_percent) / 100
    return np.maximum(_scaled(np.maximum(costs, 0), rate * margin, up=True), fixed)


def _minor(amount: Decimal, unit: int, rounding: Callable[[Fraction], int]) -> int:
    return min(rounding(Fraction(amount) * unit), _INT64_MAX)


def _breaches(breach: npt.NDArray[np.bool_], floor: Integers, ceiling: int, currency: str) -> pd.api.extensions.ExtensionArray:
    problems: npt.NDArray[np.object_] = np.full(len(breach), None, dtype=object)
    for index in np.flatnonzero(breach):
        problems[index] = (
            f"The lowest price that keeps the margin, {format_minor(int(floor[index]), currency)} {currency}, is above "
            f"price_ceiling, {format_minor(ceiling, currency)} {currency}: raise price_ceiling or lower floor_margin_percent."
        )
    return pd.array(problems, dtype=_TEXT)
