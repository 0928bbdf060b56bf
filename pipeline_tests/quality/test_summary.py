from pathlib import Path
from xml.etree import ElementTree

import pandas as pd

from pipeline.platform.tables import stage, to_frame
from pipeline.quality.reference import PAGE, page
from pipeline.quality.schema import FIXES, ISSUES
from pipeline.quality.summary import fix_sample, open_rules, score_histogram_svg, top_issues
from pipeline_tests.quality.frames import arrow_rows


def _table(folder: Path, schema, rows):
    return stage(folder, "t", to_frame(arrow_rows(schema, rows)), schema, {}).open()


def _issues(tmp_path):
    rows = [{"rule": "B", "severity": "warning", "dimension": "content", "message": "b", "hint": "", "points_lost": 1.5}] * 3
    rows += [{"rule": "A", "severity": "critical", "dimension": "media", "message": "a", "hint": "", "points_lost": 5.0}]
    rows += [
        {"rule": f"C{n:02}", "severity": "info", "dimension": "content", "message": "c", "points_lost": 0.1} for n in range(30)
    ]
    return _table(tmp_path, ISSUES, rows)


def test_the_picture_is_small_valid_and_shows_every_count():
    svg = score_histogram_svg([0, 0, 3, 0, 0, 0, 508, 0, 40, 19492])
    texts = [element.text for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("text")]  # noqa: S314
    assert {"3", "508", "40", "19,492", "70", "90", "100"} <= set(texts)
    assert len(svg) < 6000 and "script" not in svg and "href" not in svg
    ElementTree.fromstring(score_histogram_svg([0] * 10))  # noqa: S314


def test_the_most_severe_and_frequent_issues_come_first_and_are_bounded(tmp_path):
    frame = top_issues(_issues(tmp_path))
    assert len(frame) == 20
    assert frame[["rule", "rows", "points_lost"]].to_numpy().tolist()[:2] == [["A", 1, 5.0], ["B", 3, 4.5]]


def test_open_rules_are_those_of_one_dimension(tmp_path):
    issues = _issues(tmp_path)
    assert open_rules(issues, "media")["rule"].tolist() == ["A"]
    assert open_rules(issues, "identifiers").empty
    assert int(open_rules(issues, "content")["rows"].sum()) == 22


def test_a_sample_shows_as_many_kinds_of_fix_as_possible(tmp_path):
    rows = [{"fix": "T08", "field": "title", "before": "x" * 500, "after": "x"}] * 50 + [
        {"fix": "I01", "field": "sku", "after": "S1"}
    ]
    sample = fix_sample(_table(tmp_path, FIXES, rows))
    assert len(sample) == 20
    assert set(sample["fix"]) == {"T08", "I01"}
    assert sample["before"].str.len().max() <= 120
    empty = fix_sample(_table(tmp_path, FIXES, []))
    assert isinstance(empty, pd.DataFrame) and empty.empty


def test_the_rule_reference_is_current():
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m pipeline.quality.reference"
