"""Who decides about a product's category: people, rules, words, in this order; and what a guess needs to count."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.listings.categories.decisions import Decisions
from pipeline.listings.categories.propose import Proposal, Proposer
from pipeline.listings.categories.ranker import Ranker
from pipeline.listings.categories.taxonomy import Taxonomy, read_taxonomy, shopify
from pipeline_tests.listings.fakes import export_settings
from pipeline_tests.reference import reference

TYPES = """id\tname
SHIRT\tApparel > Shirts & T-Shirts
SWEATSHIRT\tApparel > Sweatshirts & Hoodies
DRINKING_CUP\tKitchen > Mugs & Cups
HANDBAG\tLuggage > Handbags
COFFEE_MAKER\tKitchen > Coffee Makers
CANDLE\tHome > Candles
"""
TEE = shopify().by_id["aa-1-13-8"]
RULES = [{"field": "vendor", "pattern": "Acme*", "category": "RULED", "attributes": {"style": "casual"}}]


def entry(**changed: Any) -> dict[str, Any]:
    base = {"product_id": "7", "title": "Graphic Tee", "vendor": "Zed", "product_type": None, "category": None, "tags": None}
    return base | changed


@pytest.fixture
def file(tmp_path: Path) -> Taxonomy:
    path = tmp_path / "types.tsv"
    path.write_text(TYPES)
    return read_taxonomy(path)


def propose(
    product: dict[str, Any], *, rule: int = -1, decisions: Decisions | None = None, file: Taxonomy | None = None,
    suggested: dict[str, list[str]] | None = None, ranker: Ranker | None = None, **settings: Any,
) -> Proposal:  # fmt: skip
    given = export_settings(category_rules=RULES, **settings)
    by = Proposer("shop", "amazon-us", given, decisions or Decisions(), file, suggested or {}, ranker=ranker or Ranker())
    return by.propose(product, rule)


def test_a_choice_for_the_product_goes_before_all(file: Taxonomy) -> None:
    decisions = Decisions({("product", "7"): "MINE", ("product_type", "tees"): "OF_TYPE", ("taxonomy", "aa"): "OF_TAXONOMY"})
    one = entry(product_type=" Tees ", category="aa-1-13-8")
    found = propose(one, rule=0, decisions=decisions, file=file, suggested={"Graphic Tee": ["SHIRT"]})
    assert (found.category, found.status, found.engine, found.confidence) == ("MINE", "accepted", "choice", 1.0)
    other = propose({**one, "product_id": "8"}, rule=0, decisions=decisions, file=file)
    assert (other.category, other.reason) == ("OF_TYPE", 'chosen for product type " Tees "')


def test_a_rule_goes_before_guesses_and_brings_its_attributes(file: Taxonomy) -> None:
    found = propose(entry(), rule=0, decisions=Decisions({("taxonomy", "aa"): "X"}), file=file)
    assert (found.category, found.engine, found.status) == ("RULED", "rule", "accepted")
    assert found.reason == "rule 1: vendor is Acme*"
    assert found.attributes == '{"style":"casual"}'


def test_a_choice_for_a_taxonomy_category_holds_below_it(file: Taxonomy) -> None:
    decisions = Decisions({("taxonomy", "aa-1"): "CLOTHING", ("taxonomy", "aa-1-13"): "TOP"})
    found = propose(entry(category="gid://shopify/TaxonomyCategory/aa-1-13-8"), decisions=decisions, file=file)
    assert (found.category, found.status, found.confidence) == ("TOP", "accepted", 1.0)
    assert found.reason == "chosen for Apparel & Accessories > Clothing > Clothing Tops, where it belongs as the store says"
    guessed = propose(entry(), decisions=decisions)
    assert guessed.category == "TOP" and guessed.confidence == guessed.taxonomy_confidence
    assert guessed.reason.endswith('where it belongs because of "graphic tee"')


def test_words_find_the_category_of_the_file(file: Taxonomy) -> None:
    found = propose(entry(), file=file, category_confidence=0.5)
    assert (found.category, found.name, found.engine) == ("SHIRT", "Apparel > Shirts & T-Shirts", "lexical")
    assert found.status == "accepted" and found.confidence is not None and 0.5 <= found.confidence < 1
    assert found.candidates[0] == "SHIRT" and len(found.candidates) == len(found.candidate_names)
    assert (found.taxonomy, found.google_category) == ("aa-1-13-8", shopify().google[TEE])
    assert propose(entry(), file=file, category_confidence=1).status == "suggested"


@pytest.mark.parametrize(
    "title",
    ["Candle Holder Brass", "Mug Rack", "Shirt Hanger Wood", "T-Shirt Press Machine", "Coffee Maker Descaler", "Coffee Table"],
)
def test_a_file_with_little_in_it_makes_nothing_sure(title: str, file: Taxonomy) -> None:
    """None of these is what it is called after, though the file has nothing else for it."""
    assert propose(entry(title=title), file=file).status == "suggested"
    assert propose(entry(title="Coffee Mug"), file=file).status == "accepted"


def test_the_shop_s_own_category_is_simply_that(file: Taxonomy) -> None:
    found = propose(entry(title="Aurora", category="Home & Garden > Decor > Home Fragrances > Candles"), file=file)
    assert (found.taxonomy_name, found.taxonomy_confidence) == ("Home & Garden > Decor > Home Fragrances > Candles", 1.0)
    assert found.category == "CANDLE"  # nothing but that category says so


def test_what_is_rejected_is_not_guessed_again(file: Taxonomy) -> None:
    product = entry(title="Coffee Mug", product_type="Mugs")
    assert propose(product, file=file).category == "DRINKING_CUP"
    for key in (("product", "7"), ("product_type", "mugs")):
        decisions = Decisions(rejected={key: frozenset({"DRINKING_CUP"})})  # type: ignore[dict-item]
        found = propose(product, file=file, decisions=decisions)
        assert found.category == "COFFEE_MAKER" and found.status == "suggested"
        assert "DRINKING_CUP" not in found.candidates
    nothing = Decisions(rejected={("product", "7"): frozenset(file.ids)})
    assert propose(product, file=file, decisions=nothing).status == "none"


def test_a_rejected_choice_for_the_taxonomy_is_left_to_the_words(file: Taxonomy) -> None:
    decisions = Decisions({("taxonomy", "aa-1"): "OTHER"}, {("product", "7"): frozenset({"OTHER"})})
    assert propose(entry(), file=file, decisions=decisions).category == "SHIRT"


def test_the_marketplace_s_own_suggestion_goes_before_the_file(file: Taxonomy) -> None:
    suggested = {"Graphic Tee": ["NIGHTGOWN", "SHIRT"]}
    found = propose(entry(), file=file, suggested=suggested)
    assert (found.category, found.engine) == ("SHIRT", "marketplace")  # the words choose among them
    assert list(found.candidates) == ["SHIRT", "NIGHTGOWN"]
    unknown = propose(entry(title="Xyzzy"), file=file, suggested={"Xyzzy": ["WIDGET", "GADGET"]})
    assert (unknown.category, unknown.status, unknown.confidence) == ("WIDGET", "suggested", 0.5)
    alone = propose(entry(title="Xyzzy"), suggested={"Xyzzy": ["WIDGET"]})
    assert (alone.confidence, alone.name) == (0.8, "Widget")
    taken = propose(entry(title="Xyzzy"), suggested={"Xyzzy": ["WIDGET"]}, accept_suggested_product_types=True)
    assert taken.status == "accepted"


@pytest.mark.parametrize("title", [None, "", "Xyzzy", "日本"])
def test_nothing_known_says_what_to_press(title: str | None, file: Taxonomy) -> None:
    without = propose(entry(title=title))
    assert (without.status, without.category, without.confidence) == ("none", None, None)
    assert without.reason == (
        "the categories of amazon-us are not known here; name a file of them: pipeline connection set shop amazon-us "
        "category_file=FILE, or choose one: pipeline categories set shop amazon-us CATEGORY --product ID"
    )
    assert propose(entry(title=title), file=file).reason.startswith(
        "no word of it is in the categories of types.tsv; choose one:"
    )


def test_what_operators_change_is_a_new_version(file: Taxonomy) -> None:
    def given(decisions: Decisions | None = None, taxonomy: Taxonomy | None = None, **settings: Any) -> tuple[str, bytes]:
        made = Proposer("shop", "amazon-us", export_settings(**settings), decisions or Decisions(), taxonomy)
        return made.given, made.fingerprint

    versions = [
        given(), given(category_confidence=0.5), given(category_rules=RULES), given(Decisions({("product", "1"): "A"})),
        given(Decisions(rejected={("product", "1"): frozenset("A")})), given(taxonomy=file),
        given(accept_suggested_product_types=True),
    ]  # fmt: skip
    assert len({one for one, _ in versions}) == len({other for _, other in versions}) == len(versions)
    assert given() == given(stock_buffer=3)


GOOGLE = """212 - Apparel & Accessories > Clothing > Shirts & Tops
3106 - Sporting Goods > Outdoor Recreation > Golf > Golf Tees
2169 - Home & Garden > Kitchen & Dining > Tableware > Drinkware > Mugs
"""


def numbered(folder: Path, content: str) -> Taxonomy:
    path = folder / "numbered.txt"
    path.write_text(content)
    return read_taxonomy(path)


def test_what_the_store_says_is_googles_category_in_googles_taxonomy(tmp_path: Path) -> None:
    """By words a crew tee is a golf tee."""
    google = numbered(tmp_path, GOOGLE)
    tee = entry(title="Organic Cotton Crew Tee", category="Apparel & Accessories > Clothing > Clothing Tops > T-Shirts")
    found = propose(tee, file=google)
    assert (found.category, found.status, found.engine, found.confidence) == ("212", "accepted", "taxonomy", 1.0)
    assert found.name == "Apparel & Accessories > Clothing > Shirts & Tops" and found.reason == (
        "Google's number for Apparel & Accessories > Clothing > Clothing Tops > T-Shirts, where it belongs as the store says"
    )
    assert propose({**tee, "category": None}, file=google).engine == "lexical"  # a guess is not taken for the store's word
    rejected = Decisions({}, {("product", "7"): frozenset({"212"})})
    assert propose(tee, file=google, decisions=rejected).category != "212"
    assert propose(tee, file=google, decisions=Decisions({("product", "7"): "3106"})).engine == "choice"
    assert propose(tee, file=google, rule=0).engine == "rule"


def test_numbers_of_another_marketplace_are_not_googles(tmp_path: Path) -> None:
    tee = entry(title="Organic Cotton Crew Tee", category="aa-1-13-8")
    chance = numbered(tmp_path, "212 - Coins > Medals\n1044 - Music > Cassettes\n15687 - Clothing > T-Shirts\n")
    assert propose(tee, file=chance).engine == "lexical"
    cut = numbered(tmp_path, "3106 - Sporting Goods > Golf > Golf Tees\n")  # without the number: by words
    assert propose(tee, file=cut).engine == "lexical"


def test_the_whole_of_googles_taxonomy_is_known_as_such(tmp_path: Path) -> None:
    published = reference("taxonomy", "google_product_taxonomy_2021-09-21_en.tsv").read_text().splitlines()
    lines = [line.split("\t") for line in published[1:]]
    google = numbered(tmp_path, "".join(f"{line[0]} - {line[1]}\n" for line in lines))
    foreign = numbered(tmp_path, "".join(f"{line[0]} - Wort {number}\n" for number, line in enumerate(lines)))
    assert google.is_google and foreign.is_google
    tee = entry(title="Organic Cotton Crew Tee", category="aa-1-13-8")
    assert propose(tee, file=google).category == "212"


PETS = """2 - Animals & Pet Supplies > Pet Supplies
4 - Animals & Pet Supplies > Pet Supplies > Cat Supplies
4433 - Animals & Pet Supplies > Pet Supplies > Cat Supplies > Cat Beds
5 - Animals & Pet Supplies > Pet Supplies > Dog Supplies
4434 - Animals & Pet Supplies > Pet Supplies > Dog Supplies > Dog Beds
5094 - Animals & Pet Supplies > Pet Supplies > Dog Supplies > Dog Houses
2441 - Health & Beauty > Personal Care > Hair Care > Shampoo & Conditioner
543616 - Health & Beauty > Personal Care > Hair Care > Shampoo & Conditioner > Shampoo
543617 - Health & Beauty > Personal Care > Hair Care > Shampoo & Conditioner > Shampoo & Conditioner Sets
"""
PET_BEDS = "Google's number for Animals & Pet Supplies > Pet Supplies > Pet Beds, where it belongs"


def test_google_has_a_finer_category_than_shopify(tmp_path: Path) -> None:
    pets = numbered(tmp_path, PETS)
    bed = entry(title="Orthopedic Dog Bed Large")
    found = propose(bed, file=pets)
    assert (found.category, found.status, found.engine, found.google_category) == ("4434", "accepted", "lexical", "2")
    assert found.confidence == found.taxonomy_confidence and list(found.candidates)[:2] == ["4434", "2"]
    assert found.reason == f'"dog bed" in its words, below {PET_BEDS} because of "dog bed"'
    assert propose(entry(title="Self-Warming Cat Bed"), file=pets).category == "4433"
    assert propose(entry(title="Sulfate Free Shampoo Bar", product_type="Shampoo"), file=pets).category == "543616"  # no set
    own = propose({**bed, "category": "ap-2-9"}, file=pets)  # what the store says is certain, the word for it is not
    assert (own.category, own.engine, own.confidence) == ("4434", "lexical", 0.97)
    assert own.reason == f'"dog bed" in its words, below {PET_BEDS} as the store says'
    strict = propose({**bed, "category": "ap-2-9"}, file=pets, category_confidence=1)
    assert (strict.category, strict.status, strict.engine) == ("2", "accepted", "taxonomy")
    for finer in ({"4434"}, {"4434", "2"}):
        rejected = Decisions({}, {("product", "7"): frozenset(finer)})
        assert propose(bed, file=pets, decisions=rejected).category not in finer
    coarse = Decisions({}, {("product", "7"): frozenset({"2"})})
    assert (found := propose(bed, file=pets, decisions=coarse)).category == "4434" and "2" not in found.candidates


@pytest.mark.parametrize(
    ("title", "category"),
    [
        ("Cat & Dog Bed Round", None),  # of two branches
        ("Pet Bed, Washable", None),
        ("Orthopedic Bed, Waterproof, like a Dog", "ap-2-9"),  # its words are there, but not together
        ("Cooling Pad for any Dog House", "ap-2-9"),  # not what Shopify calls it
    ],
)
def test_what_is_not_named_stays_where_shopify_has_it(title: str, category: str | None, tmp_path: Path) -> None:
    found = propose(entry(title=title, category=category), file=numbered(tmp_path, PETS))
    assert (found.category, found.status) == ("2", "accepted")
    assert found.reason.startswith(PET_BEDS)
