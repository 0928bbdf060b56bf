"""Generic listing rows in eBay's shape: brand, description, GTIN, option names. Rules and their fixes run afterwards."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

import pandas as pd
import pyarrow.compute as pc

from pipeline.marketplaces.columns import missing, text
from pipeline.marketplaces.options import label
from pipeline.marketplaces.shaping import gtins_only, settle_options
from pipeline.model.listing import Site


def project(rows: pd.DataFrame, site: Site, settings: Mapping[str, Any]) -> pd.DataFrame:
    """Rows with a brand ("Unbranded" in the site's words), a description (the title where there is none), GTIN-14 that only
    pad a GTIN-13 shortened, and option names in the site's language ("COLOUR" -> "Color")."""
    done = rows.copy()
    done["brand"] = rows["brand"].mask(missing(text(rows, "brand")), str(site.extra["unbranded"]))
    done["gtin"] = gtins_only(rows["gtin"])
    # in Arrow: pandas replaces by pattern in Python, a row at a time
    shortened = pc.replace_substring_regex(text(done, "gtin"), r"^0(\d{13})$", r"\1")
    done["gtin"] = pd.Series(shortened, index=rows.index, dtype=rows["gtin"].dtype)
    bare = missing(text(rows, "description_html"))
    if bare.any():
        plain = rows.loc[bare, "description"]
        said = plain.mask(missing(text(rows[bare], "description")), rows.loc[bare, "title"])
        done.loc[bare, "description_html"] = [None if value is pd.NA else f"<p>{html.escape(value)}</p>" for value in said]
        done.loc[bare, "description"] = said
    settle_options(done)
    for column in ("option1_name", "option2_name", "option3_name"):
        names = {name: label(name, site.language) for name in done[column].dropna().unique()}
        changed = {old: new for old, new in names.items() if old != new}
        if changed:
            done[column] = done[column].replace(changed)
    return done
