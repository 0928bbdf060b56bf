"""From proposals to what is suggested and accepted: field by field on top of each other, none that lowers the score of a listing.

A person's decision goes before a proposal; then the store's policy. What is accepted is judged again as it will be sold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.language.drafts import FIELDS, Draft, Product
from pipeline.listings.optimized import rules
from pipeline.listings.optimized.decisions import Recorded
from pipeline.listings.optimized.judge import Judge, Judged, columns_of
from pipeline.listings.overlays import LAID

_LEAST = 1e-6
#: What the marketplace's fixes take out, for people; the codes are those of quality/ruleset.
_FIXES = {
    "T06": "markup", "T09": "decoration", "T10": "repeated signs", "T11": "forbidden characters", "T12": "advertising",
    "T13": "addresses", "T14": "capitals", "T16": "repeated words", "T18": "length",
}  # fmt: skip
_MOST_PROBLEMS = 5


@dataclass(frozen=True)
class Proposal:
    """A product with its present texts, what rules and a model propose, and the decisions that hold."""

    product: Product
    before: Mapping[str, str]
    by_rules: Draft
    by_model: Draft | None
    decided: Sequence[Recorded]


def settle(
    judge: Judge, rows: pd.DataFrame, base: Judged, proposals: Sequence[Proposal], least_gain: float | None
) -> list[dict[str, Any]]:
    """Rows of OPTIMIZED without revision and digest. `least_gain`: from how many points on the policy accepts."""
    entries = {one.product.key: _entries(one) for one in proposals}
    engines = {one.product.key: one.by_model.engine for one in proposals if one.by_model is not None}
    owner = rows["product_id"].to_numpy()
    scores, changed = base.scores.copy(), base.changed
    passed: dict[str, dict[str, Any]] = {}
    for name in FIELDS:
        asked = {key: found[name] for key, found in entries.items() if name in found and found[name]["state"] != "rejected"}
        texts = {key: {**passed.get(key, {}), **columns_of(name, one["after"])} for key, one in asked.items() if one["after"]}
        if not texts:
            continue
        mine = np.isin(owner, list(texts))
        tried = judge.judge(rows[mine].reset_index(drop=True), texts)
        worst, mean = _differences(owner[mine], tried.scores - scores[mine])
        touched: dict[str, list[tuple[str, str]]] = {}
        for key, column, fix in tried.changed - changed:
            touched.setdefault(key, []).append((column, fix))
        refused = set()
        for key in texts:
            one = asked[key]
            fixes = sorted({fix for column, fix in touched.get(key, ()) if column in texts[key]})
            if worst[key] < -_LEAST:
                _refuse(one, f"the score would fall by {-worst[key]:.2f} points")
            elif fixes and one["state"] != "accepted":
                _refuse(one, f"the marketplace's rules would change it: {', '.join(_FIXES.get(fix, fix) for fix in fixes)}")
            elif one["engine"] == rules.ENGINE and mean[key] <= _LEAST and one["state"] != "accepted":
                if one["problems"]:  # of what the model wrote before the rules did
                    one |= {"state": "kept", "after": None, "engine": engines[key]}
                else:
                    del entries[key][name]  # nothing is gained, nothing to look at
            else:
                one["gain"] = round(mean[key], 2)
                passed[key] = texts[key]
                continue
            refused.add(key)
        kept = ~np.isin(owner[mine], list(refused))
        places = np.flatnonzero(mine)[kept]
        scores[places] = tried.scores[kept]
        changed |= tried.changed
    before, after = base.means(), Judged(base.rows, scores, changed).means()
    found = []
    for proposal in proposals:
        key = proposal.product.key
        own = [entries[key][name] for name in FIELDS if name in entries[key]]
        if least_gain is not None and after[key] - before[key] >= least_gain:
            doubtful = _doubts(proposal)
            for one in own:
                if one["state"] == "suggested" and one["gain"] is not None and one["field"] not in doubtful:
                    one |= {"state": "accepted", "who": "policy", "why": f"score_gain >= {least_gain:g}"}
        found.append(_row(proposal, own, before[key], after[key]))
    return _safe(judge, rows, base, found)


def _entries(proposal: Proposal) -> dict[str, dict[str, Any]]:
    """By field: what people decided, else what the model proposes, else what the rules do."""
    decided = {one.field: one for one in proposal.decided}
    model, by_rules = proposal.by_model, proposal.by_rules
    found: dict[str, dict[str, Any]] = {}
    for name in FIELDS:
        problems = [*_doubts(proposal).get(name, ()), *model.problems.get(name, ())] if model is not None else []
        draft = model if model is not None and name in model.texts else by_rules if name in by_rules.texts else None
        entry: dict[str, Any] = {
            "field": name, "before": proposal.before[name], "after": draft.texts[name] if draft else None,
            "engine": draft.engine if draft else model.engine if model else by_rules.engine,
            "reason": draft.reason if draft else "", "state": "suggested" if draft else "kept", "gain": None,
            "problems": problems[:_MOST_PROBLEMS], "who": None, "why": None, "decided_at": None,
        }  # fmt: skip
        if name in decided:
            one = decided[name]
            if entry["after"] != one.value:
                entry["reason"] = ""  # it is another text's
            entry |= {
                "after": one.value, "engine": one.engine, "state": "accepted" if one.accepted else "rejected", "who": one.who,
                "why": one.why, "decided_at": one.decided_at,
            }  # fmt: skip
            found[name] = entry
        elif problems or (draft is not None and draft.texts[name] != proposal.before[name]):
            found[name] = entry
    return found


def _doubts(proposal: Proposal) -> Mapping[str, Sequence[str]]:
    """By field: why a person must see what the model wrote."""
    return proposal.by_model.doubts if proposal.by_model is not None else {}


def _differences(
    owner: npt.NDArray[Any], difference: npt.NDArray[np.float64]
) -> tuple[Mapping[str, float], Mapping[str, float]]:  # fmt: skip
    """The worst and the mean by product."""
    grouped = pd.Series(difference).groupby(owner)
    worst, mean = ({str(key): float(value) for key, value in found.items()} for found in (grouped.min(), grouped.mean()))
    return worst, mean


def _refuse(entry: dict[str, Any], why: str) -> None:
    """The source's text stays; `after` still shows what was refused."""
    entry |= {"state": "kept", "problems": [why, *entry["problems"]][:_MOST_PROBLEMS], "gain": None}


def _row(proposal: Proposal, own: Sequence[dict[str, Any]], before: float, after: float) -> dict[str, Any]:
    states = {one["state"] for one in own}
    first = next((state for state in ("suggested", "accepted", "rejected", "kept") if state in states), "none")
    used = [one for one in own if one["state"] in ("accepted", "suggested")]
    texts: dict[str, Any] = {}
    for one in own:
        if one["state"] == "accepted" and one["after"]:
            texts |= columns_of(one["field"], one["after"])
    return {
        "product_id": proposal.product.key,
        **texts,
        "state": first,
        "engine": ", ".join(sorted({one["engine"] for one in used})) or None,
        "reason": next((one["reason"] for one in used if one["reason"]), None),
        "score_before": before,
        "score_after": after,
        "source_hash": proposal.product.source_hash,
        "fields": list(own),
    }


def _safe(judge: Judge, rows: pd.DataFrame, base: Judged, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Accepted texts may be fewer than those that were judged together: without the others they may not lower the score."""
    texts = {row["product_id"]: {name: row[name] for name in LAID if row.get(name) is not None} for row in found}
    texts = {key: own for key, own in texts.items() if own}
    if not texts:
        return found
    owner = rows["product_id"].to_numpy()
    mine = np.isin(owner, list(texts))
    tried = judge.judge(rows[mine].reset_index(drop=True), texts)
    worst, _ = _differences(owner[mine], tried.scores - base.scores[mine])
    for row in found:
        if worst.get(row["product_id"], 0.0) < -_LEAST:
            for name in LAID:
                row.pop(name, None)
            for one in row["fields"]:
                if one["state"] == "accepted":
                    _refuse(one, "without the fields that are not accepted the score would fall")
            row["state"] = "suggested" if any(one["state"] == "suggested" for one in row["fields"]) else "kept"
    return found
