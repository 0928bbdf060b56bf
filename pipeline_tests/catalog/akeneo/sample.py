"""A small fashion PIM with every shape that matters: all attribute types, simple products, models of one and of two levels."""

from __future__ import annotations

import uuid
from copy import deepcopy
from typing import Any

from pipeline_tests.fakes.akeneo import FakeAkeneo, Record

SHIRT, MUG, HAT = "shirt", "mug", "hat"


def value(data: Any, locale: str | None = None, scope: str | None = None) -> Record:
    return {"locale": locale, "scope": scope, "data": data}


def uid(name: str) -> str:
    """A stable uuid, whose order has nothing to do with the name's."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


def attribute(code: str, kind: str, **more: Any) -> Record:
    return {
        "code": code, "type": f"pim_catalog_{kind}", "group": "other", "localizable": False, "scopable": False, "unique": False,
        "labels": {"en_US": code.replace("_", " ").capitalize(), "de_DE": f"{code} (de)"}, "sort_order": 0,
        "metric_family": None, "default_metric_unit": None, "decimals_allowed": None, "available_locales": None,
        "wysiwyg_enabled": None, "reference_data_name": None, "max_characters": None, "allowed_extensions": [], **more,
    }  # fmt: skip


ATTRIBUTES = [
    attribute("sku", "identifier", unique=True),
    attribute("name", "text", localizable=True),
    attribute("description", "textarea", localizable=True, scopable=True, wysiwyg_enabled=True),
    attribute("brand", "simpleselect"),
    attribute("ean", "text", unique=True),
    attribute("price", "price_collection", decimals_allowed=True),
    attribute("weight", "metric", metric_family="Weight", default_metric_unit="KILOGRAM", decimals_allowed=True),
    attribute("color", "simpleselect"),
    attribute("size", "simpleselect"),
    attribute("material", "multiselect"),
    attribute("length", "metric", metric_family="Length", default_metric_unit="CENTIMETER", decimals_allowed=True),
    attribute("vegan", "boolean"),
    attribute("released", "date"),
    attribute("pockets", "number", decimals_allowed=False),
    attribute("picture", "image"),
    attribute("photo_urls", "textarea"),
    attribute("manual", "file"),
]
OPTIONS = {
    "brand": ["acme"],
    "color": ["red", "blue"],
    "size": ["xl", "s", "m"],  # not the order of their sort_order
    "material": ["cotton", "wool"],
}
_SIZES = {"s": 1, "m": 2, "xl": 3}
_ALL = [record["code"] for record in ATTRIBUTES]


def fill(fake: FakeAkeneo) -> FakeAkeneo:
    """The structure and a handful of products."""
    structure(fake)
    fake.put_product({
        "uuid": uid("mug"), "family": "home", "categories": ["mugs"], "enabled": True,
        "values": {
            "sku": [value("MUG-1")], "ean": [value("4006381333931")], "brand": [value("acme")],
            "name": [value("A mug", "en_US"), value("Ein Becher", "de_DE")],
            "description": [value("<p>Big &amp; blue</p>", "en_US", "ecommerce"), value("<p>Print</p>", "en_US", "print")],
            "price": [value([{"amount": "12.5000", "currency": "EUR"}, {"amount": "13.99", "currency": "USD"}])],
            "weight": [value({"amount": "0.3500", "unit": "KILOGRAM"})], "material": [value(["wool", "cotton"])],
            "length": [value({"amount": "10.0000", "unit": "CENTIMETER"})], "vegan": [value(True)],
            "released": [value("2026-03-01T00:00:00+01:00")], "pockets": [value(3)],
            "picture": [value("a/b/c/mug.jpg")], "photo_urls": [value("https://cdn.example.com/mug.jpg https://cdn.example.com/2.jpg")],
        },
    })  # fmt: skip
    fake.put_product({
        "uuid": uid("german"), "family": "home", "categories": ["mugs"],
        "values": {"sku": [value("MUG-DE")], "name": [value("Nur auf Deutsch", "de_DE")],
                   "price": [value([{"amount": "9.00", "currency": "EUR"}])]},
    })  # fmt: skip
    fake.put_model({
        "code": HAT, "family": "clothing", "family_variant": "by_size", "categories": ["hats"],
        "values": {"name": [value("Hat", "en_US")], "brand": [value("acme")],
                   "price": [value([{"amount": "20.00", "currency": "USD"}])]},
    })  # fmt: skip
    for size in ("xl", "s", "m"):
        fake.put_product({
            "uuid": uid(f"hat {size}"), "family": "clothing", "parent": HAT, "categories": ["hats"],
            "values": {"sku": [value(f"HAT-{size.upper()}")], "size": [value(size)]},
        })  # fmt: skip
    fake.put_model({
        "code": SHIRT, "family": "clothing", "family_variant": "by_color_size", "categories": ["shirts"],
        "values": {"name": [value("Shirt", "en_US")], "price": [value([{"amount": "30.00", "currency": "USD"}])],
                   "material": [value(["cotton"])]},
    })  # fmt: skip
    for color in ("red", "blue"):
        fake.put_model({
            "code": f"shirt_{color}", "family": "clothing", "family_variant": "by_color_size", "parent": SHIRT,
            "categories": ["shirts"],
            "values": {"color": [value(color)], "photo_urls": [value(f"https://cdn.example.com/{color}.jpg")]},
        })  # fmt: skip
        for size in ("m", "s"):
            own = {"price": [value([{"amount": "31.00", "currency": "USD"}])]} if (color, size) == ("red", "m") else {}
            fake.put_product({
                "uuid": uid(f"shirt {color} {size}"), "family": "clothing", "parent": f"shirt_{color}", "categories": ["shirts"],
                "values": {"sku": [value(f"SHIRT-{color}-{size}")], "size": [value(size)], **own},
            })  # fmt: skip
    return fake


def structure(fake: FakeAkeneo) -> FakeAkeneo:
    fake.locales = {code: {"code": code, "enabled": code != "fr_FR"} for code in ("en_US", "de_DE", "fr_FR")}
    fake.currencies = {code: {"code": code, "enabled": True, "label": code} for code in ("USD", "EUR")}
    fake.channels = {
        code: {"code": code, "currencies": ["USD", "EUR"], "locales": ["en_US", "de_DE"], "category_tree": "master",
               "conversion_units": {}, "labels": {}}
        for code in ("ecommerce", "print")
    }  # fmt: skip
    tree = {"master": None, "clothes": "master", "shirts": "clothes", "hats": "clothes", "mugs": "master", "suppliers": None}
    fake.categories = {
        code: {"code": code, "parent": parent, "labels": {"en_US": code.capitalize()} if code != "hats" else {}}
        for code, parent in tree.items()
    }
    fake.attributes = {record["code"]: record for record in deepcopy(ATTRIBUTES)}
    fake.options = {
        code: {
            option: {"code": option, "attribute": code, "sort_order": _SIZES.get(option, place),
                     "labels": {"en_US": option.upper() if code == "size" else option.capitalize()}}
            for place, option in enumerate(options)
        }
        for code, options in OPTIONS.items()
    }  # fmt: skip
    fake.families = {
        code: {"code": code, "attributes": _ALL, "attribute_as_label": "name", "attribute_as_image": "picture",
               "attribute_requirements": {"ecommerce": ["sku", "name", "price"], "print": ["sku"]},
               "labels": {"en_US": code.capitalize()}}
        for code in ("home", "clothing")
    }  # fmt: skip
    fake.variants = {"clothing": {
        "by_size": {"code": "by_size", "labels": {}, "variant_attribute_sets": [
            {"level": 1, "axes": ["size"], "attributes": ["sku", "size", "ean"]}]},
        "by_color_size": {"code": "by_color_size", "labels": {}, "variant_attribute_sets": [
            {"level": 2, "axes": ["size"], "attributes": ["sku", "size", "ean", "price"]},
            {"level": 1, "axes": ["color"], "attributes": ["color", "photo_urls"]}]},
    }}  # fmt: skip
    return fake


def fill_many(fake: FakeAkeneo, models: int, each: int) -> FakeAkeneo:
    """`models` models of `each` products, whose uuids scatter them."""
    structure(fake)
    fake.options["size"] = {
        f"s{size}": {"code": f"s{size}", "attribute": "size", "sort_order": size, "labels": {"en_US": f"S{size}"}}
        for size in range(each)
    }
    for model in range(models):
        fake.put_model({
            "code": f"model_{model}", "family": "clothing", "family_variant": "by_size", "categories": ["shirts"],
            "values": {"name": [value(f"Model {model}", "en_US")], "price": [value([{"amount": "20.00", "currency": "USD"}])]},
        })  # fmt: skip
        for size in range(each):
            fake.put_product({
                "uuid": uid(f"{model} {size}"), "family": "clothing", "parent": f"model_{model}", "categories": ["shirts"],
                "values": {"sku": [value(f"M{model}-{size}")], "size": [value(f"s{size}")]},
            })  # fmt: skip
    return fake
