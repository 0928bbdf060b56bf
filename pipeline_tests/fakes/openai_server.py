"""A loopback server of the OpenAI chat protocol that translates: real HTTP, a request log, and the failures of real servers.

It enforces what it is given: key, model, the answer's schema, the token limit (a longer answer is cut off). Its "translations"
are made by rule and keep whatever a good translator keeps, so that they pass guards; `say` makes it answer something else.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from pipeline_tests.fakes.openai_batches import FakeBatches

KEY, MODEL = "sk-test-5f0c2b7e91", "gpt-6-luna"
_KEPT = re.compile(r"⟦\d+⟧|<[^>]*>|&\w+;|[^\W\d_]+|\d{1,3}(?:,\d{3})+(?!\d)")
_COMMAS = {"en", "ar", "hi", "ja", "ko", "th", "zh"}  # languages that write 1,000; others 1.000
_ALPHABETS = {
    "ja": "あいうえおかきくけこ",
    "zh": "的一是不了人我在有他",
    "ru": "абвгдежзик",
    "ko": "가나다라마바사아자차",
    "ar": "ابتثجحخدذر",
}

#: From the item of a prompt and the target language to its text.
Say = Callable[[Mapping[str, Any], str], "str | None"]


@dataclass
class Fault:
    """What happens to the next `times` requests whose body contains `text`. `times` None: to all."""

    kind: str  # status | malformed | refuse | truncate | disconnect | empty | echo
    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    times: int | None = 1


@dataclass
class FakeOpenAI:
    """What the server is told and what it saw. `answered` counts replies that cost money, `tokens` what they used."""

    url: str = ""
    say: Say = lambda item, locale: translated(item, locale)
    #: From the content of a question about a product to the texts that are proposed.
    write: Callable[[Mapping[str, Any]], Any] = lambda asked: {}
    #: An order that the model obeys, if a request has it, and what it then writes beside each of the texts there.
    obeys: tuple[str, str] | None = None
    schemas: bool = True  # False: response_format json_schema is a 400
    usage: bool = True
    key: str = KEY
    recorded: list[bytes] = field(default_factory=list)  # every request but for its authorization
    faults: list[Fault] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    answered: int = 0
    tokens: list[tuple[int, int]] = field(default_factory=list)
    busiest: int = 0
    batches: FakeBatches = field(default_factory=lambda: FakeBatches())
    _busy: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def fail(
        self, status: int, *, times: int | None = 1, text: str = "", error: Mapping[str, Any] | None = None, **headers: str
    ) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.faults.append(Fault("status", status, {"error": dict(error or {"message": "no"})}, named, text, times))

    def spoil(self, kind: str, *, times: int | None = 1, text: str = "") -> None:
        self.faults.append(Fault(kind, text=text, times=times))

    def clear(self) -> None:
        self.requests.clear()
        self.faults.clear()

    @property
    def items(self) -> list[dict[str, Any]]:
        """All items that were asked for, in order."""
        return [item for request in self.requests for item in json.loads(request["messages"][-1]["content"])["items"]]

    def environment(self) -> dict[str, str]:
        return {"LLM_BASE_URL": self.url, "LLM_API_KEY": self.key, "LLM_MODEL": MODEL}

    def reply(self, headers: Mapping[str, str], body: dict[str, Any]) -> tuple[int, dict[str, str], bytes] | None:
        """Status, headers and body; None hangs up."""
        with self._lock:
            self.requests.append(body)
            shown = {name: value for name, value in headers.items() if name.lower() != "authorization"}
            self.recorded.append(json.dumps([shown, body], ensure_ascii=False).encode())
            fault = next((f for f in self.faults if f.text in json.dumps(body, ensure_ascii=False)), None)
            if fault is not None and fault.times is not None:
                fault.times -= 1
                if fault.times == 0:
                    self.faults.remove(fault)
        if fault is not None and fault.kind == "echo":  # as some gateways do
            return (
                401,
                {},
                json.dumps({"error": {"message": f"Incorrect API key provided: {headers.get('Authorization')}"}}).encode(),
            )
        refused = self._refused(headers, body)
        if refused:
            return refused[0], {}, json.dumps({"error": refused[1]}).encode()
        if fault is not None and fault.kind == "status":
            return fault.status, dict(fault.headers), json.dumps(fault.body).encode()
        if fault is not None and fault.kind == "disconnect":
            return None
        content = self._content(body)
        prompt, completion = len(json.dumps(body["messages"])) // 4, max(1, len(content.encode()) // 3)
        reason, message = "stop", {"role": "assistant", "content": content}
        if fault is not None and fault.kind == "refuse":
            message, completion = {"role": "assistant", "content": None, "refusal": "I cannot help with that."}, 8
        elif fault is not None and fault.kind == "malformed":
            message["content"] = content[: len(content) // 2] + "]]"
        elif fault is not None and fault.kind == "empty":
            message["content"] = '{"items": []}'
        most = body.get("max_completion_tokens", body.get("max_tokens", 10**6))
        if (fault is not None and fault.kind == "truncate") or completion > most:
            reason, completion = "length", min(completion, most)
            message["content"] = content[: len(content) // 2]
        with self._lock:
            self.answered += 1
            self.tokens.append((prompt, completion))
        usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
        data = {
            "id": f"chatcmpl-{self.answered}", "object": "chat.completion", "created": 1, "model": body["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": reason}],
        }  # fmt: skip
        return 200, {}, json.dumps(data | ({"usage": usage} if self.usage else {})).encode()

    def _refused(self, headers: Mapping[str, str], body: Mapping[str, Any]) -> tuple[int, dict[str, str]] | None:
        if headers.get("Authorization") != f"Bearer {self.key}":
            return 401, {"message": f"Incorrect API key provided: {headers.get('Authorization')}", "code": "invalid_api_key"}
        if body.get("model") != MODEL:
            return 404, {"message": "The model does not exist", "code": "model_not_found"}
        unknown = set(body) - {"model", "messages", "response_format", "max_completion_tokens", "max_tokens"}
        if unknown:
            return 400, {"message": f"Unrecognized request argument supplied: {sorted(unknown)[0]}"}
        kind = (body.get("response_format") or {}).get("type")
        if kind == "json_schema" and not self.schemas:
            return 400, {"message": "'response_format.type' must be 'json_object' or 'text'", "param": "response_format"}
        return None

    def _content(self, body: Mapping[str, Any]) -> str:
        asked = json.loads(body["messages"][-1]["content"])
        if "product" in asked:
            empty = {"title": "", "description": "", "bullets": [], "keywords": [], "reason": ""}
            return json.dumps({**empty, **self.write(asked)}, ensure_ascii=False)
        locale = asked["to"].rpartition("(")[2].rstrip(")")
        said = [{"id": item["id"], "text": self.say(item, locale)} for item in asked["items"]]
        if self.obeys is not None and self.obeys[0] in body["messages"][-1]["content"]:
            said = [{**item, "text": f"{item['text']} {self.obeys[1]}"} for item in said]
        return json.dumps({"items": [item for item in said if item["text"] is not None]}, ensure_ascii=False)

    @contextmanager
    def busy(self) -> Iterator[None]:
        with self._lock:
            self._busy += 1
            self.busiest = max(self.busiest, self._busy)
        try:
            yield
        finally:
            with self._lock:
                self._busy -= 1


def source_of(item: Mapping[str, Any]) -> str:
    """The source text of an item that a translator of its form works from."""
    if "text" in item:
        return str(item["text"])
    return str(item["singular"] if item["numbers"] == "1" else item["general"])


_UNITS = frozenset(["ml", "l", "cl", "g", "kg", "mg", "mm", "cm", "m", "km", "oz", "lb", "W", "V", "Hz", "GB"])


def translated(item: Mapping[str, Any], locale: str) -> str:
    """Every word of an English text replaced; what is no word, and units, kept; thousands as the language writes them."""
    letters = _ALPHABETS.get(locale.split("-")[0], "")

    def word(match: re.Match[str]) -> str:
        text = match[0]
        if text[0].isdigit():
            return text if locale.split("-")[0] in _COMMAS else text.replace(",", ".")
        if not text[0].isalpha() or (text in _UNITS and match.string[: match.start()].rstrip()[-1:].isdigit()):
            return text
        return "".join(letters[ord(c) % len(letters)] for c in text) if letters else f"{text}o"

    return _KEPT.sub(word, source_of(item))


@contextmanager
def running(fake: FakeOpenAI) -> Iterator[FakeOpenAI]:
    """The server on a port of its own, in threads of this process."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._say(fake.batches.get(self.path))

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path != "/v1/chat/completions":
                self._say(fake.batches.post(self.path, content, self.headers, fake))
                return
            with fake.busy():
                self._say(fake.reply(self.headers, json.loads(content)))

        def _say(self, answer: tuple[int, dict[str, str], bytes] | None) -> None:
            if answer is None:
                self.close_connection = True
                self.connection.close()
                return
            status, headers, content = answer
            self.send_response(status)
            for name, value in {**headers, "Content-Type": "application/json", "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    fake.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
