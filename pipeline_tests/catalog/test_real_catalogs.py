"""Real exports of seven stores: counts of the reference's README, and facts of single products."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import pytest

from pipeline_tests.catalog.helpers import import_bytes, import_file, records
from pipeline_tests.reference import reference

COUNTS = {
    "fashion_997.csv": (997, 3684),
    "jewellery_vietjewelers_1243.csv": (1243, 1654),
    "furniture_foa_898.csv": (898, 1161),
    "jewellery_multimarket_196.csv": (196, 1477),
    "swimwear_bilali_48.csv": (48, 130),
    "apparel_es_27.csv": (27, 246),
    "perfume_fr_3.csv": (3, 3),
}


def catalog(name: str) -> Path:
    return reference("catalogues", name)


@pytest.mark.parametrize("name", COUNTS)
def test_every_product_and_variant_is_there(name: str) -> None:
    found = import_file(catalog(name))
    assert (len(found.products), len(found.variants)) == COUNTS[name]
    assert found.rejected.empty
    assert found.variants["variant_id"].is_unique and found.products["product_id"].is_unique
    assert set(found.variants["product_id"]) == set(found.products["product_id"])
    assert found.variants["price_text"].isna().all()
    with catalog(name).open(encoding="utf-8-sig", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["Option1 Value"]]
    tables = records(found.variants)
    assert [row["Variant SKU"] for row in rows] == [row["sku"] or "" for row in tables]
    assert [row["Variant Price"] and round(float(row["Variant Price"]) * 100) for row in rows] == [
        "" if row["price"] is None else row["price"] for row in tables
    ]


def test_lines_are_physical_lines() -> None:
    found = import_file(catalog("fashion_997.csv"))
    text = catalog("fashion_997.csv").read_text(encoding="utf-8").split("\n")
    for row in found.products.sample(50, random_state=1).itertuples():
        assert text[row.line - 1].startswith(row.handle + ",")


def test_real_quirks() -> None:
    swimwear = import_file(catalog("swimwear_bilali_48.csv"))
    assert swimwear.inventory["available"].isna().all()  # no quantity column: unknown, not 0
    markets = import_file(catalog("jewellery_multimarket_196.csv"))
    assert '"Canada":{"included":true}' in markets.variants["market_prices"].iloc[0]
    assert sorted(set(markets.products["status"])) == ["active", "draft"]
    viet = import_file(catalog("jewellery_vietjewelers_1243.csv"), currency="VND")
    assert viet.variants["price"].iloc[0] == 1_050_000
    assert viet.products["status"].value_counts().to_dict() == {"draft": 619, "active": 577, "archived": 47}
    assert viet.products["category"].notna().sum() == 732
    fashion = import_file(catalog("fashion_997.csv"))
    assert set(fashion.products["status"]) == {"active"}
    assert (fashion.inventory["available"] < 0).sum() == 5
    assert (fashion.products["images"].map(len) == 0).sum() == 1


def test_gzip_gives_the_same_tables() -> None:
    plain = import_file(catalog("swimwear_bilali_48.csv"))
    zipped = import_bytes(gzip.compress(catalog("swimwear_bilali_48.csv").read_bytes()))
    assert zipped.products.equals(plain.products) and zipped.variants.equals(plain.variants)
