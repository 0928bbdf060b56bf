"""The quality engine: fixes and rules of a rule set over product-aligned frames. pandera runs them.

`products` has one row a product_id; rows of `variants` link by product_id and have variant_id (may be null) and sku; other
columns pass through. For listings pass the first row of each product as `products` and all rows as `variants`: a product
fix then also changes the rows of the product that have the same value.

From the declarations a pandera schema is built for each level, once: its parsers are the fixes, its checks are the rules,
read back as the row masks of `SchemaError.check_output`. A check that raises is a bug and stops the run with the rule's code.
A fix that raises on a row leaves that row as it was and is reported in `Evaluation.failures`; other rows and fixes go on.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.model.errors import PipelineError
from pipeline.model.quality import FixStep, Level, Rule, RuleSet
from pipeline.platform.tables import to_frame
from pipeline.quality.changes import changed_rows, log_entries
from pipeline.quality.context import Context
from pipeline.quality.fixes import FIXES
from pipeline.quality.masks import CHECKS, Degree, Mask
from pipeline.quality.masks.base import arrow
from pipeline.quality.result import Outcome, Results
from pipeline.quality.ruleset import CONTEXT_KEYS
from pipeline.quality.schema import FIXES as FIXES_SCHEMA

__all__ = ["Context", "Engine", "Evaluation", "FixFailure", "evaluate"]

#: A fix that fails on more rows of a batch than this is broken, not unlucky.
MAX_FIX_FAILURES = 100


@dataclass(frozen=True)
class FixFailure:
    """A fix that raised on one row; the row kept its value."""

    fix: str
    field: str
    product_id: str
    error: str


@dataclass(frozen=True)
class Evaluation:
    """`products` and `variants` after the fixes (same rows and order, plus derived columns); `fixes`, `issues` and `scores`
    have the schemas of `quality/schema`, in the order of the products, and are in `tables` in Arrow by these names."""

    products: pd.DataFrame
    variants: pd.DataFrame
    tables: Mapping[str, pa.Table]
    failures: tuple[FixFailure, ...]

    @property
    def fixes(self) -> pd.DataFrame:
        return to_frame(self.tables["fixes"])

    @property
    def issues(self) -> pd.DataFrame:
        return to_frame(self.tables["issues"])

    @property
    def scores(self) -> pd.DataFrame:
        return to_frame(self.tables["scores"])


def evaluate(ruleset: RuleSet, products: pd.DataFrame, variants: pd.DataFrame, context: Context) -> Evaluation:
    """Fix, judge and score one batch. For many batches keep an `Engine`."""
    return Engine(ruleset, context).evaluate(products, variants)


@dataclass
class _Run:
    """What one evaluation of one level collects."""

    log: list[pa.Table] = field(default_factory=list)
    touched: list[str] = field(default_factory=list)
    failures: list[FixFailure] = field(default_factory=list)
    degrees: dict[int, Degree] = field(default_factory=dict)
    applies: dict[int, Mask] = field(default_factory=dict)
    source: frozenset[str] = frozenset()


class Engine:
    """A rule set bound to a context; `evaluate` may be called for one batch after the other, by one thread."""

    def __init__(self, ruleset: RuleSet, context: Context) -> None:
        self.ruleset = ruleset
        self.context = context
        self.rules = [rule for rule in ruleset.rules if _in_context(rule, context)]
        self._results = Results(self.rules, context)
        self._run = _Run()
        self._schemas = {"product": self._schema("product"), "variant": self._schema("variant")}
        self._needs = [
            *((f"fix {step.fix}", step.level, _columns(step), step.params.get("text_to")) for step in ruleset.fixes),
            *((f"rule {rule.code}", rule.level, _columns(rule), None) for rule in self.rules),
        ]

    def _schema(self, level: Level) -> Any:
        pandera = _pandera()
        steps = [step for step in self.ruleset.fixes if step.level == level]
        return pandera.DataFrameSchema(
            parsers=[pandera.Parser(partial(self._fix, step)) for step in steps],
            checks=[
                pandera.Check(partial(self._check, index), name=rule.code, ignore_na=False, n_failure_cases=1)
                for index, rule in enumerate(self.rules)
                if rule.level == level
            ],
        )

    def evaluate(self, products: pd.DataFrame, variants: pd.DataFrame) -> Evaluation:
        """Raises PipelineError for a variant without its product or a column that a declaration needs and neither has."""
        products, variants = products.reset_index(drop=True), variants.reset_index(drop=True)
        product_rows = _product_rows(products, variants)
        fixed_products, product_run, product_outcomes = self._validate("product", products)
        inherited = [name for name in self.ruleset.inherit if name not in variants.columns]
        prepared = _with_product_fixes(products, fixed_products, variants, product_rows, product_run.touched)
        for name in inherited:
            prepared[name] = fixed_products[name].take(product_rows).set_axis(prepared.index)
        fixed_variants, variant_run, variant_outcomes = self._validate("variant", prepared)
        fixed_variants = fixed_variants.drop(columns=inherited)
        outcomes = product_outcomes | variant_outcomes
        judged = self._results.collect(
            fixed_products, fixed_variants, product_rows, [outcomes[i] for i in range(len(self.rules))]
        )
        return Evaluation(
            fixed_products,
            fixed_variants,
            {
                "fixes": _fix_table(products, product_run.log, variant_run.log),
                "issues": judged.issues,
                "scores": judged.scores,
            },
            (*product_run.failures, *variant_run.failures),
        )

    def _validate(self, level: Level, frame: pd.DataFrame) -> tuple[pd.DataFrame, _Run, dict[int, Outcome]]:
        pandera = _pandera()
        from pandera.config import ValidationDepth, config_context

        run = self._run = _Run(source=frozenset(frame.columns))
        self._require_columns(level, frame)
        failing: dict[str, Mask] = {}
        # The environment can switch pandera off; a store must not pass because of that.
        with config_context(validation_enabled=True, validation_depth=ValidationDepth.SCHEMA_AND_DATA):
            try:
                fixed = self._schemas[level].validate(frame.copy(deep=False), lazy=True, inplace=True)
            except pandera.errors.SchemaErrors as errors:
                fixed = errors.data
                for error in errors.schema_errors:
                    name = getattr(error.check, "name", None) or str(error.check)
                    if getattr(error.reason_code, "name", "") != "DATAFRAME_CHECK" or error.check_output is None:
                        raise RuntimeError(
                            f"rule {name} of {self.ruleset.name} is broken: {str(error).splitlines()[0]}"
                        ) from error
                    failing[name] = ~error.check_output.to_numpy(dtype=bool)
        outcomes = {}
        for index, rule in enumerate(self.rules):
            if rule.level == level:
                degree = run.degrees.get(index)
                if degree is None:
                    mask = failing.get(rule.code)
                    degree = Degree(np.ones(len(fixed), np.int64) if mask is None else (~mask).astype(np.int64), 1)
                outcomes[index] = Outcome(degree, run.applies.get(index))
        return fixed, run, outcomes

    def _require_columns(self, level: Level, frame: pd.DataFrame) -> None:
        known = set(frame.columns)
        for who, where, needed, derived in self._needs:
            if where != level:
                continue
            if missing := needed - known:
                raise PipelineError(
                    f"{who} of {self.ruleset.name} needs the column {min(missing)}, which the table does not have; "
                    "correct the rules file or the table"
                )
            known.add(str(derived))

    def _fix(self, step: FixStep, frame: pd.DataFrame) -> pd.DataFrame:
        """The parser of one step."""
        changes = self._safely(step, frame)
        if not changes:
            return frame
        fix, result = FIXES[step.fix], frame.copy(deep=False)
        for name, after in changes.items():
            if name in self._run.source:
                rows = changed_rows(frame[name], after)
                if not rows.any():
                    continue
                self._run.log.append(log_entries(frame, after, rows, name, step.fix, fix.fix_class, step.level == "product"))
            self._run.touched.append(name)
            result[name] = after
        return result

    def _safely(self, step: FixStep, frame: pd.DataFrame) -> dict[str, pd.Series[Any]]:
        """The fix, or where it raises: of each half, so that only the rows that it cannot fix stay as they are."""
        try:
            return FIXES[step.fix].function(frame, step.field, self.context, **step.params)
        except Exception as error:
            if len(frame) == 1:
                product_id = str(frame["product_id"].iloc[0])
                self._run.failures.append(FixFailure(step.fix, step.field, product_id, f"{type(error).__name__}: {error}"))
                if len(self._run.failures) > MAX_FIX_FAILURES:
                    raise RuntimeError(f"fix {step.fix} of {self.ruleset.name} is broken: {error}") from error
                return {}
        middle = len(frame) // 2
        halves = [frame.iloc[:middle], frame.iloc[middle:]]
        parts = [self._safely(step, half) for half in halves]
        return {
            name: pd.concat([part.get(name, half[name]) for half, part in zip(halves, parts, strict=True)])
            for name in sorted(set().union(*parts))
        }

    def _check(self, index: int, frame: pd.DataFrame) -> pd.Series[Any]:
        """The check of one rule: true where it is fulfilled or does not apply."""
        rule = self.rules[index]
        found = CHECKS[rule.check](frame, rule.field, self.context, **rule.params)
        if isinstance(found, Degree):
            self._run.degrees[index] = found
            found = found.numerator == found.denominator
        conditions = _conditions(rule)
        if conditions:
            applies = np.ones(len(frame), bool)
            for name, values in conditions:
                applies &= frame[name].isin(list(values)).to_numpy(dtype=bool, na_value=False)
            self._run.applies[index] = applies
            found = found | ~applies
        # Rows counted from 1: for an index other than the frame's pandera keeps the mask and collects no failure cases, which
        # nobody reads here and which cost as much as all the rest.
        return pd.Series(found, index=pd.RangeIndex(1, len(frame) + 1))


#: Parameters that name columns.
_COLUMN_PARAMS = ("other", "brand", "price", "text", "beside", "assigned", "fields", "any_of", "keep", "unless_in")


def _columns(declared: FixStep | Rule) -> set[str]:
    """The columns that a fix or rule reads."""
    names = {declared.field}
    if isinstance(declared, Rule) and declared.shows:
        names.add(declared.shows)
    for key in _COLUMN_PARAMS:
        value = declared.params.get(key) or ()
        names.update((value,) if isinstance(value, str) else value)
    if isinstance(declared, Rule):
        names.update(name for name, _ in _conditions(declared))
    return names


def _conditions(rule: Rule) -> list[tuple[str, tuple[str | bool, ...]]]:
    """The conditions of a rule that differ from row to row."""
    return [(name, values) for name, values in rule.when.items() if name not in CONTEXT_KEYS]


def _pandera() -> Any:
    """pandera, imported late because it is heavy. On import it sets a variable for Spark that makes pyarrow drop time zones in
    the whole process, unless it is set already."""
    os.environ.setdefault("PYARROW_IGNORE_TIMEZONE", "")
    import pandera.pandas

    return pandera.pandas


def _in_context(rule: Rule, context: Context) -> bool:
    """The conditions of a rule that are the same for all rows."""
    when = rule.when
    return (
        all(str(flag) in context.flags for flag in when.get("flag", ()))
        and not any(str(flag) in context.flags for flag in when.get("not_flag", ()))
        and ("language" not in when or context.primary_language in when["language"])
    )


def _product_rows(products: pd.DataFrame, variants: pd.DataFrame) -> npt.NDArray[np.int64]:
    """The row in `products` of each variant."""
    found = pc.index_in(arrow(variants["product_id"]), value_set=arrow(products["product_id"]))
    if found.null_count:
        orphan = variants["product_id"][pc.is_null(found).to_numpy(zero_copy_only=False)].iloc[0]
        raise PipelineError(f"a variant belongs to product {orphan}, which is not in this batch; materialize the catalog again")
    rows: npt.NDArray[np.int64] = found.to_numpy(zero_copy_only=False).astype(np.int64)
    return rows


def _with_product_fixes(
    before: pd.DataFrame, after: pd.DataFrame, variants: pd.DataFrame, product_rows: npt.NDArray[np.int64], touched: list[str]
) -> pd.DataFrame:
    """Variants whose own copy of a fixed product column follows the product, where it was the same before."""
    result = variants.copy(deep=False)
    for name in dict.fromkeys(touched):
        if name not in variants.columns or name not in before.columns:
            continue
        own, old = variants[name], before[name].take(product_rows).set_axis(variants.index)
        new = after[name].take(product_rows).set_axis(variants.index)
        follow = changed_rows(old, new) & ~changed_rows(own, old)
        if follow.any():
            result[name] = own.mask(follow, new)
    return result


def _fix_table(products: pd.DataFrame, *logs: list[pa.Table]) -> pa.Table:
    """One log in the order of the products; within a product in the order in which the fixes ran."""
    table = pa.concat_tables([FIXES_SCHEMA.empty_table(), *(entry for log in logs for entry in log)])
    rows = pc.index_in(table["product_id"], value_set=arrow(products["product_id"])).to_numpy()
    return table.take(pa.array(np.argsort(rows, kind="stable")))
