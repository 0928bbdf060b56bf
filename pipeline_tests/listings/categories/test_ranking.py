"""Words of titles into categories: what counts in a title, spellings, and texts that nobody would call titles."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.listings.categories.index import Index, Words
from pipeline.listings.categories.ranker import quoted
from pipeline.listings.categories.taxonomy import shopify
from pipeline.listings.categories.text import stem

INDEX = Index(
    [
        ("Kitchen", "Mugs"), ("Kitchen", "Mug Racks"), ("Kitchen", "Tea Towels"), ("Electronics", "Phones"),
        ("Electronics", "Phone Accessories", "Cases"), ("Pets", "Mugs"), ("Bath", "Hair Dryers"), ("Bath", "Toothbrushes"),
        ("Fashion", "Hats & Caps"), ("Fashion", "Dresses"),
    ],
    {8: ["beanie"], 4: ["phone case", "bumper"]},
    Words(frozenset({"blue", "large"}), {("Pets",): 0.75}),
)  # fmt: skip
PATHS = (
    "Kitchen > Mugs", "Kitchen > Mug Racks", "Kitchen > Tea Towels", "Electronics > Phones",
    "Electronics > Phone Accessories > Cases", "Pets > Mugs", "Bath > Hair Dryers", "Bath > Toothbrushes",
    "Fashion > Hats & Caps", "Fashion > Dresses",
)  # fmt: skip


def best(title: str, vendor: str | None = None) -> str | None:
    query = INDEX.query()
    query.add(title, without=vendor)
    found = INDEX.rank(query)
    return PATHS[found[0].row] if found else None


@pytest.mark.parametrize(
    ("title", "category"),
    [
        ("Blue Mug", "Kitchen > Mugs"),  # in the rare branch only where its words say so
        ("Pets' Mug", "Pets > Mugs"),
        ("Wall Rack for Mugs, large", "Kitchen > Mug Racks"),
        ("Phone Case", "Electronics > Phone Accessories > Cases"),
        ("Bumper for Phone", "Electronics > Phone Accessories > Cases"),  # an alias, and what it is for
        ("Phone with Case", "Electronics > Phones"),
        ("Hairdryer 2000 W", "Bath > Hair Dryers"),
        ("Tooth Brush", "Bath > Toothbrushes"),
        ("Toothbrsh", "Bath > Toothbrushes"),
        ("Toothburshes", "Bath > Toothbrushes"),
        ("Knitted Beanie", "Fashion > Hats & Caps"),
        ("ＭＵＧ", "Kitchen > Mugs"),
        ("large blue", None),
        ("12345", None),
        ("", None),
        ("杯子", None),
    ],
)
def test_what_counts_in_a_title(title: str, category: str | None) -> None:
    assert best(title) == category


def test_the_brand_is_not_what_the_product_is() -> None:
    assert best("Mug Racks Dress", "Mug Racks") == "Fashion > Dresses"
    assert best("Mugs", "Mugs") == "Kitchen > Mugs"  # unless it is all there is


@pytest.mark.parametrize(
    ("word", "stemmed"),
    [("shoes", "shoe"), ("dresses", "dress"), ("watches", "watch"), ("boxes", "box"), ("berries", "berry"), 
     ("hoodies", "hoody"), ("hoodie", "hoody"), ("ties", "tie"), ("tie", "tie"),
     ("men's", "men"),
     ("glass", "glass"), ("iris", "iris"), ("bus", "bus"), ("gas", "gas"), ("tees", "tee")],
)  # fmt: skip
def test_stems(word: str, stemmed: str) -> None:
    assert stem(word) == stemmed


def test_the_reason_is_the_product_s_own_words() -> None:
    query = shopify().index.query()
    query.add("Alpine Ridge Waterproof Hiking Boots Size 10", without="Alpine Ridge")
    first = shopify().index.rank(query)[0]
    assert shopify().full(first.row) == "Apparel & Accessories > Shoes > Boots"
    assert first.because[0].written == "hiking boots"
    assert first.confidence > 0.9


def test_a_word_of_another_taxonomy_is_not_misspelled() -> None:
    query = shopify().index.query()
    query.add("High-Rise Leggings with Pockets")
    file = Index([("Business & Industrial", "Forestry & Logging"), ("Toys", "Games")], {}, Words(frozenset(), {}))
    assert file.rank(query) == []


def test_the_reason_says_which_word_was_taken_for_another() -> None:
    query = INDEX.query()
    query.add("Toothbrsh")
    first = INDEX.rank(query)[0]
    assert quoted(first.because) == '"toothbrsh" (taken for toothbrush)'
    assert first.confidence < 0.9  # however telling


def test_who_says_more_than_the_product_goes_behind_who_does_not() -> None:
    """And while both have its words it is not sure."""
    query = shopify().index.query()
    query.add("Leather Dog Collar")
    first, second = shopify().index.rank(query)[:2]
    assert shopify().full(first.row) == "Animals & Pet Supplies > Pet Supplies > Pet Collars & Harnesses"
    assert shopify().full(second.row).endswith("> Hunting Dog Equipment > Hunting Dog Collars")
    assert first.confidence < 0.9


@pytest.mark.parametrize(
    ("title", "category", "because"),
    [
        ("Dog Food Bowl Ceramic", "Pet Bowls, Feeders & Waterers", "dog food bowl"),
        ("Tea Cup Saucer Porcelain", "Coffee & Tea Saucers", "tea cup saucer"),
        ("Bike Helmet Light", "Bicycle Accessories", "bike helmet light"),
        ("Face Mask Clay 100 ml", "Skin Care Masks & Peels", "mask clay"),  # stuff may stand behind
    ],
)
def test_the_last_noun_is_the_thing(title: str, category: str, because: str) -> None:
    query = shopify().index.query()
    query.add(title)
    first = shopify().index.rank(query)[0]
    assert (shopify().paths[first.row][-1], first.because[0].written) == (category, because)


@pytest.mark.parametrize(
    ("title", "sure"),
    [
        ("Coffee Mug Rack Wood", False), ("Wine Glass Holder", False), ("Dog Bed Cover Washable", False),
        ("Coffee Mug", True), ("Phone Case Leather", True), ("Dog Food Salmon 2 kg", True), ("Dog Food - Bowl included", True),
    ],
)  # fmt: skip
def test_what_only_says_something_of_another_thing_is_no_more_than_suggested(title: str, sure: bool) -> None:
    query = shopify().index.query()
    query.add(title)
    assert (shopify().index.rank(query)[0].confidence >= 0.9) is sure


def test_a_word_that_copy_uses_of_anything_is_not_misspelled() -> None:
    query = shopify().index.query()
    query.add("Aquarium Air Pump Quiet")
    assert [term for match in shopify().index.rank(query) for term in match.because if term.meant] == []


def test_a_product_type_may_only_name_the_department() -> None:
    query = shopify().index.query()
    query.add("Shampoo Bar for Curly Hair")
    query.add("Hair Care", 1.2, kind=True)
    assert shopify().full(shopify().index.rank(query)[0].row).endswith("> Hair Care > Shampoo & Conditioner")


def test_a_product_type_that_says_otherwise_makes_unsure() -> None:
    def sure(kind: str | None) -> float:
        query = INDEX.query()
        query.add("Phone Case")
        query.add(kind, 0.1, kind=True)
        return INDEX.rank(query)[0].confidence

    assert sure("Dresses") < sure(None) == sure("Unknown")


def test_what_something_else_implies_is_not_the_product_s_word() -> None:
    query = INDEX.query()
    query.add("Mug")
    query.add("Mug Racks", implied=True)
    terms = query.terms
    assert (terms["mug"].implied, terms["mug rack"].implied) == (False, True)
    first = INDEX.rank(query)[0]
    assert first.implied and quoted(first.because) in ("", '"mug"')


def test_a_tie_is_not_sure() -> None:
    query = INDEX.query()
    query.add("Mug / Dress")
    first, second = INDEX.rank(query)[:2]
    assert {PATHS[first.row].split(" > ")[0], PATHS[second.row].split(" > ")[0]} == {"Kitchen", "Fashion"}
    assert second.confidence <= 0.5 and first.confidence < 0.9


@settings(max_examples=150)
@given(st.text(max_size=300), st.text(max_size=40), st.floats(0.01, 3))
def test_whatever_a_title_says_it_is_ranked_or_not(title: str, brand: str, weight: float) -> None:
    query = INDEX.query()
    query.add(title, weight, without=brand)
    found = INDEX.rank(query)
    assert all(0 <= match.confidence < 1 and match.because for match in found)
    assert len({match.row for match in found}) == len(found) <= 5
    assert [match.confidence for match in found[1:]] == sorted((match.confidence for match in found[1:]), reverse=True)
    again = query.copy()
    assert INDEX.rank(again) == found


def test_a_very_long_title_is_cut() -> None:
    query = INDEX.query()
    query.add("word " * 100_000 + "mug")
    assert len(query.terms) < 500 and INDEX.rank(query) == []
