"""Ready or blocked: what the rules say of a row, what the whole family makes of it, and the sentence an operator reads."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.listings.diff import among
from pipeline.listings.findings import Finding
from pipeline.model.quality import BLOCKING, SEVERITIES, RuleSet
from pipeline.platform.tables import empty_frame
from pipeline.quality.schema import ISSUES

_TEXT = pd.StringDtype("pyarrow")
#: What an open error takes from a score (reference quality.md 3: 70 + 0.3 base becomes 40 + 0.3 base).
_ERROR_COSTS = 30

Mask = npt.NDArray[np.bool_]


def with_findings(
    rows: pd.DataFrame, issues: pd.DataFrame, scores: pd.DataFrame, findings: list[Finding]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """`issues` and `scores` of the rules, completed by the findings.

    A finding weighs nothing within its dimension, so points lost still add up; an error moves the score into its band.
    """
    hit = np.zeros(len(rows), dtype=bool)
    found = [issues]
    for finding in findings:
        mask = finding.messages.notna().to_numpy("bool")
        if mask.any():
            found.append(_issues(rows[mask], finding, finding.messages[mask]))
            hit |= mask & (finding.severity in BLOCKING)
    if len(found) > 1:
        issues = pd.concat(found, ignore_index=True)
    if not hit.any():
        return issues, scores
    fresh = hit & ~scores["worst"].isin(BLOCKING).to_numpy("bool")
    scores = scores.copy()
    scores.loc[fresh, "score"] = (scores.loc[fresh, "score"] - _ERROR_COSTS).round(2)
    scores.loc[fresh, "display"] -= _ERROR_COSTS
    scores.loc[fresh, "worst"] = "error"
    return issues, scores


def _issues(rows: pd.DataFrame, finding: Finding, messages: pd.Series) -> pd.DataFrame:
    frame = rows[["product_id", "variant_id", "sku"]].assign(
        rule=finding.rule, dimension=finding.dimension, severity=finding.severity, field=finding.field, value=None,
        message=messages, hint=finding.hint, points_lost=0.0,
    )  # fmt: skip
    return pd.DataFrame(frame[ISSUES.names]).astype(empty_frame(ISSUES).dtypes.to_dict())


def status_and_reason(rows: pd.DataFrame, issues: pd.DataFrame, scores: pd.DataFrame, ruleset: RuleSet) -> pd.DataFrame:
    """`status` (ready | blocked) and `reason` of each row; `rows` are whole products, a parent directly before its children.

    A row with an open critical or error is blocked. A blocked parent blocks its children, because there is nothing to join;
    a blocked child does not block its siblings; a parent without any ready child is blocked.
    """
    own = scores["worst"].isin(BLOCKING).to_numpy("bool")
    reason = _reasons(rows, issues, {rule.code for rule in ruleset.rules if rule.level == "product"})
    is_parent, is_child = (rows["role"].eq(role).to_numpy("bool") for role in ("parent", "child"))
    parent = np.maximum.accumulate(np.where(is_parent, np.arange(len(rows)), 0))

    by_parent = is_child & ~own & own[parent]
    blocked = own | by_parent
    ready_children = np.bincount(parent[is_child & ~blocked], minlength=len(rows))
    childless = is_parent & ~own & (ready_children == 0)

    by_family = np.flatnonzero(by_parent | childless)
    cause = np.where(by_parent, parent, np.arange(len(rows)) + 1)[by_family]
    sentences = np.where(
        by_parent, "The parent listing of its family is blocked", "None of its variants can be listed; the first one"
    )
    reason.iloc[by_family] = [
        f"{sentence}: {text}" for sentence, text in zip(sentences[by_family], reason.iloc[cause].tolist(), strict=True)
    ]
    status = pc.if_else(pa.array(blocked | childless), "blocked", "ready")
    return pd.DataFrame({"status": pd.array(status, _TEXT), "reason": reason}, index=rows.index)


def _reasons(rows: pd.DataFrame, issues: pd.DataFrame, product_rules: set[str]) -> pd.Series:
    """The blocking messages of each row, most severe first, null where there are none."""
    blocking = issues[issues["severity"].isin(BLOCKING)]
    if blocking.empty:
        return pd.Series(pd.NA, index=rows.index, dtype=_TEXT)
    rank: Mapping[str, int] = {severity: number for number, severity in enumerate(SEVERITIES)}
    of_product = blocking["rule"].isin(product_rules)
    numbered = pd.DataFrame({"row": np.arange(len(rows)), "sku": rows["sku"].array, "product_id": rows["product_id"].array})
    numbered = numbered[among(numbered["product_id"], blocking["product_id"])]
    columns = ["severity", "message"]
    found = pd.concat(
        [
            numbered.merge(blocking.loc[of_product, ["product_id", *columns]], on="product_id"),
            numbered.merge(blocking.loc[~of_product, ["sku", *columns]], on="sku"),
        ]
    )
    order = np.lexsort((found["severity"].map(rank).to_numpy("int64"), found["row"].to_numpy()))
    found = found.iloc[order].drop_duplicates(["row", "message"])
    sizes = np.bincount(found["row"].to_numpy(), minlength=len(rows))
    offsets = pa.array(np.concatenate([[0], np.cumsum(sizes)]), pa.int32())
    messages = pa.array(found["message"], pa.string(), from_pandas=True)
    lists = pa.ListArray.from_arrays(offsets, messages.combine_chunks() if isinstance(messages, pa.ChunkedArray) else messages)
    joined = pc.binary_join(lists, " ")
    return pd.Series(pd.array(pc.if_else(pc.equal(joined, ""), None, joined), dtype=_TEXT), index=rows.index)
