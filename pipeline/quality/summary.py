"""What an operator sees of a run: a picture of the scores, the most frequent issues, a sample of the fixes. All are small."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.model.quality import SEVERITIES
from pipeline.platform.tables import Table, to_frame
from pipeline.quality.score import PUBLISHABLE

#: Rows of a summary.
MOST_ROWS = 20
#: A score from here on is well optimized.
WELL_OPTIMIZED = 90
_EXCERPT = 120

_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 520, 220, 56, 24, 40
_COLORS = {"blocked": "#c2410c", "publishable": "#ca8a04", "good": "#15803d"}


def score_histogram_svg(counts: Sequence[int]) -> str:
    """A picture of ten counts (scores 0-9, 10-19 ... 90-100), with the marks for publishable and well optimized."""
    plot_width, plot_height = _WIDTH - _LEFT - 8, _HEIGHT - _TOP - _BOTTOM
    highest, step = max(*counts, 1), plot_width / 10
    bottom = _TOP + plot_height
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" '
        'font-family="sans-serif" font-size="11" role="img">',
        f"<title>Distribution of {sum(counts)} scores</title>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
    ]
    for index, count in enumerate(counts):
        height = round(plot_height * count / highest, 1)
        x, y = round(_LEFT + index * step, 1), round(bottom - height, 1)
        kind = "good" if index * 10 >= WELL_OPTIMIZED else "publishable" if index * 10 >= PUBLISHABLE else "blocked"
        parts.append(f'<rect x="{x + 2}" y="{y}" width="{round(step - 4, 1)}" height="{height}" fill="{_COLORS[kind]}"/>')
        if count:
            parts.append(_text(x + step / 2, y - 4, f"{count:,}", "middle"))
        parts.append(_text(x, bottom + 14, str(index * 10), "middle"))
    parts.append(_text(_LEFT + plot_width, bottom + 14, "100", "middle"))
    for mark in (PUBLISHABLE, WELL_OPTIMIZED):
        x = round(_LEFT + mark / 10 * step, 1)
        parts.append(f'<line x1="{x}" y1="{_TOP - 8}" x2="{x}" y2="{bottom}" stroke="#334155" stroke-dasharray="4 3"/>')
    parts += [
        f'<line x1="{_LEFT}" y1="{bottom}" x2="{_LEFT + plot_width}" y2="{bottom}" stroke="#334155"/>',
        _text(_LEFT - 6, _TOP + 4, f"{highest:,}", "end"),
        _text(_LEFT - 6, bottom, "0", "end"),
        _text(_LEFT + plot_width / 2, _HEIGHT - 8, "score (70: publishable, 90: well optimized)", "middle"),
        "</svg>",
    ]
    return "".join(parts)


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{round(x, 1)}" y="{round(y, 1)}" text-anchor="{anchor}" fill="#334155">{text}</text>'


def top_issues(issues: Table, limit: int = MOST_ROWS) -> pd.DataFrame:
    """The open rules (rule, severity, message, hint, rows, points_lost), most severe and then most frequent first."""
    return _by_rule(issues).head(limit).reset_index(drop=True)


def open_rules(issues: Table, dimension: str) -> pd.DataFrame:
    """The open rules of one dimension, as `top_issues`."""
    return _by_rule(issues, dimension).head(MOST_ROWS).reset_index(drop=True)


def _by_rule(issues: Table, dimension: str | None = None) -> pd.DataFrame:
    table = issues.arrow(["rule", "dimension", "severity", "message", "hint", "points_lost"])
    if dimension is not None:
        table = table.filter(pc.equal(table["dimension"], dimension))
    keys = ["rule", "severity", "message", "hint"]
    grouped = table.group_by(keys).aggregate([("points_lost", "sum"), ("rule", "count")])
    frame = to_frame(grouped.rename_columns([*keys, "points_lost", "rows"]))
    frame["points_lost"] = frame["points_lost"].round(1)
    frame["order"] = frame["severity"].map({severity: rank for rank, severity in enumerate(SEVERITIES)})
    ordered = frame.sort_values(["order", "rows", "rule"], ascending=[True, False, True])
    return ordered[[*keys, "rows", "points_lost"]]


def fix_sample(fixes: Table, limit: int = MOST_ROWS) -> pd.DataFrame:
    """Examples of the change log (fix, product_id, field, before, after), as many kinds of fix as possible."""
    names = fixes.arrow(["fix"])["fix"].to_pandas()
    order = names.groupby(names).cumcount()
    rows = order.sort_values(kind="stable").index[:limit].sort_values()
    columns = ["fix", "product_id", "field", "before", "after"]
    sample = fixes.arrow(columns).take(pa.array(rows.to_numpy()))
    for name in ("before", "after"):
        index = sample.schema.get_field_index(name)
        sample = sample.set_column(index, name, pc.utf8_slice_codeunits(sample[name], 0, _EXCERPT))
    frame: pd.DataFrame = to_frame(sample).sort_values("fix", kind="stable").reset_index(drop=True)
    return frame
