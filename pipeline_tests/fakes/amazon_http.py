"""What the parts of the fake Amazon share: calls, replies, refusals and planned faults."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

#: (method, pattern of the path as it comes in, name)
Operation = tuple[str, str, str]


@dataclass
class Fault:
    """The next `times` calls of an operation. `lost`: carried out, but the answer never arrives; `refused`: the connection
    breaks before anything happened; `hang`: no answer, nothing done; `garbage`: carried out, the answer is no JSON; `echo`:
    refused, and the secret of the request repeated; a number: that status, nothing done. `after` so many calls that go well."""

    operation: str
    kind: str | int
    times: int = 1
    code: str = "InternalFailure"
    after: int = 0


@dataclass
class Reply:
    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


class Refused(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.reply = Reply(status, {"errors": [{"code": code, "message": message, "details": ""}]})


@dataclass(frozen=True)
class Call:
    operation: str
    parts: tuple[str, ...]  # what the pattern caught, decoded
    method: str
    path: str  # as it came in
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes

    @classmethod
    def of(cls, known: Iterable[Operation], method: str, target: str, headers: dict[str, str], body: bytes) -> Call:
        parts = urlsplit(target)
        for verb, pattern, name in known:
            if verb == method and (match := re.fullmatch(pattern, parts.path)):
                caught = tuple(map(unquote, match.groups()))
                return cls(name, caught, method, parts.path, parse_qs(parts.query), headers, body)
        return cls("", (), method, parts.path, {}, headers, body)

    @property
    def key(self) -> str:
        """The last part of the path."""
        return self.parts[-1]

    @property
    def limit(self) -> str:
        """Whose rate limit counts: that of the operation, or of previews."""
        return "VALIDATION_PREVIEW" if self.query.get("mode") == ["VALIDATION_PREVIEW"] else self.operation

    @property
    def json(self) -> Any:
        return json.loads(self.body) if self.body else None

    def told(self) -> bytes:
        """All of it but for where a secret has its place."""
        headers = {name: value for name, value in self.headers.items() if name != "x-amz-access-token"}
        query = {} if self.operation in ("upload", "download") else self.query  # the signature's place
        return json.dumps([self.method, self.path, query, headers]).encode() + (b"" if self.operation == "token" else self.body)
