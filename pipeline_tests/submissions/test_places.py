"""What Amazon complains of leads to the rule of ours that looks at the same."""

from __future__ import annotations

import pytest

from pipeline.marketplaces.live import FeedIssue
from pipeline.submissions.places import Places, places_of
from pipeline_tests.submissions.test_adoption import cell  # noqa: F401  (a fixture)


@pytest.fixture
def places(cell) -> Places:  # noqa: F811
    return places_of(cell)


@pytest.mark.parametrize(
    ("field", "code", "text", "rule"),
    [
        ("title", "90220", "'[item_name]' is required but not supplied.", "AMZ_TITLE_MISSING"),
        ("title", "90225", "The value for 'item_name' is too long: 200 characters at most.", "AMZ_TITLE_LENGTH"),
        ("title", "99038", "The title contains invalid characters.", "AMZ_TITLE_CHARACTERS"),
        ("title", "8541", "The SKU data provided conflicts with the Amazon catalog.", None),
        ("bullets", "99016", "A maximum of 5 occurrences is allowed.", "AMZ_BULLETS_MOST"),
        ("nonsense", "1", "is required", None),
        (None, "1", "is required", None),
    ],
)
def test_rules(places: Places, field: str | None, code: str, text: str, rule: str | None) -> None:
    assert places.rule(field, FeedIssue("error", code, text)) == rule
