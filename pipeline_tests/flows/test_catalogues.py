"""Whole stores through `demo --catalog`: every row accounted for, every message officially valid, nothing active in any."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from pipeline_tests.benchmarks.generate import write_catalog
from pipeline_tests.catalog.test_real_catalogs import COUNTS
from pipeline_tests.flows import feeds
from pipeline_tests.flows.conftest import NewPlace
from pipeline_tests.flows.place import SITES, Place
from pipeline_tests.reference import reference


@pytest.fixture(scope="module")
def place(new_place: NewPlace) -> Place:
    """One place for all catalogs, as an agency with many stores has it."""
    return new_place()


@pytest.mark.slow
@pytest.mark.parametrize("name", COUNTS)
def test_a_real_catalog(name: str, place: Place) -> None:
    done = place.cli("demo", "--catalog", str(reference("catalogues", name)), "--json", code=0)
    summary = done.json
    assert (summary["status"], summary["errors"]) == ("ok", [])
    assert (summary["products"], summary["variants"], summary["rejected"]) == (*COUNTS[name], 0)
    for site in SITES:
        found = summary["marketplaces"][site]
        assert found["ready"] + found["blocked"] == found["listings"] >= COUNTS[name][1] * 0.2
        assert found["changes"]["create"] > 0
        kinds = feeds.skus(place, found)
        assert kinds.keys() == {"product"}
        assert len(kinds["product"]) == len(set(kinds["product"])) <= found["changes"]["create"]
        feeds.check_harmless(place, found)
        feeds.check_official(place, found)
    every_blocked_listing_says_why(place, summary)


def every_blocked_listing_says_why(place: Place, summary: Any) -> None:
    for site in SITES:
        rows = place.table("listings", summary["store"], site).read(["status", "reason"])
        assert rows.loc[rows["status"] == "blocked", "reason"].str.len().fillna(0).gt(10).all()


def test_the_demo_says_what_it_set(place: Place) -> None:
    done = place.cli("demo", "--catalog", str(reference("catalogues", "perfume_fr_3.csv")), code=0)
    assert "gtin_exempt (a missing barcode is only a warning), a default category" in done.out
    assert "next: make up" in done.out


def test_plain_and_gzipped_json_lines_are_the_same_catalog(place: Place, tmp_path: Path) -> None:
    plain = tmp_path / "bulk.jsonl"
    write_catalog(plain, 120, faults=0.2)
    zipped = tmp_path / "bulk.jsonl.gz"
    zipped.write_bytes(gzip.compress(plain.read_bytes()))
    first, second = (place.summary("demo", "--catalog", str(path)) for path in (plain, zipped))
    assert (first["variants"], first["rejected"], first["status"]) == (120, 0, "ok")
    assert without_names(first) == without_names(second)
    for site in SITES:
        one, two = (summary["marketplaces"][site] for summary in (first, second))
        assert feeds.skus(place, one)["product"]
        feeds.check_official(place, one)
        assert operations(place, one) == operations(place, two)


def without_names(summary: Any) -> Any:
    """A summary without what the name of the store or the run decides."""
    rest = {name: value for name, value in summary.items() if name not in ("store", "runs", "marketplaces")}
    markets = {
        site: {
            **{name: value for name, value in found.items() if name not in ("export_id", "feeds")},
            "feeds": [(feed["kind"], feed["messages"]) for feed in found["feeds"]],
        }
        for site, found in summary["marketplaces"].items()
    }
    return {**rest, "marketplaces": markets}


def operations(place: Place, found: Any) -> list[str]:
    """The operation of every message, in order of the SKUs' listings; the SKUs themselves may be made from the store's name."""
    return list(feeds.operations(place, found).values())
