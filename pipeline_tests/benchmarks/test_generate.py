"""The generator: same arguments, same bytes; a valid shape; exactly the asked-for share of changes."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_tests.benchmarks.generate import changed_variants, gtin13, write_catalog


def _nodes(path: Path) -> list[dict[str, object]]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def _of_kind(path: Path, kind: str) -> dict[str, dict[str, object]]:
    return {str(node["id"]): node for node in _nodes(path) if node["__typename"] == kind}


@pytest.mark.parametrize("grouped", [True, False])
def test_same_arguments_same_bytes(tmp_path: Path, grouped: bool) -> None:
    for name in ("a", "b"):
        write_catalog(tmp_path / name, 300, seed=7, mutate=0.05, grouped=grouped)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    write_catalog(tmp_path / "c", 300, seed=8, mutate=0.05, grouped=grouped)
    assert (tmp_path / "a").read_bytes() != (tmp_path / "c").read_bytes()


@pytest.mark.parametrize("grouped", [True, False])
def test_shape_of_a_bulk_operation(tmp_path: Path, grouped: bool) -> None:
    lines = write_catalog(tmp_path / "catalog.jsonl", 1000, grouped=grouped)
    nodes = _nodes(tmp_path / "catalog.jsonl")
    assert lines == len(nodes)
    seen: set[object] = set()
    for node in nodes:
        assert "__parentId" not in node or node["__parentId"] in seen, "a parent stands before its children"
        assert node["id"] not in seen
        seen.add(node["id"])
    variants = _of_kind(tmp_path / "catalog.jsonl", "ProductVariant").values()
    assert len(variants) == 1000
    for product in _of_kind(tmp_path / "catalog.jsonl", "Product").values():
        count = sum(variant["__parentId"] == product["id"] for variant in variants)
        assert product["variantsCount"] == {"count": count, "precision": "EXACT"}
        assert product["hasOnlyDefaultVariant"] == (count == 1)


def test_grouping_changes_the_order_only(tmp_path: Path) -> None:
    write_catalog(tmp_path / "grouped", 200)
    write_catalog(tmp_path / "ungrouped", 200, grouped=False)
    grouped, ungrouped = ((tmp_path / name).read_bytes().splitlines() for name in ("grouped", "ungrouped"))
    assert grouped != ungrouped
    assert sorted(grouped) == sorted(ungrouped)


def test_mutation_changes_its_share_and_nothing_else(tmp_path: Path) -> None:
    write_catalog(tmp_path / "before", 2000)
    write_catalog(tmp_path / "after", 2000, mutate=0.01)
    changed = changed_variants(2000, 0.01)
    assert len(changed) == 20

    def differing(kind: str, *fields: str) -> set[int]:
        before, after = _of_kind(tmp_path / "before", kind), _of_kind(tmp_path / "after", kind)
        assert before.keys() == after.keys()
        return {
            int(key.rpartition("/")[2]) - 42_000_000_000_000
            for key in before
            if any(before[key][f] != after[key][f] for f in fields)
        }

    assert differing("ProductVariant", "price", "inventoryQuantity") == {index for index in changed if index % 3 != 2}
    assert differing("ProductVariant", "sku", "barcode", "selectedOptions") == set()
    titles = differing("Product", "title")
    assert 0 < len(titles) <= sum(index % 3 == 2 for index in changed)
    assert _of_kind(tmp_path / "before", "Metafield") == _of_kind(tmp_path / "after", "Metafield")


def test_faults_are_a_choice(tmp_path: Path) -> None:
    write_catalog(tmp_path / "clean", 500, faults=0.0)
    clean = _of_kind(tmp_path / "clean", "ProductVariant").values()
    assert all(variant["sku"] and variant["price"] != "0.00" for variant in clean)
    write_catalog(tmp_path / "messy", 500, faults=0.5)
    messy = _of_kind(tmp_path / "messy", "ProductVariant").values()
    assert any(variant["sku"] is None for variant in messy)
    assert any(variant["price"] == "0.00" for variant in messy)


@given(st.integers(min_value=0, max_value=999_999_999))
def test_barcodes_are_valid(number: int) -> None:
    from stdnum import ean

    assert ean.is_valid(gtin13(number))
