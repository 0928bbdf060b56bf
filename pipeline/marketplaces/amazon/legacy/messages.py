"""One listing row as the elements of the old messages, within the limits of their schemas."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from lxml import etree

from pipeline.marketplaces.data import read_yaml
from pipeline.model.listing import Site
from pipeline.model.money import format_minor

#: What XML cannot hold.
_UNFIT = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TEXTS = ("title", "brand", "description", "mpn", "keywords")


@cache
def limits() -> Any:
    """`limits.yaml`."""
    return read_yaml(Path(__file__).with_name("limits.yaml"))


class Notes:
    """What the files say less than the listings: rows of `marketplaces.legacy.NOTES`."""

    def __init__(self) -> None:
        self.rows: list[dict[str, str | None]] = []

    def add(self, sku: str, file: str | None, note: str) -> None:
        self.rows.append({"sku": sku, "file": file, "note": note})


def product(row: dict[str, Any], notes: Notes, site: Site) -> etree._Element | None:
    """The Product element; None, with a note, for a SKU or a title that the format has no room for."""
    sku = row["sku"]
    if not sku or len(sku) > limits()["sku"] or _UNFIT.search(sku) or re.search(r"[\t\n\r]", sku):
        notes.add(sku, None, f"left out: a SKU has at most {limits()['sku']} plain characters here")
        return None
    said = _Said(sku, "Product", notes)
    row = said.plain(row)
    if not row["title"]:
        notes.add(sku, None, "left out: it has no title")
        return None
    found = etree.Element("Product")
    _add(found, "SKU", sku)
    _product_id(found, row, said)
    condition = limits()["conditions"].get(row["condition"])
    if condition is None:
        said.note(f"left off: condition {row['condition']}")
    else:
        _add(_add(found, "Condition"), "ConditionType", condition)
    data = _add(found, "DescriptionData")
    _add(data, "Title", said.short("title", row["title"], limits()["title"]))
    if row["brand"] and said.fits("brand", row["brand"], limits()["brand"]):
        _add(data, "Brand", row["brand"])
    if row["description"]:
        _add(data, "Description", said.short("description", row["description"], limits()["description"]))
    bullets = row["bullets"]
    for bullet in bullets[: limits()["bullets"]]:
        _add(data, "BulletPoint", said.short("bullet point", bullet, limits()["bullet"]))
    if len(bullets) > limits()["bullets"]:
        said.note(f"left off: {len(bullets) - limits()['bullets']} bullet points, there is room for {limits()['bullets']}")
    if row["list_price"] is not None:
        if site.currency in limits()["msrp_currencies"]:
            _add(data, "MSRP", format_minor(row["list_price"], site.currency), currency=site.currency)
        else:
            said.note(f"left off: the price before the sale, {site.currency} is no currency there")
    if row["mpn"] and said.fits("part number", row["mpn"], limits()["part_number"]):
        _add(data, "MfrPartNumber", row["mpn"])
    for term in _search_terms(row["keywords"], said):
        _add(data, "SearchTerms", term)
    if row["attributes"] or any(row[f"option{number}"] for number in (1, 2, 3)):
        said.note("left off: options and further facts, which were said by category (ProductData)")
    return found


def inventory(row: dict[str, Any], notes: Notes) -> etree._Element | None:
    if row["role"] == "parent":
        return None
    if row["quantity"] is None:
        notes.add(row["sku"], "Inventory", "left out: its stock is unknown")
        return None
    found = etree.Element("Inventory")
    _add(found, "SKU", row["sku"])
    _add(found, "Quantity", str(row["quantity"]))
    return found


def price(row: dict[str, Any], notes: Notes, site: Site) -> etree._Element | None:
    if row["role"] == "parent":
        return None
    if row["price"] is None:
        notes.add(row["sku"], "Price", "left out: it has no price")
        return None
    if site.currency not in limits()["price_currencies"]:
        known = ", ".join(limits()["price_currencies"])
        notes.add(row["sku"], "Price", f"left out: {site.currency} is no currency there ({known})")
        return None
    found = etree.Element("Price")
    _add(found, "SKU", row["sku"])
    _add(found, "StandardPrice", format_minor(row["price"], site.currency), currency=site.currency)
    return found


def image_messages(row: dict[str, Any], notes: Notes) -> Iterator[etree._Element]:
    places: Sequence[str] = limits()["images"]
    urls = row["images"] or []
    for place, url in zip(places, urls, strict=False):
        found = etree.Element("ProductImage")
        _add(found, "SKU", row["sku"])
        _add(found, "ImageType", place)
        _add(found, "ImageLocation", url)
        yield found
    if len(urls) > len(places):
        notes.add(row["sku"], "ProductImage", f"left off: {len(urls) - len(places)} pictures, there is room for {len(places)}")


def relationship(parent: str, skus: Sequence[str]) -> etree._Element:
    found = etree.Element("Relationship")
    _add(found, "ParentSKU", parent)
    for sku in skus:
        relation = _add(found, "Relation")
        _add(relation, "SKU", sku)
        _add(relation, "Type", "Variation")
    return found


class _Said:
    """Texts of one SKU, and the notes about them."""

    def __init__(self, sku: str, file: str, notes: Notes) -> None:
        self.sku, self.file, self.notes = sku, file, notes

    def note(self, text: str) -> None:
        self.notes.add(self.sku, self.file, text)

    def plain(self, row: dict[str, Any]) -> dict[str, Any]:
        """The row with texts that XML can hold, and no empty bullet points."""
        clean = {name: _UNFIT.sub("", row[name] or "") for name in _TEXTS}
        bullets = [_UNFIT.sub("", bullet or "") for bullet in row["bullets"] or ()]
        for name in _TEXTS:
            if clean[name] != (row[name] or ""):
                self.note(f"removed: characters of the {name} that XML cannot hold")
        if bullets != [bullet or "" for bullet in row["bullets"] or ()]:
            self.note("removed: characters of the bullet points that XML cannot hold")
        return {**row, **clean, "bullets": [bullet for bullet in bullets if bullet]}

    def short(self, what: str, text: str, most: int) -> str:
        if len(text) <= most:
            return text
        self.note(f"shortened: the {what} has {len(text)} characters, there is room for {most}")
        cut = text[:most]
        return cut[: cut.rfind(" ")].rstrip() if " " in cut.strip() else cut

    def fits(self, what: str, text: str, most: int) -> bool:
        if len(text) <= most:
            return True
        self.note(f"left off: the {what} has {len(text)} characters, there is room for {most}")
        return False


def _product_id(found: etree._Element, row: dict[str, Any], said: _Said) -> None:
    if not row["gtin"]:
        return
    kind = limits()["product_ids"].get(len(row["gtin"]))
    if kind is None:
        said.note(f"left off: {row['gtin']} is no product id of a known length")
        return
    element = _add(found, "StandardProductID")
    _add(element, "Type", kind)
    _add(element, "Value", row["gtin"])


def _search_terms(keywords: str, said: _Said) -> list[str]:
    """The keywords in as many terms as there is room for, by whole words."""
    most, length = limits()["search_terms"], limits()["search_term"]
    terms: list[str] = []
    lost = 0
    for word in keywords.split():
        if len(word) > length:
            lost += 1
        elif terms and len(terms[-1]) + 1 + len(word) <= length:
            terms[-1] += f" {word}"
        elif len(terms) < most:
            terms.append(word)
        else:
            lost += 1
    if lost:
        said.note(f"left off: {lost} keywords, there is room for {most} times {length} characters")
    return terms


def _add(parent: etree._Element, name: str, text: str | None = None, **attributes: str) -> etree._Element:
    child = etree.SubElement(parent, name, attributes)
    if text is not None:
        child.text = text
    return child
