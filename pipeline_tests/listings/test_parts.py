"""Stock, categories, assortment, families and facts: each alone."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.catalog.schema import COLLECTIONS, INVENTORY
from pipeline.listings.assortment import Collections, excluded
from pipeline.listings.categories.rules import first_rules
from pipeline.listings.facts import facts
from pipeline.listings.families import parent_skus
from pipeline.listings.rows import own_first, with_rules
from pipeline.listings.stock import quantity_to_send, stock_of
from pipeline.quality.schema import FIXED_PRODUCTS
from pipeline_tests.listings.fakes import arrow, export_settings, product, stock

NONE: list[dict[str, Any]] = []


def test_stock_is_summed_over_locations_and_negative_counts_as_nothing() -> None:
    rows = [stock("b", 3), stock("a", 4), stock("b", -7), stock("b", None), stock("c", None), stock("elsewhere", 9)]
    found = stock_of(pa.chunked_array([["a", "b", "c", "d"]]), arrow(rows, INVENTORY))
    assert found["available"].tolist() == [4, 3, pd.NA, pd.NA]
    assert found["tracked"].all() and not found["oversell"].any()


@pytest.mark.parametrize(
    ("available", "flags", "settings", "sent"),
    [
        (5, {}, {}, 5),
        (5, {}, {"stock_buffer": 2}, 3),
        (5, {}, {"stock_buffer": 9}, 0),
        (50, {}, {"stock_buffer": 2, "stock_maximum": 20}, 20),
        (-4, {}, {}, 0),
        (None, {}, {"stock_maximum": 3}, pd.NA),
        (None, {"tracked": False}, {}, 10),
        (3, {"tracked": False}, {"untracked_quantity": 7, "stock_buffer": 5}, 7),
        (3, {"tracked": False}, {"untracked_quantity": 7, "stock_maximum": 4}, 4),
        (None, {}, {"unknown_quantity": 2}, 2),
        (5, {}, {"unknown_quantity": 2}, 5),
        (None, {"tracked": False}, {"unknown_quantity": 2, "untracked_quantity": 7}, 7),
        (3, {"oversell": True}, {"stock_buffer": 1}, 10),
        (30, {"oversell": True}, {"stock_buffer": 1}, 29),
        (None, {"oversell": True}, {}, 10),
        (30, {"oversell": True}, {"stock_maximum": 12}, 12),
    ],
)
def test_quantity_to_send(available: int | None, flags: dict[str, bool], settings: dict[str, int], sent: object) -> None:
    found = stock_of(pa.chunked_array([["a"]]), arrow([stock("a", available, **flags)], INVENTORY))
    assert quantity_to_send(found, export_settings(**settings)).tolist() == [sent]


def test_a_hostile_stock_does_not_overflow() -> None:
    found = stock_of(pa.chunked_array([["a"]]), arrow([stock("a", 2**63 - 1)] * 3, INVENTORY))
    assert found["available"].iloc[0] > 0


PRODUCTS = arrow(
    [
        product("1", title="Blue Mug", vendor="Acme", product_type="Mugs", tags=["Kitchen", "sale"], category="Home > Mugs"),
        product("2", title="Shirt [M]", vendor="ACME Ltd", product_type=None, tags=[], category=None),
        product("3", title="Straße", vendor=None, product_type="mugs", tags=None, status="draft"),
    ],
    FIXED_PRODUCTS,
)
SHELVES = Collections(
    arrow(
        [
            {"handle": "summer", "product_ids": ["2", "9"]},
            {"handle": "all", "product_ids": ["1", "2", "3"]},
            {"handle": "empty", "product_ids": None},
        ],
        COLLECTIONS,
    )
)


def first(*rules: tuple[str, str, str]) -> list[int]:
    settings = export_settings(category_rules=[dict(zip(("field", "pattern", "category"), rule, strict=True)) for rule in rules])
    return first_rules(PRODUCTS, settings.category_rules, SHELVES).tolist()


@pytest.mark.parametrize(
    ("field", "pattern", "hits"),
    [
        ("product_type", "MUGS", [0, 2]), ("category", "home*", [0]), ("vendor", "acme", [0]), ("vendor", "acme*", [0, 1]),
        ("tag", "kit?hen", [0]), ("title", "*[m]", [1]), ("title", "*[b-z]*", []), ("title", "stra?e", [2]),
        ("collection", "sum*", [1]), ("collection", "ALL", [0, 1, 2]), ("title", "*" * 60 + "x", []), ("vendor", ".*", []),
    ],
)  # fmt: skip
def test_category_rules_match_like_file_names(field: str, pattern: str, hits: list[int]) -> None:
    assert first((field, pattern, "C")) == [0 if row in hits else -1 for row in range(3)]


def test_the_first_rule_wins() -> None:
    assert first(("vendor", "acme", "A"), ("collection", "all", "B")) == [0, 1, 1]
    assert first(("vendor", "acme", "A")) == [0, -1, -1]


@pytest.mark.parametrize(
    ("assortment", "sold"),
    [
        ({}, [0, 1]),
        ({"include": {"vendors": ["acme"]}}, [0]),
        ({"include": {"vendors": ["acme"], "collections": ["SUMMER"]}}, [0, 1]),
        ({"exclude": {"tags": [" sale "]}}, [1]),
        ({"include": {"product_ids": ["1", "2"]}, "exclude": {"product_ids": ["2"]}}, [0]),
        ({"exclude": {"product_types": ["Mugs"]}}, [1]),
        ({"include": {"vendors": ["nobody"]}}, []),
    ],
)
def test_assortment(assortment: dict[str, Any], sold: list[int]) -> None:
    found = excluded(PRODUCTS, export_settings(assortment=assortment).assortment, SHELVES)
    assert [row for row, reason in enumerate(found.isna()) if reason] == sold
    assert found.iloc[2] == "draft"


def test_parent_skus_are_short_stable_and_free() -> None:
    ids = ["44512345678901", "1", "01", "mug-handle", "999999999999999999", "9" * 40, ""]
    found = parent_skus(ids, pa.chunked_array([["x"]]))
    assert found[:2] == ["PFS0OTCBW5", "P1"]
    assert len(set(found)) == len(ids)
    assert max(map(len, found)) <= 20
    assert parent_skus(ids[::-1], pa.chunked_array([["x"]])) == found[::-1]
    assert parent_skus(["1"], pa.chunked_array([["p1", "P1-2", "p"]])) == ["P1-3"]
    assert parent_skus([], pa.chunked_array([["p1"]])) == []


@given(st.lists(st.text(max_size=30) | st.from_regex(r"[0-9]{1,25}", fullmatch=True), unique=True, max_size=30))
def test_no_two_products_share_a_parent_sku(ids: list[str]) -> None:
    found = parent_skus(
        ids, pa.chunked_array([[sku.lower() for sku in parent_skus(ids[:5], pa.chunked_array([["-"]]))] or ["-"]])
    )
    assert len({sku.upper() for sku in found}) == len(ids)
    assert all(sku.isascii() and sku.replace("-", "").isalnum() and len(sku) <= 20 for sku in found)


@given(
    st.lists(st.tuples(st.none() | st.sampled_from("abc"), st.none() | st.lists(st.sampled_from("abcd"), max_size=4)), max_size=8)
)
def test_the_own_image_comes_first_and_once(rows: list[tuple[str | None, list[str] | None]]) -> None:
    own = pa.chunked_array([[image for image, _ in rows]], pa.string())
    shared = pa.chunked_array([[images for _, images in rows]], pa.list_(pa.string()))
    wanted = [([image] if image else []) + [url for url in images or [] if url != image] for image, images in rows]
    assert own_first(own, shared).to_pylist() == wanted


REAL = {
    "shopify.color-pattern": "red; silver", "shopify.target-gender": "weiblich", "mm-google-shopping.gender": "female",
    "custom.country_of_origin": "Czech Republic", "shopify.ring-size": "size-5; size-xl", "shopify.occasion": "occasion-speciale",
    "shopify.swimwear-features": "leicht; sonstiges; schmeichelnde-silhouette", "shopify.age-group": '["adults"]',
    "shopify.bracelet-design": "chain", "custom.material": "78% cotton, 2% elastane", "mm-google-shopping.condition": "NEW",
}  # fmt: skip
NO_FACTS = {
    "custom.hs_code": "611421", "custom.batch": "B1", "custom.supplier": "Secret Ltd", "reviews.rating_count": "'1",
    "shopify--discovery--product_recommendation.related_products": "a; b", "mm-google-shopping.custom_product": "true",
    "mm-google-shopping.google_product_category": "200", "custom.type": "internal", "custom.brand": "Other",
    "shopify.fabric": '["gid://shopify/Metaobject/1"]', "shopify.pattern": "gid://shopify/Metaobject/2",
    "custom.finish": '{"value": 1, "unit": "CM"}', "custom.fit": "<b>slim</b>", "custom.care": "https://x.example/care",
    "custom.theme": "x" * 301, "custom.closure": "n/a", "custom.season": "true", "custom.room": "12",
}  # fmt: skip


def test_metafields_are_facts_where_a_buyer_may_read_them() -> None:
    found = facts(pa.array([json.dumps(REAL | NO_FACTS)]), pa.array([None], pa.string())).to_pylist()[0]
    assert (json.loads(found["attributes"]), found["condition"]) == (
        {
            "age_group": "adult", "bracelet design": "Chain", "color": ["red", "silver"], "country_of_origin": "CZ",
            "department": "female", "features": ["Leicht", "Schmeichelnde silhouette"], "material": "78% cotton, 2% elastane",
            "occasion": "Occasion speciale", "ring_size": ["5", "Xl"],
        },
        "new",
    )  # fmt: skip


def test_what_is_said_for_one_marketplace_keeps_its_words_and_stays_there() -> None:
    from pipeline.marketplaces.ebay.specifics import facts as on_ebay

    own = {"Amazon.Fabric_Type": " 100% Cotton; soft ", "amazon.capacity": '[{"value":"1"}]', "amazon.empty": " ",
           "amazon.long": "x" * 5001, "custom.note": "x"}  # fmt: skip
    found = facts(pa.array([json.dumps(own)]), pa.array(['{"amazon.capacity":"2 l"}'])).to_pylist()[0]
    assert json.loads(found["attributes"]) == {"amazon.fabric_type": "100% Cotton; soft", "amazon.capacity": "2 l"}
    assert on_ebay(found["attributes"], "en-US") == ()


def test_what_a_category_rule_says_of_its_products() -> None:
    said = with_rules(
        pa.chunked_array([['{"material":"Wood"}', None, None]]), pa.chunked_array([['{"department":"mens"}'] * 2 + [None]])
    )
    assert said.to_pylist() == ['{"material":"Wood","rule.department":"mens"}', '{"rule.department":"mens"}', None]


def test_facts() -> None:
    found = facts(
        pa.array(
            ['{"b.color": "red", "a.color": "blue", "x.mpn": "M1", "x.condition": "New"}', '{"a.n": 5}', "[1]", "{bad", None]
        ),
        pa.array([None, '{"a.size": " L "}', None, None, '{"a.size": ""}']),
    )
    assert found.to_pylist() == [
        {"attributes": '{"color":"blue"}', "mpn": "M1", "condition": "new"},
        {"attributes": '{"size":"L"}', "mpn": None, "condition": None},
        *[{"attributes": None, "mpn": None, "condition": None}] * 3,
    ]
