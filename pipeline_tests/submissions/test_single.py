"""Prices and quantities that are said one SKU at a time: at once, in order, and never over something newer."""

from __future__ import annotations

import json
import signal
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from pipeline.model.errors import PipelineError
from pipeline.platform import points
from pipeline_tests.fakes.amazon import MARKETPLACE, Fault
from pipeline_tests.points import Death
from pipeline_tests.submissions.shop import Shop, changes, reasons, row
from pipeline_tests.submissions.test_kill_points import in_child

B2B = {
    "marketplace_id": MARKETPLACE,
    "currency": "USD",
    "audience": "B2B",
    "our_price": [{"schedule": [{"value_with_tax": 18.0}]}],
}
OWN_SALE = [{"schedule": [{"start_at": "2026-11-01", "end_at": "2026-12-24", "value_with_tax": 15.0}]}]


@pytest.fixture
def live(shop: Shop) -> Shop:
    """Three listings, live; from now on small changes are said at once."""
    shop.export(row("a"), row("b"), row("c"))
    shop.pass_time(5)
    shop.urgent_skus = 50
    shop.amazon.calls.clear()
    return shop


def listing(shop: Shop, sku: str) -> dict[str, Any]:
    found: dict[str, Any] = shop.amazon.catalog.listings[MARKETPLACE, sku]
    return found


def quantity(shop: Shop, sku: str) -> int:
    return int(listing(shop, sku)["fulfillment_availability"][0]["quantity"])


def offer(shop: Shop, sku: str, audience: str = "ALL") -> dict[str, Any]:
    return next(one for one in listing(shop, sku)["purchasable_offer"] if one["audience"] == audience)


def price(shop: Shop, sku: str) -> float:
    return float(offer(shop, sku)["our_price"][0]["schedule"][0]["value_with_tax"])


def said(shop: Shop) -> list[str]:
    """SKUs of single changes, in the order in which Amazon got them."""
    calls = [one.decode() for one in shop.amazon.recorded if one.startswith(b'["PATCH"')]
    return [json.JSONDecoder().raw_decode(call)[0][1].rsplit("/", 1)[1] for call in calls]


def test_few_changes_are_said_at_once_and_each_answer_is_the_verdict(live: Shop) -> None:
    plan = live.export(row("a", price=2100), row("b", quantity=3), row("c")).plan
    assert plan.counts["urgent"] == 2
    live.work()
    assert live.submissions("kind", "via", "state", "counts")[1:] == [
        ("price", "items", "done", {"accepted": 1}), ("inventory", "items", "done", {"accepted": 1}),
    ]  # fmt: skip
    assert (price(live, "a"), quantity(live, "b")) == (21.0, 3)
    assert live.acknowledged("price", "quantity") == {"a": (2100, 12), "b": (1999, 3), "c": (1999, 12)}
    assert live.on_its_way() == set()
    assert (live.amazon.calls["patchListingsItem"], live.amazon.calls["createFeed"]) == (2, 0)
    assert changes(live.plan(row("a", price=2100), row("b", quantity=3), row("c"))) == {sku: ["unchanged"] for sku in "abc"}


def test_more_go_by_feed_but_what_sold_out_is_said_at_once_and_nothing_twice(live: Shop) -> None:
    live.urgent_skus = 2
    live.export(row("a", price=2100), row("b", quantity=0), row("c", quantity=2))
    live.work()
    assert quantity(live, "b") == 0
    assert live.submissions("kind", "via", "messages", "state")[1:] == [
        ("price", "feed", 1, "submitted"), ("inventory", "items", 1, "done"), ("inventory", "feed", 1, "submitted"),
    ]  # fmt: skip
    in_feeds = [message["sku"] for messages in live.amazon.created()[1:] for message in messages]
    assert (sorted(in_feeds), said(live)) == (["a", "c"], ["b"])
    live.pass_time(5)
    assert live.acknowledged("price", "quantity") == {"a": (2100, 12), "b": (1999, 0), "c": (1999, 2)}


def test_what_sold_out_comes_first(live: Shop) -> None:
    live.export(row("a", quantity=5, price=2100), row("b", quantity=6), row("c", quantity=0))
    live.work()
    assert said(live) == ["c", "a", "b", "a"]


def test_business_prices_and_a_sale_that_we_do_not_know_of_stay(live: Shop) -> None:
    listing(live, "a")["purchasable_offer"].append(dict(B2B))
    offer(live, "a")["discounted_price"] = OWN_SALE
    listing(live, "a")["fulfillment_availability"][0]["lead_time_to_ship_max_days"] = 2
    live.export(row("a", price=2100, quantity=4), row("b"), row("c"))
    live.work()
    assert (price(live, "a"), offer(live, "a")["discounted_price"], offer(live, "a", "B2B")) == (21.0, OWN_SALE, B2B)
    assert listing(live, "a")["fulfillment_availability"] == [
        {"fulfillment_channel_code": "DEFAULT", "quantity": 4, "lead_time_to_ship_max_days": 2}
    ]


def test_the_same_holds_for_feeds(live: Shop) -> None:
    live.urgent_skus = 0
    listing(live, "a")["purchasable_offer"].append(dict(B2B))
    live.export(row("a", price=2100), row("b"), row("c"))
    live.pass_time(5)
    assert (price(live, "a"), offer(live, "a", "B2B")) == (21.0, B2B)


def test_a_refusal_is_known_at_once_and_waits_until_it_changes(live: Shop) -> None:
    live.amazon.catalog.refuses["a"] = {"code": "99022", "severity": "ERROR", "message": "too low", "attributeName": "list_price"}
    live.export(row("a", price=1500), row("b", price=1500), row("c"))
    live.work()
    assert live.submissions("state", "counts")[1:] == [("done", {"accepted": 1, "rejected": 1})]
    assert live.acknowledged() == {"a": 1999, "b": 1500, "c": 1999}
    again = live.plan(row("a", price=1500), row("b", price=1500), row("c"))
    assert (changes(again)["a"], reasons(again)["a"]) == (["hold"], "The marketplace refused exactly this: 99022: too low")
    issue = live.connection.execute("SELECT sku, code, field FROM marketplace_issues").fetchall()
    assert issue == [("a", "99022", "list_price")]


def test_skus_that_a_path_cannot_name_go_by_feed(shop: Shop) -> None:
    odd = ["a/b", "a b", "..", "é", "a,b"]
    shop.export(*map(row, odd), row("plain"))
    shop.pass_time(5)
    shop.urgent_skus = 50
    shop.export(*[row(sku, quantity=0) for sku in [*odd, "plain"]])
    shop.pass_time(5)
    assert said(shop) == ["plain"]
    assert {quantity(shop, sku) for sku in [*odd, "plain"]} == {0}


def test_throttled_it_is_said_later(live: Shop) -> None:
    live.amazon.faults = [Fault("patchListingsItem", 429, times=60, code="QuotaExceeded")]
    live.export(row("a", quantity=0), row("b"), row("c"))
    live.work()
    assert live.submissions("state", "via")[1:] == [("planned", "items")]
    live.amazon.faults = []
    live.pass_time(3)
    assert (quantity(live, "a"), live.submissions("state", "via")[1:]) == (0, [("done", "items")])


def test_what_cannot_be_said_at_once_goes_as_a_feed(live: Shop) -> None:
    live.amazon.faults = [Fault("patchListingsItem", 503, times=10_000)]
    live.export(row("a", quantity=0), row("b"), row("c"))
    live.pass_time(40)
    assert (quantity(live, "a"), live.submissions("state", "via")[1:]) == (0, [("done", "feed")])
    notes = live.connection.execute("SELECT note FROM submission_events WHERE note LIKE 'goes as a feed%'").fetchall()
    assert len(notes) == 1


def test_a_file_of_which_something_was_said_never_becomes_a_feed(live: Shop) -> None:
    live.export(row("a", quantity=0), row("b", quantity=0), row("c"))
    live.amazon.faults = [Fault("patchListingsItem", 503, times=10_000, after=1)]
    live.pass_time(40)
    assert live.submissions("state", "via")[1:] == [("planned", "items")]
    live.export(row("a", quantity=9), row("b", quantity=0), row("c"))
    live.amazon.faults = []
    live.pass_time(60)
    assert (quantity(live, "a"), quantity(live, "b"), set(live.submissions("state"))) == (9, 0, {"done"})


def test_over_an_older_feed_that_is_on_its_way_it_is_said_twice(live: Shop) -> None:
    """Amazon may take hours for a feed: what sold out is not to wait, and the feed must not bring it back."""
    live.urgent_skus = 0
    live.amazon.processing = timedelta(hours=3)
    live.export(row("a", quantity=5), row("b"), row("c"))
    live.work()
    live.urgent_skus = 50
    live.export(row("a", quantity=0), row("b"), row("c"))
    live.work()
    assert quantity(live, "a") == 0
    assert live.acknowledged("quantity")["a"] == 12
    assert (
        live.submissions("reason")[2] == "said at once, and again when submission 2 has ended, which is older and could undo it"
    )
    live.pass_time(20)
    assert live.amazon.calls["patchListingsItem"] == 1
    live.pass_time(200)
    assert (quantity(live, "a"), live.acknowledged("quantity")["a"], live.amazon.calls["patchListingsItem"]) == (0, 0, 2)


def test_what_waits_is_not_said_over_what_is_newer(live: Shop) -> None:
    live.amazon.faults = [Fault("patchListingsItem", 503, times=10_000)]
    live.export(row("a", quantity=5), row("b"), row("c"))
    live.work()
    tried = live.amazon.calls["patchListingsItem"]
    live.amazon.faults = []
    live.export(row("a", quantity=0), row("b"), row("c"))
    live.pass_time(30)
    assert (quantity(live, "a"), live.acknowledged("quantity")["a"]) == (0, 0)
    assert live.submissions("state", "counts")[1:] == [("cancelled", {}), ("done", {"accepted": 1})]
    assert live.amazon.calls["patchListingsItem"] == tried + 1


@pytest.mark.parametrize(
    "point", ["single_unsaid", "single_said_unrecorded", "acks_uncommitted", "single_recorded", "done_uncommitted", "done"]
)
def test_killed_while_saying(live: Shop, point: str) -> None:
    new = [row("a", quantity=0), row("b", quantity=4), row("c", price=2100)]
    live.export(*new)

    def work(shop: Shop) -> None:
        points.hook = Death(point)
        shop.pass_time(1)

    assert in_child(live, work) == signal.SIGKILL
    live.pass_time(3)
    assert live.acknowledged("price", "quantity") == {"a": (1999, 0), "b": (1999, 4), "c": (2100, 12)}
    assert (quantity(live, "a"), quantity(live, "b"), price(live, "c")) == (0, 4, 21.0)
    assert live.submissions("state")[1:] == ["done", "done"]
    assert Counter(outcome for (number, _), outcome in live.results().items() if number > 1) == {"accepted": 3}
    assert 3 <= live.amazon.calls["patchListingsItem"] <= 4


def test_a_paused_connection_says_nothing(live: Shop) -> None:
    live.export(row("a", quantity=0), row("b"), row("c"))
    live.work(sends=False)
    assert live.amazon.calls["patchListingsItem"] == 0
    assert live.submissions("state")[1:] == ["planned"]


# The version fence.


def test_a_slow_export_from_an_older_import_sends_nothing_over_newer_stock(live: Shop) -> None:
    live.import_id = "20260105"
    live.export(row("a", quantity=1), row("b"), row("c"))
    live.work()
    assert live.state()["a"]["quantity_version"] == "20260105"
    live.import_id = "20260103"
    older = live.plan(row("a", quantity=9, price=2100), row("b"), row("c"))
    assert changes(older)["a"] == ["price", "hold"]
    assert reasons(older)["a"].startswith("What is known of it here is older (import 20260103)")
    with pytest.raises(PipelineError, match="import 20260105, which is newer, was exported already"):
        live.hand_over(older)
    live.import_id = "20260106"
    assert changes(live.plan(row("a", quantity=9), row("b"), row("c")))["a"] == ["quantity"]


def test_what_an_older_import_lacks_is_not_ended(live: Shop) -> None:
    live.import_id = "20260105"
    live.export(row("a", quantity=1), row("b"), row("c"))
    live.import_id = "20260103"
    assert changes(live.plan(row("b"), row("c")))["a"] == ["hold"]


def test_an_unchanged_export_moves_the_fence_too(live: Shop) -> None:
    live.import_id = "20260105"
    live.export(row("a"), row("b"), row("c"))
    live.import_id = "20260104"
    with pytest.raises(PipelineError, match="nothing older is sent over it"):
        live.export(row("a", quantity=9), row("b"), row("c"))
