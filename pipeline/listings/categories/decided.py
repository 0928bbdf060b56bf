"""Rows of `listing_categories` as people have decided since they were made: what is known at once, before the next export."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pipeline.listings.categories.decisions import Decisions
from pipeline.listings.categories.propose import keys_of, upwards

_NOW = {"confidence": 1.0, "status": "accepted", "engine": "choice"}
_GONE = {"category": None, "name": None, "confidence": None, "engine": None, "status": "none"}


def as_decided(
    row: Mapping[str, Any], decisions: Decisions, threshold: float, name_of: Callable[[str], str | None], again: str
) -> Mapping[str, Any]:
    """A row of review.COLUMNS with what was decided since; the row itself where nothing was. What has to be guessed anew has no
    category until then: `again` says how. `threshold` is the connection's category_confidence."""
    keys = keys_of(row)
    for scope, key in keys:
        chosen = decisions.accepted.get((scope, key))
        if chosen is not None:
            what = "this product" if scope == "product" else f'product type "{row["product_type"]}"'
            return _chosen(row, chosen, {**_NOW, "reason": f"chosen for {what}"}, name_of)
    if row["engine"] == "rule":
        return row
    branch = list(upwards(row["taxonomy"] or ""))
    refused = decisions.refuses([*keys, *(("taxonomy", key) for key in branch)])
    for key in branch:
        chosen = decisions.accepted.get(("taxonomy", key))
        if chosen is not None and chosen not in decisions.refuses(keys):
            sure = row["taxonomy_confidence"] or 0.0
            status = "accepted" if sure >= threshold else "suggested"
            found = {"confidence": sure, "status": status, "engine": "choice", "reason": f"chosen for {key}, where it belongs"}
            return _chosen(row, chosen, found, name_of)
    if row["engine"] == "choice":
        return {**row, **_GONE, "reason": f"what was chosen is forgotten; found anew with: {again}"}
    if row["category"] is not None and row["category"] in refused:
        return {**row, **_GONE, "reason": f"{row['category']} was rejected; guessed anew with: {again}"}
    return row


def _chosen(
    row: Mapping[str, Any], category: str, found: Mapping[str, Any], name_of: Callable[[str], str | None]
) -> Mapping[str, Any]:
    if row["engine"] == "choice" and row["category"] == category:
        return row
    return {**row, **found, "category": category, "name": name_of(category)}
