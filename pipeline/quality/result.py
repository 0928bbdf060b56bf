"""From the outcomes of the rules to the tables of issues and scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.model.quality import DIMENSION_WEIGHTS, Rule, Severity
from pipeline.quality.changes import as_text
from pipeline.quality.context import Context
from pipeline.quality.masks import Degree, Mask
from pipeline.quality.masks.base import arrow, is_list
from pipeline.quality.schema import ISSUES, SCORES
from pipeline.quality.score import NOT_APPLICABLE, Score, Weighing, floored, score

#: Longest excerpt of a value in an issue.
VALUE_CHARACTERS = 120


@dataclass(frozen=True)
class Outcome:
    """What one rule found on the rows of its level; `applies` null means on all."""

    degree: Degree
    applies: Mask | None


@dataclass(frozen=True)
class Judged:
    issues: pa.Table
    scores: pa.Table


class Results:
    """Turns outcomes into issues and scores, and remembers the score of each pattern from batch to batch."""

    def __init__(self, rules: Sequence[Rule], context: Context) -> None:
        self.rules = rules
        self.severities: list[Severity] = [
            next((severity for flag, severity in rule.severity_when.items() if flag in context.flags), rule.severity)
            for rule in rules
        ]
        self._known: dict[tuple[bytes, tuple[int, ...]], Score] = {}
        self._texts = [
            pa.array(texts, pa.string())
            for texts in (
                [rule.code for rule in rules],
                [rule.dimension for rule in rules],
                self.severities,
                [rule.field for rule in rules],
                [rule.message for rule in rules],
                [rule.hint for rule in rules],
            )
        ]

    def collect(
        self,
        products: pd.DataFrame,
        variants: pd.DataFrame,
        product_rows: npt.NDArray[np.int64],
        outcomes: Sequence[Outcome],
    ) -> Judged:
        """`outcomes` in the order of the rules. Rows of `variants` have scores; a product without rows only has issues."""
        count = len(variants)
        empty = np.setdiff1d(np.arange(len(products)), product_rows)
        rows_of_products = np.concatenate([product_rows, empty])
        patterns = np.full((count + len(empty), len(self.rules)), NOT_APPLICABLE, dtype=np.int8)
        for index, (rule, outcome) in enumerate(zip(self.rules, outcomes, strict=True)):
            values = outcome.degree.numerator.astype(np.int8)
            if outcome.applies is not None:
                values = np.where(outcome.applies, values, np.int8(NOT_APPLICABLE))
            if rule.level == "product":
                patterns[:, index] = values[rows_of_products]
            else:
                patterns[:count, index] = values
        denominators = tuple(outcome.degree.denominator for outcome in outcomes)
        unique, inverse = _unique_rows(patterns)
        scores = [self._score(pattern, denominators) for pattern in unique]
        issues = self._issues(products, variants, product_rows, patterns, inverse, scores, denominators)
        return Judged(issues, _score_table(variants, inverse[:count], scores))

    def _score(self, pattern: npt.NDArray[np.int8], denominators: tuple[int, ...]) -> Score:
        key = (pattern.tobytes(), denominators)
        if key not in self._known:
            weighings = [
                Weighing(rule.dimension, severity, rule.weight, denominator)
                for rule, severity, denominator in zip(self.rules, self.severities, denominators, strict=True)
            ]
            self._known[key] = score(weighings, pattern.tolist())
        return self._known[key]

    def _issues(
        self,
        products: pd.DataFrame,
        variants: pd.DataFrame,
        product_rows: npt.NDArray[np.int64],
        patterns: npt.NDArray[np.int8],
        inverse: npt.NDArray[np.int64],
        scores: Sequence[Score],
        denominators: tuple[int, ...],
    ) -> pa.Table:
        first_row = np.zeros(len(products), np.int64)
        every = np.concatenate([product_rows, np.setdiff1d(np.arange(len(products)), product_rows)])
        first_row[every[::-1]] = np.arange(len(every))[::-1]
        chunks = []
        for index, rule in enumerate(self.rules):
            level = patterns[first_row, index] if rule.level == "product" else patterns[: len(variants), index]
            rows = np.flatnonzero((level != NOT_APPLICABLE) & (level != denominators[index]))
            if len(rows):
                frame = products if rule.level == "product" else variants
                shown = arrow(frame[rule.shows or rule.field]).take(pa.array(rows))
                chunks.append(_Open(index, rule.level == "product", rows, _excerpts(shown)))
        if not chunks:
            return ISSUES.empty_table()
        rules = np.concatenate([np.full(len(chunk.rows), chunk.rule) for chunk in chunks])
        product = np.concatenate([chunk.rows if chunk.of_product else product_rows[chunk.rows] for chunk in chunks])
        variant = np.concatenate([np.full(len(chunk.rows), -1) if chunk.of_product else chunk.rows for chunk in chunks])
        order = np.lexsort((rules, variant, product))
        rules, product, variant = rules[order], product[order], variant[order]
        of_variant = pa.array(variant, mask=variant < 0)
        lost = np.array([[float(points) for points in result.points_lost] for result in scores])
        judged = np.where(variant < 0, first_row[product], variant)
        codes, dimensions, severities, fields, messages, hints = (text.take(pa.array(rules)) for text in self._texts)
        sku = arrow(variants["sku"]).take(of_variant)
        if "sku" in products.columns:
            sku = pc.coalesce(sku, pc.if_else(pc.is_null(of_variant), arrow(products["sku"]).take(pa.array(product)), None))
        columns = [
            arrow(products["product_id"]).take(pa.array(product)),
            arrow(variants["variant_id"]).take(of_variant),
            sku,
            codes,
            dimensions,
            severities,
            fields,
            pa.concat_arrays([chunk.values for chunk in chunks]).take(pa.array(order)),
            messages,
            hints,
            pa.array(lost[inverse[judged], rules]),
        ]
        return pa.Table.from_arrays(columns, schema=ISSUES)


@dataclass(frozen=True)
class _Open:
    """The rows where one rule is open, with excerpts of their values."""

    rule: int
    of_product: bool
    rows: npt.NDArray[np.int64]
    values: Any


def _excerpts(values: Any) -> Any:
    texts = pc.binary_join(values, ", ") if is_list(values) else as_text(values)
    return pc.utf8_slice_codeunits(texts, 0, VALUE_CHARACTERS)


def _unique_rows(patterns: npt.NDArray[np.int8]) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int64]]:
    """The distinct rows, and for each row which of them it is."""
    if not patterns.size:
        return patterns[:1], np.zeros(len(patterns), np.int64)
    keys = np.ascontiguousarray(patterns).view(np.dtype((np.void, patterns.shape[1]))).ravel()
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    return patterns[first], inverse.ravel()


def _score_table(variants: pd.DataFrame, inverse: npt.NDArray[np.int64], scores: Sequence[Score]) -> pa.Table:
    chosen = pa.array(inverse)

    def take(values: list[Any], kind: pa.DataType) -> pa.Array:
        return pa.array(values, kind).take(chosen)

    dimensions = [
        take([floored(s.dimensions[name]) if name in s.dimensions else None for s in scores], pa.float64())
        for name in DIMENSION_WEIGHTS
    ]
    columns = [
        *(arrow(variants[name]) for name in ("product_id", "variant_id", "sku")),
        take([floored(s.score) for s in scores], pa.float64()),
        take([s.display for s in scores], pa.int32()),
        take([floored(s.base) for s in scores], pa.float64()),
        take([s.worst for s in scores], pa.string()),
        *dimensions,
    ]
    return pa.Table.from_arrays(columns, schema=SCORES)
