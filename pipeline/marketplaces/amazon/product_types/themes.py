"""Which attributes the options of a family fill, and the variation theme, where a product type says what it allows."""

from __future__ import annotations

from functools import cache

from pipeline.marketplaces.amazon.options import Names, option_attributes, tables, variation_theme
from pipeline.marketplaces.amazon.product_types.definition import Definition
from pipeline.marketplaces.amazon.product_types.fill import fills


def family_attributes(names: Names, definition: Definition | None) -> Names:
    """The attribute of each of the three options; None where the product type has none for it."""
    if definition is None:
        return option_attributes(names)
    return option_attributes(names, frozenset(definition.attributes))


def family_theme(names: Names, definition: Definition | None) -> str | None:
    """The theme that says exactly these options, in the definition's spelling and whatever order; None where it has none."""
    if definition is None:
        return variation_theme(names)
    wanted = frozenset(filter(None, family_attributes(names, definition)))
    if len(wanted) < sum(map(bool, names)):
        return None
    return next((theme for theme in definition.themes if theme_attributes(theme, definition) == wanted), None)


def theme_problem(names: Names, definition: Definition) -> str | None:
    """Why a family with these options cannot be sold as one, None where it can."""
    if family_theme(names, definition) is not None:
        return None
    options = ", ".join(filter(None, names))
    if not definition.themes:
        return f"{definition.product_type} has no variations, and the product has several variants ({options})"
    known = ", ".join(definition.themes[:6]) + (" ..." if len(definition.themes) > 6 else "")
    return f"no variation theme of {definition.product_type} says {options}; it allows {known}"


@cache
def _words() -> dict[str, str]:
    return {row["theme"]: row["attribute"] for row in tables()["options"].values()}


def theme_attributes(theme: str, definition: Definition) -> frozenset[str]:
    """ "SIZE_NAME/COLOR" -> {size, color}."""
    return frozenset(_attribute(word, definition) for word in theme.split("/"))


def _attribute(word: str, definition: Definition) -> str:
    for suffix in ("", *fills()["theme_suffixes"]):
        name = word.removesuffix(suffix)
        for attribute in (name.lower(), _words().get(name, "")):
            if attribute in definition.attributes:
                return attribute
    return word.lower()
