"""What people translate: the product texts of a store that stay in its language, as a CSV file with the reasons, and what comes
back in one.

The texts are told from the catalog, the memory and the answers as they are now; the last run is asked only for its reasons.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psycopg
import pyarrow.compute as pc

from pipeline.labels.groups import groups_of
from pipeline.labels.schema import SCHEMAS as LABEL_SCHEMAS
from pipeline.labels.translation import read_locales
from pipeline.language.languages import base, normalize_tag
from pipeline.language.translation.apart import apart
from pipeline.language.translation.exchange import Uses
from pipeline.language.translation.glossary import read_glossary
from pipeline.language.translation.memory import text_hash
from pipeline.language.translation.plan import Pair, make_plan
from pipeline.language.translation.segments import TEXT, Result, Segment, loosely
from pipeline.language.translation.tmx import MAX_BYTES, MAX_TEXT, Bad, Unit
from pipeline.listings.localized.build import NAME, PRODUCT_COLUMNS, TASK, VARIANT_COLUMNS, Texts, texts_of, with_brands
from pipeline.listings.open_texts import by_hand
from pipeline.listings.overlays import LOCALIZED
from pipeline.listings.spreadsheets import read_rows, write_rows
from pipeline.marketplaces import find_site
from pipeline.model.errors import BadInputError, PipelineError, UsageError
from pipeline.platform.io_manager import stored_table
from pipeline.platform.tables import Table
from pipeline.quality.fixes.markup import cleaned
from pipeline.quality.schema import FIXED_PRODUCTS, FIXED_VARIANTS
from pipeline.settings import Settings, model_endpoint
from pipeline.stores.connections import Connection, list_connections
from pipeline.stores.stores import Store

COLUMNS = ("language", "text", "source", "target", "why", "products")
_NEEDED = ("source", "target")
#: A text that many products have names so many of them.
_MOST_PRODUCTS = 5
#: Names of texts that are no words of options, tags or facts.
_TEXTS = ("title", "description")


@dataclass
class Left:
    """A text that is not translated. `target`: an answer of a model that is not used, to be checked; '' without one."""

    text: str  # title | description | word: of an option, a tag or a fact
    source: str
    target: str
    why: str
    products: list[str] = field(default_factory=list)  # id and title

    def row(self, language: str) -> dict[str, str]:
        """A row of COLUMNS."""
        more = len(self.products) - _MOST_PRODUCTS
        named = [*self.products[:_MOST_PRODUCTS], *([f"and {more} more"] if more > 0 else [])]
        # A sentence that begins with what it quotes would look like a guarded formula.
        why = self.why if self.why[:1].isalnum() else f"because {self.why}"
        return {
            "language": language, "text": self.text, "source": self.source, "target": self.target, "why": why,
            "products": "; ".join(named),
        }  # fmt: skip


@dataclass(frozen=True)
class Open:
    """The texts that are left, and how many products have a description that is too long to be translated at all."""

    texts: Sequence[Left]
    products: int
    too_long: int


@dataclass(frozen=True)
class _Said:
    """Of a product: why a model is still to be asked, and why each text was left."""

    open: str | None
    problems: Sequence[str]


_SILENT = _Said(None, ())


@dataclass(frozen=True)
class _Catalog:
    products: Table
    variants: Table

    def texts(self) -> Iterator[list[Texts]]:
        """Batch by batch."""
        for index in range(self.products.batches):
            of_products = self.products.arrow_batch(index, PRODUCT_COLUMNS)
            yield texts_of(of_products, self.variants.arrow_batch(index, VARIANT_COLUMNS))


def translated_sites(connection: psycopg.Connection[Any], store: Store, language: str) -> list[Connection]:
    """The store's connections whose listings are translated into this language; without a country, in any country."""
    return [
        one
        for one in list_connections(connection, store_key=store.key)
        if one.export_settings.auto_translate
        and language in (spoken := find_site(one.site)[1].language, base(spoken))
        and base(spoken) != base(store.language)
    ]


def left_to_translate(connection: psycopg.Connection[Any], settings: Settings, store: Store, language: str) -> Open:
    """What is not translated into a language for the sites that it is wanted for, in the order of the catalog.

    Raises UsageError where it is wanted for none, and PipelineError before the first import."""
    connections = translated_sites(connection, store, language)
    if not connections:
        raise UsageError(
            f"no products of {store.key} are translated into {language}; switch it on for a site in that language: "
            f"pipeline connection set {store.key} MARKETPLACE auto_translate=true"
        )
    catalog = _catalog(settings, store)
    if catalog is None:
        raise PipelineError(f"{store.key} has no catalog yet; read it with: pipeline import {store.key}")
    endpoint, glossary = model_endpoint(), with_brands(read_glossary(connection, store.id), catalog.products)
    found: dict[str, Left] = {}
    touched, too_long = set[str](), set[str]()
    for spoken in dict.fromkeys(find_site(one.site)[1].language for one in connections):
        here = [one for one in connections if find_site(one.site)[1].language == spoken]
        said = _said(settings, store, [one.site for one in here])
        command, review = by_hand(store.key, spoken), any(one.export_settings.review_translations for one in here)
        model = endpoint.model if endpoint else None
        pair = Pair(store.id, TASK, store.language, spoken, glossary, model, by_hand=command, review=review)
        for batch in catalog.texts():
            results = iter(make_plan(connection, pair, [each for texts in batch for each in texts.segments]).finished())
            for texts in batch:
                too_long.update([texts.product_id] if texts.too_long else [])
                for name, segment in zip(texts.names, texts.segments, strict=True):
                    result, source = next(results), segment.forms[TEXT]
                    if result is not None and result.state != "untranslated":
                        continue
                    why = _why(result, said.get(texts.product_id, _SILENT), name).replace(f": {command}", "")
                    one = found.setdefault(source, Left(name if name in _TEXTS else "word", source, "", why))
                    one.target = one.target or (result.unused.get(TEXT, "") if result else "")
                    one.products.append(f"{texts.product_id} {texts.title}")
                    touched.add(texts.product_id)
    for one in found.values():
        one.products = list(dict.fromkeys(one.products))
    return Open(list(found.values()), len(touched), len(too_long))


def write_open(left: Iterable[Left], language: str, file: Path) -> int:
    """How many rows. Raises PipelineError when the file cannot be written."""
    return write_rows(file, COLUMNS, (one.row(language) for one in left))


def read_open(file: Path, source_locale: str, language: str | None) -> tuple[list[Unit | Bad], int]:
    """The translations in such a file, and how many rows have none. `language`: of rows that do not say theirs.

    Raises BadInputError for a file that is none."""
    found: list[Unit | Bad] = []
    empty = 0
    for line, row in read_rows(file, _NEEDED, "pipeline memory export STORE --to LANGUAGE --open", MAX_BYTES):
        spoken = row.get("language", "").strip() or language
        if not any(cell.strip() for cell in row.values()) or not row["target"].strip():
            empty += 1
        elif spoken is None:
            raise BadInputError(f"{file} does not say its language in line {line}; say it with --to, or in a column language")
        elif max(len(row["source"]), len(row["target"])) > MAX_TEXT:
            found.append(Bad(line, f"a text has more than {MAX_TEXT:,} characters"))
        else:
            try:
                found.append(Unit(line, {source_locale: row["source"], normalize_tag(spoken): row["target"]}))
            except UsageError as error:
                found.append(Bad(line, str(error)))
    if not found:
        raise BadInputError(f"{file} has no translation: its column target is empty")
    return found, empty


def uses_of(
    connection: psycopg.Connection[Any], settings: Settings, store: Store, units: Iterable[Unit | Bad]
) -> tuple[list[Unit | Bad], Uses]:
    """Where the store uses the texts of some units; and the units, those with a description as the store has it, with attributes
    and all, as the description that its products have."""
    given = list(units)
    clean = [_cleaned(unit) for unit in given]
    wanted = {loosely(text) for unit in (*given, *clean) if isinstance(unit, Unit) for text in unit.texts.values()}
    connections = list_connections(connection, store_key=store.key)
    sold = {find_site(one.site)[1].language for one in connections if one.export_settings.auto_translate}
    languages = {one for one in sold if base(one) != base(store.language)}.union(read_locales(connection, store.id))
    labels = stored_table(settings, "ui_labels", LABEL_SCHEMAS["ui_labels"], store.key)
    groups = groups_of(labels.arrow().to_pylist()) if labels else ()
    hashes = {text_hash(group.segment.forms) for group in groups if not group.problem}
    catalog = _catalog(settings, store)
    if catalog is None or not wanted:
        return given, Uses(labels=hashes, languages=languages)
    found: dict[str, list[Segment]] = {}
    for batch in catalog.texts():
        for segment in (each for texts in batch for whole in texts.segments for each in _with_pieces(whole)):
            if (key := loosely(segment.forms[TEXT])) in wanted:
                kept = tuple(code for code in segment.kept if code in segment.forms[TEXT])
                one = replace(segment, kept=kept, product="", remark=False)
                known = found.setdefault(key, [])
                known.extend([one] if one not in known else [])
    fitting = [two if _is_in(found, two) and not _is_in(found, one) else one for one, two in zip(given, clean, strict=True)]
    return fitting, Uses(with_brands(read_glossary(connection, store.id), catalog.products), found, hashes, languages)


def _with_pieces(segment: Segment) -> list[Segment]:
    """A text and the sentences of it that are asked for alone, which people may translate alone too."""
    found = apart(segment)
    return [segment, *(found.sentences if found else ())]


def _cleaned(unit: Unit | Bad) -> Unit | Bad:
    if isinstance(unit, Bad) or not any("<" in text for text in unit.texts.values()):
        return unit
    return replace(unit, texts={locale: cleaned(text) for locale, text in unit.texts.items()})


def _is_in(texts: Mapping[str, Any], unit: Unit | Bad) -> bool:
    return isinstance(unit, Unit) and any(loosely(text) in texts for text in unit.texts.values())


def _catalog(settings: Settings, store: Store) -> _Catalog | None:
    products = stored_table(settings, "fixed_products", FIXED_PRODUCTS, store.key)
    variants = stored_table(settings, "fixed_variants", FIXED_VARIANTS, store.key)
    return _Catalog(products, variants) if products and variants and products.batches == variants.batches else None


def _said(settings: Settings, store: Store, sites: Iterable[str]) -> dict[str, _Said]:
    """What the last run on these sites said of products that it left."""
    found: dict[str, _Said] = {}
    for site in sites:
        table = stored_table(settings, NAME, LOCALIZED, site, store.key)
        for index in range(table.batches if table else 0):
            batch = table.arrow_batch(index, ["product_id", "state", "problems", "open"]) if table else None
            for row in batch.filter(pc.not_equal(batch["state"], "translated")).to_pylist() if batch else ():
                found.setdefault(row["product_id"], _Said(row["open"], row["problems"]))
    return found


def _why(result: Result | None, said: _Said, name: str) -> str:
    """Why a text is not translated. `result`: what is known of it now, None where a model would be asked."""
    if result is not None and result.engine != "none":
        return result.problems[0]
    if result is None and said.open is None:
        return "the next export asks the model for it"
    reasons = (one.removeprefix(f"{name}: ") for one in said.problems if one.startswith(f"{name}: "))
    return next(reasons, result.problems[0] if result is not None else said.open or "")
