"""Which words of a product are translated, which stay, and that what stays is told."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.language.translation.glossary import Glossary, Term
from pipeline.listings.localized.build import Texts, texts_of, with_brands
from pipeline.listings.overlays import untranslated
from pipeline_tests.listings.fakes import Catalog, product

_TEXT = pa.string()


def texts(title: str = "Mug", *options: str, sku: str = "", vendor: str = "Kiln", mpn: str = "") -> Texts:
    products = pa.table(
        {
            "product_id": ["p"], "title": [title], "description_html": ["<p>Text</p>"], "vendor": [vendor], "tags": [[]],
            "metafields": pa.array([f'{{"custom.mpn": "{mpn}"}}' if mpn else None], _TEXT),
            **{f"option{number}_name": pa.array([None], _TEXT) for number in (1, 2, 3)},
        }
    )  # fmt: skip
    count = max(1, len(options))
    variants = pa.table(
        {
            "product_id": ["p"] * count, "option1": pa.array(options or [None], _TEXT), "sku": [sku] * count,
            **{name: pa.array([None] * count, _TEXT) for name in ("option2", "option3", "metafields")},
        }
    )  # fmt: skip
    (found,) = texts_of(products, variants)
    return found


@pytest.mark.parametrize("word", ["RED", "NAVY", "BLACK", "LARGE", "ONE SIZE", "PACK 2", "XSMALL", "Red", "100% COTTON"])
def test_words_in_capitals_are_words(word: str) -> None:
    assert texts("Mug", word).words == (word,)


@pytest.mark.parametrize(
    "word",
    ["S", "M", "L", "XL", "XXL", "2XL", "XS", "S/M", "42", "W32/L34", "75B", "10.5", "A4", "WH-1000XM4", "AB-1234-X", "4T"],
)
def test_sizes_and_codes_stay(word: str) -> None:
    assert texts("Mug", word).words == ()


def test_the_products_own_numbers_stay_where_they_are_in_its_texts() -> None:
    found = texts("Lamp 7HQ by Kiln, MOON 5", sku="MOON 5", mpn="7HQ")
    assert found.codes == ("Kiln", "MOON 5")  # a shorter one, or one without a digit, may be a word
    assert all(segment.kept == found.codes for segment in found.segments)
    assert texts("Lamp", sku="MOON 5", vendor="Kiln").codes == () and texts("LAMP lamp", sku="LAMP").codes == ()


def test_a_vendor_that_is_called_as_something_is_stays_no_name(tmp_path: Path) -> None:
    catalog = Catalog()
    catalog.add(product("1", vendor="Bowl", title="Ceramic Bowl", description="A bowl by Bowl. Like a kiln."))
    catalog.add(product("2", vendor="Kiln", title="Mug", description="Fired in our kiln; goes with the Plate and Denby bowls."))
    catalog.next_batch()
    catalog.add(product("3", vendor="Plate", title="Big Bowl", description="Not only a bowl."))
    catalog.add(product("4", vendor="hay", title="Tray", description="Goes with hay."))
    products = catalog.write(tmp_path)["fixed_products"]

    def names(*own: Term) -> list[str]:
        return with_brands(Glossary(own), products).kept("de")

    assert names() == ["Plate", "hay"]  # what is written small itself is no word for that
    assert names(Term("Bowl", "", None)) == ["Bowl", "Plate", "hay"]  # people say so


@given(problems=st.lists(st.text("abc", min_size=1), max_size=6))
def test_what_is_not_translated_is_told(problems: list[str]) -> None:
    told = untranslated(pa.table({"product_id": ["p"], "problems": pa.array([problems], pa.list_(_TEXT))}))
    assert bool(told) == bool(problems)
    assert all(problem in told["p"] for problem in problems[:3])
    assert ("more" in told.get("p", "")) == (len(problems) > 3)
