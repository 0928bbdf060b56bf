"""Laying changes over tables: bounds of row groups, tables that do not fit, stock of variants."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline.catalog import merge
from pipeline.catalog.importer import ImportResult
from pipeline.catalog.merge import merge_catalog, merge_inventory
from pipeline.catalog.schema import INVENTORY, SCHEMAS
from pipeline.catalog.source import Identities
from pipeline.catalog.stock import Stock
from pipeline.model.errors import PipelineError
from pipeline.platform.tables import Table, writers

NONE = Identities(pa.array([], pa.string()))
ALIGNED = ("products", "variants", "inventory")


def rows(name: str, values: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist([{field.name: row.get(field.name) for field in SCHEMAS[name]} for row in values], SCHEMAS[name])


def write(folder: Path, import_id: str, *groups: list[str]) -> dict[str, Table]:
    """Tables whose row groups hold these products, with two variants each."""
    folder.mkdir()
    with writers(folder, SCHEMAS, {"import_id": import_id}) as out:
        for group in groups:
            pairs = [{"product_id": product, "variant_id": f"{product}-{n}"} for product in group for n in (1, 2)]
            out["products"].write(rows("products", [{"product_id": product, "title": import_id} for product in group]))
            for name in ("variants", "inventory"):
                out[name].write(rows(name, pairs))
    return {name: writer.staged.open() for name, writer in out.items()}


def delta(folder: Path, *products: str) -> ImportResult:
    tables = write(folder, "new", list(products))
    from pipeline.platform.tables import StagedTable

    staged = {name: StagedTable(Path(str(table.path)), table.rows, table.metadata) for name, table in tables.items()}
    return ImportResult("new", staged, {"products": len(products)}, {}, {}, {})


def groups(table: Table) -> list[list[str]]:
    return [table.arrow_batch(index)["product_id"].to_pylist() for index in range(table.batches)]


def merged(tmp_path: Path, previous: dict[str, Table], change: ImportResult, identities: Identities = NONE) -> dict[str, Table]:
    folder = tmp_path / "merged"
    folder.mkdir()
    result, _ = merge_catalog(previous, change, identities, folder)
    return {name: table.open() for name, table in result.tables.items()}


def test_changed_products_come_last_and_deleted_ones_go(tmp_path: Path) -> None:
    previous = write(tmp_path / "old", "old", ["a", "b"], ["c", "d"])
    found = merged(tmp_path, previous, delta(tmp_path / "new", "b", "e"), Identities(pa.array(["c"])))
    assert found["products"].arrow(["product_id"])["product_id"].to_pylist() == ["a", "d", "b", "e"]
    assert found["variants"].arrow(["variant_id"])["variant_id"].to_pylist() == [f"{p}-{n}" for p in "adbe" for n in (1, 2)]
    assert [found[name].metadata["import_id"] for name in ALIGNED] == ["new"] * 3


def test_row_groups_stay_within_bounds_and_do_not_crumble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merge, "BATCH_PRODUCTS", 4)
    previous = write(tmp_path / "old", "old", ["a"], ["b"], ["c", "d"], ["e", "f", "g"], ["h"])
    found = merged(tmp_path, previous, delta(tmp_path / "new", "a", "z"))
    assert groups(found["products"]) == [["b", "c", "d"], ["e", "f", "g", "h"], ["a", "z"]]
    assert [len(group) for group in groups(found["variants"])] == [6, 8, 4]
    assert groups(found["inventory"]) == groups(found["variants"])


def test_tables_of_a_merge_that_died_between_two_of_them(tmp_path: Path) -> None:
    """New products beside old variants: the same change again gives the same tables."""
    previous = write(tmp_path / "old", "old", ["a", "b"], ["c", "d"])
    change = delta(tmp_path / "new", "b")
    whole = merged(tmp_path, previous, change)
    (tmp_path / "merged").rename(tmp_path / "first")
    torn = {**previous, "products": Table(tmp_path / "first" / "products.parquet")}
    again = merged(tmp_path, torn, change)
    for name in ALIGNED:
        assert again[name].arrow().equals(Table(tmp_path / "first" / f"{name}.parquet").arrow())
    assert whole["products"].rows == 4


def test_tables_that_do_not_hold_the_same_products_are_refused(tmp_path: Path) -> None:
    previous = write(tmp_path / "old", "old", ["a", "b"])
    other = write(tmp_path / "other", "old", ["a", "b", "c"])
    with pytest.raises(PipelineError, match="variants and products do not belong together"):
        merged(tmp_path, {**previous, "variants": other["variants"]}, delta(tmp_path / "new", "x"))


def test_missing_products_are_counted(tmp_path: Path) -> None:
    previous = write(tmp_path / "old", "old", ["a", "b"])
    (tmp_path / "merged").mkdir()
    present = Identities(pa.array([], pa.string()), pa.array(["a", "x", "y", "new"]))
    result, missing = merge_catalog(previous, delta(tmp_path / "new", "new"), present, tmp_path / "merged")
    assert (result.counts["products"], missing) == (2, 2)


def stock(*levels: tuple[str, str | None, int | None]) -> Stock:
    values = [
        {"variant_id": v, "product_id": "p", "location": place, "available": n, "tracked": True, "oversell": False}
        for v, place, n in levels
    ]
    return Stock([pa.Table.from_pylist(values, INVENTORY)] if values else [])


def test_stock_is_laid_beside_the_variants_in_their_order(tmp_path: Path) -> None:
    tables = write(tmp_path / "old", "old", ["a"], ["b"])
    found = stock(("b-1", "X", 1), ("a-2", "X", 2), ("a-2", "Y", 3), ("gone", "X", 9))
    for inventory in (tables["inventory"], None):
        staged = merge_inventory(tables["variants"], inventory, found, tmp_path, import_id="stock")
        lines = staged.open().arrow(["variant_id", "location", "available"]).to_pylist()
        assert [tuple(line.values()) for line in lines] == [
            ("a-1", None, 0), ("a-2", "X", 2), ("a-2", "Y", 3), ("b-1", "X", 1), ("b-2", None, 0),
        ]  # fmt: skip
        assert (staged.open().batches, staged.metadata) == (2, {"import_id": "old", "stock_import_id": "stock"})


def test_no_stock_at_all() -> None:
    known = pa.Table.from_pylist([{"variant_id": "a", "tracked": True}], INVENTORY)
    assert stock().rows(known, missing=None)["available"].to_pylist() == [None]
    assert stock().rows(INVENTORY.empty_table(), missing=0).num_rows == 0
    assert stock(("a", "X", 1)).rows(INVENTORY.empty_table(), missing=0).num_rows == 0
