"""Problems of SKU, price and stock that every marketplace refuses alike."""

from __future__ import annotations

import pandas as pd

from pipeline.marketplaces.columns import ILLEGAL_LINE, Mask, Problems, longer, matches, missing, numbers, text
from pipeline.model.listing import Site


def sku_form_problems(rows: pd.DataFrame, most: int) -> Problems:
    """SKUs that are missing, over `most` characters, or that a feed would not give back as they are."""
    found = Problems()
    sku = text(rows, "sku")
    found.add(missing(sku), "the SKU is missing")
    found.add(longer(sku, most), f"the SKU has over {most} characters")
    found.add(matches(sku, ILLEGAL_LINE) | matches(sku, r"^\s|\s$"), "the SKU has spaces at its ends or control characters")
    return found


def price_problems(rows: pd.DataFrame, site: Site) -> Problems:
    """Prices that are missing or not above zero, sales that are none, and another currency than the site's; parents have none."""
    found = Problems()
    price, unknown = numbers(rows, "price")
    sold = ~parents(rows)
    found.add(sold & unknown, "the price is missing")
    found.add(sold & ~unknown & (price <= 0), "the price is not above zero")
    sale, no_sale = numbers(rows, "sale_price")
    found.add(sold & ~no_sale & ((sale <= 0) | (sale >= price)), "the sale price is not above zero and below the price")
    dated = (rows["sale_start"] < rows["sale_end"]).fillna(False).to_numpy(dtype=bool)
    found.add(sold & ~no_sale & ~dated, "the sale does not end after it starts")
    same = (rows["currency"] == site.currency).fillna(False).to_numpy(dtype=bool)
    found.add(sold & ~same, f"the currency is not {site.currency}, the currency of {site.key}")
    return found


def quantity_problems(rows: pd.DataFrame, most: int) -> Problems:
    """Quantities that are missing, below zero or above `most`; parents have none."""
    found = Problems()
    quantity, unknown = numbers(rows, "quantity")
    sold = ~parents(rows)
    found.add(sold & unknown, "the quantity is missing")
    found.add(sold & ~unknown & ((quantity < 0) | (quantity > most)), f"the quantity is not between 0 and {most}")
    return found


def parents(rows: pd.DataFrame) -> Mask:
    """Rows that stand for a family and are not sold themselves."""
    parent: Mask = (rows["role"] == "parent").fillna(False).to_numpy(dtype=bool)
    return parent
