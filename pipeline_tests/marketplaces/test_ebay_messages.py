"""Requests and files for eBay, against the schema of the Trading API and the rules of the page."""

from __future__ import annotations

import itertools
import re

import pytest
from lxml import etree

from pipeline.marketplaces import find_site
from pipeline.marketplaces.ebay.messages import messages as ebay_messages
from pipeline.marketplaces.ebay.xml import out_of_order
from pipeline.model.listing import Account, InvalidMessage, Message
from pipeline_tests.marketplaces.rows import family, frame, packable, single, unpacked
from pipeline_tests.marketplaces.schemas import ebay_file

MARKET, SITE = find_site("ebay-us")
POLICIES = {"shipping_policy_id": "5001", "return_policy_id": "5002", "payment_policy_id": "5003"}
ACCOUNT = Account("demo", "seller", {**MARKET.account_settings, **POLICIES, "postal_code": "95125"})
FILE_MODE = Account("demo", "", MARKET.account_settings)
CHILDREN = [("S-BK-M", "Black", "M"), ("S-BK-L", "Black", "L"), ("S-RD-M", "Red", "M")]
FAMILY = family(CHILDREN, category="15687")
MUG = single(category="20696")


def sentence(problem):
    return f"{problem[0].upper()}{problem[1:]}."


def send(rows, changes, account=ACCOUNT, site=SITE):
    by_sku = changes if isinstance(changes, dict) else {row["sku"]: {changes} for row in rows}
    frozen = {sku: frozenset(kinds) for sku, kinds in by_sku.items()}
    return unpacked(find_site(site.key)[0].messages(frame(*rows), frozen, site, account))


def files(messages, site=SITE, account=ACCOUNT):
    by_feed = {}
    for message in messages:
        assert isinstance(message, Message), message
        by_feed.setdefault(message.feed, []).append((message.sku, message.operation, message.payload))
    return [part for feed, said in by_feed.items() for part in MARKET.pack(feed, packable(said), site, account)]


def check(messages, site=SITE):
    """Every file that these messages make, against eBay's schema."""
    for part in files(messages, site):
        document = etree.fromstring(part.content)
        assert ebay_file().validate(document), (part.name, ebay_file().error_log)


def texts(message, path):
    """Texts at a path of element names."""
    assert isinstance(message, Message), message
    names = "/".join(f"{{*}}{name}" for name in path.split("/"))
    return [element.text for element in etree.fromstring(message.payload).findall(names)]


def specifics(message):
    root = etree.fromstring(message.payload)
    pairs = root.findall("{*}Item/{*}ItemSpecifics/{*}NameValueList")
    return {pair.findtext("{*}Name"): [value.text for value in pair.findall("{*}Value")] for pair in pairs}


@pytest.mark.parametrize("key", [key for key in MARKET.sites])
def test_every_kind_of_message_is_valid_for_ebay_on_every_site(key):
    site = MARKET.sites[key]
    rows = [
        {**row, "currency": site.currency} for row in [*FAMILY, MUG, single(sku="NO-GTIN", category="1", gtin=None, mpn=None)]
    ]
    projected = MARKET.project(frame(*rows), site, {})
    skus = projected["sku"].tolist()
    for kinds in ({"create"}, {"update", "price", "quantity", "images"}):
        found = unpacked(MARKET.messages(projected, {sku: frozenset(kinds) for sku in skus}, site, FILE_MODE))
        check(found, site)
    check(unpacked(MARKET.deletions(frame(*rows), site, ACCOUNT)), site)
    check(unpacked(MARKET.deletions(frame(rows[1]), site, ACCOUNT)), site)
    check(unpacked(MARKET.zero_quantities(frame(*rows), site, ACCOUNT)), site)


def test_create_of_a_single():
    (message,) = send([MUG], "create")
    assert (message.feed, message.operation) == ("product", "AddFixedPriceItem")
    one = {path: texts(message, f"Item/{path}") for path in (
        "Country", "Currency", "Description", "ListingDuration", "Location", "PrimaryCategory/CategoryID", "Quantity", "Site",
        "StartPrice", "Title", "SKU", "PostalCode", "PictureDetails/PictureURL", "InventoryTrackingMethod", "ConditionID",
        "ProductListingDetails/UPC", "ProductListingDetails/BrandMPN/MPN", "ProductListingDetails/IncludeeBayProductDetails",
        "SellerProfiles/SellerReturnProfile/ReturnProfileID",
    )}  # fmt: skip
    assert one == {
        "Country": ["US"], "Currency": ["USD"], "Description": [MUG["description_html"]], "ListingDuration": ["GTC"],
        "Location": [],
        "PrimaryCategory/CategoryID": ["20696"], "Quantity": ["12"], "Site": ["US"], "StartPrice": ["19.99"],
        "Title": ["Stoneware Mug 350 ml"], "SKU": ["MUG-1"], "PostalCode": ["95125"], "PictureDetails/PictureURL": MUG["images"],
        "InventoryTrackingMethod": ["SKU"], "ConditionID": ["1000"], "ProductListingDetails/UPC": ["4006381333931"],
        "ProductListingDetails/BrandMPN/MPN": ["M-350"], "ProductListingDetails/IncludeeBayProductDetails": ["false"],
        "SellerProfiles/SellerReturnProfile/ReturnProfileID": ["5002"],
    }  # fmt: skip
    assert specifics(message) == {"Brand": ["Acme"], "MPN": ["M-350"], "Country of Origin": ["PT"], "Material": ["Stoneware"]}


def test_file_mode_needs_no_settings():
    (message,) = send([MUG], "create", FILE_MODE)
    assert texts(message, "Item/Location") == ["United States"]
    assert texts(message, "Item/SellerProfiles/SellerReturnProfile/ReturnProfileID") == []


def test_a_family_is_one_request_with_its_variations():
    found = send(FAMILY, "create")
    assert [message.sku for message in found] == ["SHIRT"]
    (message,) = found
    for path in ("Quantity", "StartPrice", "ProductListingDetails/UPC"):
        assert texts(message, f"Item/{path}") == []
    assert texts(message, "Item/SKU") == ["SHIRT"]
    assert texts(message, "Item/Variations/Variation/SKU") == ["S-BK-M", "S-BK-L", "S-RD-M"]
    assert texts(message, "Item/Variations/Variation/StartPrice") == ["19.99"] * 3
    assert texts(message, "Item/Variations/Variation/Quantity") == ["12"] * 3
    assert texts(message, "Item/Variations/VariationSpecificsSet/NameValueList/Name") == ["Color", "Size"]
    assert texts(message, "Item/Variations/VariationSpecificsSet/NameValueList/Value") == ["Black", "Red", "M", "L"]
    assert texts(message, "Item/Variations/Pictures/VariationSpecificName") == ["Color"]
    assert texts(message, "Item/Variations/Pictures/VariationSpecificPictureSet/VariationSpecificValue") == ["Black", "Red"]


def test_names_of_variations_are_never_item_specifics():
    rows = family(
        CHILDREN, category="1", names=("Material", "size"), attributes='{"SIZE":"One size","material":"Linen","style":"Casual"}'
    )
    (message,) = send(rows, "create")
    assert specifics(message) == {"Brand": ["Acme"], "Style": ["Casual"]}


def test_hostile_facts_are_left_out_and_the_count_is_kept():
    many = ",".join(f'"fact {number}":"v"' for number in range(60))
    document = f'{{"bad":"a\\u0000b","long":"{"x" * 66}","list":["a","a","b",7],"number":3,{many}}}'
    (message,) = send([single(category="1", attributes=document)], "create")
    found = specifics(message)
    assert len(found) == 45 and found["List"] == ["a", "b"] and not {"Bad", "Long", "Number"} & set(found)
    (message,) = send([single(category="1", attributes="{broken")], "create")
    assert set(specifics(message)) == {"Brand", "MPN"}


def test_a_listing_has_an_identity_that_a_repeat_cannot_double():
    first, again, other = (
        texts(send([row], "create")[0], "Item/UUID") for row in (MUG, {**MUG, "title": "X"}, {**MUG, "sku": "M2"})
    )
    assert first == again != other
    assert re.fullmatch("[0-9A-F]{32}", first[0])


def test_message_ids_name_store_sku_and_content():
    ids = [texts(send([row], "create")[0], "MessageID")[0] for row in (MUG, MUG, {**MUG, "title": "X"})]
    assert ids[0] == ids[1] != ids[2]
    assert re.fullmatch("demo:MUG-1:[0-9a-f]{12}", ids[0])
    (odd,) = send([single(category="1", sku="A:000000000000<&")], "create")
    assert re.fullmatch("demo:A:000000000000<&:[0-9a-f]{12}", texts(odd, "MessageID")[0])


@pytest.mark.parametrize("site, gtin, field, value", [
    ("ebay-us", "4006381333931", "UPC", "4006381333931"), ("ebay-de", "4006381333931", "EAN", "4006381333931"),
    ("ebay-de", "036000291452", "UPC", "036000291452"), ("ebay-us", None, "UPC", "Does not apply"),
    ("ebay-de", None, "EAN", "Nicht zutreffend"),
])  # fmt: skip
def test_gtins_stand_where_the_site_wants_them(site, gtin, field, value):
    _, found = find_site(site)
    (message,) = send([single(category="1", gtin=gtin, currency=found.currency)], "create", site=found)
    assert texts(message, f"Item/ProductListingDetails/{field}") == [value]


def test_a_content_change_of_a_single_touches_neither_price_nor_stock_nor_pictures():
    (message,) = send([MUG], "update")
    assert (message.feed, message.operation) == ("product", "ReviseFixedPriceItem")
    for path in ("StartPrice", "Quantity", "PictureDetails", "UUID", "Site", "ListingDuration"):
        assert texts(message, f"Item/{path}") == []
    assert texts(message, "Item/Title") == ["Stoneware Mug 350 ml"]


def test_a_new_child_is_a_revision_of_its_family():
    (message,) = send(FAMILY, {"S-RD-M": {"create"}})
    assert (message.sku, message.operation) == ("SHIRT", "ReviseFixedPriceItem")
    assert "S-RD-M" in texts(message, "Item/Variations/Variation/SKU")


@pytest.mark.parametrize("kinds", [{"hold"}, {"blocked"}, {"out_of_scope"}])
def test_children_that_a_plan_keeps_out_are_not_in_the_request(kinds):
    (message,) = send(FAMILY, {"SHIRT": {"update"}, "S-BK-L": kinds})
    assert texts(message, "Item/Variations/Variation/SKU") == ["S-BK-M", "S-RD-M"]
    rows = [FAMILY[0], {**FAMILY[1], "status": "blocked"}, *FAMILY[2:]]
    (message,) = send(rows, {"SHIRT": {"create"}})
    assert texts(message, "Item/Variations/Variation/SKU") == ["S-BK-L", "S-RD-M"]


def test_price_and_stock_are_a_status_of_one_sku():
    price, stock = send(FAMILY, {"S-BK-M": {"price", "quantity"}})
    assert (price.feed, stock.feed, price.operation) == ("price", "inventory", "ReviseInventoryStatus")
    assert texts(price, "InventoryStatus/SKU") == ["S-BK-M"]
    assert texts(price, "InventoryStatus/StartPrice") == ["19.99"] and texts(price, "InventoryStatus/Quantity") == []
    assert texts(stock, "InventoryStatus/Quantity") == ["12"] and texts(stock, "InventoryStatus/StartPrice") == []
    assert [part.name for part in files([price, stock])] == ["price-1", "inventory-1"]


def test_a_new_family_says_price_and_stock_itself():
    changes = {row["sku"]: {"create", "price", "quantity", "images"} for row in FAMILY}
    assert [message.sku for message in send(FAMILY, changes)] == ["SHIRT"]


def test_pictures_have_a_request_of_their_own():
    (message,) = send(FAMILY, {"S-BK-M": {"images"}})
    assert (message.sku, message.feed, message.operation) == ("SHIRT", "images", "ReviseFixedPriceItem")
    assert texts(message, "Item/PictureDetails/PictureURL") == FAMILY[0]["images"]
    assert texts(message, "Item/Variations/Pictures/VariationSpecificPictureSet/PictureURL") == [
        "https://cdn.example.com/S-BK-M.jpg", "https://cdn.example.com/S-RD-M.jpg",
    ]  # fmt: skip
    assert texts(message, "Item/Title") == []


def test_unusable_pictures_are_left_out():
    images = [
        "http://cdn.example.com/a.jpg",
        "https://cdn.example.com/a;b.jpg",
        "https://cdn.example.com/" + "x" * 500,
        MUG["images"][0],
    ]
    (message,) = send([{**MUG, "images": images}], "create")
    assert texts(message, "Item/PictureDetails/PictureURL") == [MUG["images"][0]]


def test_a_deleted_family_is_one_end_and_a_deleted_child_a_revision():
    found = unpacked(MARKET.deletions(frame(*FAMILY, MUG), SITE, ACCOUNT))
    assert [(message.sku, message.operation) for message in found] == [
        ("SHIRT", "EndFixedPriceItem"),
        ("MUG-1", "EndFixedPriceItem"),
    ]
    (message,) = unpacked(MARKET.deletions(frame(FAMILY[1]), SITE, ACCOUNT))
    assert (message.operation, texts(message, "Item/SKU")) == ("ReviseFixedPriceItem", ["SHIRT"])
    assert texts(message, "Item/Variations/Variation/Delete") == ["true"]


@pytest.mark.parametrize("changed, problem", [
    ({"title": None}, "the title is missing"),
    ({"title": "x" * 81}, "the title has over 80 characters"),
    ({"title": "<b>Mug</b>"}, "the title has HTML"),
    ({"description_html": None}, "the description is missing"),
    ({"description_html": "<p>x</p><script>alert(1)</script>"}, "the description has active content, which eBay refuses"),
    ({"description_html": '<p onclick="x()">x</p>'}, "the description has active content, which eBay refuses"),
    ({"description_html": "<a href='JavaScript:x'>x</a>"}, "the description has active content, which eBay refuses"),
    ({"description_html": "a\x0bb"}, "the description has characters that eBay refuses"),
    ({"description_html": "a\ufffeb"}, "the description has characters that eBay refuses"),
    ({"category": "SHIRT"}, "the category is not an eBay category number"),
    ({"gtin": "10012345678902"}, "the GTIN is not 8, 12 or 13 digits"),
    ({"price": 0}, "the price is not above zero"),
    ({"quantity": 0}, "the quantity is 0, and eBay takes a new listing only with stock"),
    ({"images": []}, "there is no picture with an https address that eBay can read"),
    ({"sku": "x" * 51}, "the SKU has over 50 characters"),
])  # fmt: skip
def test_what_ebay_would_refuse_is_said_in_a_sentence(changed, problem):
    (refused,) = send([single(**{"category": "1", **changed})], "create")
    assert isinstance(refused, InvalidMessage) and sentence(problem) in refused.problems


def test_plain_words_are_not_active_content():
    (message,) = send([single(category="1", description_html="<p>one = 1, JavaScript: the good parts</p>")], "create")
    assert isinstance(message, Message)


@pytest.mark.parametrize("children, problem", [
    ([("A", "Black", "M"), ("B", "black", "M")], "two variations have the same option values"),
    ([("A", "Black", None)], "a variation has no value for an option of the family"),
    ([], "the family has no variation that can be listed"),
    ([(f"A{number}", f"C{number % 16}", f"S{number // 16}") for number in range(251)],
     "the family has 251 variations, eBay takes 250"),
    ([(f"A{number}", "Black", f"S{number}") for number in range(61)], "option Size has 61 values, eBay takes 60"),
])  # fmt: skip
def test_a_variation_set_that_ebay_would_refuse(children, problem):
    found = send(family(children, category="1"), "create")
    assert sentence(problem) in found[0].problems
    assert [type(one) for one in found] == [InvalidMessage] * (len(children) + 1)
    assert all("Its family SHIRT cannot be listed." in one.problems for one in found[1:])


def test_a_refused_family_names_the_variation():
    rows = [*FAMILY[:2], {**FAMILY[2], "price": None}, FAMILY[3]]
    assert send(rows, "create")[0].problems == ("S-BK-L: the price is missing.",)


def test_half_set_policies_are_refused_once_for_each_listing():
    account = Account("demo", "seller", {"shipping_policy_id": "1"})
    (refused,) = send([MUG], "create", account)
    assert refused.problems[0].startswith("Business policies belong together")


def test_elements_out_of_order_are_found():
    root = etree.fromstring(send([MUG], "create")[0].payload)
    item = root.find("{*}Item")
    assert out_of_order(item, "Item") is None
    item.append(item[0])
    assert out_of_order(item, "Item") == "Country"
    etree.SubElement(item, "Nonsense")
    item.insert(0, item[-1])
    assert out_of_order(item, "Item") == "Nonsense"


def test_files_hold_one_type_of_request_and_adds_come_first():
    found = [
        *unpacked(MARKET.deletions(frame(single(sku="GONE")), SITE, ACCOUNT)),
        *send([single(category="1", sku="OLD")], "update"),
        *send([MUG], "create"),
    ]
    parts = files(found)
    assert [(part.name, part.suffix, part.messages) for part in parts] == [
        ("product-add-1", "xml", 1), ("product-revise-1", "xml", 1), ("product-end-1", "xml", 1),
    ]  # fmt: skip
    check(found)


def test_files_are_split_by_bytes():
    payload = b"<EndFixedPriceItemRequest>" + b"x" * 4_000_000
    parts = list(MARKET.pack("product", packable(itertools.repeat(("A", "EndFixedPriceItem", payload), 7)), SITE, ACCOUNT))
    assert [part.messages for part in parts] == [3, 3, 1]
    assert all(len(part.content) <= 14_000_000 for part in parts)
    with pytest.raises(ValueError, match="materialize listing_changes again"):
        list(MARKET.pack("product", packable([("A", "UPDATE", b"{}")]), SITE, ACCOUNT))


def test_the_same_arguments_give_the_same_bytes():
    rows = [*FAMILY, MUG]
    first, second = files(send(rows, "create")), files(send(rows, "create"))
    assert [part.content for part in first] == [part.content for part in second]


def test_the_hash_of_a_family_covers_its_variations_but_no_price_or_stock():
    def hashes(*rows, account=ACCOUNT):
        return MARKET.hashes(frame(*rows), SITE, account)

    before = hashes(*FAMILY)
    cheaper = hashes(*({**row, "price": 5, "quantity": 1} for row in FAMILY))
    assert cheaper.equals(before)
    other = hashes(*FAMILY[:3], {**FAMILY[3], "option1": "Blue"})
    assert other["content_hash"][0] != before["content_hash"][0]
    assert other["content_hash"][1] == before["content_hash"][1]
    fewer = hashes(*FAMILY[:3])
    assert fewer["content_hash"][0] != before["content_hash"][0]
    blocked = hashes(*FAMILY[:3], {**FAMILY[3], "status": "blocked"})
    assert blocked["content_hash"][0] == fewer["content_hash"][0]
    pictures = hashes(FAMILY[0], {**FAMILY[1], "images": ["https://cdn.example.com/new.jpg"]}, *FAMILY[2:])
    assert pictures["images_hash"][0] != before["images_hash"][0]
    assert pictures["images_hash"][1] == before["images_hash"][1]
    assert pictures["content_hash"].equals(before["content_hash"])
    assert hashes(*FAMILY, account=FILE_MODE)["content_hash"][0] != before["content_hash"][0]


def test_projection_fills_what_ebay_needs():
    rows = frame(
        single(
            brand=None,
            gtin="04006381333931",
            description=None,
            description_html=None,
            title="Mug <3",
            option1_name="FARBE",
            option1="Blau",
        ),
        single(description_html=None, description="Plain & simple"),
        single(gtin="10012345678902"),
    )
    done = MARKET.project(rows, SITE, {})
    assert done.dtypes.equals(rows.dtypes) and done.index.equals(rows.index)
    assert done["brand"].tolist() == ["Unbranded", "Acme", "Acme"]
    assert done["gtin"].tolist() == ["4006381333931", "4006381333931", "10012345678902"]
    assert done["description_html"].tolist()[:2] == ["<p>Mug &lt;3</p>", "<p>Plain &amp; simple</p>"]
    assert done["option1_name"].iloc[0] == "Color"
    assert MARKET.project(rows, MARKET.sites["ebay-fr"], {})["brand"].iloc[0] == "Sans marque"


def test_rows_of_untouched_products_are_not_looked_at():
    rows = frame({**MUG, "product_id": "7", "title": None}, {**MUG, "sku": "M2", "product_id": "8"})
    found = list(ebay_messages(rows, {"M2": frozenset({"create"})}, SITE, ACCOUNT))
    assert [message.sku for message in found] == ["M2"]
