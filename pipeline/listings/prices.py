"""Prices of one marketplace site from the store's: currency, percent, rounding, sales, then floor and ceiling (clamp last).

Exact: amounts are integers in minor units and every factor is a fraction, so that no price passes through a float.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.listings.amounts import Integers, Mask
from pipeline.listings.price_facts import NO_FACTS, PriceFacts
from pipeline.model.money import exponent, format_minor
from pipeline.stores.export_settings import ExportSettings

_INT64_MAX = 2**63 - 1
_TEXT = pd.StringDtype("pyarrow")
_MOMENT = pa.timestamp("us", "UTC")
#: Part of a whole unit that a rounded price ends in.
_ENDINGS = {".99": Fraction(99, 100), ".95": Fraction(95, 100)}


@dataclass(frozen=True)
class Place:
    """Where prices are converted to, and the day on which it is done."""

    site: str  # key
    site_currency: str
    store_currency: str
    today: date


def site_prices(variants: pd.DataFrame, settings: ExportSettings, place: Place, facts: PriceFacts = NO_FACTS) -> pd.DataFrame:
    """Prices of `variants` (columns price, compare_at_price, cost; Int64 minor units of the store's currency) on one site.

    Returns `price`, `list_price`, `sale_price` (Int64 minor units of the site's currency), `sale_start`, `sale_end` (UTC), and
    three texts or null: `problem` (why a row cannot be sold), `warning`, and `note` (which bound moved a price, and how far).

    The order is that of reference P04: base, currency, percent, rounding, clamp. One rounding (half up) to minor units
    follows currency and percent together; `.99` and `.95` mean the next price at or above that ends so, `whole` the
    nearest whole unit. The base is the price of the connection's market, which is in the site's currency already, else the
    store's price at the stored rate: a rate that is missing or too old is a problem of every row that needs it.

    The floor is the highest of `price_floor`, the SKU's own and cost * (1 + floor_margin_percent), converted, rounded up; the
    ceiling the lowest of `price_ceiling` and the SKU's own. Amounts of zero or less are passed on: a rule blocks them.

    A sale is a compare-at price above the price. With dates, `price` is what a buyer pays outside of the sale, and `sale_price`
    from `sale_start` until before `sale_end`; a sale price of its own may be said ahead, before the store itself lowers its
    price. Without dates `price` is what a buyer pays and `list_price` the price before, which is not clamped.
    """
    sums = _Sums(variants, settings, place, facts)
    price, on_sale, was, dated, sale = sums.bases()
    unit = 10 ** exponent(place.site_currency)
    price, was, sale = (_rounded(amounts, settings.rounding, unit) for amounts in (price, was, sale))

    list_price = np.where(on_sale & ~dated, was, 0)
    regular = np.where(dated & on_sale, was, price)
    floor, ceiling = sums.floor(), sums.ceiling()
    sellable = ~sums.missing & (regular > 0)
    wanted = regular
    regular = np.where(sellable, np.minimum(np.maximum(regular, floor), ceiling), regular)
    sale = np.minimum(np.maximum(sale, floor), ceiling)
    no_sale = dated & sellable & (sale >= regular)
    dated &= sellable & (sale < regular)
    no_list_price = ~(on_sale & (list_price > regular))
    breach = sellable & (regular < floor)
    starts, ends = (pa.array(times or [None] * len(variants), _MOMENT) for times in (facts.starts, facts.ends))
    undated = pa.scalar(None, _MOMENT)
    return pd.DataFrame(
        {
            "price": pd.arrays.IntegerArray(regular, sums.missing),
            "list_price": pd.arrays.IntegerArray(list_price, no_list_price),
            "sale_price": pd.arrays.IntegerArray(sale, ~dated),
            "sale_start": pd.arrays.ArrowExtensionArray(pc.if_else(pa.array(dated), starts, undated)),
            "sale_end": pd.arrays.ArrowExtensionArray(pc.if_else(pa.array(dated), ends, undated)),
            "problem": sums.problems(breach, floor, ceiling),
            "warning": sums.warnings(no_sale),
            "note": _notes(sellable & (wanted != regular), wanted, regular, floor, place.site_currency),
        },
        index=variants.index,
    )


class _Sums:
    """Amounts of all rows on their way to the site's currency. What needs a rate that is not there counts as missing."""

    def __init__(self, variants: pd.DataFrame, settings: ExportSettings, place: Place, facts: PriceFacts) -> None:
        self.settings, self.place, self.facts = settings, place, facts
        self.rate_problem, self.rate_warning = rate_doubts(settings, place)
        self.rate = _rate(settings, place) if self.rate_problem is None else Fraction(1)
        self.percent = 1 + Fraction(settings.price_adjustment_percent) / 100
        self.price, missing = _integers(variants["price"])
        self.was, self.no_sale = _integers(variants["compare_at_price"])
        self.costs, _ = _integers(variants["cost"])
        self.in_site = np.zeros(len(variants), dtype=bool)
        if facts.market is not None and facts.market_before is not None:
            self.in_site = facts.market.there
            self.price = np.where(self.in_site, facts.market.values, self.price)
            self.was = np.where(self.in_site, facts.market_before.values, self.was)
            self.no_sale = np.where(self.in_site, ~facts.market_before.there, self.no_sale)
            missing = missing & ~self.in_site
        self.unconverted = ~missing & ~self.in_site & (self.rate_problem is not None)
        if self.rate_problem is not None and settings.floor_margin_percent is not None:
            self.unconverted |= self.costs > 0
        for amounts in (facts.sale, facts.floor, facts.ceiling):
            if amounts is not None and self.rate_problem is not None:
                self.unconverted |= amounts.there & ~amounts.in_site
        self.missing = missing | self.unconverted

    def bases(self) -> tuple[Integers, Mask, Integers, Mask, Integers]:
        """Price, where there is a sale, price before it, where it has dates, and its price: not rounded as merchants do, not
        clamped."""
        facts = self.facts
        price = self._on_site(self.price, self.in_site, self.percent)
        on_sale = ~self.missing & ~self.no_sale & (self.price > 0) & (self.was > self.price)
        was = self._on_site(np.where(on_sale, self.was, 0), self.in_site, self.percent)
        dated, sale = np.zeros(len(price), dtype=bool), price
        if facts.starts is not None and facts.bad_dates is not None:
            dated = np.array([start is not None for start in facts.starts], dtype=bool) & ~facts.bad_dates
            own = np.zeros(len(price), dtype=bool)
            if facts.sale is not None:
                own = facts.sale.there & (facts.sale.values > 0)
                sale = np.where(own, self._on_site(facts.sale.values, facts.sale.in_site, self.percent), price)
            dated &= own | on_sale
        return price, on_sale, was, dated, sale

    def floor(self) -> Integers:
        unit = 10 ** exponent(self.place.site_currency)
        fixed = 0 if self.settings.price_floor is None else _minor(self.settings.price_floor, unit, math.ceil)
        found = np.full(len(self.price), fixed, dtype=np.int64)
        if self.settings.floor_margin_percent is not None:
            margin = 1 + Fraction(self.settings.floor_margin_percent) / 100
            found = np.maximum(found, _scaled(np.maximum(self.costs, 0), self.rate * margin, up=True))
        own = self.facts.floor
        return found if own is None else np.maximum(found, self._on_site(own.values, own.in_site, Fraction(1), up=True))

    def ceiling(self) -> Integers:
        unit = 10 ** exponent(self.place.site_currency)
        fixed = _INT64_MAX if self.settings.price_ceiling is None else _minor(self.settings.price_ceiling, unit, math.floor)
        found = np.full(len(self.price), fixed, dtype=np.int64)
        own = self.facts.ceiling
        return found if own is None else np.where(
            own.there, np.minimum(found, self._on_site(own.values, own.in_site, Fraction(1))), found
        )  # fmt: skip

    def _on_site(self, amounts: Integers, in_site: Mask, factor: Fraction, *, up: bool = False) -> Integers:
        converted = _scaled(np.where(in_site, 0, amounts), self.rate * factor, up=up)
        return np.where(in_site, _scaled(np.where(in_site, amounts, 0), factor, up=up), converted)

    def problems(self, breach: Mask, floor: Integers, ceiling: Integers) -> pd.api.extensions.ExtensionArray:
        facts, currency = self.facts, self.place.site_currency
        found: npt.NDArray[np.object_] = np.full(len(breach), None, dtype=object)
        for index in np.flatnonzero(breach):
            found[index] = (
                f"The lowest price that may be asked, {format_minor(int(floor[index]), currency)} {currency}, is above the "
                f"highest, {format_minor(int(ceiling[index]), currency)} {currency}: raise the ceiling or lower the floor or "
                "the margin."
            )
        for amounts, what in (
            (facts.market, f"The price of the market {self.settings.price_market}"),
            (facts.floor, "The price floor of this SKU"),
            (facts.ceiling, "The price ceiling of this SKU"),
        ):
            if amounts is not None:
                found[amounts.unreadable] = f"{what} is not an amount in {self.place.store_currency} or {currency}."
        # A store in another currency has no rate for any row: also for those without a price.
        found[self.unconverted | (self.missing & ~self.in_site & (self.rate_problem is not None))] = self.rate_problem
        return pd.array(found, dtype=_TEXT)

    def warnings(self, no_sale: Mask) -> pd.api.extensions.ExtensionArray:
        facts, settings = self.facts, self.settings
        found: npt.NDArray[np.object_] = np.full(len(self.price), None, dtype=object)
        if self.rate_warning is not None:
            found[~self.missing & ~self.in_site] = self.rate_warning
        if facts.bad_dates is not None:
            found[facts.bad_dates] = (
                f"The sale needs a start ({settings.sale_starts_metafield}) and a later end ({settings.sale_ends_metafield}), "
                "dates such as 2026-11-27: it counts as a sale without dates."
            )
        if facts.sale is not None and facts.starts is not None:
            found[facts.sale.unreadable] = f"The sale price ({settings.sale_price_metafield}) is not an amount: it is not used."
            never = np.array([start is None for start in facts.starts], dtype=bool)
            if facts.bad_dates is not None:
                found[facts.sale.there & (never & ~facts.bad_dates)] = (
                    f"There is a sale price ({settings.sale_price_metafield}) but no dates of the sale: it is not used."
                )
        found[no_sale] = "The price of the sale is not below the price outside of it: there is no sale."
        return pd.array(found, dtype=_TEXT)


def _rate(settings: ExportSettings, place: Place) -> Fraction:
    """Minor units of the site's currency per minor unit of the store's."""
    if place.store_currency == place.site_currency or settings.currency_rate is None:
        return Fraction(1)
    return Fraction(settings.currency_rate) * Fraction(10) ** (exponent(place.site_currency) - exponent(place.store_currency))


def rate_doubts(settings: ExportSettings, place: Place) -> tuple[str | None, str | None]:
    """Why there is no rate to convert with, and a warning that it will soon be too old."""
    if place.store_currency == place.site_currency:
        return None, None
    text = f"Prices are in {place.store_currency} and {place.site} sells in {place.site_currency}"
    if settings.currency_rate is None or settings.currency_rate_date is None:
        return f"{text}: set currency_rate and currency_rate_date of the connection.", None
    # Both sentences stay the same from day to day: listings are made again when they change.
    age, most = (place.today - settings.currency_rate_date).days, settings.currency_rate_max_age_days
    said = f"{text}, at a rate of {settings.currency_rate_date}"
    if age > most:
        return f"{said}, over {most} days ago: set currency_rate and currency_rate_date of the connection anew.", None
    last = settings.currency_rate_date + timedelta(days=most)
    return None, f"{said}: after {last} it is too old, and prices wait for a new one." if age * 3 > most * 2 else None


def _notes(moved: Mask, wanted: Integers, price: Integers, floor: Integers, currency: str) -> pd.api.extensions.ExtensionArray:
    found: npt.NDArray[np.object_] = np.full(len(moved), None, dtype=object)
    for index in np.flatnonzero(moved):
        before, after = (f"{format_minor(int(amounts[index]), currency)} {currency}" for amounts in (wanted, price))
        found[index] = (
            f"The price {before} is below its floor and raised to {after}." if price[index] == floor[index]
            else f"The price {before} is above its ceiling and lowered to {after}."
        )  # fmt: skip
    return pd.array(found, dtype=_TEXT)


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


def _minor(amount: Decimal, unit: int, rounding: Callable[[Fraction], int]) -> int:
    return min(rounding(Fraction(amount) * unit), _INT64_MAX)
