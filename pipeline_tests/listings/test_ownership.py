"""What a connection does not own is said when a listing is created, and never again, whatever becomes of it."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.listings.plan import PlanResult
from pipeline.listings.plan_files import EVERYTHING
from pipeline.stores.export_settings import OWNED
from pipeline_tests.listings.fakes import family, listing
from pipeline_tests.listings.planning import Desk, change, changes, sent
from pipeline_tests.listings.test_plan_properties import VALUES, TemporaryDesk, catalogs, some

#: What a message about a live listing says, by feed and operation of the fake.
SAYS = {"UPDATE": {"content"}, "DELETE": {"content", "quantity"}, "CREATE": set(OWNED)}
OF_FEED = {"price": {"price"}, "inventory": {"quantity"}, "images": {"images"}}


@st.composite
def lives(draw: st.DrawFn) -> tuple[Any, Any]:
    """Batches of listings, and what they are later: other values, some of them gone."""
    first = draw(catalogs())
    later = []
    for batch in first:
        stays = {row["product_id"] for row in batch if draw(st.integers(0, 4))}
        rows = [row for row in batch if row["product_id"] in stays]
        later.append([row if row["role"] == "parent" else {**row, **_others(draw)} for row in rows])
    return first, later


def _others(draw: st.DrawFn) -> dict[str, Any]:
    return {name: draw(value) for name, value in VALUES.items()}


@settings(some, max_examples=60)
@given(
    life=lives(), whole=st.booleans(), owns=st.lists(st.sampled_from(OWNED), unique=True, max_size=3),
    days=st.sampled_from([None, 3, 30]), known=st.integers(0, 4).map(bool),
)  # fmt: skip
def test_no_message_says_what_is_not_owned(
    life: tuple[Any, Any], whole: bool, owns: list[str], days: int | None, known: bool
) -> None:
    first, later = life
    with TemporaryDesk(whole_families=whole) as desk:
        desk.run(*first)
        live = {sku: row["role"] for sku, row in desk.state.items()}
        for row in desk.state.values():
            row["uncertain"] = not known
        if days is not None:
            desk.commit(plan := desk.plan(*later, owns=owns))
            _check(live, plan, owns, whole)
            desk.later(days)
        plan = desk.plan(*later, owns=owns)
        _check(live, plan, owns, whole)
        if known:
            desk.commit(plan)
            again = desk.plan(*later, owns=owns)
            assert (sent(again), again.plan.effects.rows) == ([], 0)


def _check(live: dict[str, str], plan: PlanResult, owns: list[str], whole: bool) -> None:
    for sku, feed, operation in sent(plan):
        if sku in live:
            says = SAYS.get(operation) or OF_FEED[feed]
            in_family = whole and live[sku] != "single" and operation == "UPDATE"
            assert says | ({"price", "quantity"} if in_family else set()) <= set(owns), (sku, feed, operation)


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
    plan = desk.plan_with((rows,), scope=EVERYTHING, settings={}, holds={"red": "why red", "P-2": "why all", "a": "why a"})
    assert {sku for sku, _, _ in sent(plan)} == {"P-1", "blue"}
    assert [change(plan, sku)["reason"] for sku in ("red", "green", "a")] == [
        "why red", "The parent listing of its family is held: why all", "why a",
    ]  # fmt: skip
