"""What a connection does not own is said when a listing is created, and never again, whatever becomes of it."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pipeline.stores.export_settings import OWNED
from pipeline_tests.listings.fakes import family, listing
from pipeline_tests.listings.planning import Desk, change, changes, sent
from pipeline_tests.listings.test_plan_properties import TemporaryDesk, catalogs, some

#: What a message about a live listing says, by feed and operation of the fake.
SAYS = {"UPDATE": {"content"}, "DELETE": {"content", "quantity"}, "CREATE": set(OWNED)}
OF_FEED = {"price": {"price"}, "inventory": {"quantity"}, "images": {"images"}}


@some
@given(
    first=catalogs(), second=catalogs(), third=catalogs(), whole=st.booleans(), days=st.sampled_from([0, 3, 30]),
    owns=st.lists(st.sampled_from(OWNED), unique=True), known=st.booleans(),
)  # fmt: skip
def test_no_message_says_what_is_not_owned(
    first: Any, second: Any, third: Any, whole: bool, days: int, owns: list[str], known: bool
) -> None:
    with TemporaryDesk(whole_families=whole) as desk:
        desk.run(*first)
        desk.run(*second, owns=owns)
        desk.later(days)
        if not known:
            for one in desk.state.values():
                one["uncertain"] = True
        live = {sku: row["role"] for sku, row in desk.state.items()}
        plan = desk.plan(*third, owns=owns)
        for sku, feed, operation in sent(plan):
            if sku in live:
                says = SAYS.get(operation) or OF_FEED[feed]
                in_family = whole and live[sku] != "single" and operation == "UPDATE"
                assert says | ({"price", "quantity"} if in_family else set()) <= set(owns), (sku, feed, operation)
        if known:
            desk.commit(plan)
            again = desk.plan(*third, owns=owns)
            assert (sent(again), again.plan.effects.rows) == ([], 0)


def test_it_does_not_show_as_a_change(tmp_path: Any) -> None:
    desk = Desk(tmp_path)
    desk.run([listing("a")], owns=["content", "quantity"])
    assert desk.state["a"]["price"] == 1000  # said when it was created
    changed = [listing("a", price=900, images_hash="j", quantity=3)]
    plan = desk.run(changed, owns=["content", "quantity"])
    assert (changes(plan)["a"], change(plan, "a")["price_after"]) == (["quantity"], 1000)
    # Who takes it back says it from then on.
    assert changes(desk.plan(changed))["a"] == ["price", "images"]


def test_what_leaves_ends_only_where_it_is_ours(tmp_path: Any) -> None:
    desk = Desk(tmp_path)
    desk.run([listing("a")])
    for owns in (["content", "images", "price"], ["images", "price", "quantity"]):
        desk.later(1)
        plan = desk.plan([], owns=owns)
        assert [one for one in sent(plan) if one[2] == "DELETE"] == []
        assert [one[1] for one in sent(plan)] == (["inventory"] if "quantity" in owns else [])
        assert "end it on the marketplace by hand" in change(plan, "a")["reason"]
    repriced = ["content", "images", "quantity"]
    desk.run([], owns=repriced)
    desk.later(30)
    assert sent(desk.plan([], owns=repriced)) == [("a", "product", "DELETE")]


def test_a_variant_joins_no_family_that_is_one_message(tmp_path: Any) -> None:
    with TemporaryDesk(whole_families=True) as desk:
        desk.run(family("1", [{"sku": "red"}]))
        plan = desk.plan(family("1", [{"sku": "red"}, {"sku": "blue"}], content_hash="d"), owns=["content"])
        assert sent(plan) == []
        assert changes(plan)["blue"] == ["hold"]


def test_one_that_is_held_is_not_created(tmp_path: Any) -> None:
    desk = Desk(tmp_path)
    rows = [*family("1", [{"sku": "red"}, {"sku": "blue"}]), *family("2", [{"sku": "green"}]), listing("a")]
    plan = desk.plan_with((rows,), scope=desk_scope(), settings={}, holds={"red": "why red", "P-2": "why all", "a": "why a"})
    assert {sku for sku, _, _ in sent(plan)} == {"P-1", "blue"}
    assert [change(plan, sku)["reason"] for sku in ("red", "green", "a")] == [
        "why red", "The parent listing of its family is held: why all", "why a",
    ]  # fmt: skip


def desk_scope() -> Any:
    from pipeline.listings.plan_files import EVERYTHING

    return EVERYTHING
