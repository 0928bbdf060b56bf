"""Option and fact names: what a merchant calls them, in any language -> the name that marketplaces know (`options.yaml`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from pipeline.marketplaces.data import read_yaml


@cache
def _tables() -> tuple[Mapping[str, str], Mapping[str, Mapping[str, str]]]:
    data = read_yaml(Path(__file__).with_name("options.yaml"))
    by_name = {_key(name): concept for concept, row in data.items() for name in row["names"]}
    return by_name, {concept: row["labels"] for concept, row in data.items()}


def _key(name: str) -> str:
    return re.sub(r"[\s_:.-]+", " ", name).strip().casefold()


@cache
def concept(name: str) -> str | None:
    """The known meaning of an option or fact name: "COLOUR" -> "color", "Größe" -> "size"; None for anything else."""
    return _tables()[0].get(_key(name))


@cache
def label(name: str, language: str) -> str:
    """How a buyer on a site of `language` (BCP 47) reads a name: "COLOUR" on en-US -> "Color". Unknown names are kept,
    `country_of_origin`-like ones as words."""
    known = concept(name)
    if known is None:
        text = " ".join(name.replace("_", " ").split())
        return text[:1].upper() + text[1:]
    labels = _tables()[1][known]
    return labels.get(language.split("-")[0].lower(), labels["en"])
