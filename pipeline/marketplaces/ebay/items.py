"""The Item element of a listing: a single, or a family with its variations. Values are checked before they come here."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from copy import copy
from functools import lru_cache
from typing import NamedTuple

from lxml import etree

from pipeline.marketplaces.ebay.specifics import specifics
from pipeline.marketplaces.ebay.xml import add, add_pairs, element, limits
from pipeline.marketplaces.options import concept
from pipeline.model.listing import Account, Site
from pipeline.model.money import format_minor


class Row(NamedTuple):
    """The columns of a listing that a request reads."""

    sku: str
    role: str
    parent_sku: str | None
    title: str
    description_html: str
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
    quantity: int | None

    @property
    def names(self) -> tuple[str | None, str | None, str | None]:
        return self.option1_name, self.option2_name, self.option3_name

    @property
    def values(self) -> tuple[str | None, str | None, str | None]:
        return self.option1, self.option2, self.option3


def family_names(parent: Row) -> list[str]:
    return [name for name in parent.names if name]


def combination(parent: Row, child: Row) -> tuple[str | None, ...]:
    """A child's values in the order of the family's names."""
    return tuple(value for name, value in zip(parent.names, child.values, strict=True) if name)


@lru_cache(maxsize=1024)
def _price(minor: int, currency: str) -> str:
    return format_minor(minor, currency)


class Items:
    """Builds Item elements for one site and account.

    `new` items hold everything. Others (revisions) leave out what cannot change on a live listing (site, duration, UUID), the
    pictures (they have a feed of their own) and a single's price and stock. eBay takes a variation only together with its
    price and stock, so the revision of a family repeats them.
    """

    def __init__(self, site: Site, account: Account) -> None:
        self.site = site
        self.account = account
        settings = account.settings
        self.country = str(settings.get("country") or site.country)
        self.postal_code = str(settings.get("postal_code") or "")
        # eBay wants a place or a postal code
        self.location = str(settings.get("location") or ("" if self.postal_code else site.extra["location"]))
        self.gtin_field = str(site.extra["gtin_field"])
        self.no_gtin = str(site.extra["no_gtin"])

    def uuid(self, sku: str) -> str:
        """The same for the same SKU of a store and site: eBay refuses to list it twice."""
        identity = f"{self.account.store}\n{self.site.key}\n{sku}"
        return hashlib.sha256(identity.encode()).hexdigest()[:32].upper()

    def _gtin_field(self, gtin: str | None) -> str:
        return "UPC" if gtin and len(gtin) == 12 else self.gtin_field

    def build(self, root: etree._Element, row: Row, children: Sequence[Row] | None, new: bool) -> etree._Element:
        """Append the Item of `row` (with `children`: a family) to a request, its elements in the order of the schema."""
        item = add(root, "Item")
        add(item, "Country", self.country)
        add(item, "Currency", self.site.currency)
        add(item, "Description", row.description_html)
        if new:
            add(item, "ListingDuration", "GTC")
            add(item, "ListingType", "FixedPriceItem")
        if self.location:
            add(item, "Location", self.location)
        add(add(item, "PrimaryCategory"), "CategoryID", row.category)
        if children is None:
            details = add(item, "ProductListingDetails")
            add(details, self._gtin_field(row.gtin), row.gtin or self.no_gtin)
            if row.mpn and len(row.mpn) <= limits()["message"]["specific_value"]:
                brand = add(details, "BrandMPN")
                add(brand, "Brand", row.brand)
                add(brand, "MPN", row.mpn)
            # else a match in eBay's catalog overwrites title, description, specifics and picture
            add(details, "IncludeeBayProductDetails", "false")
            if new:
                add(item, "Quantity", str(row.quantity))
        if new:
            add(item, "Site", str(self.site.extra["site"]))
            if children is None:
                add(item, "StartPrice", _price(row.price or 0, self.site.currency), currencyID=self.site.currency)
        add(item, "Title", row.title)
        if new:
            add(item, "UUID", self.uuid(row.sku))
        # of a family too: while listings are tracked by SKU it is the only name that a revision can use
        add(item, "SKU", row.sku)
        if self.postal_code:
            add(item, "PostalCode", self.postal_code)
        if new:
            self._pictures(item, row, children)
        options = [] if children is not None else list(zip(row.names, row.values, strict=True))
        used = {name.casefold() for name in family_names(row)} if children is not None else set()
        mpn = row.mpn if children is None else None
        add_pairs(add(item, "ItemSpecifics"), specifics(row.brand, mpn, options, row.attributes, self.site.language, used))
        if new:
            add(item, "InventoryTrackingMethod", "SKU")
        if children is not None:
            self._variations(item, row, children, pictures=new)
        add(item, "ConditionID", limits()["conditions"][row.condition])
        self._policies(item)
        return item

    def pictures(self, root: etree._Element, row: Row, children: Sequence[Row] | None) -> etree._Element:
        """Append the Item of a revision that changes the pictures only."""
        item = add(root, "Item")
        add(item, "SKU", row.sku)
        self._pictures(item, row, children)
        if children:
            element = add(item, "Variations")
            if not self._variation_pictures(element, row, children):
                item.remove(element)
        return item

    def _pictures(self, item: etree._Element, row: Row, children: Sequence[Row] | None) -> None:
        details = add(item, "PictureDetails")
        for url in shown_images(row, children):
            add(details, "PictureURL", url)

    def _variations(self, item: etree._Element, row: Row, children: Sequence[Row], pictures: bool) -> None:
        names = family_names(row)
        variations = add(item, "Variations")
        every: list[dict[str, None]] = [{} for _ in names]
        forms = {field: self._variation_form(names, field) for field in {self._gtin_field(child.gtin) for child in children}}
        for child in children:
            variation = copy(forms[self._gtin_field(child.gtin)])
            sku, price, quantity, specifics, details = variation
            sku.text, price.text, quantity.text = child.sku, _price(child.price or 0, self.site.currency), str(child.quantity)
            for pair, values, value in zip(specifics, every, combination(row, child), strict=True):
                pair[1].text = value
                values[value or ""] = None
            details[0].text = child.gtin or self.no_gtin
            variations.append(variation)
        if pictures:
            self._variation_pictures(variations, row, children)
        pairs = {name: list(values) for name, values in zip(names, every, strict=True)}
        add_pairs(add(variations, "VariationSpecificsSet"), pairs)

    def _variation_form(self, names: Sequence[str], gtin_field: str) -> etree._Element:
        """A Variation to copy and fill: copying costs half of building."""
        form = element("Variation")
        add(form, "SKU")
        add(form, "StartPrice", currencyID=self.site.currency)
        add(form, "Quantity")
        add_pairs(add(form, "VariationSpecifics"), {name: [""] for name in names})
        add(add(form, "VariationProductListingDetails"), gtin_field)
        return form

    def _variation_pictures(self, variations: etree._Element, row: Row, children: Sequence[Row]) -> bool:
        found = variation_pictures(row, children)
        if found is None:
            return False
        name, by_value = found
        element = add(variations, "Pictures")
        add(element, "VariationSpecificName", name)
        for value, url in by_value.items():
            one = add(element, "VariationSpecificPictureSet")
            add(one, "VariationSpecificValue", value)
            add(one, "PictureURL", url)
        return True

    def _policies(self, item: etree._Element) -> None:
        if self.account.settings.get("shipping_policy_id"):
            profiles = add(item, "SellerProfiles")
            for kind in ("Shipping", "Return", "Payment"):
                profile = add(profiles, f"Seller{kind}Profile")
                add(profile, f"{kind}ProfileID", str(self.account.settings[f"{kind.lower()}_policy_id"]))


def shown_images(row: Row, children: Sequence[Row] | None) -> tuple[str, ...]:
    """Pictures of the listing: its own, else the first of each variation."""
    own = row.images or tuple(dict.fromkeys(child.images[0] for child in children or () if child.images))
    most: int = limits()["message"]["images"]
    return own[:most]


def variation_pictures(row: Row, children: Sequence[Row]) -> tuple[str, dict[str, str]] | None:
    """The option whose values have pictures of their own, and the picture of each value; None where all look the same.

    eBay shows pictures by the values of one option: the color, else one whose every value has a single first picture.
    """
    names = family_names(row)
    for index in sorted(range(len(names)), key=lambda index: (concept(names[index]) != "color", index)):
        found: dict[str, str] = {}
        one_each = True
        for child in children:
            value = combination(row, child)[index] or ""
            if child.images and found.setdefault(value, child.images[0]) != child.images[0]:
                one_each = False
        if (one_each or concept(names[index]) == "color") and len(set(found.values())) > 1:
            return names[index], found
    return None
