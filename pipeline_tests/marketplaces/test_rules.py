"""The rule sets of the marketplaces, run by the quality engine over projected rows."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.marketplaces import find_site
from pipeline.model.listing import Account, Message
from pipeline.model.quality import BLOCKING
from pipeline.quality.context import Context
from pipeline.quality.engine import evaluate
from pipeline.quality.ruleset import load_ruleset
from pipeline_tests.marketplaces.rows import family, frame, single, unpacked

SITES = {"amazon-us": "SHIRT", "ebay-us": "15687"}
RULESETS = {key: load_ruleset(find_site(key)[0].rules_file) for key in SITES}


def judge(key, *rows, flags=frozenset()):
    """Projected, fixed and judged rows of one marketplace; categories are right unless the row says otherwise."""
    market, site = find_site(key)
    ready = [{**row, "category": SITES[key] if row["category"] in ("DRINKING_CUP", "SHIRT") else row["category"]} for row in rows]
    listings = market.project(frame(*ready), site, {})
    context = Context("demo", site.language, site.currency, flags)
    return evaluate(RULESETS[key], listings.drop_duplicates("product_id"), listings, context)


def codes(evaluation, *severities):
    issues = evaluation.issues
    return set(issues.loc[issues["severity"].isin(severities or ("critical", "error", "warning", "info")), "rule"])


def blocking(evaluation):
    return codes(evaluation, *BLOCKING)


@pytest.mark.parametrize("key", SITES)
def test_there_are_twenty_rules_over_all_dimensions(key):
    ruleset = RULESETS[key]
    assert len(ruleset.rules) >= 20 and len(ruleset.fixes) >= 10
    assert {rule.dimension for rule in ruleset.rules} == {
        "completeness", "correctness", "compliance", "identifiers", "content", "media",
    }  # fmt: skip
    assert all(rule.hint.endswith((".", '".')) and rule.message.endswith(".") for rule in ruleset.rules)


@pytest.mark.parametrize("key", SITES)
def test_good_rows_have_no_open_errors(key):
    assert blocking(judge(key, single(), *family([("A", "Black", "M"), ("B", "Black", "L")], product_id="2"))) == set()


@pytest.mark.parametrize("key, changed, rule", [
    ("amazon-us", {"title": None}, "AMZ_TITLE_MISSING"),
    ("amazon-us", {"price": None}, "AMZ_PRICE_MISSING"),
    ("amazon-us", {"price": 0}, "AMZ_PRICE_POSITIVE"),
    ("amazon-us", {"category": None}, "AMZ_CATEGORY_MISSING"),
    ("amazon-us", {"category": "Shirts > Linen"}, "AMZ_CATEGORY_FORM"),
    ("amazon-us", {"images": []}, "AMZ_IMAGE_MISSING"),
    ("amazon-us", {"gtin": None}, "AMZ_GTIN_MISSING"),
    ("amazon-us", {"gtin": "4006381333932"}, "AMZ_GTIN_VALID"),
    ("amazon-us", {"gtin": "2012345678903"}, "AMZ_GTIN_RANGE"),
    ("amazon-us", {"sku": "x" * 41}, "AMZ_SKU"),
    ("amazon-us", {"quantity": -1}, "AMZ_QUANTITY"),
    ("ebay-us", {"title": None}, "EBY_TITLE_MISSING"),
    ("ebay-us", {"price": 0}, "EBY_PRICE_POSITIVE"),
    ("ebay-us", {"category": None}, "EBY_CATEGORY_MISSING"),
    ("ebay-us", {"category": "T-Shirts"}, "EBY_CATEGORY_FORM"),
    ("ebay-us", {"images": []}, "EBY_IMAGE_MISSING"),
    ("ebay-us", {"gtin": "4006381333932"}, "EBY_GTIN_VALID"),
    ("ebay-us", {"gtin": "10012345678902"}, "EBY_GTIN_LENGTH"),
    ("ebay-us", {"sku": "x" * 51}, "EBY_SKU"),
    ("ebay-us", {"brand": "x" * 66}, "EBY_BRAND_LENGTH"),
])  # fmt: skip
def test_what_a_marketplace_refuses_blocks_the_row(key, changed, rule):
    assert rule in blocking(judge(key, single(**changed)))


@pytest.mark.parametrize("key, changed, rule", [
    ("amazon-us", {"brand": None}, "AMZ_BRAND_GENERIC"),
    ("amazon-us", {"description": None, "description_html": None}, "AMZ_DESCRIPTION_MISSING"),
    ("amazon-us", {"category_source": "default"}, "AMZ_CATEGORY_DEFAULT"),
    ("amazon-us", {"sku": "A/B 1"}, "AMZ_SKU_CHARACTERS"),
    ("amazon-us", {"images": ["http://cdn.example.com/a.jpg"]}, "AMZ_IMAGE_HTTPS"),
    ("amazon-us", {"images": ["https://cdn.example.com/a.webp"]}, "AMZ_IMAGE_TYPE"),
    ("amazon-us", {"list_price": 1000}, "AMZ_LIST_PRICE"),
    ("ebay-us", {"gtin": "30235"}, "EBY_GTIN_MISSING"),
    ("ebay-us", {"brand": None}, "EBY_BRAND_UNBRANDED"),
    ("ebay-us", {"gtin": None}, "EBY_GTIN_MISSING"),
    ("ebay-us", {"description": None, "description_html": None}, "EBY_DESCRIPTION_TITLE"),
    ("ebay-us", {"category_source": "default"}, "EBY_CATEGORY_DEFAULT"),
])  # fmt: skip
def test_what_merchants_often_lack_is_a_warning(key, changed, rule):
    found = judge(key, single(**changed))
    assert rule in codes(found, "warning") and blocking(found) == set()


@pytest.mark.parametrize("gtin", [None, "30235", "B-1234567890"])
def test_an_exemption_makes_a_missing_barcode_a_warning(gtin):
    """A number that a shop gave itself is no GTIN, and no mistake either."""
    assert "AMZ_GTIN_MISSING" in blocking(judge("amazon-us", single(gtin=gtin)))
    found = judge("amazon-us", single(gtin=gtin), flags=frozenset({"gtin_exempt"}))
    assert "AMZ_GTIN_MISSING" in codes(found, "warning") and blocking(found) == set()


@pytest.mark.parametrize("key", SITES)
def test_parents_have_no_rules_of_price_stock_or_barcode(key):
    rows = family([("A", "Black", "M")])
    found = judge(key, *rows)
    assert found.issues.loc[found.issues["sku"] == "SHIRT", "field"].isin(["price", "quantity", "gtin"]).sum() == 0


@pytest.mark.parametrize("key, prefix", [("amazon-us", "AMZ"), ("ebay-us", "EBY")])
def test_two_variants_with_the_same_values_block_each_other(key, prefix):
    found = judge(key, *family([("A", "Black", "M"), ("B", "Black", "M"), ("C", "Red", "M")]))
    issues = found.issues[found.issues["rule"] == f"{prefix}_VARIATION_UNIQUE"]
    assert set(issues["sku"]) == {"A", "B"}


@pytest.mark.parametrize("key, title, fixed", [
    ("amazon-us", "Linen Shirt {new} $$$", "Linen Shirt new"),
    ("amazon-us", "FREE SHIPPING Linen Shirt with Pockets", "Linen Shirt with Pockets"),
    ("amazon-us", "\U0001f525 Linen Shirt with Pockets ★", "Linen Shirt with Pockets"),
    ("amazon-us", "Bag and Bag with Bag of Leather", "Bag and Bag with of Leather"),
    ("ebay-us", "Linen Shirt™ with Pockets", "Linen Shirt with Pockets"),
    ("ebay-us", "Versand <b>Linen</b> Shirt", "Versand Linen Shirt"),
])  # fmt: skip
def test_titles_are_repaired(key, title, fixed):
    assert judge(key, single(title=title)).variants["title"].iloc[0] == fixed


@pytest.mark.parametrize("key, most", [("amazon-us", 75), ("ebay-us", 80)])
def test_long_titles_are_cut_at_a_word(key, most):
    title = "A linen shirt with long sleeves, mother of pearl buttons and a very soft collar that does not itch, navy"
    done = judge(key, single(title=title)).variants["title"].iloc[0]
    assert len(done) <= most and title.startswith(done) and done.split()[-1] in title.replace(",", "").split()


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=120)


@pytest.mark.parametrize("key", SITES)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(TEXTS, TEXTS, st.lists(TEXTS, max_size=4), TEXTS, TEXTS)
def test_a_row_that_passes_the_rules_has_a_message(key, title, description, bullets, option, brand):
    """The rules are no weaker than the validators: nobody reads "ready" and then finds the listing refused."""
    clean = [title, description, option, brand, *bullets]
    clean = ["".join(letter for letter in value if letter.isprintable()) for value in clean]
    title, description, option, brand, *bullets = clean
    row = single(title=title, description=description, description_html=f"<p>{description}</p>", bullets=bullets, brand=brand,
                 option1_name="Color", option1=option[:40])  # fmt: skip
    found = judge(key, row)
    if blocking(found):
        return
    market, site = find_site(key)
    listings = found.variants[frame().columns]
    account = Account("demo", "A1", dict(market.account_settings))
    (message,) = unpacked(market.messages(listings, {"MUG-1": frozenset({"create"})}, site, account))
    assert isinstance(message, Message), message
