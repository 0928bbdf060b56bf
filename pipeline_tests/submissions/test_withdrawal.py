"""After an outage or a pause only the newest state is sent, once: what waited is withdrawn, and what may have gone out never."""

from __future__ import annotations

import pytest

from pipeline.listings.unsent import find_unsent
from pipeline.model.errors import PipelineError
from pipeline.submissions.withdrawal import withdraw_unsent
from pipeline_tests.fakes.amazon import MARKETPLACE, Fault
from pipeline_tests.submissions.shop import Shop, changes, row


@pytest.fixture
def live(shop: Shop) -> Shop:
    """Two listings are live at Amazon."""
    shop.export(row("a"), row("b"))
    shop.pass_time(10)
    assert shop.submissions() == ["done"]
    return shop


def said_last(shop: Shop) -> dict[str, str]:
    """The paths that the newest feed replaces, by SKU."""
    return {one["sku"]: one["patches"][0]["path"] for one in shop.amazon.created()[-1]}


def test_exports_of_an_outage_become_one_feed_with_the_newest(live: Shop) -> None:
    for day in range(1, 4):
        live.export(row("a", price=2000 + day), row("b", price=3000 if day == 1 else 1999))
        live.amazon.clock.advance(86_400)
    assert live.submissions("state", "withdrawn") == [
        ("done", False), ("cancelled", True), ("cancelled", True), ("planned", False),
    ]  # fmt: skip
    live.pass_time(10)
    assert len(live.amazon.created()) == 2
    assert said_last(live) == {"a": "/attributes/purchasable_offer"}, "b is again what Amazon has, so nothing is said of it"
    assert live.acknowledged() == {"a": 2003, "b": 1999}
    assert live.on_its_way() == set()


def test_an_unchanged_export_leaves_what_waits_alone(live: Shop) -> None:
    live.export(row("a", price=2100), row("b"))
    again = live.export(row("a", price=2100), row("b"))
    assert changes(again) == {"a": ["unchanged"], "b": ["unchanged"]}
    assert live.submissions("state") == ["done", "planned"]


def test_what_went_back_to_what_amazon_has_is_not_sent_at_all(live: Shop) -> None:
    live.export(row("a", price=2100), row("b"))
    back = live.export(row("a"), row("b"))
    assert changes(back) == {"a": ["unchanged"], "b": ["unchanged"]}
    live.pass_time(10)
    assert live.submissions("state", "withdrawn") == [("done", False), ("cancelled", True)]
    assert len(live.amazon.created()) == 1


def test_what_may_have_gone_out_is_never_withdrawn(live: Shop) -> None:
    live.export(row("a", price=2100), row("b"))
    live.amazon.faults = [Fault("createFeed", "lost")]
    live.work()
    assert live.submissions() == ["done", "sending"]
    live.export(row("a", price=2200), row("b", price=2200))
    live.export(row("a", price=2300), row("b", price=2200))
    assert live.submissions() == ["done", "sending", "cancelled", "planned"]
    live.pass_time(30)
    assert live.submissions() == ["done", "done", "cancelled", "done"]
    assert live.acknowledged() == {"a": 2300, "b": 2200}
    offers = [live.amazon.catalog.listings[MARKETPLACE, sku]["purchasable_offer"][0] for sku in ("a", "b")]
    assert [offer["our_price"][0]["schedule"][0]["value_with_tax"] for offer in offers] == [23, 22]
    assert len(live.amazon.created()) == 3


def test_a_plan_is_stale_when_what_it_replaces_has_gone_out(live: Shop) -> None:
    live.export(row("a", price=2100), row("b"))
    newer = live.plan(row("a", price=2200), row("b"))
    live.work()
    with pytest.raises(PipelineError, match="a feed that it replaces has gone out"):
        live.hand_over(newer)
    assert live.submissions() == ["done", "submitted"]
    assert live.on_its_way() == {("a", "price", "pending")}
    live.export(row("a", price=2200), row("b"))
    live.pass_time(20)
    assert live.acknowledged() == {"a": 2200, "b": 1999}


def test_a_pause_withdraws_what_has_not_gone_out_and_the_next_export_says_the_newest(live: Shop) -> None:
    live.export(row("a", price=2100), row("b"))
    with live.connection.transaction():
        assert withdraw_unsent(live.connection, live.lane, "paused by anna: stocktaking", "anna") == 1
        assert withdraw_unsent(live.connection, live.lane, "again", "anna") == 0
    live.pass_time(5)
    assert len(live.amazon.created()) == 1
    assert live.state()["a"]["price"] == 1999
    live.export(row("a", price=2500), row("b"))
    live.pass_time(10)
    assert [len(feed) for feed in live.amazon.created()] == [2, 1]
    assert live.acknowledged() == {"a": 2500, "b": 1999}
    events = live.connection.execute("SELECT who, note FROM submission_events WHERE who IS NOT NULL").fetchall()
    assert events == [("anna", "paused by anna: stocktaking")]


def test_removals_that_were_withdrawn_do_not_count_towards_the_limit_of_a_day(shop: Shop) -> None:
    from pipeline.listings.state import removed_lately

    rows = [row(f"s{number:02d}") for number in range(20)]
    shop.export(*rows)
    shop.pass_time(10)
    gone = shop.export(*rows[:5])
    assert gone.plan.counts["removals"] == 15
    now = shop.connection.execute("SELECT now()").fetchone()
    assert now is not None
    assert removed_lately(shop.connection, shop.lane, now[0]) == 15
    shop.export(*rows[:5], row("new"))
    assert removed_lately(shop.connection, shop.lane, now[0]) == 15, "the 15 of the first are withdrawn, the second says them"
    assert find_unsent(shop.connection, shop.lane).submissions
    shop.pass_time(10)
    assert sum(1 for quantity in shop.acknowledged("quantity").values() if quantity == 0) == 15
