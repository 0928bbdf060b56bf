"""Listings of one store on one marketplace site: every variant of every sold product as one row, ready or blocked.

Goes batch by batch over tables written in lockstep, so memory does not grow with the catalog. Products whose revision is
that of the previous run are not computed again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from functools import cached_property
from hashlib import blake2b
from pathlib import Path

import numpy as np
import numpy.typing as npt
import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.listings.assortment import Collections, excluded
from pipeline.listings.categories import categorize
from pipeline.listings.families import parent_like, parent_skus
from pipeline.listings.price_facts import price_facts
from pipeline.listings.prices import Place, rate_doubts, site_prices
from pipeline.listings.reuse import revisions
from pipeline.listings.rows import listing_rows, owners
from pipeline.listings.schema import LISTINGS, SCHEMAS
from pipeline.listings.stock import quantity_to_send, stock_of
from pipeline.listings.verdict import Finding, status_and_reason, with_findings
from pipeline.marketplaces.base import Marketplace
from pipeline.model.errors import PipelineError
from pipeline.model.listing import Account, Site
from pipeline.model.quality import RuleSet, Severity
from pipeline.platform.tables import StagedTable, Table, TableWriter, to_arrow, to_frame, writers
from pipeline.quality.context import Context
from pipeline.quality.engine import Engine
from pipeline.quality.reuse import Reusable
from pipeline.quality.schema import FIXED_PRODUCTS, FIXED_VARIANTS
from pipeline.stores.export_settings import ExportSettings

#: Bump when this stage makes other rows from the same inputs.
VERSION = "2"
NO_VARIANTS = "no variants"
#: What listings are made from: the rows of the quality stage without what only other stages read.
PRODUCT_COLUMNS = [
    name for name in FIXED_PRODUCTS.names if name not in {"handle", "seo_title", "seo_description", "source_hash", "line"}
]
VARIANT_COLUMNS = [name for name in FIXED_VARIANTS.names if name not in {"position", "price_text", "requires_shipping", "line"}]

_TEXT = pd.StringDtype("pyarrow")
#: Columns of `site_prices` that are for people, and the rule that each becomes.
_OF_PRICES: tuple[tuple[str, str, Severity], ...] = (
    ("problem", "LISTING_PRICE", "error"), ("warning", "LISTING_PRICE_DOUBT", "warning"), ("note", "LISTING_PRICE_BOUND", "info"),
)  # fmt: skip


@dataclass(frozen=True)
class Recipe:
    """All that shapes the listings of a connection beside the catalog itself."""

    store: str  # key
    currency: str  # of the store's prices
    marketplace: Marketplace
    site: Site
    account: Account
    settings: ExportSettings
    ruleset: RuleSet
    today: date  # for the age of a currency rate

    @property
    def place(self) -> Place:
        return Place(self.site.key, self.site.currency, self.currency, self.today)

    @cached_property
    def context(self) -> Context:
        flags = frozenset({"gtin_exempt"} if self.settings.gtin_exempt else ())
        return Context(self.store, self.site.language, self.site.currency, flags)

    @cached_property
    def project_settings(self) -> Mapping[str, object]:
        return {**self.settings.model_dump(), **self.account.settings}

    @cached_property
    def fingerprint(self) -> bytes:
        """Changes when any product may come out differently."""
        facts = [
            VERSION, self.store, self.currency, self.marketplace.name, self.marketplace.version, asdict(self.site),
            asdict(self.account), self.settings.model_dump(mode="json"), self.ruleset.name, self.ruleset.version,
            rate_doubts(self.settings, self.place),
        ]  # fmt: skip
        return blake2b(orjson.dumps(facts, option=orjson.OPT_SORT_KEYS, default=str), digest_size=32).digest()


@dataclass
class Counts:
    """What a run did; `excluded` counts products by reason, `histogram` listings by ten points of score."""

    listings: int = 0
    ready: int = 0
    blocked: int = 0
    products: int = 0
    reused: int = 0  # products
    excluded: Counter[str] = field(default_factory=Counter)
    issues: Counter[str] = field(default_factory=Counter)  # by severity
    rules: Counter[str] = field(default_factory=Counter)
    fixes: Counter[str] = field(default_factory=Counter)
    histogram: list[int] = field(default_factory=lambda: [0] * 10)
    score_sum: float = 0.0

    @property
    def score_mean(self) -> float | None:
        return round(self.score_sum / self.listings, 2) if self.listings else None

    def add(self, tables: Mapping[str, pa.Table]) -> None:
        """Count the finished rows of a batch."""
        listings = tables["listings"]
        self.listings += len(listings)
        self.ready += pc.sum(pc.equal(listings["status"], "ready"), min_count=0).as_py()
        self.blocked = self.listings - self.ready
        self.products += len(pc.unique(listings["product_id"]))
        for counter, column in (
            (self.issues, tables["listing_issues"]["severity"]),
            (self.rules, tables["listing_issues"]["rule"]),
            (self.fixes, tables["listing_fixes"]["fix"]),
        ):
            counter.update({row["values"]: row["counts"] for row in pc.value_counts(column).to_pylist()})
        scores = tables["listing_scores"]
        self.score_sum += pc.sum(scores["score"], min_count=0).as_py()
        bins = np.minimum(scores["display"].to_numpy() // 10, 9)
        self.histogram = [old + int(new) for old, new in zip(self.histogram, np.bincount(bins, minlength=10), strict=True)]


@dataclass(frozen=True)
class ListingsResult:
    """Staged tables by the names of listings.schema.SCHEMAS, all of one import."""

    tables: Mapping[str, StagedTable]
    import_id: str
    counts: Counts


def build_listings(
    fixed_products: Table,
    fixed_variants: Table,
    inventory: Table,
    collections: Table,
    recipe: Recipe,
    folder: Path,
    *,
    previous: Mapping[str, Table] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ListingsResult:
    """Make the listings, their issues, scores and fixes; `progress` gets (batches done, batches in all).

    Each variant of a sold product is exactly one row, and each product of several variants has a parent row before them.
    Raises PipelineError for inputs of different imports, naming the asset to materialize; collections are only looked up in
    and may be of another one.
    """
    together = {"fixed_products": fixed_products, "fixed_variants": fixed_variants, "inventory": inventory}
    import_id = one_import(together)
    if len({table.batches for table in together.values()}) > 1:
        raise PipelineError("fixed_products, fixed_variants and inventory do not belong together; materialize them again")
    job = _Job(
        recipe,
        Collections(collections.arrow(["handle", "product_ids"])),
        parent_like(fixed_variants.arrow(["sku"])["sku"]),
        Engine(recipe.ruleset, recipe.context),
    )
    reusable, counts = Reusable(previous, "listings"), Counts()
    with writers(folder, SCHEMAS, {"import_id": import_id, "version": recipe.fingerprint.hex()}) as out:
        for index in range(fixed_products.batches):
            products = fixed_products.arrow_batch(index, PRODUCT_COLUMNS)
            variants = fixed_variants.arrow_batch(index, VARIANT_COLUMNS)
            stock = inventory.arrow_batch(index)
            _write(job.batch(products, variants, stock, reusable, counts), out, counts)
            if progress is not None:
                progress(index + 1, fixed_products.batches)
    return ListingsResult({name: writer.staged for name, writer in out.items()}, import_id, counts)


def one_import(tables: Mapping[str, Table]) -> str:
    """The import that all tables come from. Raises PipelineError naming those of an older one (ids sort by time)."""
    found = {name: table.metadata.get("import_id", "") for name, table in tables.items()}
    newest = max(found.values())
    if not newest:
        raise PipelineError(f"{' and '.join(found)} name no import; materialize them again")
    old = [name for name, import_id in found.items() if import_id != newest]
    if old:
        raise PipelineError(
            f"{' and '.join(old)} {'is' if len(old) == 1 else 'are'} of an older import than {newest}; "
            f"materialize {' and '.join(old)}, then listings again"
        )
    return newest


def _write(tables: Mapping[str, pa.Table], out: Mapping[str, TableWriter], counts: Counts) -> None:
    counts.add(tables)
    for name, writer in out.items():
        writer.write(tables[name])


@dataclass(frozen=True)
class _Job:
    recipe: Recipe
    collections: Collections
    skus: pa.ChunkedArray  # of variants of the whole store, those that a parent might want
    engine: Engine

    def batch(
        self, products: pa.Table, variants: pa.Table, inventory: pa.Table, reusable: Reusable, counts: Counts
    ) -> dict[str, pa.Table]:
        """The four tables for one batch of products."""
        settings = self.recipe.settings
        out = excluded(products, settings.assortment, self.collections)
        owner = owners(variants, products)
        sizes = np.bincount(owner[owner >= 0], minlength=len(products))
        out[(out.isna() & (sizes == 0)).to_numpy("bool")] = NO_VARIANTS
        counts.excluded.update(out.dropna().tolist())

        sold = out.isna().to_numpy("bool")
        products, sizes = _chosen(products, sold), sizes[sold]
        variants = _grouped(variants, products)
        stock = stock_of(variants["variant_id"], inventory)
        ids = products["product_id"].to_pylist()
        categories = categorize(products, settings.category_rules, settings.default_category, self.collections)
        several = [product_id for product_id, size in zip(ids, sizes, strict=True) if size > 1]
        parents = dict(zip(several, parent_skus(several, self.skus), strict=True))

        known = stock.assign(available=stock["available"].fillna(-1)).to_numpy("int64")
        parts = [
            products["revision"].to_pylist(), [parents.get(product_id) for product_id in ids],
            categories["category"].to_list(), categories["category_source"].to_list(),
        ]  # fmt: skip
        texts = [[None if text is pd.NA else text for text in part] for part in parts]
        revision = revisions(self.recipe.fingerprint, texts, known, sizes.tolist())
        taken, before = reusable.take(ids, revision)
        counts.reused += sum(taken)

        fresh = ~np.array(taken, dtype=bool)
        of_fresh = np.repeat(fresh, sizes)
        made = self._compute(
            _chosen(products, fresh),
            _chosen(variants, of_fresh),
            stock[of_fresh].reset_index(drop=True),
            categories[fresh].reset_index(drop=True),
            parents,
            dict(zip(ids, revision, strict=True)),
        )
        return {name: _in_order([made[name], *([before[name]] if before else [])], products["product_id"]) for name in SCHEMAS}

    def _compute(
        self,
        products: pa.Table,
        variants: pa.Table,
        stock: pd.DataFrame,
        categories: pd.DataFrame,
        parents: Mapping[str, str],
        revision: Mapping[str, str],
    ) -> dict[str, pa.Table]:
        """The rows of products that cannot be taken over."""
        recipe = self.recipe
        if not len(products):
            return {name: schema.empty_table() for name, schema in SCHEMAS.items()}
        said = price_facts(
            variants, products["metafields"].combine_chunks().take(pa.array(owners(variants, products))), recipe.settings,
            store_currency=recipe.currency, site=recipe.site, sales=recipe.marketplace.sales_have_dates,
        )  # fmt: skip
        prices = site_prices(
            to_frame(variants.select(["price", "compare_at_price", "cost"])), recipe.settings, recipe.place, said
        )
        stock = stock.assign(quantity=quantity_to_send(stock, recipe.settings))
        rows = listing_rows(
            products, variants, stock=stock, prices=prices, categories=categories, parents=parents, currency=recipe.site.currency
        )
        findings = self._findings(rows, variants["variant_id"], prices)
        rows = recipe.marketplace.project(rows, recipe.site, recipe.project_settings).reset_index(drop=True)

        found = self.engine.evaluate(rows.drop_duplicates("product_id"), rows)
        rows = pd.DataFrame(found.variants[LISTINGS.names]).reset_index(drop=True)
        issues, scores = with_findings(rows, found.issues, found.scores.reset_index(drop=True), findings)
        verdict = status_and_reason(rows, issues, scores, recipe.ruleset)
        rows["status"], rows["reason"] = verdict["status"], verdict["reason"]
        rows["score"] = scores["score"]
        rows["revision"] = pd.array([revision[product_id] for product_id in rows["product_id"].tolist()], _TEXT)
        ready = rows["status"].eq("ready").to_numpy("bool")
        hashes = recipe.marketplace.hashes(rows if ready.all() else rows[ready], recipe.site, recipe.account)
        for name in ("content_hash", "images_hash"):
            rows[name] = hashes[name].reindex(rows.index)
        frames = {"listings": rows, "listing_issues": issues, "listing_scores": scores, "listing_fixes": found.fixes}
        return {name: to_arrow(frames[name], schema) for name, schema in SCHEMAS.items()}

    def _findings(self, rows: pd.DataFrame, variant_ids: pa.ChunkedArray, prices: pd.DataFrame) -> list[Finding]:
        """What only this stage can see of a row."""
        found = []
        for column, rule, severity in _OF_PRICES:
            if prices[column].notna().any():
                by_variant = pd.Series(prices[column].array, index=variant_ids.to_pylist())
                hint = "Change the price settings of the connection, or what the store says of its price."
                messages = rows["variant_id"].map(by_variant).astype(_TEXT)
                found.append(Finding(rule, "correctness", "price", hint, messages, severity))
        spoiled = self.recipe.marketplace.account_problems(self.recipe.site, self.recipe.account)
        if spoiled:
            hint = f"Correct it: pipeline connection set {self.recipe.store} {self.recipe.site.key} NAME=VALUE."
            messages = pd.Series(" ".join(spoiled), index=rows.index, dtype=_TEXT)
            found.append(Finding("LISTING_ACCOUNT", "compliance", "sku", hint, messages))
        most = self.recipe.marketplace.max_family
        children = (rows["role"] == "child").groupby(rows["product_id"], sort=False).transform("sum")
        if (children > most).any():
            text = (
                "The product has "
                + children.astype("string")
                + f" variants; {self.recipe.site.key} takes at most {most} in one listing."
            )
            hint = "Split the product into several products in the store."
            messages = text.where(children > most).astype(_TEXT)
            found.append(Finding("LISTING_FAMILY_SIZE", "compliance", "parent_sku", hint, messages))
        return found


def _chosen(table: pa.Table, mask: npt.NDArray[np.bool_]) -> pa.Table:
    return table if mask.all() else table.filter(pa.array(mask))


def _ascending(values: npt.NDArray[np.int64]) -> bool:
    return bool((np.diff(values) >= 0).all())


def _grouped(variants: pa.Table, products: pa.Table) -> pa.Table:
    """The variants of `products`, in their order, each product's together."""
    owner = owners(variants, products)
    if _ascending(owner) and not (owner < 0).any():
        return variants
    order: npt.NDArray[np.int64] = np.argsort(owner, kind="stable")
    return variants.take(order[owner[order] >= 0])


def _in_order(parts: list[pa.Table], product_ids: pa.ChunkedArray) -> pa.Table:
    """Rows of computed and reused products, in the order of the batch: a rerun gives the same table as a full run."""
    rows = pa.concat_tables([part.cast(parts[0].schema) for part in parts])
    position = pc.index_in(rows["product_id"], value_set=product_ids.combine_chunks()).to_numpy()
    return rows if _ascending(position) else rows.take(np.argsort(position, kind="stable"))
