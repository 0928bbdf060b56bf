"""What commands print: tables and facts for people, JSON for machines. The only place that knows how either looks."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

#: What could move a terminal's cursor or colors, or cannot be encoded. Names and messages come from outside.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_PIPE_WIDTH = 200  # a file or pipe has no width; 80 would cut


def clean(text: str) -> str:
    """`text` without anything that a terminal would obey."""
    return _UNPRINTABLE.sub("�", text)


def show_json(value: Any) -> None:
    """`value` as one JSON document on stdout: dataclasses and settings as objects, times in ISO 8601."""
    print(json.dumps(plain(value), indent=2), flush=True)


def show_line(value: Any) -> None:
    """`value` as one line of JSON, for streams of them."""
    print(json.dumps(plain(value)), flush=True)


def show_error(sentence: str, *, as_json: bool) -> None:
    """One sentence on stderr, and as `{"error": ...}` on stdout for machines."""
    print(f"error: {clean(' '.join(sentence.split()))}", file=sys.stderr)
    if as_json:
        show_json({"error": sentence})


def show_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, empty: str) -> None:
    """A table, or the sentence `empty` when it has no rows."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(cell(value)) for value in row))
    if table.row_count:
        Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH).print(table)
    else:
        say(empty)


def show_facts(facts: Mapping[str, Any]) -> None:
    """Names and values, one a line, aligned."""
    width = max(map(len, facts), default=0)
    for name, value in facts.items():
        print(f"{name.ljust(width)}  {cell(value)}".rstrip())


def say(sentence: str) -> None:
    """One line on stdout."""
    print(clean(sentence))


def counted(number: int, what: str) -> str:
    """ "1 row", "2 rows"."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def cell(value: Any) -> str:
    """A value as people read it: nothing for None, yes and no, local-looking UTC times, settings as JSON."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, (Mapping, list, tuple)):
        return clean(json.dumps(plain(value), ensure_ascii=False))
    return clean(str(value))


def cell_text(value: str | None) -> str:
    """A text in a CSV file that no spreadsheet takes for a formula."""
    text = value or ""
    return f"'{text}" if text.lstrip(" ")[:1] in ("=", "+", "-", "@", "\t", "\r", "\n") and text.strip() else text


def short(value: Any, width: int) -> str:
    """A value in one line, cut between words if it is longer than `width`; the whole of it is in --json."""
    text = " ".join(cell(value).split())
    if len(text) > width and " " not in text[: width - 1]:  # one long word
        return f"{text[: width - 1]}…"
    return textwrap.shorten(text, width, placeholder=" …")


def duration(seconds: float | None) -> str:
    """12.3 s, 4 min 05 s, 2 h 03 min."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def plain(value: Any) -> Any:
    """`value` made of what JSON has."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    dump = getattr(value, "model_dump", None)
    return dump(mode="json") if dump is not None else str(value)
