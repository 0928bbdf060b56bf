"""JSON written by columns is what a JSON library writes."""

from __future__ import annotations

import json
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.marketplaces.amazon.json_columns import amounts, distinctly, glued, listed, present, quoted, where
from pipeline.model.money import exponent

ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(
    ['"', "\\", '\\"', "\x00", "\x1f\x7f", "\u2028", "😀"]
)


@given(st.lists(ANY_TEXT | st.none()))
def test_texts_read_back_as_they_were(texts):
    found = quoted(pa.array(texts, pa.string())).to_pylist()
    assert [None if one is None else json.loads(one) for one in found] == texts


@given(st.lists(ANY_TEXT | st.none()), st.integers(0, 3))
def test_a_slice_and_distinct_values_make_no_difference(texts, start):
    column = pa.array(texts, pa.string()).slice(start)
    assert quoted(column).equals(quoted(pa.array(column.to_pylist(), pa.string())))
    assert distinctly(column, quoted).to_pylist() == quoted(column).to_pylist()


@given(st.lists(st.integers(0, 10**15) | st.none()), st.sampled_from(["USD", "JPY", "KWD"]))
def test_amounts_are_exact(minor, currency):
    found = amounts(pa.array(minor, pa.int64()), currency).to_pylist()
    exact = [None if one is None else Decimal(one).scaleb(-exponent(currency)) for one in minor]
    assert [None if one is None else json.loads(one, parse_float=Decimal, parse_int=Decimal) for one in found] == exact


def test_null_is_left_out_of_lists_and_spreads_elsewhere():
    some = pa.array(["1", None])
    assert glued("[", some, "]").to_pylist() == ["[1]", None]
    assert listed([some, pa.array(["2", "3"]), pa.array([None, "4"])]).to_pylist() == ["1,2", "3,4"]
    assert present(pa.array(["", None, "a"])).to_pylist() == [None, None, "a"]
    assert where([True, False], pa.array(["a", "b"])).to_pylist() == ["a", None]


@pytest.mark.parametrize("empty", [quoted, present, lambda column: distinctly(column, quoted)])
def test_no_rows(empty):
    assert len(empty(pa.array([], pa.string()))) == 0
