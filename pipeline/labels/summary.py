"""What operators see of translated labels: how much of each language is done, and what is not and why."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pandas as pd


def coverage(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """One row a language and resource: texts, those done, those untranslated, and the share done in percent."""
    every = Counter(zip(rows["locale"], rows["resource"], strict=True))
    left = rows[rows["state"] == "untranslated"]
    missing = Counter(zip(left["locale"], left["resource"], strict=True))
    return [
        {
            "locale": locale,
            "resource": resource,
            "texts": texts,
            "done": texts - missing[locale, resource],
            "untranslated": missing[locale, resource],
            "percent": round((texts - missing[locale, resource]) * 100 / texts, 1),
        }
        for (locale, resource), texts in sorted(every.items())
    ]


def untranslated_sample(rows: pd.DataFrame) -> pd.DataFrame:
    """Texts without a translation, each with the reason."""
    open_rows = rows[rows["state"] == "untranslated"].head(20)
    reasons = [("; ".join(problems) if problems is not None else "") for problems in open_rows["problems"]]
    return open_rows[["locale", "resource", "key", "source"]].assign(reason=reasons)
