"""The quality stage: catalog tables in, fixed tables, change log, issues and scores out, batch by batch.

The source tables are never changed. Products that are as they were in the run before keep its rows; the result is the same as
that of a full run. The verdict says whether the tables as a whole may be used; a bad row never decides that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.catalog.normalize import shrink_problem
from pipeline.model.errors import PipelineError
from pipeline.model.quality import RuleSet
from pipeline.platform.tables import BATCH_PRODUCTS, BATCH_VARIANTS, StagedTable, Table, TableWriter, to_arrow, to_frame, writers
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
        for index, tables in enumerate(job.batches(products, variants), 1):
            _write(tables, out)
            progress(index / products.batches, f"{job.counts.products:,} of {products.rows:,} products checked")
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


@dataclass(frozen=True)
class _Batch:
    """A batch of the catalog: order and lines of its products, the row group of the run before that each is taken over from
    (null: none), and `products` and `variants` that are to be judged."""

    order: pd.DataFrame
    lines: pd.DataFrame
    groups: Sequence[int | None]
    products: pd.DataFrame
    variants: pd.DataFrame
    revisions: Sequence[str]


class _Job:
    """One run: where it stands in the store-wide facts, and what it counted so far."""

    def __init__(self, ruleset: RuleSet, facts: StoreFacts, reusable: Reusable) -> None:
        self.facts = facts
        self.reusable = reusable
        self.engine = Engine(ruleset, facts.context)
        self.counts = Counts()
        self.failures: list[FixFailure] = []
        self.skus: set[str | None] = set()  # in lower case
        self._product = self._variant = 0

    def batches(self, products: Table, variants: Table) -> Iterator[dict[str, pa.Table]]:
        """The five tables of each batch of products.

        Where few products changed, those of several batches are judged at once: most of what the engine costs on a few rows
        does not depend on their number.
        """
        waiting: list[_Batch] = []
        for index in range(products.batches):
            waiting.append(self._read(products.batch(index), variants.batch(index)))
            fresh = sum(len(batch.products) for batch in waiting), sum(len(batch.variants) for batch in waiting)
            enough = 2 * fresh[0] >= BATCH_PRODUCTS or 2 * fresh[1] >= BATCH_VARIANTS
            if enough or not fresh[0] or index + 1 == products.batches:
                yield from self._judge(waiting)
                waiting = []

    def _read(self, products: pd.DataFrame, variants: pd.DataFrame) -> _Batch:
        revisions = self.facts.revisions.slice(self._product, len(products)).to_pylist()
        for name in _FACTS:
            column = getattr(self.facts, name).slice(self._variant, len(variants))
            variants[name] = to_frame(pa.table({name: column}))[name]
        self._product += len(products)
        self._variant += len(variants)
        order, lines = products[["product_id", "line"]], variants[["line"]]
        groups = self.reusable.choose(products["product_id"].tolist(), revisions)
        fresh = np.array([group is None for group in groups], dtype=bool)
        if not fresh.all():
            products = products[fresh]
            variants = variants[variants["product_id"].isin(products["product_id"]).to_numpy(dtype=bool)]
            revisions = [revision for revision, group in zip(revisions, groups, strict=True) if group is None]
        return _Batch(order, lines, groups, products, variants, revisions)

    def _judge(self, batches: Sequence[_Batch]) -> Iterator[dict[str, pa.Table]]:
        changed = [batch for batch in batches if len(batch.products)]
        judged = {name: schema.empty_table() for name, schema in SCHEMAS.items()}
        if changed:
            judged = self._compute(
                _joined([batch.products for batch in changed]),
                _joined([batch.variants for batch in changed]),
                [revision for batch in changed for revision in batch.revisions],
            )
        for batch in batches:
            tables = judged
            if len(batches) > 1:
                own = pa.array(batch.products["product_id"].array)
                tables = {name: table.filter(pc.is_in(table["product_id"], value_set=own)) for name, table in judged.items()}
            reused = self.reusable.rows(batch.order["product_id"].tolist(), batch.groups)
            if reused:
                tables = {name: pa.concat_tables([reused[name], tables[name]]) for name in SCHEMAS}
                tables = _ordered(tables, batch.order, batch.lines)
            self.counts.reused += len(batch.order) - len(batch.products)
            self.counts.add(tables)
            self.skus.update(pc.utf8_lower(tables["fixed_variants"]["sku"]).to_pylist())
            yield tables

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
        return {
            "fixed_products": to_arrow(fixed, SCHEMAS["fixed_products"]),
            "fixed_variants": to_arrow(found.variants.drop(columns=list(_FACTS)), SCHEMAS["fixed_variants"]),
            **{f"product_{name}": table for name, table in found.tables.items()},
        }


def _joined(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    return frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)


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
    if None in job.skus or len(job.skus) != counts.variants:
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
