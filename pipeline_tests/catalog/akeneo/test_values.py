"""Which entry of a value counts, how it is inherited, and what it becomes as text, money and grams."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.catalog.akeneo.structure import Attribute, Option
from pipeline.catalog.akeneo.values import (
    amount_in,
    elsewhere,
    find,
    grams,
    html_of,
    number_text,
    pick,
    public_urls,
    text_of,
    texts_of,
)

CHANNEL, LOCALE = "ecommerce", "en_US"
ENTRY = st.fixed_dictionaries(
    {"scope": st.sampled_from([None, CHANNEL, "print"]), "locale": st.sampled_from([None, LOCALE, "de_DE"]),
     "data": st.one_of(st.none(), st.just(""), st.just([]), st.sampled_from(["a", "b", "c"]))}
)  # fmt: skip
ENTRIES = st.lists(ENTRY, max_size=6, unique_by=lambda entry: (entry["scope"], entry["locale"]))
LEVELS = st.lists(st.dictionaries(st.sampled_from(["name", "color"]), ENTRIES), min_size=1, max_size=3)


@given(ENTRIES)
def test_the_most_exact_entry_counts_and_never_another_language(entries: list[dict[str, Any]]) -> None:
    by_place = {(entry["scope"], entry["locale"]): entry["data"] for entry in entries if entry["data"]}
    order = [(CHANNEL, LOCALE), (CHANNEL, None), (None, LOCALE), (None, None)]
    assert pick(entries, CHANNEL, LOCALE) == next((by_place[place] for place in order if place in by_place), None)
    ours = [entry for entry in entries if entry["locale"] in (None, LOCALE) and entry["scope"] in (None, CHANNEL)]
    assert pick(entries, CHANNEL, LOCALE) == pick(ours, CHANNEL, LOCALE)


@given(LEVELS, st.sampled_from(["name", "color", "size"]))
def test_the_nearest_level_with_a_value_counts(levels: list[dict[str, Any]], code: str) -> None:
    picked = [pick(values.get(code, []), CHANNEL, LOCALE) for values in levels]
    assert find(code, levels, CHANNEL, LOCALE) == next((data for data in picked if data is not None), None)


@given(LEVELS)
def test_a_level_that_says_nothing_changes_nothing(levels: list[dict[str, Any]]) -> None:
    found = find("name", levels, CHANNEL, LOCALE)
    foreign = {
        "name": [{"scope": CHANNEL, "locale": "fr_FR", "data": "Bonjour"}, {"scope": "print", "locale": None, "data": "x"}]
    }
    assert find("name", [{}, foreign, *levels], CHANNEL, LOCALE) == found
    merged = [{**(levels[-1] if levels else {}), **levels[0]}, *levels[1:]] if len(levels) == 2 else levels
    assert find("name", merged, CHANNEL, LOCALE) == found or "name" in levels[0]


def test_a_value_in_another_language_only_needs_a_translation() -> None:
    german = {"name": [{"scope": None, "locale": "de_DE", "data": "Becher"}]}
    printed = {"name": [{"scope": "print", "locale": "de_DE", "data": "Becher"}]}
    assert elsewhere("name", [{}, german], CHANNEL, LOCALE)
    assert not elsewhere("name", [printed], CHANNEL, LOCALE)
    assert not elsewhere("title", [german], CHANNEL, LOCALE)


def attribute(kind: str, **options: str | None) -> Attribute:
    found = {code: Option(label, 0) for code, label in options.items()}
    return Attribute("a", kind if kind.startswith("akeneo_") else f"pim_catalog_{kind}", "A", False, False, False, {}, found)


@pytest.mark.parametrize(
    ("kind", "data", "text"),
    [
        ("text", "Some text", "Some text"),
        ("simpleselect", "red", "Red"),
        ("simpleselect", "unlabeled", "unlabeled"),
        ("simpleselect", "gone", "gone"),
        ("multiselect", ["red", "gone"], "Red, gone"),
        ("metric", {"amount": "1.2000", "unit": "KILOGRAM"}, "1.2 kg"),
        ("metric", {"amount": 10, "unit": "CENTIMETER"}, "10 cm"),
        ("metric", {"amount": "100", "unit": "FURLONG"}, "100 FURLONG"),
        ("price_collection", [{"amount": "12.50", "currency": "EUR"}, {"amount": None, "currency": "USD"}], "12.50 EUR"),
        ("boolean", True, "true"),
        ("boolean", "false", "false"),
        ("date", "2026-11-22T00:00:00+01:00", "2026-11-22"),
        ("number", 42, "42"),
        ("number", "12.5000", "12.5"),
        ("number", "100", "100"),
        ("akeneo_reference_entity", "bouroullec", "bouroullec"),
        ("akeneo_reference_entity_collection", ["a", "b"], "a, b"),
        ("table", [{"ingredient": "sugar", "share": 3}], '[{"ingredient":"sugar","share":3}]'),
    ],
)  # fmt: skip
def test_data_as_text(kind: str, data: Any, text: str) -> None:
    assert text_of(attribute(kind, red="Red", unlabeled=None), data) == text


@pytest.mark.parametrize(
    ("kind", "data"),
    [("metric", "12"), ("metric", {"amount": "1"}), ("boolean", "maybe"), ("number", True), ("number", [1]),
     ("multiselect", 3), ("price_collection", [{"amount": "1"}])],
)  # fmt: skip
def test_an_undocumented_shape_is_no_text(kind: str, data: Any) -> None:
    with pytest.raises((TypeError, KeyError, ValueError, AttributeError)):
        text_of(attribute(kind), data)


def test_several_values_are_several_texts() -> None:
    assert texts_of(attribute("multiselect", red="Red"), ["red", "x"]) == ["Red", "x"]
    assert texts_of(attribute("simpleselect", red="Red"), "red") == ["Red"]


def test_the_amount_of_one_currency() -> None:
    prices = [{"amount": "12.5000", "currency": "EUR"}, {"amount": 13, "currency": "USD"}, {"amount": None, "currency": "CHF"}]
    assert [amount_in(prices, code) for code in ("EUR", "USD", "CHF", "GBP")] == ["12.5000", "13", None, None]


@given(st.decimals(min_value=0, max_value=10**6, places=4))
def test_weights_are_exact_grams(amount: Decimal) -> None:
    assert grams({"amount": str(amount), "unit": "KILOGRAM"}) == float(amount * 1000)


def test_what_is_no_weight() -> None:
    assert [
        grams({"amount": amount, "unit": unit})
        for amount, unit in [("1", "METER"), ("x", "GRAM"), ("-1", "GRAM"), ("NaN", "GRAM")]
    ] == [None] * 4
    assert grams({"amount": 2, "unit": "POUND"}) == pytest.approx(907.18474)


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9))
def test_numbers_keep_their_value(number: Decimal) -> None:
    assert Decimal(number_text(str(number))) == number


def test_plain_text_becomes_html_and_markup_stays() -> None:
    plain, rich = attribute("textarea"), Attribute("a", "pim_catalog_textarea", None, False, False, True, {})
    assert html_of(plain, "3 < 5 & more\r\nnext") == "3 &lt; 5 &amp; more<br>next"
    assert html_of(plain, "<p>a & b</p>\n") == "<p>a & b</p>\n"
    assert html_of(rich, "3 < 5\n") == "3 < 5\n"
    assert html_of(plain, "just words") == "just words"


def test_only_addresses_that_anybody_can_open_are_pictures() -> None:
    text = (
        "https://cdn.example.com/w_1,h_2/a.jpg, http://cdn.example.com/b.jpg\n"
        "https://pim.example.com/c.jpg a/b/c.jpg https://u:p@x.com/d ftp://x/e"
    )
    assert public_urls(text, "pim.example.com") == ["https://cdn.example.com/w_1,h_2/a.jpg", "http://cdn.example.com/b.jpg"]
