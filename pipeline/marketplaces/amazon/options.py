"""Amazon's tables: limits, which attribute each option of a family fills, the family's variation theme."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from pipeline.marketplaces.data import read_yaml
from pipeline.marketplaces.options import concept
from pipeline.model.listing import Site

Names = tuple[str | None, str | None, str | None]


@cache
def tables() -> Any:
    """`attributes.yaml`."""
    return read_yaml(Path(__file__).with_name("attributes.yaml"))


@cache
def limits() -> Any:
    """`limits.yaml`."""
    return read_yaml(Path(__file__).with_name("limits.yaml"))


def keyword_bytes(site: Site) -> int:
    """Most UTF-8 bytes of the search terms on a site; Amazon ignores the whole field beyond."""
    return int(site.extra.get("keyword_bytes", limits()["message"]["keyword_bytes"]))


@cache
def option_attributes(names: Names, known_attributes: frozenset[str] | None = None) -> tuple[str | None, str | None, str | None]:
    """The attribute of each of the three options: ("COLOUR", "Größe", None) -> ("color", "size", None).

    Known names come first; an unknown name, or the second of one meaning, takes the first free fallback attribute. Where
    `known_attributes` are given only these count, and an option that none is left for has None.
    """
    fits = known_attributes.__contains__ if known_attributes is not None else lambda attribute: True
    known = tables()["options"]
    found: list[str | None] = [None, None, None]
    for index, name in enumerate(names):
        meaning = known.get(concept(name)) if name else None
        if meaning and meaning["attribute"] not in found and fits(meaning["attribute"]):
            found[index] = meaning["attribute"]
    for index, name in enumerate(names):
        if name and found[index] is None:
            free = (attribute for attribute in tables()["fallback"] if attribute not in found and fits(attribute))
            found[index] = next(free, None)
    return found[0], found[1], found[2]


@cache
def variation_theme(names: Names) -> str | None:
    """`variation_theme` of a family with these option names, e.g. COLOR/SIZE; None without options."""
    words = {row["attribute"]: row["theme"] for row in tables()["options"].values()}
    order: list[str] = tables()["theme_order"]
    themes = [words[attribute] for attribute in option_attributes(names) if attribute]
    ranked = sorted(themes, key=lambda theme: order.index(theme) if theme in order else len(order))
    return "/".join(ranked) or None
