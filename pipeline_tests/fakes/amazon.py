"""Amazon's Selling Partner API on this machine: stateful, real HTTP, its own clock, its limits and its faults.

It refuses what Amazon refuses, and checks requests against Amazon's own Swagger and feed schema where those are present;
`violations` has what did not fit. A lost reply takes effect first.
"""

from __future__ import annotations

import copy
import gzip
import json
import secrets
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from pipeline_tests.fakes import amazon_listings, amazon_types
from pipeline_tests.fakes.amazon_feeds import Catalog, Document, Ending, Feed
from pipeline_tests.fakes.amazon_http import Call, Fault, Refused, Reply
from pipeline_tests.fakes.clock import Clock
from pipeline_tests.fakes.swagger import Swagger
from pipeline_tests.reference import found_reference

MARKETPLACE = "ATVPDKIKX0DER"
SELLER = "A1EXAMPLE"
#: [requests a second, burst], as Amazon documents them; createFeed is that of JSON_LISTINGS_FEED.
RATES = {
    "createFeedDocument": (0.5, 15), "createFeed": (5 / 300, 5), "getFeed": (2, 15), "cancelFeed": (2, 15),
    "getFeeds": (0.0222, 10), "getFeedDocument": (0.0222, 10), "getMarketplaceParticipations": (0.016, 15),
    **amazon_listings.RATES, **amazon_types.RATES,
}  # fmt: skip
_OF_THE_SERVER = frozenset({"lock", "closed", "url", "_server", "_models"})
#: First part of a path -> Amazon's model of these operations.
_MODELS = {
    "feeds": "feeds_2021-06-30.json", "listings": "listingsItems_2021-08-01.json",
    "definitions": "definitionsProductTypes_2020-09-01.json", "catalog": "catalogItems_2022-04-01.json",
}  # fmt: skip
_OPERATIONS = [
    ("POST", r"/auth/o2/token", "token"),
    ("POST", r"/feeds/2021-06-30/documents", "createFeedDocument"),
    ("GET", r"/feeds/2021-06-30/documents/(.+)", "getFeedDocument"),
    ("POST", r"/feeds/2021-06-30/feeds", "createFeed"),
    ("GET", r"/feeds/2021-06-30/feeds", "getFeeds"),
    ("GET", r"/feeds/2021-06-30/feeds/(.+)", "getFeed"),
    ("DELETE", r"/feeds/2021-06-30/feeds/(.+)", "cancelFeed"),
    ("GET", r"/sellers/v1/marketplaceParticipations", "getMarketplaceParticipations"),
    *amazon_listings.OPERATIONS,
    *amazon_types.OPERATIONS,
    ("PUT", r"/bucket/(.+)", "upload"),
    ("GET", r"/bucket/(.+)", "download"),
    ("GET", r"/ctl/now", "now"),
    ("POST", r"/ctl/advance/(.+)", "advance"),
]  # fmt: skip


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """A client that goes away (or is killed) is no news."""


class FakeAmazon(amazon_listings.ListingsItems, amazon_types.ProductTypes):
    """All of Amazon for one seller. Attributes may be changed at any time."""

    def __init__(self, clock: Clock) -> None:
        self.lock, self.closed = threading.RLock(), threading.Event()
        self.begin(clock)
        self._models = _models()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def begin(self, clock: Clock) -> None:
        """A new account, at another time."""
        self.clock = clock
        self.credentials = {"client_id": "amzn1.client", "client_secret": "the-secret", "refresh_token": "Atzr|refresh"}
        self.revoked = False
        self.seller_id = SELLER
        self.sells_on = {MARKETPLACE}
        self.token_seconds = 3600
        self.tokens: dict[str, datetime] = {}
        self.documents: dict[str, Document] = {}
        self.feeds: dict[str, Feed] = {}
        self.catalog = Catalog(clock)
        self.preview = amazon_listings.no_issues
        self.begin_types()
        self.queued, self.processing, self.listing_lag = timedelta(seconds=60), timedelta(seconds=60), timedelta(0)
        self.endings: list[Ending] = []  # of the next feeds; DONE with a report otherwise
        self.report_gzip = True
        self.report_content: bytes | None = None  # instead of the real one
        self.faults: list[Fault] = []
        self.rates = dict(RATES)
        self.limited = True
        self.buckets: dict[str, tuple[float, datetime]] = {}
        self.calls: Counter[str] = Counter()
        self.statuses: list[tuple[str, int]] = []
        self.violations: list[str] = []
        self.recorded: list[bytes] = []  # whole requests but for the authorization header and the token form
        self.signatures: list[str] = []  # of presigned URLs

    def saved(self) -> dict[str, Any]:
        """The account as it is now, with its clock, for `restore` of any fake."""
        return copy.deepcopy({name: value for name, value in vars(self).items() if name not in _OF_THE_SERVER})

    def restore(self, saved: dict[str, Any]) -> None:
        vars(self).update(copy.deepcopy(saved))

    def serve(self) -> threading.Thread:
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        return thread

    def stop(self) -> None:
        self.closed.set()
        self._server.shutdown()
        self._server.server_close()

    def created(self) -> list[list[dict[str, Any]]]:
        """The messages of every feed that was created, oldest first."""
        return [json.loads(feed.document.content or b"")["messages"] for feed in self.feeds.values()]

    # One method an operation. `key` is the last part of the path.

    def token(self, call: Call) -> Reply:
        form = {name: values[0] for name, values in parse_qs(call.body.decode()).items()}
        if form.get("grant_type") != "refresh_token":
            return Reply(400, {"error": "unsupported_grant_type"})
        if any(form.get(name) != self.credentials[name] for name in ("client_id", "client_secret")):
            return Reply(401, {"error": "invalid_client", "error_description": f"Client {form.get('client_secret')} failed"})
        if self.revoked or form.get("refresh_token") != self.credentials["refresh_token"]:
            return Reply(400, {"error": "invalid_grant", "error_description": "The request has an invalid grant parameter"})
        token = f"Atza|{secrets.token_hex(20)}"
        self.tokens[token] = self.clock.now() + timedelta(seconds=self.token_seconds)
        return Reply(200, {"access_token": token, "token_type": "bearer", "expires_in": self.token_seconds, "refresh_token": "x"})

    def createFeedDocument(self, call: Call) -> Reply:
        document = self._new_document(call.json["contentType"])
        return Reply(201, {"feedDocumentId": document.document_id, "url": self._url(document)})

    def upload(self, call: Call) -> Reply:
        document = self._presigned(call)
        if call.headers.get("content-type") != document.content_type:
            return Reply(403, b"<Error><Code>SignatureDoesNotMatch</Code></Error>")
        document.content = call.body
        return Reply(200)

    def createFeed(self, call: Call) -> Reply:
        body = call.json
        document = self.documents.get(body["inputFeedDocumentId"])
        if document is None or document.content is None:
            raise Refused(400, "InvalidInput", "the input document does not exist or has no content")
        if body["feedType"] != "JSON_LISTINGS_FEED" or not set(body["marketplaceIds"]) <= self.sells_on:
            raise Refused(400, "InvalidInput", "feed type or marketplace")
        self._check_feed(document.content)
        now = self.clock.now()
        ending = self.endings.pop(0) if self.endings else Ending()
        feed = Feed(
            str(50_000 + len(self.feeds)), body["marketplaceIds"], document, now, now + self.listing_lag, self.queued,
            self.processing, ending,
        )  # fmt: skip
        self.feeds[feed.feed_id] = feed
        return Reply(202, {"feedId": feed.feed_id})

    def getFeed(self, call: Call) -> Reply:
        return Reply(200, self._feed(call.key).public())

    def cancelFeed(self, call: Call) -> Reply:
        feed = self._feed(call.key)
        if feed.status != "IN_QUEUE":
            raise Refused(400, "InvalidInput", f"feed {feed.feed_id} cannot be cancelled in status {feed.status}")
        feed.status = "CANCELLED"
        return Reply(200, {})

    def getFeeds(self, call: Call) -> Reply:
        query, start = call.query, 0
        if "nextToken" in query:
            if len(query) > 1:
                raise Refused(400, "InvalidInput", "nextToken must be the only parameter")
            query, start = json.loads(bytes.fromhex(query["nextToken"][0]))
        size = int(query.get("pageSize", ["10"])[0])
        since = datetime.fromisoformat(query["createdSince"][0].replace("Z", "+00:00"))
        wanted = set(query.get("marketplaceIds", [""])[0].split(",")) - {""}
        now = self.clock.now()
        found = [
            self._feed(feed.feed_id).public()
            for feed in reversed(self.feeds.values())
            if feed.seen_at <= now and feed.created >= since and (not wanted or wanted & set(feed.marketplace_ids))
        ]
        body: dict[str, Any] = {"feeds": found[start : start + size]}
        if len(found) > start + size:
            body["nextToken"] = json.dumps([query, start + size]).encode().hex()
        return Reply(200, body)

    def getFeedDocument(self, call: Call) -> Reply:
        document = self.documents.get(call.key)
        if document is None:
            raise Refused(404, "NotFound", "no such document")
        document.expires = self.clock.now() + timedelta(minutes=5)
        body = {"feedDocumentId": document.document_id, "url": self._url(document)}
        return Reply(200, {**body, "compressionAlgorithm": "GZIP"} if document.gzip else body)

    def download(self, call: Call) -> Reply:
        return Reply(200, self._presigned(call).content)

    def getMarketplaceParticipations(self, call: Call) -> Reply:
        rows = [{"marketplace": {"id": one, "countryCode": "US", "name": "Amazon", "defaultCurrencyCode": "USD",
                 "defaultLanguageCode": "en_US", "domainName": "www.amazon.com"}, "storeName": "Shop",
                 "participation": {"isParticipating": True, "hasSuspendedListings": False}} for one in self.sells_on]  # fmt: skip
        return Reply(200, {"payload": rows})

    def now(self, call: Call) -> Reply:
        return Reply(200, self.clock.seconds())

    def advance(self, call: Call) -> Reply:
        self.clock.advance(float(call.key))
        return Reply(200, self.clock.seconds())

    def _feed(self, feed_id: str) -> Feed:
        feed = self.feeds.get(feed_id)
        if feed is None:
            raise Refused(404, "NotFound", f"no feed {feed_id}")
        due = feed.due(self.clock.now())
        if due in ("DONE", "FATAL") and feed.status != due:
            report = self.catalog.process(feed, apply=due == "DONE")
            self._check_report(report)
            if feed.ending.report:
                content = self.report_content or json.dumps(report).encode()
                document = self._new_document(None)
                document.gzip = self.report_gzip
                document.content = gzip.compress(content) if self.report_gzip and self.report_content is None else content
                feed.report_id = document.document_id
        feed.status = due
        return feed

    def _new_document(self, content_type: str | None) -> Document:
        document = Document(f"amzn1.tortuga.4.na.{secrets.token_hex(8)}", self.clock.now() + timedelta(minutes=5), content_type)
        self.documents[document.document_id] = document
        return document

    def _url(self, document: Document) -> str:
        self.signatures.append(secrets.token_hex(16))
        return f"{self.url}/bucket/{document.document_id}?X-Amz-Expires=300&X-Amz-Signature={self.signatures[-1]}"

    def _presigned(self, call: Call) -> Document:
        document = self.documents.get(call.key)
        if "x-amz-access-token" in call.headers or "x-amz-signature" not in {name.lower() for name in call.query}:
            self.violations.append("a presigned URL was used with a token, or without its signature")
        if document is None or self.clock.now() >= document.expires:
            raise Refused(403, "AccessDenied", "Request has expired")
        return document

    def _check_feed(self, content: bytes) -> None:
        from pipeline_tests.marketplaces.schemas import amazon_feed

        document = json.loads(content)
        skus = Counter(message["sku"] for message in document["messages"])
        if document["header"]["sellerId"] != self.seller_id or max(skus.values()) > 1:
            self.violations.append("wrong seller, or a SKU twice in one feed")
        if self._models and len(skus) < 2000:
            amazon_feed()(document)

    def _check_report(self, report: Any) -> None:
        if self._models and len(report.get("items", [])) < 2000:
            from pipeline_tests.marketplaces.schemas import amazon_report

            amazon_report()(report)

    # From here on: HTTP.

    def answer(self, call: Call) -> Reply | None:
        """None: the connection breaks off."""
        name = call.operation
        self.calls[name] += 1
        fault = next((one for one in self.faults if one.operation == name and one.times > 0), None)
        if fault is not None and fault.after > 0:
            fault.after, fault = fault.after - 1, None
        if fault is not None:
            fault.times -= 1
            if fault.kind in ("refused", "hang"):
                return None
            if fault.kind == "echo":
                said = call.headers.get("x-amz-access-token") or call.body.decode("utf-8", "replace")
                if name == "token":
                    return Reply(401, {"error": "invalid_client", "error_description": f"{said} {self.credentials}"})
                return Refused(403, "Unauthorized", f"the token {said} was refused").reply
            if isinstance(fault.kind, int):
                return Refused(fault.kind, fault.code, "planned").reply
        try:
            if name in RATES:
                self._admit(call)
            reply: Reply = getattr(self, name)(call)
        except Refused as refused:
            reply = refused.reply
        if (model := self._model(call)) is not None:
            self.violations += model.answer(call.method, call.path, reply.status, reply.body)
        if fault is not None and fault.kind == "lost":
            return None
        if fault is not None and fault.kind == "garbage":
            return Reply(200, b"<html>proxy</html>")
        return reply

    def _admit(self, call: Call) -> None:
        token = call.headers.get("x-amz-access-token", "")
        if self.revoked or self.tokens.get(token, self.clock.now()) <= self.clock.now():
            raise Refused(403, "Unauthorized", "Access to requested resource is denied.")
        if (model := self._model(call)) is not None:
            problems = model.request(call.method, call.path, call.query, call.json)
            self.violations += problems
            if problems:
                raise Refused(400, "InvalidInput", problems[0][:200])
        rate, burst = self.rates[call.limit]
        now = self.clock.now()
        tokens, since = self.buckets.get(call.limit, (burst, now))
        tokens = min(burst, tokens + rate * (now - since).total_seconds())
        if self.limited and tokens < 1:
            raise Refused(429, "QuotaExceeded", "You exceeded your quota for the requested resource.")
        self.buckets[call.limit] = (tokens - 1, now)

    def _model(self, call: Call) -> Swagger | None:
        return self._models.get(call.path.split("/")[1]) if call.operation in RATES else None

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None: ...

            def _serve(self) -> None:
                size = int(self.headers.get("content-length") or 0)
                body = self.rfile.read(size)
                if len(body) < size:  # the client went away in the middle
                    self.close_connection = True
                    return
                call = Call.of(
                    _OPERATIONS, self.command, self.path, {name.lower(): value for name, value in self.headers.items()}, body
                )
                with fake.lock:
                    fake.recorded.append(call.told())
                    hangs = any(one.kind == "hang" and one.operation == call.operation and one.times > 0 for one in fake.faults)
                    reply = Reply(404, {"errors": []}) if call.operation == "" else fake.answer(call)
                    fake.statuses.append((call.operation, reply.status if reply else 0))
                if reply is None:
                    if hangs:
                        fake.closed.wait(60)
                    self.close_connection = True
                    return
                content = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
                self.send_response_only(reply.status)
                self.send_header("Date", format_datetime(fake.clock.now(), usegmt=True))
                if not isinstance(reply.body, bytes):
                    self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.send_header("x-amzn-RequestId", f"req-{len(fake.statuses)}")
                if call.operation in RATES and reply.status != 429:
                    self.send_header("x-amzn-RateLimit-Limit", str(fake.rates[call.limit][0]))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

        return Handler


def _models() -> dict[str, Swagger]:
    found = {name: found_reference("schemas", "amazon", "models", file) for name, file in _MODELS.items()}
    return {name: Swagger(path) for name, path in found.items() if path is not None}


@contextmanager
def running(clock: Clock | None = None) -> Iterator[FakeAmazon]:
    fake = FakeAmazon(clock or Clock())
    fake.serve()
    try:
        yield fake
    finally:
        fake.stop()
