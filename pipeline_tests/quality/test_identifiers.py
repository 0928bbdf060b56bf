import re

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import ean

from pipeline.quality import gtin
from pipeline.quality.facts import paddable_lengths
from pipeline.quality.masks.identifiers import LEGAL_SKU
from pipeline.quality.skus import MAX_SKU, assign_skus, legal_sku, new_sku


def _assigned(rows, store="demo"):
    facts = assign_skus(pa.array([row[0] for row in rows]), pa.array([row[1] for row in rows], pa.string()), store)
    return facts.assigned.to_pylist()


def _final(rows):
    return [new or row[1] for new, row in zip(_assigned(rows), rows, strict=True)]


def test_a_missing_sku_is_the_numeric_id_in_base_36():
    assert new_sku("44512345678901", "demo") == "SFS0OTCBW5"
    assert _assigned([("44512345678901", None), ("2", " "), ("3", "KEEP")]) == ["SFS0OTCBW5", "S2", None]


def test_an_id_that_is_no_number_gives_a_hash_of_store_and_id():
    first, other_store = new_sku("shirt/M", "demo"), new_sku("shirt/M", "other")
    assert re.fullmatch(r"S[A-Z2-7]{12}", first) and first != other_store


def test_a_merchants_sku_wins_over_a_generated_one():
    assert _assigned([("2", None), ("9", "s2")]) == ["S2-2", None]


def test_the_oldest_variant_keeps_a_shared_sku_and_the_others_do_not_depend_on_each_other():
    rows = [("30", "AB-1"), ("10", "ab-1"), ("20", "AB-1")]
    new = _assigned(rows)
    assert new[1] is None
    assert new[0].startswith("AB-1-") and new[2].startswith("AB-1-") and new[0] != new[2]
    assert _assigned(rows[:2])[0] == new[0]


def test_illegal_skus_are_spelled_in_legal_characters():
    assert legal_sku("AB 12/ü") == "AB 12/u"
    assert legal_sku('x"<&>') == "x----"
    assert legal_sku("'30235") == "30235"
    assert legal_sku("日本") != legal_sku("日木")
    assert len(legal_sku("A" * 60)) == MAX_SKU and legal_sku("A" * 60) != legal_sku("A" * 61)


@given(
    st.lists(
        st.tuples(
            st.one_of(st.integers(1, 10**14).map(str), st.text(alphabet="abc/é", min_size=1, max_size=6)),
            st.one_of(st.none(), st.text(max_size=50), st.sampled_from(["A", "a", "S1", "S2", "s1-2", " A"])),
        ),
        max_size=12,
        unique_by=lambda row: row[0],
    )
)
def test_every_variant_ends_with_a_legal_unique_sku(rows):
    final = _final(rows)
    assert len({sku.lower() for sku in final}) == len(final)
    assert all(re.match(LEGAL_SKU, sku) and len(sku) <= MAX_SKU for sku in final)
    kept = [row[1] for row, new in zip(rows, _assigned(rows), strict=True) if new is None]
    assert all(sku in final for sku in kept)
    assert _assigned([(row[0], sku) for row, sku in zip(rows, final, strict=True)]) == [None] * len(rows)


@given(st.lists(st.from_regex(r"\A[0-9]{7,15}\Z"), min_size=1, max_size=20))
def test_check_digits_agree_with_the_standard_library_of_numbers(values):
    expected = [len(value) in (8, 12, 13, 14) and ean.is_valid(value) and value.strip("0") != "" for value in values]
    assert gtin.valid(pa.array(values)).tolist() == expected


def test_a_upc_and_its_ean_have_one_key():
    assert gtin.keys(pa.array(["036000291452", "0036000291452", "36000291452", None])).to_pylist() == [
        "00036000291452", "00036000291452", None, None,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("barcodes", "lengths"),
    [
        (["36000291452", "12345678905", "42100005264"], {11}),
        (["36000291452"] * 6, set()),
        (["36000291452", "36000291453", "36000291454", "36000291455"], set()),
    ],
)
def test_zeros_are_given_back_only_where_the_store_proves_it(barcodes, lengths):
    assert paddable_lengths(pa.array(barcodes)) == lengths
    padded = gtin.padded(pa.array([*barcodes, "123", None]), lengths).to_pylist()
    assert padded[0] == ("036000291452" if lengths else "36000291452")
    assert padded[-2:] == ["123", None]
