"""Listing rows in Amazon's shape."""

from __future__ import annotations

import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.marketplaces import find_site
from pipeline.marketplaces.amazon.options import option_attributes, variation_theme
from pipeline.marketplaces.amazon.projection import bullets_of, child_title, cut, search_terms
from pipeline_tests.marketplaces.rows import family, frame, single


def project(*rows, site="amazon-us"):
    market, found = find_site(site)
    return market.project(frame(*rows), found, {})


def test_children_are_named_after_the_family_and_their_options():
    done = project(*family([("A", "Black", "M"), ("B", "Navy Blue", "L")]))
    assert done["title"].tolist() == ["Linen Shirt", "Linen Shirt, Black, M", "Linen Shirt, Navy Blue, L"]


def test_facts_are_those_that_amazon_has_an_attribute_for_in_the_words_of_the_site():
    document = '{"color":["black","white"],"country_of_origin":"LT","department":"female","material":["Metal","Wood"]}'
    for site, color in (("amazon-us", "Black/White"), ("amazon-de", "Schwarz/Weiß")):
        done = project(single(attributes=document), single(attributes=None), site=site)
        assert json.loads(done["attributes"].iloc[0]) == {"color": color, "country_of_origin": "LT", "material": "Metal/Wood"}
        assert done["attributes"].isna().tolist() == [False, True]


def test_options_are_words_that_a_buyer_reads():
    rows = family([("A", "OFF-WHITE", "size-5"), ("B", "Navy", "M")])
    done = project(*rows)
    assert done["option1"].tolist()[1:] == ["Off-White", "Navy"] and done["option2"].tolist()[1:] == ["5", "M"]
    assert done["title"].tolist()[1] == "Linen Shirt, Off-White, 5"
    unnamed = project(*family([("A", "Black", "M")], names=("Color", " ")))
    assert unnamed["option2_name"].isna().all() and unnamed["option2"].isna().all()


def test_a_child_title_does_not_repeat_what_the_family_says():
    assert child_title("Black Shirt", ["Black", "M"], 75) == "Black Shirt, M"
    assert child_title("A shirt.", ["Black"], 75) == "A shirt, Black" and child_title("A shirt.", [], 75) == "A shirt."


def test_a_long_family_name_is_cut_before_the_options_are():
    title = child_title("A Very Long Family Name With Many Words About Linen And Its Many Virtues", ["Black", "XXL"], 40)
    assert title == "A Very Long Family Name With, Black, XXL"
    assert len(title) == 40


@given(st.text(max_size=300), st.lists(st.text(max_size=80), max_size=3), st.integers(10, 200))
def test_a_child_title_is_never_too_long(family_name, values, most):
    assert len(child_title(family_name, values, most)) <= most


@given(st.text(max_size=200), st.integers(1, 100))
def test_cut_keeps_a_beginning(value, most):
    done = cut(value, most)
    assert value.startswith(done) and len(done) <= most and bool(done) == bool(value)


def test_bullets_are_the_list_items_of_the_description():
    rich = "<p>Soft.</p><ul><li><b>100 %</b> linen</li><li>Machine washable</li><li>Made in Portugal</li></ul>"
    assert bullets_of(rich, "Soft.") == ["100 % linen", "Machine washable", "Made in Portugal"]


def test_bullets_fall_back_to_sentences():
    plain = "Linen keeps you cool in summer. It dries fast! Ok. It lasts for approx. 20 years, says everyone."
    assert bullets_of(f"<p>{plain}</p>", plain) == [
        "Linen keeps you cool in summer",
        "It dries fast!",
        "It lasts for approx. 20 years, says everyone",
    ]


@given(st.text(alphabet=string.ascii_letters + " .<>/li&;\n", max_size=3000), st.text(max_size=3000))
def test_bullets_keep_the_policy(rich, plain):
    found = bullets_of(rich, plain)
    assert len(found) <= 5 and sum(map(len, found)) < 1000 and all(10 <= len(bullet) <= 255 for bullet in found)
    assert len(set(found)) == len(found)


def test_bullets_are_no_headings_no_rows_of_tables_and_not_the_title():
    table = "<table><tr><td>Small size</td><td>30 cm</td></tr></table>"
    rich = f"<h2>About this mug</h2><p>Name: Stone Mug</p>{table}<p>Holds a lot.</p>"
    plain = "About this mug\nName: Stone Mug\nSmall size 30 cm\nHolds a lot."
    assert bullets_of(rich, plain, "Stone Mug") == ["Holds a lot"]


def test_bullets_that_somebody_wrote_are_kept():
    done = project(single(bullets=["Written by hand"]))
    assert list(done["bullets"].iloc[0]) == ["Written by hand"]


def test_search_terms_are_the_tags_without_what_title_and_brand_say():
    tags = "Linen, summer shirt, filter:color-red, YGroup_12, best, Acme, summer, 2024, für den Strand"
    tags += ", SS15, in-stock, rest-of-the-world"
    assert search_terms(tags, "Linen Shirt Acme", 249) == "summer strand"


@given(st.text(max_size=600), st.text(max_size=100), st.integers(1, 249))
def test_search_terms_fit_in_bytes_and_do_not_repeat(tags, said, most):
    found = search_terms(tags, said, most) or ""
    words = found.split(" ") if found else []
    assert len(found.encode()) <= most and len(set(words)) == len(words)


def test_the_byte_limit_of_the_search_terms_is_that_of_the_site():
    tags = ", ".join(f"word{letter}{other}" for letter in string.ascii_lowercase for other in string.ascii_lowercase)
    sizes = {
        site: len(project(single(keywords=tags), site=site)["keywords"].iloc[0].encode())
        for site in ("amazon-us", "amazon-in", "amazon-jp")
    }
    assert 240 < sizes["amazon-us"] < 250 and 190 < sizes["amazon-in"] < 200 and 490 < sizes["amazon-jp"] < 500


def test_a_missing_brand_is_generic_and_others_stay():
    assert project(single(brand=None), single(brand=" "), single(brand="Acme"))["brand"].tolist() == [
        "Generic",
        "Generic",
        "Acme",
    ]


def test_rows_columns_types_and_index_stay():
    rows = frame(*family([("A", "Black", "M")]), single())
    rows.index = range(7, 7 + len(rows))
    market, site = find_site("amazon-us")
    done = market.project(rows, site, {})
    assert done.index.tolist() == rows.index.tolist()
    assert done.dtypes.equals(rows.dtypes)


def test_a_parent_without_option_names_takes_those_of_its_children():
    rows = family([("A", "Black", "M")])
    rows[0] |= {"option1_name": None, "option2_name": None}
    done = project(*rows)
    assert done.iloc[0][["option1_name", "option2_name"]].tolist() == ["Color", "Size"]


@pytest.mark.parametrize(
    "names, attributes, theme",
    [
        (("Color", "Size", None), ("color", "size", None), "COLOR/SIZE"),
        (("Größe", "COLOUR", None), ("size", "color", None), "COLOR/SIZE"),
        (("Talla", None, None), ("size", None, None), "SIZE"),
        (("Material", "Farbe", "Size"), ("material", "color", "size"), "COLOR/SIZE/MATERIAL"),
        (("Heel", None, None), ("style", None, None), "STYLE"),
        (("Style", "Heel", None), ("style", "pattern", None), "STYLE/PATTERN"),
        (("Color", "Farbe", None), ("color", "style", None), "COLOR/STYLE"),
        (("Ring Size", "Length", None), ("size", "style", None), "SIZE/STYLE"),
        ((None, None, None), (None, None, None), None),
    ],
)
def test_options_become_attributes_and_a_theme(names, attributes, theme):
    assert option_attributes(names) == attributes
    assert variation_theme(names) == theme
