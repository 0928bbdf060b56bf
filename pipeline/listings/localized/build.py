"""Products in the language of a marketplace site: what has to be asked and what it would cost (`Localizer.expect`), then the
overlay `localized_products` (`Localizer.write`).

Two passes over the catalog, so that an operator sees the price before anything is spent and no more than one batch is in memory.
Products whose texts did not change are taken over; equal texts of different products are one question.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path
from typing import Any

import orjson
import psycopg
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.language.asking.batches import IN_BATCH, is_in_batch
from pipeline.language.asking.ledger import Account
from pipeline.language.asking.models import Model
from pipeline.language.languages import base
from pipeline.language.translation import guards, prompts
from pipeline.language.translation.batch_plans import unasked
from pipeline.language.translation.glossary import Glossary, Term, read_glossary
from pipeline.language.translation.masks import has_letters
from pipeline.language.translation.memory import memory_version
from pipeline.language.translation.plan import Estimate, Pair, Plan, estimate, make_plan
from pipeline.language.translation.run import ask_model
from pipeline.language.translation.segments import TEXT, Result, Segment
from pipeline.language.translation.translate import part
from pipeline.listings.cell import Cell
from pipeline.listings.facts import facts
from pipeline.listings.open_texts import OUT_OF_SCOPE, by_hand
from pipeline.listings.overlays import LOCALIZED
from pipeline.platform.tables import StagedTable, Table, TableWriter
from pipeline.quality.fixes.markup import plain_text, sanitize
from pipeline.quality.reuse import Reusable
from pipeline.stores.stores import Store

NAME = "localized_products"
TASK = "product"
#: Bump when the same texts would be asked or written differently.
VERSION = 3
PRODUCT_COLUMNS = ["product_id", "title", "description_html", "vendor", "tags", "metafields"] + [
    f"option{number}_name" for number in (1, 2, 3)
]
VARIANT_COLUMNS = ["product_id", "option1", "option2", "option3", "sku", "metafields"]
#: A longer description is no text for a listing; one answer of that length would cost more than the rest of the catalog.
MAX_CHARACTERS = 20_000
#: Brands are not translated; more than so many different vendors are not brands of one store.
_MOST_BRANDS = 200
#: The same in every language: M, XL, 2XL, S/M, 75B. Codes (W32/L34) and numbers have no letters beside what is masked.
_SIZE = re.compile(r"(?:\d{0,3}[A-Z]|\d?X{1,5}[SL])(?:[/-](?:\d{0,3}[A-Z]|\d?X{1,5}[SL]))?")
#: A SKU or part number so short, or without a digit, may as well be a word of the title.
_SHORTEST_CODE = 4
_TAG_IS_CODE = re.compile(r"[:_=/]|^[\W\d]*$")
_MOST_PROBLEMS = 20
_NOT_ASKED = "the model was not asked in this run"


def translates(cell: Cell, wanted: bool | None) -> bool:
    """Whether a connection's listings are translated: by its setting, or because this run wants it. A run that does not want
    it pays for nothing, but what is translated stays so."""
    return (cell.connection.export_settings.auto_translate or wanted is True) and base(cell.store.language) != base(
        cell.site.language
    )


@dataclass(frozen=True)
class Texts:
    """What there is to translate of one product, in the source's words."""

    product_id: str
    title: str
    description_html: str
    words: tuple[str, ...]  # names and values of options, tags, values of facts; each once
    codes: tuple[str, ...] = ()  # SKUs, part numbers and the vendor, if they are in its texts: they stay as they are

    @property
    def too_long(self) -> bool:
        return len(self.description_html) > MAX_CHARACTERS

    @property
    def markup(self) -> str:
        return "" if self.too_long else self.description_html

    @cached_property
    def segments(self) -> list[Segment]:
        """What is asked: the title, the description, then the words; without those that are empty."""

        def segment(text: str, html: bool = False) -> Segment:
            return Segment({TEXT: text}, html=html, kept=self.codes, product=self.product_id)

        title = [segment(self.title)] if self.title else []
        markup = [segment(self.markup, html=True)] if self.markup else []
        return [*title, *markup, *map(segment, self.words)]

    @property
    def names(self) -> list[str]:
        """What the segments are called where people are told of them."""
        own = [name for name, text in (("title", self.title), ("description", self.markup)) if text]
        return [*own, *map(repr, self.words)]

    def revision(self, fingerprint: bytes) -> str:
        said = "\x1f".join((self.title, self.description_html, *self.words, *self.codes))
        return hashlib.blake2b(said.encode(), digest_size=16, key=fingerprint).hexdigest()


@dataclass
class Outcome:
    """What a run did; `states` and `engines` count products, those that were taken over too."""

    states: Counter[str] = field(default_factory=Counter)
    engines: Counter[str] = field(default_factory=Counter)
    reused: int = 0
    pending: int = 0  # texts that a model was not asked for, or did not answer
    received: int = 0  # texts that batches answered
    stopped: str | None = None


@dataclass(frozen=True)
class Localizer:
    """Translates one store's catalog into one language. `model` None: people's translations, the glossary and earlier answers do
    what they can. `scope`: the model is asked only for these products (empty: all).
    `review`: what it says waits for people."""

    connection: psycopg.Connection[Any]
    store: Store
    source: str
    target: str
    model: Model | None
    products: Table
    variants: Table
    previous: Table | None = None
    scope: Collection[str] = ()
    review: bool = False

    def expect(self) -> Estimate:
        """What asking would take. Equal texts of products far apart are counted twice, so it is rather too much."""
        price = self.model.asking_price if self.model else None
        plans = ([part.plan for part in self._parts(batch)] for batch in self._batches())
        found = [estimate(unasked(self.connection, each, TASK), price) for each in plans]
        spent = None if price is None else sum(each.usd_micro or 0 for each in found)
        most = None if price is None else sum(each.most_usd_micro or 0 for each in found)
        texts, calls = sum(each.texts for each in found), sum(each.calls for each in found)
        return Estimate(texts, calls, sum(each.tokens_in for each in found), sum(each.tokens_out for each in found), spent, most)

    def write(
        self, folder: Path, import_id: str, account: Account | None, progress: Callable[[int, int], None]
    ) -> tuple[StagedTable, Outcome]:
        """The overlay, a row group for each one of the products. `account` pays; without one nobody is asked (a dry run).
        `progress` gets (products done, products in all)."""
        outcome, about = Outcome(), {"import_id": import_id, "language": self.target}
        with TableWriter(folder, NAME, LOCALIZED, about) as writer:
            ready = 0
            for batch in self._batches():
                parts = self._parts(batch)
                if account is not None and self.model is not None:
                    report, plans = part(progress, ready, len(batch.ids), self.products.rows), [each.plan for each in parts]
                    done = ask_model(self.connection, self.model, account, TASK, plans, report, outcome.stopped)
                    outcome.received += done.received
                    outcome.stopped = done.stopped
                rows = [row for each in parts for row in self._rows(each, batch, outcome)]
                outcome.reused += len(batch.ids) - len(rows)
                table = pa.concat_tables([_table(rows), *batch.reused])
                table = table.take(pc.index_in(pa.array(batch.ids), value_set=table["product_id"].combine_chunks()))
                outcome.states.update(table["state"].to_pylist())
                outcome.engines.update(table["engine"].drop_null().to_pylist())
                writer.write(table)
                ready += len(batch.ids)
                progress(ready, self.products.rows)
        return writer.staged, outcome

    @cached_property
    def _pair(self) -> Pair:
        glossary = with_brands(read_glossary(self.connection, self.store.id), self.products)
        model, command = self.model.endpoint.model if self.model else None, by_hand(self.store.key, self.target)
        return Pair(self.store.id, TASK, self.source, self.target, glossary, model, by_hand=command, review=self.review)

    @cached_property
    def _fingerprint(self) -> bytes:
        """Changes when any text may come out differently."""
        terms = sorted((term.term, term.target_locale, term.translation or "") for term in self._pair.glossary.terms)
        remembered = memory_version(self.connection, self.store.id, self.source, self.target)
        pair, versions = self._pair, (VERSION, guards.VERSION, prompts.VERSION)
        facts_ = [versions, pair.source_locale, pair.target_locale, pair.model, terms, remembered, pair.review]
        return hashlib.blake2b(orjson.dumps(facts_), digest_size=32).digest()

    def _batches(self) -> Iterator[_Batch]:
        previous = {NAME: self.previous} if self.previous is not None else None
        known = Reusable(previous, NAME)
        for index in range(self.products.batches):
            products = self.products.arrow_batch(index, PRODUCT_COLUMNS)
            texts = texts_of(products, self.variants.arrow_batch(index, VARIANT_COLUMNS))
            ids = [each.product_id for each in texts]
            revisions = [each.revision(self._fingerprint) for each in texts]
            taken, before = known.take(ids, revisions)
            changed = [each for each, same in zip(texts, taken, strict=True) if not same]
            yield _Batch(ids, changed, dict(zip(ids, revisions, strict=True)), list(before.values()))

    def _parts(self, batch: _Batch) -> list[_Part]:
        """The changed products with what can be resolved without asking: those that may be asked for, and those that may not."""
        inside = [each for each in batch.changed if not self.scope or each.product_id in self.scope]
        outside = [each for each in batch.changed if self.scope and each.product_id not in self.scope]
        nobody = replace(self._pair, model=None, nobody=OUT_OF_SCOPE)
        return [
            _Part(part, make_plan(self.connection, pair, [segment for each in part for segment in each.segments]))
            for pair, part in ((self._pair, inside), (nobody, outside))
            if part
        ]

    def _rows(self, part: _Part, batch: _Batch, outcome: Outcome) -> Iterator[dict[str, Any]]:
        results = iter(part.plan.finished())
        for texts in part.texts:
            own = [next(results) or Result("untranslated", "none", problems=(_NOT_ASKED,)) for _ in texts.segments]
            row = _row(texts, own, self.target)
            none = [each for each in own if (each.state, each.engine) == ("untranslated", "none")] if self.model else []
            left = [each.problems[0] for each in none]
            outcome.pending += len(left)
            open_ = next((IN_BATCH if is_in_batch(why) else why for why in left), None)
            yield {**row, "open": open_, "revision": "" if left else batch.revisions[texts.product_id]}


@dataclass(frozen=True)
class _Batch:
    """One row group of the products; `reused` has the rows of those that are not `changed`."""

    ids: list[str]
    changed: list[Texts]
    revisions: Mapping[str, str]
    reused: list[pa.Table]


@dataclass(frozen=True)
class _Part:
    texts: list[Texts]
    plan: Plan


def texts_of(products: pa.Table, variants: pa.Table) -> list[Texts]:
    """The texts of one batch of fixed products and their variants, in the order of the products."""
    owner = pc.index_in(variants["product_id"].combine_chunks(), value_set=products["product_id"].combine_chunks())
    said = facts(products["metafields"].combine_chunks().take(owner), variants["metafields"].combine_chunks())
    words: list[dict[str, None]] = [{} for _ in range(len(products))]
    codes: list[dict[str, None]] = [dict.fromkeys([vendor or ""]) for vendor in products["vendor"].to_pylist()]
    for column in (variants["sku"], said["mpn"]):
        for row, code in zip(owner.to_pylist(), column.to_pylist(), strict=True):
            if row is not None and code and len(code) >= _SHORTEST_CODE and any(map(str.isdigit, code)):
                codes[row][code] = None
    for name in ("option1_name", "option2_name", "option3_name"):
        for own, text in zip(words, products[name].to_pylist(), strict=True):
            own[text or ""] = None
    pairs = dict.fromkeys(
        (row, name, text)
        for name, column in [(name, variants[name]) for name in VARIANT_COLUMNS[1:4]] + [("facts", said["attributes"])]
        for row, text in zip(owner.to_pylist(), column.to_pylist(), strict=True)
        if row is not None and text
    )
    for row, name, text in pairs:
        words[row].update(dict.fromkeys(_fact_values(text) if name == "facts" else [text]))
    for own, tags in zip(words, products["tags"].to_pylist(), strict=True):
        own.update(dict.fromkeys(tag for tag in tags or () if not _TAG_IS_CODE.search(tag)))
    columns = (products[name].to_pylist() for name in ("product_id", "title", "description_html"))
    return [
        Texts(
            product_id,
            title or "",
            markup or "",
            tuple(word for word in own if has_letters(word) and not _SIZE.fullmatch(word)),
            tuple(code for code in known if len(code) > 2 and (code in (title or "") or code in (markup or "") or code in own)),
        )
        for product_id, title, markup, own, known in zip(*columns, words, codes, strict=True)
    ]


def _fact_values(attributes: str) -> Iterator[str]:
    for value in orjson.loads(attributes).values():
        yield from value if isinstance(value, list) else [value]


def _row(texts: Texts, results: Sequence[Result], language: str) -> dict[str, Any]:
    """A row of LOCALIZED without `description`, `open`, `made_at`, `revision` and `digest`."""
    done = iter(results)
    title = next(done) if texts.title else None
    markup = next(done) if texts.markup else None
    words = list(zip(texts.words, done, strict=True))
    problems = [f"{name}: {one.problems[0]}" for name, one in zip(texts.names, results, strict=True) if one.problems]
    if texts.too_long:
        problems.append(f"description: it has more than {MAX_CHARACTERS:,} characters and is not translated")
    left = sum(result.state == "untranslated" for result in results) + texts.too_long
    engines = sorted({result.engine for result in results if result.state == "translated"})
    return {
        "product_id": texts.product_id,
        "language": language,
        "state": "translated" if not left else "untranslated" if left == len(results) + texts.too_long else "partly",
        "engine": ", ".join(engines) or None,
        "title": _said(title),
        "description_html": sanitize(found) if (found := _said(markup)) else None,
        "title_engine": title.engine if title and _said(title) else None,
        "description_engine": markup.engine if markup and _said(markup) else None,
        "words": [{"source": word, "target": text} for word, result in words if (text := _said(result)) and text != word],
        "problems": problems[:_MOST_PROBLEMS],
    }


def _said(result: Result | None) -> str | None:
    return result.forms.get(TEXT) if result is not None and result.state == "translated" else None


def _table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    now = datetime.now(timezone.utc)
    rows = [{**row, "made_at": now} for row in rows]
    table = pa.Table.from_pylist(rows, schema=pa.schema([f for f in LOCALIZED if f.name not in ("description", "digest")]))
    table = table.append_column("description", plain_text(table["description_html"].combine_chunks()))
    # What is left and why is said on listings too.
    said = [orjson.dumps([row[name] for name in ("title", "description_html", "words", "problems")]) for row in rows]
    digests = [hashlib.blake2b(text, digest_size=16).hexdigest() for text in said]
    return table.append_column("digest", pa.array(digests, pa.string())).select(LOCALIZED.names).cast(LOCALIZED)


def with_brands(glossary: Glossary, products: Table) -> Glossary:
    """Vendors of the catalog stay as they are written, unless the store's own terms say otherwise, or they are words there."""
    vendors = pc.unique(products.arrow(["vendor"])["vendor"]).drop_null().to_pylist()
    if len(vendors) > _MOST_BRANDS:
        return glossary
    known = {term.term.casefold() for term in glossary.terms}
    brands = {vendor for vendor in vendors if len(vendor) > 2 and vendor.casefold() not in known}
    brands -= _words_among(brands, products)
    return Glossary((*glossary.terms, *(Term(vendor, "", None) for vendor in sorted(brands))))


def _words_among(vendors: Collection[str], products: Table) -> set[str]:
    """Vendors that are called as something is: whose name other vendors' products have in small letters ("a bowl")."""
    small = {vendor.lower(): vendor for vendor in vendors if vendor.lower() != vendor}
    if not small:
        return set()
    pattern = re.compile("|".join(rf"(?<!\w){re.escape(one)}(?!\w)" for one in sorted(small, key=len, reverse=True)))
    found = set[str]()
    for index in range(products.batches):
        for row in products.arrow_batch(index, ["vendor", "title", "description"]).to_pylist():
            said = {small[one] for text in (row["title"], row["description"]) for one in pattern.findall(text or "")}
            found |= said - {row["vendor"]}
    return found
