"""Generic listing rows in Amazon's shape: child titles, bullets, search terms, brand. Rules and their fixes run afterwards."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

import orjson
import pandas as pd

from pipeline.language.reading.sentences import spans
from pipeline.marketplaces.amazon.options import keyword_bytes, limits, tables
from pipeline.marketplaces.amazon.product_types.fill import filled
from pipeline.marketplaces.amazon.product_types.types import NO_TYPES, ProductTypes
from pipeline.marketplaces.columns import missing, pylist, text
from pipeline.marketplaces.options import said
from pipeline.marketplaces.shaping import gtins_only, settle_options
from pipeline.model.listing import Site

_ITEM = re.compile(r"<li\b[^>]*>(.*?)</li>", re.IGNORECASE | re.DOTALL)
#: Rows of tables and headings are no selling points.
_ASIDE = re.compile(r"<(tr|h[1-6])\b[^>]*>(.*?)</\1>", re.IGNORECASE | re.DOTALL)
_LABEL = re.compile(r"^[^:]{1,30}: ")
_TAG = re.compile(r"<[^>]*>")
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_MARK = " \t•·‣▪*–—-"
#: Columns that fill attributes (`product_types/fills.yaml`).
_FILLING = ("brand", "mpn")
#: A hostile description may be a megabyte; the selling points stand at its beginning.
_LOOK = 20_000


def project(rows: pd.DataFrame, site: Site, settings: Mapping[str, Any], types: ProductTypes = NO_TYPES) -> pd.DataFrame:
    """Rows with titles, bullets, keywords, brand, GTIN, options and facts as Amazon wants them.

    In: `keywords` holds the merchant's tags, separated by commas, `attributes` facts in any language. Out: search terms, below
    the site's byte limit; those facts that Amazon has an attribute for, one text each, in the site's words, and beside them (as
    lists) final values of further attributes.
    """
    done = rows.copy()
    done["brand"] = rows["brand"].mask(missing(text(rows, "brand")), limits()["projection"]["unbranded"])
    done["gtin"] = gtins_only(rows["gtin"])
    settle_options(done)
    done["bullets"] = _column(done, "bullets", _bullets(done))
    done["title"] = _column(done, "title", _titles(done))
    done["keywords"] = _column(done, "keywords", _keywords(done, keyword_bytes(site)))
    done["attributes"] = _column(done, "attributes", _attributes(done, site, settings, types))
    return done


def _column(rows: pd.DataFrame, column: str, values: list[Any]) -> pd.Series[Any]:
    return pd.Series(values, index=rows.index, dtype=rows[column].dtype)


def cut(value: str, most: int) -> str:
    """At most `most` characters, cut before a word where there is one, without a dangling separator."""
    if len(value) <= most:
        return value
    head = value[:most]
    if not value[most].isspace() and " " in head:
        head = head[: head.rindex(" ")]
    return head.rstrip(" ,;:-–—|/(&+") or value[:most]


@lru_cache(maxsize=1024)
def _words(said: str) -> frozenset[str]:
    """Words in lower case; those of a family's title and of an option value are asked for by many rows."""
    return frozenset(_WORD.findall(said.casefold()))


def child_title(family: str, values: Iterable[str | None], most: int) -> str:
    """ "Family, Black, M": the family's title with the option values that it does not say already, within `most` characters."""
    said = _words(family)
    parts = [value for value in values if value and not said.issuperset(_words(value) or (value,))]
    suffix = "".join(f", {value}" for value in parts)
    family = family.rstrip(" .,;:") or family if suffix else family
    if len(suffix) > most // 2:
        return cut(family + suffix, most)
    return cut(family, most - len(suffix)) + suffix


def _titles(rows: pd.DataFrame) -> list[str | None]:
    """Variants say their options, also one that is sold by itself beside others of its product."""
    most = limits()["projection"]["title"]
    apart = ((rows["role"] == "single") & rows["product_id"].duplicated(keep=False)).tolist()
    columns = (pylist(rows, name) for name in ("role", "title", "option1", "option2", "option3"))
    return [
        child_title(title, (one, two, three), most) if title and (alone or role == "child") else title
        for alone, (role, title, one, two, three) in zip(apart, zip(*columns, strict=True), strict=True)
    ]


def _plain(fragment: str) -> str:
    return " ".join(html.unescape(_TAG.sub(" ", fragment)).split()).strip(_MARK)


@cache
def _bullet_limits() -> tuple[int, int, int, int, int]:
    row = limits()["projection"]["bullets"]
    return row["most"], row["fewest"], row["shortest"], row["longest"], row["total"]


def bullets_of(description_html: str | None, description: str | None, title: str | None = None) -> list[str]:
    """Up to five bullet points: the list items of a description, else (below three) also its sentences; none that only says
    what the title says, no heading and no row of a table."""
    most, fewest, shortest, longest, total = _bullet_limits()
    rich = (description_html or "")[:_LOOK]
    aside = {_plain(found[2]) for found in _ASIDE.finditer(rich)}
    known = _words(title or "")
    found: list[str] = []
    room = total

    def take(candidates: Iterable[str]) -> None:
        nonlocal room
        for candidate in candidates:
            if len(found) == most:
                return
            if not shortest <= len(candidate) <= min(longest, room) or any(candidate in other for other in found):
                continue
            if candidate in aside or (known and known.issuperset(_WORD.findall(_LABEL.sub("", candidate).casefold()))):
                continue
            found.append(candidate)
            room -= len(candidate)

    take(_plain(item) for item in _ITEM.findall(rich))
    if len(found) < fewest:
        plain = (description or "")[:_LOOK]
        take(" ".join(plain[start:end].split()).strip(_MARK).rstrip(".") for start, end in spans(plain, 0, len(plain)))
    return found


def _bullets(rows: pd.DataFrame) -> list[Sequence[str] | None]:
    made = cache(bullets_of)
    columns = (pylist(rows, name) for name in ("bullets", "description_html", "description", "title"))
    return [given or made(rich, plain, title) or None for given, rich, plain, title in zip(*columns, strict=True)]


def search_terms(tags: str | None, said: str, most_bytes: int) -> str | None:
    """The words of the tags that neither the title nor the brand says, once each, within the byte limit.

    A tag with `:`, `_` or `=`, a long handle, a season or a word about stock is a shop's own filter, not a word that a buyer
    types.
    """
    if not tags:
        return None
    offered, folded = _offered(tags), said.casefold()
    # a search in the text finds all of its words, and more; most tags are in no title
    if any(word in folded for word, _ in offered):
        known = set(_WORD.findall(folded))
        offered = tuple(pair for pair in offered if pair[0] not in known)
    found: list[str] = []
    room = most_bytes + 1
    for word, length in offered:
        if length <= room:
            found.append(word)
            room -= length
    return " ".join(found) or None


@lru_cache(maxsize=1024)
def _offered(tags: str) -> tuple[tuple[str, int], ...]:
    """The words of tags that a buyer may type, once each, and their bytes with a space."""
    own = _shop_tags()
    words = (word for tag in tags.split(",") if not own.search(tag.strip()) for word in _WORD.findall(tag.casefold()))
    kept = (word for word in dict.fromkeys(words) if word not in _stopwords() and len(word) >= 2 and not word.isdigit())
    return tuple((word, len(word.encode()) + 1) for word in kept)


@cache
def _shop_tags() -> re.Pattern[str]:
    return re.compile("|".join(limits()["projection"]["shop_tags"]), re.IGNORECASE)


@cache
def _stopwords() -> frozenset[str]:
    return frozenset(limits()["projection"]["keyword_stopwords"])


def _keywords(rows: pd.DataFrame, most_bytes: int) -> list[str | None]:
    columns = (pylist(rows, name) for name in ("keywords", "title", "brand"))
    return [search_terms(tags, f"{title or ''} {brand or ''}", most_bytes) for tags, title, brand in zip(*columns, strict=True)]


def _attributes(rows: pd.DataFrame, site: Site, settings: Mapping[str, Any], types: ProductTypes) -> list[str | None]:
    said_of_types: Mapping[str, Mapping[str, Any]] = settings.get("attributes") or {}

    @cache
    def made(document: str | None, category: str | None, *columns: str | None) -> str | None:
        given = _object(document)
        own = dict(zip(_FILLING, columns, strict=False))
        found = {
            **sent_facts(given, site.language),
            **filled(given, own, types.definition(category), category, said_of_types, site),
        }
        return orjson.dumps(found, option=orjson.OPT_SORT_KEYS).decode() if found else None

    names = ("attributes", "category", *(_FILLING if types else ()))
    return [made(*row) for row in zip(*(pylist(rows, name) for name in names), strict=True)]


def _object(document: str | None) -> Mapping[str, Any]:
    try:
        given = orjson.loads(document or "null")
    except orjson.JSONDecodeError:
        return {}
    return given if isinstance(given, dict) else {}


def sent_facts(given: Mapping[str, Any], language: str) -> dict[str, Any]:
    """Those facts that Amazon has an attribute for; a country stays a code."""
    found = {}
    for name, row in tables()["facts"].items():
        values = given.get(name) or ()
        texts = [value for value in (values if isinstance(values, list) else [values]) if isinstance(value, str)]
        words = texts[:1] if row["kind"] == "country" else said(name, texts, language)
        if words:
            found[name] = ", ".join(words)
    return found
