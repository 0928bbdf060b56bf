"""Places to run whole flows in, and finished ones that several tests read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from pipeline.platform.database import Database
from pipeline_tests.canary import recorded_logs
from pipeline_tests.fakes.openai_server import FakeOpenAI, running
from pipeline_tests.flows import catalogs
from pipeline_tests.flows.place import SITES, Place, drop_places, make_place
from pipeline_tests.flows.scene import Scene, new_scene

NewPlace = Callable[[], Place]


@pytest.fixture(scope="session")
def new_place(server: Database, _dagster_template: str, tmp_path_factory: pytest.TempPathFactory) -> NewPlace:
    numbers = count(1)
    return lambda: make_place(server, _dagster_template, tmp_path_factory.mktemp("place") / f"data{next(numbers)}")


@pytest.fixture(autouse=True)
def _drop_places(server: Database, tmp_path: Path) -> Iterator[None]:
    yield
    drop_places(server, tmp_path)


@dataclass(frozen=True)
class Finished:
    """A place after some commands, with their JSON. Only to be read."""

    place: Place
    first: Any
    second: Any


@pytest.fixture(scope="session")
def finished_demo(new_place: NewPlace) -> Finished:
    """The sample store, run twice."""
    place = new_place()
    return Finished(place, place.summary("demo"), place.summary("demo"))


@pytest.fixture(scope="session")
def live_shop(new_place: NewPlace) -> Place:
    """A store `shop` of 30 sound products, live on both sites; clone it."""
    place = new_place()
    file = catalogs.write(place.settings.data_dir.parent / "shop.csv", catalogs.products(30))
    place.cli("store", "add", "shop", "--file", str(file), code=0)
    for site, category in zip(SITES, ("PRODUCT", "88433"), strict=True):
        place.cli("connect", "shop", site, "--set", f"default_category={category}", code=0)
    place.cli("import", "shop", code=0)
    for site in SITES:
        found = place.summary("export", "shop", site)["marketplaces"][site]
        assert (found["changes"]["create"], found["blocked"], found["held"]) == (30, 0, 0), found
    return place


@pytest.fixture(scope="session")
def shop_of_ten(new_place: NewPlace) -> Place:
    """A store `shop` of ten products, imported, and a key for credentials; clone it."""
    place = new_place()
    keys = place.settings.data_dir.with_name("credential.keys")
    place.cli("keys", "generate", "--file", str(keys), code=0)
    place = place.with_keys(keys)
    file = catalogs.write(keys.with_name("shop.csv"), catalogs.products(10))
    place.cli("store", "add", "shop", "--file", str(file), code=0)
    place.cli("import", "shop", code=0)
    return place


@pytest.fixture
def shop(live_shop: Place, tmp_path: Path) -> Place:
    """A copy of `live_shop` of the test's own."""
    return live_shop.clone(tmp_path)


@pytest.fixture
def scene(shop: Place, tmp_path: Path) -> Iterator[Scene]:
    """The shop with planted secrets, and a record of everything that is logged."""
    with recorded_logs() as lines:
        yield new_scene(shop, tmp_path / "operator", lines)


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeOpenAI]:
    """A model that this process, and the runs that it starts, are told to ask."""
    with running(FakeOpenAI()) as found:
        for name, value in found.environment().items():
            monkeypatch.setenv(name, value)
        yield found
