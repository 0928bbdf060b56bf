"""What the projections of all marketplaces do alike: options of families, barcodes. Whole columns, before any rule runs."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.marketplaces.columns import matches, text
from pipeline.marketplaces.options import concept

_OPTIONS = ("option1", "option2", "option3")


def settle_options(rows: pd.DataFrame) -> None:
    """Make the options of the rows what marketplaces take for options, in place.

    A parent without names has those of its first child; an option without a name is none; a value that is a handle loses the
    name in it ("size-5" -> "5"); a color in capitals is written as a word ("OFF-WHITE" -> "Off-White").
    """
    _fill_names(rows)
    for option in _OPTIONS:
        name = f"{option}_name"
        unnamed = ~matches(text(rows, name), r"[^\s\p{Z}\p{C}]")
        if unnamed.any():
            rows[name] = rows[name].mask(unnamed)
            rows[option] = rows[option].mask(unnamed)
        values = text(rows, option)
        settled = _without_name(values)
        colors = [found for found in rows[name].dropna().unique() if concept(found) == "color"]
        if colors:
            settled = _quiet(settled, pc.is_in(text(rows, name), value_set=pa.array(colors, pa.string())))
        if settled is not values:
            rows[option] = pd.Series(settled, index=rows.index, dtype=rows[option].dtype)


def _fill_names(rows: pd.DataFrame) -> None:
    parents = rows["role"] == "parent"
    if not parents.any():
        return
    for option in _OPTIONS:
        column = f"{option}_name"
        of_family = rows.groupby("parent_sku", sort=False)[column].first()
        rows.loc[parents, column] = rows.loc[parents, column].fillna(rows.loc[parents, "sku"].map(of_family))


def _without_name(values: Any) -> Any:
    handle = r"^size-([0-9a-z]+(?:[.-][0-9a-z]+)*)$"
    return pc.replace_substring_regex(values, handle, r"\1") if pc.any(pc.starts_with(values, "size-")).as_py() else values


def _quiet(values: Any, colors: Any) -> Any:
    shouting = pc.and_(colors, pc.match_substring_regex(values, r"^[^\p{Ll}]*\p{Lu}{3}[^\p{Ll}]*$"))
    return pc.if_else(pc.fill_null(shouting, False), pc.utf8_title(values), values) if pc.any(shouting).as_py() else values


def gtins_only(values: pd.Series[Any]) -> pd.Series[Any]:
    """Barcodes without those that cannot be a GTIN by their length: numbers that a shop gave itself, which is not a mistake."""
    return values.where(values.str.fullmatch(r"\d{8}|\d{12,14}").fillna(False))
