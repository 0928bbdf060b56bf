from pathlib import Path

import pytest
import yaml

from pipeline.model.errors import PipelineError
from pipeline.quality.fixes import FIXES
from pipeline.quality.masks import CHECKS
from pipeline.quality.reference import rule_sets
from pipeline.quality.ruleset import load_ruleset
from pipeline.quality.stage import CATALOG_RULES
from pipeline.quality.words import LISTS, words

_RULE = {
    "code": "X_LENGTH", "level": "product", "field": "title", "dimension": "compliance", "severity": "error", "weight": 4,
    "check": "max_length", "params": {"max": 80}, "message": "Longer than {max} {unit}.", "hint": "Shorten it.",
}  # fmt: skip


def _load(tmp_path: Path, rules, fixes=(), **top):
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump({"name": "x", "fixes": list(fixes), "rules": list(rules), **top}), encoding="utf-8")
    return load_ruleset(path)


def test_a_rule_is_read_with_defaults_and_its_message_filled_in(tmp_path):
    ruleset = _load(tmp_path, [_RULE | {"when": {"role": "single", "not_flag": ["a"]}, "severity_when": {"b": "warning"}}])
    (rule,) = ruleset.rules
    assert rule.params == {"max": 80, "unit": "characters"}
    assert rule.message == "Longer than 80 characters."
    assert rule.when == {"role": ("single",), "not_flag": ("a",)}
    assert rule.severity_when == {"b": "warning"}


def test_a_rule_of_several_fields_is_a_rule_for_each(tmp_path):
    shared = {key: value for key, value in _RULE.items() if key != "field"}
    change = {"fields": ["a", "b"], "check": "filled_with", "params": {"other": "{field}_name"}, "message": "No {field}."}
    rules = _load(tmp_path, [shared | change]).rules
    assert [(rule.code, rule.field, rule.params["other"], rule.message) for rule in rules] == [
        ("X_LENGTH_A", "a", "a_name", "No a."),
        ("X_LENGTH_B", "b", "b_name", "No b."),
    ]


def test_the_version_follows_the_file_or_is_explicit(tmp_path):
    first = _load(tmp_path, [_RULE]).version
    assert _load(tmp_path, [_RULE]).version == first
    assert _load(tmp_path, [_RULE | {"weight": 5}]).version != first
    assert _load(tmp_path, [_RULE], version="7").version == "7"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"check": "nonsense"}, "no check nonsense; known: "),
        ({"params": {}}, "max is missing"),
        ({"params": {"max": "80"}}, "max is '80', but must be int"),
        ({"params": {"max": 80, "size": 1}}, "size is not a key here"),
        ({"params": {"max": 80, "unit": "words"}}, "unit is 'words', but must be one of characters, bytes"),
        ({"dimension": "beauty"}, "dimension is 'beauty', but must be one of completeness"),
        ({"severity": "fatal"}, "severity is 'fatal', but must be one of critical"),
        ({"severity_when": {"a": "fatal"}}, "severity_when is 'fatal'"),
        ({"weight": 0}, "weight must be a whole number above 0"),
        ({"weight": True}, "weight must be a whole number above 0"),
        ({"code": "lower"}, "a code is capital letters"),
        ({"when": {"title": "x"}}, "when is 'title', but must be one of category"),
        ({"message": "over {limit}"}, "message names the parameter 'limit'"),
        ({"colour": 1}, "colour is not a key here"),
        ({"fields": []}, "fields must be a list of columns"),
    ],
)
def test_mistakes_are_named(tmp_path, change, sentence):
    with pytest.raises(PipelineError) as error:
        _load(tmp_path, [_RULE | change])
    assert sentence in str(error.value)
    assert "rules.yaml, rule 1" in str(error.value)


def test_double_codes_unknown_fixes_and_broken_files_are_refused(tmp_path):
    with pytest.raises(PipelineError, match="rule X_LENGTH more than once"):
        _load(tmp_path, [_RULE, _RULE])
    with pytest.raises(PipelineError, match=r"fix 1: no fix T99; known: A04"):
        _load(tmp_path, [], [{"fix": "T99", "level": "product", "fields": ["title"]}])
    with pytest.raises(PipelineError, match=r"fix 1 \(T18\): params: max is missing"):
        _load(tmp_path, [], [{"fix": "T18", "level": "product", "fields": ["title"]}])
    (tmp_path / "broken.yaml").write_text("rules: [", encoding="utf-8")
    with pytest.raises(PipelineError, match=r"broken.yaml is not valid YAML"):
        load_ruleset(tmp_path / "broken.yaml")


def test_the_catalog_has_enough_rules_in_every_dimension_and_enough_fixes():
    ruleset = load_ruleset(CATALOG_RULES)
    dimensions = [rule.dimension for rule in ruleset.rules]
    assert len(ruleset.rules) >= 38
    assert {name: dimensions.count(name) >= 4 for name in set(dimensions)} == dict.fromkeys(
        ["completeness", "correctness", "compliance", "identifiers", "content", "media"], True
    )
    assert len({step.fix for step in ruleset.fixes}) >= 20
    assert {"T14", "I01", "T01", "T18"} <= {step.fix for step in ruleset.fixes}


def test_every_rule_set_loads_and_speaks_in_sentences():
    for ruleset in rule_sets():
        for rule in ruleset.rules:
            assert rule.message.endswith("."), rule.code
            assert rule.hint.endswith("."), rule.code


def test_every_check_and_fix_is_documented():
    text = (Path(CATALOG_RULES).parent / "ruleset.py").read_text(encoding="utf-8")
    missing = [name for name in CHECKS if name not in text] + [name for name in FIXES if f"{name} " not in text]
    assert not missing
    assert all(check.__doc__ for check in CHECKS.values())
    assert all(fix.summary.endswith(".") for fix in FIXES.values())


@pytest.mark.parametrize("name", sorted(LISTS))
@pytest.mark.parametrize("language", ["en", "de", "fr", "es", "xx"])
def test_word_lists_hold_only_texts(name, language):
    found = words(name, language)
    assert found
    assert all(isinstance(word, str) and word == word.strip() for word in found)
