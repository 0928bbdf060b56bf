"""Output: safe for terminals, complete for machines."""

from __future__ import annotations

import json
from datetime import date, datetime, timezone
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.cli.output import cell, clean, duration, plain, short, show_facts, show_json, show_table
from pipeline.stores.export_settings import ExportSettings


def test_json_holds_what_commands_show() -> None:
    when = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
    value = {
        "time": when, "day": date(2026, 1, 2), "id": UUID(int=1), "path": Path("/x"), "money": Decimal("0.10"),
        "settings": ExportSettings(price_floor=Decimal("1.50")), "set": ("a", 1, None, True), "text": "\udcff☕",
    }  # fmt: skip
    found = json.loads(json.dumps(plain(value)))
    assert found["time"] == "2026-01-02T03:04:05+00:00"
    assert (found["day"], found["id"][-1], found["path"], found["money"]) == ("2026-01-02", "1", "/x", "0.10")
    assert found["settings"]["price_floor"] == "1.50"
    assert found["set"] == ["a", 1, None, True]


@given(st.text())
def test_nothing_that_a_terminal_would_obey_is_printed(text: str) -> None:
    shown = clean(text)
    assert len(shown) == len(text)
    shown.encode()
    assert not any(ord(character) < 32 and character not in "\t\n" for character in shown)


def test_sentences_are_cut_between_words() -> None:
    assert short("give new credentials to the connection", 20) == "give new …"
    assert short("give\nnew credentials", 20) == "give new credentials"
    assert (short("x" * 30, 20), short(None, 20)) == ("x" * 19 + "…", "")


def test_tables_show_markup_and_escapes_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(("name", "value"), [("[bold]x[/bold]", "\x1b[31mred"), (None, True), ("l", ["a", 1])], empty="nothing")
    out = capsys.readouterr().out
    assert "[bold]x[/bold]" in out and "\x1b" not in out and "yes" in out and '["a", 1]' in out
    show_table(("name",), [], empty="nothing here")
    assert capsys.readouterr().out == "nothing here\n"


def test_long_values_are_not_cut_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(("a", "b"), [("x" * 90, "y" * 60)], empty="")
    out = capsys.readouterr().out
    assert "x" * 90 in out and "y" * 60 in out


def test_json_survives_a_terminal_that_knows_only_ascii(capsys: pytest.CaptureFixture[str]) -> None:
    show_json({"name": "☕ \udcff"})
    out = capsys.readouterr().out
    assert out.isascii() and json.loads(out) == {"name": "☕ \udcff"}


def test_facts_are_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    show_facts({"a": None, "long": 1})
    assert capsys.readouterr().out == "a\nlong  1\n"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (0, "0.0 s"),
        (12.34, "12.3 s"),
        (59.99, "60.0 s"),
        (65, "1 min 05 s"),
        (3599.9, "1 h 00 min"),
        (7380, "2 h 03 min"),
    ],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_cells() -> None:
    assert [cell(value) for value in (None, True, False, 0, Decimal("1.50"), {"a": Decimal(1)})] == [
        "", "yes", "no", "0", "1.50", '{"a": "1"}',
    ]  # fmt: skip
