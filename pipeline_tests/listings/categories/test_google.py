"""Google's numbers without a connection: from the store's categories and from words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.listings.categories.google import COLUMNS, GoogleView, Summary
from pipeline.listings.categories.ranker import Ranker
from pipeline.listings.categories.taxonomy import read_taxonomy, shopify
from pipeline_tests.listings.categories.test_overlay import catalog
from pipeline_tests.listings.categories.test_propose import GOOGLE, propose
from pipeline_tests.listings.fakes import Catalog, product

NAMES = "# Google_Product_Taxonomy_Version: 2021-09-21\n212 - Apparel & Accessories > Clothing > Shirts & Tops\n"


def rows(tmp_path: Path, products: Catalog, **changed: Any) -> list[dict[str, Any]]:
    table = products.write(tmp_path / "in")["fixed_products"]
    return list(GoogleView(table, Ranker(), **changed).rows())


def test_of_the_store_and_of_words(tmp_path: Path) -> None:
    products = catalog("Aurora", category="gid://shopify/TaxonomyCategory/aa-1-13-8")
    for title in ("Leather Handbag", "Coffee Mug", "Xyzzy"):
        products.add(product(title, title=title, product_type=None, tags=None, category=None))
    own, bag, mug, none = rows(tmp_path, products, threshold=0.97)
    assert (own["status"], own["google_category"], own["confidence"]) == ("own", "212", 1.0)
    assert (own["taxonomy"], own["reason"], own["google_name"]) == ("aa-1-13-8", "the store says it", None)
    assert bag["google_category"] == shopify().google[shopify().by_id[bag["taxonomy"]]] == "3032"
    assert (bag["status"], mug["status"]) == ("suggested", "guessed") and bag["reason"] == '"handbag" in its words'
    assert (none["status"], none["google_category"], none["confidence"]) == ("none", None, None)
    assert all(tuple(row) == COLUMNS for row in (own, bag, none))


def test_only_active_products(tmp_path: Path) -> None:
    products = catalog("Coffee Mug")
    products.add(product("9", title="Coffee Mug", status="draft"))
    assert [row["product_id"] for row in rows(tmp_path, products)] == ["0"]


def test_names_of_google_where_there_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text(NAMES)
    products = catalog("Aurora", category="aa-1-13-8")
    products.add(product("9", title="Bowl", category="ap-2"))
    known, newer = rows(tmp_path, products, names=read_taxonomy(tmp_path / "names.txt"))
    assert known["google_name"] == "Apparel & Accessories > Clothing > Shirts & Tops"
    assert (newer["google_category"], newer["google_name"]) == ("2", "unknown number")


def test_with_its_names_as_fine_as_on_a_marketplace_with_that_file(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text(
        f"{GOOGLE}2 - Animals & Pet Supplies > Pet Supplies\n"
        "4433 - Animals & Pet Supplies > Pet Supplies > Cat Supplies > Cat Beds\n"
        "4434 - Animals & Pet Supplies > Pet Supplies > Dog Supplies > Dog Beds\n"
    )
    names, products = read_taxonomy(tmp_path / "names.txt"), catalog("Orthopedic Dog Bed")
    products.add(product("own", title="Cat Bed Plush", category="gid://shopify/TaxonomyCategory/ap-2-9"))
    products.add(product("plain", title="Plush Bed", product_type=None, tags=None, category="ap-2-9"))
    found = rows(tmp_path, products, names=names)
    table = products.write(tmp_path / "again")["fixed_products"]
    shelf = [propose(one, file=names) for one in table.arrow().to_pylist()]
    assert [row["google_category"] for row in found] == [one.category for one in shelf] == ["4434", "4433", "2"]
    assert [row["confidence"] for row in found] == [one.confidence for one in shelf]
    assert [row["status"] for row in found] == ["guessed", "guessed", "own"]
    assert {row["google_category"] for row in rows(tmp_path, products)} == {"2"}  # without the file nobody knows


def test_a_category_that_google_does_not_have(tmp_path: Path) -> None:
    row = next(number for number, found in enumerate(shopify().google) if not found)
    (found,) = rows(tmp_path, catalog("Aurora", category=shopify().ids[row]))
    assert (found["google_category"], found["status"]) == (None, "own")
    assert found["reason"] == "the store says it; Google has no category for that"


@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_the_summary_counts_each_product_once(tmp_path: Path, threshold: float) -> None:
    summary = Summary()
    found = list(summary.counted(rows(tmp_path, catalog("Coffee Mug", "Xyzzy", "Leather Handbag"), threshold=threshold)))
    sure, suggested = (2, 0) if threshold == 0 else (0, 2)
    assert len(found) == 3 and summary.counts == {"own": 0, "guessed": sure, "suggested": suggested, "none": 1}
    assert str(summary) == f"0 from the store, {sure} guessed and sure, {suggested} only suggested, 1 without"
