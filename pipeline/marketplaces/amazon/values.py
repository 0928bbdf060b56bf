"""Attribute values of a listing as Amazon's product type definitions spell them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

import orjson

from pipeline.marketplaces.amazon.options import limits, option_attributes, tables, variation_theme
from pipeline.model.listing import Account, Site
from pipeline.model.money import format_minor

#: Attribute -> its value, as lists and dicts or as JSON already.
Attributes = dict[str, Any]

GTIN_TYPES = {8: "ean", 12: "upc", 13: "ean", 14: "gtin"}
LOCATORS = ("main_product_image_locator", *(f"other_product_image_locator_{number}" for number in range(1, 9)))


class Row(NamedTuple):
    """The columns of a listing that a message reads."""

    sku: str
    role: str
    parent_sku: str | None
    title: str
    description: str | None
    bullets: tuple[str, ...] | None
    keywords: str | None
    brand: str
    mpn: str | None
    gtin: str | None
    condition: str
    category: str
    option1_name: str | None
    option1: str | None
    option2_name: str | None
    option2: str | None
    option3_name: str | None
    option3: str | None
    attributes: str | None
    images: tuple[str, ...]
    price: int | None
    list_price: int | None
    quantity: int | None


def _written_once(value: Callable[..., Any]) -> Callable[..., orjson.Fragment]:
    """`value` as JSON, written once for equal arguments: the rows of a family say mostly the same."""
    return cache(lambda *given: orjson.Fragment(orjson.dumps(value(*given))))


class Values:
    """Attribute values of one site: its language, its marketplace id, its currency. For one batch: it remembers values."""

    def __init__(self, site: Site, account: Account) -> None:
        self.site = site
        self.place = place = site.marketplace_id
        self.language = language = site.language.replace("-", "_")
        self.currency = currency = site.currency
        self.exempt = bool(account.settings.get("gtin_exempt", False))

        def said(*texts: str) -> list[dict[str, Any]]:
            return [{"value": value, "language_tag": language, "marketplace_id": place} for value in texts]

        def fact(value: Any) -> list[dict[str, Any]]:
            return [{"value": value, "marketplace_id": place}]

        def money(minor: int) -> orjson.Fragment:
            return orjson.Fragment(format_minor(minor, currency))

        def offer(price: int) -> list[dict[str, Any]]:
            our_price = [{"schedule": [{"value_with_tax": money(price)}]}]
            return [{"marketplace_id": place, "currency": currency, "audience": "ALL", "our_price": our_price}]

        def relation(parent: str) -> list[dict[str, Any]]:
            return [{"child_relationship_type": "variation", "parent_sku": parent, "marketplace_id": place}]

        #: A text that hardly two rows share, as a list.
        self.own = said
        #: One or more texts in the site's language.
        self.said = text = _written_once(said)
        #: A value without a language.
        self.fact = plain = _written_once(fact)
        #: What a buyer pays; money is an exact JSON number, never a float.
        self.offer = _written_once(offer)
        self._before = _written_once(lambda minor: [{"currency": currency, "value": money(minor), "marketplace_id": place}])
        self._relation = _written_once(relation)
        picture = _written_once(lambda url: [{"media_location": url, "marketplace_id": place}])
        self._pictures = cache(lambda urls: {name: picture(url) for name, url in zip(LOCATORS, urls, strict=False)})
        self._facts = cache(
            lambda document: [(name, (text if kind == "text" else plain)(value)) for name, kind, value in facts(document)]
        )

    def content(self, row: Row) -> Attributes:
        """The product's facts, without parentage."""
        sold = row.role != "parent"
        found: Attributes = {"item_name": self.own(row.title), "brand": self.said(row.brand)}
        if row.gtin and sold:
            found["externally_assigned_product_identifier"] = [
                {"type": GTIN_TYPES[len(row.gtin)], "value": row.gtin, "marketplace_id": self.place}
            ]
        elif self.exempt or not sold:
            found["supplier_declared_has_product_identifier_exemption"] = self.fact(True)
        if row.description:
            found["product_description"] = self.said(row.description)
        if row.bullets:
            found["bullet_point"] = self.said(*row.bullets)
        if row.keywords:
            found["generic_keyword"] = self.said(row.keywords)
        if row.mpn and sold and len(row.mpn) <= limits()["message"]["part_number"]:
            found["part_number"] = self.fact(row.mpn)
        if sold:
            values = (row.option1, row.option2, row.option3)
            names = option_attributes((row.option1_name, row.option2_name, row.option3_name))
            for attribute, value in zip(names, values, strict=True):
                if attribute and value:
                    found[attribute] = self.said(value)
        if row.attributes:
            for attribute, fact in self._facts(row.attributes):
                found.setdefault(attribute, fact)
        return found

    def family(self, row: Row, related: bool) -> Attributes:
        """Parentage and theme, and with `related` a child's relationship; nothing for a single."""
        if row.role == "single":
            return {}
        found: Attributes = {"parentage_level": self.fact(row.role)}
        if related and row.role == "child":
            found["child_parent_sku_relationship"] = self._relation(row.parent_sku)
        theme = variation_theme((row.option1_name, row.option2_name, row.option3_name))
        if theme:
            found["variation_theme"] = [{"name": theme}]
        return found

    def list_price(self, row: Row) -> orjson.Fragment | None:
        """The price before a sale; None without a sale."""
        if row.list_price is None or row.price is None or row.list_price <= row.price:
            return None
        return self._before(row.list_price)

    def images(self, row: Row) -> Attributes:
        """Not to be changed: rows with the same pictures share it."""
        found: Attributes = self._pictures(row.images)
        return found


def facts(document: str) -> Iterator[tuple[str, str, str]]:
    """(attribute, kind, value) of the JSON object of further facts that Amazon has an attribute for."""
    try:
        given = orjson.loads(document)
    except orjson.JSONDecodeError:
        return
    for name, row in tables()["facts"].items() if isinstance(given, dict) else ():
        value = given.get(name)
        if not isinstance(value, str) or not value.strip() or not value.isprintable() or "<" in value:
            continue
        if row["kind"] == "text" or (len(value) == 2 and value.isascii() and value.isalpha() and value.isupper()):
            yield row["attribute"], row["kind"], value
