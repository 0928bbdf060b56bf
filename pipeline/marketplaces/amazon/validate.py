"""What Amazon would refuse, found on whole columns before messages are built. Sentences name the column in words."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.marketplaces.amazon.options import keyword_bytes, limits, option_attributes, tables
from pipeline.marketplaces.columns import (
    ILLEGAL,
    Mask,
    Problems,
    any_item,
    distinctly,
    lengths,
    longer,
    longer_bytes,
    matches,
    missing,
    pylist,
    refused,
    text,
    texts,
    usable_images,
    web_address,
)
from pipeline.marketplaces.offers import parents, sku_form_problems
from pipeline.model.listing import Site


def content_problems(rows: pd.DataFrame, site: Site, exempt: bool) -> Problems:
    """Problems of everything that is not price, stock or images."""
    most = limits()["message"]
    found = Problems()
    role = rows["role"].fillna("").to_numpy(dtype=str)
    child = role == "child"
    _line(rows, "title", most["title"], found, required=True)
    _line(rows, "brand", most["brand"], found, required=True)
    _line(rows, "category", 100, found, required=True)
    _line(rows, "keywords", None, found)
    _line(rows, "mpn", None, found)
    found.add(matches(text(rows, "category"), r"[^A-Z0-9_]"), "the category is not an Amazon product type such as SHIRT")
    description = text(rows, "description")
    illegal = distinctly(description, lambda texts: refused(texts, ILLEGAL))
    found.add(illegal, "the description has characters or markup that Amazon refuses")
    found.add(longer_bytes(description, most["description_bytes"]), f"the description has over {most['description_bytes']} bytes")
    found.add(longer_bytes(text(rows, "keywords"), keyword_bytes(site)), f"the keywords have over {keyword_bytes(site)} bytes")
    bullets = texts(rows, "bullets")
    found.add(lengths(bullets) > most["bullets"], f"there are over {most['bullets']} bullet points")
    flat = bullets.flatten()
    found.add(any_item(bullets, longer(flat, most["bullet"])), f"a bullet point has over {most['bullet']} characters")
    found.add(any_item(bullets, distinctly(flat, refused)), "a bullet point has characters or markup that Amazon refuses")
    gtin = text(rows, "gtin")
    no_gtin = missing(gtin)
    found.add(~no_gtin & ~matches(gtin, r"^([0-9]{8}|[0-9]{12}|[0-9]{13}|[0-9]{14})$"), "the GTIN is not 8, 12, 13 or 14 digits")
    if not exempt:
        found.add(no_gtin & (role != "parent"), "there is no GTIN and the account has no GTIN exemption")
    conditions = list(tables()["conditions"])
    found.add(~rows["condition"].isin(conditions).to_numpy(dtype=bool), f"the condition is not one of: {', '.join(conditions)}")
    found.add(~np.isin(role, ["single", "parent", "child"]), "the role is not single, parent or child")
    found.add(child & missing(text(rows, "parent_sku")), "a child without a parent SKU")
    found.add(child & longer(text(rows, "parent_sku"), most["sku"]), f"the parent SKU has over {most['sku']} characters")
    _options(rows, child, found)
    found.add((role == "parent") & _no_option(rows), "a family without options has no variation theme")
    return found


def sku_problems(rows: pd.DataFrame) -> Problems:
    return sku_form_problems(rows, limits()["message"]["sku"])


def usable(rows: pd.DataFrame) -> pa.ListArray:
    """The images that Amazon can fetch, at most nine a row; one bad address does not cost a listing the others."""
    most = limits()["message"]
    return usable_images(rows, web_address(), most["url"], most["images"])


def image_problems(rows: pd.DataFrame, images: pa.ListArray) -> Problems:
    found = Problems()
    offers = ~missing(text(rows, "item_id"))  # on an item that has its pictures
    found.add(
        (lengths(images) == 0) & ~parents(rows) & ~offers,
        "there is no image with a web address (http or https) that Amazon can read",
    )
    return found


def _line(rows: pd.DataFrame, column: str, most: int | None, found: Problems, required: bool = False) -> None:
    values = text(rows, column)
    if required:
        found.add(missing(values), f"the {column} is missing")
    if most is not None:
        found.add(longer(values, most), f"the {column} has over {most} characters")
    found.add(refused(values), f"the {column} has characters or markup that Amazon refuses")


def _options(rows: pd.DataFrame, child: Mask, found: Problems) -> None:
    most, caps = limits()["message"]["option_default"], limits()["message"]["option"]
    for number in (1, 2, 3):
        name, value = text(rows, f"option{number}_name"), text(rows, f"option{number}")
        found.add(child & ~missing(name) & missing(value), f"option {number} of the family has no value here")
        found.add(longer(value, most), f"the value of option {number} has over {most} characters")
        found.add(refused(value), f"the value of option {number} has characters or markup that Amazon refuses")
        for attribute, cap in caps.items():
            long = longer(value, cap) & ~parents(rows)
            if long.any():
                fills = np.array([names[number - 1] == attribute for names in _attributes(rows)])
                found.add(long & fills, f"the value of {attribute} has over {cap} characters")


def _attributes(rows: pd.DataFrame) -> list[tuple[str | None, ...]]:
    """The attributes that each row's options fill."""
    return [
        option_attributes(names) for names in zip(*(pylist(rows, f"option{number}_name") for number in (1, 2, 3)), strict=True)
    ]


def _no_option(rows: pd.DataFrame) -> Mask:
    return missing(text(rows, "option1_name")) & missing(text(rows, "option2_name")) & missing(text(rows, "option3_name"))
