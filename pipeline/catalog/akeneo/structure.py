"""What describes products in a PIM: attributes with their options, families with their variants, the channel and its categories.

All of it fits in memory (thousands of records); products do not and are not here. Labels are those of the store's locale or none:
where the PIM has no label in that language, the code stands for it, never another language's label.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pipeline.model.errors import BadInputError, PipelineError

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Option:
    label: str | None
    sort_order: int


@dataclass(frozen=True)
class Attribute:
    """One attribute. `record` is what the PIM said of it; options are by code, only of select attributes."""

    code: str
    type: str
    label: str | None
    localizable: bool
    scopable: bool
    rich_text: bool
    record: Record = field(repr=False)
    options: dict[str, Option] = field(default_factory=dict, repr=False)

    def option(self, code: str) -> str:
        """The option's label, else its code."""
        found = self.options.get(code)
        return found.label if found and found.label else code

    @property
    def name(self) -> str:
        return self.label or self.code


@dataclass(frozen=True)
class Family:
    """One family. `axes` gives the axis attributes of each of its variants, by code: of level 1 and, if there is one, level 2."""

    code: str
    label: str | None
    label_attribute: str | None
    image_attribute: str | None
    record: Record = field(repr=False)
    axes: dict[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        return self.label or self.code


@dataclass(frozen=True)
class Category:
    code: str
    label: str | None
    parents: tuple[str, ...]  # nearest first, up to the root of its tree


@dataclass(frozen=True)
class Structure:
    """`categories` are those of the channel's tree, in the PIM's order; no `tree` means that the channel is not known."""

    channel: str
    locale: str
    attributes: dict[str, Attribute]
    families: dict[str, Family]
    categories: dict[str, Category]
    tree: str | None

    @cached_property
    def identifier(self) -> str | None:
        """The attribute that holds the SKU: the main one of the identifiers, where the PIM knows several."""
        found = [one for one in self.attributes.values() if one.type == "pim_catalog_identifier"]
        main = [one for one in found if one.record.get("is_main_identifier")]
        return (main or found)[0].code if found else None

    def within(self, codes: Iterable[str]) -> set[str]:
        """Those of these categories that are in the channel's tree, and all above them."""
        known = self.categories
        return {one for code in codes if code in known for one in (code, *known[code].parents)}

    def axes(self, family: str | None, variant: str | None) -> tuple[str, ...] | None:
        """Axis attributes of a family's variant, level 1 first; None when the PIM does not know it."""
        found = self.families.get(family or "")
        levels = found.axes.get(variant or "") if found else None
        return None if levels is None else tuple(code for level in levels for code in level)


def read_structure(records: Mapping[str, Iterable[Record]], channel: str, locale: str) -> Structure:
    """From the raw records by entity: channels, categories, attributes, attribute_options, families, family_variants."""
    try:
        channels = {record["code"]: record for record in records.get("channels", ())}
        attributes = {record["code"]: _attribute(record, locale) for record in records.get("attributes", ())}
        for record in records.get("attribute_options", ()):
            option = Option(_label(record, locale), int(record.get("sort_order") or 0))
            attributes[record["attribute"]].options[record["code"]] = option
        families = {record["code"]: _family(record, locale) for record in records.get("families", ())}
        for record in records.get("family_variants", ()):
            levels = sorted(record["variant_attribute_sets"], key=lambda level: int(level["level"]))
            families[record["family"]].axes[record["code"]] = tuple(tuple(level["axes"]) for level in levels)
        tree = channels[channel]["category_tree"] if channel in channels else None
        categories = _categories(list(records.get("categories", ())), tree, locale)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadInputError(
            f"the PIM describes its catalog in an unknown way ({type(error).__name__}: {str(error)[:100]}); "
            "check that it is Akeneo 6 or newer"
        ) from None
    return Structure(channel, locale, attributes, families, categories, tree)


def _attribute(record: Record, locale: str) -> Attribute:
    return Attribute(
        record["code"],
        record["type"],
        _label(record, locale),
        bool(record.get("localizable")),
        bool(record.get("scopable")),
        bool(record.get("wysiwyg_enabled")),
        record,
    )


def _family(record: Record, locale: str) -> Family:
    return Family(
        record["code"], _label(record, locale), record.get("attribute_as_label"), record.get("attribute_as_image"), record
    )


def _categories(records: list[Record], tree: str | None, locale: str) -> dict[str, Category]:
    """The categories of one tree; a parent that stands in a circle is a fault of the PIM and named."""
    parent_of = {record["code"]: record.get("parent") for record in records}
    found = {}
    for record in records:
        parents, parent = [], record.get("parent")
        while parent is not None:
            if parent in parents or parent == record["code"]:
                raise PipelineError(
                    f"the categories {parent} and {record['code']} of the PIM contain each other: correct them there"
                )
            parents.append(parent)
            parent = parent_of.get(parent)
        if tree is not None and tree in (record["code"], *parents):
            found[record["code"]] = Category(record["code"], _label(record, locale), tuple(parents))
    return found


def _label(record: Record, locale: str) -> str | None:
    """Empty labels come as [] instead of {} from some versions."""
    labels = record.get("labels") or {}
    label = labels.get(locale)
    return label if isinstance(label, str) and label.strip() else None
