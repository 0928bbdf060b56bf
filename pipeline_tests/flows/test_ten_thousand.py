"""Ten thousand SKUs from a file to the marketplace: the first export says all of them, the next ones exactly what changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline_tests.fakes.amazon import FakeAmazon
from pipeline_tests.flows import catalogs
from pipeline_tests.flows.place import Place
from pipeline_tests.flows.test_live_amazon import SITE, amazon, connect, credentials, later, place

__all__ = ["amazon", "place"]  # fixtures
COUNT = 10_000
#: One product in a hundred, each in one way.
CHANGES = [{"Variant Price": "21.00"}, {"Variant Inventory Qty": "7"}, {"Title": "Stoneware Mug, Renamed"}]
CHANGED = {number: CHANGES[number // 100 % 3] for number in range(100, COUNT + 1, 100)}


def export(place: Place, amazon: FakeAmazon) -> None:
    place.summary("export", "shop", SITE)
    for _ in range(4):
        later(place, amazon, 130)
        place.summary("submissions", "poll")


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_messages_are_the_changes_exactly(place: Place, amazon: FakeAmazon, tmp_path: Path) -> None:
    connect(place, credentials(tmp_path, amazon))
    file = catalogs.write(tmp_path / "many.csv", catalogs.products(COUNT))
    place.cli("store", "set", "shop", "--file", str(file), code=0)
    place.cli("import", "shop", code=0)
    export(place, amazon)
    first = [message["sku"] for messages in amazon.created() for message in messages]
    assert sorted(first) == sorted(f"SKU-{number}" for number in range(1, COUNT + 1))
    assert len(amazon.catalog.listings) == COUNT

    asked = len(amazon.recorded)
    place.cli("import", "shop", code=0)
    export(place, amazon)
    assert len(amazon.recorded) == asked  # nothing was even asked

    catalogs.write(file, catalogs.products(COUNT, CHANGED))
    place.cli("import", "shop", code=0)
    feeds = len(amazon.feeds)
    export(place, amazon)
    said = [(message["sku"], message["operationType"]) for messages in amazon.created()[feeds:] for message in messages]
    assert sorted(sku for sku, _ in said) == sorted(f"SKU-{number}" for number in CHANGED)
    assert place.summary("submissions", "list", "--open")["submissions"] == []
