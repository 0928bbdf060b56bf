"""Going back: what every listing was after an export, the pins that bring it back, and when they end."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.listings.pins import KINDS, PINS, Pinned, replaced, split
from pipeline.listings.plan import PlanResult, plan_changes
from pipeline.listings.rollback import Rollback, roll_back
from pipeline.listings.schema import LISTINGS
from pipeline_tests.listings.fakes import ACCOUNT, SITE, FakeMarketplace, export_settings, family, listing, listings_table
from pipeline_tests.listings.planning import Desk, changes, sent


class Store:
    """Exports one catalog after the other, with the pins that hold."""

    def __init__(self, folder: Path, **marketplace: Any) -> None:
        self.desk = Desk(folder, FakeMarketplace(**marketplace))
        self.plans: list[PlanResult] = []
        self.pins = PINS.empty_table()
        self.tables = 0

    def table(self, rows: list[dict[str, Any]]) -> Any:
        self.tables += 1
        return listings_table(self.desk.folder / f"table{self.tables}", rows)

    def plan(self, rows: list[dict[str, Any]]) -> PlanResult:
        table = self.table(rows)
        self.pins, _ = split(self.pins, table)
        folder = self.desk.folder / f"plan{self.tables}"
        folder.mkdir()
        return plan_changes(
            Pinned(table.path, table.columns, self.pins), self.desk.state_table(), marketplace=self.desk.marketplace, site=SITE,
            account=ACCOUNT, settings=export_settings(), base_version=self.desk.version, now=self.desk.now, folder=folder,
            root=self.desk.folder,
        )  # fmt: skip

    def export(self, rows: list[dict[str, Any]]) -> PlanResult:
        result = self.plan(rows)
        self.desk.commit(result)
        self.plans.append(result)
        return result

    def back(self, rows: list[dict[str, Any]], to: int, kinds: Collection[str] = (), skus: Collection[str] = ()) -> Rollback:
        """To what was after the `to`th export."""
        plans = [result.plan for result in self.plans]
        found = roll_back(
            self.table(rows), self.desk.state_table(), plans[to::-1], plans[to + 1 :], export_id=plans[to].export_id,
            family_is_one_listing=self.desk.marketplace.family_is_one_listing, kinds=kinds, skus=skus,
        )  # fmt: skip
        self.pins = replaced(self.pins, found.pins, kinds, skus)
        return found

    def values(self, *without: str) -> dict[str, dict[str, Any]]:
        names = ("price", "list_price", "content_hash", "images_hash", "quantity")
        return {sku: {name: row[name] for name in names if name not in without} for sku, row in self.desk.state.items()}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def shop(**changed: dict[str, Any]) -> list[dict[str, Any]]:
    return [listing(sku, **changed.get(sku, {})) for sku in ("a", "b", "c", "d")]


NEW = {"title": "New", "content_hash": "new"}
CHANGED = {"a": {"price": 1200}, "b": NEW, "c": {"images": ["j"], "images_hash": "j"}, "d": {"quantity": 1}}


def test_back_is_exactly_the_difference_and_stays(store: Store) -> None:
    store.export(shop())
    then = store.values("quantity")
    store.export(shop(**CHANGED))
    found = store.back(shop(**CHANGED), 0)
    assert found.counts == {"content": 1, "price": 1, "images": 1}
    back = store.export(shop(**CHANGED))
    assert sent(back) == [("a", "price", "PRICE"), ("b", "product", "UPDATE"), ("c", "images", "IMAGES")]
    assert store.values("quantity") == then
    assert store.desk.state["d"]["quantity"] == 1
    assert sent(store.plan(shop(**CHANGED))) == []


def test_several_exports_back(store: Store) -> None:
    store.export(shop())
    store.export(shop(a={"price": 1100}))
    then = store.values()
    store.export(shop(a={"price": 1200}, b=NEW))
    store.export(shop(a={"price": 1300}, b={"title": "Newer", "content_hash": "newer"}))
    now = shop(a={"price": 1300}, b={"title": "Newer", "content_hash": "newer"})
    assert store.back(now, 1).counts == {"content": 1, "price": 1}
    store.export(now)
    assert store.values() == then
    store.back(now, 3)
    assert not len(store.pins), "the newest state is what the source says"


def test_a_pin_ends_when_its_source_changes_and_only_that_one(store: Store) -> None:
    store.export(shop())
    store.export(shop(**CHANGED))
    store.back(shop(**CHANGED), 0)
    store.export(shop(**CHANGED))
    later = shop(**{**CHANGED, "a": {"price": 1250}})
    assert sent(store.export(later)) == [("a", "price", "PRICE")]
    assert store.desk.state["a"]["price"] == 1250
    assert sorted(store.pins["sku"].to_pylist()) == ["b", "c"]


def test_a_blocked_listing_keeps_its_pin(store: Store) -> None:
    store.export(shop())
    store.export(shop(**CHANGED))
    store.back(shop(**CHANGED), 0)
    store.export(shop(**CHANGED))
    blocked = {"status": "blocked", "reason": "No title.", "content_hash": None, "images_hash": None}
    assert sent(store.export(shop(**{**CHANGED, "b": blocked}))) == []
    assert sent(store.export(shop(**CHANGED))) == []


def test_a_part_of_it(store: Store) -> None:
    store.export(shop())
    store.export(shop(a={"price": 1200, **NEW}, b={"price": 1300}))
    now = shop(a={"price": 1200, **NEW}, b={"price": 1300})
    assert store.back(now, 0, kinds=["price"], skus=["a"]).counts == {"price": 1}
    assert sent(store.export(now)) == [("a", "price", "PRICE")]


def test_what_cannot_be_gone_back_to_is_said(store: Store) -> None:
    store.export(shop()[:3])
    store.export(shop(a={"price": 1200}, b={"price": 1200}))
    blocked = {"status": "blocked", "reason": "No title.", "content_hash": None, "images_hash": None}
    found = store.back([*shop(a={"price": 1200}, b=blocked)[:2], listing("d")], 0)
    assert found.counts == {"price": 1}
    assert dict(found.left_out) == {
        "listed since then: they stay": 1,
        "no longer in the catalog or the assortment: they are not listed again": 1,
        "blocked now: a blocked listing stays as the marketplace has it": 1,
    }


def test_content_that_no_plan_keeps(store: Store) -> None:
    store.export(shop())
    store.export(shop(b=NEW))
    (store.plans[0].plan.folder / "listings.parquet").unlink()
    found = store.back(shop(b=NEW), 0)
    assert (found.counts, dict(found.left_out)) == ({}, {"content of that time is not kept any more": 1})


def test_families_that_are_one_listing_keep_their_content(tmp_path: Path) -> None:
    store = Store(tmp_path, whole_families=True)
    store.export(family("1", [{"sku": "x"}, {"sku": "y"}]))
    rows = family("1", [{"sku": "x", "price": 1200}, {"sku": "y"}])
    rows[0] |= NEW
    store.export(rows)
    found = store.back(rows, 0)
    assert found.counts == {"price": 1}
    assert dict(found.left_out) == {"content of families, which are one listing here: correct them at the source": 1}
    assert changes(store.export(rows))["x"] == ["price"]


def test_every_column_of_a_listing_is_pinned_with_a_kind_or_never() -> None:
    pinned = [name for columns in KINDS.values() for name in columns]
    assert len(pinned) == len(set(pinned))
    assert set(LISTINGS.names) - set(pinned) == {
        "sku", "role", "parent_sku", "product_id", "variant_id", "currency", "available", "quantity", "status", "reason",
        "score", "revision",
    }  # fmt: skip


_ROW = st.fixed_dictionaries(
    {
        "price": st.integers(900, 1100),
        "title": st.sampled_from("xyz"),
        "image": st.sampled_from("ij"),
        "quantity": st.integers(1, 9),
    }
)
_CATALOG = st.fixed_dictionaries({sku: _ROW for sku in "abc"})


def _rows(catalog: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        listing(
            sku, price=row["price"], title=row["title"], content_hash=row["title"], images=[row["image"]],
            images_hash=row["image"], quantity=row["quantity"],
        )
        for sku, row in catalog.items()
    ]  # fmt: skip


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(catalogs=st.lists(_CATALOG, min_size=1, max_size=5), data=st.data())
def test_any_export_can_be_gone_back_to(tmp_path_factory: pytest.TempPathFactory, catalogs: list[Any], data: Any) -> None:
    store = Store(tmp_path_factory.mktemp("store"))
    after = []
    for catalog in catalogs:
        store.export(_rows(catalog))
        after.append(store.values("quantity"))
    to = data.draw(st.integers(0, len(catalogs) - 1))
    store.back(_rows(catalogs[-1]), to)
    back = store.export(_rows(catalogs[-1]))
    assert store.values("quantity") == after[to]
    assert {sku for sku, _, _ in sent(back)} == {sku for sku in "abc" if after[to][sku] != after[-1][sku]}
    assert sent(store.plan(_rows(catalogs[-1]))) == []
    assert {sku: row["quantity"] for sku, row in store.desk.state.items()} == {
        sku: row["quantity"] for sku, row in catalogs[-1].items()
    }


def test_pins_lie_over_ready_rows_only(tmp_path: Path) -> None:
    table = listings_table(tmp_path, [listing("a"), listing("b", status="blocked", reason="x")])
    pins = pa.table(
        [["a", "b", "gone"], ["price"] * 3, ["1000|"] * 3, ['{"price":5,"list_price":7}'] * 3, ["E"] * 3], schema=PINS
    )
    pinned = Pinned(table.path, None, pins)
    assert pinned.arrow_batch(0, ["price", "list_price"]).to_pylist() == [
        {"price": 5, "list_price": 7}, {"price": 1000, "list_price": None},
    ]  # fmt: skip
    assert pinned.metadata["version"] != table.metadata.get("version")
    assert Pinned(table.path, None, PINS.empty_table()).metadata == table.metadata
