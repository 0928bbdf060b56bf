import pandas as pd
import pyarrow as pa
import pytest

from pipeline.quality.context import Context
from pipeline.quality.masks import CHECKS, Degree

CONTEXT = Context("demo", "en", "USD", duplicate_gtins=frozenset({"04006381333931"}))
_TEXTS = pd.ArrowDtype(pa.list_(pa.string()))


def _frame(value, **columns):
    data = {"product_id": pd.array(["1"], dtype="string[pyarrow]"), "f": _column(value)}
    return pd.DataFrame(data | {name: _column(other) for name, other in columns.items()})


def _column(value):
    if isinstance(value, list):
        return pd.Series([value], dtype=_TEXTS)
    if isinstance(value, bool):
        return pd.Series([value], dtype="boolean")
    kind = {int: "Int64", float: "Float64"}.get(type(value), "string[pyarrow]")
    return pd.Series([value], dtype=kind)


def _result(check, value, columns=None, **params):
    found = CHECKS[check](_frame(value, **(columns or {})), "f", CONTEXT, **params)
    return (found.numerator.tolist()[0], found.denominator) if isinstance(found, Degree) else found.tolist()[0]


# (check, parameters, values that pass, values that fail); null passes a prohibition and fails a demand.
_CASES = [
    ("present", {}, ["x", ["a"], 0], [None, "", " \u00a0\u200b", []]),
    ("absent", {}, [None, " "], ["x"]),
    ("positive", {}, [1, None], [0, -1]),
    ("between", {"min": 0, "max": 5}, [0, 5, None], [-1, 6]),
    ("between", {"max": 5}, [-9], [6]),
    ("one_of", {"values": ["new", "used"]}, ["new", None], ["old", ""]),
    ("matches", {"pattern": "[a-z]+"}, ["abc", None], ["abc1", ""]),
    ("not_matches", {"pattern": "x+"}, ["abc", "X", None], ["axb"]),
    ("not_matches", {"pattern": "x+", "ignore_case": True}, ["abc"], ["aXb"]),
    ("not_flagged", {}, [False], [True]),
    ("max_length", {"max": 3}, ["üüü", None, ["abc"]], ["abcd", ["a", "abcd"]]),
    ("max_length", {"max": 3, "unit": "bytes"}, ["üa"], ["üü"]),
    ("not_all_caps", {}, ["Blue Shirt for Men", "USB LED HDMI TV", "NEW SHOE", None], ["BLUE SHIRT FOR WOMEN", ["ok",
    "BLUE SHIRT FOR WOMEN"]]),
    ("no_repeats", {}, ["bag for a bag", "1 1 1 1", None], ["bag Bag big bag"]),
    ("no_phrases", {"words": "promo"}, ["Wholesale Guide", None], ["Mug - FREE  SHIPPING!"]),
    ("not_placeholder", {}, ["Nokia", "10", None], ["N/A", "-", "7", "unknown"]),
    ("no_emoji", {}, ["Größe 5 ™ ® °", None], ["Lamp 🔥", "★ Star"]),
    ("no_html", {}, ["a < b & c", "Q&A", None], ["<b>x", "a &amp; b"]),
    ("no_contact", {}, ["Model 0815-4711", None], ["www.x.de", "a@b.com", "call 030 1234567"]),
    ("no_mojibake", {}, ["Süße Âme", None], ["SÃ¼ÃŸ", "a\ufffd", "Menâ€™s"]),
    ("no_control", {}, ["a\nb", None], ["a\x07", "a\u200b"]),
    ("no_characters", {"characters": "!", "loose": "#"}, ["#5 ok", None], ["no!", "# x"]),
    ("html_tags", {"allowed": ["p", "b"]}, ["<p>a<b>c</b></p>", "a < b", None], ["<p class=x>", "<i>x</i>", "<!-- x -->"]),
    ("structured", {"min": 5}, ["abc", "abc\ndef"], ["abcdef", None]),
    ("short_sentences", {"words": 3}, ["one two three. four five", None], ["one two three four five"]),
    ("count_at_most", {"max": 2}, [["a"], []], [["a", "b", "c"]]),
    ("item_max_length", {"max": 2}, [["aa"], []], [["aa", "bbb"]]),
    ("no_duplicate_items", {}, [["a", "b"], []], [["a", " A"]]),
    ("https_urls", {}, [["https://cdn.example.com/a.jpg?v=1"], []], [["http://a.example/x"], ["https://1.2.3.4/x"],
    ["https://u@a.example/"], ["https://a.example:8/"]]),
    ("any_fetchable", {"max": 40, "secure": True, "without": ";"}, [["http://a.example/x", "https://a.example/x"], []],
    [["http://a.example/x"], ["https://a.example/a;b"], ["https://a.example/" + "x" * 40], ["https://u@a.example/"], [""]]),
    ("any_fetchable", {"max": 40}, [["http://a.example/x"]], [["ftp://a.example/x"]]),
    ("sendable", {}, ["a < b & c", None, ["a", "b"]], ["a\x07", "a\nb", "<script>", "< IFRAME", ["a", "<form>"]]),
    ("sendable", {"lines": True}, ["a\n\tb"], ["a\x07", "<script>"]),
    ("sendable", {"lines": True, "html": True}, ["<p>on = x</p>"], ["<p onclick=x>", "<a href='javascript:x'>"]),
    ("image_types", {"types": ["jpg"]}, [["https://a.example/x.JPG?v=1"], ["https://a.example/x"], []],
    [["https://a.example/x.svg"]]),
    ("sku_legal", {"max": 5}, ["A-1 b", None], ["A  1", " A", "Ä", "A&B", "ABCDEF", ""]),
    ("not_scientific", {}, ["1E5X", None], ["4.00638E+12"]),
    ("gtin_valid", {}, ["4006381333931", "036000291452", None], ["4006381333932", "123", "00000000"]),
    ("gtin_check_digit", {}, ["4006381333931", "30235", "ABC", None], ["4006381333932", "00000000"]),
    ("gtin_exact", {}, ["4006381333931", "4006381333932", None], ["4.00638E+12", "4006380000000"]),
    ("gtin_unrestricted", {}, ["4006381333931", "bad", None], ["2012345000001", "0212345000007"]),
    ("gtin_unique", {}, ["036000291452", None], ["4006381333931"]),
]  # fmt: skip


@pytest.mark.parametrize(("check", "params", "good", "bad"), _CASES)
def test_a_check_passes_and_fails_where_it_should(check, params, good, bad):
    assert [value for value in good if not _result(check, value, **params)] == []
    assert [value for value in bad if _result(check, value, **params)] == []


def test_checks_of_two_columns():
    assert _result("present", None, {"g": "x"}, any_of=["g"])
    assert not _result("present", None, {"g": None}, any_of=["g"])
    assert [_result("not_below", 5, {"g": other}, other="g") for other in (5, 6, None)] == [True, False, True]
    assert [_result("ratio_at_most", 50, {"g": other}, other="g", max=10) for other in (5, 4)] == [True, False]
    assert [_result("differs_from", "Mug", {"g": other}, other="g") for other in ("Cup", " mug ", None)] == [True, False, True]
    assert [_result("filled_with", value, {"g": other}, other="g") for value, other in (("M", "Size"), (None, "Size"),
    (None, None))] == [
        True, False, True,
    ]  # fmt: skip
    assert _result("no_characters", "Yahoo! Mug", {"g": "Yahoo!"}, characters="!", unless_in=["g"])


def test_graded_checks_are_exact():
    assert _result("share_present", "x", {"g": None}, fields=["f", "g"]) == (1, 2)
    assert _result("attributes_present", '{"a": "1", "b": ""}', keys=["a", "b", "c"]) == (1, 3)
    assert _result("attributes_present", None, keys=["a"]) == (0, 1)
    assert _result("attributes_present", "[1]", keys=["a"]) == (0, 1)
    assert [_result("length_target", text, min=10, max=20) for text in (None, "abc", "a" * 10, "a" * 21)] == [
        (0, 10), (3, 10), (10, 10), (5, 10),
    ]  # fmt: skip
    assert [_result("words_target", text, min=5) for text in (None, " ", "one two", "a b\nc d e f")] == [
        (0, 10), (0, 10), (4, 10), (10, 10),
    ]  # fmt: skip
    assert [_result("count_target", items, target=4) for items in ([], ["a"], ["a"] * 9)] == [(0, 4), (1, 4), (4, 4)]


def test_checks_within_a_product():
    frame = pd.DataFrame({
        "product_id": pd.array(["1", "1", "1", "2"], dtype="string[pyarrow]"),
        "a": pd.array(["M", "m", None, "M"], dtype="string[pyarrow]"),
        "n": pd.array([100, 100, 5000, 1], dtype="Int64"),
    })  # fmt: skip
    assert CHECKS["unique_in_product"](frame, "a", CONTEXT, fields=["a"]).tolist() == [False, False, True, True]
    assert CHECKS["near_siblings"](frame, "n", CONTEXT, factor=20).tolist() == [True, True, False, True]


def test_names_of_options_are_compared_without_case():
    frame = pd.DataFrame({name: pd.array(values, dtype="string[pyarrow]") for name, values in {
        "product_id": ["1", "2", "3"], "a": ["Weiß", None, "x"], "b": ["WEISS", None, "y"],
    }.items()})  # fmt: skip
    assert CHECKS["distinct_fields"](frame, "a", CONTEXT, fields=["a", "b"]).tolist() == [False, True, True]


def test_different_values_are_counted_by_product():
    frame = pd.DataFrame({name: pd.array(values, dtype="string[pyarrow]") for name, values in {
        "product_id": ["1", "1", "2", "2", "2"], "a": ["x", "y", "x", "x", None],
    }.items()})  # fmt: skip
    assert CHECKS["distinct_at_most"](frame, "a", CONTEXT, max=1).tolist() == [False, False, True, True, True]


def test_every_check_has_a_test():
    tested = {case[0] for case in _CASES} | {
        "share_present", "attributes_present", "not_below", "ratio_at_most", "differs_from", "filled_with", "unique_in_product",
        "near_siblings", "distinct_fields", "distinct_at_most", "length_target", "words_target", "count_target",
    }  # fmt: skip
    assert set(CHECKS) == tested
