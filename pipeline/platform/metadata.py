"""What operators see of a materialization: counts, pictures and small tables as Dagster metadata. Everything is bounded."""

from __future__ import annotations

import base64
import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
import pandas as pd

#: Metadata is stored for ever in the event log: a sample, never a table.
MAX_ROWS = 20
MAX_TEXT = 200


def picture(svg: str, alt: str) -> dg.MarkdownMetadataValue:
    """An SVG as a picture that the UI shows inline."""
    data = base64.b64encode(svg.encode()).decode()
    return dg.MetadataValue.md(f"![{alt}](data:image/svg+xml;base64,{data})")


def table(
    rows: pd.DataFrame | Sequence[Mapping[str, Any]], most_text: int = MAX_TEXT
) -> dg.TableMetadataValue | dg.TextMetadataValue:
    """The first rows of a small frame, long cells cut between words; the word "none" instead of an empty table."""
    records = rows.head(MAX_ROWS).to_dict("records") if isinstance(rows, pd.DataFrame) else list(rows)[:MAX_ROWS]
    if not records:
        return dg.MetadataValue.text("none")
    cells = [{str(key): _cell(value, most_text) for key, value in row.items()} for row in records]
    return dg.MetadataValue.table([dg.TableRecord(row) for row in cells])


def counts(
    values: Mapping[str, int], name: str = "what", most_text: int = MAX_TEXT
) -> dg.TableMetadataValue | dg.TextMetadataValue:
    """A mapping of counts as a table, largest first."""
    ordered = sorted(values.items(), key=lambda item: (-item[1], item[0]))
    return table([{name: key, "count": value} for key, value in ordered], most_text)


def _cell(value: Any, most_text: int) -> str | int | float | bool:
    if isinstance(value, float) and not math.isfinite(value):
        return ""  # NaN is no JSON: the UI could not read the table
    if isinstance(value, (bool, int, float)):
        return value
    text = "" if value is None or value is pd.NA else str(value)
    if len(text) <= most_text:
        return text
    return textwrap.shorten(text, most_text, placeholder=" …") if " " in text[: most_text - 1] else text[: most_text - 1] + "…"
