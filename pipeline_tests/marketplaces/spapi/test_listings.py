"""Reading and changing single listings at the fake Amazon."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from pipeline.marketplaces.amazon.spapi.client import SpApi
from pipeline.marketplaces.amazon.spapi.listings import AmazonListings
from pipeline_tests.fakes.amazon import MARKETPLACE, FakeAmazon
from pipeline_tests.marketplaces.spapi.conftest import SITE

STOCK = {"op": "replace", "path": "/attributes/fulfillment_availability", "value": [{"fulfillment_channel_code": "DEFAULT"}]}
ODD = ["a/b", "c d", "e&f?", "g#h", "50%", "%2F", "ü ß", "+x", 'quote"']


@pytest.fixture
def listings(new_api: Callable[..., SpApi]) -> AmazonListings:
    return AmazonListings(new_api(), SITE)


def fill(amazon: FakeAmazon, *skus: str) -> None:
    for sku in skus:
        amazon.catalog.put((MARKETPLACE, sku), "MUG", {"item_name": [{"value": f"Mug {sku}"}]})


def test_skus_are_looked_up_in_batches(amazon: FakeAmazon, listings: AmazonListings) -> None:
    fill(amazon, *(f"s{number}" for number in range(1500)))
    wanted = [*(f"s{number}" for number in range(1000, 1050)), "unknown"]
    assert {one.sku for one in listings.find(wanted)} == set(wanted) - {"unknown"}
    assert amazon.calls["searchListingsItems"] == 3
    (found,) = listings.find(["s1"])
    assert (found.category, found.status, len(found.item_id or "")) == ("MUG", ("BUYABLE", "DISCOVERABLE"), 10)
    assert found.content["item_name"][0]["value"] == "Mug s1"


def test_any_sku_can_be_read_and_changed(amazon: FakeAmazon, listings: AmazonListings) -> None:
    skus = [*ODD, "with,comma"]
    fill(amazon, *skus)
    assert {one.sku for one in listings.find(skus)} == set(skus)
    for sku in skus:
        found = listings.get(sku)
        assert found is not None and found.sku == sku
        assert listings.patch(sku, "PRODUCT", [STOCK]).accepted
        amazon.clock.advance(1)
    assert all("fulfillment_availability" in attributes for attributes in amazon.catalog.listings.values())
    assert listings.get("absent") is None


def test_gtins_are_found_by_what_amazon_calls_them(amazon: FakeAmazon, listings: AmazonListings) -> None:
    for sku, kind, value in (("a", "ean", "4006381333931"), ("b", "upc", "036000291452"), ("c", "gtin", "10036000291459")):
        identifier = {"externally_assigned_product_identifier": [{"type": kind, "value": value}]}
        amazon.catalog.put((MARKETPLACE, sku), "MUG", identifier)
    found = listings.find_gtins(["4006381333931", "036000291452", "10036000291459", "4006381333948", "junk"])
    assert [one.sku for one in found] == ["a", "b", "c"]


def test_a_change_is_seen_later(amazon: FakeAmazon, listings: AmazonListings) -> None:
    fill(amazon, "a")
    amazon.catalog.lag = timedelta(minutes=10)
    assert listings.patch("a", "PRODUCT", [STOCK]).accepted and listings.patch("nobody", "PRODUCT", [STOCK]).accepted
    assert "fulfillment_availability" not in listings.get("a").content  # type: ignore[union-attr]
    amazon.clock.advance(600)
    assert "fulfillment_availability" in listings.get("a").content  # type: ignore[union-attr]
    assert listings.get("nobody") is None


def test_a_preview_stores_nothing(amazon: FakeAmazon, listings: AmazonListings) -> None:
    issue = {"code": "90220", "severity": "ERROR", "message": "missing", "attributeNames": ["color"], "categories": []}
    body = {"productType": "MUG", "requirements": "LISTING", "attributes": {"item_name": [{"value": "Mug"}]}}
    assert listings.preview("a", body).accepted
    amazon.preview = lambda sku, body: [issue]
    refused = listings.preview("a", body)
    assert not refused.accepted and (refused.issues[0].attribute, refused.issues[0].code) == ("color", "90220")
    assert amazon.catalog.listings == {} and ("putListingsItem", 429) not in amazon.statuses
