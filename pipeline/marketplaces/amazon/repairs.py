"""Amazon's side of repairs: the table of causes, and which part of a listing an issue of a report is about."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pandas as pd
import pyarrow as pa

from pipeline.marketplaces.amazon.options import Names, option_attributes, tables
from pipeline.marketplaces.amazon.validate import usable
from pipeline.marketplaces.amazon.values import LOCATORS
from pipeline.marketplaces.data import read_yaml
from pipeline.marketplaces.repairs import Cause, Part, parse_causes

_NAME = re.compile(r"[a-z][a-z0-9_]+")


@cache
def causes() -> tuple[Cause, ...]:
    return parse_causes(_file()["causes"])


def part_of(listing: Mapping[str, Any], attribute: str | None, text: str) -> Part | None:
    """The part of a listing (values of LISTINGS) that an issue is about; None for what is never mended by itself."""
    name = _attribute(attribute, text)
    if name in LOCATORS:
        shown = _pictures(listing)
        place = LOCATORS.index(name)
        return Part("images", shown[place] if place < len(shown) else None)
    if name is None:  # a picture may be told by its address alone
        named = [url for url in _pictures(listing) if url in text]
        return Part("images", named[0]) if len(named) == 1 else None
    field = _file()["attributes"].get(name)
    return Part(field) if field else _fact(listing, name)


def _attribute(attribute: str | None, text: str) -> str | None:
    """Without its parts ("bullet_point[2].value"); where none is given, the only one of ours that the text names."""
    if attribute:
        found = _NAME.match(attribute)
        return found.group() if found else None
    ours = {*_file()["attributes"], *_facts(), *LOCATORS}
    named = ours.intersection(_NAME.findall(text))
    return named.pop() if len(named) == 1 else None


def _fact(listing: Mapping[str, Any], name: str) -> Part | None:
    """A fact that the listing states; not where an option of its family says it."""
    fact = _facts().get(name)
    names: Names = (listing["option1_name"], listing["option2_name"], listing["option3_name"])
    filled = [attribute for number, attribute in enumerate(option_attributes(names), 1) if listing[f"option{number}"]]
    if fact is None or name in filled:
        return None
    stated = orjson.loads(listing["attributes"] or "{}")
    return Part("attributes", fact) if isinstance(stated, dict) and fact in stated else None


def _pictures(listing: Mapping[str, Any]) -> list[str]:
    images = pd.Series([listing["images"]], dtype=pd.ArrowDtype(pa.list_(pa.string())))
    found: list[str] = usable(pd.DataFrame({"images": images}))[0].as_py()
    return found


@cache
def _file() -> Any:
    return read_yaml(Path(__file__).with_name("repairs.yaml"))


@cache
def _facts() -> dict[str, str]:
    """Attribute -> our name of the fact."""
    return {row["attribute"]: fact for fact, row in tables()["facts"].items()}
