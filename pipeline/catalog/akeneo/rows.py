"""Rows of one catalog product from the PIM's records: a simple product, or a root model with its sub models and products.

Values are inherited root < sub < product, the nearest wins. Anything of an undocumented shape raises one of `WRONG`; the caller
rejects the row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson

from pipeline.catalog.akeneo.roles import Roles
from pipeline.catalog.akeneo.structure import Attribute, Family, Record, Structure
from pipeline.catalog.akeneo.values import (
    MEDIA_TYPES,
    Values,
    amount_in,
    elsewhere,
    find,
    grams,
    html_of,
    number_text,
    pick,
    public_urls,
    text_of,
    texts_of,
)
from pipeline.catalog.builder import MAX_IMAGES, Row
from pipeline.catalog.values import json_text, json_value

WRONG = (TypeError, AttributeError, KeyError, ValueError, IndexError, ArithmeticError)
#: Prefix of the metafields that hold typed attributes.
NAMESPACE = "akeneo"
_ASSETS = "pim_catalog_asset_collection"
_OPTIONS = 3


@dataclass(frozen=True)
class Member:
    """A sellable product: its record, line, and the values of its levels, nearest first (product, sub model, root model)."""

    line: int
    record: Record
    levels: tuple[Values, ...]

    @property
    def uuid(self) -> str:
        return str(self.record["uuid"])

    @property
    def own(self) -> tuple[Values, ...]:
        """Without the level that all members share."""
        return self.levels[:-1] if len(self.levels) > 1 else self.levels


@dataclass(frozen=True)
class Product:
    """What becomes one row in `products`. `root` is None for a simple product, whose only member is the product itself."""

    line: int
    root: Record | None
    members: Sequence[Member]
    subs: Sequence[Record] = ()

    @property
    def key(self) -> str:
        return str(self.root["code"]) if self.root is not None else self.members[0].uuid

    @property
    def levels(self) -> tuple[Values, ...]:
        """Where a value of the whole product is looked for: the root, and for what it lacks its first member."""
        first = self.members[0].levels
        return first if self.root is None else (first[-1], *first[:-1])


class Mapper:
    """Makes rows. `counts` collects what was met on the way: values that need a translation, pictures that need a token ..."""

    def __init__(self, structure: Structure, roles: Roles, *, currency: str, own_host: str) -> None:
        self.structure, self.roles, self.currency, self._own_host = structure, roles, currency, own_host
        self.counts: Counter[str] = Counter()
        self._shared, self._own, self._pictures = roles.shared, roles.own, frozenset(roles.of("images"))

    def ordered(self, product: Product) -> list[Member]:
        """Members in the order of their axes' options, then by SKU: the PIM itself has none."""
        axes = self.axes(product)
        return sorted(product.members, key=lambda member: (self._rank(member, axes), self.sku(member) or "", member.uuid))

    def axes(self, product: Product) -> tuple[str, ...]:
        """Axis attributes, level 1 first; raises ValueError when the PIM does not tell them."""
        if product.root is None:
            return ()
        found = self.structure.axes(product.root.get("family"), product.root.get("family_variant"))
        if found is None:
            raise ValueError("its family variant is unknown")
        return found

    def sku(self, member: Member) -> str | None:
        if self.roles.of("sku"):
            found = self._code("sku", member.levels)
            if found:
                return found
        return member.record.get("identifier") or None

    def product_row(self, product: Product, variants: Sequence[Row]) -> Row:
        """A tuple in the order of `schema.PRODUCTS`; its source_hash covers the variants' rows too."""
        levels, first = product.levels, product.members[0]
        root = product.root if product.root is not None else first.record
        family = self.structure.families.get(root.get("family") or "")
        title = self._text("title", self._candidates("title", family), levels)
        description = self._description(levels)
        names: list[str | None] = [*self._option_names(self.axes(product)), None, None, None]
        enabled = any(member.record.get("enabled", True) for member in product.members)
        fields = (
            product.key,
            product.key if product.root is not None else self.sku(first) or product.key,
            title,
            description,
            self._text("brand", self.roles.of("brand"), levels),
            self._text("product_type", self.roles.of("product_type"), levels) or (family.name if family else root.get("family")),
            None,
            self._tags(levels),
            "active" if enabled else "draft",
            False,
            self._text("seo_title", self.roles.of("seo_title"), levels),
            self._text("seo_description", self.roles.of("seo_description"), levels),
            *names[:_OPTIONS],
            self._product_images(product, family),
            self._metafields([levels[0]], self._shared | self._own),
        )
        digest = blake2b(orjson.dumps((fields, [row[:-1] for row in variants])), digest_size=16)
        return (*fields, digest.hexdigest(), product.line)

    def variant_row(self, product: Product, member: Member, position: int) -> Row:
        """A tuple in the order that `Builder.add` wants: `schema.VARIANTS` without price_text, amounts as texts."""
        levels = member.levels
        family = self.structure.families.get(member.record.get("family") or "")
        own = member.own if product.root is not None else ()
        images = self._images(own, family)
        weight = self._data("weight", levels)
        weight_grams = grams(weight) if weight is not None else None
        self.counts["unreadable_weights"] += weight is not None and weight_grams is None
        shared = levels[-1] if product.root is not None else {}
        options: list[str | None] = [*self._option_values(self.axes(product), levels), None, None, None]
        return (
            member.uuid,
            product.key,
            position,
            self.sku(member),
            self._code("gtin", levels),
            *options[:_OPTIONS],
            self._amount("price", levels),
            self._amount("compare_at_price", levels),
            self._amount("cost", levels),
            weight_grams,
            images[0] if images else None,
            None,
            None,
            self._metafields(reversed(own), self._own | self._pictures, shared) if own else None,
            member.line,
        )

    def categories(self, product: Product) -> set[str]:
        """Categories of the channel's tree that the product is in, with all above them."""
        records = [member.record for member in product.members]
        if product.root is not None:
            records.append(product.root)
        return self.structure.within(code for record in [*records, *product.subs] for code in record.get("categories") or ())

    def _data(self, role: str, levels: Iterable[Values]) -> Any:
        for code in self.roles.of(role):
            data = find(code, levels, self.structure.channel, self.structure.locale)
            if data is not None:
                return data
        return None

    def _candidates(self, role: str, family: Family | None) -> tuple[str, ...]:
        """The attributes of a role; where the store named none, the one that the family shows comes first."""
        codes = self.roles.of(role)
        shown = (family.label_attribute if role == "title" else family.image_attribute) if family else None
        if role in self.roles.named or shown is None or shown == self.structure.identifier:
            return codes
        return (shown, *(code for code in codes if code != shown))

    def _text(self, role: str, codes: Iterable[str], levels: tuple[Values, ...]) -> str | None:
        channel, locale = self.structure.channel, self.structure.locale
        for code in codes:
            data = find(code, levels, channel, locale)
            if data is not None:
                return text_of(self._attribute(code), data) or None
        self.counts[f"{role}_needs_translation"] += any(elsewhere(code, levels, channel, locale) for code in codes)
        return None

    def _description(self, levels: tuple[Values, ...]) -> str | None:
        codes = self.roles.of("description")
        text = self._text("description", codes, levels)
        return html_of(self._attribute(codes[0]), text) if text else None

    def _tags(self, levels: tuple[Values, ...]) -> list[str]:
        channel, locale = self.structure.channel, self.structure.locale
        found = ((code, find(code, levels, channel, locale)) for code in self.roles.of("tags"))
        return [text for code, data in found if data is not None for text in texts_of(self._attribute(code), data)]

    def _code(self, role: str, levels: Iterable[Values]) -> str | None:
        data = self._data(role, levels)
        return None if data is None else number_text(data)

    def _amount(self, role: str, levels: Iterable[Values]) -> str | None:
        data = self._data(role, levels)
        amount = None if data is None else amount_in(data, self.currency)
        self.counts[f"{role}_in_other_currencies"] += data is not None and amount is None
        return amount

    def _option_names(self, axes: Sequence[str]) -> list[str]:
        return _at_most(_OPTIONS, [self._attribute(code).name for code in axes])

    def _option_values(self, axes: Sequence[str], levels: tuple[Values, ...]) -> list[str | None]:
        channel, locale = self.structure.channel, self.structure.locale
        data = [(code, find(code, levels, channel, locale)) for code in axes]
        return [
            text or None
            for text in _at_most(
                _OPTIONS, ["" if value is None else text_of(self._attribute(code), value) for code, value in data]
            )
        ]

    def _rank(self, member: Member, axes: Sequence[str]) -> list[tuple[int, float, str]]:
        ranks = []
        for code in axes:
            data = find(code, member.levels, self.structure.channel, self.structure.locale)
            option = self._attribute(code).options.get(data) if isinstance(data, str) else None
            amount = float(data["amount"]) if isinstance(data, dict) else 0.0
            ranks.append((option.sort_order if option else 0, amount, data if isinstance(data, str) else ""))
        return ranks

    def _product_images(self, product: Product, family: Family | None) -> list[str]:
        """The shared pictures first, then those of the members; only the members' first ones when all are too many."""
        if product.root is None:
            return self._images(product.members[0].levels, family)
        shared = self._images(product.levels[:1], family)
        own = [self._images(member.own, family, count=False) for member in product.members]
        found = list(dict.fromkeys([*shared, *(url for urls in own for url in urls)]))
        if len(found) <= MAX_IMAGES:
            return found
        fewer = list(dict.fromkeys([*shared, *(urls[0] for urls in own if urls)]))
        self.counts["images_left_out"] += len(found) - len(fewer)
        return fewer

    def _images(self, levels: Sequence[Values], family: Family | None, *, count: bool = True) -> list[str]:
        """Public addresses. Media codes are only counted, since a file of the PIM cannot be had without its token."""
        channel, locale = self.structure.channel, self.structure.locale
        found: dict[str, None] = {}
        for code in self._candidates("images", family):
            data = find(code, levels, channel, locale)
            if data is None:
                continue
            attribute = self._attribute(code)
            if attribute.type not in MEDIA_TYPES and attribute.type != _ASSETS:
                found.update(dict.fromkeys(public_urls(text_of(attribute, data), self._own_host)))
            elif count:
                self.counts["images_that_need_the_token"] += len(data) if isinstance(data, list) else 1
        return list(found)

    def _metafields(self, levels: Iterable[Values], skip: frozenset[str], shared: Values | None = None) -> str | None:
        """Typed attributes as text. Levels are given farthest first; what equals the shared level is the product's, not ours."""
        channel, locale = self.structure.channel, self.structure.locale
        merged: dict[str, str] = {}
        mpn = self.roles.of("mpn")
        for values in levels:
            for code, entries in values.items():
                if code in skip or (shared is not None and shared.get(code) == entries):
                    continue
                attribute = self._attribute(code)
                data = None if attribute.type in MEDIA_TYPES else pick(entries, channel, locale)
                if data is not None:
                    merged[f"{NAMESPACE}.{'mpn' if code in mpn else code}"] = self._as_text(attribute, data)
        return json_text(merged)

    def _as_text(self, attribute: Attribute, data: Any) -> str:
        try:
            return text_of(attribute, data)
        except WRONG:
            self.counts["values_of_unknown_shape"] += 1
            return json_value(data)

    def _attribute(self, code: str) -> Attribute:
        """An attribute that the connection may not see is known by its values alone."""
        return self.structure.attributes.get(code) or Attribute(code, "", None, False, False, False, {})


def _at_most(most: int, texts: list[str]) -> list[str]:
    """Akeneo has up to ten axes, the catalog three options: the last one takes all that are left."""
    if len(texts) <= most:
        return texts
    return [*texts[: most - 1], " / ".join(texts[most - 1 :])]
