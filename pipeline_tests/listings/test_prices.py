"""Prices: the order of the rules, exactness, currencies with other minor units, floor and ceiling."""

from __future__ import annotations

from datetime import date
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.listings.price_facts import NO_FACTS, PriceFacts
from pipeline.listings.prices import Place, site_prices
from pipeline.model.money import exponent
from pipeline_tests.listings.fakes import export_settings

TODAY = date(2026, 1, 10)


def table(
    rows: list[tuple[int | None, int | None, int | None]],
    source: str = "USD",
    target: str = "USD",
    facts: PriceFacts = NO_FACTS,
    today: date = TODAY,
    **settings: Any,
) -> pd.DataFrame:
    """Of (price, compare-at price, cost)."""
    frame = pd.DataFrame(rows, columns=["price", "compare_at_price", "cost"]).astype("Int64")
    return site_prices(frame, export_settings(**settings), Place("fake-us", target, source, today), facts)


def prices(rows: list[tuple[int | None, int | None, int | None]], **more: Any) -> list[tuple[int | None, int | None, str | None]]:
    """(price, list price, problem) of (price, compare-at price, cost)."""
    found = table(rows, **more)[["price", "list_price", "problem"]]
    assert [str(kind) for kind in found.dtypes] == ["Int64", "Int64", "string"]
    values = found.astype(object).where(found.notna(), None)
    return [tuple(row) for row in values.to_numpy().tolist()]


def price(amount: int | None, **more: Any) -> int | None:
    return prices([(amount, None, None)], **more)[0][0]


def test_seven_percent_and_charm_price() -> None:
    assert price(1000, price_adjustment_percent=7) == 1070
    assert price(1000, price_adjustment_percent=7, rounding=".99") == 1099


@pytest.mark.parametrize(
    ("rounding", "amount", "rounded"),
    [
        (".99", 1099, 1099), (".99", 1100, 1199), (".99", 1, 99), (".95", 1096, 1195), (".95", 1095, 1095), ("whole", 1049, 1000),
        ("whole", 1050, 1100), ("whole", 3, 100), ("none", 1049, 1049),
    ],
)  # fmt: skip
def test_rounding(rounding: str, amount: int, rounded: int) -> None:
    assert price(amount, rounding=rounding) == rounded


def test_missing_zero_and_negative_prices_are_passed_on() -> None:
    assert prices([(None, 5, 5), (0, 500, 5), (-3, None, None)], price_adjustment_percent=7, rounding=".99", price_floor=2) == [
        (None, None, None), (0, None, None), (-3, None, None),
    ]  # fmt: skip


RATE = {"currency_rate_date": "2026-01-02"}


def test_currencies() -> None:
    assert price(1000, target="EUR", currency_rate="0.915", **RATE) == 915
    assert price(1005, target="JPY", currency_rate="150.5", **RATE) == 1513  # 1512.525
    assert price(1005, target="JPY", currency_rate="150.5", rounding=".99", **RATE) == 1513
    assert price(1513, source="JPY", target="USD", currency_rate="0.0066", **RATE) == 999  # 9.9858
    assert price(1000, target="KWD", currency_rate="0.3071", rounding=".99", **RATE) == 3990


def test_the_same_currency_needs_no_rate() -> None:
    assert price(1000, currency_rate="2", **RATE) == 1000


def test_another_currency_without_a_rate_has_no_price() -> None:
    found = prices([(1000, 1200, None), (None, None, None)], target="EUR")
    assert [row[:2] for row in found] == [(None, None), (None, None)]
    assert found[0][2] == (
        "Prices are in USD and fake-us sells in EUR: set currency_rate and currency_rate_date of the connection."
    )


def test_floor_and_ceiling_come_last() -> None:
    assert price(1000, price_floor="12.34", rounding=".99") == 1234
    assert price(9000, price_ceiling="50.005", rounding=".99") == 5000
    assert prices([(1000, None, 900)], floor_margin_percent=20) == [(1080, None, None)]
    assert prices([(1000, None, 901)], floor_margin_percent="20.01") == [(1082, None, None)]  # 1081.29: never below
    assert prices([(1000, None, 500)], floor_margin_percent=20, price_floor=15) == [(1500, None, None)]
    assert prices([(1000, None, 900)], target="EUR", currency_rate=2, floor_margin_percent=20, **RATE) == [(2160, None, None)]


def test_a_floor_above_the_ceiling_is_a_problem() -> None:
    assert prices([(1000, None, 900), (1000, None, 700)], floor_margin_percent=20, price_ceiling=10) == [
        (1000, None, "The lowest price that may be asked, 10.80 USD, is above the highest, 10.00 USD: "
                     "raise the ceiling or lower the floor or the margin."),
        (1000, None, None),
    ]  # fmt: skip


def test_a_sale_keeps_its_list_price_through_the_same_rules() -> None:
    assert prices([(1000, 1500, None), (1000, 1000, None), (1000, 900, None)], price_adjustment_percent=10, rounding=".99") == [
        (1199, 1699, None), (1199, None, None), (1199, None, None),
    ]  # fmt: skip
    assert prices([(1000, 1001, None)], rounding=".99") == [(1099, None, None)]  # no sale is left
    assert prices([(1000, 1500, None)], price_floor=20) == [(2000, None, None)]
    assert prices([(2000, 3000, None)], price_ceiling=15) == [(1500, 3000, None)]


def test_amounts_beyond_64_bits_do_not_wrap_around() -> None:
    huge = 2**62
    assert price(huge, price_adjustment_percent="7.123456") == min(
        int((huge * Decimal("1.07123456")).to_integral_value(ROUND_HALF_UP)), 2**63 - 1
    )
    assert price(2**63 - 1, price_adjustment_percent=1000, rounding=".99") == 2**63 - 1


MONEY = st.integers(min_value=1, max_value=10**13)
CURRENCY = st.sampled_from(["USD", "EUR", "JPY", "KWD"])


@given(
    amounts=st.lists(MONEY, min_size=1, max_size=5),
    source=CURRENCY,
    target=CURRENCY,
    percent=st.decimals(-90, 1000, places=3),
    rate=st.decimals("0.0001", 5000, places=6),
)
def test_conversion_is_exact(amounts: list[int], source: str, target: str, percent: Decimal, rate: Decimal) -> None:
    used = Decimal(1) if source == target else rate
    scale = Decimal(10) ** (exponent(target) - exponent(source))
    wanted = [int((amount * used * scale * (100 + percent) / 100).to_integral_value(ROUND_HALF_UP)) for amount in amounts]
    found = prices(
        [(amount, None, None) for amount in amounts], source=source, target=target,
        price_adjustment_percent=percent, currency_rate=rate, currency_rate_date="2026-01-01",
    )  # fmt: skip
    assert [row[0] for row in found] == wanted


@given(
    amount=MONEY,
    cost=st.none() | MONEY,
    percent=st.decimals(-90, 300, places=2),
    rounding=st.sampled_from(["none", ".99", ".95", "whole"]),
    floor=st.none() | st.decimals("0.01", 10**6, places=3),
    ceiling=st.none() | st.decimals("0.01", 10**6, places=3),
    margin=st.none() | st.decimals(0, 300, places=2),
)
def test_a_price_without_a_problem_is_within_floor_and_ceiling(
    amount: int,
    cost: int | None,
    percent: Decimal,
    rounding: str,
    floor: Decimal | None,
    ceiling: Decimal | None,
    margin: Decimal | None,
) -> None:
    if floor is not None and ceiling is not None and floor > ceiling:
        floor, ceiling = ceiling, floor
    ((price, list_price, problem),) = prices(
        [(amount, amount * 2, cost)], price_adjustment_percent=percent, rounding=rounding, price_floor=floor,
        price_ceiling=ceiling, floor_margin_percent=margin,
    )  # fmt: skip
    assert price is not None
    least = 0 if floor is None else int((floor * 100).to_integral_value(ROUND_CEILING))
    if margin is not None and cost is not None:
        least = max(least, int((cost * (100 + margin) / 100).to_integral_value(ROUND_CEILING)))
    most = None if ceiling is None else int((ceiling * 100).to_integral_value(ROUND_FLOOR))
    if most is not None:
        assert price <= most
    # A price so low that it rounds to nothing is left to the rules.
    assert (price < least and price != 0) == (problem is not None)
    assert list_price is None or list_price > price
