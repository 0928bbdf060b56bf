"""What a product type wants, against a definition written for these tests, and a real one's excerpt where it is there."""

from __future__ import annotations

import json
import re
import zlib
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.marketplaces import find_site
from pipeline.marketplaces.amazon.market import AmazonMarketplace
from pipeline.marketplaces.amazon.product_types.definition import MAX_BYTES, Definition
from pipeline.marketplaces.amazon.product_types.shape import shaped
from pipeline.marketplaces.amazon.product_types.themes import family_attributes, family_theme, theme_problem
from pipeline.marketplaces.base import StoredDefinition
from pipeline.model.errors import BadInputError
from pipeline.model.listing import Account
from pipeline_tests.fakes.amazon_types import own_definition, requiring
from pipeline_tests.marketplaces.rows import family, frame, single, unpacked
from pipeline_tests.marketplaces.schemas import amazon_message
from pipeline_tests.reference import found_reference, reference

_, SITE = find_site("amazon-us")
ACCOUNT = Account("demo", "A1EXAMPLE", {"gtin_exempt": False})
CUP = "DRINKING_CUP"
WANTED = {"supplier_declared_dg_hz_regulation": "not applicable", "department": "Unisex Adult"}
SETTINGS: dict[str, Any] = {"attributes": {CUP: WANTED}}


def document(schema: dict[str, Any] | None = None, requirements: str = "LISTING") -> bytes:
    return json.dumps(requiring(schema or own_definition(), requirements)).encode()


def definition(**changed: Any) -> Definition:
    return Definition(CUP, document({**own_definition(), **changed}))


def market(*product_types: str, schema: dict[str, Any] | None = None) -> AmazonMarketplace:
    """A marketplace that knows these product types, all with the one definition."""
    sets = ("LISTING", "LISTING_PRODUCT_ONLY", "LISTING_OFFER_ONLY")
    version = hash(json.dumps(schema))
    known = {
        (name, requirements): StoredDefinition(zlib.compress(document(schema, requirements)), f"{name} {requirements} {version}")
        for name in product_types or (CUP,)
        for requirements in sets
    }
    return AmazonMarketplace().informed(known)


def problems(*rows: dict[str, Any], settings: dict[str, Any] | None = None, of: AmazonMarketplace | None = None) -> Any:
    """(SKU, rule, field, message, hint) of what is wrong."""
    of = of or market()
    done = of.project(frame(*rows), SITE, SETTINGS if settings is None else settings)
    return [(done["sku"].iloc[one.row], one.rule, one.field, one.message, one.hint) for one in of.problems(done, SITE, ACCOUNT)]


def created(*rows: dict[str, Any], settings: dict[str, Any] | None = None, kinds: str = "create") -> list[dict[str, Any]]:
    done = market().project(frame(*rows), SITE, SETTINGS if settings is None else settings)
    changes = {sku: frozenset({kinds}) for sku in done["sku"]}
    found = [json.loads(message.payload) for message in unpacked(market().messages(done, changes, SITE, ACCOUNT))]
    if found_reference("schemas", "amazon", "feeds") is not None:
        for message in found:
            amazon_message()({"messageId": 1, **message})
    return found


def test_a_sound_listing_has_no_problems_and_everything_that_is_required() -> None:
    assert problems(single()) == []
    attributes = created(single())[0]["attributes"]
    place = {"marketplace_id": "ATVPDKIKX0DER"}
    text = {"language_tag": "en_US", **place}
    assert attributes["manufacturer"] == [{"value": "Acme", **text}]
    assert attributes["department"] == [{"value": "unisex_adult", **text}]
    assert attributes["supplier_declared_dg_hz_regulation"] == [{"value": "not_applicable", **place}]
    assert attributes["country_of_origin"] == [{"value": "PT", **place}]


def test_what_is_missing_names_attribute_values_and_where_to_say_it() -> None:
    (missing, other) = sorted(problems(single(), settings={}), key=lambda one: one[3])
    assert missing[:4] == ("MUG-1", "AMZ_TYPE_REQUIRED", "attributes",
                           "Dangerous Goods Regulations (supplier_declared_dg_hz_regulation) is required.")  # fmt: skip
    assert missing[4] == (
        "Set the metafield amazon.supplier_declared_dg_hz_regulation of the product, or for all of them: pipeline connection set"
        " demo amazon-us attributes.DRINKING_CUP.supplier_declared_dg_hz_regulation=VALUE. Allowed: ghs, not_applicable, other."
    )
    assert other[3] == "Department Name (department) is required."  # under a condition


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"department": "Cats"}, "Department Name (department) is none of the allowed values: mens, womens, unisex_adult."),
        ({"is_microwaveable": "perhaps"}, "Is Microwaveable (is_microwaveable) is none of the allowed values: True, False."),
        ({"number_of_items": "0"}, "Number of Items (number_of_items) is less than the minimum of 1."),
        ({"model_number": "ä" * 21}, "Model Number (model_number) is longer than 40 bytes."),
        ({"capacity": "1"}, "Capacity (capacity) lacks its unit."),
        ({"model_number": ["one", "two"]}, "Model Number (model_number) has more than 1 values."),
    ],
)
def test_values_that_amazon_refuses(attributes: dict[str, Any], said: str) -> None:
    found = problems(single(), settings={"attributes": {CUP: {**WANTED, **attributes}}})
    assert [(rule, message) for _, rule, _, message, _ in found if rule != "AMZ_TYPE_REQUIRED"] == [("AMZ_TYPE_VALUE", said)]


def test_amazons_own_keywords_count_values_by_their_selectors() -> None:
    of = definition()
    bullets = [{"value": f"Bullet {number}", "language_tag": "en_US"} for number in range(11)]
    (problem,) = [one for one in of.problems({"bullet_point": bullets}) if one.attribute == "bullet_point"]
    assert problem.text == "has more than 10 values"
    two = [{"value": "a", "language_tag": "en_US"}, {"value": "b", "language_tag": "es_US"}]
    assert not [one for one in of.problems({"item_name": two}) if one.attribute == "item_name"]


def test_prices_are_exact() -> None:
    schema = {"properties": {"list_price": {"items": {"properties": {"value": {"multipleOf": 0.01}}}}}}
    of = Definition(CUP, json.dumps(schema).encode())
    wrong = [cents for cents in range(1, 100_000) if of.problems({"list_price": [{"value": cents / 100}]})]
    assert wrong == []
    assert of.problems({"list_price": [{"value": 19.995}]})


def test_conditions_between_attributes() -> None:
    mug = single(attributes='{"country_of_origin":"PT","amazon.capacity":"350 ml"}')
    found = problems(mug, settings={"attributes": {CUP: {**WANTED}}})
    assert [message for *_, message, _ in found] == ["Material (material) is required."]
    (no_gtin,) = problems(single(gtin=None))
    assert no_gtin[1] == "AMZ_TYPE_TOGETHER"
    assert "fit together: externally_assigned_product_identifier, merchant_suggested_asin, " in no_gtin[3]


def test_who_knows_best_fills_an_attribute() -> None:
    said = {"all": {"department": "mens", "number_of_items": "1"}, CUP: {**WANTED, "number_of_items": "2", "capacity": "0,35 l"}}
    facts = {"amazon.department": "Women", "rule.department": "Men", "rule.capacity": '{"value": 12, "unit": "Liters"}'}
    (message,) = created(single(attributes=json.dumps(facts)), settings={"attributes": said})
    attributes = message["attributes"]
    assert attributes["department"][0]["value"] == "womens"  # the product's own metafield
    assert attributes["capacity"] == [{"value": 12, "unit": "liters", "marketplace_id": "ATVPDKIKX0DER"}]  # the category rule
    assert attributes["number_of_items"][0]["value"] == 2  # the connection, for this product type


def test_nobody_says_what_the_pipeline_says_itself_nor_what_the_type_does_not_have() -> None:
    facts = {"amazon.item_name": "Mine", "amazon.purchasable_offer": "[]", "amazon.wheel_size": "3", "material": "Stoneware"}
    schema = own_definition()
    del schema["properties"]["material"]
    of = market(schema=schema)
    done = of.project(frame(single(attributes=json.dumps(facts))), SITE, SETTINGS)
    (message,) = unpacked(of.messages(done, {"MUG-1": frozenset({"create"})}, SITE, ACCOUNT))
    attributes = json.loads(message.payload)["attributes"]
    assert attributes["item_name"][0]["value"] == "Stoneware Mug 350 ml"
    assert "material" not in attributes and "wheel_size" not in attributes


def test_without_a_definition_all_is_as_before_but_for_what_is_said_in_amazons_words() -> None:
    plain = AmazonMarketplace()
    rows = frame(single(attributes='{"material":"Stoneware","amazon.capacity":[{"value":350,"unit":"milliliters"}]}'))
    assert problems(single(), settings={}, of=plain) == []
    done = plain.project(rows, SITE, {})
    (message,) = unpacked(plain.messages(done, {"MUG-1": frozenset({"create"})}, SITE, ACCOUNT))
    attributes = json.loads(message.payload)["attributes"]
    assert attributes["capacity"] == [{"value": 350, "unit": "milliliters", "marketplace_id": "ATVPDKIKX0DER"}]
    assert attributes["material"][0]["value"] == "Stoneware"
    malformed = problems(single(attributes='{"amazon.Capacity":"[{}]"}'), settings={}, of=plain)
    assert [rule for _, rule, *_ in malformed] == ["AMZ_MESSAGE"]


def test_what_nobody_may_change_is_not_sent_again() -> None:
    (message,) = created(single(), kinds="update")
    named = {patch["path"].removeprefix("/attributes/") for patch in message["patches"]}
    assert "item_name" in named
    assert not named & {"brand", "externally_assigned_product_identifier", "part_number"}  # editable: false


FAMILY = [("CUP-B-M", "Black", "M"), ("CUP-W-M", "White", "M")]


def test_a_familys_theme_is_one_that_the_type_allows_in_its_spelling() -> None:
    rows = family(FAMILY, category=CUP)
    assert problems(*rows) == []
    parent, child, _ = created(*rows)
    assert parent["attributes"]["variation_theme"] == [{"name": "SIZE_NAME/COLOR_NAME"}]
    assert child["attributes"]["variation_theme"] == [{"name": "SIZE_NAME/COLOR_NAME"}]
    assert parent["requirements"] == "LISTING_PRODUCT_ONLY"


def test_a_family_that_no_theme_fits_is_told_why() -> None:
    rows = family(FAMILY, category=CUP, names=("Material", "Size"))
    (found,) = problems(*rows)
    assert found[:3] == ("SHIRT", "AMZ_TYPE_THEME", "option1")
    assert found[3].endswith("no variation theme of DRINKING_CUP says Material, Size; it allows COLOR, SIZE_NAME/COLOR_NAME.")
    assert found[4].endswith("pipeline connection set demo amazon-us families=single.")
    of = definition(properties={name: one for name, one in own_definition()["properties"].items() if name != "variation_theme"})
    assert "has no variations" in str(theme_problem(("Color", None, None), of))
    assert family_theme(("Colour", None, None), definition()) == "COLOR"
    assert family_attributes(("Colour", "Wheel", None), definition()) == ("color", "size", None)


def test_an_offer_on_an_existing_item_says_nothing_of_the_product() -> None:
    rows = [single(item_id="B000000001", images=[])]
    assert problems(*rows) == []
    (message,) = created(*rows)
    assert (message["requirements"], message["productType"]) == ("LISTING_OFFER_ONLY", CUP)
    assert sorted(message["attributes"]) == [
        "condition_type", "fulfillment_availability", "merchant_suggested_asin", "purchasable_offer",
    ]  # fmt: skip
    (update,) = created(*rows, kinds="update")
    assert [patch["path"] for patch in update["patches"]] == ["/attributes/condition_type"]
    of = market()
    first, second = (
        of.hashes(of.project(frame(single(item_id="B000000001", title=title)), SITE, SETTINGS), SITE, ACCOUNT)
        for title in ("One", "Two")
    )
    assert first.equals(second)


def test_a_product_type_that_does_not_exist() -> None:
    of = AmazonMarketplace().informed({(CUP, "LISTING"): StoredDefinition(None, "x", "amazon-us has no product type X.")})
    (found,) = problems(single(), of=of)
    assert found[1:4] == ("AMZ_TYPE", "category", "amazon-us has no product type X.")


def nested(depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for _ in range(depth):
        found = {"not": found}
    return found


def exploding(levels: int) -> dict[str, Any]:
    return {f"l{n}": {"allOf": [{"$ref": f"#/$defs/l{n + 1}"}] * 4} for n in range(levels)} | {f"l{levels}": {}}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<html>", "no JSON"),
        (b"[]", "no JSON Schema of a product type"),
        (b'{"properties": {}}', "no JSON Schema of a product type"),
        (b"x" * (MAX_BYTES + 1), "more than 8 MiB"),
        ({"properties": {"a": nested(200)}}, "too deep"),
        ({"properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"items": {"$ref": "#/$defs/a"}}}}, "in a circle"),
        ({"properties": {"a": {"$ref": "#/$defs/l0"}}, "$defs": exploding(20)}, "never end"),
        ({"properties": {"a": {"$ref": "https://example.com/schema"}}}, "another document"),
        ({"properties": {"a": {"$ref": "#/$defs/nothing"}}}, "does not have"),
        ({"properties": {"a": {"type": "nonsense"}}}, "no JSON Schema of draft 2019-09"),
        ({"properties": {"a": {"pattern": "("}}}, "no JSON Schema of draft 2019-09"),
    ],
)
def test_hostile_definitions_are_refused(content: Any, said: str) -> None:
    content = content if isinstance(content, bytes) else json.dumps(content).encode()
    with pytest.raises(BadInputError, match=re.escape(said)):
        Definition("X", content).validator  # noqa: B018


def test_hostile_patterns_and_values_end() -> None:
    evil = {"properties": {"a": {"items": {"pattern": "^(?=a)(a|a)*$"}}, "b": {"items": {"pattern": "^(a+)+$"}}}}
    found = Definition("X", json.dumps(evil).encode()).problems({"a": ["a" * 40 + "b"], "b": ["a" * 5000 + "b"]})
    assert {problem.attribute for problem in found} == {"a", "b"}


@pytest.mark.parametrize("content", [b"{}", b"", zlib.compress(b"{}"), zlib.compress(b" " * (MAX_BYTES + 1))])
def test_a_stored_definition_that_cannot_be_used_blocks_and_says_so(content: bytes) -> None:
    of = AmazonMarketplace().informed({(CUP, "LISTING"): StoredDefinition(content, "broken")})
    (found,) = problems(single(), settings={}, of=of)
    assert found[1:3] == ("AMZ_TYPE", "category")
    assert found[3].startswith("DRINKING_CUP: ") and "pipeline product-types refresh demo amazon-us" in found[4]


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("is_microwaveable", "Yes", {"value": True}),
        ("capacity", "12 Fluid Ounces", {"value": 12, "unit": "fluid_ounces"}),
        ("capacity", '[{"value": "1.5", "unit": "liters"}]', {"value": 1.5, "unit": "liters"}),
        ("country_of_origin", "Lithuania", {"value": "LT"}),
        ("material", "ceramic", {"value": "Ceramic", "language_tag": "en_US"}),
        ("material", "Bamboo", {"value": "Bamboo", "language_tag": "en_US"}),
        ("number_of_items", "many", {"value": "many"}),
    ],
)
def test_texts_take_the_shape_that_the_definition_wants(name: str, given: Any, value: dict[str, Any]) -> None:
    assert shaped(definition(), name, given, SITE) == [{**value, "marketplace_id": "ATVPDKIKX0DER"}]


@given(
    st.sampled_from(sorted(own_definition()["properties"])), st.text(max_size=60) | st.sampled_from(["[", "{}", "[[1]]", "1 x"])
)
def test_whatever_is_typed_becomes_json_that_the_validator_can_judge(name: str, text: str) -> None:
    value = shaped(definition(), name, text, SITE)
    assert json.loads(json.dumps(value)) == value
    assert all(problem.text for problem in definition().problems({name: value}))


# A real definition's excerpt.


def hairband() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(reference("schemas", "amazon", "ptd-excerpt.HAIRBAND.US.json").read_text())
    return found


def real_market() -> AmazonMarketplace:
    content = json.dumps(hairband()).encode()
    return AmazonMarketplace().informed({("HAIRBAND", "LISTING"): StoredDefinition(zlib.compress(content), "hairband")})


BAND = {
    "item_type_keyword": "fashion-headbands",
    "supplier_declared_dg_hz_regulation": "not_applicable",
    "fabric_type": "100% Cotton",
}


def test_a_real_product_type_says_what_is_missing() -> None:
    found = problems(single(category="HAIRBAND"), settings={}, of=real_market())
    assert {message for *_, message, _ in found} == {
        "Item type keyword (item_type_keyword) is required.",
        "Supplier declared dg hz regulation (supplier_declared_dg_hz_regulation) is required.",
    }  # the fabric is said by the product's material


def test_a_real_product_type_takes_a_listing_that_settings_complete() -> None:
    settings = {"attributes": {"HAIRBAND": BAND}}
    of = real_market()
    assert problems(single(category="HAIRBAND"), settings=settings, of=of) == []
    done = of.project(frame(single(category="HAIRBAND")), SITE, settings)
    (message,) = unpacked(of.messages(done, {"MUG-1": frozenset({"create"})}, SITE, ACCOUNT))
    found = json.loads(message.payload)
    amazon_message()({"messageId": 1, **found})
    assert set(found["attributes"]) <= set(hairband()["properties"])
    assert found["attributes"]["fabric_type"][0]["value"] == "100% Cotton"


def test_the_page_s_own_examples_fit_the_real_excerpt() -> None:
    examples = re.findall(r"```json\n(\{.*?)```", reference("amazon.md").read_text(), re.DOTALL)
    (message,) = [one for one in json.loads(examples[0])["messages"] if one["sku"] == "BAND-BLACK"]
    of = Definition("HAIRBAND", json.dumps(hairband()).encode())
    assert of.problems(message["attributes"]) == []
    for name in of.required:
        without = {key: value for key, value in message["attributes"].items() if key != name}
        assert [problem.attribute for problem in of.problems(without)] == [name]
    broken = deepcopy(message["attributes"])
    broken["item_name"][0]["value"] = "x" * 201
    assert [problem.text for problem in of.problems(broken)] == ["is longer than 200 characters"]
