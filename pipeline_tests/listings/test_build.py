"""Listings of a batch: every variant once, families, what blocks whom, reuse, and inputs that do not belong together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipeline.listings.build import ListingsResult, build_listings
from pipeline.listings.recipe import Recipe
from pipeline.listings.schema import SCHEMAS
from pipeline.model.errors import PipelineError
from pipeline_tests.listings.fakes import Catalog, FakeMarketplace, mapped, product, recipe, stock, variant


def build(
    catalog: Catalog, how: Recipe, folder: Path, previous: ListingsResult | None = None, **import_ids: str
) -> ListingsResult:
    tables = catalog.write(folder / "in", **import_ids)
    out = folder / f"out{len(list(folder.iterdir()))}"
    out.mkdir()
    before = {name: staged.open() for name, staged in previous.tables.items()} if previous else None
    return build_listings(*tables.values(), mapped(tables, how, out / "mapped"), how, out, previous=before)


def rows_of(result: ListingsResult) -> dict[str, dict[str, Any]]:
    frame = result.tables["listings"].open().read()
    return {row["sku"]: row for row in frame.astype(object).where(frame.notna(), None).to_dict("records")}


def many(count: int, per_batch: int = 4) -> Catalog:
    catalog = Catalog()
    for number in range(count):
        if number and number % per_batch == 0:
            catalog.next_batch()
        own = [variant(f"{number}", n, price=1000 + n) for n in range(1, 2 + number % 3)]
        catalog.add(product(f"{number}"), own)
    return catalog


def test_single_and_family(tmp_path: Path) -> None:
    catalog = (
        Catalog()
        .add(product("7001"))
        .add(
            product(
                "7002",
                option1_name="Color",
                images=["https://a/1.jpg", "https://a/2.jpg"],
                metafields='{"custom.material": "Wool"}',
            ),
            [
                variant("7002", 1, option1="Red", image="https://a/2.jpg", barcode="4006381333931"),
                variant("7002", 2, option1="Blue", metafields='{"x.material": "Silk", "x.mpn": "B-2"}'),
            ],
        )
    )
    rows = rows_of(build(catalog, recipe(tmp_path), tmp_path))
    assert list(rows) == ["SKU-7001-1", "P5EI", "SKU-7002-1", "SKU-7002-2"]
    single, parent, red, blue = rows.values()
    assert [row["role"] for row in rows.values()] == ["single", "parent", "child", "child"]
    assert (single["parent_sku"], parent["parent_sku"], red["parent_sku"]) == (None, None, "P5EI")
    assert (parent["variant_id"], parent["price"], parent["quantity"], parent["gtin"]) == (None, None, None, None)
    assert (red["price"], red["quantity"], red["gtin"], red["option1"], red["brand"]) == (1000, 5, "4006381333931", "Red", "Acme")
    assert list(red["images"]) == ["https://a/2.jpg", "https://a/1.jpg"]
    assert list(blue["images"]) == list(parent["images"]) == ["https://a/1.jpg", "https://a/2.jpg"]
    assert (red["attributes"], blue["attributes"], blue["mpn"]) == ('{"material":"Wool"}', '{"material":"Silk"}', "B-2")
    assert single["keywords"] == "kitchen, gift"
    assert {row["status"] for row in rows.values()} == {"ready"}
    assert all(row["content_hash"] and row["images_hash"] for row in rows.values())


def test_every_variant_of_a_sold_product_is_one_row(tmp_path: Path) -> None:
    catalog = many(23).add(product("d", status="draft")).add(product("a", status="archived")).add(product("g", gift_card=True))
    catalog.add(product("x", vendor="Other")).add(product("n"), [])
    settings = {"assortment": {"exclude": {"vendors": ["other"]}}}
    result = build(catalog, recipe(tmp_path, **settings), tmp_path)
    frame = result.tables["listings"].open().read()
    wanted = [row["sku"] for batch in many(23).batches for _, own, _ in batch for row in own]
    assert frame.loc[frame["variant_id"].notna(), "sku"].tolist() == wanted
    assert frame["sku"].is_unique
    assert result.counts.excluded == {"draft": 1, "archived": 1, "gift card": 1, "not in assortment": 1, "no variants": 1}
    assert result.counts.ready + result.counts.blocked == result.counts.listings == len(frame)
    assert sum(result.counts.histogram) == len(frame)


def test_variants_that_are_not_together_still_make_one_family(tmp_path: Path) -> None:
    catalog = Catalog()
    catalog.batches[0] = [
        (product("1"), [variant("1", 1), variant("2", 1)], [stock("1-1"), stock("2-1")]),
        (product("2"), [variant("1", 2), variant("2", 2)], [stock("2-2", 9), stock("1-2", 8)]),
    ]
    rows = rows_of(build(catalog, recipe(tmp_path), tmp_path))
    assert [row["product_id"] for row in rows.values()] == ["1", "1", "1", "2", "2", "2"]
    assert (rows["SKU-1-2"]["quantity"], rows["SKU-2-2"]["quantity"]) == (8, 9)


def test_a_blocked_child_leaves_its_siblings(tmp_path: Path) -> None:
    catalog = Catalog().add(product("1"), [variant("1", 1, price=None), variant("1", 2), variant("1", 3, price=0)])
    rows = rows_of(build(catalog, recipe(tmp_path), tmp_path))
    assert [row["status"] for row in rows.values()] == ["ready", "blocked", "ready", "blocked"]
    assert rows["SKU-1-1"]["reason"] == "The price is missing."
    assert rows["SKU-1-1"]["content_hash"] is None
    assert rows["SKU-1-3"]["reason"] == "The price is not above zero."
    assert rows["SKU-1-1"]["score"] < 40 <= rows["SKU-1-3"]["score"] < 70 <= rows["SKU-1-2"]["score"]


def test_a_parent_without_a_ready_child_is_blocked(tmp_path: Path) -> None:
    catalog = Catalog().add(product("1"), [variant("1", 1, price=None), variant("1", 2, price=None)])
    parent, *children = rows_of(build(catalog, recipe(tmp_path), tmp_path)).values()
    assert parent["status"] == "blocked"
    assert parent["reason"] == "None of its variants can be listed; the first one: The price is missing."
    assert {child["status"] for child in children} == {"blocked"}


def test_a_fault_of_the_product_blocks_the_family(tmp_path: Path) -> None:
    catalog = Catalog().add(product("1", title=None), [variant("1", 1), variant("1", 2)]).add(product("2"))
    rows = rows_of(build(catalog, recipe(tmp_path), tmp_path))
    assert [row["status"] for row in rows.values()] == ["blocked", "blocked", "blocked", "ready"]
    assert {row["reason"] for row in rows.values()} == {"The title is missing.", None}


def test_a_family_that_is_too_large_is_blocked(tmp_path: Path) -> None:
    catalog = (
        Catalog()
        .add(product("1"), [variant("1", n) for n in range(1, 7)])
        .add(product("2"), [variant("2", n) for n in range(1, 6)])
    )
    result = build(catalog, recipe(tmp_path), tmp_path)
    rows = rows_of(result)
    assert {row["status"] for row in rows.values() if row["product_id"] == "1"} == {"blocked"}
    assert {row["status"] for row in rows.values() if row["product_id"] == "2"} == {"ready"}
    assert rows["SKU-1-1"]["reason"] == "The product has 6 variants; fake-us takes at most 5 in one listing."
    assert result.counts.rules["LISTING_FAMILY_SIZE"] == 7
    scores = result.tables["listing_scores"].open().read().set_index("sku")
    assert scores.loc["SKU-1-1", "score"] == pytest.approx(scores.loc["SKU-2-1", "score"] - 30)
    assert scores.loc["SKU-1-1", "worst"] == "error"


def test_another_currency_without_a_rate_blocks_everything(tmp_path: Path) -> None:
    from pipeline_tests.listings.fakes import YEN_SITE

    rows = rows_of(build(many(3), recipe(tmp_path, site=YEN_SITE), tmp_path))
    assert {row["status"] for row in rows.values()} == {"blocked"}
    assert "set currency_rate and currency_rate_date" in rows["SKU-0-1"]["reason"]


def test_parent_skus_avoid_the_variants(tmp_path: Path) -> None:
    catalog = Catalog().add(product("7002"), [variant("7002", 1, sku="p5ei"), variant("7002", 2)])
    assert list(rows_of(build(catalog, recipe(tmp_path), tmp_path))) == ["P5EI-2", "p5ei", "SKU-7002-2"]


@pytest.mark.parametrize(("name", "word"), [("inventory", "is"), ("fixed_variants", "is")])
def test_inputs_of_different_imports_are_refused(tmp_path: Path, name: str, word: str) -> None:
    with pytest.raises(
        PipelineError, match=f"^{name} {word} of an older import than .*; materialize {name}, then listings again"
    ):
        build(many(3), recipe(tmp_path), tmp_path, **{name: "20250101-000001"})


def test_settings_that_spoil_every_message_block_every_listing(tmp_path: Path) -> None:
    market = FakeMarketplace(spoiled=("The setting location is too long.",))
    result = build(many(2), recipe(tmp_path, market), tmp_path)
    assert {(row["status"], row["reason"]) for row in rows_of(result).values()} == {
        ("blocked", "The setting location is too long.")
    }
    issues = result.tables["listing_issues"].open().read()
    mine = issues[issues["rule"] == "LISTING_ACCOUNT"]
    assert len(mine) == result.counts.listings == result.counts.blocked
    assert mine["hint"].iloc[0] == "Correct it: pipeline connection set demo fake-us NAME=VALUE."


def read(result: ListingsResult) -> dict[str, pd.DataFrame]:
    return {name: result.tables[name].open().read() for name in SCHEMAS}


def assert_same(one: ListingsResult, other: ListingsResult) -> None:
    for name, frame in read(one).items():
        pd.testing.assert_frame_equal(frame, read(other)[name])
    assert [one.tables[name].open().batches for name in SCHEMAS] == [other.tables[name].open().batches for name in SCHEMAS]


def test_reuse_gives_what_a_full_run_gives(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    first = build(many(30), recipe(tmp_path), tmp_path / "a")
    changed = many(30, per_batch=5)
    changed.batches[1][2][0]["title"] = "  New   title "
    changed.batches[1][2][0]["revision"] = "r-new"
    changed.batches[3][0][2][0]["available"] = 77
    del changed.batches[4][1]
    changed.batches[0].insert(0, (product("new"), [variant("new")], []))
    for name in ("full", "again"):
        (tmp_path / name).mkdir()
    full = build(changed, recipe(tmp_path), tmp_path / "full")
    market = FakeMarketplace()
    again = build(changed, recipe(tmp_path, market), tmp_path / "again", previous=first)
    assert_same(full, again)
    assert (again.counts.reused, full.counts.reused) == (27, 0)
    assert market.projected == 3 + 1 + 1  # a family of two, a single, the new one


@pytest.mark.parametrize(
    "settings", [{"price_adjustment_percent": 5}, {"stock_buffer": 1}, {"default_category": "X"}, {"gtin_exempt": True}]
)
def test_other_settings_reuse_nothing(tmp_path: Path, settings: dict[str, Any]) -> None:
    first = build(many(5), recipe(tmp_path), tmp_path)
    again = build(many(5), recipe(tmp_path, **settings), tmp_path, previous=first)
    assert again.counts.reused == 0


def test_a_category_by_collection_is_part_of_the_revision(tmp_path: Path) -> None:
    rule = {"category_rules": [{"field": "collection", "pattern": "SALE*", "category": "C9"}]}
    catalog = many(5)
    first = build(catalog, recipe(tmp_path, **rule), tmp_path)
    catalog.collections = [{"collection_id": "1", "handle": "sale-now", "product_ids": ["2"]}]
    again = build(catalog, recipe(tmp_path, **rule), tmp_path, previous=first)
    assert again.counts.reused == 4
    assert rows_of(again)["SKU-2-1"]["category"] == "C9"


def test_an_empty_catalog_gives_empty_tables(tmp_path: Path) -> None:
    result = build(Catalog(), recipe(tmp_path), tmp_path)
    assert {staged.rows for staged in result.tables.values()} == {0}
    assert result.counts.score_mean is None


def test_a_parent_with_a_fault_of_its_own_blocks_its_children() -> None:
    from pipeline.listings.schema import LISTINGS
    from pipeline.listings.verdict import status_and_reason
    from pipeline.model.quality import RuleSet
    from pipeline.quality.schema import ISSUES, SCORES
    from pipeline_tests.listings.fakes import family, frame, listing

    rows = frame([*family("1", [{"sku": "x"}, {"sku": "y"}]), listing("a")], LISTINGS)
    issues = frame([{"product_id": "1", "sku": "P-1", "rule": "R", "severity": "error", "message": "No theme."}], ISSUES)
    scores = frame([{"sku": sku, "worst": "error" if sku == "P-1" else None} for sku in rows["sku"]], SCORES)
    found = status_and_reason(rows, issues, scores, RuleSet("r", "1", (), ()))
    assert found["status"].tolist() == ["blocked", "blocked", "blocked", "ready"]
    assert found["reason"].tolist()[:3] == ["No theme.", *["The parent listing of its family is blocked: No theme."] * 2]


def test_a_mapped_variant_is_the_accounts_sku(tmp_path: Path) -> None:
    catalog = Catalog().add(product("1"), [variant("1", 1), variant("1", 2)])
    mapped = replace(recipe(tmp_path), mappings={"SKU-1-2": "OLD-2"})
    rows = build(catalog, mapped, tmp_path / "a").tables["listings"].open().read()
    assert rows["sku"].tolist()[1:] == ["SKU-1-1", "OLD-2"]
    assert mapped.fingerprint != recipe(tmp_path).fingerprint
    with pytest.raises(PipelineError, match="is mapped to SKU-1-1 on fake-us, which is the SKU of another variant"):
        build(catalog, replace(mapped, mappings={"SKU-1-2": "SKU-1-1"}), tmp_path / "b")
