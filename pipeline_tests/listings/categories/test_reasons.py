"""What a guess says of itself: its reason quotes the product and nothing else, and where it is sure it is right."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.listings.categories.decisions import Decisions
from pipeline.listings.categories.propose import Proposal
from pipeline.listings.categories.ranker import Ranker
from pipeline.listings.categories.taxonomy import Taxonomy, read_taxonomy, shopify
from pipeline.listings.categories.text import words
from pipeline_tests.listings.categories.test_propose import GOOGLE, TYPES, entry, propose
from pipeline_tests.reference import reference

SURE = 0.9
NAMES = sorted({word for path in shopify().paths for name in path for word in words(name)})
#: Categories of people for all of Shopify's top level: with them each guess has a reason.
CHOSEN = Decisions({("taxonomy", key): "CHOSEN" for key in shopify().ids if "-" not in key})


def untrue(reason: str, product: dict[str, Any]) -> list[str]:
    """What the reason quotes, though it does not stand in the product."""
    texts = [product["title"], product["product_type"], product["category"], *(product["tags"] or ())]
    said = [f" {' '.join(words(text))} " for text in texts if text]
    return [quote for quote in re.findall(r'"([^"]*)"', reason) if not any(f" {quote} " in text for text in said)]


def files(folder: Path) -> list[Taxonomy]:
    (folder / "types.tsv").write_text(TYPES)
    (folder / "google.txt").write_text(GOOGLE)
    rows = [f"{key}\t{shopify().full(row)}\n" for row, key in enumerate(shopify().ids) if row % 7 == 0]
    (folder / "other.tsv").write_text("id\tname\n" + "".join(rows))
    return [read_taxonomy(folder / name) for name in ("types.tsv", "google.txt", "other.tsv")]


@pytest.fixture(scope="module")
def taxonomies(tmp_path_factory: pytest.TempPathFactory) -> list[Taxonomy]:
    return files(tmp_path_factory.mktemp("files"))


paths = st.sampled_from(shopify().paths)


@st.composite
def products(draw: st.DrawFn) -> dict[str, Any]:
    """Words of several categories, whole names and single ones, misspelled and joined, in all fields."""
    known = [word for path in draw(st.lists(paths, min_size=1, max_size=4)) for name in path for word in name.split()]
    one = st.one_of(st.sampled_from(known), st.sampled_from(NAMES), st.sampled_from(["with", "for", "-", ",", "Acme", "12"]))

    def text(least: int) -> str:
        return " ".join(draw(st.lists(one, min_size=least, max_size=8)))

    spoiled = draw(st.sampled_from([("", ""), ("er", "e"), (" ", "")]))
    return entry(
        title=text(1).replace(*spoiled),
        vendor=draw(st.sampled_from([None, "Acme"])),
        product_type=draw(st.sampled_from([None, text(0)])),
        tags=draw(st.lists(one, max_size=4)),
        category=draw(st.sampled_from([None, None, " > ".join(draw(paths)), text(1)])),
    )


@settings(max_examples=200)
@given(product=products(), number=st.integers(0, 3), language=st.sampled_from(["en", "de"]))
def test_a_reason_quotes_only_what_the_product_says(
    product: dict[str, Any], number: int, language: str, taxonomies: list[Taxonomy]
) -> None:
    ranker = Ranker(language)
    file = taxonomies[number] if number < 3 else None
    suggested = {product["title"]: ["MUG", "Hunting Dog Equipment"]} if number == 0 else None
    for found in (
        propose(product, file=file, ranker=ranker),
        propose(product, file=file, suggested=suggested, ranker=ranker),
        propose(product, file=file, decisions=CHOSEN, ranker=ranker),
    ):
        assert not untrue(found.reason, product), found.reason
        assert (found.reason != "") and (found.confidence or 0) <= 1


def test_an_implied_word_is_said_to_be_implied(tmp_path: Path) -> None:
    """A cat collar is among "Pet Collars" because Shopify's taxonomy has it there."""
    path = tmp_path / "types.tsv"
    path.write_text("id\tname\nA\tPets > Pet Collars & Harnesses\nB\tSport > Weight Collars\nC\tTools > Pliers\n")
    found = propose(entry(title="Cat Collar"), file=read_taxonomy(path))
    assert found.category == "A" and not untrue(found.reason, entry(title="Cat Collar"))
    assert found.reason.endswith(
        'the name of Animals & Pet Supplies > Pet Supplies > Pet Collars & Harnesses, where it belongs because of "cat collar"'
    )
    assert found.confidence is not None and found.taxonomy_confidence is not None
    assert found.confidence <= found.taxonomy_confidence  # no surer than what implies it


Rows = list[tuple[dict[str, Any], str, list[str], list[str]]]


def own(*which: str) -> Rows:
    lines = [line.split("\t") for line in (Path(__file__).parent / "products.tsv").read_text().splitlines() if line[0] != "#"]
    return [
        (entry(title=title, vendor=None, product_type=kind or None, tags=tags.split(",") if tags else None), language,
         shopifys.split("|"), googles.split("|"))
        for name, title, kind, tags, language, shopifys, googles in lines[1:] if name in which
    ]  # fmt: skip


def right(name: str | None, accepted: list[str]) -> bool:
    return any(f" > {one} > " in f" > {name} > " for one in accepted)


def in_google(rows: Rows) -> list[tuple[Proposal, bool]]:
    google = read_taxonomy(reference("taxonomy", "google_product_taxonomy_2021-09-21_en.tsv"))
    found = ((propose(product, file=google, ranker=Ranker(language)), accepted) for product, language, _, accepted in rows)
    return [(guess, right(guess.name, accepted)) for guess, accepted in found]


def test_the_products_are_enough_and_their_categories_exist() -> None:
    rows = own("seen", "unseen")
    assert len(rows) >= 130
    names = [shopify().full(row) for row in range(len(shopify().ids))]
    assert all(any(right(name, accepted) for name in names) for _, _, accepted, _ in rows)


def test_what_is_accepted_of_shops_products_is_right() -> None:
    """At the default threshold, in Shopify's taxonomy: 97 of 100, for at least half of them."""
    rows = own("seen", "unseen")
    sure = []
    for product, language, accepted, _ in rows:
        ranker = Ranker(language)
        place = ranker.place(product, ranker.query(product))
        assert place is None or not untrue(place.reason(), product)
        if place is not None and place.confidence >= SURE:
            sure.append(right(shopify().full(place.row), accepted))
    assert len(sure) >= 0.5 * len(rows)
    assert sum(sure) >= 0.97 * len(sure)


def test_what_is_accepted_of_shops_products_is_right_in_googles_taxonomy() -> None:
    rows = own("seen", "unseen")
    found = in_google(rows)
    assert all(not untrue(guess.reason, product) for (guess, _), (product, *_) in zip(found, rows, strict=True))
    sure = [good for guess, good in found if guess.status == "accepted"]
    assert len(sure) >= 0.5 * len(rows)
    assert sum(sure) >= 0.97 * len(sure)


@pytest.mark.parametrize("title", ["Leather Dog Collar", "Trousse de toilette en toile cirée", "High-Rise Leggings with Pocket"])
def test_a_word_of_other_departments_is_no_more_than_a_suggestion(title: str) -> None:
    (found,) = in_google([row for row in own("seen") if row[0]["title"] == title])
    guess, good = found
    assert good or guess.status == "suggested"
