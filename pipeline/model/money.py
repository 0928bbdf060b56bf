"""Money as integers in minor units (cents), so that no price ever passes through a float."""

from __future__ import annotations

from decimal import Decimal

#: Digits after the decimal point where ISO 4217 has other than two.
_EXPONENTS = {
    "BHD": 3, "IQD": 3, "JOD": 3, "KWD": 3, "LYD": 3, "OMR": 3, "TND": 3,
    "BIF": 0, "CLP": 0, "DJF": 0, "GNF": 0, "ISK": 0, "JPY": 0, "KMF": 0, "KRW": 0, "PYG": 0,
    "RWF": 0, "UGX": 0, "UYI": 0, "VND": 0, "VUV": 0, "XAF": 0, "XOF": 0, "XPF": 0,
}  # fmt: skip


def exponent(currency: str) -> int:
    """Digits after the decimal point of an ISO 4217 currency code (USD 2, JPY 0, KWD 3)."""
    return _EXPONENTS.get(currency, 2)


def to_decimal(minor: int, currency: str) -> Decimal:
    """1999 USD cents -> Decimal("19.99")."""
    return Decimal(int(minor)).scaleb(-exponent(currency))


def format_minor(minor: int, currency: str) -> str:
    """1999 USD cents -> "19.99"; 1200 JPY -> "1200"."""
    digits = exponent(currency)
    if digits == 0:
        return str(int(minor))
    sign, value = ("-", -int(minor)) if minor < 0 else ("", int(minor))
    text = str(value).rjust(digits + 1, "0")
    return f"{sign}{text[:-digits]}.{text[-digits:]}"
