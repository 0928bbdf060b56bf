"""A PIM on 127.0.0.1: Akeneo's REST API as far as the pipeline reads it, with its limits, its refusals and faults on demand.

It holds state (products change, models are deleted), its tokens expire, it refuses more than 100 items a page and more than four
calls at once, and answers errors as the real one does: `{"code", "message"}`. Nothing here knows how the pipeline reads it.
"""

from __future__ import annotations

import base64
import json
import secrets
import threading
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

Record = dict[str, Any]

CREDENTIALS = {
    "client_id": "1_client",
    "client_secret": "client-s3cret-value",
    "username": "pipeline_1234",
    "password": "p4ssw0rd-value",
}
MAX_LIMIT = 100
#: Offset from which page pagination is refused.
MAX_OFFSET = 10_000
AT_ONCE = 4


@dataclass
class Fault:
    """What happens instead of the answer: a status, or `truncated`, `empty`, `html`, `reset`, `hang` (no answer at all), `echo`
    (a refusal that repeats the secret of the request), `items_missing`, `foreign_link`."""

    kind: str  # token, products, product-models, attributes, options ... or * for any
    nth: int  # 1 = the first call of that kind from now on
    what: int | str
    times: int = 1
    seen: int = 0

    def strikes(self, kind: str) -> bool:
        if self.kind not in (kind, "*"):
            return False
        self.seen += 1
        return self.nth <= self.seen < self.nth + self.times


class Refusal(Exception):
    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.headers = status, message, dict(headers or {})


@dataclass
class FakeAkeneo:
    """A context; `url` is its base URL. Change its dictionaries through `put_*` and `delete_*`, so that `updated` moves."""

    offset_hours: int = 0  # of the server's time zone
    relative_links: bool = False
    version: str = "7.0.15"
    counts: bool = True  # whether with_count is honored
    inherits_updated: bool = True  # whether a changed model's products count as updated
    channels: dict[str, Record] = field(default_factory=dict)
    locales: dict[str, Record] = field(default_factory=dict)
    currencies: dict[str, Record] = field(default_factory=dict)
    categories: dict[str, Record] = field(default_factory=dict)
    attributes: dict[str, Record] = field(default_factory=dict)
    options: dict[str, dict[str, Record]] = field(default_factory=dict)
    families: dict[str, Record] = field(default_factory=dict)
    variants: dict[str, dict[str, Record]] = field(default_factory=dict)
    models: dict[str, Record] = field(default_factory=dict)
    products: dict[str, Record] = field(default_factory=dict)
    forbidden: set[str] = field(default_factory=set)  # kinds that the connection may not list
    hidden_categories: set[str] = field(default_factory=set)
    hidden_models: set[str] = field(default_factory=set)
    odd: list[Record] = field(default_factory=list)  # products that are given as they are, whatever is in them
    calls: Counter[str] = field(default_factory=Counter)
    paths: list[str] = field(default_factory=list)
    credentials: dict[str, str] = field(default_factory=CREDENTIALS.copy)
    issued: list[str] = field(default_factory=list)  # every token
    recorded: list[bytes] = field(default_factory=list)  # every request without the places of its secrets
    most_at_once: int = 0
    hold: threading.Event | None = None  # data calls wait for it

    def __post_init__(self) -> None:
        self.now = datetime(2026, 11, 20, 8, 0, tzinfo=timezone(timedelta(hours=self.offset_hours)))
        self._lock = threading.RLock()
        self._closed = threading.Event()
        self._faults: list[Fault] = []
        self._access: dict[str, int] = {}  # token -> calls left
        self._refresh: set[str] = set()
        self.token_calls = 1 << 30
        self._at_once = 0

    # ---- life

    def __enter__(self) -> FakeAkeneo:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._closed.set()
        self._server.shutdown()
        self._server.server_close()

    # ---- the operator's side

    def fail(self, kind: str, nth: int, what: int | str, times: int = 1) -> None:
        self._faults.append(Fault(kind, nth, what, times))

    def heal(self) -> None:
        self._faults.clear()
        self.calls.clear()

    def expire_tokens(self, *, refresh: bool = False) -> None:
        self._access.clear()
        if refresh:
            self._refresh.clear()

    def pass_time(self, **delta: float) -> None:
        self.now += timedelta(**delta)

    def put_product(self, record: Record) -> Record:
        parent = record.get("parent")
        if parent is not None and parent not in self.models:
            raise AssertionError(f"no model {parent}")
        key = record.get("uuid") or str(uuid.uuid4())
        old = self.products.get(key, {})
        self.products[key] = {
            "uuid": key, "enabled": True, "family": None, "categories": [], "groups": [], "parent": None, "values": {},
            "created": old.get("created", self._stamp()), **record, "updated": self._stamp(), "associations": {},
            "quantified_associations": {},
        }  # fmt: skip
        return self.products[key]

    def put_model(self, record: Record) -> Record:
        old = self.models.get(record["code"], {})
        self.models[record["code"]] = {
            "categories": [], "parent": None, "values": {}, "created": old.get("created", self._stamp()), **record,
            "updated": self._stamp(), "associations": {},
        }  # fmt: skip
        return self.models[record["code"]]

    def delete_product(self, key: str) -> None:
        del self.products[key]

    def _stamp(self) -> str:
        self.now += timedelta(seconds=1)
        return self.now.isoformat()

    # ---- the API's side

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        url = urlsplit(target)
        parts = [unquote(part) for part in url.path.strip("/").split("/")]
        params = dict(parse_qsl(url.query, keep_blank_values=True))
        with self._lock:
            kind = _kind(parts)
            self.calls[kind] += 1
            self.paths.append(target)
            shown = {name: value for name, value in headers.items() if name != "authorization"}
            self.recorded.append(json.dumps([method, target, shown]).encode() + (b"" if kind == "token" else body))
            strikes = [fault for fault in self._faults if fault.strikes(kind)]
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            many = self._at_once > AT_ONCE
        try:
            if self.hold is not None and kind != "token":
                self.hold.wait(10)
            if many:
                raise Refusal(429, "You have exceeded the limit of API requests.", {"Retry-After": "1"})
            what = strikes[0].what if strikes else None
            if what == "hang":
                self._closed.wait(60)
                raise ConnectionResetError
            if what == "echo":
                said = f"{headers.get('authorization')} {self.credentials['client_secret']} {body.decode()}"
                raise Refusal(422 if kind == "token" else 401, f"The access token provided is invalid: {said}")
            if isinstance(what, int):
                raise Refusal(what, _MESSAGES.get(what, "Something is wrong."), {"Retry-After": "2"} if what == 429 else {})
            with self._lock:
                found = self._token(headers, body) if kind == "token" else self._read(kind, method, parts, params, headers)
            return _spoiled(found, what)
        except Refusal as refusal:
            said = json.dumps({"code": refusal.status, "message": refusal.message}).encode()
            return refusal.status, {"Content-Type": "application/json", **refusal.headers}, said
        finally:
            with self._lock:
                self._at_once -= 1

    def _token(self, headers: Mapping[str, str], body: bytes) -> Record:
        wanted = base64.b64encode(f"{self.credentials['client_id']}:{self.credentials['client_secret']}".encode()).decode()
        if headers.get("authorization") != f"Basic {wanted}":
            raise Refusal(422, 'Parameter "client_id" is missing or does not match any client, or secret is invalid')
        asked = json.loads(body or b"{}")
        if asked.get("grant_type") == "refresh_token":
            if asked.get("refresh_token") not in self._refresh:
                raise Refusal(422, "Invalid refresh token")
        elif asked.get("grant_type") != "password":
            raise Refusal(422, 'Parameter "grant_type" is missing')
        elif (asked.get("username"), asked.get("password")) != (self.credentials["username"], self.credentials["password"]):
            raise Refusal(422, "No user found for the given username and password")
        access, refresh = secrets.token_hex(30), secrets.token_hex(30)
        self._access[access] = self.token_calls
        self._refresh.add(refresh)
        self.issued += [access, refresh]
        return {"access_token": access, "expires_in": 3600, "token_type": "bearer", "scope": None, "refresh_token": refresh}

    def _read(self, kind: str, method: str, parts: list[str], params: dict[str, str], headers: Mapping[str, str]) -> Record:
        token = headers.get("authorization", "").removeprefix("Bearer ")
        if self._access.get(token, 0) <= 0:
            raise Refusal(401, "The access token provided is invalid.")
        self._access[token] -= 1
        if method != "GET":
            raise Refusal(405, "No route found: Method Not Allowed")
        if kind in self.forbidden:
            raise Refusal(403, f"Access forbidden. You are not allowed to list {kind}.")
        if kind == "system-information":
            return {"version": self.version, "edition": "EE"}
        if kind == "product-model":
            found = self.models.get(parts[4])
            if found is None or parts[4] in self.hidden_models:
                raise Refusal(404, f'Product model "{parts[4]}" does not exist or you do not have permission to access it.')
            return found
        return self._list(kind, parts, params)

    def _list(self, kind: str, parts: list[str], params: dict[str, str]) -> Record:
        limit = _number(params, "limit", 10)
        if limit > MAX_LIMIT:
            raise Refusal(422, "You cannot request more than 100 items.")
        items = self._items(kind, parts, params)
        if params.get("pagination_type") == "search_after":
            return self._after(kind, items, limit, params)
        page = _number(params, "page", 1)
        if kind in ("products", "product-models") and page * limit > MAX_OFFSET:
            raise Refusal(422, 'You have reached the maximum number of pages you can retrieve with the "page" pagination type.')
        first = (page - 1) * limit
        found: Record = {"_links": {"self": self._href(params)}, "current_page": page}
        if first + limit < len(items):
            found["_links"]["next"] = self._href({**params, "page": str(page + 1), "limit": str(limit)})
        if params.get("with_count") == "true" and self.counts:
            found["items_count"] = len(items)
        return {**found, "_embedded": {"items": items[first : first + limit]}}

    def _after(self, kind: str, items: list[Record], limit: int, params: dict[str, str]) -> Record:
        if kind not in ("products", "product-models"):
            raise Refusal(422, "Pagination type is not supported.")
        key = "uuid" if kind == "products" else "code"
        if "page" in params:
            raise Refusal(422, 'Property "page" is not expected with search_after.')
        items = sorted(items, key=lambda item: str(item[key]))
        if "search_after" in params:
            try:
                last = base64.b64decode(params["search_after"], validate=True).decode()
            except ValueError:
                raise Refusal(422, "Search after is not valid.") from None
            items = [item for item in items if item[key] > last]
        found: Record = {"_links": {"self": self._href(params)}, "_embedded": {"items": items[:limit]}}
        if len(items) > limit:
            cursor = base64.b64encode(str(items[limit - 1][key]).encode()).decode()
            found["_links"]["next"] = self._href({**params, "search_after": cursor, "limit": str(limit)})
        return found

    def _href(self, params: Mapping[str, str]) -> Record:
        path = urlsplit(self.paths[-1]).path
        return {"href": f"{'' if self.relative_links else self.url}{path}?{urlencode(dict(params))}"}

    def _items(self, kind: str, parts: list[str], params: dict[str, str]) -> list[Record]:
        search = json.loads(params.get("search", "{}"))
        if kind in ("products", "product-models"):
            items = list(self.products.values() if kind == "products" else self.models.values())
            items = [item for item in items if self._seen(item)]
            if params.get("scope") in self.channels:
                tree = self.channels[params["scope"]]["category_tree"]
                items = [item for item in items if any(self._below(code, tree) for code in self._categories(item))]
            for name, conditions in search.items():
                for condition in conditions:
                    items = [item for item in items if self._matches(kind, item, name, condition)]
            return [*(self._shown(item, params) for item in items), *(self.odd if kind == "products" else ())]
        if kind == "options":
            if parts[4] not in self.attributes:
                raise Refusal(404, f'Attribute "{parts[4]}" does not exist.')
            return list(self.options.get(parts[4], {}).values())
        if kind == "variants":
            return list(self.variants.get(parts[4], {}).values())
        found: dict[str, Record] = getattr(self, kind)
        items = list(found.values())
        for condition in search.get("enabled", []):
            items = [item for item in items if item["enabled"] is condition["value"]]
        return items

    def _seen(self, item: Record) -> bool:
        if item.get("code") in self.hidden_models:
            return False
        return not item["categories"] or bool(set(item["categories"]) - self.hidden_categories)

    def _categories(self, item: Record) -> Iterable[str]:
        for one in (item, *self._above(item)):
            yield from one["categories"]

    def _below(self, code: str | None, tree: str) -> bool:
        while code is not None and code != tree:
            code = self.categories[code]["parent"]
        return code == tree

    def _matches(self, kind: str, item: Record, name: str, condition: Record) -> bool:
        operator, value = condition["operator"], condition.get("value")
        if name == "updated" and operator == ">":
            zone = self.now.tzinfo
            since = datetime.strptime(value, "%Y-%m-%d %H:%M:%S").replace(tzinfo=zone)
            own = [item, *self._above(item)] if self.inherits_updated and kind == "products" else [item]
            return any(datetime.fromisoformat(one["updated"]).replace(microsecond=0) > since for one in own)
        if name == "parent" and operator == "=" and kind == "products":
            if value not in self.models:
                raise Refusal(422, f'Object "product model" with code "{value}" does not exist')
            return any(one["code"] == value for one in self._above(item))
        if name == "parent" and operator == "IN":
            return item["parent"] in value
        if name == "parent" and operator == "EMPTY" and kind == "product-models":
            return item["parent"] is None
        if name == "uuid" and operator == "IN" and kind == "products":
            return item["uuid"] in value
        if name == "enabled" and operator in ("=", "!=") and kind == "products":
            return bool((item["enabled"] is value) == (operator == "="))
        raise Refusal(422, f'Filter on property "{name}" is not supported or does not support operator "{operator}"')

    def _above(self, item: Record) -> Iterable[Record]:
        parent = item["parent"]
        while parent is not None:
            model = self.models[parent]
            yield model
            parent = model["parent"]

    def _shown(self, item: Record, params: Mapping[str, str]) -> Record:
        scope = params.get("scope")
        if scope is not None and scope not in self.channels:
            raise Refusal(422, f'Scope "{scope}" does not exist.')
        wanted = params["attributes"].split(",") if "attributes" in params else None
        for code in wanted or ():
            if code not in self.attributes:
                raise Refusal(422, f'Attribute "{code}" does not exist. Check the expected format on the API documentation.')
        locales = params["locales"].split(",") if "locales" in params else None
        values = {}
        for code, entries in item["values"].items():
            kept = [
                entry for entry in entries
                if (scope is None or entry["scope"] in (scope, None)) and (locales is None or entry["locale"] in (*locales, None))
            ]  # fmt: skip
            if kept and (wanted is None or code in wanted):
                values[code] = kept
        kind = "products-uuid" if "uuid" in item else "product-models"
        link = {"self": {"href": f"{self.url}/api/rest/v1/{kind}/{item.get('uuid') or item['code']}"}}
        return {"_links": link, **item, "values": values}


_MESSAGES = {
    401: "The access token provided has expired.",
    403: "Access forbidden. You are not allowed to access the web API.",
    404: "Not found.",
    422: "Validation failed.",
    429: "You have exceeded the limit of API requests.",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
}


def _kind(parts: list[str]) -> str:
    if parts[:4] == ["api", "oauth", "v1", "token"]:
        return "token"
    if parts[:3] != ["api", "rest", "v1"] or len(parts) < 4:
        return "unknown"
    name = parts[3]
    if name == "products-uuid":
        return "products"
    if name == "product-models" and len(parts) == 5:
        return "product-model"
    if len(parts) == 6:
        return {"attributes": "options", "families": "variants"}.get(name, "unknown")
    return name


def _number(params: Mapping[str, str], name: str, default: int) -> int:
    text = params.get(name, str(default))
    if not text.isdigit() or int(text) < 1:
        raise Refusal(422, f'"{text}" is not a valid {name} number.')
    return int(text)


def _spoiled(found: Record, what: int | str | None) -> tuple[int, dict[str, str], bytes]:
    headers = {"Content-Type": "application/json"}
    if what == "empty":
        return 200, headers, b""
    if what == "html":
        return 200, {"Content-Type": "text/html"}, b"<html><body>Maintenance</body></html>"
    if what == "reset":
        raise ConnectionResetError
    if what == "items_missing":
        found = {key: value for key, value in found.items() if key != "_embedded"}
    if what == "foreign_link" and "next" in found.get("_links", {}):
        found["_links"]["next"]["href"] = "https://evil.example.com/api/rest/v1/products-uuid?search_after=x"
    body = json.dumps(found).encode()
    if what == "truncated":
        body = body[: len(body) // 2]
    if what == "cut":
        headers["X-Cut"] = "1"
    return 200, headers, body


def _handler(fake: FakeAkeneo) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 1 << 16  # head and body in one packet, else each answer waits for an acknowledgment

        def _do(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            try:
                status, headers, said = fake.answer(
                    self.command, self.path, {name.lower(): value for name, value in self.headers.items()}, body
                )
            except ConnectionResetError:
                self.close_connection = True
                return
            self.send_response_only(status)
            self.send_header("Date", format_datetime(fake.now.astimezone(timezone.utc), usegmt=True))
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            if "X-Cut" in headers:  # half of what the length promises
                said, self.close_connection = said[: len(said) // 2], True
            self.wfile.write(said)

        do_GET = do_POST = do_PATCH = do_DELETE = _do

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler
