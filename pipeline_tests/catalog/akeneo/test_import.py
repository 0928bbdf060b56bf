"""A whole PIM into tables: simple products, models of one and of two levels, categories, what is rejected and why."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipeline.catalog.akeneo.roles import ROLES
from pipeline.model.errors import PipelineError
from pipeline.stores import sources
from pipeline_tests.catalog.akeneo.helpers import Clock, comparable, copy, imported, source, tables
from pipeline_tests.catalog.akeneo.sample import HAT, SHIRT, attribute, fill, fill_many, structure, uid, value
from pipeline_tests.catalog.helpers import records
from pipeline_tests.fakes.akeneo import AT_ONCE, FakeAkeneo


@pytest.fixture
def fake() -> Iterator[FakeAkeneo]:
    with FakeAkeneo() as found:
        yield fill(found)


def only(fake: FakeAkeneo, **product: Any) -> FakeAkeneo:
    """The structure and one product."""
    structure(fake)
    fake.models, fake.products = {}, {}
    fake.put_product({"family": "home", "categories": ["mugs"], **product})
    return fake


def test_a_simple_product(fake: FakeAkeneo, tmp_path: Path) -> None:
    found = imported(fake, tmp_path)
    mug, (variant,) = found.product(uid("mug")), found.variants_of(uid("mug"))
    assert {name: mug[name] for name in ("handle", "title", "vendor", "product_type", "status", "option1_name", "tags")} == {
        "handle": "MUG-1", "title": "A mug", "vendor": "Acme", "product_type": "Home", "status": "active", "option1_name": None,
        "tags": [],
    }  # fmt: skip
    assert mug["description_html"] == "<p>Big &amp; blue</p>"
    assert mug["images"] == ["https://cdn.example.com/mug.jpg", "https://cdn.example.com/2.jpg"]
    assert json.loads(mug["metafields"]) == {
        "akeneo.material": "Wool, Cotton", "akeneo.length": "10 cm", "akeneo.vegan": "true", "akeneo.released": "2026-03-01",
        "akeneo.pockets": "3",
    }  # fmt: skip
    assert (variant["sku"], variant["barcode"], variant["price"], variant["weight_grams"]) == (
        "MUG-1",
        "4006381333931",
        1399,
        350.0,
    )
    assert (variant["option1"], variant["metafields"], variant["image"]) == (None, None, None)


def test_a_model_of_one_level(fake: FakeAkeneo, tmp_path: Path) -> None:
    found = imported(fake, tmp_path)
    hat, variants = found.product(HAT), found.variants_of(HAT)
    assert (hat["handle"], hat["title"], hat["vendor"], hat["option1_name"], hat["option2_name"]) == (
        HAT,
        "Hat",
        "Acme",
        "Size",
        None,
    )
    assert [(row["position"], row["sku"], row["option1"], row["price"]) for row in variants] == [
        (1, "HAT-S", "S", 2000), (2, "HAT-M", "M", 2000), (3, "HAT-XL", "XL", 2000),
    ]  # fmt: skip


def test_a_model_of_two_levels(fake: FakeAkeneo, tmp_path: Path) -> None:
    found = imported(fake, tmp_path)
    shirt, variants = found.product(SHIRT), found.variants_of(SHIRT)
    assert (shirt["option1_name"], shirt["option2_name"], shirt["option3_name"]) == ("Color", "Size", None)
    assert [(row["sku"], row["option1"], row["option2"], row["price"], row["image"][-8:]) for row in variants] == [
        ("SHIRT-red-s", "Red", "S", 3000, "/red.jpg"), ("SHIRT-red-m", "Red", "M", 3100, "/red.jpg"),
        ("SHIRT-blue-s", "Blue", "S", 3000, "blue.jpg"), ("SHIRT-blue-m", "Blue", "M", 3000, "blue.jpg"),
    ]  # fmt: skip
    assert shirt["images"] == ["https://cdn.example.com/red.jpg", "https://cdn.example.com/blue.jpg"]
    assert json.loads(shirt["metafields"]) == {"akeneo.material": "Cotton"}
    assert json.loads(variants[0]["metafields"]) == {"akeneo.color": "Red", "akeneo.size": "S"}


def test_answers_with_inherited_values_give_the_same(fake: FakeAkeneo, tmp_path: Path) -> None:
    """Some versions write what a product inherits into it."""
    before = imported(fake, tmp_path / "1")
    for product in [*fake.products.values(), *fake.models.values()]:
        if product["parent"] is not None:
            above = [one["values"] for one in fake._above(product)]
            product["values"] = {
                code: entries for values in (*reversed(above), product["values"]) for code, entries in values.items()
            }
    for frame, same in zip(comparable(imported(fake, tmp_path / "2")), comparable(before), strict=True):
        pd.testing.assert_frame_equal(frame, same)


def test_no_other_language_and_no_other_currency_comes_in(fake: FakeAkeneo, tmp_path: Path) -> None:
    found = imported(fake, tmp_path)
    german, (variant,) = found.product(uid("german")), found.variants_of(uid("german"))
    assert (german["title"], variant["price"]) == (None, None)
    assert found.result.source_counts["title_needs_translation"] == 1
    assert found.result.source_counts["price_in_other_currencies"] == 1
    in_german = imported(fake, tmp_path / "de", locale="de_DE", currency="EUR")
    assert in_german.product(uid("german"))["title"] == "Nur auf Deutsch"
    assert in_german.product(uid("mug"))["title"] == "Ein Becher"
    assert in_german.variants_of(uid("mug"))[0]["price"] == 1250
    assert in_german.product(HAT)["option1_name"] == "size (de)"
    assert {row["option1"] for row in in_german.variants_of(HAT)} == {"s", "m", "xl"}  # codes, since no label is German
    assert in_german.product(uid("mug"))["description_html"] is None


def test_categories_become_collections_with_those_above(fake: FakeAkeneo, tmp_path: Path) -> None:
    found = {row["handle"]: row for row in records(imported(fake, tmp_path).collections)}
    assert list(found) == ["master", "clothes", "shirts", "hats", "mugs"]  # not suppliers, which is another tree
    assert (found["shirts"]["title"], found["hats"]["title"]) == ("Shirts", "hats")
    assert set(found["clothes"]["product_ids"]) == {SHIRT, HAT}
    assert set(found["master"]["product_ids"]) == {SHIRT, HAT, uid("mug"), uid("german")}


def test_collections_alone_are_the_same(fake: FakeAkeneo, tmp_path: Path) -> None:
    whole = imported(fake, tmp_path / "all").collections
    raw = copy(fake, tmp_path / "collections", kind="collections")
    assert source(fake).tables(raw) == {"collections"}
    assert raw.bytes < copy(fake, tmp_path / "again").bytes / 2
    (batch,) = source(fake).batches(raw, currency="USD")
    alone = batch.tables["collections"].to_pandas()
    alone["product_ids"], whole["product_ids"] = ([sorted(ids) for ids in frame["product_ids"]] for frame in (alone, whole))
    assert alone.to_dict("records") == records(whole)


def test_unknown_stock_is_null(fake: FakeAkeneo, tmp_path: Path) -> None:
    stock = imported(fake, tmp_path).inventory
    assert len(stock) == 9
    assert stock[["location", "available", "tracked", "oversell"]].isna().all(axis=None)


def test_media_are_told_not_invented(fake: FakeAkeneo, tmp_path: Path) -> None:
    found = imported(fake, tmp_path, attributes={})  # the family's picture is a media file
    assert found.product(uid("mug"))["images"] == []
    assert found.result.source_counts["images_that_need_the_token"] == 1


def test_what_cannot_be_sold_is_told(fake: FakeAkeneo, tmp_path: Path) -> None:
    fake.products[uid("hat m")]["enabled"] = False
    fake.products[uid("mug")]["enabled"] = False
    fake.put_model({"code": "empty", "family": "clothing", "family_variant": "by_size"})
    fake.hidden_models = {"shirt_red"}
    found = imported(fake, tmp_path)
    lost = "the PIM did not give its product model shirt_red: check the connection's rights"
    assert {key: (kind, reason) for kind, key, reason in found.rejected[["kind", "key", "reason"]].itertuples(index=False)} == {
        uid("hat m"): ("variant", "it is disabled in the PIM, others of its model are not: enable it there to sell it"),
        uid("shirt red m"): ("variant", lost),
        uid("shirt red s"): ("variant", lost),
    }
    assert found.product(uid("mug"))["status"] == "draft"
    assert [row["position"] for row in found.variants_of(HAT)] == [1, 2]
    assert found.result.source_counts["models_without_products"] == 1
    assert len(found.variants) + 3 == len(fake.products)


def test_a_model_whose_products_are_all_disabled_is_a_draft(fake: FakeAkeneo, tmp_path: Path) -> None:
    for size in ("s", "m", "xl"):
        fake.products[uid(f"hat {size}")]["enabled"] = False
    found = imported(fake, tmp_path)
    assert (found.product(HAT)["status"], len(found.variants_of(HAT)), len(found.rejected)) == ("draft", 3, 0)


def test_an_unknown_family_variant_rejects_the_model_with_its_products(fake: FakeAkeneo, tmp_path: Path) -> None:
    fake.variants["clothing"].pop("by_size")
    found = imported(fake, tmp_path)
    assert sorted(found.rejected["reason"]) == ["its family variant is unknown", *["its product was rejected"] * 3]
    assert len(found.variants) + 3 == len(fake.products)


def test_every_product_is_a_row_or_rejected_whatever_it_holds(fake: FakeAkeneo, tmp_path: Path) -> None:
    structure(fake)
    fake.models, fake.products = {}, {}
    wrong: list[Any] = [
        {"values": {"price": [value("12")]}}, {"values": {"price": [value([{"amount": "1"}])]}}, {"values": {"name": "x"}},
        {"values": {"name": [{"data": 1}]}}, {"values": {"weight": [value({"amount": "1"})]}}, {"values": {"brand": [value(5)]}},
        {"values": {"ean": [value(["1"])]}}, {"categories": [["mugs"], "mugs"]}, {"values": {"sku": [value({"a": 1})]}},
        {"values": 7}, {"parent": 4}, {"uuid": None}, {"uuid": "wrong-0"}, {"parent": "unknown"},
    ]  # fmt: skip
    plain = {"family": "home", "parent": None, "categories": ["mugs"], "values": {}}
    fake.odd = [{**plain, "uuid": f"wrong-{number}", **more} for number, more in enumerate(wrong)]
    fake.odd += [{**plain, "uuid": "fine", "values": {"sku": [value("F")], "vegan": [value(7)]}}, {**plain, "uuid": "empty"}]
    found = imported(fake, tmp_path)
    assert found.variants["variant_id"].tolist() == ["empty", "fine"]
    assert found.result.rejected_kinds["variant"] == len(wrong)
    assert found.result.source_counts["values_of_unknown_shape"] == 1


def test_more_axes_than_options_are_joined(fake: FakeAkeneo, tmp_path: Path) -> None:
    axes = ["color", "size", "material", "length", "vegan"]
    fake.variants["clothing"]["by_size"]["variant_attribute_sets"] = [{"level": 1, "axes": axes, "attributes": axes}]
    for size in ("xl", "s", "m"):
        fake.products[uid(f"hat {size}")]["values"] |= {
            "color": [value("red")], "material": [value(["wool"])], "length": [value({"amount": "5.00", "unit": "CENTIMETER"})],
            "vegan": [value(False)],
        }  # fmt: skip
    found = imported(fake, tmp_path)
    hat, variant = found.product(HAT), found.variants_of(HAT)[0]
    assert [hat[f"option{n}_name"] for n in (1, 2, 3)] == ["Color", "Size", "Material / Length / Vegan"]
    assert [variant[f"option{n}"] for n in (1, 2, 3)] == ["Red", "S", "Wool / 5 cm / false"]


def test_roles_are_named_by_the_store(fake: FakeAkeneo, tmp_path: Path) -> None:
    fake.attributes |= {
        record["code"]: record
        for record in (attribute("label", "text"), attribute("part_no", "text"), attribute("msrp", "price_collection"))
    }
    fake.products[uid("mug")]["values"] |= {
        "label": [value("Named")], "part_no": [value("P-7")], "msrp": [value([{"amount": 20, "currency": "USD"}])],
    }  # fmt: skip
    roles = {"title": "label", "mpn": "part_no", "tags": ["material"], "product_type": "brand", "gtin": "sku", "sku": "ean"}
    found = imported(fake, tmp_path, attributes=roles)
    mug, (variant,) = found.product(uid("mug")), found.variants_of(uid("mug"))
    assert (mug["title"], mug["tags"], mug["product_type"]) == ("Named", ["Wool", "Cotton"], "Acme")
    assert (variant["sku"], variant["barcode"], variant["compare_at_price"]) == ("4006381333931", "MUG-1", 2000)
    assert json.loads(mug["metafields"])["akeneo.mpn"] == "P-7"


def test_the_roles_are_those_that_a_store_may_name() -> None:
    assert set(ROLES) == set(sources.ROLES)
    assert {name for name, role in ROLES.items() if role.several} == set(sources.LIST_ROLES)


def test_the_hash_changes_with_the_rows_and_with_nothing_else(fake: FakeAkeneo, tmp_path: Path) -> None:
    def hashes(name: str) -> dict[str, str]:
        found = imported(fake, tmp_path / name).products
        return dict(zip(found["product_id"], found["source_hash"], strict=True))

    before = hashes("before")
    fake.put_product(fake.products[uid("mug")])  # saved without a change
    assert hashes("saved") == before
    fake.options["size"]["m"]["labels"]["en_US"] = "Medium"
    changed = hashes("label")
    assert {key for key in before if before[key] != changed[key]} == {HAT, SHIRT}


def test_it_is_the_same_whatever_the_pages(fake: FakeAkeneo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = imported(fake, tmp_path / "1")
    monkeypatch.setattr("pipeline.catalog.akeneo.client.PAGE", 2)
    monkeypatch.setattr("pipeline.catalog.builder.BATCH_PRODUCTS", 2)
    paged = imported(fake, tmp_path / "2")
    for frame, same in zip(comparable(paged), comparable(whole), strict=True):
        pd.testing.assert_frame_equal(frame, same)
    batches = [*source(fake).batches(copy(fake, tmp_path / "4"), currency="USD")]
    assert [batch.tables["products"].num_rows for batch in batches] == [2, 2, 0]
    fake.relative_links = True
    again = imported(fake, tmp_path / "3")
    pd.testing.assert_frame_equal(again.variants, paged.variants)


def test_scattered_variants_of_many_models(tmp_path: Path) -> None:
    with FakeAkeneo() as fake:
        fill_many(fake, 150, 5)
        said: list[float] = []
        clock = Clock()
        from pipeline.catalog.source import FetchJob

        raw = source(fake, clock=clock).fetch(tmp_path, FetchJob(progress=lambda share, text: said.append(share)))
        found = tables(raw, fake)
        assert (len(found.products), len(found.variants), len(found.rejected)) == (150, 750, 0)
        for _, rows in found.variants.groupby("product_id"):
            assert rows["option1"].tolist() == ["S0", "S1", "S2", "S3", "S4"]
        assert said == sorted(said) and len(said) == 10 and clock.waits == []  # a page each
        assert fake.most_at_once <= AT_ONCE


def test_a_pim_without_models_and_one_without_products(tmp_path: Path) -> None:
    with FakeAkeneo() as fake:
        only(fake, uuid=uid("one"), values={"sku": [value("ONE")], "name": [value("\ud83d\ude00 ok", "en_US")]})
        found = imported(fake, tmp_path / "1")
        assert (len(found.products), found.product(uid("one"))["title"]) == (1, "😀 ok")
        fake.products.clear()
        with pytest.raises(PipelineError, match="gives no product of the channel ecommerce: check that its category tree"):
            imported(fake, tmp_path / "2")


def test_stock_is_not_asked_of_a_pim(fake: FakeAkeneo, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="a PIM has no stock"):
        copy(fake, tmp_path, kind="inventory")
