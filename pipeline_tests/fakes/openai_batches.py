"""The Files and Batches part of the fake OpenAI server. A batch is answered when a test says so, and only then."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.parser import BytesParser
from itertools import count
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from pipeline_tests.fakes.openai_server import FakeOpenAI

Answer = tuple[int, dict[str, str], bytes]
_BODY_FIELDS = {"input_file_id", "endpoint", "completion_window", "metadata", "output_expires_after"}


@dataclass
class FakeBatches:
    """`there` False: a server without a Batch API. `refuse`: no key is taken. `hang_up`: the next batch is made, but its answer
    gets lost."""

    there: bool = True
    refuse: bool = False
    hang_up: bool = False
    files: dict[str, bytes] = field(default_factory=dict)
    batches: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: What a test wants of a line: its place in the file -> `missing`, or a status.
    odd: dict[int, str | int] = field(default_factory=dict)
    _numbers: Any = field(default_factory=lambda: count(1))
    _server: Any = None

    def get(self, path: str) -> Answer | None:
        if self.refuse:
            return self._refused()
        parts = urlsplit(path)
        name = parts.path.removeprefix("/v1/")
        if name == "batches":
            query = parse_qs(parts.query)
            every = list(reversed(self.batches.values()))
            after = query.get("after", [""])[0]
            start = next((number for number, each in enumerate(every, 1) if each["id"] == after), 0)
            page = every[start : start + 2]  # small, whatever was asked for
            return _json({"object": "list", "data": page, "has_more": start + 2 < len(every)})
        kind, _, rest = name.partition("/")
        if kind == "batches" and rest in self.batches:
            return _json(self.batches[rest])
        file = rest.removesuffix("/content")
        if kind == "files" and file in self.files:
            return 200, {}, self.files[file]
        return _json({"error": {"message": "not found"}}, 404)

    def post(self, path: str, content: bytes, headers: Mapping[str, str], server: FakeOpenAI) -> Answer | None:
        self._server = server
        if self.refuse:
            return self._refused()
        if not self.there or path not in ("/v1/files", "/v1/batches"):
            return _json({"error": {"message": "not found"}}, 404)
        if path == "/v1/files":
            form = BytesParser().parsebytes(f"Content-Type: {headers['Content-Type']}\r\n\r\n".encode() + content)
            parts = {
                part.get_param("name", header="content-disposition"): part.get_payload(decode=True) for part in form.get_payload()
            }  # type: ignore[union-attr]
            assert parts["purpose"] == b"batch"
            name = f"file-{next(self._numbers)}"
            self.files[name] = parts["file"]  # type: ignore[assignment]
            return _json(
                {
                    "id": name,
                    "object": "file",
                    "bytes": len(self.files[name]),
                    "created_at": 1,
                    "filename": "x",
                    "purpose": "batch",
                    "status": "processed",
                }
            )
        body = json.loads(content)
        lines = [json.loads(line) for line in self.files[body["input_file_id"]].splitlines()]
        ids = [line["custom_id"] for line in lines]
        if set(body) - _BODY_FIELDS or len(set(ids)) != len(ids) or not lines:
            return _json({"error": {"message": "invalid batch"}}, 400)
        batch = {
            "id": f"batch_{next(self._numbers)}", "object": "batch", "endpoint": body["endpoint"], "created_at": 1,
            "input_file_id": body["input_file_id"], "completion_window": "24h", "status": "validating", "errors": None,
            "metadata": body["metadata"], "output_file_id": None, "error_file_id": None,
        }  # fmt: skip
        self.batches[batch["id"]] = batch
        if self.hang_up:
            self.hang_up = False
            return None
        return _json(batch)

    def _refused(self) -> Answer:
        return _json({"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}}, 401)

    def end(self, status: str = "completed", share: float = 1.0) -> None:
        """Answer a share of the lines of every open batch, in another order, and end it."""
        for batch in self.batches.values():
            if batch["status"] not in ("validating", "in_progress"):
                continue
            batch["status"] = status
            if status == "failed":
                batch["errors"] = {"object": "list", "data": [{"code": "invalid", "message": "The file\nis no good"}]}
                continue
            lines = [json.loads(line) for line in self.files[batch["input_file_id"]].splitlines()]
            good, bad = list[dict[str, Any]](), list[dict[str, Any]]()
            for place, line in enumerate(lines[: max(1, int(len(lines) * share))]):
                odd = self.odd.get(place)
                if odd == "missing":
                    continue
                answer = self._server.reply({"Authorization": f"Bearer {_key()}"}, line["body"])
                code, body = (
                    (answer[0], json.loads(answer[2])) if not isinstance(odd, int) else (odd, {"error": {"message": "no"}})
                )
                said = {"custom_id": line["custom_id"], "response": {"status_code": code, "body": body}, "error": None}
                (good if code == 200 else bad).append(said)
            for kind, found in (("output", good), ("error", bad)):
                if found:
                    name = f"file-{next(self._numbers)}"
                    text = "\n".join(json.dumps(each) for each in reversed(found))
                    self.files[name] = f"{text}\nno json\n".encode()
                    batch[f"{kind}_file_id"] = name


def _key() -> str:
    from pipeline_tests.fakes.openai_server import KEY

    return KEY


def _json(body: Any, status: int = 200) -> Answer:
    return status, {}, json.dumps(body).encode()
