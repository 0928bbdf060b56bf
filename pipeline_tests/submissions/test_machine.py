"""Sending, looking for what may have been sent, and verdicts: each way a submission can go, against the fake Amazon."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from datetime import timedelta

import pytest

from pipeline.marketplaces.live import CredentialsRefused
from pipeline.model.errors import PipelineError
from pipeline.submissions.ledger import Ledger, Stale
from pipeline.submissions.places import Places
from pipeline_tests.fakes.amazon import MARKETPLACE, Fault
from pipeline_tests.fakes.amazon_feeds import Ending
from pipeline_tests.marketplaces.rows import family
from pipeline_tests.submissions.shop import FEED_LANE, MARKET, Shop, changes, reasons, row

REFUSAL = {"code": "90220", "severity": "ERROR", "message": "'[material]' is required", "attributeName": "material"}


def one(shop: Shop, *columns: str):
    found = shop.submissions(*columns)
    assert len(found) == 1
    return found[0]


def test_an_export_is_acknowledged_and_then_unchanged(shop: Shop) -> None:
    rows = [row("a"), row("b", price=2500)]
    shop.export(*rows)
    assert shop.on_its_way() == {("a", "create", "pending"), ("b", "create", "pending")}
    assert shop.acknowledged() == {}
    assert dict(shop.work()) == {"submitted": 1}
    assert changes(shop.plan(*rows)) == {"a": ["unchanged"], "b": ["unchanged"]}
    shop.pass_time(5)
    assert one(shop, "state", "counts") == ("done", {"accepted": 2})
    assert shop.results() == {(1, "a"): "accepted", (1, "b"): "accepted"}
    assert shop.acknowledged() == {"a": 1999, "b": 2500}
    assert shop.on_its_way() == set()
    assert shop.amazon.catalog.listings.keys() == {(MARKETPLACE, "a"), (MARKETPLACE, "b")}
    again = shop.export(*rows)
    assert again.plan.messages.rows == 0
    assert len(shop.submissions()) == 1
    shop.export(row("a", price=2100), rows[1])
    shop.pass_time(5)
    assert shop.submissions("kind", "state") == [("product", "done"), ("price", "done")]
    assert shop.acknowledged()["a"] == 2100


def test_facts_of_the_listing_are_kept(shop: Shop) -> None:
    shop.export(row("a"))
    shop.pass_time(5)
    item, status = shop.acknowledged("marketplace_item_id", "marketplace_status")["a"]
    assert item.startswith("B")
    assert status == ["BUYABLE", "DISCOVERABLE"]


def test_the_newest_that_is_on_its_way_is_what_a_plan_is_made_against(shop: Shop) -> None:
    shop.export(row("a"))
    shop.pass_time(5)
    shop.export(row("a", price=2100, quantity=9))
    state = shop.state()["a"]
    assert (state["price"], state["quantity"]) == (2100, 9)
    assert shop.acknowledged() == {"a": 1999}
    shop.work()
    assert changes(shop.export(row("a", price=2200, quantity=9))) == {"a": ["price"]}
    shop.pass_time()
    assert shop.acknowledged("price", "quantity") == {"a": (2200, 9)}
    assert [len(messages) for messages in shop.amazon.created()] == [1, 1, 1, 1]


def test_feeds_about_the_same_arrive_in_the_order_of_the_exports(shop: Shop) -> None:
    shop.export(row("a"))
    shop.work()
    shop.export(row("a", price=2100))
    shop.work()
    assert shop.submissions("kind", "state") == [("product", "submitted"), ("price", "planned")]
    shop.pass_time(3)
    shop.export(row("a", price=2200, quantity=1))
    shop.work()
    assert shop.submissions("state") == ["done", "submitted", "planned", "submitted"]
    shop.pass_time()
    assert shop.acknowledged("price", "quantity") == {"a": (2200, 1)}
    offer = shop.amazon.catalog.listings[MARKETPLACE, "a"]["purchasable_offer"]
    assert offer[0]["our_price"][0]["schedule"][0]["value_with_tax"] == 22


def test_what_was_refused_waits_until_it_changes(shop: Shop) -> None:
    shop.amazon.catalog.refuses["a"] = REFUSAL
    shop.export(row("a"), row("b"))
    shop.pass_time(5)
    assert one(shop, "state", "counts") == ("done", {"accepted": 1, "rejected": 1})
    assert shop.acknowledged() == {"b": 1999}
    assert shop.on_its_way() == {("a", "create", "rejected")}
    again = shop.export(row("a", quantity=3), row("b"))
    assert changes(again) == {"a": ["hold"], "b": ["unchanged"]}
    assert reasons(again)["a"] == "The marketplace refused exactly this: 90220: '[material]' is required"
    issue = shop.connection.execute("SELECT sku, code, severity, attribute, of_message FROM marketplace_issues").fetchall()
    assert issue == [("a", "90220", "error", "material", True)]
    shop.amazon.catalog.refuses.clear()
    assert changes(shop.export(row("a", content="with material"), row("b")))["a"] == ["create"]
    assert shop.on_its_way() == {("a", "create", "pending")}
    shop.pass_time(5)
    assert shop.acknowledged() == {"a": 1999, "b": 1999}
    assert shop.connection.execute("SELECT count(*) FROM marketplace_issues").fetchone() == (0,)


def test_a_refused_price_leaves_the_acknowledged_one(shop: Shop) -> None:
    shop.export(row("a"))
    shop.pass_time(5)
    shop.amazon.catalog.refuses["a"] = {"code": "99022", "severity": "ERROR", "message": "price too low"}
    shop.export(row("a", price=1500))
    shop.pass_time(5)
    assert shop.acknowledged() == {"a": 1999}
    assert changes(shop.plan(row("a", price=1500))) == {"a": ["hold"]}
    assert changes(shop.plan(row("a", price=1500, quantity=1))) == {"a": ["quantity", "hold"]}
    assert changes(shop.plan(row("a"))) == {"a": ["unchanged"]}


def test_leaving_the_assortment(shop: Shop) -> None:
    rows = [row("a"), row("b")]
    shop.export(*rows)
    shop.pass_time(5)
    shop.amazon.catalog.refuses["b"] = {"code": "1", "severity": "ERROR", "message": "not now"}
    shop.export(rows[0])
    assert shop.acknowledged("left_at IS NOT NULL") == {"a": False, "b": True}
    shop.pass_time(5)
    assert shop.acknowledged("quantity") == {"a": 12, "b": 12}
    assert changes(shop.export(rows[0]))["b"] == ["hold"]
    shop.amazon.catalog.refuses.clear()
    shop.connection.execute("DELETE FROM listing_changes_sent")
    assert changes(shop.export(rows[0]))["b"] == ["quantity"]
    shop.pass_time(5)
    assert shop.acknowledged("quantity") == {"a": 12, "b": 0}
    assert changes(shop.export(*rows))["b"] == ["quantity"]
    assert shop.acknowledged("left_at IS NOT NULL") == {"a": False, "b": False}
    shop.export(rows[0])
    shop.connection.execute("UPDATE listing_state SET left_at = left_at - interval '999 days'")
    shop.pass_time(10)
    assert changes(shop.export(rows[0]))["b"] == ["delete"]
    assert "b" not in shop.state()
    shop.pass_time(10)
    assert shop.acknowledged("quantity") == {"a": 12}
    assert (MARKETPLACE, "b") not in shop.amazon.catalog.listings


# Replies that get lost.


def test_a_lost_reply_is_found_and_not_sent_again(shop: Shop) -> None:
    shop.amazon.faults = [Fault("createFeed", "lost")]
    shop.export(row("a"))
    assert dict(shop.work()) == {"sending": 1}
    assert one(shop, "feed_id", "reason")[1].endswith("whether the feed was created is being looked for")
    shop.pass_time(5)
    assert one(shop, "state", "adopted", "resends") == ("done", True, 0)
    assert len(shop.amazon.feeds) == 1


@pytest.mark.parametrize("kind", ["refused", 500, 503])
def test_what_was_not_created_is_sent_again_after_the_settle_window(shop: Shop, kind: str | int) -> None:
    shop.amazon.faults = [Fault("createFeed", kind)]
    shop.export(row("a"))
    shop.work()
    shop.pass_time(14)
    assert (one(shop), len(shop.amazon.feeds)) == ("sending", 0)
    shop.pass_time(6)
    assert one(shop, "state", "adopted", "resends") == ("done", False, 1)
    assert len(shop.amazon.feeds) == 1


def test_a_list_that_lags_is_waited_for(shop: Shop) -> None:
    shop.amazon.listing_lag = timedelta(minutes=12)
    shop.amazon.faults = [Fault("createFeed", "garbage")]
    shop.export(row("a"))
    shop.pass_time(20)
    assert one(shop, "state", "adopted") == ("done", True)
    assert len(shop.amazon.feeds) == 1


def test_two_possible_feeds_are_a_persons_decision(shop: Shop) -> None:
    shop.amazon.faults = [Fault("createFeed", "lost")]
    shop.export(row("a"))
    shop.work()
    (ours,) = shop.amazon.feeds.values()
    shop.amazon.feeds["foreign"] = type(ours)(**{**vars(ours), "feed_id": "foreign"})
    shop.pass_time(20)
    state, reason = one(shop, "state", "reason")
    assert state == "held"
    assert reason.startswith(f"any of the feeds {ours.feed_id}, foreign may be this one; to say which feed it is: pipeline ")


def test_another_programs_feed_is_not_taken_for_ours(shop: Shop) -> None:
    shop.export(row("x"))
    shop.pass_time(5)
    shop.export(row("x"), row("a"))
    shop.amazon.faults = [Fault("createFeed", "refused")]
    shop.work()
    (known,) = shop.amazon.feeds.values()
    shop.amazon.feeds["foreign"] = type(known)(**{**vars(known), "feed_id": "foreign", "created": shop.now, "seen_at": shop.now,
                                                  "status": "IN_QUEUE", "report_id": None})  # fmt: skip
    shop.pass_time(20)
    assert shop.submissions("state")[1] == "held"
    assert shop.submissions("reason")[1].startswith("feed foreign is another program's; to say which feed it is: pipeline ")
    assert shop.on_its_way() == {("a", "create", "pending")}


def test_old_and_known_feeds_are_no_candidates(shop: Shop) -> None:
    shop.export(row("a"))
    shop.pass_time(5)
    shop.amazon.faults = [Fault("createFeed", "lost")]
    shop.export(row("a", price=2100))
    shop.pass_time(5)
    assert shop.submissions("state", "adopted") == [("done", False), ("done", True)]


def test_while_one_outcome_is_unknown_nothing_else_is_sent(shop: Shop) -> None:
    shop.amazon.faults = [Fault("createFeed", "lost")]
    shop.amazon.listing_lag = timedelta(minutes=10)
    shop.export(row("a"))
    shop.pass_time(5)
    shop.export(row("a"), row("b"))
    shop.pass_time(4)
    assert shop.submissions() == ["sending", "planned"]
    assert shop.submissions("reason")[1] == "waits until submission 1 has ended"
    shop.pass_time(20)
    assert shop.submissions() == ["done", "done"]
    assert len(shop.amazon.feeds) == 2


def test_a_search_that_never_succeeds_is_held(shop: Shop) -> None:
    shop.amazon.faults = [Fault("createFeed", "lost"), Fault("getFeeds", 503, times=10_000)]
    shop.export(row("a"))
    shop.pass_time(60, 1800)
    state, reason = one(shop, "state", "reason")
    assert state == "held"
    assert reason.startswith("whether it was created could not be found out: Amazon failed (HTTP 503")


def test_never_seen_three_times_is_held(shop: Shop) -> None:
    shop.amazon.faults = [Fault("createFeed", 503, times=10)]
    shop.export(row("a"))
    shop.pass_time(120)
    assert one(shop, "state", "resends") == ("held", 3)
    assert one(shop, "reason").startswith("sent 4 times and never seen; to send everything in it again: pipeline ")
    assert shop.amazon.calls["createFeed"] == 4


# Refusals and limits.


def test_a_feed_that_amazon_refuses_ends_without_effect(shop: Shop) -> None:
    shop.amazon.sells_on = {"elsewhere"}
    shop.export(row("a"))
    shop.work()
    state, reason, counts = one(shop, "state", "reason", "counts")
    assert (state, counts) == ("fatal", {"rejected": 1})
    assert "HTTP 400" in reason
    assert shop.acknowledged() == {}
    assert changes(shop.export(row("a"))) == {"a": ["hold"]}


def test_throttling_for_ten_minutes(shop: Shop) -> None:
    shop.amazon.rates["createFeed"] = (1 / 600, 1)
    shop.export(row("a"))
    shop.work()
    shop.export(row("a"), row("b", price=1))
    shop.export(row("a", quantity=1), row("b", price=1))
    shop.pass_time(60, 60)
    assert ("createFeed", 429) in shop.amazon.statuses
    # What waited was withdrawn: its listing goes out with the newest export.
    assert shop.submissions("kind", "state", "withdrawn") == [
        ("product", "done", False), ("product", "cancelled", True), ("product", "done", False), ("inventory", "done", False),
    ]  # fmt: skip
    assert len(shop.amazon.feeds) == 3


def test_wrong_credentials_put_everything_off(shop: Shop) -> None:
    shop.export(row("a"))
    shop.amazon.revoked = True
    with pytest.raises(CredentialsRefused, match="revoked by the seller"):
        shop.work()
    assert one(shop, "state", "next_at > now() - interval '1000 years'")[0] == "planned"
    assert dict(shop.work()) == {}
    shop.amazon.revoked = False
    shop.connection.execute("UPDATE submissions SET next_at = %s", [shop.now])
    shop.pass_time(5)
    assert one(shop) == "done"


def test_credentials_that_end_before_the_feed_is_created(shop: Shop) -> None:
    shop.export(row("a"))
    shop.amazon.faults = [Fault("createFeed", 403, times=2, code="Unauthorized")]
    with pytest.raises(CredentialsRefused, match="Product Listing"):
        shop.work()
    assert one(shop) == "uploaded"


def test_a_presigned_url_that_is_gone_is_asked_for_again(shop: Shop) -> None:
    shop.amazon.faults = [Fault("upload", 403), Fault("download", 403)]
    shop.export(row("a"))
    shop.work()
    assert one(shop, "state", "failures") == ("documented", 1)
    shop.pass_time(10)
    assert one(shop) == "done"


def test_a_changed_feed_file_is_never_sent(shop: Shop) -> None:
    shop.export(row("a"))
    (path,) = shop.submissions("path")
    (shop.folder / path).write_bytes(b"{}")
    shop.work()
    state, reason = one(shop, "state", "reason")
    assert (state, reason.split(",")[0]) == ("cancelled", "its feed file is gone or was changed")
    assert reason.endswith("an export says it again by itself")
    assert shop.amazon.calls["createFeedDocument"] == 0
    assert changes(shop.plan(row("a"))) == {"a": ["create"]}


# Verdicts.


@pytest.mark.parametrize("report", [True, False])
def test_a_fatal_feed(shop: Shop, report: bool) -> None:
    shop.export(row("x"))
    shop.pass_time(5)
    shop.amazon.endings = [Ending("FATAL", report=report)]
    shop.amazon.catalog.refuses["a"] = REFUSAL
    shop.export(row("x", content="new"), row("a"), row("b"))
    shop.pass_time(5)
    assert shop.submissions("state") == ["done", "fatal"]
    counts = shop.submissions("counts")[1]
    assert counts == ({"rejected": 1, "unknown": 2} if report else {"unknown": 3})
    # Nobody knows what Amazon holds: what is live is said again as a whole, what may be live too, once somebody says so.
    assert shop.acknowledged("uncertain") == ({"x": True, "b": True} if report else {"x": True, "a": True, "b": True})
    shop.amazon.catalog.refuses.clear()
    again = shop.export(row("x", content="new"), row("a"), row("b"))
    assert changes(again) == {"x": ["create"], "a": ["hold"], "b": ["hold"]}
    shop.pass_time(5)
    assert shop.acknowledged("uncertain")["x"] is False


def test_an_uncertain_listing_that_leaves_is_set_to_zero(shop: Shop) -> None:
    shop.amazon.endings = [Ending("FATAL", report=False)]
    shop.export(row("a"))
    shop.pass_time(5)
    assert changes(shop.export())["a"] == ["quantity"]


def test_a_feed_cancelled_in_the_queue(shop: Shop) -> None:
    shop.connection.execute(
        "INSERT INTO marketplace_credentials (store_id, marketplace, marketplace_id, site, region, status)"
        " VALUES (%s, 'amazon', 'ATVPDKIKX0DER', %s, 'NA', 'active')", (shop.lane.store_id, shop.lane.site),
    )  # fmt: skip
    shop.export(row("a"))
    shop.work()
    (feed,) = shop.amazon.feeds.values()
    feed.status = "CANCELLED"
    shop.pass_time(3)
    assert one(shop, "state", "counts") == ("cancelled", {})
    assert shop.acknowledged() == {}
    assert changes(shop.plan(row("a"))) == {"a": ["create"]}
    asked = shop.connection.execute("SELECT product_ids, reason FROM export_requests WHERE closed_at IS NULL").fetchall()
    assert asked == [(["p-a"], f"the marketplace cancelled feed {feed.feed_id} before it was processed")]


def test_a_feed_that_takes_hours_is_told_and_then_held(shop: Shop) -> None:
    shop.amazon.processing = timedelta(days=90)
    shop.export(row("a"))
    shop.pass_time(15, 600)
    assert one(shop, "state", "reason") == (
        "submitted", "being processed by the marketplace for 2 h, which is long; it is followed on",
    )  # fmt: skip
    shop.pass_time(49, 3600)
    state, reason = one(shop, "state", "reason")
    assert (state, reason.partition(";")[0]) == ("held", "no verdict after 48 h")
    assert "to send everything in it again: pipeline submissions resend" in reason


def test_polling_slows_down(shop: Shop) -> None:
    shop.amazon.processing = timedelta(days=1)
    shop.export(row("a"))
    shop.pass_time(60)
    assert 12 <= shop.amazon.calls["getFeed"] <= 18


def test_a_report_that_cannot_be_read_is_held(shop: Shop) -> None:
    shop.amazon.report_content = gzip.compress(b"0" * (20 << 20))
    shop.export(row("a"))
    shop.pass_time(60, 600)
    state, reason = one(shop, "state", "reason")
    assert state == "held"
    assert "inflates more than 200 times" in reason
    assert shop.on_its_way() == {("a", "create", "pending")}


def test_a_feed_that_cannot_be_parsed_refuses_every_message(shop: Shop) -> None:
    report = {
        "header": {"sellerId": "", "version": "2.0", "feedId": "1"},
        "issues": [{"code": "4002001", "severity": "ERROR", "message": "Item 'Feed' cannot be parsed."}],
        "summary": {"errors": 1, "warnings": 0, "messagesProcessed": 0, "messagesAccepted": 0, "messagesInvalid": 0},
    }
    shop.amazon.report_content = gzip.compress(json.dumps(report).encode())
    shop.export(row("a"), row("b"))
    shop.pass_time(5)
    assert one(shop, "state", "counts") == ("done", {"rejected": 2})
    assert shop.connection.execute("SELECT sku, code FROM marketplace_issues").fetchall() == [("", "4002001")]


def test_a_report_of_25_000_messages(shop: Shop) -> None:
    """And more: what one feed can hold, and the rest in a second one."""
    rows = [row(f"sku-{number:05d}") for number in range(25_100)]
    shop.assume_live(rows)
    shop.amazon.catalog.refuses = {f"sku-{number:05d}": REFUSAL for number in range(0, 25_000, 10)}
    shop.export(*[{**one, "price": 2100} for one in rows])
    shop.pass_time(6)
    assert shop.submissions("state", "messages", "counts") == [
        ("done", 25_000, {"accepted": 22_500, "rejected": 2_500}),
        ("done", 100, {"accepted": 100}),
    ]
    assert Counter(shop.acknowledged().values()) == {2100: 22_600, 1999: 2_500}
    assert shop.connection.execute("SELECT count(*) FROM submission_results").fetchone() == (25_100,)
    assert shop.connection.execute("SELECT count(*) FROM marketplace_issues").fetchone() == (2_500,)


def test_10_000_skus_of_which_one_in_a_hundred_changes(shop: Shop) -> None:
    rows = [row(f"sku-{number:05d}") for number in range(10_000)]
    shop.export(*rows)
    shop.pass_time(6)
    assert sum(map(len, shop.amazon.created())) == 10_000
    assert len(shop.acknowledged()) == 10_000
    asked = len(shop.amazon.recorded)
    shop.export(*rows)
    shop.pass_time(3)
    assert len(shop.amazon.recorded) == asked
    shop.export(*[{**one, "price": 2100} if number % 100 == 0 else one for number, one in enumerate(rows)])
    shop.pass_time(6)
    assert [len(messages) for messages in shop.amazon.created()][-1] == 100
    assert sum(map(len, shop.amazon.created())) == 10_100


def test_an_issue_of_a_listing_does_not_refuse_its_message(shop: Shop) -> None:
    shop.amazon.catalog.finds["a"] = {
        "code": "18027", "severity": "WARNING", "message": "The image has no white background",
        "attributeNames": ["main_product_image_locator"],
        "categories": ["INVALID_IMAGE"],
        "enforcements": {"actions": [{"action": "SEARCH_SUPPRESSED"}], "exemption": {"status": "NOT_EXEMPT"}},
    }  # fmt: skip
    shop.export(row("a"))
    shop.pass_time(5, 60, places=Places({"images": [("present", "NO_IMAGE"), ("image_types", "A_IMAGE")]}, MARKET.causes()))
    assert shop.acknowledged() == {"a": 1999}
    found = shop.connection.execute("SELECT sku, of_message, field, rule, actions FROM marketplace_issues").fetchall()
    assert found == [("a", False, "images", "A_IMAGE", ["SEARCH_SUPPRESSED"])]


# Two workers.


def test_a_worker_that_lost_its_lane_cannot_write(shop: Shop) -> None:
    shop.export(row("a"))
    with shop.worker() as worker:
        worker.ledger.enter()
        (submission,) = worker.ledger.due()
        other = Ledger(shop.connection, FEED_LANE, clock=shop.amazon.clock.now)
        other.enter()
        with pytest.raises(Stale, match="worked on by another process"):
            worker._send(submission)
    assert one(shop) == "planned"


def test_only_one_worker_has_the_lane(shop: Shop) -> None:
    with shop.worker(), pytest.raises(PipelineError, match="is being exported by test since"):
        shop.work()


def test_a_worker_that_slept_does_not_send(shop: Shop) -> None:
    shop.export(row("a"))
    times = iter([0.0, 61.0])
    shop.work(monotonic=lambda: next(times))
    assert one(shop, "state", "reason") == ("uploaded", "the worker was too slow to send it; nothing was sent")
    assert shop.amazon.calls["createFeed"] == 0


def test_a_plan_handed_over_twice_is_sent_once(shop: Shop) -> None:
    result = shop.plan(row("a"))
    assert shop.hand_over(result)
    assert not shop.hand_over(result)
    assert len(shop.submissions()) == 1


def test_transitions_that_do_not_exist_are_a_bug(shop: Shop) -> None:
    shop.export(row("a"))
    with shop.worker() as worker:
        worker.ledger.enter()
        (submission,) = worker.ledger.due()
        with pytest.raises(ValueError, match="planned never becomes submitted"):
            worker.ledger.move(submission, "submitted")


def test_feeds_about_different_skus_do_not_wait(shop: Shop) -> None:
    shop.export(row("a"), row("b"))
    shop.pass_time(5)
    shop.amazon.processing = timedelta(days=1)
    shop.export(row("a", content="new"), row("b"))
    shop.work()
    shop.export(row("a", content="new"), row("b", price=2100))
    shop.work()
    assert shop.submissions("kind", "state") == [("product", "done"), ("product", "submitted"), ("price", "submitted")]


def test_children_of_a_refused_parent_wait_for_it(shop: Shop) -> None:
    rows = family([("red", "Red", "M"), ("blue", "Blue", "M")], content_hash="c", images_hash="i")
    shop.amazon.catalog.refuses = {"SHIRT": REFUSAL, "red": REFUSAL}
    shop.export(*rows)
    shop.pass_time(5)
    assert shop.acknowledged("parent_sku") == {"blue": "SHIRT"}
    again = shop.export(*rows)
    assert changes(again) == {"SHIRT": ["hold"], "red": ["hold"], "blue": ["unchanged"]}
    more = family([("red", "Red", "M"), ("blue", "Blue", "M"), ("green", "Green", "M")], content_hash="c", images_hash="i")
    assert reasons(shop.plan(*more))["green"] == "The marketplace refused the parent listing of its family."
    shop.amazon.catalog.refuses.clear()
    shop.connection.execute("DELETE FROM listing_changes_sent")
    assert changes(shop.export(*more)) == {"SHIRT": ["create"], "red": ["create"], "blue": ["unchanged"], "green": ["create"]}
    shop.pass_time(5)
    assert shop.acknowledged("role") == {"SHIRT": "parent", "red": "child", "blue": "child", "green": "child"}


def test_a_refused_child_does_not_send_its_parent_again(shop: Shop) -> None:
    rows = family([("red", "Red", "M"), ("blue", "Blue", "M")], content_hash="c", images_hash="i")
    shop.amazon.catalog.refuses = {"red": REFUSAL}
    shop.export(*rows)
    shop.pass_time(5)
    again = shop.export(*rows)
    assert changes(again) == {"SHIRT": ["unchanged"], "red": ["hold"], "blue": ["unchanged"]}
    assert again.plan.messages.rows == 0
