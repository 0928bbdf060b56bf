"""Texts of a product for one marketplace that are not the catalog's own: narrow tables keyed by product, laid over its rows.

An overlay is made for one import and has its batches: row group i is about the products of row group i of `fixed_products`.
One without rows (its setting is off) changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.model.errors import PipelineError
from pipeline.platform.tables import Table

_WORD = pa.struct([("source", pa.string()), ("target", pa.string())])

#: One row a product. Texts that stayed in the source language are null, or absent from `words`.
LOCALIZED = pa.schema(
    [
        ("product_id", pa.string()),
        ("language", pa.string()),
        ("state", pa.string()),  # translated | partly | untranslated
        ("engine", pa.string()),  # human, glossary, model:<name> ..., with commas; null where nothing was translated
        ("title", pa.string()),
        ("description", pa.string()),
        ("description_html", pa.string()),
        ("title_engine", pa.string()),  # of the translated title, null else
        ("description_engine", pa.string()),
        ("words", pa.list_(_WORD)),  # names and values of options, tags, values of facts
        ("problems", pa.list_(pa.string())),  # what is untranslated, and why
        ("open", pa.string()),  # why a model is still to be asked; null where it is not
        ("made_at", pa.timestamp("us", "UTC")),  # rows that are taken over keep theirs
        ("revision", pa.string()),  # of texts, glossary, memory and model; '' where it is open
        ("digest", pa.string()),  # of what this row says
    ]
)

#: One proposed field of a product. `after` of a kept one is what was refused, if it is known; `problems` says why.
_FIELD = pa.struct(
    [
        ("field", pa.string()),  # title | description | bullets | keywords
        ("before", pa.string()),
        ("after", pa.string()),
        ("engine", pa.string()),  # rules | model:<name> | human | none (no model was asked)
        ("reason", pa.string()),
        ("state", pa.string()),  # accepted | suggested | rejected | kept (the source's text, after a guard)
        ("gain", pa.float64()),  # points of score, on top of the fields before it
        ("problems", pa.list_(pa.string())),
        ("who", pa.string()),  # decided, or `policy`
        ("why", pa.string()),
        ("decided_at", pa.timestamp("us", "UTC")),
    ]
)

#: One row a product. Its texts are those that are accepted, null else; `fields` has all that was proposed, and its provenance.
OPTIMIZED = pa.schema(
    [
        ("product_id", pa.string()),
        ("title", pa.string()),
        ("description", pa.string()),
        ("description_html", pa.string()),
        ("bullets", pa.list_(pa.string())),
        ("keywords", pa.string()),  # with commas
        ("state", pa.string()),  # accepted | suggested (something waits) | rejected | kept | none
        ("engine", pa.string()),
        ("reason", pa.string()),
        ("score_before", pa.float64()),
        ("score_after", pa.float64()),  # with all that is accepted or suggested
        ("source_hash", pa.string()),  # decisions hold as long as this is the same
        ("fields", pa.list_(_FIELD)),
        ("open", pa.string()),  # why a model is still to be asked; null where it is not
        ("made_at", pa.timestamp("us", "UTC")),  # rows that are taken over keep theirs
        ("revision", pa.string()),  # '' where it is open
        ("digest", pa.string()),  # of the accepted texts; null without
    ]
)
#: Columns of OPTIMIZED that stand in for those of a listing row.
LAID = ("title", "description", "description_html", "bullets", "keywords")

_MOST_SAID = 3
_OPTIONS = ("option1", "option2", "option3")
_TEXTS = ("title", "description", "description_html")


def batch_of(overlay: Table, index: int, of: Table, asset: str) -> pa.Table | None:
    """The overlay's rows for batch `index` of `fixed_products` (`of`); None for an overlay without rows.

    Raises PipelineError for one of another import."""
    if not overlay.rows:
        return None
    if overlay.metadata.get("import_id") != of.metadata.get("import_id") or overlay.batches != of.batches:
        raise PipelineError(f"{asset} is of another import than fixed_products; materialize {asset}, then listings again")
    return overlay.arrow_batch(index)


def digests(overlay: pa.Table | None, product_ids: pa.ChunkedArray) -> list[str | None]:
    """The digest of each product's row, None where there is none."""
    if overlay is None:
        return [None] * len(product_ids)
    found: list[str | None] = overlay["digest"].take(_rows(overlay, product_ids)).to_pylist()
    return found


def localized(products: pa.Table, variants: pa.Table, overlay: pa.Table | None) -> tuple[pa.Table, pa.Table]:
    """Products and variants (columns of the fixed tables) in the overlay's language, as far as it goes."""
    if overlay is None:
        return products, variants
    row = _rows(overlay, products["product_id"])
    for name in _TEXTS:
        products = _with(products, name, pc.coalesce(overlay[name].take(row), products[name]))
    words = _Words(overlay)
    for name in _OPTIONS:
        products = _with(products, f"{name}_name", words.of(products["product_id"], products[f"{name}_name"]))
        variants = _with(variants, name, words.of(variants["product_id"], variants[name]))
    return _with(products, "tags", words.of_lists(products["product_id"], products["tags"])), variants


def localized_attributes(product_ids: pd.Series, attributes: pd.Series, overlay: pa.Table | None) -> pd.Series:
    """The facts of listing rows (JSON objects, or null) with their values in the overlay's language."""
    if overlay is None:
        return attributes
    words: dict[str, dict[str, str]] = {
        key: {word["source"]: word["target"] for word in found}
        for key, found in zip(overlay["product_id"].to_pylist(), overlay["words"].to_pylist(), strict=True)
        if found
    }
    pairs = list(zip(product_ids.tolist(), attributes.tolist(), strict=True))
    said = {pair: _facts(pair[1], words[pair[0]]) for pair in set(pairs) if pair[0] in words and pair[1] is not pd.NA}
    return pd.Series([said.get(pair, pair[1]) for pair in pairs], index=attributes.index, dtype=attributes.dtype)


def untranslated(overlay: pa.Table) -> dict[str, str]:
    """Product id -> which of its texts stay in the store's language and why, the first few of them."""
    problems = zip(overlay["product_id"].to_pylist(), overlay["problems"].to_pylist(), strict=True)
    return {
        key: "; ".join(found[:_MOST_SAID]) + (f"; and {len(found) - _MOST_SAID} more" if len(found) > _MOST_SAID else "")
        for key, found in problems
        if found
    }


def lay(rows: pd.DataFrame, texts: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Listing rows, before a marketplace shapes them, with other texts: product id -> column of LAID -> its value."""
    if not texts:
        return rows
    laid, ids = rows.copy(deep=False), rows["product_id"].tolist()
    for name in LAID:
        if any(name in own for own in texts.values()):
            old = [None if missing else value for value, missing in zip(rows[name], rows[name].isna(), strict=True)]
            new = [
                texts[key][name] if key in texts and name in texts[key] else value for key, value in zip(ids, old, strict=True)
            ]
            laid[name] = pd.Series(new, index=rows.index, dtype=rows[name].dtype)
    return laid


def optimized(rows: pd.DataFrame, overlay: pa.Table | None) -> pd.DataFrame:
    """Listing rows, before a marketplace shapes them, with the accepted texts of an overlay (OPTIMIZED)."""
    if overlay is None:
        return rows
    accepted = overlay.filter(overlay["digest"].is_valid()).select(["product_id", *LAID]).to_pylist()
    texts = {row.pop("product_id"): {name: value for name, value in row.items() if value is not None} for row in accepted}
    return lay(rows, texts)


def _facts(text: str, words: Mapping[str, str]) -> str:
    facts: dict[str, Any] = orjson.loads(text)
    said = {
        name: [words.get(one, one) for one in value] if isinstance(value, list) else words.get(value, value)
        for name, value in facts.items()
    }
    return orjson.dumps(said, option=orjson.OPT_SORT_KEYS).decode()


class _Words:
    """Looks up words by product: equal words of two products may have been translated differently by people."""

    def __init__(self, overlay: pa.Table) -> None:
        words = overlay["words"].combine_chunks()
        flat = pc.list_flatten(words)
        owner = overlay["product_id"].combine_chunks().take(pc.list_parent_indices(words))
        self._keys = _key(owner, pc.struct_field(flat, "source"))
        self._targets = pc.struct_field(flat, "target")

    def of(self, product_ids: pa.ChunkedArray | pa.Array, texts: pa.ChunkedArray | pa.Array) -> pa.ChunkedArray | pa.Array:
        found = self._targets.take(pc.index_in(_key(product_ids, texts), value_set=self._keys))
        return pc.coalesce(found, texts)

    def of_lists(self, product_ids: pa.ChunkedArray, lists: pa.ChunkedArray) -> pa.Array:
        whole = lists.combine_chunks()
        owner = product_ids.combine_chunks().take(pc.list_parent_indices(whole))
        values = self.of(owner, pc.list_flatten(whole))
        counts = pc.list_value_length(whole).fill_null(0).to_numpy()
        offsets = pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int32())
        return pa.ListArray.from_arrays(offsets, values, mask=pc.is_null(whole))


def _key(product_ids: Any, texts: Any) -> Any:
    return pc.binary_join_element_wise(product_ids, texts, "\x1f")


def _rows(overlay: pa.Table, product_ids: pa.ChunkedArray) -> pa.Array:
    return pc.index_in(product_ids, value_set=overlay["product_id"].combine_chunks()).cast(pa.int64())


def _with(table: pa.Table, name: str, values: Any) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), name, values)
