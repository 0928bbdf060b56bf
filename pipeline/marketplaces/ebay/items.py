"""The request of a listing: a single, or a family with its variations. Values are checked before they come here.

What all listings of a connection say alike, and where each element stands, is a form: built and checked once, then copied
and filled, which is several times cheaper than building each request.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from copy import copy
from functools import lru_cache
from typing import NamedTuple

from lxml import etree

from pipeline.marketplaces.ebay.specifics import specifics
from pipeline.marketplaces.ebay.xml import add, add_pairs, element, identify, limits, out_of_order, request
from pipeline.marketplaces.options import concept, label
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
    weight_grams: float | None
    images: tuple[str, ...]
    price: int | None
    quantity: int | None

    @property
    def names(self) -> tuple[str | None, str | None, str | None]:
        return self.option1_name, self.option2_name, self.option3_name

    @property
    def values(self) -> tuple[str | None, str | None, str | None]:
        return self.option1, self.option2, self.option3


class Family(NamedTuple):
    """The children of a family that can be listed, and the values of each in the order of the option names."""

    names: tuple[str, ...]
    children: Sequence[Row]
    values: list[tuple[str, ...]]


def family(parent: Row, children: Sequence[Row], site: Site) -> Family:
    """Variations that have part numbers of their own name them among their specifics, which is where eBay reads them."""
    used = [index for index, name in enumerate(parent.names) if name]
    names = tuple(name for name in parent.names if name)
    values = [tuple([of_child[index] or "" for index in used]) for of_child in (child.values for child in children)]
    most, mpn, none = limits()["message"], label("mpn", site.language), str(site.extra["no_gtin"])
    numbers = [child.mpn if child.mpn and len(child.mpn) <= most["specific_value"] else none for child in children]
    if names and mpn not in names and len(names) < most["variation_names"] and 1 < len(set(numbers)) <= most["variation_values"]:
        names, values = (*names, mpn), [(*of_child, number) for of_child, number in zip(values, numbers, strict=True)]
    return Family(names, children, values)


def shared_mpn(members: Family) -> str | None:
    """The part number that all variations have."""
    numbers = {child.mpn for child in members.children}
    return numbers.pop() if len(numbers) == 1 else None


@lru_cache(maxsize=8192)
def _price(minor: int, currency: str) -> str:
    return format_minor(minor, currency)


class Form(NamedTuple):
    """A request to copy and fill: `places` says where the children of its last element, the Item, stand."""

    root: etree._Element
    places: Mapping[str, int]
    misplaced: str | None  # an element that the order table does not allow where it is


class Items:
    """Fills requests for one site and account.

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
        self._forms: dict[tuple[str, bool, str, bool, bool], Form] = {}
        self._variation_forms: dict[tuple[tuple[str, ...], str], etree._Element] = {}

    def uuid(self, sku: str) -> str:
        """The same for the same SKU of a store and site until the state of the listings changes: eBay refuses to list it twice,
        and takes it again after it ended, which only a later version of that state knows."""
        identity = f"{self.account.store}\n{self.site.key}\n{sku}\n{self.account.generation}"
        return hashlib.sha256(identity.encode()).hexdigest()[:32].upper()

    def _gtin_field(self, gtin: str | None) -> str:
        return "UPC" if gtin and len(gtin) == 12 else self.gtin_field

    def form(self, operation: str, row: Row, members: Family | None, new: bool) -> Form:
        """The form that fits a listing."""
        mpn = members is None and bool(row.mpn) and len(row.mpn or "") <= limits()["message"]["specific_value"]
        weighed = self._weight(row, members) is not None
        key = (operation, new, self._gtin_field(row.gtin) if members is None else "", mpn, weighed)
        if key not in self._forms:
            root = request(operation, self.account.store, "", self.site.language)
            item = self._item(root, *key[1:])
            places = {etree.QName(child).localname: index for index, child in enumerate(item)}
            self._forms[key] = Form(root, places, out_of_order(root, "request") or out_of_order(item, "Item"))
        return self._forms[key]

    def _item(self, root: etree._Element, new: bool, gtin_field: str, mpn: bool, weighed: bool) -> etree._Element:
        """An Item in the order of the schema, of a family without `gtin_field`."""
        item = add(root, "Item")
        add(item, "Country", self.country)
        add(item, "Currency", self.site.currency)
        add(item, "Description")
        if new:
            add(item, "ListingDuration", "GTC")
            add(item, "ListingType", "FixedPriceItem")
        if self.location:
            add(item, "Location", self.location)
        add(add(item, "PrimaryCategory"), "CategoryID")
        if gtin_field:
            details = add(item, "ProductListingDetails")
            add(details, gtin_field)
            if mpn:
                brand = add(details, "BrandMPN")
                add(brand, "Brand")
                add(brand, "MPN")
            # else a match in eBay's catalog overwrites title, description, specifics and picture
            add(details, "IncludeeBayProductDetails", "false")
            if new:
                add(item, "Quantity")
        if new:
            add(item, "Site", str(self.site.extra["site"]))
            if gtin_field:
                add(item, "StartPrice", currencyID=self.site.currency)
        add(item, "Title")
        if new:
            add(item, "UUID")
        # of a family too: while listings are tracked by SKU it is the only name that a revision can use
        add(item, "SKU")
        if self.postal_code:
            add(item, "PostalCode", self.postal_code)
        if new:
            add(item, "PictureDetails")
        add(item, "ItemSpecifics")
        if new:
            add(item, "InventoryTrackingMethod", "SKU")
        if not gtin_field:
            add(item, "Variations")
        add(item, "ConditionID")
        self._policies(item)
        if weighed:
            self._package(item)
        return item

    def fill(self, form: Form, row: Row, members: Family | None, new: bool) -> etree._Element:
        """The request of `row` (with `members`: a family)."""
        root, places = copy(form.root), form.places
        identify(root, self.account.store, row.sku)
        item = root[-1]
        item[places["Description"]].text = row.description_html
        item[places["PrimaryCategory"]][0].text = row.category
        item[places["Title"]].text = row.title
        item[places["SKU"]].text = row.sku
        item[places["ConditionID"]].text = limits()["conditions"][row.condition]
        if new:
            item[places["UUID"]].text = self.uuid(row.sku)
            self._pictures(item[places["PictureDetails"]], row, members)
        if members is None:
            details = item[places["ProductListingDetails"]]
            details[0].text = row.gtin or self.no_gtin
            if len(details) > 2:
                details[1][0].text, details[1][1].text = row.brand, row.mpn
            if new:
                item[places["Quantity"]].text = str(row.quantity)
                item[places["StartPrice"]].text = _price(row.price or 0, self.site.currency)
        else:
            self._variations(item[places["Variations"]], members, pictures=new)
        options = [] if members is not None else list(zip(row.names, row.values, strict=True))
        used = {name.casefold() for name in members.names} if members is not None else set()
        mpn = row.mpn if members is None else shared_mpn(members)
        said = specifics(row.brand, mpn, options, row.attributes, self.site.language, used)
        add_pairs(item[places["ItemSpecifics"]], said)
        weight = self._weight(row, members)
        if weight is not None:
            _, major, minor = item[places["ShippingPackageDetails"]]
            major.text, minor.text = map(str, weight)
        return root

    def pictures(self, root: etree._Element, row: Row, members: Family | None) -> etree._Element:
        """Append the Item of a revision that changes the pictures only."""
        item = add(root, "Item")
        add(item, "SKU", row.sku)
        self._pictures(add(item, "PictureDetails"), row, members)
        if members is not None and members.children:
            element = add(item, "Variations")
            if not self._variation_pictures(element, members):
                item.remove(element)
        weight = self._weight(row, members)
        if weight is not None:  # a revision without the package takes it off the listing
            _, major, minor = self._package(item)
            major.text, minor.text = map(str, weight)
        return item

    def _weight(self, row: Row, members: Family | None) -> tuple[int, int] | None:
        """Pounds and ounces, or kilograms and grams, rounded up, of the package (of a family: the heaviest); None without one."""
        rows = [row] if members is None else members.children
        grams = max((one.weight_grams or 0 for one in rows), default=0)
        system = self.site.extra.get("weight")
        if system is None or not 0 < grams <= limits()["message"]["weight_grams"]:
            return None
        small, large = (28.349523125, 16) if system == "English" else (1.0, 1000)
        return divmod(math.ceil(round(grams / small, 6)), large)

    def _package(self, item: etree._Element) -> etree._Element:
        package = add(item, "ShippingPackageDetails")
        system = str(self.site.extra["weight"])
        add(package, "MeasurementUnit", system)
        for name, unit in zip(
            ("WeightMajor", "WeightMinor"), ("lbs", "oz") if system == "English" else ("kg", "gr"), strict=True
        ):
            add(package, name, unit=unit)
        return package

    def _pictures(self, details: etree._Element, row: Row, members: Family | None) -> None:
        for url in shown_images(row, members):
            add(details, "PictureURL", url)

    def _variations(self, variations: etree._Element, members: Family, pictures: bool) -> None:
        for child, values in zip(members.children, members.values, strict=True):
            variation = copy(self._variation_form(members.names, self._gtin_field(child.gtin)))
            sku, price, quantity, specifics, details = variation
            sku.text, price.text, quantity.text = child.sku, _price(child.price or 0, self.site.currency), str(child.quantity)
            for pair, value in zip(specifics, values, strict=True):
                pair[1].text = value
            details[0].text = child.gtin or self.no_gtin
            variations.append(variation)
        if pictures:
            self._variation_pictures(variations, members)
        every = [list(dict.fromkeys(values)) for values in zip(*members.values, strict=True)]
        add_pairs(add(variations, "VariationSpecificsSet"), dict(zip(members.names, every, strict=True)))

    def _variation_form(self, names: tuple[str, ...], gtin_field: str) -> etree._Element:
        """A Variation to copy and fill."""
        if (names, gtin_field) not in self._variation_forms:
            form = element("Variation")
            add(form, "SKU")
            add(form, "StartPrice", currencyID=self.site.currency)
            add(form, "Quantity")
            add_pairs(add(form, "VariationSpecifics"), {name: [""] for name in names})
            add(add(form, "VariationProductListingDetails"), gtin_field)
            self._variation_forms[names, gtin_field] = form
        return self._variation_forms[names, gtin_field]

    def _variation_pictures(self, variations: etree._Element, members: Family) -> bool:
        found = variation_pictures(members)
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


def shown_images(row: Row, members: Family | None) -> tuple[str, ...]:
    """Pictures of the listing: its own, else the first of each variation."""
    children = members.children if members is not None else ()
    own = row.images or tuple(dict.fromkeys(child.images[0] for child in children if child.images))
    most: int = limits()["message"]["images"]
    return own[:most]


def variation_pictures(members: Family) -> tuple[str, dict[str, str]] | None:
    """The option whose values have pictures of their own, and the picture of each value; None where all look the same.

    eBay shows pictures by the values of one option: the color, else one whose every value has a single first picture.
    """
    names = members.names
    firsts = [child.images[0] if child.images else None for child in members.children]
    if len(set(firsts) - {None}) < 2:
        return None
    for index in sorted(range(len(names)), key=lambda index: (concept(names[index]) != "color", index)):
        found: dict[str, str] = {}
        one_each = True
        for values, first in zip(members.values, firsts, strict=True):
            if first is not None and found.setdefault(values[index], first) != first:
                one_each = False
        if (one_each or concept(names[index]) == "color") and len(set(found.values())) > 1:
            return names[index], found
    return None
