"""The main job on the sample store: what it says, what it leaves behind, and what an operator sees of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from lxml import etree

from pipeline.definitions import build_defs, defs
from pipeline_tests.flows import feeds
from pipeline_tests.flows.conftest import Finished
from pipeline_tests.flows.place import SITES

SNAPSHOT = Path(__file__).with_name("definitions.txt")
TOP = {
    "schema_version", "status", "store", "products", "variants", "rejected", "fixes", "issues", "score", "marketplaces", "runs",
    "warnings", "errors",
}  # fmt: skip
MARKETPLACE = {"export_id", "listings", "ready", "blocked", "held", "out_of_scope", "changes", "feeds", "status", "texts"}
CHANGES = ["create", "update", "price", "quantity", "images", "delete", "unchanged"]


def test_the_summary_has_its_shape(finished_demo: Finished) -> None:
    for summary in (finished_demo.first, finished_demo.second):
        assert summary.keys() == TOP
        assert (summary["schema_version"], summary["status"], summary["store"]) == (1, "ok", "demo")
        assert (summary["products"], summary["variants"], summary["rejected"], summary["errors"]) == (62, 252, 0, [])
        assert list(summary["issues"]) == ["critical", "error", "warning", "info"]
        assert summary["score"].keys() == {"mean", "publishable"}
        assert 0 < summary["score"]["mean"] < 100 and 0 < summary["score"]["publishable"] < 252
        assert list(summary["marketplaces"]) == list(SITES)
        for found in summary["marketplaces"].values():
            assert found.keys() == MARKETPLACE
            assert list(found["changes"]) == CHANGES
            assert found["ready"] + found["blocked"] == found["listings"]
            assert found["ready"] > 200
        assert [(run["job"], run["partition"]) for run in summary["runs"]] == [
            ("import_all", "demo"), ("export_listings", "amazon-us|demo"), ("export_listings", "ebay-us|demo"),
        ]  # fmt: skip
        assert all(run["success"] for run in summary["runs"])


def test_the_first_run_creates_what_is_ready(finished_demo: Finished) -> None:
    for found in finished_demo.first["marketplaces"].values():
        changes = found["changes"]
        assert changes["create"] > 200 and sum(changes.values()) == changes["create"]
        assert changes["create"] + found["held"] == found["ready"]
        for feed in found["feeds"]:
            assert feed.keys() == {"kind", "path", "messages", "bytes", "via"}
            assert feed["path"].startswith("feeds/demo/") and found["export_id"] in feed["path"]
        assert feeds.skus(finished_demo.place, found).keys() == {"product"}


def test_feeds_are_harmless_and_officially_valid(finished_demo: Finished) -> None:
    for found in finished_demo.first["marketplaces"].values():
        feeds.check_harmless(finished_demo.place, found)
        feeds.check_official(finished_demo.place, found)


def test_a_second_run_plans_nothing(finished_demo: Finished) -> None:
    for site in SITES:
        first, second = (summary["marketplaces"][site] for summary in (finished_demo.first, finished_demo.second))
        assert second["feeds"] == []
        assert {kind: count for kind, count in second["changes"].items() if count} == {"unchanged": first["changes"]["create"]}
        assert second["export_id"] != first["export_id"]
        assert (second["ready"], second["blocked"], second["held"]) == (first["ready"], first["blocked"], first["held"])


def test_the_pointer_names_the_newest_export(finished_demo: Finished) -> None:
    root = finished_demo.place.settings.data_dir / "feeds" / "demo"
    for site, found in finished_demo.second["marketplaces"].items():
        assert json.loads((root / site / "current.json").read_text()) == {"export_id": found["export_id"]}


def test_nothing_of_a_run_stays_behind(finished_demo: Finished) -> None:
    data = finished_demo.place.settings.data_dir
    assert list((data / "scratch").iterdir()) == []
    assert [path for path in data.rglob("*.tmp")] == []
    assert finished_demo.place.rows("SELECT name FROM locks") == []


def test_status_and_jobs_know_it(finished_demo: Finished) -> None:
    rows = finished_demo.place.summary("status")["connections"]
    assert [(row["store"], row["site"], row["state"], row["quality"]) for row in rows] == [
        ("demo", site, "active", "passed") for site in SITES
    ]
    for row in rows:
        found = finished_demo.first["marketplaces"][row["site"]]
        assert (row["blocked"], row["held"]) == (found["blocked"], found["held"])
        assert ("pipeline problems" in row["next"]) == (row["held"] > 0)
        assert 0 < row["live"] <= found["changes"]["create"]
    runs = finished_demo.place.summary("jobs", "list")["jobs"]
    summaries = (finished_demo.first, finished_demo.second)
    assert {run["id"] for run in runs} == {run["id"] for summary in summaries for run in summary["runs"]}
    assert {(run["status"], run["progress"]) for run in runs} == {("success", 100)}


@pytest.fixture(scope="module")
def materializations(finished_demo: Finished) -> dict[str, dict[str, Any]]:
    """Asset -> the metadata of its newest materialization."""
    with finished_demo.place.instance() as instance:
        events = {key.to_user_string(): instance.get_latest_materialization_event(key) for key in main_assets()}
    missing = [name for name, event in events.items() if event is None]
    # Of a PIM; on request; of a dry run at a live marketplace.
    assert missing == ["attributes", "families", "legacy_xml", "listing_previews"]
    return {name: dict(event.asset_materialization.metadata) for name, event in events.items() if event is not None}


#: What there is to read once something was sent; the demo sends nothing.
VERDICTS = {"processing_reports", "listing_repairs", "listing_status", "listing_drift"}


def main_assets() -> list[dg.AssetKey]:
    """All that the demo materializes: without labels, which have jobs and files of their own, and without verdicts."""
    nodes = defs.resolve_asset_graph().asset_nodes
    return sorted(n.key for n in nodes if n.group_name != "labels" and n.key.to_user_string() not in VERDICTS)


def test_every_materialization_says_how_much(materializations: dict[str, dict[str, Any]]) -> None:
    for name, metadata in materializations.items():
        assert isinstance(metadata["dagster/row_count"].value, int), name


def test_scores_are_a_picture_and_issues_a_table(materializations: dict[str, dict[str, Any]]) -> None:
    for name in ("product_scores", "listing_scores"):
        picture = materializations[name]["score_distribution"]
        assert isinstance(picture, dg.MarkdownMetadataValue)
        assert "data:image/svg+xml;base64," in (picture.md_str or "")
        assert 0 < materializations[name]["score_mean"].value < 100
    for name, key in (
        ("product_issues", "top_issues"), ("product_issues", "by_severity"), ("product_fixes", "sample"),
        ("product_fixes", "by_fix"), ("listing_issues", "top_issues"), ("listings", "blocked_sample"),
        ("listing_fixes", "sample"), ("raw_products", "files"), ("listing_changes", "diff"),
    ):  # fmt: skip
        value = materializations[name][key]
        assert isinstance(value, dg.TableMetadataValue), (name, key, value)
        assert 1 <= len(value.records) <= 20, (name, key)


def test_metadata_and_summary_say_the_same(materializations: dict[str, dict[str, Any]], finished_demo: Finished) -> None:
    last = finished_demo.second["marketplaces"][SITES[-1]]
    assert materializations["products"]["dagster/row_count"].value == finished_demo.second["products"]
    assert materializations["variants"]["dagster/row_count"].value == finished_demo.second["variants"]
    assert materializations["product_fixes"]["dagster/row_count"].value == finished_demo.second["fixes"]
    assert materializations["product_scores"]["score_mean"].value == finished_demo.second["score"]["mean"]
    assert {name: materializations["listings"][name].value for name in ("ready", "blocked")} == {
        name: last[name] for name in ("ready", "blocked")
    }
    assert materializations["listing_changes"]["export_id"].value == last["export_id"]
    assert {kind: materializations["listing_changes"][kind].value for kind in CHANGES} == last["changes"]


def test_every_check_has_a_verdict_on_its_partition(finished_demo: Finished) -> None:
    checks = {key for key in defs.resolve_asset_graph().asset_check_keys if key.asset_key in main_assets()}
    with finished_demo.place.instance() as instance:
        records = instance.event_log_storage.get_latest_asset_check_execution_by_key(sorted(checks))
        assert set(records) == checks
        for key, record in records.items():
            evaluation = record.event.dagster_event.asset_check_evaluation_data  # type: ignore[union-attr]
            about_all = key.name in ("catalog_integrity", "quality_integrity", "not_shrunk")  # these stop what comes after
            assert evaluation.passed or not about_all, key
            assert evaluation.severity == (dg.AssetCheckSeverity.ERROR if about_all else dg.AssetCheckSeverity.WARN), key
            assert record.partition is not None, key


def test_definitions_load_without_environment_and_without_heavy_modules() -> None:
    code = (
        "import sys, pipeline.definitions as d\n"
        "d.defs.resolve_all_job_defs()\n"
        "print(sorted({'openai', 'lxml', 'pandera', 'nh3', 'ftfy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={}, cwd=Path(__file__).parents[2])
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr


def test_unknown_resources_are_refused() -> None:
    with pytest.raises(TypeError, match=r"unknown resources: .*workspaces"):
        build_defs(workspaces=object())


def test_definitions_are_as_reviewed() -> None:
    """A change of assets, groups, dependencies, kinds, checks, jobs or sensors shows here as a difference to read.

    Write the file anew with: python -m pipeline_tests.flows.test_main_job
    """
    assert SNAPSHOT.read_text().splitlines() == list(described())


def described() -> Iterator[str]:
    """The definitions as lines."""
    graph = defs.resolve_asset_graph()
    for key in graph.toposorted_asset_keys:
        node = graph.get(key)
        parents = ", ".join(sorted(parent.to_user_string() for parent in node.parent_keys)) or "-"
        dimensions = node.partitions_def.partition_dimension_names if isinstance(
            node.partitions_def, dg.MultiPartitionsDefinition
        ) else [getattr(node.partitions_def, "name", None)]  # fmt: skip
        yield f"asset {key.to_user_string()}"
        yield f"  group {node.group_name}, partitions {' x '.join(map(str, dimensions))}"
        yield f"  from {parents}"
        yield f"  kinds {', '.join(sorted(node.kinds))}; owners {', '.join(node.owners)}"
        assert node.description, key
    for check in sorted(graph.asset_check_keys):
        blocking = graph.get_check_spec(check).blocking
        yield f"check {check.name} of {check.asset_key.to_user_string()}{', blocking' if blocking else ''}"
    for job in sorted(defs.resolve_all_job_defs(), key=lambda item: item.name):
        if not job.name.startswith("__"):
            steps = ", ".join(sorted(job.nodes_by_name if hasattr(job, "nodes_by_name") else [n.name for n in job.nodes]))
            yield f"job {job.name}: {steps}"
    for sensor in sorted(defs.sensors or [], key=lambda item: item.name):
        yield f"sensor {sensor.name}: {sensor.default_status.value.lower()}, every {sensor.minimum_interval_seconds} s"
    for schedule in sorted(defs.schedules or [], key=lambda item: item.name):
        assert isinstance(schedule, dg.ScheduleDefinition)
        yield f"schedule {schedule.name}: {schedule.default_status.value.lower()}, {schedule.cron_schedule}, {schedule.job_name}"


def test_feed_files_parse(finished_demo: Finished) -> None:
    amazon, ebay = (finished_demo.first["marketplaces"][site] for site in SITES)
    for feed in amazon["feeds"]:
        document = json.loads(finished_demo.place.path(feed).read_bytes())
        assert document["header"]["version"] == "2.0"
        assert [message["messageId"] for message in document["messages"]] == list(range(1, feed["messages"] + 1))
    for feed in ebay["feeds"]:
        assert len(etree.fromstring(finished_demo.place.path(feed).read_bytes())) == feed["messages"] + 1


if __name__ == "__main__":
    SNAPSHOT.write_text("".join(f"{line}\n" for line in described()))
