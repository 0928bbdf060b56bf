"""Feeds API 2021-06-30 for JSON_LISTINGS_FEED, behind the protocol of `marketplaces/live.py`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

import orjson

from pipeline.marketplaces.amazon.report import parse_report
from pipeline.marketplaces.amazon.spapi.answers import object_of, odd, text_of
from pipeline.marketplaces.amazon.spapi.client import TIMEOUT_SECONDS, SpApi, field_of
from pipeline.marketplaces.amazon.spapi.documents import CONTENT_TYPE, download, upload
from pipeline.marketplaces.amazon.spapi.listings import AmazonListings
from pipeline.marketplaces.live import (
    Answered,
    FeedIssue,
    FeedReport,
    NotCreated,
    RemoteFeed,
    RemoteStatus,
    SingleMessage,
    Upload,
)
from pipeline.model.listing import Site
from pipeline.model.secret import Secret
from pipeline.platform.http import Answer, ApiError

FEED_TYPE = "JSON_LISTINGS_FEED"
_API = "feeds/2021-06-30"
_STATUS: Mapping[str, RemoteStatus] = {
    "IN_QUEUE": "queued", "IN_PROGRESS": "running", "DONE": "done", "FATAL": "fatal", "CANCELLED": "cancelled",
}  # fmt: skip
_MAX_PAGES = 50


class AmazonFeeds:
    """The listings feeds of one seller on one site."""

    timeout_seconds = TIMEOUT_SECONDS

    def __init__(self, api: SpApi, site: Site) -> None:
        self._api, self._site, self._listings = api, site, AmazonListings(api, site)
        self.lane = f"amazon {api.seller_id} {site.marketplace_id} {FEED_TYPE}"

    def close(self) -> None:
        self._api.close()

    def new_document(self) -> Upload:
        answer = self._api.call("createFeedDocument", "POST", f"{_API}/documents", json={"contentType": CONTENT_TYPE})
        found = object_of(answer)
        return Upload(text_of(found, "feedDocumentId"), Secret(text_of(found, "url")), _server_time(answer))

    def upload(self, place: Upload, content: bytes) -> None:
        upload(self._api.service, place.url, content)

    def prepare(self) -> None:
        self._api.prepare("createFeed")

    def create_feed(self, document_id: str) -> str:
        body = {"feedType": FEED_TYPE, "marketplaceIds": [self._site.marketplace_id], "inputFeedDocumentId": document_id}
        try:
            answer = self._api.call("createFeed", "POST", f"{_API}/feeds", json=body, repeat=False, prepared=True)
        except ApiError as error:
            # Only a list of errors that Amazon wrote itself says that nothing was created.
            if type(error) is ApiError and error.status is not None and 400 <= error.status < 500 and error.code is not None:
                raise NotCreated(
                    error.service, str(error), status=error.status, code=error.code, request_id=error.request_id
                ) from None
            raise
        return text_of(object_of(answer), "feedId")

    def feed(self, feed_id: str) -> RemoteFeed | None:
        try:
            answer = self._api.call("getFeed", "GET", f"{_API}/feeds/{quote(feed_id, safe='')}")
        except ApiError as error:
            if error.status == 404:
                return None
            raise
        return _feed(object_of(answer))

    def feeds_since(self, since: datetime) -> Iterator[RemoteFeed]:
        params: dict[str, str | int] = {
            "feedTypes": FEED_TYPE, "marketplaceIds": self._site.marketplace_id, "pageSize": 100,
            "createdSince": since.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }  # fmt: skip
        for _ in range(_MAX_PAGES):
            found = object_of(self._api.call("getFeeds", "GET", f"{_API}/feeds", params=params))
            feeds = found.get("feeds")
            if not isinstance(feeds, list):
                raise odd("a list of feeds")
            for feed in feeds:
                if isinstance(feed, dict) and feed.get("feedType") == FEED_TYPE:
                    yield _feed(feed)
            token = found.get("nextToken")
            if not isinstance(token, str) or not token:
                return
            params = {"nextToken": token}  # must be the only parameter
        raise ApiError("Amazon", f"Amazon lists more than {_MAX_PAGES * 100} feeds; the one that is looked for cannot be told")

    def cancel(self, feed_id: str) -> None:
        self._api.call("cancelFeed", "DELETE", f"{_API}/feeds/{quote(feed_id, safe='')}")

    def report(self, report_id: str) -> FeedReport:
        found = object_of(self._api.call("getFeedDocument", "GET", f"{_API}/documents/{quote(report_id, safe='')}"))
        gzip = found.get("compressionAlgorithm") == "GZIP"
        return parse_report(download(self._api.service, Secret(text_of(found, "url")), gzip=gzip), self._site.marketplace_id)

    def messages(self, content: bytes) -> list[tuple[int, str]]:
        return [(message["messageId"], message["sku"]) for message in orjson.loads(content)["messages"]]

    def single_messages(self, content: bytes) -> list[SingleMessage]:
        return [SingleMessage(one["messageId"], one["sku"], one) for one in orjson.loads(content)["messages"]]

    def say(self, message: SingleMessage) -> Answered:
        said = message.content
        try:
            return self._listings.patch(message.sku, said["productType"], said["patches"])
        except ApiError as error:
            # A list of errors of Amazon's own about this request: asking again gives it again.
            if type(error) is ApiError and error.status in (400, 404, 413, 415) and error.code is not None:
                return Answered(False, (FeedIssue("error", error.code, str(error), sku=message.sku),))
            raise

    def field_of(self, attribute: str) -> str | None:
        return field_of(attribute)

    def check(self) -> list[str]:
        answer = self._api.call("getMarketplaceParticipations", "GET", "sellers/v1/marketplaceParticipations")
        found = object_of(answer).get("payload")
        for row in found if isinstance(found, list) else []:
            if isinstance(row, dict) and (row.get("marketplace") or {}).get("id") == self._site.marketplace_id:
                return [] if (row.get("participation") or {}).get("isParticipating") else [self._absent("does not sell")]
        return [self._absent("is not registered")]

    def _absent(self, what: str) -> str:
        return f"the seller of these credentials {what} on {self._site.key}; check the region and the marketplace"


def _feed(found: Mapping[str, Any]) -> RemoteFeed:
    status = _STATUS.get(text_of(found, "processingStatus"))
    if status is None:
        raise odd("a known processingStatus")
    report = found.get("resultFeedDocumentId")
    return RemoteFeed(
        text_of(found, "feedId"), status, _time(text_of(found, "createdTime")), report if isinstance(report, str) else None
    )


def _server_time(answer: Answer) -> datetime:
    try:
        return parsedate_to_datetime(answer.headers["date"]).astimezone(timezone.utc)
    except (KeyError, TypeError, ValueError):
        raise odd("a date") from None


def _time(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise odd("a time") from None
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)
