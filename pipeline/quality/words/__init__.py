"""Word lists: phrases, placeholders, small words and spellings by language. The data is in the YAML files beside this one."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

_FOLDER = Path(__file__).parent
LISTS = frozenset({"promo", "placeholder", "filler", "function"})


def read_yaml(content: bytes) -> Any:
    """YAML by the safe loader in C, which is ten times faster, where it is there."""
    return yaml.load(content, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506


@lru_cache
def _load(name: str) -> dict[str, Any]:
    found: dict[str, Any] = read_yaml((_FOLDER / f"{name}.yaml").read_bytes())
    return found


@lru_cache
def words(name: str, language: str) -> tuple[str, ...]:
    """The list `name` for a primary language subtag, longest first; English and `any` count in every language."""
    lists = _load(name)
    wanted = dict.fromkeys(word for key in ("any", "en", language) for word in lists.get(key, ()))
    return tuple(sorted(wanted, key=lambda word: (-len(word), word)))


@lru_cache
def small_words(language: str) -> frozenset[str]:
    """Function words of exactly this language (English where it is unknown): `die` is no small word in English."""
    lists = _load("function")
    return frozenset(lists.get(language, lists["en"]))


@lru_cache
def spellings() -> dict[str, str]:
    """Casefolded word -> its fixed spelling: acronyms, names with inner capitals, roman numerals."""
    data = _load("casing")
    return {word.casefold(): word for kind in ("acronyms", "romans", "spellings") for word in data[kind]}


@lru_cache
def units() -> dict[str, str]:
    """Casefolded unit -> its spelling; only meant for a word that follows a number."""
    return {word.casefold(): word for word in reversed(_load("casing")["units"])}
