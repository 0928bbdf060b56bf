"""Money, counts and storable text."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.catalog.values import count, excerpt, handleize, measure, minor_units, storable
from pipeline.model.money import exponent


def minor(text: str | None, currency: str = "USD") -> int | None:
    """Next to a text of another shape, so that the general way is taken, and alone."""
    alone: int | None = minor_units(pa.array([text], pa.string()), currency)[0].as_py()
    mixed: int | None = minor_units(pa.array([text, "x"], pa.string()), currency)[0].as_py()
    assert alone == mixed
    return alone


@pytest.mark.parametrize(
    ("text", "currency", "value"),
    [
        ("19.99", "USD", 1999), ("0.07", "USD", 7), ("1234", "USD", 123400), (" 5.1 ", "USD", 510), ("5.", "USD", 500),
        ("19.990", "USD", 1999), ("19.995", "USD", None), ("-3.00", "USD", -300), ("+3", "USD", 300), ("", "USD", None),
        ("1,234.00", "USD", None), ("19,99", "USD", None), ("$5", "USD", None), ("1e3", "USD", None), ("nan", "USD", None),
        ("١٢", "USD", None), ("99999999999999.99", "USD", 9999999999999999), ("9" * 40, "USD", None), (None, "USD", None),
        ("1050000", "VND", 1050000), ("1050000.00", "VND", 1050000), ("1.5", "JPY", None), ("1.234", "KWD", 1234),
    ],
)  # fmt: skip
def test_prices(text: str | None, currency: str, value: int | None) -> None:
    assert minor(text, currency) == value


@given(st.decimals(-(10**13), 10**13, places=3), st.sampled_from(["USD", "JPY", "KWD"]))
@example(Decimal("0.290"), "USD")
@example(Decimal("1.150"), "USD")
def test_a_price_is_read_exactly_or_not_at_all(price: Decimal, currency: str) -> None:
    scaled = price.scaleb(exponent(currency))
    assert minor(f"{price:f}", currency) == (int(scaled) if scaled == scaled.to_integral_value() else None)


@given(st.text(max_size=20))
def test_no_text_is_misread(text: str) -> None:
    found = minor(text)
    if found is not None:
        try:
            assert Decimal(text.strip()) * 100 == found
        except InvalidOperation:
            pytest.fail(f"{text!r} is no number")


@given(st.text(st.characters(exclude_categories=[]), max_size=30))
def test_storable_text_can_be_stored(text: str) -> None:
    clean, dropped = storable(text)
    clean.encode("utf-8")
    assert "\0" not in clean and dropped >= text.count("\0")
    if dropped == 0 and not any("\ud800" <= char <= "\udfff" for char in text):
        assert clean == text


def test_storable_counts_what_it_drops() -> None:
    assert storable("a\0b\ud800c\ud83d\ude00") == ("abc😀", 2)


def test_small_readers() -> None:
    assert [count(text) for text in ("12", " -3 ", "12.0", "1.5", "", "twelve", "1e3")] == [12, -3, 12, None, None, None, None]
    assert [measure(text) for text in ("0.7", "500.0", "nan", "inf", "-1", "")] == [0.7, 500.0, None, None, None, None]
    assert excerpt("a\x1b[31m\n" + "x" * 500) == "a [31m " + "x" * 193
    assert handleize("Straße & Köln!") == "straße-köln"
