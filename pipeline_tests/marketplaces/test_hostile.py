"""Whatever a catalog holds, a row becomes a message that its marketplace's schema takes, or a sentence; never an exception."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from pipeline.marketplaces import find_site
from pipeline.marketplaces.amazon.values import facts
from pipeline.model.listing import Account, InvalidMessage
from pipeline_tests.marketplaces.rows import frame, packable, unpacked
from pipeline_tests.marketplaces.schemas import amazon_feed, ebay_file

ODD = st.sampled_from(
    ["", " ", "<script>alert(1)</script>", "]]>", "&amp;", "a\x00b", "\ufffe", "\U0001f525 Hot", "x" * 300, "=1+1",
     "null", "SHIRT", '","operationType":"DELETE"', "\u202egnp.exe", "ÅÄÖ ß 漢字", "</MessageID>", ":000000000000</MessageID>",
     "MUG-1", "15687"]
)  # fmt: skip
TEXT = st.none() | ODD | st.text(max_size=60)
URL = TEXT | st.sampled_from(
    ["https://cdn.example.com/a.jpg", "http://x/y?a=1&b=2", "https://user@host/a", "data:image/png;base64,AA"]
)
NUMBER = st.none() | st.integers(-(2**63), 2**63 - 1) | st.integers(0, 5000)
KINDS = st.frozensets(
    st.sampled_from(["create", "update", "price", "quantity", "images", "delete", "hold", "unchanged"]), max_size=4
)

FACTS = st.dictionaries(st.text(max_size=10), TEXT | st.integers() | st.lists(TEXT, max_size=3), max_size=4)
ROW = st.fixed_dictionaries(
    {
        **{
            name: TEXT
            for name in ("title", "description", "description_html", "keywords", "brand", "mpn", "gtin", "category", "attributes")
        },
        **{f"option{number}{part}": TEXT for number in (1, 2, 3) for part in ("", "_name")},
        "attributes": TEXT
        | st.dictionaries(st.text(max_size=10), TEXT | st.integers() | st.lists(TEXT, max_size=3), max_size=4).map(json.dumps),
        "bullets": st.none() | st.lists(TEXT, max_size=6),
        "images": st.none() | st.lists(URL, max_size=12),
        "condition": st.sampled_from(["new", "used", None]),
        "currency": st.sampled_from(["USD", "USD", "USD", "EUR", None]),
        "status": st.sampled_from(["ready", "blocked", None]),
        "price": NUMBER,
        "list_price": NUMBER,
        "quantity": NUMBER,
    }
)


RIGHT = {
    "title": "Mug", "brand": "Acme", "description_html": "<p>x</p>", "images": ["https://cdn.example.com/a.jpg"], "price": 999,
    "quantity": 3, "gtin": "4006381333931", "currency": "USD", "condition": "new", "status": "ready",
    "option1_name": "Color", "option2_name": None, "option3_name": None,
}  # fmt: skip


@st.composite
def products(draw):
    """Rows of a few products (singles and families) with some right values, and kinds of change by SKU."""
    rows = []
    for number in range(draw(st.integers(1, 3))):
        children = draw(st.integers(0, 3))
        shared = {"product_id": str(number), "variant_id": None, "parent_sku": None, "category_source": None}
        right = {**RIGHT, "category": draw(st.sampled_from(["SHIRT", "15687"]))}
        roles = ["parent", *["child"] * children] if children else ["single"]
        for index, role in enumerate(roles):
            row = draw(ROW)
            kept = draw(st.sets(st.sampled_from(sorted(right)), min_size=len(right) - 3))
            row |= {name: value for name, value in right.items() if name in kept}
            sku = (
                f"P{number}"
                if index == 0
                else draw(st.sampled_from([f"P{number}-{index}", f"P{number}-{index}:000000000000", "x" * 60]))
            )
            rows.append({**shared, **row, "role": role, "sku": sku} | ({"parent_sku": f"P{number}"} if role == "child" else {}))
    changes = {row["sku"]: draw(KINDS | st.just(frozenset({"create"}))) for row in rows}
    return rows, changes


@pytest.mark.parametrize("key", ["amazon-us", "ebay-us"])
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(products())
def test_rows_become_valid_messages_or_sentences(key, case):
    rows, changes = case
    market, site = find_site(key)
    account = Account("demo", "A1", dict(market.account_settings))
    for listings in (frame(*rows), market.project(frame(*rows), site, {})):
        assert len(market.hashes(listings, site, account)) == len(rows)
        by_feed: dict = {}
        for found in unpacked(market.messages(listings, changes, site, account)):
            assert found.sku in changes
            if isinstance(found, InvalidMessage):
                assert found.problems and all(problem.endswith(".") for problem in found.problems)
            else:
                by_feed.setdefault(found.feed, []).append((found.sku, found.operation, found.payload))
        for feed, said in by_feed.items():
            for part in market.pack(feed, packable(said), site, account):
                _check(part.suffix, part.content)


def _check(suffix, content):
    text = content.decode() if suffix == "json" else "".join(etree.fromstring(content).itertext())
    assert not any(ord(letter) < 32 and letter not in "\t\r\n" for letter in text) and "<script" not in text.lower()
    if suffix == "json":
        feed = json.loads(content)
        amazon_feed()(feed)
        assert len({message["sku"] for message in feed["messages"]}) == len(feed["messages"])
    else:
        assert ebay_file().validate(etree.fromstring(content)), ebay_file().error_log


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=40), min_size=1, max_size=5, unique=True))
def test_any_sku_that_was_live_can_be_ended(skus):
    rows = frame(*({"sku": sku, "role": "single", "product_id": "1"} for sku in skus))
    for key in ("amazon-us", "ebay-us"):
        market, site = find_site(key)
        account = Account("demo", "A1", dict(market.account_settings))
        for found in (market.deletions(rows, site, account), market.zero_quantities(rows, site, account)):
            assert found["sku"].to_pylist() == skus


def test_names_that_are_no_attributes_are_still_json():
    document = json.dumps({'"': [], "x\x18": [{"value": "a"}], "y": ["a", None], "material": [{"value": "c"}]})
    assert list(facts(document)) == [
        (r"\"", "json", "[]"), (r"x\u0018", "json", '[{"value":"a"}]'), ("material", "json", '[{"value":"c"}]'),
    ]  # fmt: skip


def test_a_fact_of_several_texts_is_one():
    assert list(facts(json.dumps({"material": ["Cotton", "Wool"]}))) == [("material", "text", "Cotton, Wool")]
