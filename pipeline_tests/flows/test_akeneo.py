"""A store whose catalog is a PIM: from its first import to feeds, its parts alone, what changed, and what goes wrong."""

from __future__ import annotations

import base64
import json
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.model.secret import Secret
from pipeline_tests.catalog.akeneo.sample import SHIRT, fill, uid, value
from pipeline_tests.catalog.shopify_api.helpers import comparable
from pipeline_tests.fakes.akeneo import CREDENTIALS, FakeAkeneo
from pipeline_tests.flows import feeds
from pipeline_tests.flows.conftest import NewPlace
from pipeline_tests.flows.place import Place, start
from pipeline_tests.flows.test_crash import die, die_after

AMAZON = "amazon-us"
TABLES = ("products", "variants", "inventory", "collections", "attributes", "families")


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAkeneo]:
    with FakeAkeneo() as found:
        monkeypatch.setenv("AKENEO_API_URL", found.url)
        yield fill(found)


@pytest.fixture
def place(new_place: NewPlace, fake: FakeAkeneo, tmp_path: Path) -> Place:
    """A store `pim`, not yet imported."""
    bare = new_place()
    keys = Secret(f"k1:{base64.b64encode(bytes(range(32))).decode()}")
    found = replace(bare, settings=replace(bare.settings, credential_keys=keys))
    secrets = tmp_path / "credentials.json"
    secrets.write_text(json.dumps(CREDENTIALS))
    secrets.chmod(0o600)
    found.cli(
        "store", "add", "pim", "--source", "akeneo", "--url", "https://pim.example.com", "--channel", "ecommerce",
        "--locale", "en_US", "--attribute", "images=photo_urls", "--credentials", str(secrets), code=0,
    )  # fmt: skip
    return found


def imports(place: Place) -> list[tuple[Any, ...]]:
    return place.rows("SELECT kind, status, since IS NULL, reconciled, error FROM imports ORDER BY id")


def ids(place: Place) -> dict[str, str | None]:
    return {name: place.table(name, "pim").metadata.get("import_id") for name in TABLES}


def test_from_a_pim_to_feeds(place: Place, fake: FakeAkeneo) -> None:
    done = place.summary("import", "pim")
    assert (done["status"], done["products"], done["variants"], done["rejected"]) == ("ok", 4, 9, 0)
    assert len(set(ids(place).values())) == 1
    roles = place.table("attributes", "pim").read(["code", "role"]).dropna().set_index("code")["role"].to_dict()
    assert roles == {
        "sku": "sku", "name": "title", "description": "description", "brand": "brand", "ean": "gtin", "price": "price",
        "weight": "weight", "photo_urls": "images",
    }  # fmt: skip
    clothing = place.table("families", "pim").read().set_index("code").loc["clothing"]
    assert json.loads(clothing["variants"]) == {"by_size": [["size"]], "by_color_size": [["color"], ["size"]]}
    assert list(clothing["required"]) == ["sku", "name", "price"]
    place.cli(
        "connect", "pim", AMAZON, "--set", "default_category=PRODUCT", "--set", "gtin_exempt=true", "--set", "unknown_quantity=5",
        code=0,
    )  # fmt: skip
    found = place.summary("export", "pim", AMAZON)["marketplaces"][AMAZON]
    assert found["ready"] > 0, place.table("listings", "pim", AMAZON).read(["sku", "status", "reason"]).to_dict("records")
    feeds.check_official(place, found)
    feeds.check_harmless(place, found)
    assert place.summary("import", "pim")["status"] == "ok"
    again = place.summary("export", "pim", AMAZON)["marketplaces"][AMAZON]
    assert again["feeds"] == []


def test_the_parts_alone(place: Place, fake: FakeAkeneo) -> None:
    place.cli("import", "pim", code=0)
    before = ids(place)
    fake.attributes["size"]["labels"]["en_US"] = "Size (new)"
    fake.families.pop("home")
    fake.categories["shirts"]["labels"]["en_US"] = "Tops"
    for only, job_of in (("attributes", "attributes"), ("families", "families"), ("categories", "collections")):
        fake.heal()
        place.cli("import", "pim", "--only", only, code=0)
        after = ids(place)
        assert {name for name in TABLES if after[name] != before[name]} == {job_of}
        before = after
    assert "Size (new)" in place.table("attributes", "pim").read(["label"])["label"].tolist()
    assert place.table("families", "pim").read(["code"])["code"].tolist() == ["clothing"]
    assert "Tops" in place.table("collections", "pim").read(["title"])["title"].tolist()
    assert [(kind, status) for kind, status, *_ in imports(place)] == [
        ("all", "complete"), ("attributes", "complete"), ("families", "complete"), ("collections", "complete"),
    ]  # fmt: skip
    place.cli("import", "pim", "--only", "products", code=0)
    assert ids(place)["products"] == ids(place)["attributes"]


def die_on(left: list[int], original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """After so many calls."""
    done = original(*args, **kwargs)
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return done


SAVED = "pipeline.catalog.assets:_save_state"
SMALL = {"pipeline.catalog.akeneo.client:PAGE": 2, "pipeline.catalog.akeneo.fetch:SEGMENT_PAGES": 2}
#: One after the other, each in the import that went on after the last.
DEATHS: dict[str, dict[str, tuple[Any, ...]]] = {
    "a segment of products": {SAVED: (die_on, [1])},
    "some segments": {SAVED: (die_on, [3])},
    "all products read": {"pipeline.catalog.akeneo.fetch:_remove": (die,)},
    "products kept": {"pipeline.catalog.akeneo.fetch:_remove": (die_after,)},
    "a segment of models": {SAVED: (die_on, [1])},
    "raw copy whole": {"pipeline.catalog.assets:note_raw": (die,)},
    "normalized": {"pipeline.catalog.assets:normalize": (die_after,)},
}


def large_pages(fake: FakeAkeneo) -> list[str]:
    return [path for path in fake.paths if "pagination_type=search_after" in path and "search=" not in path]


def test_an_import_killed_anywhere_goes_on_where_it_was(place: Place, fake: FakeAkeneo, tmp_path: Path) -> None:
    for number in range(20):
        fake.put_product({"identifier": f"plain-{number}", "family": "home", "categories": ["shirts"], "values": {}})
    undisturbed = place.clone(tmp_path / "undisturbed")
    assert start(undisturbed, "import", "pim", values=SMALL).result().code == 0
    pages, expected = large_pages(fake), {name: comparable(undisturbed.table(name, "pim")) for name in TABLES}
    assert len(pages) == len(set(pages)) > 12
    fake.paths.clear()
    for name, hooks in DEATHS.items():
        assert start(place, "import", "pim", hooks=hooks, values=SMALL).killed(), name
        fake.pass_time(minutes=20)
    assert start(place, "import", "pim", values=SMALL).result().code == 0
    assert sorted(large_pages(fake)) == sorted(pages)  # each page once
    assert {name: comparable(place.table(name, "pim")) for name in TABLES} == expected
    assert imports(place) == [("all", "complete", True, True, None)]
    # What changed in those hours is not passed over.
    ((began,),) = place.rows("SELECT watermark FROM imports")
    assert abs((fake.now - began).total_seconds() - len(DEATHS) * 1200) < 5
    assert not list((place.settings.data_dir / "raw").rglob("*-[0-9].zst"))


def test_a_damaged_segment_is_read_again(place: Place, fake: FakeAkeneo) -> None:
    assert start(place, "import", "pim", hooks={SAVED: (die_on, [1])}, values=SMALL).killed()
    (segment,) = (place.settings.data_dir / "raw").rglob("products-0.zst")
    segment.write_bytes(segment.read_bytes()[:-9])
    done = start(place, "import", "pim", "--json", values=SMALL).result()
    assert (done.code, done.json["products"], done.json["variants"]) == (0, 4, 9)


def test_what_changed_is_imported_without_reading_everything(place: Place, fake: FakeAkeneo) -> None:
    place.cli("import", "pim", code=0)
    fake.pass_time(hours=3)
    fake.put_model({**fake.models[SHIRT], "values": {**fake.models[SHIRT]["values"], "name": [value("New shirt", "en_US")]}})
    fake.delete_product(uid("mug"))  # which the times of changes do not tell
    fake.heal()
    place.cli("import", "pim", code=0)
    titles = place.table("products", "pim").read(["product_id", "title"]).set_index("product_id")["title"]
    assert titles[SHIRT] == "New shirt" and uid("mug") in titles.index
    assert not [
        path for path in fake.paths[-sum(fake.calls.values()) :] if "products-uuid?limit" in path and "search" not in path
    ]
    assert imports(place) == [("all", "complete", True, True, None), ("all", "complete", True, False, None)]


@pytest.mark.parametrize("kind", ["products", "attributes", "families", "categories"])
def test_a_pim_that_refuses_leaves_the_old_tables(kind: str, place: Place, fake: FakeAkeneo) -> None:
    place.cli("import", "pim", code=0)
    before, files = ids(place), place.hashes("tables")
    fake.forbidden = {kind}
    error = place.cli("import", "pim", "--json").error
    assert "the connection may not read" in error and kind in error
    assert ids(place) == before
    assert {name: digest for name, digest in place.hashes("tables").items() if "raw" not in name} == {
        name: digest for name, digest in files.items() if "raw" not in name
    }
    assert imports(place)[-1][1] == "failed"
    fake.forbidden = set()
    place.cli("import", "pim", code=0)


def test_a_store_that_is_no_pim_skips_its_tables(new_place: NewPlace, tmp_path: Path) -> None:
    from pipeline_tests.flows import catalogs

    found = new_place()
    file = catalogs.write(tmp_path / "shop.csv", catalogs.products(3))
    found.cli("store", "add", "shop", "--file", str(file), code=0)
    found.cli("import", "shop", code=0)
    assert not (found.settings.data_dir / "tables" / "attributes").exists()
    refused = found.cli("import", "shop", "--only", "attributes", code=2)
    assert "the source shopify-file of shop has no attributes; it has: products, collections, inventory" in refused.error


def test_parts_that_a_pim_does_not_have_are_wrong_use(place: Place) -> None:
    refused = place.cli("import", "pim", "--only", "inventory", code=2)
    assert "the source akeneo of pim has no inventory; it has: products, collections, categories" in refused.error
    assert imports(place) == []


def test_no_secret_is_anywhere(place: Place, fake: FakeAkeneo) -> None:
    place.cli("import", "pim", code=0)
    fake.fail("products", 1, 422, 1000)
    place.cli("import", "pim", "--json", code=1)
    kept = [path.read_bytes() for path in place.settings.data_dir.rglob("*") if path.is_file()]
    rows = [str(row).encode() for row in place.rows("SELECT event FROM event_logs UNION ALL SELECT run_body FROM runs")]
    assert len(kept) > 10 and len(rows) > 10
    for secret in (CREDENTIALS["client_secret"], CREDENTIALS["password"], *fake._access, *fake._refresh):
        assert not [True for content in [*kept, *rows] if secret.encode() in content]
