"""`optimized_products` of one connection: for each product what is suggested, what of it is accepted, and what each brings.

Goes batch by batch. A product whose source, settings and decisions are the same is taken over as it is.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import orjson
import pandas as pd
import psycopg
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.language import optimize
from pipeline.language.asking.batches import IN_BATCH
from pipeline.language.asking.ledger import Account
from pipeline.language.asking.models import Model
from pipeline.language.asking.results import silent
from pipeline.language.drafts import Brief, Draft, Product, check, keeping
from pipeline.language.languages import base
from pipeline.language.optimize import Writer, ask_drafts, estimate_drafts, plan_drafts, record_unread
from pipeline.language.reading import facts
from pipeline.language.reading.wording import WORD, stem
from pipeline.language.translation.plan import Estimate
from pipeline.language.translation.translate import part
from pipeline.listings.categories.overlay import USED
from pipeline.listings.categories.taxonomy import shopify
from pipeline.listings.categories.text import names_in
from pipeline.listings.cell import Cell
from pipeline.listings.knowledge import Knowledge
from pipeline.listings.open_texts import NOT_ASKED, OUT_OF_SCOPE, TRANSLATION_FIRST, UNTRANSLATED
from pipeline.listings.optimized import rules
from pipeline.listings.optimized.decisions import Recorded, read_decisions
from pipeline.listings.optimized.judge import Judge, first_rows, limits_of
from pipeline.listings.optimized.settle import Proposal, settle
from pipeline.listings.overlays import OPTIMIZED, batch_of, digests
from pipeline.listings.recipe import PRODUCT_COLUMNS, VARIANT_COLUMNS
from pipeline.marketplaces.options import label, value_label
from pipeline.platform.tables import StagedTable, Table, TableWriter
from pipeline.quality.engine import Engine
from pipeline.quality.reuse import Reusable

#: Bump when the same texts would be suggested or judged differently.
VERSION = 5
_COLUMNS = list(dict.fromkeys([*PRODUCT_COLUMNS, "product_type", "revision"]))
#: More different vendors than so many are not names of brands.
_MOST_BRANDS = 2_000


@dataclass
class Outcome:
    """What a run did. `states` counts products, `fields` fields by state, `before` and `after` products by ten points."""

    states: Counter[str] = field(default_factory=Counter)
    fields: Counter[str] = field(default_factory=Counter)
    engines: Counter[str] = field(default_factory=Counter)
    problems: Counter[str] = field(default_factory=Counter)
    before: list[int] = field(default_factory=lambda: [0] * 10)
    after: list[int] = field(default_factory=lambda: [0] * 10)
    reused: int = 0
    refused: Counter[str] = field(default_factory=Counter)  # products of which nothing could be used or is open, by why
    pending: int = 0  # products that a model was not asked for, or did not answer
    in_batches: int = 0  # those of them that it was asked for in batches
    received: int = 0  # products that batches answered
    stopped: str | None = None

    def add(self, rows: pa.Table) -> None:
        for row in rows.select(["state", "score_before", "score_after", "fields", "open"]).to_pylist():
            if row["state"] == "kept" and row["open"] is None:
                self.refused.update(next((one["problems"][:1] for one in row["fields"] if one["problems"]), ()))
            self.states[row["state"]] += 1
            for histogram, name in ((self.before, "score_before"), (self.after, "score_after")):
                if row[name] is not None:
                    histogram[min(int(row[name] // 10), 9)] += 1
            for one in row["fields"] or ():
                self.fields[f"{one['field']} {one['state']}"] += 1
                self.engines[one["engine"]] += 1
                self.problems.update(one["problems"][:1])


@dataclass(frozen=True)
class Catalog:
    """The tables of one import that suggestions are made from, in lockstep."""

    products: Table
    variants: Table
    translated: Table
    categories: Table


@dataclass(frozen=True)
class Optimizer:
    """`model` None: rules and people only. `scope`: the model is asked only for these products (empty: all)."""

    connection: psycopg.Connection[Any]
    cell: Cell
    knowledge: Knowledge
    model: Model | None
    catalog: Catalog
    previous: Table | None = None
    scope: Collection[str] = ()

    def expect(self) -> Estimate:
        """What asking would take, without second questions; equal products far apart are counted twice."""
        found = []
        if self.model is not None:
            for batch in self._batches():
                writer = self._writer(batch)
                if writer is not None:
                    writer.open = [one for one in writer.open if batch.untranslated.get(one.key) != UNTRANSLATED]
                    found.append(estimate_drafts(writer, self.model.asking_price))
        sums = [sum(values) for values in zip(*((e.texts, e.calls, e.tokens_in, e.tokens_out) for e in found), strict=True)]
        texts, calls, tokens_in, tokens_out = sums or (0, 0, 0, 0)
        spent, most = (sum(getattr(e, name) or 0 for e in found) for name in ("usd_micro", "most_usd_micro"))
        return Estimate(texts, calls, tokens_in, tokens_out, spent, most)

    def write(
        self, folder: Path, import_id: str, account: Account | None, progress: Callable[[int, int], None]
    ) -> tuple[StagedTable, Outcome]:
        """The overlay, a row group for each one of the products. `account` pays; without one nobody is asked. `progress` gets
        (products done, products in all)."""
        outcome = Outcome()
        with TableWriter(folder, "optimized_products", OPTIMIZED, {"import_id": import_id}) as writer:
            ready = 0
            for batch in self._batches():
                made = self._drafts(batch, account, outcome, part(progress, ready, len(batch.ids), self.catalog.products.rows))
                now = datetime.now(timezone.utc)
                rows = [{**row, "made_at": now} for row in self._rows(batch, made)] if batch.changed else []
                outcome.reused += len(batch.ids) - len(rows)
                table = pa.concat_tables([pa.Table.from_pylist(rows, OPTIMIZED), *batch.reused])
                table = table.take(pc.index_in(pa.array(batch.ids, pa.string()), value_set=table["product_id"].combine_chunks()))
                outcome.add(table)
                writer.write(table)
                ready += len(batch.ids)
                progress(ready, self.catalog.products.rows)
        if account is not None and self.model is not None and facts.supported(self._brief.tongue):
            record_unread(self.connection, self.cell.store.id, self._brief)
        return writer.staged, outcome

    @cached_property
    def _judge(self) -> Judge:
        recipe = self.cell.recipe(self.knowledge)
        return Judge(recipe, Engine(recipe.ruleset, recipe.context))

    @cached_property
    def _brief(self) -> Brief:
        vendors = pc.unique(self.catalog.products.arrow(["vendor"])["vendor"]).drop_null().to_pylist()
        brands = sorted(vendors) if len(vendors) <= _MOST_BRANDS else []
        site, known = self.cell.site, self._vocabulary if self.model is not None else frozenset()
        return Brief(site.key, site.language, limits_of(self._judge.recipe.ruleset), tuple(brands), known)

    @cached_property
    def _vocabulary(self) -> frozenset[str]:
        """Stems of words that name products: of Shopify's taxonomy, and of the catalog's own titles, types, tags (for buyers)."""
        return frozenset(stem(word) for path in shopify().paths for word in WORD.findall(path[-1])) | self._statistics.names

    @cached_property
    def _speaks_otherwise(self) -> bool:
        """Whether the catalog's texts are in another language than the marketplace's, as far as nobody translated them."""
        return base(self.cell.store.language) != base(self.cell.site.language)

    @cached_property
    def _statistics(self) -> rules.Statistics:
        found = rules.Statistics(kinds=frozenset(stem(name[-1]) for path in shopify().paths for name in names_in(path[-1])))
        for index in range(self.catalog.products.batches):
            table = self.catalog.products.arrow_batch(index, ["title", "product_type", "tags", "description"])
            words = batch_of(self.catalog.translated, index, self.catalog.products, "localized_products")
            translated = words["title"].drop_null().to_pylist() if words is not None else []
            kinds_and_tags = [pc.unique(column).to_pylist() for column in (table["product_type"], pc.list_flatten(table["tags"]))]
            found.name([*table["title"].to_pylist(), *translated, *chain.from_iterable(kinds_and_tags)])
            found.add(table["description"].to_pylist())
        return found

    @cached_property
    def _fingerprint(self) -> bytes:
        """Changes when any product may come out differently."""
        model = self.model.endpoint.model if self.model else None
        versions = [VERSION, optimize.VERSION, facts.VERSION, self._judge.recipe.fingerprint.hex()]
        unanswered = silent(self.connection, self.cell.store.id, optimize.TASK) if self.model else 0
        said = [*versions, model, self._brief.brands, self.cell.store.language, unanswered]
        return hashlib.blake2b(orjson.dumps(said), digest_size=32).digest()

    def _batches(self) -> Iterator[_Batch]:
        known = Reusable({"optimized_products": self.previous} if self.previous is not None else None, "optimized_products")
        catalog = self.catalog
        for index in range(catalog.products.batches):
            products = catalog.products.arrow_batch(index, _COLUMNS)
            words = batch_of(catalog.translated, index, catalog.products, "localized_products")
            mapped = catalog.categories.arrow_batch(index, USED)
            ids = products["product_id"].to_pylist()
            decided = read_decisions(self.connection, self.cell.store.id, self.cell.site.key, ids)
            parts = zip(
                ids, products["revision"].to_pylist(), digests(words, products["product_id"]), mapped["category"].to_pylist(),
                mapped["status"].to_pylist(), strict=True,
            )  # fmt: skip
            revisions = [self._revision([part, decided.get(part[0], ())]) for part in parts]
            taken, before = known.take(ids, revisions)
            fresh = pa.array([not same for same in taken])
            chosen = products.filter(fresh)
            variants = catalog.variants.arrow_batch(index, VARIANT_COLUMNS)
            variants = variants.filter(pc.is_in(variants["product_id"], value_set=chosen["product_id"].combine_chunks()))
            rows = self._judge.rows(chosen, variants, mapped.filter(fresh), words) if len(chosen) else pd.DataFrame()
            changed = self._products(rows, chosen) if len(chosen) else []
            foreign = frozenset(ids) if self._speaks_otherwise else frozenset[str]()
            if words is not None:
                foreign -= frozenset(words.filter(pc.is_valid(words["title"]))["product_id"].to_pylist())
            known_as = dict(zip(ids, revisions, strict=True))
            yield _Batch(ids, changed, rows, decided, known_as, list(before.values()), _untranslated(words), foreign)

    def _revision(self, parts: Sequence[Any]) -> str:
        return hashlib.blake2b(orjson.dumps(parts, default=str), digest_size=16, key=self._fingerprint).hexdigest()

    def _products(self, rows: pd.DataFrame, products: pa.Table) -> list[Product]:
        """What is known of each product, in the language of the site as far as it goes."""
        kinds = dict(zip(products["product_id"].to_pylist(), products["product_type"].to_pylist(), strict=True))
        language = self._brief.language
        options: dict[str, dict[str, None]] = {}
        for number in (1, 2, 3):
            for key, name, value in rows[["product_id", f"option{number}_name", f"option{number}"]].itertuples(index=False):
                if isinstance(value, str):
                    options.setdefault(key, {})[f"{name}: {value}"] = None
        originals = {row["product_id"]: row for row in products.select(["product_id", "title", "tags"]).to_pylist()}
        found = []
        for row in first_rows(rows):
            facts_of = _attributes(row, language)
            key, original = row["product_id"], originals[row["product_id"]]["title"] or ""
            about = {
                "brand": row["brand"] or "",
                "product_type": kinds.get(key) or "",
                "options": ", ".join(options.get(key, ())),
                "attributes": ", ".join(f"{label(name, language)}: {value}" for name, value in facts_of.items()),
                "tags": row["keywords"] or "",
                "original_title": original if original != row["title"] else "",
            }
            said = {name: text for name, text in about.items() if text}
            found.append(Product(key, row["title"] or "", row["description"] or "", said))
        with_rows = {product.key for product in found}  # a product without variants is no listing
        return found + [Product(key, "", "") for key in originals if key not in with_rows]

    def _writer(self, batch: _Batch) -> Writer | None:
        """What is recorded of a model's answers, and what is open."""
        if self.model is None or not facts.supported(self._brief.tongue):
            return None
        writer = Writer(self.cell.store.id, self._brief, self.model.endpoint.model, self.scope)
        plan_drafts(self.connection, writer, [product for product in batch.changed if product.title])
        return writer

    def _drafts(
        self, batch: _Batch, account: Account | None, outcome: Outcome, progress: Callable[[int, int], None]
    ) -> Mapping[str, Draft]:
        """What the model says of the changed products; those without an answer yet have an empty revision. After a stop, answers
        of batches are still read."""
        writer = self._writer(batch)
        if writer is None:
            return {}
        if account is not None and self.model is not None:
            # What is asked before its translation is there would be asked, and paid, again after that.
            writer.open = [product for product in writer.open if product.key not in batch.untranslated]
            writer.stopped = outcome.stopped
            outcome.received += sum(len(products) for _, products in writer.answers)
            ask_drafts(self.connection, self.model, account, writer, progress)
            outcome.stopped = writer.stopped
        outcome.in_batches += len(writer.waiting)
        for product in batch.changed:
            if product.title and (product.key not in writer.drafts or product.key in writer.waiting):
                batch.revisions[product.key] = ""
                batch.open[product.key] = self._why(writer, product, batch, account)
                outcome.pending += 1
        return writer.drafts

    def _why(self, writer: Writer, product: Product, batch: _Batch, account: Account | None) -> str:
        """Why a product has no draft of the model yet."""
        if product.key in writer.waiting:
            return IN_BATCH
        if product.key in batch.untranslated:
            return batch.untranslated[product.key]
        if account is None:
            return NOT_ASKED
        if self.scope and product.key not in self.scope:
            return OUT_OF_SCOPE
        return writer.stopped or "the model did not answer"

    def _rows(self, batch: _Batch, drafts: Mapping[str, Draft]) -> list[dict[str, Any]]:
        if batch.rows.empty:
            return [{"product_id": product.key, "state": "none", "revision": ""} for product in batch.changed]
        base = self._judge.judge(batch.rows, {})
        shown = {row["product_id"]: row for row in first_rows(base.rows)}
        generic = {row["product_id"]: row for row in first_rows(batch.rows)}
        proposals = []
        for product in batch.changed:
            if product.key not in shown:
                continue
            before = {
                "title": product.title,
                "description": product.description,
                "bullets": "\n".join(shown[product.key]["bullets"] or ()),
                "keywords": shown[product.key]["keywords"] or "",
            }
            facts_of = _attributes(generic[product.key], self._brief.language)
            texts = rules.proposed(product, facts_of, before["bullets"].split("\n"), self._brief, self._statistics)
            good, _ = check(product, self._brief, texts if product.key not in batch.foreign else {})
            by_rules = Draft(good, {}, rules.ENGINE, "arranged from the product's own words and facts")
            decided = [one for one in batch.decided.get(product.key, ()) if one.source_hash == product.source_hash]
            by_model = drafts.get(product.key)
            if by_model is not None:
                by_model = keeping(by_model, before["bullets"], self._brief)
            proposals.append(Proposal(product, before, by_rules, by_model, decided))
        made = settle(self._judge, batch.rows, base, proposals, self.cell.connection.export_settings.least_gain)
        without = [{"product_id": one.key, "state": "none"} for one in batch.changed if one.key not in shown]
        return [
            {**row, "open": batch.open.get(key), "revision": batch.revisions[key], "digest": _digest(row)}
            for row in (*made, *without)
            for key in [row["product_id"]]
        ]


@dataclass(frozen=True)
class _Batch:
    """One row group of the products; `rows` are listing rows of those that are `changed`, `reused` the rows of the others;
    `untranslated` says of some why their translation comes first, `foreign` are those whose texts are in another language than
    the marketplace's; `open` is filled with why a model is still to be asked."""

    ids: list[str]
    changed: list[Product]
    rows: pd.DataFrame
    decided: Mapping[str, list[Recorded]]
    revisions: dict[str, str]
    reused: list[pa.Table]
    untranslated: Mapping[str, str]
    foreign: frozenset[str]
    open: dict[str, str] = field(default_factory=dict)


def _untranslated(words: pa.Table | None) -> dict[str, str]:
    """Of a batch of `localized_products`: product -> why it is not yet, or not at all, what better texts are made of."""
    found = {}
    for row in words.select(["product_id", "problems", "open"]).to_pylist() if words is not None else ():
        if row["open"] is not None:
            found[row["product_id"]] = TRANSLATION_FIRST
        elif any(problem.startswith(("title: ", "description: ")) for problem in row["problems"] or ()):
            found[row["product_id"]] = UNTRANSLATED
    return found


def _attributes(row: Mapping[str, Any], language: str) -> dict[str, str]:
    """The facts of a listing row by name, their values as buyers of that language read them: Lithuania, not LT."""
    said = orjson.loads(row["attributes"]) if row["attributes"] else {}
    found = {name: value if isinstance(value, list) else [value] for name, value in said.items() if "." not in name}
    read = {name: [value_label(name, one, language) for one in values if isinstance(one, str)] for name, values in found.items()}
    return {name: ", ".join(values) for name, values in read.items() if any(values)}


def _digest(row: Mapping[str, Any]) -> str | None:
    said = [row.get(name) for name in ("title", "description_html", "bullets", "keywords")]
    return hashlib.blake2b(orjson.dumps(said), digest_size=16).hexdigest() if any(text is not None for text in said) else None
