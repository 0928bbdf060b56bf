"""The Batch API of an OpenAI-compatible server: a file of requests that is answered within a day at a lower price.

Only the protocol is here; what is asked and paid is in `batches`. Facts: OpenAI's API reference, "Batch" and "Files".
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any

from pipeline.language.asking.client import unusable
from pipeline.model.errors import PipelineError
from pipeline.settings import ModelEndpoint

if TYPE_CHECKING:
    import openai

#: Of one file, by the API reference: 50,000 requests and 200 MB.
MAX_REQUESTS, MAX_BYTES = 50_000, 200_000_000
ENDED = ("completed", "failed", "expired", "cancelled")
#: How long the server keeps the answers.
_KEPT_SECONDS = 7 * 86_400
_TIMEOUT_SECONDS = 300.0
_MAX_PAGES = 50
_MAX_LINE = 8_000_000


class NoBatches(PipelineError):
    """The server has no Batch API."""


class BatchesRefused(PipelineError):
    """The server takes no request from us: key, or credit. What was sent is not there."""


class BatchGone(PipelineError):
    """The server does not know this batch."""


@dataclass(frozen=True)
class BatchState:
    """What the server says of a batch. `files` hold answers and errors, also of one that ended early."""

    id: str
    status: str
    files: tuple[str, ...]
    problem: str | None


class BatchApi:
    """A context manager; nothing is retried by itself."""

    def __init__(self, endpoint: ModelEndpoint) -> None:
        import openai

        for name in ("openai", "httpx2", "httpcore2"):
            logging.getLogger(name).setLevel(logging.ERROR)
        self.endpoint = endpoint
        self._openai = openai.OpenAI(
            api_key=endpoint.api_key.reveal() or "not-needed",
            base_url=endpoint.base_url,
            organization="",
            project="",
            webhook_secret="",
            max_retries=0,
            timeout=_TIMEOUT_SECONDS,
            http_client=openai.DefaultHttpxClient(follow_redirects=False, trust_env=not endpoint.local),
        )

    def __enter__(self) -> BatchApi:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._openai.close()

    def send(self, content: bytes, run_key: str) -> str:
        """Hand in a file of requests; the batch's id. Raises NoBatches, BatchesRefused, and PipelineError when it is not known to
        be there."""
        import openai

        try:
            file = self._openai.files.create(file=(f"{run_key}.jsonl", content), purpose="batch")
            batch = self._openai.batches.create(
                input_file_id=file.id,
                endpoint="/v1/chat/completions",
                completion_window="24h",
                metadata={"run_key": run_key},
                output_expires_after={"anchor": "created_at", "seconds": _KEPT_SECONDS},
            )
        except (openai.NotFoundError, openai.APIStatusError) as error:
            if error.status_code in (404, 405, 501):
                raise NoBatches(f"{self.endpoint.base_url} has no Batch API") from None
            raise self._failed(error) from None
        except openai.OpenAIError as error:
            raise self._failed(error) from None
        return batch.id

    def find(self, run_key: str) -> str | None:
        """The id of the batch with this key in its metadata."""
        import openai

        after: Any = openai.omit
        try:
            for _ in range(_MAX_PAGES):
                page = self._openai.batches.list(limit=100, after=after)
                for batch in page.data:
                    if (batch.metadata or {}).get("run_key") == run_key:
                        return batch.id
                if not page.has_more or not page.data:
                    return None
                after = page.data[-1].id
        except openai.OpenAIError as error:
            raise self._failed(error) from None
        raise PipelineError(f"{self.endpoint.base_url} has too many batches to look for one; delete old ones there")

    def state(self, batch_id: str) -> BatchState:
        """Raises BatchGone when the server does not know it."""
        import openai

        try:
            found = self._openai.batches.retrieve(batch_id)
        except openai.NotFoundError:
            raise BatchGone(f"the server does not know the batch {batch_id} any more") from None
        except openai.OpenAIError as error:
            raise self._failed(error) from None
        errors = found.errors.data if found.errors is not None else None
        problem = (errors[0].message or errors[0].code or None) if errors else None
        files = tuple(file for file in (found.output_file_id, found.error_file_id) if file)
        return BatchState(found.id, found.status, files, problem and " ".join(problem.split())[:200])

    def lines(self, file_id: str) -> Iterator[Mapping[str, Any]]:
        """The JSON objects of a file, one a line; what is none is passed over, and its request was not answered then."""
        import openai

        try:
            with self._openai.files.with_streaming_response.content(file_id) as answer:
                for line in answer.iter_lines():
                    try:
                        found = json.loads(line[:_MAX_LINE])
                    except (ValueError, RecursionError):
                        continue
                    if isinstance(found, dict):
                        yield found
        except openai.OpenAIError as error:
            raise self._failed(error) from None

    def _failed(self, error: openai.OpenAIError) -> PipelineError:
        from pipeline.platform.http import redact

        status, body = getattr(error, "status_code", 0), getattr(error, "body", None)
        message = body.get("message") if isinstance(body, Mapping) else None
        said = f"HTTP {status}{f': {message}' if message else ''}" if status else str(error)
        said = redact(said, filter(None, [self.endpoint.api_key.reveal()]))[:120]
        code = str(getattr(error, "code", None) or getattr(error, "type", None) or "")
        if (why := unusable(self.endpoint, status, code, said)) is not None:
            return BatchesRefused(why)
        return PipelineError(f"the Batch API of {self.endpoint.model} failed ({said}); it is tried again later")
