"""A file dropped into the inbox while `pipeline up` runs: import, quality, listings and feeds appear by themselves, once."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from pipeline_tests.flows import catalogs
from pipeline_tests.flows.place import SITES, Place

PROGRAM = [sys.executable, "-c", "from pipeline.cli import main; main()"]


class Up:
    """`pipeline up` of a place, in a process group of its own."""

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
        os.killpg(self.process.pid, signal.SIGKILL)
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
    (shop.settings.data_dir / "inbox" / "shop").mkdir(parents=True)
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
