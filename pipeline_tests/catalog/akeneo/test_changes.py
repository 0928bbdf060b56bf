"""What changed since the last copy: little is read, and the result is that of reading everything."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.catalog.source import RawImport
from pipeline_tests.catalog.akeneo.helpers import comparable, copy, source, tables
from pipeline_tests.catalog.akeneo.sample import HAT, SHIRT, fill, fill_many, uid, value
from pipeline_tests.fakes.akeneo import FakeAkeneo


@pytest.fixture
def fake() -> Iterator[FakeAkeneo]:
    with FakeAkeneo() as found:
        yield fill(found)


def since(raw: RawImport) -> datetime:
    assert raw.watermark is not None
    return raw.watermark - timedelta(hours=1)


def check_same(fake: FakeAkeneo, raw: RawImport, folder: Path) -> None:
    """The tables of a copy are those of a fresh one of everything."""
    found, whole = tables(raw, fake), tables(copy(fake, folder), fake)
    for frame, same in zip(comparable(found), comparable(whole), strict=True):
        pd.testing.assert_frame_equal(frame, same)
    assert sorted(found.rejected["key"].dropna()) == sorted(whole.rejected["key"].dropna())


def test_a_changed_product_and_a_changed_model(fake: FakeAkeneo, tmp_path: Path) -> None:
    fake.pass_time(hours=3)
    old = copy(fake, tmp_path / "0")
    fake.pass_time(hours=3)
    fake.put_product({**fake.products[uid("mug")], "values": {"sku": [value("MUG-2")], "name": [value("New mug", "en_US")]}})
    fake.put_model({**fake.models[SHIRT], "values": {"name": [value("New shirt", "en_US")]}})
    fake.put_product({"uuid": uid("new"), "family": "home", "categories": ["mugs"], "values": {"sku": [value("NEW")]}})
    raw = copy(fake, tmp_path / "1", since=since(old), base=tmp_path / "0")
    found = tables(raw, fake)
    assert (found.product(uid("mug"))["title"], found.product(SHIRT)["title"]) == ("New mug", "New shirt")
    assert raw.watermark is not None and old.watermark is not None and raw.watermark > old.watermark
    assert not raw.incremental  # a whole copy
    check_same(fake, raw, tmp_path / "2")


def test_only_what_changed_is_read(tmp_path: Path) -> None:
    with FakeAkeneo() as fake:
        fill_many(fake, 300, 4)
        fake.pass_time(hours=3)
        old = copy(fake, tmp_path / "0")
        fake.heal()
        fake.pass_time(hours=3)
        fake.put_product({**fake.products[uid("7 1")], "enabled": False})
        raw = copy(fake, tmp_path / "1", since=since(old), base=tmp_path / "0")
        assert fake.calls["products"] <= 3 and fake.calls["product-models"] <= 2
        fake.heal()
        fake.put_model(fake.models["model_9"])
        copy(fake, tmp_path / "2", since=since(raw), base=tmp_path / "1")
        assert fake.calls["products"] <= 5 and fake.calls["product-models"] <= 4
        check_same(fake, raw, tmp_path / "3")


def test_a_quiet_pim_is_not_read_again_and_again(tmp_path: Path) -> None:
    """What was saved just before an import counts as changed for an hour, not until something else changes."""
    with FakeAkeneo() as fake:
        fill_many(fake, 50, 4)
        raw = copy(fake, tmp_path / "0")
        for number in (1, 2):
            fake.pass_time(hours=2)
            fake.heal()
            raw = copy(fake, tmp_path / str(number), since=since(raw), base=tmp_path / str(number - 1))
        assert fake.calls["products"] == 1


@pytest.mark.parametrize("offset", [-7, 0, 9])
def test_the_time_is_that_of_the_server(offset: int, tmp_path: Path) -> None:
    """A filter's time has no zone; the server takes it as its own."""
    with FakeAkeneo(offset_hours=offset) as fake:
        fill(fake)
        fake.pass_time(hours=3)
        old = copy(fake, tmp_path / "0")
        fake.heal()
        fake.pass_time(hours=2)
        fake.put_product({**fake.products[uid("mug")], "values": {"sku": [value("MUG-2")]}})
        raw = copy(fake, tmp_path / "1", since=since(old).astimezone(timezone.utc), base=tmp_path / "0")
        assert tables(raw, fake).variants_of(uid("mug"))[0]["sku"] == "MUG-2"
        assert fake.calls["products"] <= 6


def test_deletions_are_found_by_comparing_ids(fake: FakeAkeneo, tmp_path: Path) -> None:
    old = copy(fake, tmp_path / "0")
    fake.pass_time(hours=3)
    fake.delete_product(uid("mug"))
    fake.delete_product(uid("hat m"))
    for color in ("red", "blue"):
        for size in ("s", "m"):
            fake.delete_product(uid(f"shirt {color} {size}"))
    unseen = copy(fake, tmp_path / "1", since=since(old), base=tmp_path / "0")
    assert len(tables(unseen, fake).variants) == 9 and not unseen.reconciled
    raw = copy(fake, tmp_path / "2", since=since(old), base=tmp_path / "1", reconcile=True)
    assert raw.reconciled
    assert tables(raw, fake).products["product_id"].tolist() == [HAT, uid("german")]
    check_same(fake, raw, tmp_path / "3")


def test_what_was_missed_is_found_by_comparing_ids(fake: FakeAkeneo, tmp_path: Path) -> None:
    """Products that the connection may see since yesterday did not change."""
    fake.hidden_models, fake.hidden_categories = {SHIRT, "shirt_red", "shirt_blue"}, {"mugs", "shirts"}
    old = copy(fake, tmp_path / "0")
    fake.hidden_models, fake.hidden_categories = set(), set()
    fake.pass_time(hours=3)
    raw = copy(fake, tmp_path / "1", since=since(old), base=tmp_path / "0", reconcile=True)
    check_same(fake, raw, tmp_path / "2")
    assert len(tables(raw, fake).variants) == 9


def test_what_leaves_the_channel_leaves_the_tables(fake: FakeAkeneo, tmp_path: Path) -> None:
    old = copy(fake, tmp_path / "0")
    fake.pass_time(hours=3)
    fake.put_product({**fake.products[uid("mug")], "categories": ["suppliers"]})
    raw = copy(fake, tmp_path / "1", since=since(old), base=tmp_path / "0")
    assert uid("mug") not in tables(raw, fake).products["product_id"].tolist()


def test_a_product_that_moves_to_another_model(fake: FakeAkeneo, tmp_path: Path) -> None:
    old = copy(fake, tmp_path / "0")
    fake.pass_time(hours=3)
    fake.put_product({**fake.products[uid("shirt red m")], "parent": "shirt_blue", "values": {"size": [value("xl")]}})
    fake.put_product({**fake.products[uid("hat m")], "parent": None})
    raw = copy(fake, tmp_path / "1", since=since(old), base=tmp_path / "0")
    check_same(fake, raw, tmp_path / "2")


def test_a_changed_label_reaches_products_that_did_not_change(fake: FakeAkeneo, tmp_path: Path) -> None:
    old = copy(fake, tmp_path / "0")
    fake.options["color"]["red"]["labels"]["en_US"] = "Crimson"
    fake.categories["mugs"]["parent"] = "clothes"
    raw = copy(fake, tmp_path / "1", since=since(old), base=tmp_path / "0")
    assert {row["option1"] for row in tables(raw, fake).variants_of(SHIRT)} == {"Crimson", "Blue"}
    check_same(fake, raw, tmp_path / "2")


def test_a_copy_that_is_gone_is_read_anew(fake: FakeAkeneo, tmp_path: Path) -> None:
    raw = copy(fake, tmp_path / "1", since=datetime(2026, 11, 20, tzinfo=timezone.utc), base=tmp_path / "none")
    check_same(fake, raw, tmp_path / "2")


def test_a_damaged_copy_is_not_added_to(fake: FakeAkeneo, tmp_path: Path) -> None:
    fake.pass_time(hours=3)
    old = copy(fake, tmp_path / "0")
    file = tmp_path / "0" / "products.zst"
    for content in (file.read_bytes()[:-40], b"no zstd at all"):
        file.write_bytes(content)
        check_same(fake, copy(fake, tmp_path / "1", since=since(old), base=tmp_path / "0"), tmp_path / "2")


def test_with_too_many_changed_models_everything_is_read(
    fake: FakeAkeneo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = copy(fake, tmp_path / "0")
    monkeypatch.setattr("pipeline.catalog.akeneo.changes.MAX_MODELS", 1)
    fake.heal()
    raw = copy(fake, tmp_path / "1", since=since(old), base=tmp_path / "0")
    assert not any("products-uuid" in path and "search=" in path for path in fake.paths[-sum(fake.calls.values()) :])
    check_same(fake, raw, tmp_path / "2")


OPERATIONS = st.lists(
    st.tuples(st.sampled_from(["save", "model", "delete", "new", "move", "disable", "label"]), st.integers(0, 10**6)), max_size=8
)


@settings(max_examples=12, deadline=None)
@given(st.lists(OPERATIONS, min_size=1, max_size=3), st.booleans())
def test_any_changes_one_after_the_other(rounds: list[list[tuple[str, int]]], merged: bool) -> None:
    """`merged`: whether a changed model's products count as changed, as they do in some versions."""
    with FakeAkeneo(inherits_updated=merged) as fake, tempfile.TemporaryDirectory() as name:
        fill(fake)
        fake.pass_time(hours=3)
        raw = copy(fake, Path(name) / "0")
        for number, operations in enumerate(rounds, 1):
            fake.pass_time(hours=3)
            for what, seed in operations:
                change(fake, what, random.Random(seed))  # noqa: S311
            raw = copy(
                fake, Path(name) / f"{number}", since=since(raw), base=Path(name) / f"{number - 1}",
                reconcile=number == len(rounds),
            )  # fmt: skip
        check_same(fake, raw, Path(name) / "whole")


def change(fake: FakeAkeneo, what: str, chance: random.Random) -> None:
    product = fake.products[chance.choice(sorted(fake.products))]
    match what:
        case "save":
            fake.put_product({**product, "values": {**product["values"], "pockets": [value(chance.randint(0, 9))]}})
        case "model":
            model = fake.models[chance.choice(sorted(fake.models))]
            fake.put_model({**model, "values": {**model["values"], "name": [value(f"Name {chance.randint(0, 9)}", "en_US")]}})
        case "delete" if len(fake.products) > 1:
            fake.delete_product(product["uuid"])
        case "new":
            fake.put_product({"uuid": uid(str(chance.random())), "family": "home", "categories": ["mugs"]})
        case "move":
            fake.put_product({**product, "family": "clothing", "parent": chance.choice([None, HAT, "shirt_red", "shirt_blue"])})
        case "disable":
            fake.put_product({**product, "enabled": not product["enabled"]})
        case "label":
            fake.options["color"]["red"]["labels"]["en_US"] = f"Red {chance.randint(0, 9)}"


def test_the_newest_change_takes_a_few_calls(tmp_path: Path) -> None:
    with FakeAkeneo(offset_hours=2) as fake:
        fill_many(fake, 300, 5)
        newest = source(fake).newest_change()
        assert newest.products == 1500
        assert newest.updated_at == fake.now
        assert fake.calls["products"] + fake.calls["product-models"] <= 14
        fake.put_model(fake.models["model_3"])
        assert source(fake).newest_change().updated_at == fake.now
