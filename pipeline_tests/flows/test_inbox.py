"""A file dropped into the inbox while `pipeline up` runs: import, quality, listings and feeds appear by themselves, once."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import dagster as dg
import psutil
import pytest

from pipeline.definitions import defs
from pipeline.operations import new_imports, sensors
from pipeline.operations.launch import run_job
from pipeline_tests.flows import catalogs
from pipeline_tests.flows.place import SITES, Place

AMAZON = SITES[0]
PROGRAM = [sys.executable, "-c", "from pipeline.cli import main; main()"]


def serve(place: Place) -> list[str]:
    """Two ticks of the sensor and, between them, the runs that it asks for; returns the ids of those that succeeded."""
    with place.instance() as instance, pytest.MonkeyPatch.context() as patch:
        patch.setattr(new_imports, "LOOK_SECONDS", 0.0)
        found = sensors.new_imports(dg.build_sensor_context(instance=instance))
        done = []
        for request in found.run_requests or []:
            tags = {**request.tags, "dagster/run_key": str(request.run_key)}
            outcome = run_job(defs, instance, str(request.job_name), str(request.partition_key), tags=tags)
            done += [outcome.run_id] if outcome.success else []
        sensors.new_imports(dg.build_sensor_context(instance=instance))
    return done


@pytest.fixture
def shop(shop: Place) -> Place:
    (shop.settings.data_dir / "inbox" / "shop").mkdir(parents=True)
    return shop


def test_an_imported_file_is_the_stores_catalog(shop: Place) -> None:
    drop(shop, "23.00")
    assert len(serve(shop)) == 1
    assert serve(shop) == []
    settings = shop.cli("store", "show", "shop", "--json", code=0).json["source_settings"]
    assert settings["path"] == str(shop.settings.data_dir / "inbox/.taken/shop/1-new_catalog_23.00.csv")
    assert shop.summary("export", "shop", AMAZON)["marketplaces"][AMAZON]["changes"]["price"] == 1
    shop.cli("import", "shop", code=0)
    assert shop.rows("SELECT DISTINCT source_name FROM imports WHERE source_name LIKE '1-%'") == [("1-new_catalog_23.00.csv",)]
    assert shop.summary("status")["notices"] == []


def test_a_catalog_that_shrank_is_not_exported_until_it_is_accepted(shop: Place) -> None:
    file = catalogs.write(shop.settings.data_dir.parent / "half.csv", catalogs.products(15))
    file.rename(shop.settings.data_dir / "inbox" / "shop" / "half.csv")
    before = shop.hashes("tables")
    assert serve(shop) == []
    assert {name: digest for name, digest in shop.hashes("tables").items() if "raw_products" not in name} == {
        name: digest for name, digest in before.items() if "raw_products" not in name
    }
    status = shop.cli("status", code=0).out
    assert "the catalog shrank from 30 to 15 products" in status
    said = {row["next"] for row in shop.summary("status")["connections"]}
    assert said == {"pipeline import shop (--accept-shrink if it is meant to be smaller)"}
    assert shop.summary("import", "shop", "--accept-shrink")["products"] == 15


def test_a_file_that_is_no_catalog_is_set_aside_and_said(shop: Place) -> None:
    (shop.settings.data_dir / "inbox" / "shop" / "photo.csv").write_bytes(b"%PDF-1.7 no catalog")
    assert serve(shop) == []
    failed = shop.settings.data_dir / "inbox" / ".failed" / "shop"
    assert (failed / "1-photo.csv").read_bytes() == b"%PDF-1.7 no catalog"
    assert "is a PDF" in (failed / "1-photo.csv.why.txt").read_text()
    said = shop.summary("status")["notices"]
    assert any("1 file(s) of the inbox were not imported" in sentence for sentence in said)
    settings = shop.cli("store", "show", "shop", "--json", code=0).json["source_settings"]
    assert "inbox" not in settings["path"]


class Up:
    """`pipeline up` of a place."""

    def __init__(self, place: Place) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.process = subprocess.Popen(
            [*PROGRAM, "up", "--port", str(port)], env={**os.environ, **place.settings.environment()}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True, errors="replace",
        )  # fmt: skip
        self.said: list[str] = []

    def until(self, there: Callable[[str], bool], times: int = 1) -> None:
        """Wait for so many lines of its log; fails when it ends before."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line)
            times -= there(line)
            if not times:
                return
        raise AssertionError("".join(self.said[-50:]))

    def kill(self) -> None:
        """All of its processes at once, as a power cut does."""
        front = psutil.Process(self.process.pid)
        for process in [front, *front.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait()


@contextmanager
def up(place: Place) -> Iterator[Up]:
    running = Up(place)
    try:
        running.until(lambda line: "Serving dagster-webserver" in line)
        yield running
    finally:
        if running.process.poll() is None:
            running.kill()


def drop(place: Place, price: str) -> None:
    """A catalog with one other price, under an awkward name."""
    file = catalogs.write(place.settings.data_dir.parent / "next.csv", catalogs.products(30, {3: {"Variant Price": price}}))
    file.rename(place.settings.data_dir / "inbox" / "shop" / f"new; catalog ü {price}.csv")


def event(kind: str, job: str) -> Callable[[str], bool]:
    return lambda line: f" - {kind} - " in line and f" - {job} - " in line


def check(place: Place, number: int, price: int) -> None:
    """The drop of this number was imported and exported to each site exactly once, with its price."""
    with place.database.connect() as connection:
        imports = connection.execute(
            "SELECT i.id FROM imports i WHERE i.source_name LIKE %s AND i.status = 'complete' AND i.quality_passed",
            (f"{number}-%",),
        ).fetchall()
        assert len(imports) == 1
        exports = connection.execute(
            "SELECT site, counts->'changes'->>'price' FROM exports WHERE import_id = %s AND status = 'committed' ORDER BY site",
            imports[0],
        ).fetchall()
        assert exports == [(site, "1") for site in sorted(SITES)]
        found = connection.execute("SELECT price FROM listing_state WHERE sku = 'SKU-3'").fetchall()
        assert found == [(price,)] * len(SITES)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_dropped_file_reaches_the_feeds_once_although_everything_is_killed(shop: Place) -> None:
    with up(shop) as running:
        drop(shop, "23.00")
        running.until(event("RUN_SUCCESS", "export_listings"), times=len(SITES))
        drop(shop, "26.00")
        running.until(event("RUN_START", "import_all"))
        running.kill()
    with up(shop) as running:
        running.until(event("RUN_SUCCESS", "export_listings"), times=len(SITES))
    check(shop, 2, 2600)
    requests = shop.rows("SELECT count(*), count(DISTINCT import_id) FROM import_requests")
    assert requests == [(2, 2)]
    prices = shop.rows("SELECT count(*) FROM exports WHERE counts->'changes'->>'price' = '1' AND status = 'committed'")
    assert prices == [(2 * len(SITES),)]
