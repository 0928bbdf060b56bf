"""The score of products with other texts, by the marketplace's own rules: what is suggested may never lower it.

Prices and stock are taken as being in order: they change daily, and no text mends them.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from pipeline.language.drafts import Limit
from pipeline.listings.categories.overlay import used
from pipeline.listings.overlays import lay, localized, localized_attributes
from pipeline.listings.recipe import Recipe
from pipeline.listings.rows import listing_rows, owners
from pipeline.listings.schema import PRICES
from pipeline.model.quality import RuleSet
from pipeline.quality.engine import Engine

_TEXT = pd.StringDtype("pyarrow")
#: A description that sells; what a marketplace takes at most may be a book.
_MOST_DESCRIPTION = 4_000

#: product id -> column of LAID -> its value
Texts = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Judged:
    """`scores` by row; `changed` are (product id, column, fix) where the marketplace's fixes changed a text."""

    rows: pd.DataFrame
    scores: npt.NDArray[np.float64]
    changed: frozenset[tuple[str, str, str]]

    def means(self) -> dict[str, float]:
        found = pd.Series(self.scores).groupby(self.rows["product_id"].to_numpy()).mean()
        return {str(key): round(float(value), 2) for key, value in found.items()}


@dataclass(frozen=True)
class Judge:
    recipe: Recipe
    engine: Engine

    def rows(self, products: pa.Table, variants: pa.Table, categories: pa.Table, words: pa.Table | None) -> pd.DataFrame:
        """Listing rows of all products of a batch, before the marketplace shapes them."""
        settings = self.recipe.settings
        owner = owners(variants, products)
        order = np.argsort(owner, kind="stable")
        variants = variants.take(pa.array(order[owner[order] >= 0]))
        sizes = np.bincount(owner[owner >= 0], minlength=len(products)).tolist()
        ids = products["product_id"].to_pylist()
        several = settings.families == "family"
        parents = {key: f"parent-{key}" for key, size in zip(ids, sizes, strict=True) if several and size > 1}
        count = len(variants)
        ones, nothing = pd.array([1] * count, "Int64"), pd.array([None] * count, _TEXT)
        prices = pd.DataFrame(None, index=range(count), columns=PRICES).assign(price=pd.array([100] * count, "Int64"))
        products, variants = localized(products, variants, words)
        rows = listing_rows(
            products, variants,
            stock=pd.DataFrame({"available": ones, "quantity": ones}),
            prices=prices,
            categories=used(categories, products, settings.default_category), parents=parents,
            items=pd.DataFrame({"item_id": nothing, "category": nothing}), currency=self.recipe.site.currency,
        )  # fmt: skip
        rows["attributes"] = localized_attributes(rows["product_id"], rows["attributes"], words)
        return rows

    def judge(self, rows: pd.DataFrame, texts: Texts) -> Judged:
        recipe = self.recipe
        laid = recipe.market.project(lay(rows, texts), recipe.site, recipe.project_settings).reset_index(drop=True)
        found = self.engine.evaluate(laid.drop_duplicates("product_id"), laid)
        fixes = found.tables["fixes"].select(["product_id", "field", "fix"]).to_pylist()
        changed = frozenset((row["product_id"], row["field"], row["fix"]) for row in fixes)
        return Judged(pd.DataFrame(found.variants), found.tables["scores"]["score"].to_numpy(), changed)


def columns_of(field: str, text: str) -> dict[str, Any]:
    """The columns of a listing row that a suggested field becomes."""
    if field == "description":
        return {"description": text, "description_html": _html(text)}
    return {field: text.split("\n") if field == "bullets" else text}


def _html(text: str) -> str:
    """Plain text with line breaks as simple markup; lines with a dash are a list."""
    parts: list[str] = []
    for line in filter(None, map(str.strip, text.split("\n"))):
        item = line.startswith(("- ", "• "))
        said = html.escape(line[2:] if item else line, quote=False)
        if item and parts and parts[-1].endswith("</ul>"):
            parts[-1] = f"{parts[-1].removesuffix('</ul>')}<li>{said}</li></ul>"
        else:
            parts.append(f"<ul><li>{said}</li></ul>" if item else f"<p>{said}</p>")
    return "".join(parts)


def limits_of(ruleset: RuleSet) -> dict[str, Limit]:
    """What the marketplace takes at most of each field that its rules know: where it cuts, else where it refuses."""
    found: dict[str, Limit] = {}
    named = {"description_html": "description"}
    declared: list[tuple[str, Mapping[str, Any]]] = [(step.field, step.params) for step in ruleset.fixes if step.fix == "T18"]
    declared += [(rule.field, rule.params) for rule in ruleset.rules if rule.check in ("max_length", "item_max_length")]
    for name, params in declared:
        field = named.get(name, name)
        if field in ("title", "description", "bullets", "keywords") and field not in found:
            most = min(params["max"], _MOST_DESCRIPTION) if field == "description" else params["max"]
            found[field] = Limit(most, params.get("unit", "characters"))
    return found


def first_rows(rows: pd.DataFrame) -> Sequence[Mapping[str, Any]]:
    """One row a product, without the columns that nobody reads here."""
    names = ["product_id", "title", "description", "bullets", "keywords", "brand", "category", "attributes"]
    names += [f"option{number}{part}" for number in (1, 2, 3) for part in ("", "_name")]
    first = rows.drop_duplicates("product_id")[names]
    found: list[Mapping[str, Any]] = pa.Table.from_pandas(first, preserve_index=False).to_pylist()
    return found
