"""A small marketplace and small catalogs, so that these tests depend on no real marketplace."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from pipeline.catalog.schema import COLLECTIONS, INVENTORY
from pipeline.listings.categories.overlay import build_categories
from pipeline.listings.categories.propose import Proposer
from pipeline.listings.recipe import Recipe
from pipeline.listings.schema import LISTINGS
from pipeline.marketplaces.base import Definitions, ListingProblem, Outcome, outcome
from pipeline.model.credentials import CredentialNames
from pipeline.model.listing import Account, FeedKind, FeedPart, InvalidMessage, Message, Site
from pipeline.model.quality import RuleSet
from pipeline.platform.tables import Table, TableWriter, empty_frame, to_frame
from pipeline.quality.ruleset import load_ruleset
from pipeline.quality.schema import FIXED_PRODUCTS, FIXED_VARIANTS
from pipeline.stores.export_settings import ExportSettings, parse_export_settings

SITE = Site("fake-us", "fake", "F1", "US", "USD", "en-US", "na", {})
YEN_SITE = Site("fake-jp", "fake", "F2", "JP", "JPY", "ja-JP", "fe", {})
ACCOUNT = Account("demo", "S1", {})
IMPORT = "20260101-000001"
TODAY = date(2026, 1, 10)

RULES = """
name: fake
version: "1"
fixes:
  - {fix: T08, level: variant, fields: [title]}
rules:
  - {code: F_TITLE, level: product, field: title, dimension: completeness, severity: critical, weight: 5, check: present,
     message: The title is missing., hint: Write one.}
  - {code: F_PRICE, level: variant, field: price, dimension: completeness, severity: critical, weight: 5, check: present,
     when: {role: [single, child]}, message: The price is missing., hint: Set one.}
  - {code: F_POSITIVE, level: variant, field: price, dimension: correctness, severity: error, weight: 5, check: positive,
     when: {role: [single, child]}, message: The price is not above zero., hint: Set one.}
  - {code: F_GTIN, level: variant, field: gtin, dimension: identifiers, severity: warning, weight: 5, check: present,
     when: {role: [single, child]}, message: The barcode is missing., hint: Buy one.}
"""


class FakeMarketplace:
    """Messages are the values that they carry, as JSON; with `whole_families` a family is one message of its parent."""

    name = "fake"
    version = "1"
    account_settings: Mapping[str, Any] = {}
    credentials = CredentialNames()
    sends = False
    sales_have_dates = True
    max_family = 5
    max_sku = 40
    sites: Mapping[str, Site] = {SITE.key: SITE, YEN_SITE.key: YEN_SITE}
    rules_file = Path("unused")

    def __init__(
        self, *, whole_families: bool = False, invalid: Iterable[tuple[str, str]] = (), spoiled: Sequence[str] = ()
    ) -> None:
        self.spoiled = spoiled
        self.whole_families = self.family_is_one_listing = whole_families
        self.invalid = set(invalid)
        self.projected = self.generation = 0

    def account_problems(self, site: Site, account: Account) -> Sequence[str]:
        return self.spoiled

    def project(self, rows: pd.DataFrame, site: Site, settings: Mapping[str, Any]) -> pd.DataFrame:
        self.projected += len(rows)
        return rows

    def informed(self, definitions: Definitions) -> FakeMarketplace:
        return self

    def problems(self, rows: pd.DataFrame, site: Site, account: Account) -> Sequence[ListingProblem]:
        return ()

    def hashes(self, rows: pd.DataFrame, site: Site, account: Account) -> pd.DataFrame:
        content = [self._content(rows, row) for row in rows.itertuples()]
        images = [_digest([str(url) for url in row.images]) for row in rows.itertuples()]
        return pd.DataFrame({"content_hash": content, "images_hash": images}, index=rows.index, dtype="string[pyarrow]")

    def _content(self, rows: pd.DataFrame, row: Any) -> str:
        own = [row.title, row.role, None if pd.isna(row.parent_sku) else row.parent_sku]
        if self.whole_families and row.role == "parent":
            own.append(rows.loc[rows["parent_sku"] == row.sku, ["sku", "option1"]].astype(str).to_numpy().tolist())
        return _digest(own if not (self.whole_families and row.role == "child") else ["child"])

    def messages(self, rows: pd.DataFrame, changes: Mapping[str, frozenset[str]], site: Site, account: Account) -> Outcome:
        self.generation = account.generation
        return outcome(self._messages(rows, changes))

    def _messages(self, rows: pd.DataFrame, changes: Mapping[str, frozenset[str]]) -> Iterator[Message | InvalidMessage]:
        for row in rows.itertuples():
            for kind in sorted(changes.get(row.sku, ())):
                feed: FeedKind = {"create": "product", "update": "product", "quantity": "inventory"}.get(kind, kind)  # type: ignore[assignment]
                if self.whole_families and row.role == "child" and kind in ("create", "update"):
                    continue
                if (row.sku, feed) in self.invalid:
                    yield InvalidMessage(row.sku, feed, (f"{row.sku} is refused.",))
                    continue
                said: dict[str, Any] = {
                    "title": row.title,
                    "price": row.price,
                    "quantity": row.quantity,
                    "images": list(row.images),
                }
                if self.whole_families and row.role == "parent":
                    said["children"] = rows.loc[rows["parent_sku"] == row.sku, "sku"].tolist()
                yield Message(row.sku, feed, kind.upper(), json.dumps({row.sku: said}, default=_plain).encode())

    def deletions(self, rows: pd.DataFrame, site: Site, account: Account) -> pa.Table:
        return outcome(Message(sku, "product", "DELETE", sku.encode()) for sku in rows["sku"]).messages

    def zero_quantities(self, rows: pd.DataFrame, site: Site, account: Account) -> pa.Table:
        return outcome(Message(sku, "inventory", "ZERO", sku.encode()) for sku in rows["sku"]).messages

    def pack(self, feed: FeedKind, messages: Iterable[pa.Table], site: Site, account: Account) -> Iterator[FeedPart]:
        raise NotImplementedError


def _plain(value: Any) -> int | None:
    return None if value is pd.NA else int(value)


def _digest(value: object) -> str:
    return blake2b(repr(value).encode(), digest_size=8).hexdigest()


def rules(folder: Path) -> RuleSet:
    path = folder / "rules.yaml"
    path.write_text(RULES)
    return load_ruleset(path)


def recipe(folder: Path, marketplace: FakeMarketplace | None = None, site: Site = SITE, **settings: Any) -> Recipe:
    return Recipe(
        "demo", "USD", marketplace or FakeMarketplace(), site, ACCOUNT, export_settings(**settings), rules(folder), TODAY
    )


def export_settings(**values: Any) -> ExportSettings:
    return parse_export_settings(values)


def product(product_id: str, **changed: Any) -> dict[str, Any]:
    return {
        "product_id": product_id, "handle": f"h-{product_id}", "title": f"Product {product_id}", "vendor": "Acme",
        "description": "Good.", "description_html": "<p>Good.</p>", "product_type": "Mug", "tags": ["kitchen", "gift"],
        "status": "active", "gift_card": False, "images": ["https://cdn.example.com/1.jpg"], "source_hash": "s", "line": 1,
        "revision": f"r-{product_id}", **changed,
    }  # fmt: skip


def variant(product_id: str, number: int = 1, **changed: Any) -> dict[str, Any]:
    return {
        "variant_id": f"{product_id}-{number}", "product_id": product_id, "position": number, "sku": f"SKU-{product_id}-{number}",
        "price": 1000, "line": 1, **changed,
    }  # fmt: skip


def stock(variant_id: str, available: int | None = 5, **changed: Any) -> dict[str, Any]:
    return {
        "variant_id": variant_id, "product_id": variant_id.rsplit("-", 1)[0], "location": "main", "available": available,
        "tracked": True, "oversell": False, **changed,
    }  # fmt: skip


class Catalog:
    """Products with their variants and stock, by batch; `write` makes the tables that `build_listings` reads."""

    def __init__(self) -> None:
        self.batches: list[list[tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]]] = [[]]
        self.collections: list[dict[str, Any]] = []

    def add(
        self, entry: dict[str, Any], variants: list[dict[str, Any]] | None = None, stocks: list[dict[str, Any]] | None = None
    ) -> Catalog:
        own = [variant(entry["product_id"])] if variants is None else variants
        held = [stock(item["variant_id"]) for item in own] if stocks is None else stocks
        self.batches[-1].append((entry, own, held))
        return self

    def next_batch(self) -> Catalog:
        self.batches.append([])
        return self

    def write(self, folder: Path, **import_ids: str) -> dict[str, Table]:
        folder.mkdir(exist_ok=True, parents=True)
        schemas = {
            "fixed_products": FIXED_PRODUCTS, "fixed_variants": FIXED_VARIANTS,
            "inventory": INVENTORY, "collections": COLLECTIONS,
        }  # fmt: skip
        tables = {}
        for name, schema in schemas.items():
            with TableWriter(folder, name, schema, {"import_id": import_ids.get(name, IMPORT)}) as writer:
                for batch in self.batches:
                    rows = {
                        "fixed_products": [entry for entry, _, _ in batch],
                        "fixed_variants": [row for _, own, _ in batch for row in own],
                        "inventory": [row for _, _, held in batch for row in held],
                        "collections": self.collections,
                    }[name]
                    writer.write(arrow(rows, schema))
            tables[name] = Table(writer.path)
        return tables


def mapped(tables: Mapping[str, Table], how: Recipe, folder: Path) -> Table:
    """`listing_categories` for the tables of a catalog."""
    folder.mkdir(exist_ok=True, parents=True)
    proposer = Proposer(how.store, how.site.key, how.settings)
    staged, _ = build_categories(tables["fixed_products"], tables["collections"], proposer, folder)
    return staged.open()


def arrow(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    return pa.table({field.name: pa.array([row.get(field.name) for row in rows], field.type) for field in schema}, schema=schema)


def listing(sku: str, **changed: Any) -> dict[str, Any]:
    return {
        "sku": sku, "role": "single", "product_id": sku, "variant_id": sku, "title": sku, "images": ["i"], "currency": "USD",
        "price": 1000, "quantity": 5, "available": 5, "status": "ready", "content_hash": "c", "images_hash": "i", "revision": "r",
        **changed,
    }  # fmt: skip


def family(product_id: str, children: list[dict[str, Any]], **changed: Any) -> list[dict[str, Any]]:
    """A parent row `P-<id>` and its children (overrides of `listing`, with their sku)."""
    parent = f"P-{product_id}"
    rows = [
        listing(
            parent, role="parent", product_id=product_id, variant_id=None, price=None, quantity=None, available=None, **changed
        )
    ]
    return rows + [listing(**{"role": "child", "parent_sku": parent, "product_id": product_id, **child}) for child in children]


def listings_table(folder: Path, *batches: list[dict[str, Any]], import_id: str = IMPORT) -> Table:
    folder.mkdir(exist_ok=True, parents=True)
    with TableWriter(folder, "listings", LISTINGS, {"import_id": import_id}) as writer:
        for batch in batches or ([],):
            writer.write(arrow(batch, LISTINGS))
    return Table(writer.path)


def frame(rows: list[dict[str, Any]], schema: pa.Schema) -> pd.DataFrame:
    return to_frame(arrow(rows, schema)) if rows else empty_frame(schema)
