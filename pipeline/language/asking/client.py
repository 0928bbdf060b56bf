"""One request to a language model over the OpenAI protocol, and what its answer means. No retries, money or texts here.

Any server that has /chat/completions will do. What servers differ in is found out as they refuse: the way to ask for JSON
(json_schema, json_object, only the prompt), the name of the token limit, and whether reasoning can be switched off.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from pipeline.language.asking.prices import Usage
from pipeline.settings import STRUCTURED_MODES, ModelEndpoint

if TYPE_CHECKING:
    import openai

TIMEOUT_SECONDS = 120.0
_MAX_ANSWER = 4_000_000
#: An upper bound of what the chat format and the answer's schema add to the prompt, in tokens.
_OVERHEAD = 200
#: By the status of a refusal that holds for every request: what to change.
_UNUSABLE = {
    401: "its key is refused, set LLM_API_KEY to one that is taken",
    402: "the account has no credit left, add some or set another LLM_API_KEY",
    403: "its key may not use it, set another LLM_API_KEY or LLM_MODEL",
    404: "there is no such model or address, set LLM_MODEL or LLM_BASE_URL",
}
#: Fields that a server may refuse, and then are not sent again.
_OPTIONAL = {"max_completion_tokens", "max_tokens", "reasoning_effort"}

Kind = Literal[
    "ok",  # `value` is the JSON that the model answered
    "refused",  # by the model or a content filter
    "truncated",  # the answer was longer than allowed
    "invalid",  # not JSON, or not the answer of a model at all
    "bad_request",  # the server does not take this content
    "unsupported",  # the server does not take how it was asked; asked differently it may
    "overloaded",  # try again later: 408, 409, 429, 5xx, or no connection
    "lost",  # it is not known whether the server worked on it
    "unusable",  # no call can succeed: key, model or credit; `detail` says what to change
]


@dataclass(frozen=True)
class Prompt:
    """One request. `schema` describes the JSON of the answer, `max_tokens` bounds its length."""

    instructions: str
    content: str
    schema: Mapping[str, Any]
    max_tokens: int

    @property
    def most_tokens(self) -> int:
        """No tokenizer makes more tokens than there are bytes."""
        return len((self.instructions + self.content + json.dumps(self.schema)).encode()) + _OVERHEAD


@dataclass(frozen=True)
class Reply:
    """How a request ended. `usage` is there when the server worked on it; `detail` is a short sentence without secrets; `failed`
    when the server said that it failed (5xx), and not when to come back."""

    kind: Kind
    value: Any = None
    usage: Usage | None = None
    detail: str = ""
    retry_after: float | None = None
    failed: bool = False

    @property
    def in_doubt(self) -> bool:
        """No answer, and what was asked may be the reason: some text that the server cannot take."""
        return self.failed or self.kind == "lost"


@dataclass
class ModelClient:
    """A client for one event loop; an asynchronous context manager."""

    endpoint: ModelEndpoint
    mode: str = ""
    _without: set[str] = field(default_factory=set)  # optional fields that the server refused
    _openai: openai.AsyncOpenAI | None = None

    async def __aenter__(self) -> ModelClient:
        import openai

        for name in ("openai", "httpx2", "httpcore2"):  # they would log addresses and texts
            logging.getLogger(name).setLevel(logging.ERROR)
        self.mode = self.mode or self.endpoint.structured_mode
        # Everything is given, so that no variable of another program sends texts elsewhere or spends on another account.
        self._openai = openai.AsyncOpenAI(
            api_key=self.endpoint.api_key.reveal() or "not-needed",
            base_url=self.endpoint.base_url,
            organization="",
            project="",
            webhook_secret="",
            max_retries=0,  # each attempt is reserved and booked by itself
            timeout=TIMEOUT_SECONDS,
            http_client=openai.DefaultAsyncHttpxClient(follow_redirects=False, trust_env=not self.endpoint.local),
        )
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._openai is not None:
            await self._openai.close()

    async def ask(self, prompt: Prompt) -> Reply:
        """One request, once. Every way it can end is a Reply."""
        import openai

        if self._openai is None:
            raise RuntimeError("the client is not open")
        mode = self.mode
        body = request_body(self.endpoint, prompt, mode, self._without)
        try:
            raw = await self._openai.chat.completions.with_raw_response.create(**body)
            return read_answer(raw.text)
        except openai.APITimeoutError:
            return Reply("lost", detail=f"no answer within {TIMEOUT_SECONDS:.0f} seconds")
        except openai.APIConnectionError as error:
            cause = type(error.__cause__).__name__
            sent = cause not in ("ConnectError", "ConnectTimeout", "PoolTimeout", "UnsupportedProtocol")
            return Reply("lost" if sent else "overloaded", detail="the connection broke" if sent else "no connection")
        except openai.APIStatusError as error:
            return self._refusal(error, mode, set(body))
        except openai.OpenAIError as error:
            return Reply("lost", detail=type(error).__name__)

    def degrade(self, mode: str) -> bool:
        """Ask for JSON in the next simpler way, if `mode` is still the one in use; False when there is none."""
        if self.mode == mode and mode != STRUCTURED_MODES[-1]:
            self.mode = STRUCTURED_MODES[STRUCTURED_MODES.index(mode) + 1]
        return self.mode != mode

    def _refusal(self, error: openai.APIStatusError, mode: str, sent: set[str]) -> Reply:
        from pipeline.platform.http import redact, retry_after

        status, code = error.status_code, str(error.code or error.type or "")
        said = redact(error.message or "", filter(None, [self.endpoint.api_key.reveal()]))[:120]
        detail = f"HTTP {status}{f' {code}' if code else ''}: {said}"
        if (why := unusable(self.endpoint, status, code, detail)) is not None:
            return Reply("unusable", detail=why)
        if status in (408, 409, 429) or status >= 500:
            pause = retry_after(error.response.headers)
            return Reply("overloaded", detail=f"HTTP {status}", retry_after=pause, failed=status >= 500 and pause is None)
        if status == 400:
            about = f"{error.param or ''} {error.message}".lower()
            refused = next((name for name in sorted(sent & _OPTIONAL) if name in about), None)
            if refused is not None:
                self._without.add(refused)
                return Reply("unsupported", detail=detail)
            if re.search(r"response_format|json_schema|json_object|structured|grammar", about) and self.degrade(mode):
                return Reply("unsupported", detail=detail)
        return Reply("bad_request", detail=detail)


def unusable(endpoint: ModelEndpoint, status: int, code: str, detail: str) -> str | None:
    """The sentence for a refusal that means that no call can succeed, and what to change; None for any other."""
    change = _UNUSABLE[402] if status == 429 and "quota" in code else _UNUSABLE.get(status)
    return None if change is None else f"the model {endpoint.model} cannot be used ({detail}): {change}"


def request_body(endpoint: ModelEndpoint, prompt: Prompt, mode: str, without: Collection[str] = ()) -> dict[str, Any]:
    """The body of a request, for one alone or in a batch; `without` are optional fields that the server does not know."""
    shape = "" if mode == "json_schema" else f"\nAnswer with JSON of this schema and nothing else:\n{json.dumps(prompt.schema)}"
    body: dict[str, Any] = {
        "model": endpoint.model,
        "messages": [
            {"role": "system", "content": prompt.instructions + shape},
            {"role": "user", "content": prompt.content},
        ],
        **_format(prompt, mode),
    }
    limit = next((name for name in ("max_completion_tokens", "max_tokens") if name not in without), None)
    if limit is not None:
        body[limit] = prompt.max_tokens
    if urlsplit(endpoint.base_url).hostname == "api.openai.com" and "reasoning_effort" not in without:
        body["reasoning_effort"] = "none"  # hidden reasoning would be most of the bill
    return body


def _format(prompt: Prompt, mode: str) -> dict[str, Any]:
    if mode == "json_schema":
        named = {"name": "answer", "schema": prompt.schema, "strict": True}
        return {"response_format": {"type": "json_schema", "json_schema": named}}
    return {"response_format": {"type": "json_object"}} if mode == "json_object" else {}


def read_answer(body: str) -> Reply:
    """The meaning of a body with status 200. Nothing in it is trusted: servers differ, and proxies answer too."""
    try:
        data = json.loads(body[:_MAX_ANSWER])
        choice = data["choices"][0]
        message = choice.get("message") or {}
        content, reason = message.get("content") or "", str(choice.get("finish_reason") or "")
        if not isinstance(content, str):
            raise TypeError("the content is not a text")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return Reply("invalid", detail="the answer is not a chat completion")
    usage = _usage(data.get("usage"))
    if message.get("refusal") or reason == "content_filter":
        return Reply("refused", usage=usage, detail="the model refused")
    if reason == "length":
        return Reply("truncated", usage=usage, detail="the answer was cut off at the token limit")
    try:
        return Reply("ok", value=_json(content), usage=usage)
    except (ValueError, RecursionError):
        return Reply("invalid", usage=usage, detail="the answer is not JSON")


def _json(content: str) -> Any:
    """JSON as models write it: also after their thoughts, in a code fence, or with words around it."""
    text = content.rpartition("</think>")[2].strip()
    try:
        return json.loads(text)
    except ValueError:
        return json.loads(text[text.index("{") : text.rindex("}") + 1])


def _usage(found: Any) -> Usage | None:
    if not isinstance(found, Mapping):
        return None
    details = found.get("prompt_tokens_details")
    details = details if isinstance(details, Mapping) else {}
    prompt, completion = _count(found.get("prompt_tokens")), _count(found.get("completion_tokens"))
    cached, written = _count(details.get("cached_tokens")), _count(details.get("cache_write_tokens"))
    if not prompt or completion is None:
        return None
    return Usage(prompt, completion, min(cached or 0, prompt), min(written or 0, prompt - min(cached or 0, prompt)))


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**9 else None
