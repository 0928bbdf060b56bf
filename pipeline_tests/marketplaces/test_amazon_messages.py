"""Messages and files for Amazon, against Amazon's own schemas and the rules of the page."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from pipeline.marketplaces import find_site
from pipeline.model.listing import Account, InvalidMessage, Message
from pipeline_tests.marketplaces.rows import family, frame, packable, single, unpacked
from pipeline_tests.marketplaces.schemas import amazon_attribute, amazon_feed, amazon_message

MARKET, SITE = find_site("amazon-us")
ACCOUNT = Account("demo", "A1EXAMPLE", {"gtin_exempt": False})
EXEMPT = Account("demo", "A1EXAMPLE", {"gtin_exempt": True})
FAMILY = [("S-BK-M", "Black", "M"), ("S-BK-L", "Black", "L")]


def sentence(problem):
    return f"{problem[0].upper()}{problem[1:]}."


def send(rows, changes, account=ACCOUNT, site=SITE):
    """Messages for rows; `changes` is one kind for all, or kinds by SKU."""
    by_sku = changes if isinstance(changes, dict) else {row["sku"]: {changes} for row in rows}
    frozen = {sku: frozenset(kinds) for sku, kinds in by_sku.items()}
    return unpacked(MARKET.messages(frame(*rows), frozen, site, account))


def body(message):
    assert isinstance(message, Message), message
    return json.loads(message.payload, parse_float=Decimal)


def patches(message):
    return {(patch["op"], patch["path"].removeprefix("/attributes/")): patch.get("value") for patch in body(message)["patches"]}


def check(messages):
    """Against the official message schema, and each attribute against a real product type where it has it."""
    for message in messages:
        found = json.loads(message.payload)
        assert found["sku"] == message.sku and found["operationType"] == message.operation
        amazon_message()({"messageId": 1, **found})
        attributes = dict(found.get("attributes", {}))
        for patch in found.get("patches", ()):
            if patch["op"] in ("replace", "merge"):
                attributes[patch["path"].removeprefix("/attributes/")] = patch["value"]
        for name, value in attributes.items():
            validate = amazon_attribute(name)
            if validate:
                validate(value)


def test_every_kind_of_message_is_valid_for_amazon():
    rows = [*family(FAMILY), single(list_price=2499), single(sku="DE-1", gtin="01234565")]
    check(send(rows, "create"))
    check(send(rows, {row["sku"]: {"update", "price", "quantity", "images"} for row in rows}))
    check(unpacked(MARKET.deletions(frame(*rows), SITE, ACCOUNT)))
    check(unpacked(MARKET.zero_quantities(frame(*rows), SITE, ACCOUNT)))


def test_create_is_one_complete_update():
    (message,) = send([single(list_price=2499)], "create")
    found = body(message)
    assert (message.feed, found["operationType"], found["requirements"], found["productType"]) == (
        "product", "UPDATE", "LISTING", "DRINKING_CUP",
    )  # fmt: skip
    attributes = found["attributes"]
    assert attributes["item_name"] == [
        {"value": "Stoneware Mug 350 ml", "language_tag": "en_US", "marketplace_id": "ATVPDKIKX0DER"}
    ]
    assert attributes["externally_assigned_product_identifier"][0] | {"marketplace_id": ""} == {
        "type": "ean", "value": "4006381333931", "marketplace_id": "",
    }  # fmt: skip
    offer = attributes["purchasable_offer"][0]
    assert (offer["currency"], offer["audience"]) == ("USD", "ALL")
    assert offer["our_price"] == [{"schedule": [{"value_with_tax": Decimal("19.99")}]}]
    assert attributes["list_price"][0]["value"] == Decimal("24.99")
    assert attributes["fulfillment_availability"] == [{"fulfillment_channel_code": "DEFAULT", "quantity": 12}]
    assert attributes["main_product_image_locator"][0]["media_location"] == "https://cdn.example.com/mug-1.jpg"
    assert attributes["other_product_image_locator_1"][0]["media_location"] == "https://cdn.example.com/mug-2.jpg"
    assert attributes["condition_type"][0]["value"] == "new_new"
    assert attributes["country_of_origin"][0]["value"] == "PT"
    assert attributes["part_number"][0]["value"] == "M-350"
    assert "parentage_level" not in attributes


def test_a_family_is_a_parent_without_offer_and_children_that_point_at_it():
    parent, *children = (body(message)["attributes"] for message in send(family(FAMILY), "create"))
    assert body(send(family(FAMILY), "create")[0])["requirements"] == "LISTING_PRODUCT_ONLY"
    assert not {
        "purchasable_offer",
        "fulfillment_availability",
        "condition_type",
        "externally_assigned_product_identifier",
    } & set(parent)
    assert parent["parentage_level"][0]["value"] == "parent"
    assert parent["variation_theme"] == [{"name": "COLOR/SIZE"}]
    for child, color, size in zip(children, ["Black", "Black"], ["M", "L"], strict=True):
        assert child["parentage_level"][0]["value"] == "child"
        assert child["child_parent_sku_relationship"][0]["parent_sku"] == "SHIRT"
        assert child["variation_theme"] == parent["variation_theme"]
        assert (child["color"][0]["value"], child["size"][0]["value"]) == (color, size)


@pytest.mark.parametrize("minor, currency, site, text", [
    (1999, "USD", "amazon-us", "19.99"), (7, "USD", "amazon-us", "0.07"), (1200, "JPY", "amazon-jp", "1200"),
    (123456789012345, "USD", "amazon-us", "1234567890123.45"),
])  # fmt: skip
def test_prices_are_exact_numbers(minor, currency, site, text):
    _, found = find_site(site)
    (message,) = send([single(price=minor, currency=currency)], "price", site=found)
    assert f'"value_with_tax":{text}}}'.encode() in message.payload


@pytest.mark.parametrize(
    "gtin, kind", [("96385074", "ean"), ("036000291452", "upc"), ("4006381333931", "ean"), ("10012345678902", "gtin")]
)
def test_the_type_of_a_gtin_is_its_length(gtin, kind):
    (message,) = send([single(gtin=gtin)], "create")
    assert body(message)["attributes"]["externally_assigned_product_identifier"][0]["type"] == kind


def test_without_gtin_only_an_exempt_account_lists():
    (refused,) = send([single(gtin=None)], "create")
    assert isinstance(refused, InvalidMessage) and refused.problems == (
        "There is no GTIN and the account has no GTIN exemption.",
    )
    (message,) = send([single(gtin=None)], "create", EXEMPT)
    attributes = body(message)["attributes"]
    assert attributes["supplier_declared_has_product_identifier_exemption"][0]["value"] is True
    assert "externally_assigned_product_identifier" not in attributes


def test_a_content_change_touches_neither_price_nor_stock_nor_images():
    (message,) = send([single(keywords=None)], "update")
    assert (message.feed, message.operation) == ("product", "PATCH")
    names = {name for _, name in patches(message)}
    assert not any("offer" in name or "fulfillment" in name or "image" in name or "price" in name for name in names)
    assert ("replace", "item_name") in patches(message)
    assert ("delete", "generic_keyword") in patches(message)


def test_content_that_a_product_type_may_require_is_never_deleted():
    (message,) = send([single(description=None, bullets=None, keywords=None, attributes=None)], "update")
    assert [name for op, name in patches(message) if op == "delete"] == ["generic_keyword"]


def test_the_relationship_is_resent_only_with_a_new_parent():
    rows = family(FAMILY)
    old = send(rows, {"SHIRT": {"update"}, "S-BK-M": {"update"}})
    assert ("replace", "child_parent_sku_relationship") not in patches(old[1])
    assert ("replace", "variation_theme") in patches(old[1])
    new = send(rows, {"SHIRT": {"create"}, "S-BK-M": {"update"}})
    assert ("replace", "child_parent_sku_relationship") in patches(new[1])


def test_a_price_change_is_merged_into_the_offer_and_ends_a_sale_without_dates():
    (message,) = send([single()], "price")
    assert (message.feed, body(message)["productType"]) == ("price", "PRODUCT")
    assert set(patches(message)) == {("merge", "purchasable_offer"), ("delete", "list_price")}
    (sale,) = send([single(list_price=2499)], "price")
    assert patches(sale)["replace", "list_price"][0]["value"] == Decimal("24.99")
    (wrong,) = send([single(list_price=1000)], "price")  # a list price below the price is no sale
    assert ("delete", "list_price") in patches(wrong)


def test_a_stock_change_is_stock_alone():
    (message,) = send([single(quantity=0)], "quantity")
    assert message.feed == "inventory"
    assert patches(message) == {("merge", "fulfillment_availability"): [{"fulfillment_channel_code": "DEFAULT", "quantity": 0}]}


def test_an_image_change_replaces_the_locators_and_deletes_the_rest():
    many = [f"https://cdn.example.com/{number}.jpg" for number in range(12)]
    (message,) = send([single(images=many)], "images")
    assert [op for op, _ in patches(message)] == ["replace"] * 9
    (message,) = send([single(images=many[:2])], "images")
    assert [op for op, _ in patches(message)] == ["replace"] * 2 + ["delete"] * 7


def test_one_bad_image_does_not_cost_the_others():
    good = "https://cdn.example.com/a.jpg"
    (message,) = send([single(images=["javascript:alert(1)", "ftp://x/y.jpg", good, good])], "create")
    attributes = body(message)["attributes"]
    assert attributes["main_product_image_locator"][0]["media_location"] == good
    assert "other_product_image_locator_1" not in attributes


def test_parents_have_no_price_and_no_stock():
    assert send([family(FAMILY)[0]], {"SHIRT": {"price", "quantity"}}) == []


def test_kinds_that_send_nothing_give_no_message():
    for kind in ("unchanged", "hold", "blocked", "out_of_scope"):
        assert send([single()], kind) == []
    assert send([single()], {}) == []


def test_a_deletion_names_the_sku_only_children_before_parents():
    found = unpacked(MARKET.deletions(frame(*family(FAMILY)), SITE, ACCOUNT))
    assert [message.sku for message in found] == ["S-BK-M", "S-BK-L", "SHIRT"]
    assert found[0].payload == b'{"sku":"S-BK-M","operationType":"DELETE"}'
    zero = unpacked(MARKET.zero_quantities(frame(*family(FAMILY)), SITE, ACCOUNT))
    assert [message.sku for message in zero] == ["S-BK-M", "S-BK-L"]


@pytest.mark.parametrize("changed, problem", [
    ({"title": None}, "the title is missing"),
    ({"title": "x" * 201}, "the title has over 200 characters"),
    ({"title": "Mug\x07"}, "the title has characters or markup that Amazon refuses"),
    ({"title": "Mug <Script >x"}, "the title has characters or markup that Amazon refuses"),
    ({"brand": " "}, "the brand is missing"),
    ({"category": None}, "the category is missing"),
    ({"category": "drinking cup"}, "the category is not an Amazon product type such as SHIRT"),
    ({"price": None}, "the price is missing"),
    ({"price": 0}, "the price is not above zero"),
    ({"currency": "EUR"}, "the currency is not USD, the currency of amazon-us"),
    ({"quantity": -1}, "the quantity is not between 0 and 99999999"),
    ({"quantity": None}, "the quantity is missing"),
    ({"gtin": "123"}, "the GTIN is not 8, 12, 13 or 14 digits"),
    ({"images": []}, "there is no image with a web address (http or https) that Amazon can read"),
    ({"images": None}, "there is no image with a web address (http or https) that Amazon can read"),
    ({"sku": "x" * 41}, "the SKU has over 40 characters"),
    ({"sku": " x"}, "the SKU has spaces at its ends or control characters"),
    ({"description": "é" * 5001}, "the description has over 10000 bytes"),
    ({"bullets": ["x" * 601]}, "a bullet point has over 600 characters"),
    ({"bullets": ["fine", "a\nb"]}, "a bullet point has characters or markup that Amazon refuses"),
    ({"keywords": "x" * 250}, "the keywords have over 249 bytes"),
    ({"condition": "used"}, "the condition is not one of: new"),
])  # fmt: skip
def test_what_amazon_would_refuse_is_said_in_a_sentence(changed, problem):
    (refused,) = send([single(**changed)], "create")
    assert isinstance(refused, InvalidMessage) and sentence(problem) in refused.problems


def test_a_child_needs_every_value_of_the_theme_and_room_for_it():
    (_, refused) = send(family([("A", "Black", None)]), "create")
    assert refused.problems == ("Option 2 of the family has no value here.",)
    (_, refused) = send(family([("A", "Black", "x" * 51)]), "create")
    assert refused.problems == ("The value of size has over 50 characters.",)


def test_a_refused_parent_takes_its_new_children_along():
    found = send(family(FAMILY, category=None), "create")
    assert [type(one) for one in found] == [InvalidMessage] * 3
    assert "Its family SHIRT cannot be listed." in found[1].problems


def test_a_bad_row_does_not_stop_the_others():
    found = send([single(sku="A"), single(sku="B", price=None), single(sku="C")], "create")
    assert [(one.sku, isinstance(one, Message)) for one in found] == [("A", True), ("C", True), ("B", False)]


def test_the_same_arguments_give_the_same_bytes():
    rows = [*family(FAMILY), single()]
    assert send(rows, "create") == send(rows, "create")


def test_hashes_change_with_the_content_they_stand_for_and_nothing_else():
    def hashes(account=ACCOUNT, **changed):
        return MARKET.hashes(frame(single(**changed)), SITE, account).iloc[0].tolist()

    content, images = hashes()
    assert hashes(price=1, quantity=0, list_price=5, score=1.0, revision="r2", weight_grams=1.0) == [content, images]
    assert hashes(images=["https://cdn.example.com/other.jpg"])[0] == content
    assert hashes(images=["https://cdn.example.com/other.jpg"])[1] != images
    for changed in ({"title": "X"}, {"gtin": None}, {"bullets": None}, {"category": "X"}, {"attributes": None}, {"option1": "X"}):
        assert hashes(**changed)[0] != content and hashes(**changed)[1] == images
    assert hashes(EXEMPT)[0] == content  # the exemption says nothing where there is a GTIN
    assert hashes(EXEMPT, gtin=None)[0] != hashes(gtin=None)[0]
    assert MARKET.hashes(frame(single()), find_site("amazon-uk")[1], ACCOUNT).iloc[0, 0] != content


def pack(feed, messages):
    """Feed files of (SKU, operation, payload)."""
    return list(MARKET.pack(feed, packable(messages), SITE, ACCOUNT))


def test_a_file_is_a_valid_feed_with_ids_in_order():
    rows = [*family(FAMILY), single(sku='M"UG,1')]
    (part,) = pack("product", [(one.sku, one.operation, one.payload) for one in send(rows, "create")])
    feed = json.loads(part.content)
    amazon_feed()(feed)
    assert (part.name, part.suffix, part.messages) == ("product-1", "json", 4)
    assert [message["messageId"] for message in feed["messages"]] == [1, 2, 3, 4]
    assert [message["sku"] for message in feed["messages"]] == ["SHIRT", "S-BK-M", "S-BK-L", 'M"UG,1']
    assert feed["header"]["sellerId"] == "A1EXAMPLE" and feed["header"]["issueLocale"] == "en_US"
    assert feed["header"]["report"]["includedData"] == ["issues", "summaries"]


def test_files_are_split_by_count():
    payload = b'{"sku":"%d","operationType":"DELETE"}'
    parts = pack("product", ((str(number), "DELETE", payload % number) for number in range(50_001)))
    assert [part.messages for part in parts] == [25_000, 25_000, 1]
    assert [part.name for part in parts] == ["product-1", "product-2", "product-3"]
    assert json.loads(parts[1].content)["messages"][0] == {"messageId": 1, "sku": "25000", "operationType": "DELETE"}


def test_files_are_split_by_bytes():
    payload = b'{"sku":"%d","operationType":"UPDATE","x":"' + b"x" * 1_000_000 + b'"}'
    parts = pack("product", ((str(number), "UPDATE", payload % number) for number in range(25)))
    assert [part.messages for part in parts] == [10, 10, 5]
    assert all(len(part.content) <= 10_485_760 for part in parts)


def test_a_sku_is_never_twice_in_one_file():
    one = b'{"sku":"A","operationType":"DELETE"}'
    other = b'{"sku":"A\\",\\"operationType\\":","operationType":"DELETE"}'  # a SKU made to look like the end of one
    parts = pack("product", [("A", "DELETE", one), ('A","operationType":', "DELETE", other), ("A", "DELETE", one)])
    assert [part.messages for part in parts] == [2, 1]
    assert json.loads(parts[0].content)["messages"][1]["sku"] == 'A","operationType":'


def test_no_messages_give_no_file_and_foreign_bytes_are_refused():
    assert pack("price", []) == []
    with pytest.raises(ValueError, match="materialize listing_changes again"):
        pack("price", [("A", "PATCH", b"<xml/>")])
