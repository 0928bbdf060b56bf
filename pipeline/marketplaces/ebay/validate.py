"""What eBay would refuse, found on whole columns and on whole families before requests are built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.marketplaces.columns import (
    ACTIVE_MARKUP,
    ILLEGAL,
    ILLEGAL_LINE,
    Problems,
    distinctly,
    longer,
    matches,
    missing,
    refused,
    text,
    usable_images,
)
from pipeline.marketplaces.ebay.xml import limits

#: Active markup, event handlers and script addresses (RE2).
ACTIVE_CONTENT = ACTIVE_MARKUP + r"|<[^>]*[\s\"'/]on[a-z]+\s*=|<[^>]*(javascript|vbscript|data)\s*:"
#: A self-hosted picture: https, and no semicolon, which eBay cannot read in a picture's address.
PICTURE = r"^https://[A-Za-z0-9.-]+(:[0-9]+)?([/?#][^\s;<>\"\\^`{|}\x00-\x20\x7F-\x{A0}\x{FFFE}\x{FFFF}]*)?$"

_POLICIES = ("shipping_policy_id", "return_policy_id", "payment_policy_id")


def sku_problems(rows: pd.DataFrame) -> Problems:
    most = limits()["message"]["sku"]
    found = Problems()
    sku = text(rows, "sku")
    found.add(missing(sku), "the SKU is missing")
    found.add(longer(sku, most), f"the SKU has over {most} characters")
    found.add(matches(sku, ILLEGAL_LINE) | matches(sku, r"^\s|\s$"), "the SKU has spaces at its ends or control characters")
    return found


def listing_problems(rows: pd.DataFrame) -> Problems:
    """What belongs to the listing as a whole: texts, category, brand, condition (of a single or a parent)."""
    most = limits()["message"]
    found = Problems()
    for column, limit in (("title", most["title"]), ("brand", most["brand"])):
        values = text(rows, column)
        found.add(missing(values), f"the {column} is missing")
        found.add(longer(values, limit), f"the {column} has over {limit} characters")
        found.add(refused(values), f"the {column} has characters or markup that eBay refuses")
    found.add(matches(text(rows, "title"), r"<[A-Za-z/!]"), "the title has HTML")
    category = text(rows, "category")
    found.add(missing(category), "the category is missing")
    found.add(matches(category, r"[^0-9]") | longer(category, 10), "the category is not an eBay category number")
    description = text(rows, "description_html")
    found.add(missing(description), "the description is missing")
    found.add(longer(description, most["description"]), f"the description has over {most['description']} characters")
    found.add(distinctly(description, lambda texts: matches(texts, ILLEGAL)), "the description has characters that eBay refuses")
    active = distinctly(description, lambda texts: matches(texts, ACTIVE_CONTENT))
    found.add(active, "the description has active content, which eBay refuses")
    found.add(refused(text(rows, "mpn")), "the MPN has characters or markup that eBay refuses")
    conditions = list(limits()["conditions"])
    found.add(~rows["condition"].isin(conditions).to_numpy(dtype=bool), f"the condition is not one of: {', '.join(conditions)}")
    role = rows["role"].fillna("").to_numpy(dtype=str)
    found.add(~np.isin(role, ["single", "parent", "child"]), "the role is not single, parent or child")
    return found


def sellable_problems(rows: pd.DataFrame) -> Problems:
    """What belongs to one sellable SKU: GTIN and options (of a single or a child)."""
    most = limits()["message"]
    found = Problems()
    gtin = text(rows, "gtin")
    found.add(~missing(gtin) & ~matches(gtin, r"^([0-9]{8}|[0-9]{12}|[0-9]{13})$"), "the GTIN is not 8, 12 or 13 digits")
    for number in (1, 2, 3):
        name, value = text(rows, f"option{number}_name"), text(rows, f"option{number}")
        found.add(longer(name, most["specific_name"]), f"the name of option {number} has over {most['specific_name']} characters")
        found.add(
            longer(value, most["specific_value"]), f"the value of option {number} has over {most['specific_value']} characters"
        )
        found.add(refused(name) | refused(value), f"option {number} has characters or markup that eBay refuses")
    return found


def usable(rows: pd.DataFrame) -> pa.ListArray:
    """The pictures that eBay can fetch; one bad address does not cost a listing the others."""
    return usable_images(rows, PICTURE, limits()["message"]["url"])


def account_problems(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Settings of the connection that would spoil every request."""
    most = limits()["message"]["location"]
    found = []
    given = [name for name in _POLICIES if settings.get(name)]
    if given and len(given) < len(_POLICIES):
        found.append(f"business policies belong together: set all of {', '.join(_POLICIES)} or none")
    for name in ("location", "postal_code", "country", *_POLICIES):
        value = str(settings.get(name) or "")
        if len(value) > most or not value.isprintable():
            found.append(f"the setting {name} is not plain text of at most {most} characters")
    return tuple(found)


def family_problems(names: Sequence[str], combinations: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """Problems of a variation set: `names` of its options, and each child's values in the same order."""
    most = limits()["message"]
    found = []
    if not names:
        found.append("the family has no option that tells its variations apart")
    if len({name.casefold() for name in names}) < len(names):
        found.append("two options of the family have the same name")
    if len(names) > most["variation_names"]:
        found.append(f"the family has over {most['variation_names']} options")
    if not combinations:
        found.append("the family has no variation that can be listed")
    if len(combinations) > limits()["family"]:
        found.append(f"the family has {len(combinations)} variations, eBay takes {limits()['family']}")
    if any(not value for values in combinations for value in values):
        found.append("a variation has no value for an option of the family")
    elif len({tuple([value.casefold() for value in values]) for values in combinations}) < len(combinations):
        found.append("two variations have the same option values")
    for index, name in enumerate(names):
        count = len({values[index] for values in combinations})
        if count > most["variation_values"]:
            found.append(f"option {name} has {count} values, eBay takes {most['variation_values']}")
    return tuple(found)
