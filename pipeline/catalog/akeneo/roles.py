"""Which attributes of a PIM play which role in a listing: title, price, images ... Every PIM names them differently.

A store may name them in its setting `attributes`; for a role that it does not name, usual codes are tried, and a title or image
that nobody named is the one that the product's family shows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.catalog.akeneo.structure import Structure

_TEXT = frozenset({"pim_catalog_text", "pim_catalog_textarea"})
_NAMED = _TEXT | {
    "pim_catalog_simpleselect",
    "akeneo_reference_entity",
    "pim_reference_data_simpleselect",
}
_CODE = frozenset({"pim_catalog_text", "pim_catalog_identifier", "pim_catalog_number"})
_PRICE = frozenset({"pim_catalog_price_collection"})


@dataclass(frozen=True)
class Role:
    """What may play it. `shared`: it belongs to the product, else to the variant. `several`: more than one attribute may."""

    types: frozenset[str]
    usual: tuple[str, ...]
    shared: bool = True
    several: bool = False


ROLES: Mapping[str, Role] = {
    "title": Role(_TEXT, ("name", "title", "product_name")),
    "description": Role(_TEXT, ("description",)),
    "brand": Role(_NAMED, ("brand", "manufacturer")),
    "product_type": Role(_NAMED, ()),  # the family
    "tags": Role(_NAMED | {"pim_catalog_multiselect", "akeneo_reference_entity_collection"}, ("tags",), several=True),
    "seo_title": Role(_TEXT, ("meta_title", "seo_title")),
    "seo_description": Role(_TEXT, ("meta_description", "seo_description")),
    "images": Role(_TEXT | {"pim_catalog_image", "pim_catalog_asset_collection"}, ("images", "image", "picture"), several=True),
    "sku": Role(_CODE, (), shared=False),  # the main identifier
    "gtin": Role(_CODE, ("gtin", "ean", "barcode", "upc"), shared=False),
    "mpn": Role(_CODE, ("mpn",), shared=False),
    "price": Role(_PRICE, ("price",), shared=False),
    "compare_at_price": Role(_PRICE, ("compare_at_price", "list_price", "msrp"), shared=False),
    "cost": Role(_PRICE, ("cost",), shared=False),
    "weight": Role(frozenset({"pim_catalog_metric"}), ("weight",), shared=False),
}


@dataclass(frozen=True)
class Roles:
    """Attribute codes by role, best first; a role that nobody plays has none. `named` are those that the store itself named."""

    codes: Mapping[str, tuple[str, ...]]
    named: frozenset[str] = frozenset()

    def of(self, role: str) -> tuple[str, ...]:
        return self.codes.get(role, ())

    @property
    def shared(self) -> frozenset[str]:
        """Attributes that are columns of products."""
        return frozenset(code for role, codes in self.codes.items() if ROLES[role].shared for code in codes)

    @property
    def own(self) -> frozenset[str]:
        """Attributes that are columns of variants; an MPN has none and stays a metafield."""
        return frozenset(code for role, codes in self.codes.items() if not ROLES[role].shared and role != "mpn" for code in codes)


def read_roles(settings: Mapping[str, str | Sequence[str]], structure: Structure) -> Roles:
    """The roles of a store; named attributes that do not exist are left out here and told by `role_problems`."""
    codes = {}
    for name, role in ROLES.items():
        if name in settings:
            wanted: Sequence[str] = named(settings[name])
        elif name == "sku":
            wanted = [structure.identifier] if structure.identifier else []
        else:
            wanted = [code for code in role.usual if _fits(structure, code, role)][: None if role.several else 1]
        codes[name] = tuple(code for code in wanted if code in structure.attributes)
    return Roles(codes, frozenset(settings))


def role_problems(settings: Mapping[str, str | Sequence[str]], structure: Structure) -> list[str]:
    """Sentences on what is wrong with the attributes that a store names; empty when nothing is."""
    problems = []
    for name, value in settings.items():
        if name not in ROLES:
            problems.append(f"{name!r} is not a role of an attribute; known roles: {', '.join(ROLES)}.")
            continue
        role = ROLES[name]
        wanted = named(value)
        if len(wanted) > 1 and not role.several:
            problems.append(f"{name} is one attribute, not {len(wanted)}: {', '.join(wanted)}.")
        for code in wanted:
            attribute = structure.attributes.get(code)
            if attribute is None:
                problems.append(f"{name}: there is no attribute {code}{_near(code, structure)}.")
            elif attribute.type not in role.types:
                problems.append(f"{name}: the attribute {code} is of the type {attribute.type}; {_wanted(role)}.")
            elif (locales := attribute.record.get("available_locales")) and structure.locale not in locales:
                problems.append(f"{name}: the attribute {code} has no {structure.locale}, only {', '.join(locales)}.")
    return problems


def named(value: str | Sequence[str]) -> list[str]:
    """The codes in a setting: a list, or text with commas."""
    parts = value.split(",") if isinstance(value, str) else value
    return [part.strip() for part in parts if part.strip()]


def _fits(structure: Structure, code: str, role: Role) -> bool:
    attribute = structure.attributes.get(code)
    return attribute is not None and attribute.type in role.types


def _wanted(role: Role) -> str:
    return f"it must be {' or '.join(sorted(kind.removeprefix('pim_catalog_') for kind in role.types))}"


def _near(code: str, structure: Structure) -> str:
    from difflib import get_close_matches

    near = get_close_matches(code, structure.attributes, n=3)
    return f"; there is {', '.join(near)}" if near else ""
