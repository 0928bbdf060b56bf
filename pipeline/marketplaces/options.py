"""Option and fact names and values: what a merchant calls them, in any language -> what marketplaces know (`options.yaml`,
`values.yaml`)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from pipeline.marketplaces.data import read_yaml

#: Most values of one fact that are joined to one.
_JOINED = 3


@cache
def _concepts() -> Mapping[str, Mapping[str, Any]]:
    found: Mapping[str, Mapping[str, Any]] = _file("options.yaml")["concepts"]
    return found


@cache
def _file(name: str) -> Any:
    return read_yaml(Path(__file__).with_name(name))


@cache
def _names() -> Mapping[str, str]:
    return {_key(name): concept for concept, row in _concepts().items() for name in row["names"]}


@cache
def _asking() -> re.Pattern[str]:
    words = sorted(map(_key, _file("options.yaml")["asking"]), key=len, reverse=True)
    return re.compile(rf"^(?:{'|'.join(map(re.escape, words))}) (?=.)")


def _key(name: str) -> str:
    return re.sub(r"[\s_:.-]+", " ", name).strip().casefold()


@cache
def concept(name: str) -> str | None:
    """The known meaning of an option or fact name: "COLOUR" -> "color", "Größe" -> "size", "Choose Material" -> "material";
    None for anything else."""
    key = _key(name)
    return _names().get(key) or _names().get(_asking().sub("", key))


@cache
def label(name: str, language: str) -> str:
    """How a buyer on a site of `language` (BCP 47) reads a name: "COLOUR" on en-US -> "Color". Unknown names are kept but for
    words that only ask to choose, `bracelet_design`-like ones as words."""
    known = concept(name)
    if known is None:
        text = " ".join(name.replace("_", " ").split())
        asked = _asking().match(text.casefold())
        text = text[asked.end() :] if asked and len(text) == len(text.casefold()) else text
        words = text.split(" ") if language.lower().startswith("en") and text.islower() else [text]
        return " ".join(word[:1].upper() + word[1:] for word in words)
    return _in_language(_concepts()[known]["labels"], language)


def _in_language(labels: Mapping[str, str], language: str) -> str:
    """The label of a language: of the country (en-GB) where it has its own, else of the language, else the English one."""
    return labels.get(language) or labels.get(language.split("-")[0].lower()) or labels["en"]


@cache
def _values(known: str) -> Mapping[str, str]:
    """Casefolded name or label -> key, of the known values of a concept."""
    rows = _file("values.yaml").get(known, {})
    found: dict[str, str] = {}
    for key, row in rows.items():
        for name in (key, *row.get("names", ()), *row["labels"].values()):
            found.setdefault(_key(name), key)
    return found


@lru_cache(maxsize=8192)
def value_key(name: str, value: str) -> str:
    """The word that stands for a known value of a fact ("Schwarz" -> "black", "Litauen" -> "LT"); others stay as they are."""
    known = concept(name)
    return _values(known).get(_key(value), value) if known else value


@lru_cache(maxsize=8192)
def value_label(name: str, value: str, language: str) -> str:
    """How a buyer on a site of `language` reads a value: "black" on de-DE -> "Schwarz"; unknown values stay as they are."""
    known = concept(name)
    row = _file("values.yaml").get(known, {}).get(value_key(name, value)) if known else None
    if row is None:
        capitals = _concepts()[known].get("capitals") if known else None
        return value.upper() if capitals and re.fullmatch(capitals, value, re.IGNORECASE) else value
    return _in_language(row["labels"], language)


def said(name: str, values: Sequence[str], language: str) -> tuple[str, ...]:
    """The values of a fact in the words of a site, each once; of several what `options.yaml` lets the fact say."""
    found = tuple(dict.fromkeys(value_label(name, value, language) for value in values))
    known = concept(name)
    several = _concepts()[known].get("several") if known and len(found) > 1 else None
    if several == "join":
        return ("/".join(found),) if len(found) <= _JOINED else ()
    return () if several == "none" else found
