"""Market prices, sales with dates, floors and ceilings of single SKUs, and rates that get old."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.listings.amounts import amounts, moments
from pipeline.listings.price_facts import price_facts
from pipeline.listings.prices import Place, site_prices
from pipeline.marketplaces import find_site
from pipeline.model.errors import UsageError
from pipeline_tests.listings.fakes import export_settings

TODAY = date(2026, 11, 26)
SALE = {
    "sale_price_metafield": "custom.sale", "sale_starts_metafield": "custom.sale_starts",
    "sale_ends_metafield": "custom.sale_ends",
}  # fmt: skip


def priced(
    price: int | None = 2000,
    before: int | None = None,
    *,
    site: str = "amazon-us",
    store: str = "USD",
    cost: int | None = None,
    market: dict[str, Any] | None = None,
    product: dict[str, str] | None = None,
    today: date = TODAY,
    sales: bool = True,
    settings: dict[str, Any] | None = None,
    **metafields: str,
) -> dict[str, Any]:
    """The prices of one variant; `metafields` are its own, of the namespace custom."""
    chosen, place = export_settings(**(settings or {})), find_site(site)[1]
    own = json.dumps({f"custom.{name}": value for name, value in metafields.items()}) if metafields else None
    variants = pa.table(
        {"sku": ["A"], "metafields": pa.array([own], pa.string()),
         "market_prices": pa.array([json.dumps(market) if market else None], pa.string())}
    )  # fmt: skip
    shared = pa.array([json.dumps(product) if product else None], pa.string())
    facts = price_facts(variants, shared, chosen, store_currency=store, site=place, sales=sales)
    frame = pd.DataFrame([(price, before, cost)], columns=["price", "compare_at_price", "cost"]).astype("Int64")
    (row,) = site_prices(frame, chosen, Place(site, place.currency, store, today), facts).to_dict("records")
    return {name: value for name, value in row.items() if not pd.isna(value)}


def utc(*when: int) -> datetime:
    return datetime(*when, tzinfo=timezone.utc)  # type: ignore[misc,arg-type]


# Sales with dates.


def test_a_sale_with_dates_keeps_the_price_and_says_the_sale_ahead() -> None:
    found = priced(settings=SALE, sale="14.99", sale_starts="2026-12-01", sale_ends="2026-12-24")
    assert found == {
        "price": 2000, "sale_price": 1499,
        "sale_start": pd.Timestamp("2026-12-01T08:00Z"), "sale_end": pd.Timestamp("2026-12-25T08:00Z"),
    }  # fmt: skip


def test_a_sale_that_is_none_is_said() -> None:
    found = priced(settings=SALE, sale="25.00", sale_starts="2026-12-01", sale_ends="2026-12-24")
    assert ("sale_price" in found, found["warning"]) == (
        False, "The price of the sale is not below the price outside of it: there is no sale.",
    )  # fmt: skip


def test_dates_make_a_compare_at_sale_one_that_ends() -> None:
    found = priced(1500, 2000, settings=SALE, sale_starts="2026-11-20", sale_ends="2026-11-30")
    assert (found["price"], found["sale_price"], "list_price" in found) == (2000, 1500, False)
    assert priced(1500, 2000, settings=SALE) == {"price": 1500, "list_price": 2000}  # without dates: as ever


def test_the_products_dates_count_where_the_variant_has_none() -> None:
    product = {"custom.sale_starts": "2026-12-01", "custom.sale_ends": "2026-12-24"}
    found = priced(settings=SALE, product=product, sale="14.99", sale_ends="2026-12-10")
    assert (found["sale_start"], found["sale_end"]) == (utc(2026, 12, 1, 8), utc(2026, 12, 11, 8))


@pytest.mark.parametrize(
    ("dates", "said"),
    [
        ({"sale_starts": "2026-12-01"}, "needs a start (custom.sale_starts) and a later end (custom.sale_ends)"),
        ({"sale_starts": "2026-12-02", "sale_ends": "2026-12-01"}, "a later end"),
        ({"sale_starts": "01.12.2026", "sale_ends": "2026-12-24"}, "dates such as 2026-11-27"),
        ({"sale": "14.99"}, "There is a sale price (custom.sale) but no dates"),
        ({"sale": "x", "sale_starts": "2026-12-01", "sale_ends": "2026-12-24"}, "The sale price (custom.sale) is not an amount"),
    ],
)
def test_a_sale_that_cannot_be_said_is_a_warning_and_the_price_stays(dates: dict[str, str], said: str) -> None:
    found = priced(settings=SALE, **dates)
    assert (found["price"], "sale_price" in found, said in found["warning"]) == (2000, False, True)


def test_a_marketplace_without_schedules_is_told_the_price_of_now() -> None:
    found = priced(1500, 2000, settings=SALE, sales=False, sale_starts="2026-11-20", sale_ends="2026-11-30")
    assert found == {"price": 1500, "list_price": 2000}


def test_a_sale_price_goes_through_the_same_rules() -> None:
    settings = {**SALE, "price_adjustment_percent": 10, "rounding": ".99", "price_floor": 15}
    dates = {"sale_starts": "2026-12-01", "sale_ends": "2026-12-24"}
    assert priced(settings=settings, sale="14.00", **dates)["sale_price"] == 1599
    assert priced(settings=settings, sale="9.00", **dates)["sale_price"] == 1500  # the floor
    assert "sale_price" not in priced(settings=settings, sale="20.00", **dates)  # no sale


# Time zones.


@pytest.mark.parametrize(
    ("zone", "start", "end", "hours"),
    [
        ("America/Los_Angeles", "2026-03-08", "2026-03-08", 23), ("America/Los_Angeles", "2026-11-01", "2026-11-01", 25),
        ("Europe/Berlin", "2026-03-29", "2026-03-29", 23), ("Europe/Berlin", "2026-10-25", "2026-10-25", 25),
        ("Asia/Tokyo", "2026-03-29", "2026-03-29", 24), ("Africa/Cairo", "2026-04-24", "2026-04-24", 23),
        ("Europe/London", "2026-03-28", "2026-03-30", 71),
    ],
)  # fmt: skip
def test_a_sale_of_whole_days_has_the_hours_of_these_days(zone: str, start: str, end: str, hours: int) -> None:
    (first,), _ = moments([start], ZoneInfo(zone), end=False)
    (last,), _ = moments([end], ZoneInfo(zone), end=True)
    assert first is not None and last is not None
    assert (last - first) == timedelta(hours=hours)
    assert first.astimezone(ZoneInfo(zone)).date().isoformat() == start
    assert (last - timedelta(seconds=1)).astimezone(ZoneInfo(zone)).date().isoformat() == end


def test_moments_with_and_without_a_zone() -> None:
    texts = ["2026-11-27T10:00:00Z", "2026-11-27T10:00:00+02:00", "2026-11-27T10:00", " ", None, "soon", "2026-13-01"]
    found, bad = moments(texts, ZoneInfo("Europe/Berlin"), end=True)
    assert found[:3] == [utc(2026, 11, 27, 10), utc(2026, 11, 27, 8), utc(2026, 11, 27, 9)]
    assert (found[3:], bad.tolist()) == ([None] * 4, [False] * 5 + [True] * 2)


@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.sampled_from(["America/Los_Angeles", "Africa/Cairo", "Australia/Sydney"]))
def test_the_end_of_a_day_is_the_start_of_the_next(day: date, zone: str) -> None:
    following = (day + timedelta(days=1)).isoformat()
    assert moments([day.isoformat()], ZoneInfo(zone), end=True)[0] == moments([following], ZoneInfo(zone), end=False)[0]


def test_every_amazon_site_has_a_zone() -> None:
    market, _ = find_site("amazon-us")
    assert all(ZoneInfo(site.extra["tz"]) for site in market.sites.values())


# Currencies.

MARKET = {"Germany": {"included": True, "price": "17.95", "compare_at_price": "21.95"}, "UK": {"included": False, "price": "1"}}


def test_a_market_price_wins_over_the_rate() -> None:
    both = {"price_market": "Germany", "currency_rate": "0.5", "currency_rate_date": "2026-11-20"}
    assert priced(site="amazon-de", market=MARKET, settings=both) == {"price": 1795, "list_price": 2195}
    assert priced(site="amazon-de", settings=both) == {"price": 1000}  # this variant has none
    assert priced(site="amazon-de", market=MARKET, settings={"price_market": "Germany"})["price"] == 1795
    assert "set currency_rate" in priced(site="amazon-uk", market=MARKET, settings={"price_market": "UK"})["problem"]


def test_a_market_price_that_cannot_be_read_is_never_replaced_silently() -> None:
    settings = {"price_market": "Germany", "currency_rate": "0.5", "currency_rate_date": "2026-11-20"}
    found = priced(site="amazon-de", market={"Germany": {"price": "17,95"}}, settings=settings)
    assert found["problem"] == "The price of the market Germany is not an amount in USD or EUR."


@pytest.mark.parametrize(("age", "state"), [(0, None), (20, None), (21, "warning"), (30, "warning"), (31, "problem")])
def test_a_rate_warns_before_it_is_too_old(age: int, state: str | None) -> None:
    settings = {"currency_rate": "0.9", "currency_rate_date": str(TODAY - timedelta(days=age))}
    found = priced(site="amazon-de", settings=settings)
    assert {"warning", "problem"} & set(found) == ({state} if state else set())
    assert ("price" in found) == (state != "problem")
    assert priced(settings=settings) == {"price": 2000}  # no rate is needed for dollars


# Floors and ceilings.


def test_bounds_of_one_sku() -> None:
    own = {"price_floor_metafield": "custom.min", "price_ceiling_metafield": "custom.max"}
    assert priced(settings=own, min="25") == {
        "price": 2500,
        "note": "The price 20.00 USD is below its floor and raised to 25.00 USD.",
    }
    assert priced(settings=own, max="15")["note"] == "The price 20.00 USD is above its ceiling and lowered to 15.00 USD."
    assert priced(settings={**own, "price_floor": 30}, min="25")["price"] == 3000  # the highest floor counts
    assert priced(settings={**own, "price_bounds": {"A": {"floor": 22}}}, min="25")["price"] == 2200
    assert priced(settings={"price_bounds": {"B": {"floor": 22}}}) == {"price": 2000}
    assert "is above the highest" in priced(settings=own, min="25", max="24")["problem"]
    assert priced(settings=own, min="a few")["problem"] == "The price floor of this SKU is not an amount in USD or USD."


def test_bounds_are_of_the_sites_currency_or_say_another() -> None:
    settings = {"price_floor_metafield": "custom.min", "currency_rate": "0.5", "currency_rate_date": "2026-11-20"}
    assert priced(site="amazon-de", settings=settings, min="12")["price"] == 1200
    money = json.dumps({"amount": "30.01", "currency_code": "USD"})
    assert priced(site="amazon-de", settings=settings, min=money)["price"] == 1501  # never below
    foreign = json.dumps({"amount": "30", "currency_code": "GBP"})
    assert "is not an amount in USD or EUR" in priced(site="amazon-de", settings=settings, min=foreign)["problem"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"sale_starts_metafield": "custom.a"}, {"sale_price_metafield": "custom.a"}, {"price_floor_metafield": "no namespace"},
        {"price_bounds": {"A": {"floor": 2, "ceiling": 1}}}, {"price_bounds": {"A": {"lowest": 2}}},
    ],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        export_settings(**wrong)


@given(st.integers(0, 10**9), st.sampled_from(["USD", "JPY", "KWD"]))
def test_amounts_are_exact(minor: int, currency: str) -> None:
    from pipeline.model.money import format_minor

    found = amounts([format_minor(minor, currency)], store_currency="EUR", site_currency=currency, plain=currency)
    assert (found.values.tolist(), found.there.tolist(), found.in_site.tolist()) == ([minor], [True], [True])


@pytest.mark.parametrize("text", ["-1", "1,5", "1.005", "NaN", "{", '{"amount":1}', '{"amount":"1","currency_code":"CHF"}', "٣"])
def test_what_is_no_amount_is_said(text: str) -> None:
    found = amounts([text, None, " "], store_currency="USD", site_currency="EUR", plain="EUR")
    assert (found.there.tolist(), found.unreadable.tolist()) == ([False] * 3, [True, False, False])
