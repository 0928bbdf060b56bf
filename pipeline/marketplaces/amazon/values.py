"""Attribute values of a listing as Amazon's product type definitions spell them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson

from pipeline.marketplaces.amazon.options import limits, option_attributes, tables, variation_theme
from pipeline.model.listing import Account, Site
from pipeline.model.money import format_minor

Attributes = dict[str, list[dict[str, Any]]]

GTIN_TYPES = {8: "ean", 12: "upc", 13: "ean", 14: "gtin"}
LOCATORS = ("main_product_image_locator", *(f"other_product_image_locator_{number}" for number in range(1, 9)))


class Row(NamedTuple):
    """The columns of a listing that a message reads."""

    sku: str
    role: str
    parent_sku: str | None
    title: str
    description: str | None
    bullets: list[str] | None
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
    images: list[str]
    price: int | None
    list_price: int | None
    quantity: int | None


class Values:
    """Attribute values of one site: its language, its marketplace id, its currency."""

    def __init__(self, site: Site, account: Account) -> None:
        self.site = site
        self.place = site.marketplace_id
        self.language = site.language.replace("-", "_")
        self.currency = site.currency
        self.exempt = bool(account.settings.get("gtin_exempt", False))

    def said(self, value: str) -> list[dict[str, Any]]:
        """A text in the site's language."""
        return [{"value": value, "language_tag": self.language, "marketplace_id": self.place}]

    def fact(self, value: Any) -> list[dict[str, Any]]:
        """A value without a language."""
        return [{"value": value, "marketplace_id": self.place}]

    def money(self, minor: int) -> orjson.Fragment:
        """An exact JSON number: money never is a float."""
        return orjson.Fragment(format_minor(minor, self.currency))

    def content(self, row: Row) -> Attributes:
        """The product's facts, without parentage."""
        found: Attributes = {"item_name": self.said(row.title), "brand": self.said(row.brand)}
        if row.gtin and row.role != "parent":
            found["externally_assigned_product_identifier"] = [
                {"type": GTIN_TYPES[len(row.gtin)], "value": row.gtin, "marketplace_id": self.place}
            ]
        elif self.exempt or row.role == "parent":
            found["supplier_declared_has_product_identifier_exemption"] = self.fact(True)
        if row.description:
            found["product_description"] = self.said(row.description)
        if row.bullets:
            found["bullet_point"] = [
                {"value": bullet, "language_tag": self.language, "marketplace_id": self.place} for bullet in row.bullets
            ]
        if row.keywords:
            found["generic_keyword"] = self.said(row.keywords)
        if row.mpn and row.role != "parent" and len(row.mpn) <= limits()["message"]["part_number"]:
            found["part_number"] = self.fact(row.mpn)
        if row.role != "parent":
            values = (row.option1, row.option2, row.option3)
            names = option_attributes((row.option1_name, row.option2_name, row.option3_name))
            for attribute, value in zip(names, values, strict=True):
                if attribute and value:
                    found[attribute] = self.said(value)
        if row.attributes:
            for attribute, kind, fact in facts(row.attributes):
                if attribute not in found:
                    found[attribute] = self.said(fact) if kind == "text" else self.fact(fact)
        return found

    def family(self, row: Row, related: bool) -> Attributes:
        """Parentage and theme, and with `related` a child's relationship; nothing for a single."""
        if row.role == "single":
            return {}
        found: Attributes = {"parentage_level": self.fact(row.role)}
        if related and row.role == "child":
            relation = {"child_relationship_type": "variation", "parent_sku": row.parent_sku, "marketplace_id": self.place}
            found["child_parent_sku_relationship"] = [relation]
        theme = variation_theme((row.option1_name, row.option2_name, row.option3_name))
        if theme:
            found["variation_theme"] = [{"name": theme}]
        return found

    def offer(self, price: int) -> list[dict[str, Any]]:
        our_price = [{"schedule": [{"value_with_tax": self.money(price)}]}]
        return [{"marketplace_id": self.place, "currency": self.currency, "audience": "ALL", "our_price": our_price}]

    def list_price(self, row: Row) -> list[dict[str, Any]] | None:
        """The price before a sale; None without a sale."""
        if row.list_price is None or row.price is None or row.list_price <= row.price:
            return None
        return [{"currency": self.currency, "value": self.money(row.list_price), "marketplace_id": self.place}]

    def images(self, row: Row) -> Attributes:
        shown = (row.images or ())[: len(LOCATORS)]
        return {name: [{"media_location": url, "marketplace_id": self.place}] for name, url in zip(LOCATORS, shown, strict=False)}


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
