"""`listing_categories` as a table: in step with the products, ranked again only where something changed, read by listings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline.listings.categories import overlay
from pipeline.listings.categories.decisions import Decisions
from pipeline.listings.categories.overlay import Counts, build_categories, tally, used
from pipeline.listings.categories.propose import Proposal, Proposer
from pipeline.listings.categories.taxonomy import read_taxonomy
from pipeline.listings.schema import CATEGORIES
from pipeline.model.errors import PipelineError
from pipeline.platform.tables import Table
from pipeline_tests.listings.categories.test_propose import TYPES
from pipeline_tests.listings.fakes import IMPORT, Catalog, arrow, export_settings, product

TITLES = ["Graphic Tee", "Coffee Mug", "Zip Hoodie", "Leather Handbag", "Soy Candle", "Xyzzy"]


class Counting(Proposer):
    """Notes which products it was asked about."""

    asked: list[str]

    def propose(self, product: Any, rule: int) -> Proposal:
        self.__dict__.setdefault("asked", []).append(product["product_id"])
        return super().propose(product, rule)


def catalog(*titles: str, per_batch: int = 2, **changed: Any) -> Catalog:
    made = Catalog()
    for number, title in enumerate(titles):
        if number and number % per_batch == 0:
            made.next_batch()
        made.add(product(str(number), title=title, product_type=None, tags=None, **changed))
    return made


@pytest.fixture
def build(tmp_path: Path) -> Callable[..., tuple[Table, Counts, list[str]]]:
    file = tmp_path / "types.tsv"
    file.write_text(TYPES)

    def run(
        products: Catalog, previous: Table | None = None, decisions: Decisions | None = None, **settings: Any
    ) -> tuple[Table, Counts, list[str]]:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        tables = products.write(folder / "in")
        given = export_settings(category_confidence=0.6, **settings)
        proposer = Counting("shop", "amazon-us", given, decisions or Decisions(), read_taxonomy(file))
        (folder / "out").mkdir()
        staged, counts = build_categories(
            tables["fixed_products"], tables["collections"], proposer, folder / "out", previous=previous
        )
        return staged.open(), counts, proposer.__dict__.get("asked", [])

    return run


def test_a_row_for_each_product_in_step_with_them(build: Any) -> None:
    table, counts, _ = build(catalog(*TITLES))
    assert table.batches == 3 and counts.products == 6
    assert table.metadata["import_id"] == IMPORT
    assert table.arrow()["product_id"].to_pylist() == ["0", "1", "2", "3", "4", "5"]
    assert table.arrow()["category"].to_pylist() == ["SHIRT", "DRINKING_CUP", "SWEATSHIRT", "HANDBAG", "CANDLE", None]
    assert tally(table, "engine") == {"lexical": 5, "none": 1}
    assert tally(table, "status")["none"] == 1


def test_only_changed_products_are_ranked_again(build: Any) -> None:
    first, _, asked = build(catalog(*TITLES))
    assert len(asked) == 6
    again, counts, asked = build(catalog(*TITLES), first)
    assert asked == [] and counts.reused == 6
    assert again.arrow().equals(first.arrow())
    changed, counts, asked = build(catalog(*TITLES[:3], "Coffee Maker", *TITLES[4:], "Graphic Tee"), first)
    assert asked == ["3", "6"]
    full, _, _ = build(catalog(*TITLES[:3], "Coffee Maker", *TITLES[4:], "Graphic Tee"))
    assert changed.arrow().equals(full.arrow())


@pytest.mark.parametrize(
    ("change", "asked"),
    [
        ({"decisions": Decisions({("product", "1"): "X"})}, 6),
        ({"category_rules": [{"field": "title", "pattern": "*mug", "category": "CUP"}]}, 6),
        ({"stock_buffer": 2}, 0),
    ],
)
def test_what_operators_change_is_seen(build: Any, change: dict[str, Any], asked: int) -> None:
    first, _, _ = build(catalog(*TITLES))
    assert len(build(catalog(*TITLES), first, **change)[2]) == asked


def test_a_product_that_comes_into_a_collection_of_a_rule_is_looked_at_again(build: Any) -> None:
    rules = [{"field": "collection", "pattern": "sale", "category": "SALE"}]
    products = catalog(*TITLES)
    first, _, _ = build(products, category_rules=rules)
    products.collections = [{"collection_id": "1", "handle": "sale", "product_ids": ["4"]}]
    again, _, asked = build(products, first, category_rules=rules)
    assert asked == ["4"] and again.arrow()["category"].to_pylist()[4] == "SALE"


def rows(*each: tuple[str, str | None, str, str | None]) -> pa.Table:
    names = ("product_id", "category", "status", "engine")
    return arrow([dict(zip(names, one, strict=True)) for one in each], CATEGORIES)


def test_listings_use_what_is_accepted_else_the_default() -> None:
    mapped = rows(("1", "SHIRT", "accepted", "lexical"), ("2", "HAT", "suggested", "lexical"), ("3", None, "none", None))
    products = pa.table({"product_id": ["1", "2", "3"]})
    found = used(mapped, products, "PRODUCT")
    assert found["category"].tolist() == ["SHIRT", "PRODUCT", "PRODUCT"]
    assert found["category_source"].tolist() == ["lexical", "default", "default"]
    bare = used(mapped, products, None)
    assert bare["category"].isna().tolist() == bare["category_source"].isna().tolist() == [False, True, True]


@pytest.mark.parametrize("ids", [["2", "1"], ["1"], ["1", "2", "3"], []])
def test_rows_of_other_products_are_refused(ids: list[str]) -> None:
    mapped = rows(("1", "A", "accepted", "rule"), ("2", "B", "accepted", "rule"))
    with pytest.raises(PipelineError, match="materialize listing_categories again"):
        used(mapped, pa.table({"product_id": pa.array(ids, pa.string())}), None)


def test_samples_begin_with_the_least_sure() -> None:
    table = arrow(
        [{"product_id": str(n), "status": "suggested", "confidence": sure} for n, sure in enumerate((0.7, 0.2, 0.5))], CATEGORIES
    )
    assert [row["product_id"] for row in overlay.sample(table, "suggested", 2)] == ["1", "2"]
