"""Listings as Amazon shows them, against what our messages say."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.marketplaces import find_site
from pipeline.marketplaces.amazon.readback import difference, held
from pipeline.marketplaces.live import RemoteListing
from pipeline.model.listing import Account
from pipeline_tests.marketplaces.rows import frame, single, unpacked

MARKET, SITE = find_site("amazon-us")
ACCOUNT = Account("shop", "S", {})
PLACE = {"marketplace_id": SITE.marketplace_id}


def listing(**content: Any) -> RemoteListing:
    return RemoteListing("a", "B000000001", "MUG", (), content)


def patch(**attributes: Any) -> bytes:
    patches = [{"op": "replace", "path": f"/attributes/{name}", "value": value} for name, value in attributes.items()]
    return orjson.dumps({"sku": "a", "patches": patches})


def offer(value: Any, **more: Any) -> dict[str, Any]:
    return {**PLACE, "currency": "USD", "our_price": [{"schedule": [{"value_with_tax": value}]}], **more}


@given(changed=st.sampled_from(["title", "brand", "description", "bullets", "keywords", "gtin"]))
def test_what_we_say_is_as_we_say_it_and_any_change_is_seen(changed: str) -> None:
    said = single(sku="a")
    (create,) = unpacked(MARKET.messages(frame(said), {"a": frozenset({"create"})}, SITE, ACCOUNT))
    theirs = listing(**orjson.loads(create.payload)["attributes"])  # type: ignore[union-attr]
    new = ["Another"] if changed == "bullets" else "5901234123457" if changed == "gtin" else "Another"
    for row, differs in ((said, False), ({**said, changed: new}, True)):
        (update,) = unpacked(MARKET.messages(frame(row), {"a": frozenset({"update"})}, SITE, ACCOUNT))
        assert bool(difference(update.payload, theirs).differ) == differs  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("theirs", "same"),
    [
        ([{"value": "Mug", "language_tag": "en_US", **PLACE}], True),
        ([{"value": " Mug\u00a0", "language_tag": "en_US", **PLACE, "more": 1}], True),
        ([{"value": "Mug"}], True),
        ([{"value": "Mug", "language_tag": "en_US", **PLACE}, {"value": "Tasse", "language_tag": "de_DE"}], True),
        ([{"value": "Mug", "language_tag": "de_DE", **PLACE}], False),
        ([{"value": "Mug", "language_tag": "en_US", "marketplace_id": "OTHER"}], False),
        ([], False),
        ("junk", False),
        ([{"value": None}, 7], False),
    ],
)
def test_only_the_meaning_counts(theirs: Any, same: bool) -> None:
    message = patch(item_name=[{"value": "Mug", "language_tag": "en_US", **PLACE}])
    assert (difference(message, listing(item_name=theirs)).differ == ()) == same


def test_pictures_under_amazons_address_cannot_be_told() -> None:
    message = patch(main_product_image_locator=[{"media_location": "https://x.example/1.jpg", **PLACE}])
    theirs = [{"media_location": "https://m.media-amazon.com/images/I/1.jpg", **PLACE}]
    found = difference(message, listing(main_product_image_locator=theirs))
    assert (found.differ, found.unknown) == ((), ("main_product_image_locator",))


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ({"purchasable_offer": [offer(19.99, audience="B2B"), offer(20, audience="ALL")]}, (2000, None)),
        ({"purchasable_offer": [offer("19.99")], "list_price": [{"currency": "USD", "value": 25}]}, (1999, 2500)),
        ({"purchasable_offer": [offer(19.99)], "list_price": [{"currency": "USD", "value": 19.99}]}, (1999, None)),
        ({"purchasable_offer": [offer(19.999)]}, (None, None)),
        ({"purchasable_offer": [offer(float("nan"))]}, (None, None)),
        (
            {"purchasable_offer": [{**PLACE, "currency": "EUR", "our_price": [{"schedule": [{"value_with_tax": 1}]}]}]},
            (None, None),
        ),
        ({"purchasable_offer": [{"our_price": "junk"}], "list_price": 3}, (None, None)),
        ({}, (None, None)),
    ],
)
def test_prices(content: dict[str, Any], found: tuple[int | None, int | None]) -> None:
    offered = held(listing(**content), SITE)
    assert (offered.price, offered.list_price) == found


@pytest.mark.parametrize(
    ("channels", "quantity", "elsewhere"),
    [
        ([{"fulfillment_channel_code": "DEFAULT", "quantity": 3}], 3, False),
        ([{"fulfillment_channel_code": "AMAZON_NA", "quantity": 3}], None, True),
        ([{"fulfillment_channel_code": "AMAZON_NA"}, {"fulfillment_channel_code": "DEFAULT", "quantity": 1}], 1, False),
        ([{"fulfillment_channel_code": "DEFAULT", "quantity": -1}], None, False),
        ([], None, False),
    ],
)
def test_stock(channels: list[dict[str, Any]], quantity: int | None, elsewhere: bool) -> None:
    offered = held(listing(fulfillment_availability=channels), SITE)
    assert (offered.quantity, offered.stock_elsewhere) == (quantity, elsewhere)
