"""What operators see of translated labels: how much of each language is done, and what is not and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

#: Of a text in a language. Stored tables have no `stale` ones: it is what a text is after its source changed.
STATES = ("translated", "copied", "stale", "untranslated")
Row = Mapping[str, Any]


def as_of_now(store: str, translated: Sequence[Row], labels: Sequence[Row]) -> list[dict[str, Any]]:
    """Rows of `translated_labels` against the labels as they were imported since: those whose source text changed are stale, new
    ones untranslated, and those that are gone are not there."""
    again = f"pipeline labels translate {store}"
    sources: dict[tuple[str, str], dict[str | None, Row]] = {}
    for label in labels:
        sources.setdefault(_key(label), {})[label["form"]] = label
    digests = {key: {label["digest"] for label in forms.values()} for key, forms in sources.items()}
    there = [row for row in translated if _key(row) in sources]
    # A label is written whole or not at all, as in files.
    changed = {(row["locale"], *_key(row)) for row in there if row["digest"] not in digests[_key(row)]}
    found = []
    for row in there:
        now = dict(row)
        if (row["locale"], *_key(row)) in changed:
            source = sources[_key(row)].get(row["form"])
            now["source"] = source["text"] if source else row["source"]
            if row["state"] != "untranslated":
                now |= {"state": "stale", "problems": [f"its source text changed after this was translated: {again}"]}
        found.append(now)
    known = {(row["locale"], *_key(row)) for row in there}
    new = {"text": None, "state": "untranslated", "engine": "none", "problems": [f"it is new: {again}"]}
    for locale in dict.fromkeys(row["locale"] for row in translated):
        asked = [label for label in labels if (locale, *_key(label)) not in known and label["source_locale"] != locale]
        found += [{**label, "locale": locale, "source": label["text"], **new} for label in asked]
    return found


def _key(row: Row) -> tuple[str, str]:
    return row["resource"], row["key"]


def coverage(rows: Iterable[Mapping[Any, Any]]) -> list[dict[str, Any]]:
    """One row a language and resource: texts, those done, those stale and untranslated, and the share done in percent."""
    counts: dict[tuple[str, str], Counter[str]] = {}
    for row in rows:
        counts.setdefault((row["locale"], row["resource"]), Counter())[row["state"]] += 1
    found = []
    for (locale, resource), states in sorted(counts.items()):
        texts, left = states.total(), {state: states[state] for state in ("stale", "untranslated")}
        done = texts - sum(left.values())
        percent = round(done * 100 / texts, 1)
        found.append({"locale": locale, "resource": resource, "texts": texts, "done": done, **left, "percent": percent})
    return found


def engines(rows: pd.DataFrame) -> Counter[str]:
    """Texts that are done by who did them. Of an untranslated one the engine only says who refused it."""
    return Counter(rows.loc[rows["state"] != "untranslated", "engine"])


def untranslated_sample(rows: pd.DataFrame) -> pd.DataFrame:
    """Texts without a translation, each with the reason."""
    open_rows = rows[rows["state"] == "untranslated"].head(20)
    reasons = [("; ".join(problems) if problems is not None else "") for problems in open_rows["problems"]]
    return open_rows[["locale", "resource", "key", "source"]].assign(reason=reasons)
