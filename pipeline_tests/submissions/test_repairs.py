"""How single issues of Amazon become other values, and what is never touched."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.listings.overrides import FIELDS
from pipeline.submissions.repairs import Issue, Proposal, propose
from pipeline_tests.marketplaces.rows import family, single
from pipeline_tests.submissions.shop import MARKET


def mend(listing: dict[str, Any], *issues: tuple[str, str | None, str]) -> Proposal:
    return propose(listing, [Issue(*issue) for issue in issues], MARKET, "en")  # type: ignore[arg-type]


def values(proposal: Proposal) -> dict[str, Any]:
    return {change.field: change.value for change in proposal.changes}


#: The brand stays.
SHORT = "Stoneware Mug for Coffee and Tea, Acme"
LONG = "Stoneware Mug for Coffee and Tea, Dishwasher Safe, Acme, 350 ml, Blue"


@pytest.mark.parametrize(
    ("changed", "issue", "after"),
    [
        ({"title": LONG}, ("1", "item_name", "Length 69 exceeds the maximum of 40."), {"title": SHORT}),
        # The limit is told in words of another order, with a thousands separator, or without the attribute.
        ({"title": LONG}, ("1", None, "'item_name' is limited to 40 characters; it has 69."), {"title": SHORT}),
        ({"description": "Good. " * 400}, ("1", "product_description", "more than 2,000 characters"), ...),
        ({"keywords": "größe tasse kaffee becher"}, ("1", "generic_keyword", "exceeds the maximum of 20 bytes"),
         {"keywords": "größe tasse kaffee"}),
        ({"bullets": ["a" * 12 + " bb", "short one"]}, ("1", "bullet_point", "The maximum length is 12 characters"),
         {"bullets": ["a" * 12, "short one"]}),
        ({"bullets": ["one", "two", "three"]}, ("99016", "bullet_point", "A maximum of 2 occurrence(s) is/are allowed"),
         {"bullets": ["one", "two"]}),
        ({"title": "Mug ♥ Acme"}, ("1", "item_name", "It has invalid characters."), {"title": "Mug Acme"}),
        ({"title": "Mug ~ 350 ml"}, ("1", "item_name", "The character '~' is a forbidden character."), {"title": "Mug 350 ml"}),
        ({}, ("90244", "material", "is not a valid value"), {"attributes": '{"country_of_origin":"PT"}'}),
        ({}, ("90244", "part_number.value", "is not a valid value"), {"mpn": None}),
        ({}, ("90000900", "generic_keyword", "The attributes are invalid."), {"keywords": None}),
        ({}, ("90244", "bullet_point", "'Safe in the dishwasher' is not allowed"), {"bullets": ["Holds 350 ml of coffee"]}),
        ({}, ("90244", "bullet_point[0].value", "is not allowed"), {"bullets": ["Safe in the dishwasher"]}),
        ({}, ("20000", "other_product_image_locator_1", "cannot be fetched"), {"images": ["https://cdn.example.com/mug-1.jpg"]}),
        ({}, ("20000", "main_product_image_locator", "cannot be fetched"), {"images": ["https://cdn.example.com/mug-2.jpg"]}),
        ({}, ("20000", None, "The image https://cdn.example.com/mug-1.jpg is broken"),
         {"images": ["https://cdn.example.com/mug-2.jpg"]}),
    ],
)  # fmt: skip
def test_a_fix(changed: dict[str, Any], issue: tuple[str, str | None, str], after: Any) -> None:
    found = mend(single(**changed), issue)
    assert found.why is None, found
    if after is not ...:
        assert values(found) == after
    assert {change.fix_class for change in found.changes} <= {"lossless", "lossy-safe"}


def test_several_issues_of_one_listing_are_mended_together() -> None:
    found = mend(
        single(title=LONG), ("1", "item_name", "exceeds 40 characters"), ("90244", "material", "not a valid value"),
        ("1", "item_name", "more than 20 characters"),
    )  # fmt: skip
    assert values(found) == {"title": "Stoneware Mug, Acme", "attributes": '{"country_of_origin":"PT"}'}
    assert found.fixes == ("shorten", "drop", "shorten")


@pytest.mark.parametrize(
    ("changed", "issue"),
    [
        ({}, ("1", "item_name", "The title is too long.")),  # no limit
        ({"title": "Mug"}, ("1", "item_name", "exceeds the maximum of 75 characters")),  # it does not
        ({"brand": "Stoneware Mug Maker", "title": "Stoneware Mug Maker"}, ("1", "item_name", "maximum of 12 characters")),
        ({"images": ["https://cdn.example.com/mug-1.jpg"]}, ("20000", "main_product_image_locator", "cannot be fetched")),
        ({}, ("20000", "other_product_image_locator_5", "cannot be fetched")),  # there is none
        ({"bullets": ["Only this one here"]}, ("90244", "bullet_point[0]", "is not allowed")),
        ({}, ("90244", "color", "not a valid value")),  # it has no color
        ({}, ("99999", "item_name", "Something else is wrong.")),
    ],
)  # fmt: skip
def test_what_cannot_be_told_is_left_to_a_person(changed: dict[str, Any], issue: tuple[str, str | None, str]) -> None:
    found = mend(single(**changed), issue)
    assert found.changes == () and found.why


def test_the_option_of_a_family_is_no_optional_fact() -> None:
    _, child = family([("S-1", "Black", "M")], attributes='{"color":"Black","material":"Linen"}')
    assert mend(child, ("90244", "color", "not a valid value")).changes == ()
    assert values(mend(child, ("90244", "material", "not a valid value"))) == {"attributes": '{"color":"Black"}'}


_ATTRIBUTES = [
    "externally_assigned_product_identifier", "brand", "condition_type", "purchasable_offer", "purchasable_offer.our_price",
    "list_price", "fulfillment_availability", "merchant_suggested_asin", "product_type", "variation_theme",
    "child_parent_sku_relationship", "item_name", "bullet_point", "generic_keyword", "material", "main_product_image_locator",
    None,
]  # fmt: skip


@given(
    attribute=st.sampled_from(_ATTRIBUTES),
    code=st.sampled_from(["90244", "99016", "99038", "20000", "8105", "1"]),
    text=st.text(max_size=60) | st.sampled_from(["exceeds 12 characters", "brand is not a valid value", "'gtin' is invalid"]),
)
def test_identifiers_brand_condition_price_and_stock_are_never_touched(attribute: str | None, code: str, text: str) -> None:
    listing = single(title=LONG)
    found = mend(listing, (code, attribute, text))
    assert set(values(found)) <= set(FIELDS)
    for change in found.changes:
        assert change.value != listing[change.field]
        assert change.value or change.field in ("keywords", "mpn", "attributes")
