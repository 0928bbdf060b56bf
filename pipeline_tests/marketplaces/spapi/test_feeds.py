"""The feed client against the fake Amazon: the whole way of a feed, and everything that can go wrong on it."""

from __future__ import annotations

import gzip
import logging
from dataclasses import replace
from datetime import timedelta

import orjson
import pytest

from pipeline.marketplaces.amazon.spapi.client import tables
from pipeline.marketplaces.amazon.spapi.feeds import AmazonFeeds
from pipeline.marketplaces.amazon.spapi.tokens import Tokens
from pipeline.marketplaces.live import CredentialsRefused, NotCreated, TryLater
from pipeline.model.errors import BadInputError
from pipeline.model.secret import Secret
from pipeline.platform.database import Database
from pipeline.platform.http import ApiError
from pipeline.platform.rate_limits import Buckets
from pipeline_tests.fakes.amazon import MARKETPLACE, SELLER, FakeAmazon, Fault
from pipeline_tests.marketplaces.spapi.conftest import NewFeeds


def content(*skus: str) -> bytes:
    """A feed that sets the stock of these SKUs."""
    value = [{"fulfillment_channel_code": "DEFAULT", "quantity": 3}]
    patches = [{"op": "replace", "path": "/attributes/fulfillment_availability", "value": value}]
    messages = [
        {"messageId": number, "sku": sku, "operationType": "PATCH", "productType": "PRODUCT", "patches": patches}
        for number, sku in enumerate(skus, 1)
    ]
    report = {"includedData": ["issues", "summaries"], "apiVersion": "2021-08-01"}
    return orjson.dumps({"header": {"sellerId": SELLER, "version": "2.0", "report": report}, "messages": messages})


def send(service: AmazonFeeds, *skus: str) -> str:
    place = service.new_document()
    service.upload(place, content(*skus))
    service.prepare()
    return service.create_feed(place.document_id)


def test_the_whole_way_of_a_feed(amazon: FakeAmazon, feeds: NewFeeds) -> None:
    service = feeds()
    amazon.catalog.listings[MARKETPLACE, "a"] = {}
    amazon.catalog.refuses["b"] = {
        "code": "90220", "severity": "ERROR", "message": "'[x]' is required", "attributeName": "x",
    }  # fmt: skip
    amazon.catalog.finds["a"] = {
        "code": "18027", "severity": "WARNING", "message": "white background", "categories": ["INVALID_IMAGE"],
        "attributeNames": ["main_product_image_locator"],
        "enforcements": {"actions": [{"action": "SEARCH_SUPPRESSED"}], "exemption": {"status": "NOT_EXEMPT"}},
    }  # fmt: skip
    feed_id = send(service, "a", "b")
    seen = []
    for _ in range(5):
        feed = service.feed(feed_id)
        seen.append(feed.status)
        amazon.clock.advance(30)
    assert seen == ["queued", "queued", "running", "running", "done"]
    report = service.report(service.feed(feed_id).report_id)
    assert (report.processed, report.accepted, report.invalid) == (2, 1, 1)
    refused, found = report.issues
    assert (refused.message_id, refused.sku, refused.code, refused.attribute, refused.of_message) == (2, "b", "90220", "x", True)
    assert (found.sku, found.severity, found.of_message, found.actions) == ("a", "warning", False, ("SEARCH_SUPPRESSED",))
    assert report.listings["a"].status == ("BUYABLE", "DISCOVERABLE")
    assert report.listings["a"].item_id is not None
    assert amazon.catalog.listings[MARKETPLACE, "a"]["fulfillment_availability"][0]["quantity"] == 3


def test_a_token_is_renewed_before_it_ends_and_shared(amazon: FakeAmazon, feeds: NewFeeds) -> None:
    tokens = Tokens(amazon.clock.seconds)
    one, two = feeds(tokens), feeds(tokens)
    one.new_document(), two.new_document()
    assert amazon.calls["token"] == 1
    amazon.clock.advance(3600 - 59)
    one.new_document()
    assert amazon.calls["token"] == 2


def test_a_token_that_ends_in_the_middle_is_renewed_once(amazon: FakeAmazon, feeds: NewFeeds) -> None:
    service = feeds()
    feed_id = send(service, "a")
    amazon.tokens.clear()
    assert service.feed(feed_id).status == "queued"
    amazon.tokens.clear()
    place = service.new_document()
    service.upload(place, content("b"))
    service.prepare()
    amazon.tokens.clear()
    service.create_feed(place.document_id)
    assert (amazon.calls["token"], len(amazon.feeds)) == (4, 2)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"client_secret": "CANARY-secret"}, "the client id or the client secret is wrong"),
        ({"refresh_token": "CANARY-token"}, "the refresh token is wrong or was revoked"),
    ],
)
def test_wrong_credentials_are_a_sentence_without_them(
    amazon: FakeAmazon, feeds: NewFeeds, wrong: dict[str, str], reason: str
) -> None:
    with pytest.raises(CredentialsRefused, match=reason) as caught:
        feeds(**wrong).new_document()
    assert "CANARY" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert amazon.calls["createFeedDocument"] == 0


def test_a_seller_who_revokes_in_the_middle(amazon: FakeAmazon, feeds: NewFeeds) -> None:
    service = feeds()
    feed_id = send(service, "a")
    amazon.revoked = True
    with pytest.raises(CredentialsRefused, match="revoked by the seller"):
        service.feed(feed_id)


def test_a_presigned_url_that_has_expired_is_refused(amazon: FakeAmazon, feeds: NewFeeds) -> None:
    service = feeds()
    place = service.new_document()
    amazon.clock.advance(301)
    with pytest.raises(ApiError, match="refused the upload") as caught:
        service.upload(place, content("a"))
    assert caught.value.status == 403
    assert "Signature=" not in str(caught.value)


def test_documents_go_to_amazon_only(amazon: FakeAmazon, feeds: NewFeeds) -> None:
    service = feeds()
    place = service.new_document()
    for url in ("https://evil.example/x", "https://amazonaws.com.evil.example/x", "http://10.0.0.1/x", "https://[bad"):
        with pytest.raises(ApiError, match=r"not one of its own; nothing was sent"):
            service.upload(replace(place, url=Secret(url)), content("a"))


def test_a_feed_is_created_once_whatever_happens(amazon: FakeAmazon, feeds: NewFeeds, database: Database) -> None:
    service = feeds()
    for kind, times in (("lost", 1), ("garbage", 1), (500, 1), (503, 1), ("refused", 1)):
        amazon.faults = [Fault("createFeed", kind, times)]
        before = amazon.calls["createFeed"]
        amazon.clock.advance(300)
        with pytest.raises(ApiError) as caught:
            send(service, "a")
        assert not isinstance(caught.value, NotCreated), kind
        assert amazon.calls["createFeed"] == before + 1
        refill(database)
    assert len(amazon.feeds) == 2


def refill(database: Database) -> None:
    """Real time does not pass in a test."""
    with database.connect() as connection:
        connection.execute("UPDATE rate_limits SET tokens = burst")


def test_only_amazons_own_words_say_that_nothing_was_created(amazon: FakeAmazon, feeds: NewFeeds) -> None:
    service = feeds()
    service.prepare()
    with pytest.raises(NotCreated) as caught:
        service.create_feed("amzn1.tortuga.unknown")
    assert (caught.value.status, caught.value.code) == (400, "InvalidInput")
    assert caught.value.request_id is not None
    amazon.faults = [Fault("createFeed", 429, code="QuotaExceeded")]
    service.prepare()
    with pytest.raises(NotCreated) as caught:
        service.create_feed("amzn1.tortuga.unknown")
    assert caught.value.code == "QuotaExceeded"


def test_temporary_failures_are_tried_again(amazon: FakeAmazon, feeds: NewFeeds) -> None:
    service = feeds()
    feed_id = send(service, "a")
    amazon.faults = [Fault("getFeed", 500), Fault("getFeed", "lost"), Fault("getFeed", 429, code="QuotaExceeded")]
    assert service.feed(feed_id).status == "queued"
    amazon.faults = [Fault("getFeed", 503, times=100)]
    with pytest.raises(ApiError, match="HTTP 503"):
        service.feed(feed_id)
    amazon.faults = []
    assert service.feed("unknown") is None


def test_throttling_is_shared_and_does_not_hold_a_worker(amazon: FakeAmazon, feeds: NewFeeds, database: Database) -> None:
    first, second = feeds(), feeds()
    rate, burst = tables()["operations"]["createFeed"]
    for number in range(int(burst)):
        (first if number % 2 else second).prepare()
    with pytest.raises(TryLater) as caught:
        first.prepare()
    assert 30 < caught.value.seconds <= 1 / rate
    with database.connect() as connection:
        connection.execute("UPDATE rate_limits SET updated_at = updated_at - interval '61 seconds'")
    second.prepare()


def test_amazon_corrects_the_rate(amazon: FakeAmazon, feeds: NewFeeds, database: Database) -> None:
    amazon.rates["getFeed"] = (7, 15)
    service = feeds()
    feed_id = send(service, "a")
    service.feed(feed_id)
    with database.connect() as connection:
        row = connection.execute("SELECT rate FROM rate_limits WHERE bucket LIKE '% getFeed'").fetchone()
    assert row == (7.0,)


def test_a_refusal_empties_the_bucket_of_everybody(amazon: FakeAmazon, feeds: NewFeeds) -> None:
    service = feeds()
    amazon.faults = [Fault("getFeeds", 429, times=100, code="QuotaExceeded")]
    with pytest.raises(ApiError) as caught:
        list(service.feeds_since(amazon.clock.now()))
    assert caught.value.status == 429
    with pytest.raises(TryLater):
        list(feeds().feeds_since(amazon.clock.now()))


def test_lists_of_feeds_are_paged(amazon: FakeAmazon, feeds: NewFeeds) -> None:
    service = feeds()
    began = amazon.clock.now()
    place = service.new_document()
    service.upload(place, content("a"))
    for _ in range(5):
        service.prepare()
        service.create_feed(place.document_id)
    template = next(iter(amazon.feeds.values()))
    for number in range(230):
        amazon.feeds[str(number)] = type(template)(**{**vars(template), "feed_id": str(number)})
    assert len({feed.feed_id for feed in service.feeds_since(began)}) == 235
    assert amazon.calls["getFeeds"] == 3
    assert list(service.feeds_since(began + timedelta(seconds=1))) == []


def test_cancelling(amazon: FakeAmazon, feeds: NewFeeds) -> None:
    service = feeds()
    feed_id = send(service, "a")
    service.cancel(feed_id)
    assert service.feed(feed_id).status == "cancelled"
    other = send(service, "b")
    amazon.clock.advance(90)
    assert service.feed(other).status == "running"
    with pytest.raises(ApiError, match="cannot be cancelled"):
        service.cancel(other)


def report_of(amazon: FakeAmazon, feeds: NewFeeds, content_: bytes | None, *, compressed: bool = True):
    service = feeds()
    amazon.report_content, amazon.report_gzip = content_, compressed
    feed_id = send(service, "a")
    amazon.clock.advance(300)
    return service, service.feed(feed_id).report_id


def test_a_report_without_compression(amazon: FakeAmazon, feeds: NewFeeds) -> None:
    service, report_id = report_of(amazon, feeds, None, compressed=False)
    assert service.report(report_id).accepted == 1


HOSTILE = {
    "bomb": (lambda: gzip.compress(b"0" * (300 << 20)), "inflates more than 200 times"),
    "cut off": (lambda: gzip.compress(b'{"summary": {}}')[:-9], "truncated"),
    "not gzip": (lambda: b"not gzip at all", "damaged"),
    "not JSON": (lambda: gzip.compress(b"<html>"), "it is not JSON"),
    "a list": (lambda: gzip.compress(b"[1]"), "it has no summary"),
    "no counts": (lambda: gzip.compress(b'{"summary": {"messagesProcessed": "3"}}'), "no counts"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_reports(amazon: FakeAmazon, feeds: NewFeeds, name: str) -> None:
    make, reason = HOSTILE[name]
    service, report_id = report_of(amazon, feeds, make())
    with pytest.raises(BadInputError, match=reason):
        service.report(report_id)


def test_a_report_url_that_is_gone(amazon: FakeAmazon, feeds: NewFeeds) -> None:
    service, report_id = report_of(amazon, feeds, None)
    amazon.faults = [Fault("download", 403)]
    with pytest.raises(ApiError) as caught:
        service.report(report_id)
    assert caught.value.status == 403
    assert service.report(report_id).accepted == 1


def test_the_account_is_checked(amazon: FakeAmazon, feeds: NewFeeds) -> None:
    assert feeds().check() == []
    amazon.sells_on = {"A1PA6795UKMFR9"}
    assert feeds().check() == [
        "the seller of these credentials is not registered on amazon-us; check the region and the marketplace"
    ]


def test_no_secret_leaves_its_place(
    amazon: FakeAmazon, feeds: NewFeeds, caplog: pytest.LogCaptureFixture, database: Database
) -> None:
    caplog.set_level(logging.DEBUG)
    service = feeds()
    said = []
    for fault in (None, *(Fault("getFeed", kind, 99) for kind in (401, 403, 404, 429, 500, "lost", "garbage", "refused"))):
        amazon.faults = [fault] if fault else []
        try:
            service.feed(send(service, "a"))
        except ApiError as error:
            said.append(f"{error!r} {error} {error.__cause__!r} {vars(error)}")
        refill(database)
        amazon.clock.advance(300)
    with database.connect() as connection:
        said += [str(row) for row in connection.execute("SELECT * FROM rate_limits")]
    everything = "\n".join([*said, caplog.text, *(call.decode() for call in amazon.recorded)])
    assert "the-secret" not in everything
    assert "Atzr|" not in everything
    assert not any(token in everything for token in amazon.tokens)
    assert "X-Amz-Signature" not in everything
    assert len(said) > 8


def test_buckets_hand_out_exactly_the_burst(database: Database) -> None:
    with Buckets(database.connect) as one, Buckets(database.connect) as two:
        given = [bucket.take("x", 0.001, 4) == 0 for _ in range(5) for bucket in (one, two)]
    assert sum(given) == 4
