"""Attribute values of listings as Amazon's product type definitions spell them: one column of JSON an attribute."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.marketplaces.amazon.json_columns import amounts, distinctly, glued, integers, listed, present, quoted, where
from pipeline.marketplaces.amazon.options import Names, limits, tables
from pipeline.marketplaces.amazon.product_types.definition import Definition
from pipeline.marketplaces.amazon.product_types.themes import family_attributes, family_theme
from pipeline.marketplaces.amazon.product_types.types import NO_TYPES, ProductTypes
from pipeline.marketplaces.columns import integer, moments, text, texts
from pipeline.model.listing import Account, Site

#: Attribute -> JSON of its value, null for rows without it.
Attributes = dict[str, pa.Array]

GTIN_TYPES = {8: "ean", 12: "upc", 13: "ean", 14: "gtin"}
LOCATORS = ("main_product_image_locator", *(f"other_product_image_locator_{number}" for number in range(1, 9)))
_OPTIONS = (1, 2, 3)


def stock(quantity: pa.Array) -> pa.Array:
    return glued('[{"fulfillment_channel_code":"DEFAULT","quantity":', integers(quantity), "}]")


class Values:
    """Attribute values of listing rows on one site: in its language, for its marketplace id, in its currency.

    Of a product type whose definition is known only the attributes that it has."""

    def __init__(self, rows: pd.DataFrame, site: Site, account: Account, types: ProductTypes = NO_TYPES) -> None:
        self._rows, self._types = rows, types
        self._exempt = bool(account.settings.get("gtin_exempt", False))
        self._site = site
        self._place = '"marketplace_id":' + _json(site.marketplace_id)
        self._language = '"language_tag":' + _json(site.language.replace("-", "_"))
        self._sold = pc.not_equal(text(rows, "role"), "parent")

    def _said(self, value: pa.Array) -> pa.Array:
        """A text (JSON already) in the site's language."""
        return glued('[{"value":', value, f",{self._language},{self._place}}}]")

    def _fact(self, value: pa.Array) -> pa.Array:
        """A value (JSON already) without a language."""
        return glued('[{"value":', value, f",{self._place}}}]")

    def _text(self, column: str) -> pa.Array:
        """A column of texts that many rows share."""
        return distinctly(present(text(self._rows, column)), lambda values: self._said(quoted(values)))

    def known(self, attributes: Attributes, *, live: bool = False) -> Attributes:
        """Without what a row's product type does not have and, of `live` listings, what can no longer be changed."""
        if not self._types:
            return attributes
        kept: Attributes = {}
        for name, value in attributes.items():
            fits = self._types.having(self._rows, lambda attribute: attribute.editable or not live, name)
            kept[name] = value if fits is None else where(fits, value)
        return kept

    def content(self) -> Attributes:
        """The product's facts, without parentage."""
        found = {
            "item_name": self._said(quoted(text(self._rows, "title"))),
            "brand": self._text("brand"),
            **self._identifiers(),
            "product_description": self._text("description"),
            "bullet_point": self._bullets(),
            "generic_keyword": self._text("keywords"),
            "part_number": self._part_number(),
        }
        for attribute, value in (*self._options(), *self._facts()):
            found[attribute] = pc.coalesce(found[attribute], value) if attribute in found else value
        return found

    def _identifiers(self) -> Attributes:
        gtin = where(self._sold, present(text(self._rows, "gtin")))
        longest = max(GTIN_TYPES) + 1
        kinds = pa.array([GTIN_TYPES.get(length) for length in range(longest + 1)])
        kind = kinds.take(pc.min_element_wise(pc.utf8_length(gtin), longest, skip_nulls=False))
        exempt = pc.and_(pc.is_null(gtin), pc.or_(pa.scalar(self._exempt), pc.invert(self._sold)))
        return {
            "externally_assigned_product_identifier": glued(
                '[{"type":"', kind, '","value":', quoted(gtin), f",{self._place}}}]"
            ),
            "supplier_declared_has_product_identifier_exemption": where(exempt, self._fact(self._constant("true"))),
        }  # fmt: skip

    def _bullets(self) -> pa.Array:
        lists = texts(self._rows, "bullets")
        values = distinctly(
            lists.flatten(), lambda values: glued('{"value":', quoted(values), f",{self._language},{self._place}}}")
        )
        sizes = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
        joined = pc.binary_join(pa.ListArray.from_arrays(_offsets(sizes), values), ",")
        return where(sizes > 0, glued("[", joined, "]"))

    def _part_number(self) -> pa.Array:
        mpn = present(text(self._rows, "mpn"))
        fits = pc.less_equal(pc.utf8_length(mpn), limits()["message"]["part_number"])
        return distinctly(where(pc.and_(self._sold, fits), mpn), lambda values: self._fact(quoted(values)))

    @cached_property
    def _families(self) -> tuple[list[tuple[Names, Definition | None]], npt.NDArray[np.int64]]:
        """The option names that occur together with their product type, and for each row which of them it has."""
        code, width, columns = np.zeros(len(self._rows), np.int64), 1, []
        for name in (*(f"option{number}_name" for number in _OPTIONS), *(["category"] if self._types else [])):
            encoded = text(self._rows, name).dictionary_encode(null_encoding="encode")
            columns.append(encoded.dictionary.to_pylist())
            code += encoded.indices.to_numpy().astype(np.int64) * width
            width *= len(encoded.dictionary)
        distinct, place = np.unique(code, return_inverse=True)
        found = []
        for number in distinct.tolist():
            names: list[str | None] = []
            for column in columns:
                number, index = divmod(number, len(column))
                names.append(column[index])
            definition = self._types.definition(names[3]) if self._types else None
            found.append(((names[0], names[1], names[2]), definition))
        return found, place

    def _options(self) -> Iterator[tuple[str, pa.Array]]:
        families, place = self._families
        attributes = [family_attributes(*of_family) for of_family in families]
        for index, number in enumerate(_OPTIONS):
            fills = [of_family[index] for of_family in attributes]
            if not any(fills):
                continue
            said = self._text(f"option{number}")
            for attribute in dict.fromkeys(filter(None, fills)):
                rows = np.array([filled == attribute for filled in fills])[place]
                yield attribute, where(pc.and_(pa.array(rows), self._sold), said)

    def _facts(self) -> Iterator[tuple[str, pa.Array]]:
        encoded = present(text(self._rows, "attributes")).dictionary_encode()
        written: dict[tuple[str, str], list[str | None]] = {}
        for index, document in enumerate(encoded.dictionary.to_pylist()):
            for attribute, kind, value in facts(document):
                written.setdefault((attribute, kind), [None] * len(encoded.dictionary))[index] = value
        for attribute, kind in sorted(written, key=lambda key: key[1] != "json"):  # what is said in Amazon's words comes first
            values = pa.array(written[attribute, kind], pa.string())
            if kind != "json":
                values = self._said(quoted(values)) if kind == "text" else self._fact(quoted(values))
            yield attribute, values.take(encoded.indices)

    def family(self, related: npt.NDArray[np.bool_]) -> Attributes:
        """Parentage and theme, and where `related` a child's relationship; nothing for a single."""
        role = text(self._rows, "role")
        member = pc.not_equal(role, "single")
        relation = glued(
            '[{"child_relationship_type":"variation","parent_sku":', quoted(text(self._rows, "parent_sku")), f",{self._place}}}]"
        )  # fmt: skip
        families, place = self._families
        themes = [family_theme(*of_family) for of_family in families]
        theme = pa.array([None if name is None else f'[{{"name":{_json(name)}}}]' for name in themes], pa.string())
        return {
            "parentage_level": where(member, distinctly(role, lambda values: self._fact(quoted(values)))),
            "child_parent_sku_relationship": where(pc.and_(pa.array(related), pc.equal(role, "child")), relation),
            "variation_theme": where(member, theme.take(pa.array(place))),
        }

    def offer(self, withdrawn: npt.NDArray[np.bool_] | None = None) -> Attributes:
        """What every buyer pays, and the dated sale; only for what is sold. Nothing of another audience (business prices), nor of
        a sale where there is none; where `withdrawn`, that there is none any more."""
        price = amounts(where(self._sold, integer(self._rows, "price")), self._site.currency)
        of_site = f'{self._place},"currency":{_json(self._site.currency)},"audience":"ALL"'
        sale = self._sale()
        if withdrawn is not None:
            sale = pc.coalesce(sale, where(withdrawn, self._constant(',"discounted_price":null')))
        ours = glued(f'[{{{of_site},"our_price":[{{"schedule":[{{"value_with_tax":', price, "}]}]", pc.fill_null(sale, ""), "}]")
        return {"purchasable_offer": ours}

    def _sale(self) -> pa.Array:
        """The schedule of a sale with dates, as moments in the site's zone."""
        value = amounts(where(self._sold, integer(self._rows, "sale_price")), self._site.currency)
        starts, ends = (distinctly(moments(self._rows, name), self._moments) for name in ("sale_start", "sale_end"))
        head = ',"discounted_price":[{"schedule":[{"start_at":'
        return glued(head, starts, ',"end_at":', ends, ',"value_with_tax":', value, "}]}]")

    def _moments(self, values: pa.Array) -> pa.Array:
        zone = ZoneInfo(self._site.extra.get("tz", "UTC"))
        texts = [value and value.astimezone(zone).isoformat() for value in values.to_pylist()]
        return quoted(pa.array(texts, pa.string()))

    def list_price(self) -> Attributes:
        """The price before a sale; null without a sale."""
        before, price = integer(self._rows, "list_price"), integer(self._rows, "price")
        sale = amounts(where(pc.and_(self._sold, pc.greater(before, price)), before), self._site.currency)
        return {"list_price": glued(f'[{{"currency":{_json(self._site.currency)},"value":', sale, f",{self._place}}}]")}

    def existing_item(self) -> Attributes:
        """The item of Amazon's catalog that an offer is on."""
        return {"merchant_suggested_asin": self._fact(quoted(text(self._rows, "item_id")))}

    def condition(self) -> Attributes:
        def written(conditions: pa.Array) -> pa.Array:
            known = tables()["conditions"]
            return self._fact(quoted(pa.array([known.get(one) for one in conditions.to_pylist()], pa.string())))

        return {"condition_type": where(self._sold, distinctly(text(self._rows, "condition"), written))}

    def stock(self) -> Attributes:
        return {"fulfillment_availability": where(self._sold, stock(integer(self._rows, "quantity")))}

    def images(self, shown: pa.ListArray) -> Attributes:
        """`shown` are the pictures of each row, as `validate.usable` gives them."""
        pictures = distinctly(shown.flatten(), lambda urls: glued('[{"media_location":', quoted(urls), f",{self._place}}}]"))
        starts, sizes = shown.offsets.to_numpy()[:-1] - shown.offsets[0].as_py(), shown.value_lengths().to_numpy()
        return {
            name: pictures.take(pa.array(starts + number, mask=sizes <= number))
            for number, name in enumerate(LOCATORS)
        }  # fmt: skip

    def no_keywords(self) -> str:
        """What a deletion of the search terms names."""
        return f"{{{self._place},{self._language}}}"

    def no_list_price(self) -> str:
        return f'{{{self._place},"currency":{_json(self._site.currency)}}}'

    def no_picture(self) -> str:
        return f"{{{self._place}}}"

    def _constant(self, value: str) -> pa.Array:
        return pa.repeat(value, len(self._rows))


def attributes_object(attributes: Attributes) -> pa.Array:
    """The attributes that each row has, as one JSON object."""
    return glued("{", listed(glued(f'"{name}":', value) for name, value in attributes.items()), "}")


def facts(document: str) -> Iterator[tuple[str, str, str]]:
    """(attribute, kind, value) of the JSON object of further facts that Amazon has an attribute for; of kind `json` the value is
    final, as `product_types.fill` made it."""
    try:
        given = orjson.loads(document)
    except orjson.JSONDecodeError:
        return
    for name, value in given.items() if isinstance(given, dict) else ():
        if isinstance(value, list) and all(isinstance(one, dict) for one in value):  # else several texts, as the source has them
            yield _json(name)[1:-1], "json", _json(value)  # a name may hold anything; the schema refuses what is none
    for name, row in tables()["facts"].items() if isinstance(given, dict) else ():
        value = given.get(name)
        if isinstance(value, list) and all(isinstance(one, str) for one in value):
            value = ", ".join(value)
        if not isinstance(value, str) or not value.strip() or not value.isprintable() or "<" in value:
            continue
        if row["kind"] == "text" or (len(value) == 2 and value.isascii() and value.isalpha() and value.isupper()):
            yield row["attribute"], row["kind"], value


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _offsets(sizes: npt.NDArray[np.int64]) -> pa.Array:
    return pa.array(np.concatenate([[0], np.cumsum(sizes)]), pa.int32())
