"""What two texts have in common is counted, and costs no more for a text of a thousand equal parts."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.language.reading.negations import Spans
from pipeline.language.reading.pairing import first_shared

KEYS = st.lists(st.frozensets(st.integers(0, 5), max_size=3), max_size=12)


@given(KEYS, KEYS)
def test_each_takes_the_first_that_shares_a_key(wanted: list[frozenset[int]], offered: list[frozenset[int]]) -> None:
    left, expected = list(range(len(offered))), []
    for keys in wanted:
        place = next((place for place in left if offered[place] & keys), None)
        expected.append(place)
        if place is not None:
            left.remove(place)
    assert list(first_shared(wanted, offered)) == expected


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 10)), max_size=8), st.integers(0, 30), st.integers(0, 10))
def test_spans_meet_as_if_each_were_asked(found: list[tuple[int, int]], start: int, length: int) -> None:
    spans = [(begin, begin + size) for begin, size in found]
    assert Spans.of(spans).meet(start, start + length) == any(one < start + length and start < other for one, other in spans)


class Counting:
    """A key that counts how often it is looked up."""

    looked_up = 0

    def __hash__(self) -> int:
        type(self).looked_up += 1
        return 1


@pytest.mark.parametrize("size", [100, 1_000])
def test_equal_keys_are_looked_up_once_for_each(size: int) -> None:
    key, Counting.looked_up = Counting(), 0
    same: Sequence[Sequence[Hashable]] = [[key]] * size
    assert list(first_shared(same, same)) == list(range(size))
    assert Counting.looked_up <= 4 * size
