"""A fake Shopify on 127.0.0.1: real HTTP, real GraphQL against the official schema where it is at hand, and real refusals.

It keeps a cost budget, throttles, runs bulk operations over several polls, signs addresses that expire, and limits operations
to five. `faults` says what goes wrong at the n-th call of a kind: a GraphQL operation's name, `token` or `download`; `echo`
refuses and repeats the secret of the request, `hang` never answers. `recorded` has requests without the places of secrets.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from graphql import (
    FieldNode,
    GraphQLList,
    GraphQLNonNull,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    Visitor,
    build_schema,
    graphql_sync,
    parse,
    visit,
)

from pipeline_tests.fakes.shopify_bulk import Invalid, bulk_lines, roots
from pipeline_tests.fakes.shopify_data import Object, ShopData, gid

VERSION = "2026-10"
TOKEN = "shpat_0123456789abcdef0123456789abcdef"
CLIENT_ID, CLIENT_SECRET = "fake-client-id-0001", "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"
SCOPES = ("read_products", "read_inventory", "read_locations")
MAX_COST, MAX_OPERATIONS = 1000, 5
_NEEDED = {
    "products": "read_products",
    "productVariants": "read_products",
    "inventoryLevels": "read_inventory",
    "location": "read_locations",
    "locations": "read_locations",
    "translatableResources": "read_translations",
    "translatableResourcesByIds": "read_translations",
    "translationsRegister": "write_translations",
    "shopLocales": "read_locales",
}


@cache
def schema() -> GraphQLSchema:
    """The official subset from the reference, else our own."""
    import os

    project = Path(__file__).parents[2]
    root = Path(os.environ.get("REFERENCE_DIR") or project.parent / "shared" / "reference")
    official = root / "schemas" / "shopify" / "admin-2026-10.subset.graphql"
    path = official if official.exists() else Path(__file__).with_name("shopify.graphql")
    return build_schema(path.read_text(encoding="utf-8"))


@dataclass
class Operation:
    """A bulk operation; `left` polls until it ends, as `ending` says."""

    id: str
    query: str
    lines: list[bytes]
    createdAt: str
    left: int
    ending: str = "COMPLETED"
    status: str = "CREATED"
    signature: str = ""  # of the newest address
    expired: bool = False


@dataclass
class FakeShopify:
    """One shop behind one address. Everything may be changed by a test at any time."""

    data: ShopData = field(default_factory=ShopData)
    url: str = ""
    domain: str = "fake.myshopify.com"
    scopes: tuple[str, ...] = SCOPES
    served_version: str = VERSION
    polls: int = 3  # until an operation ends
    budget: float = 2000.0
    restore: float = 100000.0  # points a second; a test that wants throttling lowers both
    token_seconds: int = 86399
    faults: dict[tuple[str, int], str] = field(default_factory=dict)
    next_faults: list[str | None] = field(default_factory=list)  # of the next calls, whatever they are
    endings: dict[str, list[str]] = field(default_factory=dict)  # by root field: how its operations end, in turn
    calls: Counter[str] = field(default_factory=Counter)
    queries: list[str] = field(default_factory=list)  # every GraphQL document
    operations: dict[str, Operation] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=lambda: {TOKEN})
    client: tuple[str, str] = (CLIENT_ID, CLIENT_SECRET)
    issued: list[str] = field(default_factory=list)  # every token and signature that it made up
    recorded: list[bytes] = field(default_factory=list)
    others: int = 0  # operations of other runs that occupy the shop, one less at each refusal
    busy_message: str = "LIMIT_REACHED"
    locales: tuple[str, ...] = ("en", "de", "fr")  # the first is the primary one
    most_keys: int = 100  # translations in one call
    refused_values: tuple[str, ...] = ()  # translations that a resource's validation refuses
    translations: dict[tuple[str, str, str], Object] = field(default_factory=dict)  # resource, locale, key
    clock: Callable[[], float] = time.monotonic  # by which the bucket of points fills

    def __post_init__(self) -> None:
        self._numbers = count(1)
        self._level, self._seen = self.budget, self.clock()
        self._lock = threading.RLock()
        self.closed = threading.Event()

    @property
    def paid(self) -> int:
        """How many bulk operations were started."""
        return len(self.operations)

    # -- HTTP -------------------------------------------------------------------------------------------------------------

    def token(self, form: dict[str, list[str]]) -> tuple[int, Any]:
        given = {name: values[0] for name, values in form.items()}
        wanted = {"grant_type": "client_credentials", "client_id": self.client[0], "client_secret": self.client[1]}
        if given != wanted:
            return 400, {"error": "invalid_client", "client_secret": given.get("client_secret")}
        token = f"shpca_{secrets.token_hex(16)}"
        self.tokens.add(token)
        self.issued.append(token)
        return 200, {"access_token": token, "scope": ",".join(self.scopes), "expires_in": self.token_seconds}

    def graphql(self, body: Any) -> Any:
        """The answer to a request whose token is good."""
        query, variables = body["query"], body.get("variables") or {}
        self.queries.append(query)
        try:
            (operation,) = parse(query).definitions
            assert isinstance(operation, OperationDefinitionNode)
        except Exception as error:
            return {"errors": [{"message": str(error)}]}
        cost = sum(_cost(item, variables) for item in operation.selection_set.selections) or 10
        if cost > MAX_COST:
            return {"errors": [{"message": f"Query cost is {cost}, which exceeds the single query max cost limit ({MAX_COST}).",
                                "extensions": {"code": "MAX_COST_EXCEEDED"}}]}  # fmt: skip
        if cost > self._filled():
            return self._throttled(cost)
        if denied := self._denied(query):
            message = f"Access denied for {denied} field. Required access: `{_NEEDED[denied]}` access scope."
            return {"errors": [{"message": message, "extensions": {"code": "ACCESS_DENIED"}}], "data": None}
        self._level = self._filled() - cost
        found = graphql_sync(schema(), query, self, variable_values=variables, field_resolver=_resolve)
        answer: Any = {"data": found.data}
        if found.errors:
            answer["errors"] = [{"message": error.message} for error in found.errors]
        return {**answer, "extensions": self._extensions(cost)}

    def _denied(self, query: str) -> str | None:
        """The first field of a query, at any depth, for which the app lacks the permission; to write includes to read."""
        found = _Fields()
        visit(parse(query), found)
        granted = {*self.scopes, *(scope.replace("write_", "read_") for scope in self.scopes)}
        return next((name for name in found.names if name in _NEEDED and _NEEDED[name] not in granted), None)

    def _filled(self) -> float:
        now = self.clock()
        self._level = min(self.budget, self._level + self.restore * (now - self._seen))
        self._seen = now
        return self._level

    def _throttled(self, cost: float) -> Any:
        return {"errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}], "extensions": self._extensions(cost)}

    def _extensions(self, cost: float) -> Any:
        status = {"maximumAvailable": self.budget, "currentlyAvailable": int(self._level), "restoreRate": self.restore}
        return {"cost": {"requestedQueryCost": cost, "actualQueryCost": cost, "throttleStatus": status}}

    def document(self, path: str, query: dict[str, list[str]]) -> bytes | None:
        """The content of a signed address, None when it has expired."""
        operation = next((o for o in self.operations.values() if o.id.rpartition("/")[2] == path.rpartition("/")[2]), None)
        if operation is None or operation.expired or query.get("sig") != [operation.signature]:
            return None
        lines = operation.lines[: len(operation.lines) // 2] if "partial" in query else operation.lines
        return b"".join(line + b"\n" for line in lines)

    # -- GraphQL ----------------------------------------------------------------------------------------------------------

    def shop(self) -> Object:
        return {"name": "Fake", "myshopifyDomain": self.domain, "currencyCode": self.data.currency}

    def products(self, query: str = "", **_: Any) -> list[Object]:
        found = roots(self.data, "products", query)
        return list(reversed(found)) if _.get("reverse") else found

    def productsCount(self, query: str = "", limit: int | None = 10000) -> Object:
        number = len(roots(self.data, "products", query))
        return {"count": number if limit is None else min(number, limit),
                "precision": "EXACT" if limit is None or number <= limit else "AT_LEAST"}  # fmt: skip

    def collections(self, **_: Any) -> list[Object]:
        return list(self.data.collections.values())

    def locations(self, **_: Any) -> list[Object]:
        return self.data.locations

    def events(self, query: str = "", **_: Any) -> list[Object]:
        since = query.partition("created_at:>='")[2].partition("'")[0]
        assert "subject_type:PRODUCT" in query and "action:destroy" in query
        return [event for event in self.data.events if event["createdAt"] >= since]

    def node(self, id: str) -> Object | None:
        return self.data.find(id)

    def nodes(self, ids: list[str]) -> list[Object | None]:
        return [self.data.find(identity) for identity in ids]

    def inventoryItem(self, id: str) -> Object | None:
        return self.data.find(id)

    def translatableResources(self, resourceType: str, **_: Any) -> list[Object]:
        return self.data.theme_texts if resourceType == "ONLINE_STORE_THEME_LOCALE_CONTENT" else []

    def translatableResourcesByIds(self, resourceIds: list[str], **_: Any) -> list[Object]:
        return [self._translatable(each) for each in self.data.theme_texts if each["resourceId"] in resourceIds]

    def _translatable(self, resource: Object) -> Object:
        digests = {text["key"]: text["digest"] for text in resource["translatableContent"]}

        def translations(locale: str, **_: Any) -> list[Object]:
            mine = [
                each
                for (owner, spoken, _), each in self.translations.items()
                if (owner, spoken) == (resource["resourceId"], locale)
            ]
            return [{**each, "outdated": digests.get(each["key"]) != each["digest"]} for each in mine]

        return {**resource, "translations": translations}

    def shopLocales(self, **_: Any) -> list[Object]:
        return [{"locale": each, "name": each, "primary": each == self.locales[0], "published": True} for each in self.locales]

    def translationsRegister(self, resourceId: str, translations: list[Object]) -> Object:
        """What is right is taken, the rest is refused one by one."""
        resource = next((each for each in self.data.theme_texts if each["resourceId"] == resourceId), None)
        if resource is None:
            return _not_registered("RESOURCE_NOT_FOUND", "Resource does not exist", ["resourceId"])
        if len(translations) > self.most_keys:
            return _not_registered("TOO_MANY_KEYS_FOR_RESOURCE", "Too many translation keys for the resource", ["translations"])
        digests = {text["key"]: text["digest"] for text in resource["translatableContent"]}
        taken, errors = list[Object](), list[Object]()
        for index, each in enumerate(translations):
            refused = None
            if each["locale"] not in self.locales[1:]:
                refused = ("INVALID_LOCALE_FOR_SHOP", "Locale is not a valid locale for the shop")
            elif each["key"] not in digests:
                refused = ("INVALID_KEY_FOR_MODEL", f"Key {each['key']} is not a valid translatable field")
            elif digests[each["key"]] != each["translatableContentDigest"]:
                refused = ("INVALID_TRANSLATABLE_CONTENT", "Translatable content hash is invalid")
            elif each["value"] in self.refused_values:
                refused = ("FAILS_RESOURCE_VALIDATION", "Value fails validation on resource")
            if refused:
                errors.append({"code": refused[0], "message": refused[1], "field": ["translations", str(index), "value"]})
                continue
            kept = {
                "key": each["key"],
                "locale": each["locale"],
                "value": each["value"],
                "outdated": False,
                "digest": digests[each["key"]],
            }
            self.translations[resourceId, each["locale"], each["key"]] = kept
            taken.append(kept)
        return {"translations": taken, "userErrors": errors}

    def currentAppInstallation(self) -> Object:
        return {"accessScopes": [{"handle": scope} for scope in self.scopes]}

    def publicApiVersions(self) -> list[Object]:
        return [{"handle": handle, "supported": True} for handle in (VERSION, "2026-07", "unstable")]

    def bulkOperationRunQuery(self, query: str, groupObjects: bool = False) -> Object:
        running = [o for o in self.operations.values() if o.status in ("CREATED", "RUNNING", "CANCELING")]
        if self.others or len(running) >= MAX_OPERATIONS:
            self.others = max(0, self.others - 1)
            return _refused(self.busy_message, "Bulk operation limit reached for this app and shop")
        try:
            lines = bulk_lines(schema(), self.data, query)
        except Invalid as error:
            return _refused("INVALID", str(error))
        root = query.partition("{")[2].strip().partition("(")[0].partition(" ")[0]
        endings = self.endings.get(root)
        operation = Operation(
            gid("BulkOperation", next(self._numbers)), query, lines, self.data.tick(0), self.polls,
            endings.pop(0) if endings else "COMPLETED",
        )  # fmt: skip
        if self._denied(query):  # accepted all the same, and found out at once
            operation.left, operation.ending = 1, "FAILED:ACCESS_DENIED"
        self.operations[operation.id] = operation
        return {"bulkOperation": self._public(operation), "userErrors": []}

    def bulkOperationCancel(self, id: str) -> Object:
        operation = self.operations.get(id)
        if operation is None or operation.status not in ("CREATED", "RUNNING"):
            return {"bulkOperation": None, "userErrors": [{"field": ["id"], "message": "Bulk operation does not exist"}]}
        operation.status, operation.ending = "CANCELED", "CANCELED"
        return {"bulkOperation": self._public(operation), "userErrors": []}

    def bulkOperation(self, id: str) -> Object | None:
        operation = self.operations.get(id)
        if operation is None or operation.ending == "LOST":
            return None
        if operation.status in ("CREATED", "RUNNING"):
            operation.left -= 1
            operation.status = "RUNNING" if operation.left > 0 else operation.ending.partition(":")[0]
        return self._public(operation)

    def bulkOperations(self, **_: Any) -> list[Object]:
        return [self._public(operation) for operation in reversed(self.operations.values())]

    def _public(self, operation: Operation) -> Object:
        status, done = operation.status, operation.status == "COMPLETED"
        operation.signature, operation.expired = secrets.token_hex(16), False
        self.issued.append(operation.signature)
        url = f"{self.url}/bulk/{operation.id.rpartition('/')[2]}?sig={operation.signature}"
        rows = len(operation.lines)
        top = sum(b'"__parentId":' not in line for line in operation.lines)
        share = 1.0 if done else 1 - operation.left / (self.polls + 1)
        return {
            "__typename": "BulkOperation", "id": operation.id, "type": "QUERY", "status": status, "query": operation.query,
            "errorCode": (operation.ending.partition(":")[2] or "INTERNAL_SERVER_ERROR") if status == "FAILED" else None,
            "createdAt": operation.createdAt, "completedAt": operation.createdAt if done else None,
            "objectCount": str(int(rows * share)), "rootObjectCount": str(int(top * share)),
            "fileSize": "0", "url": url if done and rows else None,
            "partialDataUrl": f"{url}&partial=1" if status == "FAILED" and rows else None,
        }  # fmt: skip


class _Fields(Visitor):
    """Names of all fields, from the first to the last."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        self.names.append(node.name.value)


def _not_registered(code: str, message: str, path: list[str]) -> Object:
    return {"translations": None, "userErrors": [{"code": code, "message": message, "field": path}]}


def _refused(code: str, message: str) -> Object:
    return {"bulkOperation": None, "userErrors": [{"field": ["query"], "message": message, "code": code}]}


def _resolve(source: Any, info: Any, **arguments: Any) -> Any:
    name = info.field_name
    value = getattr(source, name) if isinstance(source, FakeShopify) else source.get(name)
    value = value(**arguments) if callable(value) else value
    kind = info.return_type
    while isinstance(kind, (GraphQLNonNull, GraphQLList)):
        kind = kind.of_type
    if isinstance(value, list) and kind.name.endswith("Connection"):
        return _page(value, arguments)
    if name == "quantities":
        return [item for item in value if item["name"] in arguments["names"]]
    return value


def _page(items: list[Object], arguments: dict[str, Any]) -> Object:
    start, size = int(arguments.get("after") or 0), arguments.get("first")
    if not size:
        raise ValueError("you must provide one of first or last")
    end = start + size
    return {"nodes": items[start:end], "pageInfo": {"hasNextPage": end < len(items), "endCursor": str(end)}}


def _cost(selection: Any, variables: dict[str, Any]) -> int:
    """Points: 0 a scalar, 1 an object, a connection as many times its node as it may give."""
    if isinstance(selection, InlineFragmentNode):
        return sum(_cost(item, variables) for item in selection.selection_set.selections)
    if selection.selection_set is None:
        return 0
    inner = sum(_cost(item, variables) for item in selection.selection_set.selections)
    if selection.name.value in ("nodes", "edges", "pageInfo"):
        ids = variables.get("ids") if any(a.name.value == "ids" for a in selection.arguments) else None
        return len(ids) * (1 + inner) if ids else inner
    first = next((argument.value for argument in selection.arguments if argument.name.value == "first"), None)
    size = int(first.value) if isinstance(first, IntValueNode) else 1
    return size * (1 + inner)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    shop: FakeShopify

    def log_message(self, format: str, *args: Any) -> None:
        return

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        path = urlsplit(self.path).path
        form = path == "/admin/oauth/access_token"
        self._record(self.path.encode() + (b"" if form else body))
        if form:
            self._call("token", lambda: self.shop.token(parse_qs(body.decode())))
            return
        if path != f"/admin/api/{VERSION}/graphql.json":
            self._answer(404, {"errors": "Not Found"})
            return
        request = json.loads(body)
        name = request["query"].split("(")[0].split("{")[0].split()[-1]
        self._call(name, lambda: self._graphql(request))

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self._record(parts.path.encode())  # the signature's place is the query
        self._call("download", lambda: self._document(parts.path, parse_qs(parts.query)))

    def _record(self, told: bytes) -> None:
        headers = {name: value for name, value in self.headers.items() if name != "X-Shopify-Access-Token"}
        self.shop.recorded.append(json.dumps([self.command, headers]).encode() + told)

    def _graphql(self, request: Any) -> tuple[int, Any]:
        if self.headers.get("X-Shopify-Access-Token") not in self.shop.tokens:
            return 401, {"errors": "[API] Invalid API key or access token (unrecognized login or wrong password)"}
        return 200, self.shop.graphql(request)

    def _document(self, path: str, query: dict[str, list[str]]) -> tuple[int, Any]:
        found = self.shop.document(path, query)
        return (403, b"<Error><Code>ExpiredToken</Code></Error>") if found is None else (200, found)

    def _call(self, kind: str, work: Callable[[], tuple[int, Any]]) -> None:
        """The n-th call of a kind, as it should be or as `faults` wants it."""
        with self.shop._lock:
            self.shop.calls[kind] += 1
            queue = self.shop.next_faults
            fault = queue.pop(0) if queue else self.shop.faults.get((kind, self.shop.calls[kind]))
            if fault in (None, "lost", "truncated", "expired"):
                if fault == "expired":
                    for operation in self.shop.operations.values():
                        operation.expired = True
                status, body = work()
        if fault == "hang":
            self.shop.closed.wait(60)
        if fault in ("reset", "lost", "hang"):  # before or after it took effect
            self.close_connection = True
            self.connection.close()
        elif fault is None or fault == "expired":
            self._answer(status, body)
        elif fault == "truncated":
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self._answer(status, content, cut=len(content) // 2)
        elif fault == "shorter":  # a whole answer without its last lines
            self._answer(200, b"".join(work()[1].splitlines(keepends=True)[:-1]))
        elif fault == "throttled":
            self._answer(200, self.shop._throttled(100))
        elif fault == "echo":
            said = self.headers.get("X-Shopify-Access-Token") or self.shop.client[1]
            self._answer(401, {"errors": f"[API] Invalid API key or access token: {said}", "token": said})
        elif fault == "internal":
            self._answer(200, {"errors": [{"message": "Internal error", "extensions": {"code": "INTERNAL_SERVER_ERROR"}}]})
        elif fault == "null":
            self._answer(200, {"data": None, "errors": [{"message": "Something went wrong", "extensions": {}}]})
        elif fault == "html":
            self._answer(200, b"<html>Temporarily unavailable</html>")
        else:
            self._answer(int(fault), {"errors": f"status {fault}"})

    def _answer(self, status: int, body: Any, *, cut: int | None = None) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("X-Request-Id", "00000000-fake")
        self.send_header("X-Shopify-API-Version", self.shop.served_version)
        self.end_headers()
        self.wfile.write(content if cut is None else content[:cut])
        if cut is not None:
            self.close_connection = True


@contextmanager
def running(shop: FakeShopify) -> Iterator[FakeShopify]:
    """The shop at an address of its own."""
    handler = type("Handler", (_Handler,), {"shop": shop})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    shop.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield shop
    finally:
        shop.closed.set()
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def running_apart(variants: int) -> Iterator[str]:
    """The address of a big shop in a process of its own: the memory of a child counts from that of its parent."""
    from multiprocessing import get_context

    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, variants), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        ours.send(None)
        process.join()


def _serve(pipe: Any, variants: int) -> None:
    from pipeline_tests.fakes.shopify_data import big_shop

    with running(FakeShopify(big_shop(variants))) as shop:
        pipe.send(shop.url)
        pipe.recv()
