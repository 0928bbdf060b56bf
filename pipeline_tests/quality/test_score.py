from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from pipeline.model.quality import DIMENSION_WEIGHTS, SEVERITIES
from pipeline.quality.score import NOT_APPLICABLE, Weighing, floored, score

_LETTERS = {"c": "critical", "e": "error", "w": "warning", "i": "info"}
# The subset of 23 rules of the published worked values: weight and severity by dimension.
_SUBSET = {
    "completeness": "price 5c, title 5c, description 3e, brand 3e, bullets 2w, recommended 4w",
    "correctness": "format 5e, units 2w, mojibake 2e, language 3e",
    "compliance": "length 4e, promo 3e, caps 3w, characters 3e, category 5e",
    "identifiers": "gtin 5e, sku 5c",
    "content": "title_length 2i, description_length 2i, keywords 4i, bullet_duplicates 2w",
    "media": "main_image 5e, image_count 3i",
}
_NAMES, _RULES = [], []
for _dimension, _text in _SUBSET.items():
    for _entry in _text.split(", "):
        _name, _weight = _entry.split(" ")
        _NAMES.append(_name)
        _RULES.append(Weighing(_dimension, _LETTERS[_weight[-1]], int(_weight[:-1]), 10))


def _result(**open_rules):
    return score(_RULES, [open_rules.get(name, 10) for name in _NAMES])


def test_worked_values():
    cases = [
        ({}, 100.0, 100.0, 100),
        ({"image_count": 4, "keywords": 5}, 95.80, 98.74, 98),
        ({"caps": 0, "promo": 0}, 93.33, 68.00, 68),
        ({"gtin": 0}, 92.50, 67.75, 67),
        ({"sku": 0, "caps": 0, "characters": 0}, 85.83, 34.33, 34),
        ({"caps": 0, "characters": 0}, 93.33, 68.00, 68),
        ({"brand": 0, "bullets": 0, "image_count": 2, "recommended": 3}, 88.74, 66.62, 66),
        ({"price": 0}, 94.32, 37.73, 37),
    ]
    for open_rules, base, shown_score, display in cases:
        result = _result(**open_rules)
        assert abs(float(result.base) - base) < 0.005, open_rules
        assert abs(float(result.score) - shown_score) < 0.005, open_rules
        assert result.display == display


def test_no_rule_is_full_score_and_no_dimension():
    result = score([], [])
    assert (result.score, result.base, result.worst, dict(result.dimensions)) == (100, 100, None, {})


def test_floored_never_rounds_up():
    assert floored(Fraction(69995, 1000)) == 69.99
    assert floored(Fraction(9999999, 100000)) == 99.99
    assert floored(Fraction(70)) == 70.0


@st.composite
def _patterns(draw):
    rules = draw(
        st.lists(
            st.builds(
                Weighing,
                st.sampled_from(sorted(DIMENSION_WEIGHTS)),
                st.sampled_from(SEVERITIES),
                st.integers(1, 9),
                st.sampled_from([1, 3, 10]),
            ),
            min_size=1,
            max_size=12,
        )
    )
    return rules, [draw(st.integers(NOT_APPLICABLE, rule.denominator)) for rule in rules]


@given(_patterns())
def test_bounds_bands_and_points_lost(case):
    rules, pattern = case
    result = score(rules, pattern)
    open_severities = {
        rule.severity for rule, n in zip(rules, pattern, strict=True) if n not in (NOT_APPLICABLE, rule.denominator)
    }
    assert 0 <= result.score <= 100
    assert (result.score == 100) == (not open_severities)
    assert (result.score >= 70) == (not open_severities & {"critical", "error"})
    assert (result.score <= 40) if "critical" in open_severities else result.score >= 40
    assert sum(result.points_lost) == 100 - result.base
    assert result.worst == next((severity for severity in SEVERITIES if severity in open_severities), None)


@given(_patterns(), st.data())
def test_a_better_degree_scores_strictly_higher(case, data):
    rules, pattern = case
    candidates = [
        i for i, (rule, n) in enumerate(zip(rules, pattern, strict=True)) if n not in (NOT_APPLICABLE, rule.denominator)
    ]
    if candidates:
        index = data.draw(st.sampled_from(candidates))
        better = list(pattern)
        better[index] = data.draw(st.integers(pattern[index] + 1, rules[index].denominator))
        assert score(rules, better).score > score(rules, pattern).score


@given(_patterns(), st.randoms(use_true_random=False))
def test_the_order_of_rules_does_not_matter(case, random):
    rules, pattern = case
    order = list(range(len(rules)))
    random.shuffle(order)
    shuffled = score([rules[i] for i in order], [pattern[i] for i in order])
    assert shuffled.score == score(rules, pattern).score
