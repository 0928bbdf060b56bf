"""What no rule over one row can see of a listing, as findings: issues that `verdict` adds to those of the rules."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa

from pipeline.listings.open_texts import by_hand
from pipeline.listings.overlays import untranslated
from pipeline.listings.recipe import Recipe
from pipeline.marketplaces.base import ListingProblem
from pipeline.model.quality import BLOCKING, Dimension, Severity

_TEXT = pd.StringDtype("pyarrow")
#: Columns of `site_prices` that are for people, and the rule that each becomes.
_OF_PRICES: tuple[tuple[str, str, Severity], ...] = (
    ("problem", "LISTING_PRICE", "error"), ("warning", "LISTING_PRICE_DOUBT", "warning"), ("note", "LISTING_PRICE_BOUND", "info"),
)  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """What no rule over one row can see, such as a price below its floor or a family that is too large."""

    rule: str
    dimension: Dimension
    field: str
    hint: str
    messages: pd.Series  # one a row, null where it does not apply
    severity: Severity = "error"  # what is less blocks nothing and costs no points


def of_category(rows: pd.DataFrame, issues: pd.DataFrame, problems: Iterable[ListingProblem]) -> list[Finding]:
    """Problems that the marketplace sees, as findings; not of fields that a rule blocks already."""
    blocking = issues[issues["severity"].isin(BLOCKING)]
    known = set(zip(blocking["product_id"], blocking["sku"].fillna(""), blocking["field"], strict=True))
    texts: dict[tuple[str, str, str], dict[int, list[str]]] = {}
    ids, skus = rows["product_id"].tolist(), rows["sku"].tolist()
    for one in problems:
        if known.isdisjoint((ids[one.row], sku, one.field) for sku in (skus[one.row], "")):
            texts.setdefault((one.rule, one.field, one.hint), {}).setdefault(one.row, []).append(one.message)
    found = []
    for (rule, field, hint), by_row in texts.items():
        messages = pd.Series(pd.NA, index=rows.index, dtype=_TEXT)
        places = list(by_row)
        messages.iloc[places] = [" ".join(dict.fromkeys(by_row[place])) for place in places]
        found.append(Finding(rule, "compliance", field, hint, messages))
    return found


def of_batch(
    recipe: Recipe, rows: pd.DataFrame, variant_ids: pa.ChunkedArray, prices: pd.DataFrame, of_items: pd.Series
) -> list[Finding]:
    """What only this stage can see: prices, items of the marketplace's catalog, the account, the size of a family. `prices` and
    `of_items` (what is wrong with a match, or null) are aligned with `variant_ids`."""
    found = []
    of_price = "Change the price settings of the connection, or what the store says of its price."
    place = f"{recipe.store} {recipe.site.key}"
    of_match = f"Choose one, or none, with: pipeline matches choose {place} GTIN ITEM; or export again."
    said: list[tuple[pd.Series, str, str, str, Severity]] = [
        *((prices[column], rule, "price", of_price, severity) for column, rule, severity in _OF_PRICES),
        (of_items, "LISTING_MATCH", "gtin", of_match, "error"),
    ]
    for of_variants, rule, field_name, hint, severity in said:
        if of_variants.notna().any():
            by_variant = pd.Series(of_variants.array, index=variant_ids.to_pylist())
            messages = rows["variant_id"].map(by_variant).astype(_TEXT)
            found.append(Finding(rule, "correctness", field_name, hint, messages, severity))
    spoiled = recipe.marketplace.account_problems(recipe.site, recipe.account)
    if spoiled:
        hint = f"Correct it: pipeline connection set {recipe.store} {recipe.site.key} NAME=VALUE."
        messages = pd.Series(" ".join(spoiled), index=rows.index, dtype=_TEXT)
        found.append(Finding("LISTING_ACCOUNT", "compliance", "sku", hint, messages))
    most = recipe.marketplace.max_family
    children = (rows["role"] == "child").groupby(rows["product_id"], sort=False).transform("sum")
    if (children > most).any():
        text = (
            "The product has " + children.astype("string") + f" variants; {recipe.site.key} takes at most {most} in one listing."
        )
        hint = "Split the product into several products in the store."
        messages = text.where(children > most).astype(_TEXT)
        found.append(Finding("LISTING_FAMILY_SIZE", "compliance", "parent_sku", hint, messages))
    return found


def of_language(recipe: Recipe, rows: pd.DataFrame, words: pa.Table | None) -> list[Finding]:
    """A warning where a buyer reads the store's language: a title, description, option or other word was not translated."""
    if words is None:
        return []
    said = untranslated(words)
    texts = [said.get(key) for key in rows["product_id"].tolist()]
    messages = [f"Not in the language of {recipe.site.key}: {text}" if text else pd.NA for text in texts]
    command = by_hand(recipe.store, recipe.site.language)
    hint = f"Translate it in the store, or by hand with: {command}; or configure a model."
    series = pd.Series(messages, index=rows.index, dtype=_TEXT)
    return [Finding("LISTING_LANGUAGE", "content", "title", hint, series, "warning")]
