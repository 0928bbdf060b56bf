"""Settings as typed: dotted names, YAML values, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.model.errors import UsageError
from pipeline.stores.assignments import Assignment, apply, parse_assignments


def value_of(text: str) -> Any:
    return parse_assignments([text])[0].value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a=1", "1"),
        ("a=.99", ".99"),
        ("a=0123", "0123"),
        ("a=no", "no"),
        ("a=2026-01-02", "2026-01-02"),
        ("a=x=y", "x=y"),
        ("a= spaced out ", "spaced out"),
        ("a=", None),
        ("a=null", None),
        ("a=~", None),
        ("a='null'", "null"),
        ("a=[1, b, 'c d']", ["1", "b", "c d"]),
        ('a={"b": ["c"]}', {"b": ["c"]}),
        ("a=1:30", "1:30"),
        ("a=ünïcode ☕", "ünïcode ☕"),
    ],
)
def test_a_value_keeps_its_text(text: str, value: Any) -> None:
    assert value_of(text) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a", "name=value"),
        ("=1", "name=value"),
        ("a b=1", "name=value"),
        ("../x=1", "name=value"),
        ("a..b=1", "name=value"),
        ("__class__.\x00=1", "name=value"),
        ("a" * 300 + "=1", "name=value"),
        ("a=[1, 2", "not valid YAML"),
        ("a=[&x [1], *x]", "not valid YAML"),
        ("a=!!python/object:os.system x", "not valid YAML"),
        ("a=!!binary gIGC", "only texts"),
        ("a=!!set {b}", "only texts"),
        ("a={1: {2: !!timestamp 2026-01-01}}", "only texts"),
        ('a="\\0"', "only texts"),
        ('a={"k\\0": v}', "only texts"),
        ("a=x\x00y", "control characters"),
        ("a=\x1b[31m", "control characters"),
        ("a=\udcff", "broken text"),
        ("a=" + "[" * 5000, "not valid YAML"),
        ("a=" + "x" * 100_001, "too long"),
    ],
)
def test_a_hostile_value_is_refused_without_being_shown(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as error:
        parse_assignments([text])
    assert len(str(error.value)) < 200
    assert str(error.value).isprintable()


def test_a_secret_in_the_wrong_place_is_not_repeated() -> None:
    for text in ("refresh_token Atzr|SECRET", "Atzr|SECRET", "a=[SECRET"):
        with pytest.raises(UsageError) as error:
            parse_assignments([text])
        assert "SECRET" not in str(error.value)


def test_assignments_are_laid_over_a_copy() -> None:
    stored = {"a": {"b": 1, "c": 2}, "d": 3}
    changes = [Assignment(("a", "b"), "9"), Assignment(("d",), None), Assignment(("e", "f"), "x"), Assignment(("e", "f"), "y")]
    assert apply(stored, changes) == {"a": {"b": "9", "c": 2}, "e": {"f": "y"}}
    assert stored == {"a": {"b": 1, "c": 2}, "d": 3}


@given(st.text(max_size=200))
def test_any_text_gives_plain_data_or_one_sentence(text: str) -> None:
    try:
        value = value_of(f"name={text}")
    except UsageError as error:
        assert str(error).isprintable()
    else:
        json.dumps(value).encode()
        json.dumps(value, ensure_ascii=False).encode()
