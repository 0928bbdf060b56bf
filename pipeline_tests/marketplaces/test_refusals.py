"""Rules and validators agree: what a validator refuses is blocked before, in words that an operator can act on.

Each sentence that a validator can say has a row here that it refuses. In the pipeline that row is blocked by a rule, or
repaired so that nothing is refused.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.listings.verdict import status_and_reason
from pipeline.marketplaces import amazon, ebay, find_site, offers
from pipeline.model.listing import Account
from pipeline.quality.context import Context
from pipeline.quality.engine import evaluate
from pipeline.quality.ruleset import load_ruleset
from pipeline_tests.marketplaces.rows import family, frame, single

AMAZON, EBAY = "amazon-us", "ebay-us"
CATEGORY = {AMAZON: "SHIRT", EBAY: "15687"}
RULESETS = {key: load_ruleset(find_site(key)[0].rules_file) for key in CATEGORY}
REPAIRED = "repaired"


def account(key):
    market, _ = find_site(key)
    return Account("demo", "A1", dict(market.account_settings))


def refused(key, listings):
    """The sentences of a marketplace about new listings."""
    market, site = find_site(key)
    changes = dict.fromkeys(listings["sku"].tolist(), frozenset({"create"}))
    found = market.messages(listings, changes, site, account(key))
    return [problem for message in found.refused for problem in message.problems]


def decide(key, rows):
    """(rows as the listings stage has them, with their status; codes of the rules that block)."""
    market, site = find_site(key)
    projected = market.project(frame(*rows), site, {}).reset_index(drop=True)
    context = Context("demo", site.language, site.currency)
    found = evaluate(RULESETS[key], projected.drop_duplicates("product_id"), projected, context)
    listings = found.variants[frame().columns].reset_index(drop=True)
    verdict = status_and_reason(listings, found.issues, found.scores.reset_index(drop=True), RULESETS[key])
    listings["status"], listings["reason"] = verdict["status"], verdict["reason"]
    blocking = found.issues[found.issues["severity"].isin(["critical", "error"])]
    return listings, set(blocking["rule"])


def one(**changed):
    return lambda key: [single(**{"category": CATEGORY[key], **changed})]


def two(first=("A", "Black", "M"), second=("B", "Red", "L"), **changed):
    return lambda key: family([first, second], category=changed.pop("category", CATEGORY[key]), **changed)


def many(count):
    return lambda key: family([(f"S{number}", f"Shade {number}", "M") for number in range(count)], category=CATEGORY[key])


SCRIPT = "<script>alert(1)</script>"
#: Key of the site, rows, the sentence of the validator, and the rule that blocks (or REPAIRED).
CASES = [
    (AMAZON, one(sku=" "), "the SKU is missing", "AMZ_SKU_MISSING"),
    (AMAZON, one(sku="x" * 41), "the SKU has over 40 characters", "AMZ_SKU"),
    (AMAZON, one(sku=" x"), "the SKU has spaces at its ends or control characters", "AMZ_SKU_SPACES"),
    (AMAZON, one(sku="a\x07b"), "the SKU has spaces at its ends or control characters", "AMZ_SENDABLE_SKU"),
    (AMAZON, one(title=None), "the title is missing", "AMZ_TITLE_MISSING"),
    (AMAZON, one(title="word " * 50), "the title has over 200 characters", REPAIRED),
    (AMAZON, one(title="x" * 201), "the title has over 200 characters", REPAIRED),
    (AMAZON, one(title=f"Mug {SCRIPT}"), "the title has characters or markup that Amazon refuses", REPAIRED),
    (AMAZON, one(title="Mug\x07"), "the title has characters or markup that Amazon refuses", "AMZ_SENDABLE_TITLE"),
    (AMAZON, one(brand=None), "the brand is missing", REPAIRED),
    (AMAZON, one(brand="x" * 101), "the brand has over 100 characters", "AMZ_BRAND_LENGTH"),
    (AMAZON, one(brand=SCRIPT), "the brand has characters or markup that Amazon refuses", "AMZ_SENDABLE_BRAND"),
    (AMAZON, one(category=None), "the category is missing", "AMZ_CATEGORY_MISSING"),
    (AMAZON, one(category="X" * 101), "the category has over 100 characters", "AMZ_CATEGORY_FORM"),
    (AMAZON, one(category=f"A{SCRIPT}"), "the category has characters or markup that Amazon refuses", "AMZ_CATEGORY_FORM"),
    (AMAZON, one(category="15687 Shirts"), "the category is not an Amazon product type such as SHIRT", "AMZ_CATEGORY_FORM"),
    (AMAZON, one(keywords=SCRIPT), "the keywords has characters or markup that Amazon refuses", REPAIRED),
    (AMAZON, one(keywords="word " * 60), "the keywords have over 249 bytes", REPAIRED),
    (AMAZON, one(mpn=f"M{SCRIPT}"), "the mpn has characters or markup that Amazon refuses", REPAIRED),
    (AMAZON, one(mpn="M\x07"), "the mpn has characters or markup that Amazon refuses", "AMZ_SENDABLE_MPN"),
    (AMAZON, one(description=f"Mug. {SCRIPT}"), "the description has characters or markup that Amazon refuses", REPAIRED),
    (AMAZON, one(description="Mug.\x07"), "the description has characters or markup that Amazon refuses",
     "AMZ_SENDABLE_DESCRIPTION"),
    (AMAZON, one(description="word " * 3000), "the description has over 10000 bytes", REPAIRED),
    (AMAZON, one(bullets=[f"Point {number}" for number in range(11)]), "there are over 10 bullet points", "AMZ_BULLETS_MOST"),
    (AMAZON, one(bullets=["word " * 150]), "a bullet point has over 600 characters", REPAIRED),
    (AMAZON, one(bullets=[SCRIPT]), "a bullet point has characters or markup that Amazon refuses", "AMZ_SENDABLE_BULLETS"),
    (AMAZON, one(gtin="123"), "the GTIN is not 8, 12, 13 or 14 digits", "AMZ_GTIN_MISSING"),
    (AMAZON, one(gtin=None), "there is no GTIN and the account has no GTIN exemption", "AMZ_GTIN_MISSING"),
    (AMAZON, one(condition="used"), "the condition is not one of: new", "AMZ_CONDITION"),
    (AMAZON, two(second=("B", "Red", None)), "option 2 of the family has no value here", "AMZ_VARIATION_VALUE_OPTION2"),
    (AMAZON, two(second=("B", "x" * 1001, "L")), "the value of option 1 has over 1000 characters", REPAIRED),
    (AMAZON, two(second=("B", f"{SCRIPT}", "L")), "the value of option 1 has characters or markup that Amazon refuses",
     "AMZ_SENDABLE_OPTION1"),
    (AMAZON, two(second=("B", "Red", "word " * 20)), "the value of size has over 50 characters", REPAIRED),
    (AMAZON, two(option1_name=None, option2_name=None), "a family without options has no variation theme", "AMZ_FAMILY_OPTIONS"),
    (AMAZON, one(images=[]), "there is no image with a web address (http or https) that Amazon can read", "AMZ_IMAGE_MISSING"),
    (AMAZON, one(images=["ftp://x/a.jpg", "https://x/" + "a" * 2000]),
     "there is no image with a web address (http or https) that Amazon can read", "AMZ_IMAGE_READABLE"),
    (AMAZON, one(price=None), "the price is missing", "AMZ_PRICE_MISSING"),
    (AMAZON, one(price=0), "the price is not above zero", "AMZ_PRICE_POSITIVE"),
    (AMAZON, one(quantity=-1), "the quantity is not between 0 and 99999999", "AMZ_QUANTITY"),
    (EBAY, one(sku=" "), "the SKU is missing", "EBY_SKU_MISSING"),
    (EBAY, one(sku="x" * 51), "the SKU has over 50 characters", "EBY_SKU"),
    (EBAY, one(sku="x "), "the SKU has spaces at its ends or control characters", "EBY_SKU_SPACES"),
    (EBAY, one(sku="a\x07b"), "the SKU has spaces at its ends or control characters", "EBY_SENDABLE_SKU"),
    (EBAY, one(title=None), "the title is missing", "EBY_TITLE_MISSING"),
    (EBAY, one(title="word " * 20), "the title has over 80 characters", REPAIRED),
    (EBAY, one(title=f"Mug {SCRIPT}"), "the title has characters or markup that eBay refuses", REPAIRED),
    (EBAY, one(title="Mug\x07"), "the title has characters or markup that eBay refuses", "EBY_SENDABLE_TITLE"),
    (EBAY, one(title="<b>Mug</b>"), "the title has HTML", REPAIRED),
    (EBAY, one(title="Mug <b for a friend"), "the title has HTML", "EBY_TITLE_HTML"),
    (EBAY, one(brand=None), "the brand is missing", REPAIRED),
    (EBAY, one(brand="x" * 66), "the brand has over 65 characters", "EBY_BRAND_LENGTH"),
    (EBAY, one(brand=SCRIPT), "the brand has characters or markup that eBay refuses", "EBY_SENDABLE_BRAND"),
    (EBAY, one(category=None), "the category is missing", "EBY_CATEGORY_MISSING"),
    (EBAY, one(category="SHIRT"), "the category is not an eBay category number", "EBY_CATEGORY_FORM"),
    (EBAY, one(description_html=None), "the description is missing", REPAIRED),
    (EBAY, one(description_html="<p>x</p>" * 70_000), "the description has over 500000 characters", "EBY_DESCRIPTION_LENGTH"),
    (EBAY, one(description_html="<p>x\x07</p>"), "the description has characters that eBay refuses",
     "EBY_SENDABLE_DESCRIPTION_HTML"),
    (EBAY, one(description_html=SCRIPT), "the description has active content, which eBay refuses", "EBY_DESCRIPTION_MISSING"),
    (EBAY, one(description_html=f"<p onclick='x()'>x</p>{SCRIPT}"), "the description has active content, which eBay refuses",
     REPAIRED),
    (EBAY, one(mpn=f"M{SCRIPT}"), "the MPN has characters or markup that eBay refuses", REPAIRED),
    (EBAY, one(mpn="M\x07"), "the MPN has characters or markup that eBay refuses", "EBY_SENDABLE_MPN"),
    (EBAY, one(condition="refurbished"), "the condition is not one of: new", "EBY_CONDITION"),
    (EBAY, one(gtin="10012345678902"), "the GTIN is not 8, 12 or 13 digits", "EBY_GTIN_LENGTH"),
    (EBAY, two(names=("x" * 66, "Size")), "the name of option 1 has over 65 characters", "EBY_VARIATION_NAME_OPTION1_NAME"),
    (EBAY, two(second=("B", "Red", "word " * 20)), "the value of option 2 has over 65 characters", REPAIRED),
    (EBAY, two(second=("B", SCRIPT, "L")), "option 1 has characters or markup that eBay refuses", "EBY_SENDABLE_OPTION1"),
    (EBAY, two(option1_name=None, option2_name=None), "the family has no option that tells its variations apart",
     "EBY_FAMILY_OPTIONS"),
    (EBAY, two(names=("Color", "color")), "two options of the family have the same name", "EBY_VARIATION_NAMES"),
    (EBAY, two(second=("B", "Red", None)), "a variation has no value for an option of the family", "EBY_VARIATION_VALUE_OPTION2"),
    (EBAY, two(second=("B", "black", "m")), "two variations have the same option values", "EBY_VARIATION_UNIQUE"),
    (EBAY, two(("A", "Weiß", "M"), ("B", "WEISS", "M")), "two variations have the same option values", "EBY_VARIATION_UNIQUE"),
    (EBAY, many(61), "option Color has 61 values, eBay takes 60", "EBY_VARIATION_COUNT_OPTION1"),
    (EBAY, one(images=[]), "there is no picture with an https address that eBay can read", "EBY_IMAGE_MISSING"),
    (EBAY, one(images=["http://x.example/a.jpg", "https://x.example/a;b.jpg"]),
     "there is no picture with an https address that eBay can read", "EBY_IMAGE_READABLE"),
    (EBAY, one(price=None), "the price is missing", "EBY_PRICE_MISSING"),
    (EBAY, one(price=-5), "the price is not above zero", "EBY_PRICE_POSITIVE"),
    (EBAY, one(quantity=2**40), "the quantity is not between 0 and 2147483647", "EBY_QUANTITY"),
]  # fmt: skip

#: Sentences about what no catalog can bring about; they guard against mistakes of our own.
OURS = {
    "the role is not single, parent or child": "rows.listing_rows sets it",
    "a child without a parent SKU": "rows.listing_rows sets it",
    "the parent SKU has over 40 characters": "families.parent_skus makes it, 20 characters at most",
    "the currency is not USD, the currency of ebay-us": "prices are made in the site's currency",
    "the sale price is not above zero and below the price": "prices.site_prices makes no such sale",
    "the sale does not end after it starts": "prices.site_prices makes no such sale",
    "the quantity is missing": "the plan holds a listing until its stock is known",
    "business policies belong together: set all of shipping_policy_id or none": "a setting: LISTING_ACCOUNT blocks",
    "the setting location is not plain text of at most 45 characters": "a setting: LISTING_ACCOUNT blocks",
    "the family has over 5 options": "Shopify has three",
    "the family has no variation that can be listed": "verdict.status_and_reason blocks such a parent",
    "the family has 251 variations, eBay takes 250": "the listings stage blocks it as LISTING_FAMILY_SIZE",
}  # fmt: skip


def _id(case):
    return f"{case[0]}-{case[3]}-{case[2]}"[:90]


@pytest.mark.parametrize("case", CASES, ids=_id)
def test_what_a_validator_refuses_is_blocked_or_repaired_before(case):
    key, rows, sentence, rule = case
    given_rows = rows(key)
    said = f"{sentence[0].upper()}{sentence[1:]}."
    assert any(said in problem for problem in [*refused(key, frame(*given_rows)), *_without_sku(key, given_rows)])
    listings, blocking = decide(key, given_rows)
    if rule == REPAIRED:
        assert listings["status"].eq("ready").all() and not blocking
    else:
        assert rule in blocking
        assert listings["status"].eq("blocked").any()
    ready = listings[listings["status"] == "ready"]
    assert not refused(key, ready)


def _without_sku(key, rows):
    """Problems of a variation are told with its SKU before them, and with a small letter."""
    return [f"{text[:1].upper()}{text[1:]}" for problem in refused(key, frame(*rows)) for text in [problem.partition(": ")[2]]]


def _sentences():
    """Every sentence that the validators can say, as patterns: the texts that they add or append."""
    folders = [Path(amazon.__path__[0]), Path(ebay.__path__[0])]
    for path in (*(folder / "validate.py" for folder in folders), Path(offers.__file__)):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("add", "append"):
                text = node.args[-1]
                if isinstance(text, ast.Constant):
                    yield re.escape(text.value)
                elif isinstance(text, ast.JoinedStr):
                    parts = (re.escape(part.value) if isinstance(part, ast.Constant) else ".+" for part in text.values)
                    yield "".join(parts)


def test_every_sentence_of_the_validators_has_a_case():
    known = [sentence for _, _, sentence, _ in CASES] + list(OURS)
    patterns = list(_sentences())
    assert len(patterns) > 50
    assert [pattern for pattern in patterns if not any(re.fullmatch(pattern, sentence) for sentence in known)] == []


ODD = st.sampled_from(
    ["", " ", SCRIPT, "]]>", "&amp;", "&lt;script&gt;x", "a\x00b", "\ufffe", "\U0001f525 Hot", "x" * 300, "<b>", "<b", "Weiß",
     "WEISS", "weiss", "\u202egnp.exe", "\u0130", "a;b", "javascript:x()", "<p onclick=x>", "word " * 60, "x\n\ny", "size-5",
     "＜script＞", "\xa0", "n/a", "<", "a < b on x=5", "İ", "ΑΣ", "ας"]
)  # fmt: skip
TEXT = ODD | st.text(max_size=30) | st.sampled_from(["Black", "black", "Red", "M", "L"])
URL = st.sampled_from(
    ["https://cdn.example.com/a.jpg", "http://cdn.example.com/a.jpg", "https://x/y?a=1", "https://u@h/a", "data:x", "//x/a.jpg",
     "https://x.example/a;b.jpg", "https://x.example/" + "a" * 600, "https://x.example/ä.jpg", ""]
)  # fmt: skip
COLUMNS = {
    **{name: TEXT for name in ("title", "description", "brand", "mpn", "category", "keywords")},
    "description_html": TEXT.map(lambda text: f"<p>{text}</p>") | TEXT,
    "gtin": st.none() | TEXT | st.sampled_from(["4006381333931", "10012345678902", "12345"]),
    "bullets": st.none() | st.lists(TEXT, max_size=12),
    "images": st.lists(URL, max_size=3),
    "condition": st.sampled_from(["new", "used"]),
    "price": st.none() | st.integers(-1, 5000),
    "quantity": st.integers(-1, 100),
}


@st.composite
def products(draw):
    """Rows as the listings stage makes them, some values of them odd."""

    def change(row, own):
        for name in draw(st.sets(st.sampled_from(sorted(own)), max_size=3)):
            row[name] = draw(own[name])
        return row

    if draw(st.booleans()):
        options = {f"option{number}{part}": st.none() | TEXT for number in (1, 2) for part in ("", "_name")}
        return [change(single(category=None), {**COLUMNS, **options})]
    names = tuple(draw(st.sampled_from(["Color", "Size", "Farbe"]) | TEXT) for _ in range(2))
    values = draw(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=4))
    sold = ("price", "quantity", "gtin", "mpn")
    shared = change({"category": None}, {name: strategy for name, strategy in COLUMNS.items() if name not in sold})
    rows = family([(f"C{number}", *pair) for number, pair in enumerate(values)], names=names, **shared)
    own = {name: COLUMNS[name] for name in (*sold, "images")}
    return [rows[0], *(change(row, own) for row in rows[1:])]


@pytest.mark.parametrize("key", CATEGORY)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(products(), min_size=1, max_size=12))
def test_a_ready_listing_is_never_refused_by_its_validator(key, found):
    """A store of odd products at a time: judging one costs as much as judging twelve."""
    rows = []
    for number, product in enumerate(found):
        for row in product:
            own = {"product_id": str(number), "sku": f"{row['sku']}-{number}", "category": row["category"] or CATEGORY[key]}
            rows.append({**row, **own, "parent_sku": row["parent_sku"] and f"{row['parent_sku']}-{number}"})
    listings, _ = decide(key, rows)
    # what is out of stock is not created, nor a family of which everything is
    sold = listings["quantity"].gt(0).fillna(False)
    ready = listings[(listings["status"] == "ready") & (sold | listings["sku"].isin(listings.loc[sold, "parent_sku"].dropna()))]
    families = ready.loc[ready["role"] == "child", "parent_sku"]
    assert refused(key, ready[(ready["role"] != "parent") | ready["sku"].isin(families)]) == []
