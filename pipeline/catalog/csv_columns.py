"""What the columns of a Shopify product CSV are: names old and new, metafields, markets, stock by location."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from pipeline.model.errors import BadInputError

_METAFIELD = re.compile(r"\((product|variant)\.metafields\.([^()]+)\)\s*$")
_MARKET = re.compile(r"(included|price|compare[ -]at price) / (.+)", re.IGNORECASE)
_LOCATION = re.compile(r"inventory available:\s*(.+)", re.IGNORECASE)


@dataclass(frozen=True)
class Columns:
    """Where each known thing stands. `fields` has the index of every known field, -1 where the file has no such column."""

    fields: Mapping[str, int]
    metafields: tuple[tuple[int, str], ...]  # of the product: index, "namespace.key"
    variant_metafields: tuple[tuple[int, str], ...]
    markets: tuple[tuple[int, str, str], ...]  # index, market, included | price | compare_at_price
    locations: tuple[tuple[int, str], ...]


@cache
def layout() -> Mapping[str, Any]:
    found: Mapping[str, Any] = yaml.safe_load(Path(__file__).with_name("shopify_csv.yaml").read_text(encoding="utf-8"))
    return found


@cache
def _names() -> Mapping[str, str]:
    return {name.casefold(): field for field, names in layout()["columns"].items() for name in names}


def count_known(header: list[str]) -> int:
    return sum(cell.strip().casefold() in _names() for cell in header)


def find_columns(header: list[str], name: str) -> Columns:
    """The columns of a header; raises BadInputError when it is not a product export's or one of ours stands twice."""
    fields = dict.fromkeys(layout()["columns"], -1)
    for index, cell in enumerate(header):
        field = _names().get(cell.casefold())
        if field is None:
            continue
        if fields[field] >= 0:
            raise BadInputError(
                f"{name} has the column '{cell}' twice (columns {fields[field] + 1} and {index + 1}, "
                f"'{header[fields[field]]}' and '{cell}'): remove one"
            )
        fields[field] = index
    _require(fields, header, name)
    google = layout()["google"]
    metafields: list[tuple[int, str]] = []
    variant_metafields: list[tuple[int, str]] = []
    markets: list[tuple[int, str, str]] = []
    locations: list[tuple[int, str]] = []
    for index, cell in enumerate(header):
        if found := _METAFIELD.search(cell):
            (metafields if found[1] == "product" else variant_metafields).append((index, found[2]))
        elif cell.casefold().startswith(google["prefix"].casefold()):
            key = cell[len(google["prefix"]) :].casefold()
            if key in google["keys"]:
                metafields.append((index, f"{google['namespace']}.{google['keys'][key]}"))
            elif key in google["variant_keys"]:
                variant_metafields.append((index, f"{google['namespace']}.{google['variant_keys'][key]}"))
        elif found := _MARKET.fullmatch(cell):
            markets.append((index, found[2], found[1].lower().replace("-", " ").replace(" ", "_")))
        elif found := _LOCATION.fullmatch(cell):
            locations.append((index, found[1]))
    return Columns(fields, tuple(metafields), tuple(variant_metafields), tuple(markets), tuple(locations))


def _require(fields: Mapping[str, int], header: list[str], name: str) -> None:
    missing = [layout()["columns"][field][0] for field in layout()["required"] if fields[field] < 0]
    if not missing:
        return
    have = {cell.casefold() for cell in header}
    looks = next((what for what, cells in layout()["looks_like"] if all(cell.casefold() in have for cell in cells)), None)
    listed = ", ".join(cell[:40] for cell in header[:6])
    raise BadInputError(
        f"{name} is not a Shopify product export: the column{'s' if len(missing) > 1 else ''} {', '.join(missing)} "
        f"{'are' if len(missing) > 1 else 'is'} missing; it looks like {looks or f'a file with the columns {listed}'}; "
        "use Products > Export in Shopify's admin"
    )
