"""The quality stage: catalog tables in, fixed tables, change log, issues and scores out, batch by batch.

The source tables are never changed. Products that are as they were in the run before keep its rows; the result is the same as
that of a full run. The verdict says whether the tables as a whole may be used; a bad row never decides that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.catalog.normalize import shrink_problem
from pipeline.model.errors import PipelineError
from pipeline.model.quality import RuleSet
from pipeline.platform.tables import StagedTable, Table, TableWriter, to_arrow, to_frame, writers
from pipeline.quality.engine import Engine, FixFailure
from pipeline.quality.facts import StoreFacts, learn
from pipeline.quality.reuse import Reusable
from pipeline.quality.ruleset import load_ruleset
from pipeline.quality.schema import SCHEMAS
from pipeline.quality.score import PUBLISHABLE

CATALOG_RULES = Path(__file__).parent / "catalog.yaml"

Progress = Callable[[float, str], None]
_FACTS = ("assigned_sku", "shared_sku")


@dataclass(frozen=True)
class PreviousTables:
    """The tables of an earlier run of this store, by the names of `quality.schema.SCHEMAS`."""

    tables: Mapping[str, Table]


@dataclass
class Counts:
    """What a run found; `histogram` counts variants by ten points of score."""

    products: int = 0
    variants: int = 0
    reused: int = 0  # products
    issues: Counter[str] = field(default_factory=Counter)  # by severity
    rules: Counter[str] = field(default_factory=Counter)
    fixes: Counter[str] = field(default_factory=Counter)
    histogram: list[int] = field(default_factory=lambda: [0] * 10)
    publishable: int = 0  # variants
    score_sum: float = 0.0

    @property
    def score_mean(self) -> float | None:
        return round(self.score_sum / self.variants, 2) if self.variants else None

    def add(self, tables: Mapping[str, pa.Table]) -> None:
        """Count the finished rows of a batch."""
        self.products += len(tables["fixed_products"])
        self.variants += len(tables["fixed_variants"])
        for counter, column in (
            (self.issues, tables["product_issues"]["severity"]),
            (self.rules, tables["product_issues"]["rule"]),
            (self.fixes, tables["product_fixes"]["fix"]),
        ):
            counter.update({row["values"]: row["counts"] for row in pc.value_counts(column).to_pylist()})
        display = tables["product_scores"]["display"].to_numpy()
        self.histogram = [
            old + int(new)
            for old, new in zip(self.histogram, np.bincount(np.minimum(display // 10, 9), minlength=10), strict=True)
        ]
        self.publishable += int((display >= PUBLISHABLE).sum())
        self.score_sum += pc.sum(tables["product_scores"]["score"], min_count=0).as_py()


@dataclass(frozen=True)
class Verdict:
    """Whether later stages may use the tables; `problems` say why not, `notes` what an operator should know anyway."""

    passed: bool
    problems: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class QualityResult:
    """Staged tables by the names of `quality.schema.SCHEMAS`, all of one import."""

    tables: Mapping[str, StagedTable]
    import_id: str
    version: str
    counts: Counts
    verdict: Verdict


def run_quality(
    products: Table,
    variants: Table,
    folder: Path,
    *,
    store_key: str,
    currency: str,
    language: str,
    previous: PreviousTables | None = None,
    baseline: int | None = None,
    flags: frozenset[str] = frozenset(),
    progress: Progress = lambda share, message: None,
) -> QualityResult:
    """Fix, judge and score a catalog; `progress` gets the share done and a sentence after each batch.

    `baseline` is the number of products in the last import that passed (null: there was none, or shrinking is accepted).

    Raises PipelineError for products and variants of different imports, RuntimeError for a broken rule or fix.
    """
    import_id = _one_import(products, variants)
    ruleset = load_ruleset(CATALOG_RULES)
    facts = learn(products, variants, store=store_key, language=language, currency=currency, version=ruleset.version, flags=flags)
    job = _Job(ruleset, facts, Reusable(previous.tables if previous else None, "fixed_products"))
    with writers(folder, SCHEMAS, {"import_id": import_id, "version": ruleset.version}) as out:
        for index in range(products.batches):
            _write(job.batch(products.batch(index), variants.batch(index)), out)
            progress((index + 1) / products.batches, f"{job.counts.products:,} of {products.rows:,} products checked")
    verdict = _verdict(products.rows, variants.rows, job, baseline or 0)
    return QualityResult({name: w.staged for name, w in out.items()}, import_id, ruleset.version, job.counts, verdict)


def _one_import(products: Table, variants: Table) -> str:
    first, second = (table.metadata.get("import_id", "") for table in (products, variants))
    if first != second:
        older = "products" if first < second else "variants"
        raise PipelineError(
            f"products and variants are of different imports ({first or 'none'} and {second or 'none'}); "
            f"materialize {older}, then this again"
        )
    if products.batches != variants.batches:
        raise PipelineError("products and variants were not written together; materialize products and variants again")
    return first


def _write(tables: Mapping[str, pa.Table], out: Mapping[str, TableWriter]) -> None:
    for name, writer in out.items():
        writer.write(tables[name])


class _Job:
    """One run: where it stands in the store-wide facts, and what it counted so far."""

    def __init__(self, ruleset: RuleSet, facts: StoreFacts, reusable: Reusable) -> None:
        self.facts = facts
        self.reusable = reusable
        self.engine = Engine(ruleset, facts.context)
        self.counts = Counts()
        self.failures: list[FixFailure] = []
        self.skus: list[pa.Array] = []
        self._product = self._variant = 0

    def batch(self, products: pd.DataFrame, variants: pd.DataFrame) -> dict[str, pa.Table]:
        """The five tables for one batch of products."""
        revisions = self.facts.revisions.slice(self._product, len(products)).to_pylist()
        for name in _FACTS:
            column = getattr(self.facts, name).slice(self._variant, len(variants))
            variants[name] = to_frame(pa.table({name: column}))[name]
        self._product += len(products)
        self._variant += len(variants)
        taken, reused = self.reusable.take(products["product_id"].tolist(), revisions)
        mask = np.array(taken, dtype=bool)
        if not mask.any():
            tables = self._compute(products, variants, revisions)
        elif mask.all():
            tables = reused
        else:
            fresh = variants["product_id"].isin(products["product_id"][~mask]).to_numpy(dtype=bool)
            computed = self._compute(
                products[~mask], variants[fresh], [revision for revision, old in zip(revisions, taken, strict=True) if not old]
            )
            tables = {name: pa.concat_tables([reused[name], computed[name]]) for name in SCHEMAS}
        if mask.any():
            tables = _ordered(tables, products, variants)
        self.counts.reused += int(mask.sum())
        self.counts.add(tables)
        self.skus.append(pc.utf8_lower(tables["fixed_variants"]["sku"]))
        return tables

    def _compute(self, products: pd.DataFrame, variants: pd.DataFrame, revisions: Sequence[str]) -> dict[str, pa.Table]:
        found = self.engine.evaluate(products, variants)
        self.failures += found.failures
        failed = {failure.product_id for failure in found.failures}
        # A product that a fix failed on is tried again in the next run, whatever its source says.
        marked = [
            f"{revision}!" if product_id in failed else revision
            for product_id, revision in zip(products["product_id"].tolist(), revisions, strict=True)
        ]
        fixed = found.products.assign(revision=pd.array(marked, dtype="string[pyarrow]"))
        frames = {
            "fixed_products": fixed,
            "fixed_variants": found.variants.drop(columns=list(_FACTS)),
            "product_fixes": found.fixes,
            "product_issues": found.issues,
            "product_scores": found.scores,
        }
        return {name: to_arrow(frame, SCHEMAS[name]) for name, frame in frames.items()}


def _ordered(tables: Mapping[str, pa.Table], products: pd.DataFrame, variants: pd.DataFrame) -> dict[str, pa.Table]:
    """Rows in the order of the products, and `line` of the present source: lines move without a change of the product."""
    order = pa.array(products["product_id"].array)
    result = {}
    for name, table in tables.items():
        rank = pc.index_in(table["product_id"], value_set=order).to_numpy()
        if (np.diff(rank) < 0).any():
            table = table.take(pa.array(np.argsort(rank, kind="stable")))
        lines = {"fixed_products": products, "fixed_variants": variants}.get(name)
        if lines is not None:
            index = table.schema.get_field_index("line")
            table = table.set_column(index, table.schema.field(index), pa.array(lines["line"].array))
        result[name] = table
    return result


def _verdict(products: int, variants: int, job: _Job, before: int) -> Verdict:
    counts, problems, notes = job.counts, list[str](), list[str]()
    if (counts.products, counts.variants) != (products, variants):
        problems.append(
            f"{products} products and {variants} variants went in, {counts.products} and {counts.variants} came out; "
            "report this as a bug"
        )
    if job.facts.repeated_variants:
        problems.append(
            f"{len(job.facts.repeated_variants)} variant ids occur more than once, for example {job.facts.repeated_variants[0]}; "
            "materialize variants again"
        )
    skus = pa.chunked_array(job.skus, pa.string())
    if skus.null_count or pc.count_distinct(skus).as_py() != len(skus):
        problems.append("SKUs are missing or not unique after the fixes; report this as a bug")
    shrunk = shrink_problem(before, counts.products)
    if shrunk:
        problems.append(shrunk)
    for name, count in sorted(Counter(failure.fix for failure in job.failures).items()):
        first = next(failure for failure in job.failures if failure.fix == name)
        notes.append(
            f"fix {name} failed on {count} values, which were left as they are, for example {first.field} of product "
            f"{first.product_id}: {first.error}"
        )
    return Verdict(not problems, tuple(problems), tuple(notes))
