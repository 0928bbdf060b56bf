"""Products in other languages than English: guesses against English names are weak, names in their language make them good."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.listings.categories.google import GoogleView
from pipeline.listings.categories.localized import shopify_in
from pipeline.listings.categories.propose import Proposer
from pipeline.listings.categories.ranker import Ranker
from pipeline.listings.categories.taxonomy import Taxonomy, read_taxonomy, shopify
from pipeline.model.errors import BadInputError
from pipeline_tests.listings.categories.test_overlay import catalog
from pipeline_tests.listings.categories.test_propose import TYPES, entry, propose
from pipeline_tests.listings.fakes import export_settings

GERMAN = """id\tname
TASSE\tKüche > Tassen & Becher
SCHUH\tBekleidung > Schuhe
LAMPE\tWohnen > Lampen & Leuchten
"""
NAMES = """# Shopify Product Taxonomy - Categories: 2024-10
# Format: {GID} : {Ancestor name} > ... > {Category name}

gid://shopify/TaxonomyCategory/aa                : Bekleidung & Accessoires
gid://shopify/TaxonomyCategory/aa-8              : Bekleidung & Accessoires > Schuhe
gid://shopify/TaxonomyCategory/aa-8-3            : Bekleidung & Accessoires > Schuhe > Stiefel
gid://shopify/TaxonomyCategory/zz-99             : Von morgen
"""


@pytest.fixture
def english(tmp_path: Path) -> Taxonomy:
    (tmp_path / "types.tsv").write_text(TYPES)
    return read_taxonomy(tmp_path / "types.tsv")


@pytest.fixture
def german(tmp_path: Path) -> Taxonomy:
    (tmp_path / "de.tsv").write_text(GERMAN)
    return read_taxonomy(tmp_path / "de.tsv")


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    folder = tmp_path / "dist"
    (folder / "de").mkdir(parents=True)
    (folder / "de" / "categories.txt").write_text(NAMES)
    return folder


def test_whether_names_are_english_is_seen(english: Taxonomy, german: Taxonomy, dist: Path) -> None:
    assert (english.english, german.english, shopify().english) == (True, False, True)


def test_a_guess_across_languages_is_weak_and_says_why(english: Taxonomy, german: Taxonomy) -> None:
    mug = entry(title="Coffee Mug")
    sure = propose(mug, file=english)
    assert sure.confidence is not None and sure.confidence > 0.5
    weak = propose(mug, file=english, ranker=Ranker("de"))
    assert (weak.category, weak.status, weak.confidence) == (sure.category, "suggested", 0.4)
    assert weak.reason == (
        f"{sure.reason}; a weak guess, as products are in German (de) and the names of categories in English: "
        "a category_file in their language helps"
    )
    other = propose(entry(title="Schuhe"), file=german)
    assert other.confidence == 0.4 and "products are in English (en) and the names of categories not in English" in other.reason
    good = propose(entry(title="Schuhe"), file=german, ranker=Ranker("de-AT"))
    assert good.category == "SCHUH" and good.confidence is not None and good.confidence > 0.5 and "weak" not in good.reason


def test_what_the_store_says_is_as_sure_in_every_language(english: Taxonomy) -> None:
    found = propose(entry(category="aa-1-13-8"), file=english, ranker=Ranker("de"))
    assert found.taxonomy_confidence == 1.0


def test_google_says_it_too(tmp_path: Path) -> None:
    table = catalog("Zapatillas de correr para hombre").write(tmp_path / "in")["fixed_products"]
    (found,) = GoogleView(table, Ranker("es")).rows()
    assert found["status"] == "suggested" and found["confidence"] <= 0.4
    assert found["reason"].endswith(
        "products are in Spanish (es) and the names of categories in English: SHOPIFY_TAXONOMY_DIR can name others"
    )


def test_names_in_the_language_of_the_store(dist: Path) -> None:
    names = shopify_in("de-AT", dist)
    assert names.name == "Shopify's taxonomy in German (de-AT)"
    ranker = Ranker("de", names=names)
    place = ranker.place(entry(title="Stiefel Damen"), ranker.query(entry(title="Stiefel Damen")))
    assert place is not None and shopify().ids[place.row] == names.ids[place.row] == "aa-8-3"
    assert place.confidence <= 0.4  # most of this file's names are missing, so it is English still

    def fingerprint(ranker: Ranker) -> bytes:
        return Proposer("shop", "amazon-us", export_settings(), ranker=ranker).fingerprint

    assert len({fingerprint(Ranker()), fingerprint(Ranker("de")), fingerprint(ranker)}) == 3


@pytest.mark.parametrize("language", ["en", "en-GB", "fr"])
def test_without_a_file_of_the_language_it_is_english(language: str, dist: Path) -> None:
    assert shopify_in(language, dist) is shopify_in(language, None) is shopify()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            b"gid://shopify/TaxonomyCategory/aa : A\nhallo\n",
            "line 2: it is not like: gid://shopify/TaxonomyCategory/aa-1 : A > B",
        ),
        (b"gid://shopify/TaxonomyCategory/aa : A >  > B\n", "line 1: the name, or a part of it, is empty"),
        (b"gid://shopify/TaxonomyCategory/aa : A\x07\n", "line 1: there are control characters in it"),
        (b"\xff\xfe", "is not UTF-8 text"),
        (b"", "has no category of Shopify's taxonomy"),
        (b"gid://shopify/TaxonomyCategory/zz-99 : Von morgen\n", "has no category of Shopify's taxonomy"),
    ],
)
def test_files_that_are_none(dist: Path, content: bytes, reason: str) -> None:
    (dist / "de" / "categories.txt").write_bytes(content)
    with pytest.raises(BadInputError, match=reason):
        shopify_in("de", dist)


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"SHOPIFY_TAXONOMY_DIR names .*, which is no folder"):
        shopify_in("de", tmp_path / "absent")
