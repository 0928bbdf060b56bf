from datetime import datetime, timedelta, timezone

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.model.errors import PipelineError
from pipeline.model.quality import FixStep, Rule, RuleSet
from pipeline.quality import fixes, masks
from pipeline.quality.changes import undo
from pipeline.quality.context import Context
from pipeline.quality.engine import Engine, evaluate
from pipeline.quality.ruleset import load_ruleset
from pipeline.quality.stage import CATALOG_RULES
from pipeline_tests.quality.frames import products, variants

CATALOG = load_ruleset(CATALOG_RULES)
CONTEXT = Context("demo", "en-US", "USD")
ENGINE = Engine(CATALOG, CONTEXT)


def _rule(code, level, field, check, severity="error", dimension="compliance", weight=1, **more):
    return Rule(code, level, field, dimension, severity, weight, check, "No.", "Do.", **more)


def _set(*rules, steps=()):
    return RuleSet("test", "1", tuple(steps), tuple(rules))


def _codes(evaluation):
    return list(evaluation.issues["rule"])


def test_a_good_product_is_unchanged_and_has_no_issue():
    result = ENGINE.evaluate(products({}), variants({}))
    pd.testing.assert_frame_equal(result.products.drop(columns="description"), products({}))
    pd.testing.assert_frame_equal(result.variants, variants({}))
    assert (len(result.fixes), _codes(result), result.failures) == (0, [], ())
    assert result.scores["score"].tolist() == [100.0]
    assert result.scores["worst"].isna().all()


def test_times_keep_their_zone_beside_pandera():
    in_tokyo = datetime(2026, 3, 3, 9, tzinfo=timezone(timedelta(hours=9)))
    assert pa.array([in_tokyo], pa.timestamp("us", "UTC")).to_pylist() == [in_tokyo]


def test_product_rules_count_in_every_row_but_are_one_issue():
    result = ENGINE.evaluate(products({"vendor": None}), variants({}, {"variant_id": "2", "sku": "B", "option1": "L"}))
    issue = result.issues.iloc[0]
    assert _codes(result) == ["BRAND_MISSING"]
    assert pd.isna(issue["variant_id"]) and pd.isna(issue["sku"])
    assert (result.scores["score"] < 70).all() and len(result.scores) == 2


def test_variant_rules_point_at_their_row():
    result = ENGINE.evaluate(products({}), variants({}, {"variant_id": "2", "sku": "B", "option1": "L", "price": 0}))
    assert result.issues[["variant_id", "sku", "rule", "value"]].to_numpy().tolist() == [["2", "B", "PRICE_NOT_POSITIVE", "0"]]
    assert result.scores["display"].tolist() == [100, 69]


def test_a_missing_price_shows_the_words_that_could_not_be_read():
    result = ENGINE.evaluate(products({}), variants({"price": None, "price_text": "1.299 or so"}))
    issue = result.issues[result.issues["rule"] == "PRICE_MISSING"].iloc[0]
    assert (issue["field"], issue["value"]) == ("price", "1.299 or so")


def test_issues_add_up_to_what_the_base_lost():
    result = ENGINE.evaluate(products({"images": []}), variants({"price": None, "barcode": "123"}))
    assert abs(result.issues["points_lost"].sum() - (100 - result.scores["base"].iloc[0])) < 0.01
    assert result.scores["worst"].iloc[0] == "critical"


def test_a_product_without_variants_has_issues_but_no_score():
    result = ENGINE.evaluate(products({}, {"product_id": "2", "title": None}), variants({}))
    assert "TITLE_MISSING" in _codes(result)
    assert result.issues["points_lost"].gt(0).all()
    assert result.scores["product_id"].tolist() == ["1"]


def test_applicability_follows_context_columns_and_flags():
    by_role = _rule("R", "variant", "price", "present", when={"role": ("single", "child")})
    rows = variants({"price": None}, {"variant_id": "2", "price": None}).assign(role=["parent", "child"])
    result = evaluate(_set(by_role), products({}), rows, CONTEXT)
    assert result.issues["variant_id"].tolist() == ["2"]
    assert result.scores["compliance"].isna().tolist() == [True, False]

    flagged = _rule("R", "variant", "price", "present", when={"not_flag": ("free",)})
    free = Context("demo", "en", "USD", frozenset({"free"}))
    assert _codes(evaluate(_set(flagged), products({}), rows, CONTEXT)) == ["R", "R"]
    assert _codes(evaluate(_set(flagged), products({}), rows, free)) == []


def test_a_flag_changes_the_severity():
    rule = _rule("R", "variant", "barcode", "gtin_valid", severity_when={"gtin_exempt": "warning"})
    rows = variants({"barcode": "123"})
    exempt = Context("demo", "en", "USD", frozenset({"gtin_exempt"}))
    assert evaluate(_set(rule), products({}), rows, CONTEXT).issues["severity"].tolist() == ["error"]
    result = evaluate(_set(rule), products({}), rows, exempt)
    assert result.issues["severity"].tolist() == ["warning"]
    assert result.scores["worst"].tolist() == ["warning"]
    assert result.scores["display"].iloc[0] >= 70


def test_a_graded_rule_costs_its_share():
    rule = _rule("R", "product", "images", "count_target", "info", "media", params={"target": 4})
    result = evaluate(_set(rule), products({"images": ["https://a.example.com/1.jpg"]}), variants({}), CONTEXT)
    assert result.issues["points_lost"].tolist() == [75.0]
    assert result.scores["score"].tolist() == [77.5]


def test_a_broken_check_stops_the_run_with_its_code(monkeypatch):
    def broken(frame, field, context):
        raise ValueError("no such thing")

    monkeypatch.setitem(masks.CHECKS, "absent", broken)
    with pytest.raises(RuntimeError, match="rule R_BAD of test is broken"):
        evaluate(_set(_rule("R_BAD", "product", "title", "absent")), products({}), variants({}), CONTEXT)


def test_pandera_switched_off_in_the_environment_does_not_hide_issues(monkeypatch):
    from pandera.config import CONFIG

    monkeypatch.setattr(CONFIG, "validation_enabled", False)
    assert "TITLE_MISSING" in _codes(ENGINE.evaluate(products({"title": None}), variants({})))


def test_a_fix_that_fails_on_a_row_spares_the_others_and_is_reported(monkeypatch):
    def picky(frame, field, context):
        if frame[field].str.contains("bad").any():
            raise ValueError("cannot")
        return {field: frame[field].str.upper()}

    monkeypatch.setitem(fixes.FIXES, "T01", fixes.Fix("T01", "lossless", "Upper.", picky, picky))
    steps = [FixStep("T01", "product", "title"), FixStep("T08", "product", "title")]
    rows = products(*({"product_id": str(n), "title": "bad  one" if n == 3 else f"good  {n}"} for n in range(6)))
    result = evaluate(_set(steps=steps), rows, variants().iloc[:0], CONTEXT)
    assert result.products["title"].tolist() == ["GOOD 0", "GOOD 1", "GOOD 2", "bad one", "GOOD 4", "GOOD 5"]
    assert [(failure.fix, failure.product_id) for failure in result.failures] == [("T01", "3")]
    assert "cannot" in result.failures[0].error


def test_a_fix_that_fails_everywhere_stops_the_run(monkeypatch):
    def broken(frame, field, context):
        raise ValueError("always")

    monkeypatch.setitem(fixes.FIXES, "T01", fixes.Fix("T01", "lossless", "Never.", broken, broken))
    rows = products(*({"product_id": str(n)} for n in range(200)))
    with pytest.raises(RuntimeError, match="fix T01 of test is broken: always"):
        evaluate(_set(steps=[FixStep("T01", "product", "title")]), rows, variants().iloc[:0], CONTEXT)


def test_a_missing_column_is_named():
    with pytest.raises(PipelineError, match=r"rule R of test needs the column bullets"):
        evaluate(_set(_rule("R", "variant", "bullets", "present")), products({}), variants({}), CONTEXT)


def test_a_variant_without_its_product_is_refused():
    with pytest.raises(PipelineError, match="belongs to product 9"):
        ENGINE.evaluate(products({}), variants({"product_id": "9"}))


def test_for_listings_a_product_fix_reaches_the_rows_with_the_same_value():
    rows = variants({"variant_id": None}, {"variant_id": "2", "sku": "B"}, {"variant_id": "3", "sku": "C"})
    rows["title"] = pd.array(["  Lamp", "  Lamp", "  Lamp, red"], dtype="string[pyarrow]")
    first = rows.drop_duplicates("product_id")
    result = evaluate(_set(steps=[FixStep("T08", "product", "title")]), first, rows, CONTEXT)
    assert result.variants["title"].tolist() == ["Lamp", "Lamp", "  Lamp, red"]
    assert result.fixes["before"].tolist() == ["  Lamp"]


def test_a_product_issue_of_listings_has_the_sku_of_its_first_row():
    rows = variants({"variant_id": None, "sku": "P-1"}, {"variant_id": "2", "sku": "B"})
    rows["title"] = pd.array([None, "x"], dtype="string[pyarrow]")
    result = evaluate(_set(_rule("R", "product", "title", "present")), rows.drop_duplicates("product_id"), rows, CONTEXT)
    assert result.issues["sku"].tolist() == ["P-1"]


def test_the_log_follows_the_products_and_says_before_and_after():
    messy = products({"product_id": "2", "vendor": "N/A"}, {"title": "Caf\u0065\u0301  Mug for the Morning Coffee"})
    result = ENGINE.evaluate(
        messy, variants({"sku": None, "assigned_sku": "S1"}, {"product_id": "2", "variant_id": "7", "sku": "Z"})
    )
    assert result.fixes[["product_id", "field", "before", "after", "fix", "fix_class"]].to_numpy(na_value="").tolist() == [
        ["2", "vendor", "N/A", "", "I09", "lossy-safe"],
        ["1", "title", "Caf\u0065\u0301  Mug for the Morning Coffee", "Café  Mug for the Morning Coffee", "T04", "lossless"],
        ["1", "title", "Café  Mug for the Morning Coffee", "Café Mug for the Morning Coffee", "T08", "lossless"],
        ["1", "sku", "", "S1", "I01", "lossless"],
    ]


_TEXT = st.one_of(
    st.none(),
    st.text(alphabet=" aAbB-–!,.&;<>'ß’É\u0301\u00a0\u200b\x00\u00ad🔥（）1kg", max_size=40),
    st.lists(
        st.sampled_from([
            "WIRELESS GAMING MOUSE FOR PC", "SÃ¼ÃŸe BÃ¤ren", "Salt &amp;amp; Pepper", "<p>Soft<br/>100% cotton", "n/a",
            "bag bag bag BAG",
            "&lt;script&gt;alert(1)&lt;/script&gt;", "Ends here - ", "!!! Sale ***", "&#8203;&nbsp;x", "â€‹x", "nike air max",
            "<div><section>a",
            "a, " * 150, "word " * 80, "the the", "Bosch Bosch", "L'ART DE LA TABLE", "Ã\x89tÃ©",
        ]),
        max_size=3,
    ).map(" ".join),
)  # fmt: skip
_PRODUCT = st.fixed_dictionaries({
    "title": _TEXT, "vendor": _TEXT, "description_html": _TEXT, "seo_title": _TEXT, "option1_name": _TEXT,
    "tags": st.one_of(st.none(), st.lists(st.sampled_from(["a", "A", " a", "", "b"]), max_size=4)),
    "images": st.one_of(st.none(), st.lists(st.sampled_from(["//x.example/a b.jpg", "http://cdn.shopify.com/1.png", "",
    "x"]), max_size=4)),
})  # fmt: skip
_VARIANT = st.fixed_dictionaries({
    "option1": _TEXT, "sku": _TEXT, "assigned_sku": st.sampled_from([None, "S1"]),
    "barcode": st.sampled_from([None, "", "4006381333931.0", "40 06381-333931", "N/A", "36000291452", "4.00638E+12"]),
    "compare_at_price": st.sampled_from([None, 50, 100, 200]),
    "price and text": st.sampled_from([(None, None), (0, None), (100, None), (None, "1.299,00 €"), (None, "1,299")]),
}).map(lambda row: row | dict(zip(("price", "price_text"), row["price and text"], strict=True)))  # fmt: skip
_SLOW = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))


def _catalog(data):
    rows = data.draw(st.lists(_PRODUCT, min_size=4, max_size=12))
    shop = products(*(row | {"product_id": str(n)} for n, row in enumerate(rows)))
    return shop, variants(*(data.draw(_VARIANT) | {"product_id": str(n), "variant_id": f"v{n}"} for n in range(len(rows))))


@_SLOW
@given(st.data())
def test_fixes_can_be_undone_and_find_nothing_the_second_time(data):
    shop, wares = _catalog(data)
    result = ENGINE.evaluate(shop, wares)
    assert result.failures == ()
    pd.testing.assert_frame_equal(undo(result.products, result.fixes)[shop.columns], shop)
    pd.testing.assert_frame_equal(undo(result.variants, result.fixes), wares)
    again = ENGINE.evaluate(result.products, result.variants)
    assert again.fixes[["field", "before", "after", "fix"]].to_numpy().tolist() == []
    pd.testing.assert_frame_equal(again.scores, result.scores)


@_SLOW
@given(st.data())
def test_fixes_open_no_rule_on_what_is_there(data):
    """Presence and length are judged on the fixed text: a placeholder was no brand, and markup no part of a title."""
    shop, wares = _catalog(data)
    only_text = tuple(step for step in CATALOG.fixes if step.params.get("text_to"))
    unfixed = evaluate(RuleSet("x", "1", only_text, CATALOG.rules, CATALOG.inherit), shop, wares, CONTEXT).issues
    fixed = ENGINE.evaluate(shop, wares).issues
    judged = ("correctness", "compliance", "identifiers")
    # A price in words has no relation to other prices until it is read; a damaged brand or barcode is none.
    aside = {"DISCOUNT_IMPLAUSIBLE", "GTIN_MISSING", "PRICE_NOT_POSITIVE"}
    opened = {(row.product_id, row.rule) for row in fixed.itertuples() if row.dimension in judged and row.rule not in aside} - {
        (row.product_id, row.rule) for row in unfixed.itertuples()
    }
    assert not opened


def test_rows_are_judged_alone_so_batches_do_not_matter():
    rows = [{"product_id": str(n), "title": title} for n, title in enumerate(["A", None, "BIG RED HEAVY LAMP", "x  y"])]
    wares = [{"product_id": str(n), "variant_id": str(n), "sku": f"K{n}"} for n in range(4)]
    whole = ENGINE.evaluate(products(*rows), variants(*wares))
    parts = [ENGINE.evaluate(products(row), variants(ware)) for row, ware in zip(rows, wares, strict=True)]
    for name in ("products", "variants", "fixes", "issues", "scores"):
        joined = pd.concat([getattr(part, name) for part in parts], ignore_index=True)
        pd.testing.assert_frame_equal(joined, getattr(whole, name))
