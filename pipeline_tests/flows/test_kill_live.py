"""Killed between a table and the record of it: the next command finds everything as an undisturbed one leaves it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import pipeline
from pipeline_tests.fakes.amazon import FakeAmazon
from pipeline_tests.flows.place import Place, start
from pipeline_tests.flows.test_live_amazon import SITE, amazon, connect, credentials, later, place
from pipeline_tests.points import dying_at

__all__ = ["amazon", "place"]  # fixtures
#: What an export materializes until everything is handed over and sent, which is the last one.
EXPORTED = [
    "listing_categories", "localized_products", "marketplace_lookups", "optimized_products", "listings", "listing_issues",
    "listing_scores", "listing_fixes", "account_listings", "listing_changes", "product_feed", "price_feed", "inventory_feed",
    "image_feed", "feed_submissions",
]  # fmt: skip
#: All that there are, and the tests that die there; `mid_upload` lies within the HTTP client.
TESTED_IN = {
    "submissions/test_kill_points.py": {
        "before_plan", "in_plan_tx", "after_plan", "token_refreshed_unsaved", "doc_created_unrecorded", "documented",
        "before_upload", "uploaded_unrecorded", "uploaded", "sending_before_post", "posted_unrecorded", "submitted", "polled",
        "report_read", "acks_uncommitted", "done_uncommitted", "done", "reconcile_start", "reconcile_listed", "adopted",
        "resend_decided",
    },
    "submissions/test_single.py": {"single_unsaid", "single_said_unrecorded", "single_recorded"},
    "submissions/test_adoption.py": {"before_adoption", "after_adoption"},
    "labels/test_kill.py": {"llm_reserved", "llm_replied_unsaved"},
    "platform/test_migrations.py": {"migration_mid"},
    "stores/test_credentials.py": {"rotation_mid"},
    "flows/test_kill_live.py": {"report_file_half_written", "materialization_event_unwritten"},
}  # fmt: skip


def materialized(place: Place) -> set[str]:
    """Assets of which Dagster knows a materialization of this connection."""
    found = place.rows(
        "SELECT DISTINCT asset_key FROM event_logs WHERE dagster_event_type = 'ASSET_MATERIALIZATION' AND partition LIKE '%|%'"
    )
    return {key.strip('[]"') for (key,) in found}


@pytest.mark.parametrize("nth", [1, len(EXPORTED)])
def test_killed_between_a_table_and_its_event(place: Place, amazon: FakeAmazon, tmp_path: Path, nth: int) -> None:
    connect(place, credentials(tmp_path, amazon))
    assert start(place, "export", "shop", SITE, values=dying_at("materialization_event_unwritten", nth)).killed()
    assert len(amazon.feeds) == (nth == len(EXPORTED))  # sent, and nobody has noted that it was handed over
    assert EXPORTED[nth - 1] not in materialized(place)
    place.summary("export", "shop", SITE)
    assert materialized(place) == {*EXPORTED, "export_statistics"}
    later(place, amazon, 130)
    place.summary("submissions", "poll")
    assert len(amazon.feeds) == 1
    status = place.table("listing_status", "shop", SITE).read()
    assert status["state"].tolist() == ["live"] * 10


def test_killed_with_half_a_report_written(place: Place, amazon: FakeAmazon, tmp_path: Path) -> None:
    """The verdict itself is in the database; the next poll shows it, although nothing ends in it."""
    connect(place, credentials(tmp_path, amazon))
    place.summary("export", "shop", SITE)
    later(place, amazon, 130)
    assert start(place, "submissions", "poll", values=dying_at("report_file_half_written")).killed()
    assert not (place.settings.data_dir / "tables" / "processing_reports").exists()
    place.summary("submissions", "poll")
    assert sorted(place.table("processing_reports", "shop", SITE).read()["message_id"]) == list(range(1, 11))
    assert len(place.table("listing_status", "shop", SITE).read()) == 10
    runs = place.rows("SELECT count(*) FROM runs WHERE pipeline_name = 'read_verdicts'")
    place.summary("submissions", "poll")
    assert place.rows("SELECT count(*) FROM runs WHERE pipeline_name = 'read_verdicts'") == runs  # shown once


def test_every_point_has_a_test_that_dies_there() -> None:
    code = "\n".join(path.read_text() for path in Path(pipeline.__file__).parent.rglob("*.py"))
    there = re.findall(r"\bpoint\(\"(\w+)\"\)", code)
    tested = [name for names in TESTED_IN.values() for name in names]
    assert set(there) == set(tested)
    for file, names in TESTED_IN.items():
        text = (Path(__file__).parents[1] / file).read_text()
        assert all(name in text for name in names)
