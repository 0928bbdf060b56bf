"""Fixes of prices, stock, lists and image addresses."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.model.money import exponent
from pipeline.quality.context import Context
from pipeline.quality.fixes.base import fix, rewrite, text_fix
from pipeline.quality.masks.base import arrow, column, numbers, repeated_items, replaced, to_mask

_AMOUNT = re.compile(r"^\D{0,6}?(?P<number>[0-9][0-9.,' \u00a0\u202f’]*)\D{0,6}$")


def parse_price(text: str, currency: str) -> int | None:
    """Minor units of a price in words, or null unless there is exactly one way to read it.

    Two kinds of separators, or a last group of one or two digits, decide; `1.000` and `1,299` may be either.
    """
    match = _AMOUNT.match(text.strip())
    if match is None or "-" in text:
        return None
    number = re.sub(r"[\s'’\u00a0\u202f]", "", match["number"]).rstrip(".,")
    digits = exponent(currency)
    marks = [mark for mark in number if mark in ".,"]
    if len(set(marks)) == 2:
        decimal, group = marks[-1], marks[0]
        if marks.count(decimal) > 1 or not re.fullmatch(rf"\d{{1,3}}(?:\{group}\d{{3}})+\{decimal}\d+", number):
            return None
        number = number.replace(group, "").replace(decimal, ".")
    elif len(marks) == 1:
        head, tail = number.split(marks[0])
        if not head or len(tail) == 3 or len(tail) > max(digits, 2):
            return None
        number = f"{head}.{tail}"
    elif len(marks) > 1:
        if not re.fullmatch(rf"\d{{1,3}}(?:\{marks[0]}\d{{3}})+", number):
            return None
        number = number.replace(marks[0], "")
    amount = Decimal(number).scaleb(digits)
    return int(amount) if amount == int(amount) and len(number) <= 15 else None


@fix("P01", "lossless")
def price_text(
    frame: pd.DataFrame, field: str, context: Context, *, text: str, beside: str | None = None
) -> dict[str, pd.Series[Any]]:
    """A price in words is read where there is only one way to read it (`beside`: only where that column has a value)."""
    words = frame[text]
    wanted = frame[field].isna() & words.notna()
    rows = frame.index[(wanted if beside is None else wanted & frame[beside].notna()).to_numpy()]
    found = {row: parse_price(str(words[row]), context.currency) for row in rows}
    read = {row: amount for row, amount in found.items() if amount is not None}
    if not read:
        return {}
    prices, left = frame[field].copy(), words.copy()
    prices[list(read)] = list(read.values())
    left[list(read)] = pd.NA
    return {field: prices, text: left}


@fix("P05", "lossy-safe")
def sale_price(frame: pd.DataFrame, field: str, context: Context, *, price: str) -> dict[str, pd.Series[Any]]:
    """A list price that is not above the price is no sale and is removed."""
    wrong = numbers(frame, field) <= numbers(frame, price)
    return {field: frame[field].mask(wrong)} if wrong.any() else {}


@fix("Q01", "lossy-safe")
def negative_stock(frame: pd.DataFrame, field: str, context: Context) -> dict[str, pd.Series[Any]]:
    """A negative stock is 0; an unknown stock stays unknown."""
    wrong = numbers(frame, field) < 0
    return {field: frame[field].mask(wrong, 0)} if wrong.any() else {}


@text_fix("M01", "lossy-safe")
def https(texts: Any, context: Context, *, hosts: list[str]) -> Any:
    """An http address of a host that is known to serve https becomes https."""
    known = "|".join(re.escape(host) for host in hosts)
    suspects = to_mask(pc.match_substring_regex(texts, rf"^(?i)http://({known})/"))
    return rewrite(texts, suspects, lambda url: "https" + url[4:])


@text_fix("M02", "lossy-safe")
def image_url(texts: Any, context: Context) -> Any:
    """An image address gets its missing scheme, encoded spaces and no outer space."""
    suspects = to_mask(pc.match_substring_regex(texts, r"^//|\s"))

    def encode(url: str) -> str:
        plain = url.strip()
        plain = f"https:{plain}" if plain.startswith("//") else plain
        return re.sub(r"\s", "%20", plain)

    return rewrite(texts, suspects, encode)


@fix("M03", "lossless")
def repeated_images(frame: pd.DataFrame, field: str, context: Context) -> dict[str, pd.Series[Any]]:
    """An image that is in the list already, and an empty address, are removed; the order stays."""
    return distinct(frame, field, lambda item: item)


@fix("A04", "lossless")
def clean_list(frame: pd.DataFrame, field: str, context: Context) -> dict[str, pd.Series[Any]]:
    """Items of a list lose outer spaces, and empty or repeated ones (any case) are removed."""
    return distinct(frame, field, str.casefold, strip=True)


def distinct(frame: pd.DataFrame, field: str, key: Any, strip: bool = False) -> dict[str, pd.Series[Any]]:
    """The list column with each item once, by `key`; no columns when nothing changed."""
    values = arrow(frame[field])
    items = pc.list_flatten(values)
    parents = pc.list_parent_indices(values).to_numpy()
    suspect = repeated_items(pc.utf8_lower(items) if strip else items, parents)
    suspect |= ~to_mask(pc.match_substring_regex(items, r"^\S")) | to_mask(pc.match_substring_regex(items, r"\s$"))
    rows = sorted(set(parents[suspect].tolist()))
    if not rows:
        return {}
    lists = values.take(pa.array(rows)).to_pylist()
    fixed = []
    for texts in lists:
        kept: dict[str, str] = {}
        for text in texts:
            clean = (text or "").strip() if strip else text or ""
            if clean.strip():
                kept.setdefault(key(clean), clean)
        fixed.append(list(kept.values()))
    if fixed == lists:
        return {}
    return {field: column(replaced(values, rows, fixed), frame[field])}
