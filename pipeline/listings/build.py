"""Listings of one store on one marketplace site: every variant of every sold product as one row, ready or blocked.

Goes batch by batch over tables written in lockstep, so memory does not grow with the catalog. Products whose revision is
that of the previous run are not computed again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.listings.assortment import Collections, excluded
from pipeline.listings.categories.overlay import USED, used
from pipeline.listings.families import parent_like, parent_skus
from pipeline.listings.findings import of_batch, of_category, of_language
from pipeline.listings.matches import catalog_items
from pipeline.listings.overlays import batch_of, digests, localized, localized_attributes, optimized
from pipeline.listings.overrides import Overlay
from pipeline.listings.price_facts import price_facts
from pipeline.listings.prices import site_prices
from pipeline.listings.recipe import PRODUCT_COLUMNS, VARIANT_COLUMNS, Recipe
from pipeline.listings.reuse import revisions
from pipeline.listings.rows import listing_rows, owners
from pipeline.listings.schema import LISTINGS, SCHEMAS
from pipeline.listings.stock import quantity_to_send, stock_of
from pipeline.listings.verdict import status_and_reason, with_findings
from pipeline.model.errors import PipelineError
from pipeline.platform.tables import StagedTable, Table, TableWriter, to_arrow, to_frame, writers
from pipeline.quality.engine import Engine
from pipeline.quality.reuse import Reusable

NO_VARIANTS = "no variants"
_TEXT = pd.StringDtype("pyarrow")


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
    categories: Table,
    recipe: Recipe,
    folder: Path,
    *,
    translated: Table | None = None,
    rewritten: Table | None = None,
    previous: Mapping[str, Table] | None = None,
    progress: Callable[[int, int], None] | None = None,
    overlay: Overlay | None = None,
) -> ListingsResult:
    """Make the listings, their issues, scores and fixes; `progress` gets (batches done, batches in all). `overlay` are values
    that listings have in place of their own; it learns which of them no longer fit.

    `translated` is the overlay `localized_products`, `rewritten` the overlay `optimized_products`.

    Each variant of a sold product is exactly one row, and each product of several variants has a parent row before them.
    Raises PipelineError for inputs of different imports, naming the asset to materialize; collections are only looked up in
    and may be of another one.
    """
    together = {
        "fixed_products": fixed_products,
        "fixed_variants": fixed_variants,
        "inventory": inventory,
        "listing_categories": categories,
    }
    import_id = one_import(together)
    if len({table.batches for table in together.values()}) > 1:
        raise PipelineError(f"{', '.join(together)} do not belong together; materialize them again")
    skus = fixed_variants.arrow(["sku"])["sku"]
    _check_mappings(recipe, skus)
    job = _Job(
        recipe,
        Collections(collections.arrow(["handle", "product_ids"])),
        parent_like(skus if not recipe.mappings else pa.chunked_array([*skus.chunks, pa.array(recipe.mappings.values())])),
        Engine(recipe.ruleset, recipe.context),
        overlay or Overlay(),
    )
    reusable, counts = Reusable(previous, "listings"), Counts()
    with writers(folder, SCHEMAS, {"import_id": import_id, "version": recipe.fingerprint.hex()}) as out:
        for index in range(fixed_products.batches):
            products = fixed_products.arrow_batch(index, PRODUCT_COLUMNS)
            variants = fixed_variants.arrow_batch(index, VARIANT_COLUMNS)
            stock = inventory.arrow_batch(index)
            words = None if translated is None else batch_of(translated, index, fixed_products, "localized_products")
            texts = None if rewritten is None else batch_of(rewritten, index, fixed_products, "optimized_products")
            mapped = categories.arrow_batch(index, USED)
            _write(job.batch(products, variants, stock, mapped, words, texts, reusable, counts), out, counts)
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
    overlay: Overlay

    def batch(
        self,
        products: pa.Table,
        variants: pa.Table,
        inventory: pa.Table,
        mapped: pa.Table,
        words: pa.Table | None,
        better: pa.Table | None,
        reusable: Reusable,
        counts: Counts,
    ) -> dict[str, pa.Table]:
        """The four tables for one batch of products; `mapped` has their categories, `words` their translations, `better` their
        accepted texts."""
        settings = self.recipe.settings
        out = excluded(products, settings.assortment, self.collections)
        owner = owners(variants, products)
        sizes = np.bincount(owner[owner >= 0], minlength=len(products))
        out[(out.isna() & (sizes == 0)).to_numpy("bool")] = NO_VARIANTS
        counts.excluded.update(out.dropna().tolist())

        sold = out.isna().to_numpy("bool")
        categories = used(mapped, products, settings.default_category)[sold].reset_index(drop=True)
        products, sizes = _chosen(products, sold), sizes[sold]
        variants = _grouped(variants, products)
        variants = _mapped(variants, self.recipe.mappings)
        stock = stock_of(variants["variant_id"], inventory)
        ids = products["product_id"].to_pylist()
        items = catalog_items(variants["barcode"], self.recipe)
        families = _families(sizes, items, settings.families)
        several = [product_id for product_id, family in zip(ids, families, strict=True) if family]
        parents = dict(zip(several, parent_skus(several, self.skus), strict=True))

        known = stock.assign(available=stock["available"].fillna(-1)).to_numpy("int64")
        given = zip(ids, products["revision"].to_pylist(), strict=True)
        parts: list[list[Any]] = [
            [f"{revision}{self.overlay.digest(product_id)}" for product_id, revision in given],
            [parents.get(product_id) for product_id in ids],
            categories["category"].to_list(), categories["category_source"].to_list(),
            categories["category_attributes"].to_list(), self._known(pa.array(categories["category"]).to_pylist(), items, sizes),
            digests(words, products["product_id"]), digests(better, products["product_id"]),
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
            words,
            better,
            items[of_fresh].reset_index(drop=True),
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
        words: pa.Table | None,
        better: pa.Table | None,
        items: pd.DataFrame,
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
        products, variants = localized(products, variants, words)
        rows = listing_rows(
            products, variants, stock=stock, prices=prices, categories=categories, parents=parents, items=items,
            currency=recipe.site.currency,
        )  # fmt: skip
        rows["attributes"] = localized_attributes(rows["product_id"], rows["attributes"], words)
        findings = of_batch(recipe, rows, variants["variant_id"], prices, items["problem"])
        findings += of_language(recipe, rows, words)
        rows = recipe.market.project(optimized(rows, better), recipe.site, recipe.project_settings).reset_index(drop=True)

        found = self.engine.evaluate(rows.drop_duplicates("product_id"), rows)
        fixes = found.fixes
        laid = self.overlay.lay(pd.DataFrame(found.variants[list(rows.columns)]))
        if laid is not None:  # judged as they will be sent
            found = self.engine.evaluate(laid[0].drop_duplicates("product_id"), laid[0])
            fixes = pd.concat([fixes, to_frame(laid[1]), found.fixes], ignore_index=True)
        rows = pd.DataFrame(found.variants[LISTINGS.names]).reset_index(drop=True)
        findings += of_category(rows, found.issues, recipe.market.problems(rows, recipe.site, recipe.account))
        issues, scores = with_findings(rows, found.issues, found.scores.reset_index(drop=True), findings)
        verdict = status_and_reason(rows, issues, scores, recipe.ruleset)
        rows["status"], rows["reason"] = verdict["status"], verdict["reason"]
        rows["score"] = scores["score"]
        rows["revision"] = pd.array([revision[product_id] for product_id in rows["product_id"].tolist()], _TEXT)
        ready = rows["status"].eq("ready").to_numpy("bool")
        hashes = recipe.market.hashes(rows if ready.all() else rows[ready], recipe.site, recipe.account)
        for name in ("content_hash", "images_hash"):
            rows[name] = hashes[name].reindex(rows.index)
        frames = {"listings": rows, "listing_issues": issues, "listing_scores": scores, "listing_fixes": fixes}
        return {name: to_arrow(frames[name], schema) for name, schema in SCHEMAS.items()}

    def _known(self, categories: list[str | None], items: pd.DataFrame, sizes: npt.NDArray[np.int64]) -> list[str | None]:
        """By product: what its category wants, and what the marketplace's catalog says of its variants."""
        version = cache(self.recipe.knowledge.version)
        found = [version(category) for category in categories]
        if self.recipe.matching:
            texts = [f"{item} {problem}" for item, problem in items[["item_id", "problem"]].itertuples(index=False)]
            ends = np.cumsum(sizes).tolist()
            parts = [texts[end - size : end] for size, end in zip(sizes.tolist(), ends, strict=True)]
            found = [" ".join([known, *part]) for known, part in zip(found, parts, strict=True)]
        return list(found)


def _check_mappings(recipe: Recipe, skus: pa.ChunkedArray) -> None:
    """A SKU of the account that another variant of the store has too would be two listings."""
    taken = set(skus.filter(pc.is_in(skus, value_set=pa.array(recipe.mappings.values(), pa.string()))).to_pylist())
    for sku, account_sku in recipe.mappings.items():
        if account_sku in taken - set(recipe.mappings):
            raise PipelineError(
                f"{sku} of {recipe.store} is mapped to {account_sku} on {recipe.site.key}, which is the SKU of another variant; "
                f"take it back with: pipeline connection adopt {recipe.store} {recipe.site.key} --forget {sku}"
            )


def _mapped(variants: pa.Table, mappings: Mapping[str, str]) -> pa.Table:
    """With the SKUs under which the account sells them."""
    if not mappings:
        return variants
    place = pc.index_in(variants["sku"], value_set=pa.array(mappings, pa.string()))
    named = pc.coalesce(pa.array(mappings.values(), pa.string()).take(place.combine_chunks()), variants["sku"].combine_chunks())
    return variants.set_column(variants.column_names.index("sku"), "sku", named)


def _chosen(table: pa.Table, mask: npt.NDArray[np.bool_]) -> pa.Table:
    return table if mask.all() else table.filter(pa.array(mask))


def _families(sizes: npt.NDArray[np.int64], items: pd.DataFrame, families: str) -> npt.NDArray[np.bool_]:
    """Products whose variants are sold as one family: several that are not offers on an existing item."""
    if families == "single":
        return np.zeros(len(sizes), dtype=bool)
    joining = items["item_id"].isna().to_numpy("int64")
    owner = np.repeat(np.arange(len(sizes)), sizes)
    several: npt.NDArray[np.bool_] = np.bincount(owner, weights=joining, minlength=len(sizes)) > 1
    return several


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
