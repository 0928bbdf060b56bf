"""The export plan: what is sent for what changed, scope, families, refused messages, identity and files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from upath import UPath

from pipeline.listings.plan_files import Scope, load_plan
from pipeline.model.errors import PipelineError
from pipeline_tests.listings.fakes import FakeMarketplace, family, listing
from pipeline_tests.listings.planning import Desk, change, changes, counts, payloads, sent


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def shop(**changed: dict[str, Any]) -> list[dict[str, Any]]:
    return [listing(sku, **changed.get(sku, {})) for sku in ("a", "b", "c", "d", "e")]


def test_first_plan_creates_and_the_second_plans_nothing(desk: Desk) -> None:
    first = desk.run(shop())
    assert counts(first) == {"create": 5}
    assert sent(first) == [(sku, "product", "CREATE") for sku in "abcde"]
    second = desk.plan(shop())
    assert (sent(second), counts(second)) == ([], {"unchanged": 5})
    assert second.plan.effects.rows == 0
    assert second.plan.counts["ready"] == second.plan.counts["listings"] == 5


def test_what_is_listed_anew_is_listed_in_a_later_generation(desk: Desk) -> None:
    """A marketplace that refuses to list one thing twice must take what ended and came back."""
    generations = []
    for step in (shop(), shop()[:4], shop()):
        desk.run(step, delete_after_days=0)
        generations.append(desk.marketplace.generation)
        desk.later(1)
    assert generations[0] < generations[-1]


THREE = {"a": {"price": 1100}, "b": {"quantity": 4}, "c": {"title": "New", "content_hash": "new"}}


def test_three_changes_are_exactly_three_skus_in_the_right_kinds(desk: Desk) -> None:
    desk.run(shop())
    plan = desk.run(shop(**THREE))
    assert sent(plan) == [("a", "price", "PRICE"), ("b", "inventory", "QUANTITY"), ("c", "product", "UPDATE")]
    assert counts(plan) == {"price": 1, "quantity": 1, "update": 1, "unchanged": 2}
    assert change(plan, "a") | {"price_before": 1000, "price_after": 1100} == change(plan, "a")
    assert sent(desk.plan(shop(**THREE))) == []


def test_scope_of_another_product_sends_and_deletes_nothing(desk: Desk) -> None:
    desk.run(shop())
    plan = desk.plan(shop(**THREE)[:4], products=("d",))  # e vanished
    assert sent(plan) == []
    assert changes(plan) == {
        "a": ["out_of_scope"],
        "b": ["out_of_scope"],
        "c": ["out_of_scope"],
        "d": ["unchanged"],
        "e": ["out_of_scope"],
    }
    assert plan.plan.effects.rows == 0


def test_scope_names_a_product_that_is_not_there(desk: Desk) -> None:
    with pytest.raises(PipelineError, match="product nope is neither listed nor live on fake-us"):
        desk.plan(shop(), products=("a", "nope"))


def test_several_kinds_at_once(desk: Desk) -> None:
    desk.run(shop())
    plan = desk.plan(shop(a={"price": 1100, "quantity": 1, "images_hash": "x", "content_hash": "x"}))
    assert changes(plan)["a"] == ["update", "price", "quantity", "images"]
    assert payloads(plan) == {"a": {"title": "a", "price": 1100, "quantity": 1, "images": ["i"]}}


def test_a_sale_is_a_price_change(desk: Desk) -> None:
    desk.run(shop())
    sale = shop(a={"list_price": 1500})
    assert sent(desk.run(sale)) == [("a", "price", "PRICE")]
    assert sent(desk.plan(sale)) == []
    assert sent(desk.plan(shop())) == [("a", "price", "PRICE")]


def test_unknown_stock_keeps_what_was_sent_and_lists_nothing_new(desk: Desk) -> None:
    desk.run([listing("a")])
    plan = desk.plan([listing("a", quantity=None, content_hash="x"), listing("b", quantity=None)])
    assert payloads(plan)["a"]["quantity"] == 5
    assert changes(plan) == {"a": ["update"], "b": ["hold"]}
    assert "stock is unknown" in change(plan, "b")["reason"]


def test_out_of_stock_is_listed_only_on_request(desk: Desk) -> None:
    rows = [listing("a", quantity=0), listing("b")]
    assert changes(desk.plan(rows)) == {"a": ["hold"], "b": ["create"]}
    assert changes(desk.plan(rows, include_out_of_stock=True)) == {"a": ["create"], "b": ["create"]}
    desk.run(rows)
    assert changes(desk.plan([listing("a", quantity=3), listing("b", quantity=0)])) == {"a": ["create"], "b": ["quantity"]}


def test_a_live_listing_that_is_blocked_is_held_but_its_quantity_may_fall(desk: Desk) -> None:
    desk.run(shop())
    blocked = {"status": "blocked", "reason": "No title.", "content_hash": None, "images_hash": None}
    rows = shop(a={**blocked, "price": 1, "quantity": 2}, b={**blocked, "quantity": 9}, c={**blocked, "quantity": None})
    plan = desk.run([*rows, listing("new", **blocked)])
    assert changes(plan) == {
        "a": ["quantity", "hold"], "b": ["hold"], "c": ["hold"], "d": ["unchanged"], "e": ["unchanged"], "new": ["blocked"],
    }  # fmt: skip
    assert sent(plan) == [("a", "inventory", "QUANTITY")]
    assert payloads(plan)["a"] | {"price": 1000, "quantity": 2} == payloads(plan)["a"]
    assert change(plan, "a")["reason"] == "No title."
    assert (plan.plan.counts["blocked"], plan.plan.counts["ready"], plan.plan.counts["held"]) == (4, 2, 3)
    assert sent(desk.plan(shop(a={"quantity": 2}))) == []


FAMILY = family("1", [{"sku": "x"}, {"sku": "y"}, {"sku": "z", "quantity": 0}])


def test_a_family_is_created_parent_first_without_what_is_out_of_stock(desk: Desk) -> None:
    desk.marketplace = FakeMarketplace(whole_families=True)
    plan = desk.run(FAMILY)
    assert sent(plan) == [("P-1", "product", "CREATE")]
    assert payloads(plan)["P-1"]["children"] == ["x", "y"]
    assert changes(plan) == {"P-1": ["create"], "x": ["create"], "y": ["create"], "z": ["hold"]}
    assert sorted(desk.state) == ["P-1", "x", "y"]
    assert sent(desk.plan(FAMILY)) == []


def test_a_live_parent_is_updated_when_a_child_joins(desk: Desk) -> None:
    desk.marketplace = FakeMarketplace(whole_families=True)
    desk.run(FAMILY)
    plan = desk.plan(family("1", [{"sku": "x"}, {"sku": "y"}, {"sku": "z", "quantity": 3}]))
    assert sent(plan) == [("P-1", "product", "UPDATE")]
    assert payloads(plan)["P-1"]["children"] == ["x", "y", "z"]
    assert changes(plan)["z"] == ["create"]


def test_a_family_out_of_stock_is_held_as_a_whole(desk: Desk) -> None:
    plan = desk.plan(family("1", [{"sku": "x", "quantity": 0}, {"sku": "y", "quantity": 0}]))
    assert set(map(tuple, changes(plan).values())) == {("hold",)}
    assert change(plan, "P-1")["reason"] == "None of its variants is in stock."


def test_only_whole_families_with_a_change_are_given(desk: Desk) -> None:
    desk.run(FAMILY, [listing("a")])
    plan = desk.plan(family("1", [{"sku": "x", "price": 1100}, {"sku": "y"}, {"sku": "z", "quantity": 0}]), [listing("a")])
    assert sent(plan) == [("x", "price", "PRICE")]
    assert "children" not in payloads(plan)["x"]


def test_a_refused_message_blocks_a_new_listing(desk: Desk) -> None:
    desk.marketplace.invalid = {("b", "product")}
    plan = desk.run(shop())
    assert changes(plan)["b"] == ["blocked"]
    assert change(plan, "b")["reason"] == "b is refused."
    assert "b" not in desk.state
    assert plan.plan.counts["ready"] + plan.plan.counts["blocked"] == plan.plan.counts["listings"] == 5
    assert plan.plan.counts["blocked"] == 1
    assert sent(desk.plan(shop())) == []


def test_a_refused_message_holds_that_change_of_a_live_listing(desk: Desk) -> None:
    desk.run(shop())
    desk.marketplace.invalid = {("a", "price")}
    plan = desk.run(shop(a={"price": 1100, "quantity": 4}))
    assert changes(plan)["a"] == ["quantity", "hold"]
    assert (desk.state["a"]["price"], desk.state["a"]["quantity"]) == (1000, 4)
    desk.marketplace.invalid = set()
    assert sent(desk.plan(shop(a={"price": 1100, "quantity": 4}))) == [("a", "price", "PRICE")]


@pytest.mark.parametrize("whole", [False, True])
def test_a_refused_parent_takes_its_new_children_along(desk: Desk, whole: bool) -> None:
    desk.marketplace = FakeMarketplace(whole_families=whole, invalid={("P-1", "product")})
    plan = desk.run(FAMILY, [listing("a")])
    assert sent(plan) == [("a", "product", "CREATE")]
    assert changes(plan) == {"P-1": ["blocked"], "x": ["blocked"], "y": ["blocked"], "z": ["hold"], "a": ["create"]}
    assert change(plan, "x")["reason"] == "The parent listing of its family is blocked: P-1 is refused."
    assert list(desk.state) == ["a"]


def test_a_parent_whose_children_are_all_refused_is_blocked(desk: Desk) -> None:
    desk.marketplace.invalid = {("x", "product"), ("y", "product")}
    plan = desk.plan(FAMILY)
    assert sent(plan) == []
    assert changes(plan)["P-1"] == ["blocked"]


def test_a_refused_update_of_a_live_family_keeps_the_new_child_out(desk: Desk) -> None:
    desk.marketplace = FakeMarketplace(whole_families=True)
    desk.run(FAMILY)
    desk.marketplace.invalid = {("P-1", "product")}
    plan = desk.run(family("1", [{"sku": "x"}, {"sku": "y"}, {"sku": "z", "quantity": 3}]))
    assert changes(plan) == {"P-1": ["hold"], "x": ["unchanged"], "y": ["unchanged"], "z": ["blocked"]}
    assert "z" not in desk.state


def test_leaving_is_quantity_zero_first_and_deletion_after_the_grace(desk: Desk) -> None:
    desk.run(shop())
    rest = shop()[:4]
    plan = desk.run(rest)
    assert sent(plan) == [("e", "inventory", "ZERO")]
    assert change(plan, "e")["quantity_after"] == 0
    assert (desk.state["e"]["quantity"], desk.state["e"]["left_at"]) == (0, desk.now)
    desk.later(6.9)
    assert sent(desk.run(rest)) == []
    desk.later(0.1)
    last = desk.run(rest)
    assert (sent(last), changes(last)["e"]) == ([("e", "product", "DELETE")], ["delete"])
    assert "e" not in desk.state
    assert sent(desk.plan(rest)) == []


def test_coming_back_starts_the_grace_anew(desk: Desk) -> None:
    desk.run([listing("a"), listing("b", quantity=0)], include_out_of_stock=True)
    desk.run([listing("a")])
    desk.later(6)
    back = desk.run([listing("a"), listing("b", quantity=0)])
    assert sent(back) == []
    assert desk.state["b"]["left_at"] is None
    desk.run([listing("a")])
    desk.later(2)
    assert sent(desk.run([listing("a")])) == []


def test_a_family_leaves_together_and_the_parent_goes_last(desk: Desk) -> None:
    desk.run(FAMILY, [listing("a")])
    plan = desk.run([listing("a")])
    assert sent(plan) == [("x", "inventory", "ZERO"), ("y", "inventory", "ZERO")]
    desk.later(7)
    assert {sku for sku, _, _ in sent(desk.run([listing("a")]))} == {"P-1", "x", "y"}
    assert list(desk.state) == ["a"]


def test_a_parent_waits_for_children_that_left_later(desk: Desk) -> None:
    desk.run(FAMILY, [listing("a")])
    desk.state["P-1"]["left_at"] = desk.state["x"]["left_at"] = desk.now
    desk.state["x"]["quantity"] = 0
    desk.later(7)
    assert sent(desk.run([listing("a")])) == [("y", "inventory", "ZERO"), ("x", "product", "DELETE")]
    desk.later(7)
    assert {sku for sku, _, _ in sent(desk.run([listing("a")]))} == {"P-1", "y"}


def test_the_same_inputs_give_the_same_plan(desk: Desk) -> None:
    one, two = desk.plan(shop()), desk.plan(shop())
    assert one.plan == two.plan
    assert one.plan.export_id.startswith("000000-")
    assert one.plan.folder == desk.folder / "plans" / "demo" / "fake-us" / one.plan.export_id
    assert load_plan(one.plan.folder) == one.plan
    names = sorted(path.name for path in one.plan.folder.iterdir())
    files = ("changes", "effects", "guarded", "listings", "messages", "urgent")
    assert names == sorted([*(f"{name}.parquet" for name in files), "plan.json"])


def test_another_message_state_or_mode_is_another_plan(desk: Desk) -> None:
    plans = {desk.plan(shop()).plan.export_id, desk.plan(shop(a={"price": 1001})).plan.export_id}
    plans.add(desk.plan_with((shop(),), Scope(dry_run=True), {}).plan.export_id)
    desk.version = 1
    plans.add(desk.plan(shop()).plan.export_id)
    assert len(plans) == 4


def test_an_empty_plan_is_a_plan(desk: Desk) -> None:
    plan = desk.plan().plan
    assert (load_plan(plan.folder).counts["listings"], plan.messages.rows) == (0, 0)


def test_a_folder_without_a_whole_plan_is_refused(desk: Desk) -> None:
    plan = desk.plan(shop()).plan
    (plan.folder / "plan.json").unlink()
    with pytest.raises(PipelineError, match=r"there is no export plan .*; materialize listing_changes"):
        load_plan(plan.folder)


def alone(sku: str) -> dict[str, Any]:
    return listing(sku, product_id="1", content_hash="alone")


def test_a_sku_that_joins_a_family_of_one_listing_is_ended_first(desk: Desk) -> None:
    desk.marketplace = FakeMarketplace(whole_families=True)
    desk.run([alone("x")])
    plan = desk.run(FAMILY)
    assert sent(plan) == [("P-1", "product", "CREATE"), ("x", "product", "DELETE")]
    assert payloads(plan, "product", "CREATE")["P-1"]["children"] == ["y"]
    assert "it ends there, and the next export lists it anew" in change(plan, "x")["reason"]
    second = desk.run(FAMILY)
    assert sent(second) == [("P-1", "product", "UPDATE")]
    assert payloads(second)["P-1"]["children"] == ["x", "y"]
    assert sent(desk.plan(FAMILY)) == []


def test_a_sku_that_joins_a_family_of_single_listings_is_updated(desk: Desk) -> None:
    desk.run([alone("x")])
    plan = desk.run(FAMILY)
    assert sent(plan) == [("P-1", "product", "CREATE"), ("x", "product", "UPDATE"), ("y", "product", "CREATE")]
    assert (desk.state["x"]["role"], desk.state["x"]["parent_sku"]) == ("child", "P-1")
    assert sent(desk.plan(FAMILY)) == []


def test_what_remains_of_a_family_of_one_listing_becomes_a_single(desk: Desk) -> None:
    desk.marketplace = FakeMarketplace(whole_families=True)
    desk.run(FAMILY)
    plan = desk.run([alone("x")])
    assert sent(plan) == [("y", "inventory", "ZERO"), ("x", "product", "DELETE")]
    assert sent(desk.run([alone("x")])) == [("x", "product", "CREATE")]
    desk.later(7)
    assert {sku for sku, _, _ in sent(desk.run([alone("x")]))} == {"P-1", "y"}


def test_a_plan_in_an_object_store(desk: Desk) -> None:
    desk.folder.joinpath("local").mkdir()
    root = UPath("memory://plans-test")
    plan = desk.plan_at(root, shop()).plan
    assert load_plan(plan.folder) == plan
    assert load_plan(plan.folder).messages.rows == 5


def test_pieces_of_a_batch_give_the_plan_of_the_whole(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = [row for name in "pqr" for row in family(name, [{"sku": f"{name}{number}"} for number in range(3)])]
    whole = desk.plan([*shop(), *batch])
    wanted, groups = whole.plan.messages.arrow(), whole.plan.messages.batches  # the second plan has the same folder
    monkeypatch.setattr("pipeline.listings.messages._ROWS", 2)
    pieces = desk.plan([*shop(), *batch])
    assert pieces.plan.messages.batches > groups == 1
    assert pieces.plan.messages.arrow().equals(wanted)
    assert pieces.plan.export_id == whole.plan.export_id


def test_a_refused_new_child_leaves_its_live_family_alone(desk: Desk) -> None:
    desk.run(family("1", [{"sku": "a"}]))
    desk.marketplace = FakeMarketplace(invalid=[("b", "product")])
    plan = desk.run(family("1", [{"sku": "a"}, {"sku": "b"}]))
    assert sent(plan) == [] and plan.plan.counts["blocked"] == 1
    desk.marketplace = FakeMarketplace()
    assert sent(desk.run(family("1", [{"sku": "a"}, {"sku": "b"}]))) == [
        ("P-1", "product", "UPDATE"), ("b", "product", "CREATE"),
    ]  # fmt: skip
