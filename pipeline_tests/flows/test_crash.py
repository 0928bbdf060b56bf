"""Killed runs and runs at the same time, in real processes: the next run gives what an undisturbed one would have given."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from pipeline.definitions import defs
from pipeline.operations import launch
from pipeline_tests.conftest import data_folder
from pipeline_tests.flows import catalogs, feeds
from pipeline_tests.flows.conftest import Finished
from pipeline_tests.flows.place import Place, event, start
from pipeline_tests.flows.test_changes import AMAZON, THREE, export, materialize, sent

PROGRAM = [sys.executable, "-c", "from pipeline.cli import main; main()"]


def die(original: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    """Instead of the function."""
    os.kill(os.getpid(), signal.SIGKILL)


def die_after(original: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    original(*args, **kwargs)
    os.kill(os.getpid(), signal.SIGKILL)


def die_moving(asset: str, original: Callable[..., Any], source: Path, target: Path) -> None:
    """Before the table of this asset is put in place."""
    if asset in target.parts:
        os.kill(os.getpid(), signal.SIGKILL)
    original(source, target)


def die_within(name: str, original: Callable[..., Any], path: Path, content: bytes) -> None:
    """With half of this file written."""
    if path.name == name:
        Path(path).with_name(f".{name}.tmp").write_bytes(content[: len(content) // 2])
        os.kill(os.getpid(), signal.SIGKILL)
    original(path, content)


def pause(reached: Any, go: Any, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Until the test says go."""
    reached.set()
    assert go.wait(60)
    return original(*args, **kwargs)


def tell(reached: Any, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    reached.set()
    return original(*args, **kwargs)


MOVE = "pipeline.platform.io_manager:_move"
DURING_IMPORT: dict[str, dict[str, tuple[Any, ...]]] = {
    "raw copy": {"pipeline.catalog.shopify_file:copy_raw": (die_after,)},
    "raw table": {MOVE: (die_moving, "raw_products")},
    "normalizing": {"pipeline.catalog.assets:normalize": (die_after,)},
    "products": {MOVE: (die_moving, "products")},
    "variants": {MOVE: (die_moving, "variants")},
    "inventory": {MOVE: (die_moving, "inventory")},
    "rejected rows": {MOVE: (die_moving, "rejected_rows")},
    "quality": {"pipeline.quality.assets:run_quality": (die,)},
    "fixed variants": {MOVE: (die_moving, "fixed_variants")},
    "scores": {MOVE: (die_moving, "product_scores")},
    "verdict": {"pipeline.quality.assets:record_verdict": (die,)},
}
DURING_EXPORT: dict[str, dict[str, tuple[Any, ...]]] = {
    "listings": {MOVE: (die_moving, "listings")},
    "listing scores": {MOVE: (die_moving, "listing_scores")},
    "half a plan": {"pipeline.listings.plan_files:_replace": (die_within, "plan.json")},
    "plan not registered": {"pipeline.listings.assets:register": (die,)},
    "changes": {MOVE: (die_moving, "listing_changes")},
    "half a feed": {"pipeline.feeds.pack:_replace": (die_within, "product-1.json")},
    "feed table": {MOVE: (die_moving, "inventory_feed")},
    "commit": {"pipeline.submissions.file_mode:commit": (die,)},
    "within the commit": {"pipeline.submissions.file_mode:record": (die_after,)},
    "committed": {"pipeline.submissions.file_mode:commit": (die_after,)},
    "pointer": {"pipeline.submissions.assets:set_current": (die_after,)},
    "submissions": {MOVE: (die_moving, "feed_submissions")},
}


def result(place: Place) -> tuple[dict[str, str], list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Feed files and their hashes, what the marketplaces have, and the committed exports that sent anything."""
    files = {name: digest for name, digest in place.hashes("feeds").items() if not name.endswith("current.json")}
    columns = "site, sku, product_id, role, content_hash, images_hash, price, list_price, quantity, left_at IS NULL, version"
    state = place.rows(f"SELECT {columns} FROM listing_state ORDER BY site, sku")
    query = "SELECT site, export_id, feed_files FROM exports WHERE status = 'committed' AND feed_files <> '[]' ORDER BY 1, 2"
    return files, state, place.rows(query)


@pytest.fixture(scope="module")
def before(live_shop: Place, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """The shop with three changes in its file, not imported."""
    place = live_shop.clone(tmp_path_factory.mktemp("before"))
    file = catalogs.write(place.settings.data_dir.parent / "changed.csv", catalogs.products(30, THREE))
    place.cli("store", "set", "shop", "--file", str(file), code=0)
    return place


@pytest.fixture(scope="module")
def imported(before: Place, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """The three changes imported, not exported."""
    place = before.clone(tmp_path_factory.mktemp("imported"))
    place.cli("import", "shop", code=0)
    return place


@pytest.fixture(scope="module")
def undisturbed(imported: Place, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """And nothing is left to be sent after it, nor after whatever gives the same result."""
    place = imported.clone(tmp_path_factory.mktemp("undisturbed"))
    found = export(place)
    assert sent(found) == {"update": 1, "price": 1, "quantity": 1}
    left = result(place)
    assert sent(export(place)) == {}
    return left


def test_an_import_killed_at_every_stage(before: Place, undisturbed: Any, tmp_path: Path) -> None:
    """One after the other in one place, so each attempt also begins with what the one before left."""
    place = before.clone(tmp_path)
    for name, hooks in DURING_IMPORT.items():
        assert start(place, "import", "shop", hooks=hooks).killed(), name
        if name in ("fixed variants", "verdict"):
            refused = place.cli("export", "shop", AMAZON, "--json").error
            assert "materialize" in refused, name
    place.cli("import", "shop", code=0)
    assert sent(export(place)) == {"update": 1, "price": 1, "quantity": 1}
    assert result(place) == undisturbed
    assert list((place.settings.data_dir / "scratch").iterdir()) == []


@pytest.mark.parametrize("name", DURING_EXPORT)
def test_an_export_killed_at_this_stage(name: str, imported: Place, undisturbed: Any, tmp_path: Path) -> None:
    place = imported.clone(tmp_path)
    assert start(place, "export", "shop", AMAZON, hooks=DURING_EXPORT[name]).killed()
    found = export(place)
    assert result(place) == undisturbed
    assert not [path for path in (place.settings.data_dir / "feeds").rglob(".*")]
    pointer = (place.settings.data_dir / "feeds" / "shop" / AMAZON / "current.json").read_text()
    assert found["export_id"] in pointer
    assert place.summary("stats", "shop", AMAZON)["connections"][0]["failed_exports"] == 1


def test_torn_products_and_variants(before: Place, tmp_path: Path) -> None:
    """New products beside old variants: quality and listings refuse them, naming what to materialize."""
    place = before.clone(tmp_path)
    assert start(place, "import", "shop", hooks=DURING_IMPORT["variants"]).killed()
    ids = [place.table(name, "shop").metadata["import_id"] for name in ("products", "variants", "fixed_products")]
    assert ids[0] > ids[1] == ids[2]
    quality = ("fixed_products", "fixed_variants", "product_fixes", "product_issues", "product_scores")
    success, said = materialize(place, *quality, partition="shop")
    assert not success
    assert (
        f"products and variants are of different imports ({ids[0]} and {ids[1]}); materialize variants, then this again" in said
    )
    refused = place.cli("export", "shop", AMAZON, "--json", code=1).error
    assert f"products of shop are of import {ids[0]}, variants of {ids[1]}: an import was interrupted" in refused


def test_torn_stock_is_refused_by_listings(before: Place, tmp_path: Path) -> None:
    place = before.clone(tmp_path)
    assert start(place, "import", "shop", hooks=DURING_IMPORT["quality"]).killed()
    refused = place.cli("export", "shop", AMAZON, "--json").error
    assert "fixed_products and fixed_variants are of an older import than" in refused
    assert "materialize fixed_products and fixed_variants, then listings again" in refused
    quality = ("fixed_products", "fixed_variants", "product_fixes", "product_issues", "product_scores")
    assert materialize(place, *quality, partition="shop") == (True, "")
    assert sent(export(place)) == {"update": 1, "price": 1, "quantity": 1}


def test_the_dead_run_is_closed_by_whoever_looks(imported: Place, tmp_path: Path) -> None:
    place = imported.clone(tmp_path)
    assert start(place, "export", "shop", AMAZON, hooks=DURING_EXPORT["commit"]).killed()
    assert place.summary("jobs", "list", "--unfinished")["jobs"] == []
    dead = place.summary("jobs", "list")["jobs"][0]
    assert (dead["type"], dead["status"]) == ("export_listings", "failure")
    assert "process is gone" in dead["error"]
    with place.instance() as instance:
        assert launch.close_dead_runs(instance, place.database) == []


def test_the_status_of_a_dead_run_is_the_truth(imported: Place, tmp_path: Path) -> None:
    place = imported.clone(tmp_path)
    assert start(place, "import", "shop", hooks=DURING_IMPORT["variants"]).killed()
    ((run_id,),) = place.rows("SELECT run_id FROM imports WHERE status = 'running'")
    overview = place.summary("status")
    assert {row["next"] for row in overview["connections"]} == {"pipeline import shop"}
    assert overview["notices"] == [
        f"shop: the process of its import is gone (run {run_id[:8]}); the next one goes on with it: pipeline import shop"
    ]
    watched = place.cli("jobs", "status", run_id[:8], "--watch", "--json", code=1)
    assert watched.json["status"] == "failure"
    place.cli("import", "shop", code=0)
    assert place.summary("status")["notices"] == []


def fail(error: BaseException, original: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    raise error


def test_a_full_disk_is_said_and_the_next_import_goes_on(imported: Place, tmp_path: Path) -> None:
    place = imported.clone(tmp_path)
    full = OSError(errno.ENOSPC, "No space left on device")
    failed = start(place, "import", "shop", "--json", hooks={"pipeline.catalog.assets:normalize": (fail, full)}).result()
    said = "the disk is full; make room in the data directory, then go on with: pipeline import shop"
    assert failed.error == f"import_all of shop: {said}"
    assert place.summary("status")["notices"] == [f"shop: {said}"]
    assert {row["next"] for row in place.summary("status")["connections"]} == {"pipeline import shop"}
    place.cli("import", "shop", code=0)
    assert place.summary("status")["notices"] == []


def test_a_bug_of_the_importer_is_called_one(imported: Place, tmp_path: Path) -> None:
    place = imported.clone(tmp_path)
    failed = start(place, "import", "shop", hooks={"pipeline.catalog.assets:normalize": (fail, KeyError("secret"))}).result()
    assert failed.code == 1
    (said,) = place.summary("status")["notices"]
    assert said.startswith("shop: KeyError in the importer, which is a fault of it: report it") and "secret" not in said
    place.cli("import", "shop", code=0)


def test_a_run_without_a_lock_is_dead_when_it_was_silent_for_long(imported: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with imported.instance() as instance:
        run = instance.create_run_for_job(defs.resolve_job_def("import_labels"), status=dg.DagsterRunStatus.STARTED)
        instance.report_engine_event("begun", run)
        assert launch.close_dead_runs(instance, imported.database) == []
        monkeypatch.setattr(launch, "_YOUNG_SECONDS", -1.0)
        assert launch.close_dead_runs(instance, imported.database) == [run.run_id]
        instance.delete_run(run.run_id)


def test_a_living_run_is_not_closed(imported: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = imported.clone(tmp_path)
    monkeypatch.setattr(launch, "_YOUNG_SECONDS", 0.0)
    reached, go = event(), event()
    living = start(place, "export", "shop", AMAZON, hooks={"pipeline.submissions.file_mode:commit": (pause, reached, go)})
    assert reached.wait(60)
    with place.instance() as instance:
        assert launch.close_dead_runs(instance, place.database) == []
    go.set()
    assert living.result().code == 0


def test_of_two_exports_one_waits(imported: Place, undisturbed: Any, tmp_path: Path) -> None:
    place = imported.clone(tmp_path)
    reached, go, waiting = event(), event(), event()
    first = start(
        place, "export", "shop", AMAZON, "--json", hooks={"pipeline.submissions.file_mode:commit": (pause, reached, go)}
    )
    assert reached.wait(60)
    second = start(
        place, "export", "shop", AMAZON, "--json", hooks={"pipeline.listings.assets:stop_if_canceled": (tell, waiting)}
    )
    assert waiting.wait(60)
    go.set()
    assert first.result().code == 0
    later = second.result()
    assert later.code == 0, later.err
    assert sent(later.json["marketplaces"][AMAZON]) == {}
    assert result(place) == undisturbed


def test_of_two_exports_one_says_why(imported: Place, undisturbed: Any, tmp_path: Path) -> None:
    place = imported.clone(tmp_path)
    reached, go = event(), event()
    first = start(place, "export", "shop", AMAZON, hooks={"pipeline.submissions.file_mode:commit": (pause, reached, go)})
    assert reached.wait(60)
    impatient = {"pipeline.listings.assets:LOCK_WAIT_SECONDS": 0.0}
    said = start(place, "export", "shop", AMAZON, "--json", values=impatient).result().error
    go.set()
    assert first.result().code == 0
    (run,) = [
        job for job in place.summary("jobs", "list")["jobs"] if job["status"] == "success" and job["marketplace"] == AMAZON
    ][:1]
    assert f"shop on amazon-us is being exported by run {run['id']} since" in said
    assert "wait until that has ended, or cancel it (pipeline jobs list)" in said
    assert result(place) == undisturbed


@pytest.mark.slow
def test_kill_9_of_the_demo_on_the_embedded_database(finished_demo: Finished) -> None:
    """The two commands of a newcomer, the first one killed in the middle of an export."""
    with data_folder() as folder:
        environment = {**os.environ, "PIPELINE_DATA_DIR": str(folder), "DATABASE_URL": "", "PIPELINE_STORAGE_URI": ""}
        with tempfile.TemporaryFile("w+") as out:
            killed = subprocess.Popen([*PROGRAM, "demo"], env=environment, stdout=out, stderr=subprocess.PIPE, text=True)
            assert killed.stderr is not None
            for line in killed.stderr:
                if line.startswith("export demo to ebay-us ..."):
                    killed.kill()
                    break
            assert killed.wait() == -signal.SIGKILL
        again = subprocess.run([*PROGRAM, "demo", "--json"], env=environment, capture_output=True, text=True)
        assert again.returncode == 0, again.stderr
        settings = replace(finished_demo.place.settings, data_dir=folder)
        there = Place(settings, finished_demo.place.database).hashes("feeds")
        here = finished_demo.place.hashes("feeds")
        assert {n: d for n, d in there.items() if "current" not in n} == {n: d for n, d in here.items() if "current" not in n}


def test_feeds_of_a_killed_export_are_read_back(imported: Place, tmp_path: Path) -> None:
    """What the helper compares is not empty."""
    place = imported.clone(tmp_path)
    found = export(place)
    assert feeds.skus(place, found) == {"product": ["SKU-11"], "price": ["SKU-3"], "inventory": ["SKU-7"]}
    assert len(result(place)[0]) == 3 + 2
