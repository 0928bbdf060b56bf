"""Handing in questions as batches: each question is reserved and noted before the server gets it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import uuid4

import psycopg
from psycopg.types.json import Jsonb

from pipeline.language.asking.batch_api import MAX_BYTES, MAX_REQUESTS, BatchApi, BatchesRefused, NoBatches
from pipeline.language.asking.batches import Request, forget, lock_of
from pipeline.language.asking.client import Prompt, request_body
from pipeline.language.asking.ledger import Account, BudgetExhausted, reserve
from pipeline.language.asking.prices import Price
from pipeline.model.errors import PipelineError
from pipeline.settings import ModelEndpoint


def post(
    connection: psycopg.Connection[Any],
    endpoint: ModelEndpoint,
    price: Price,
    account: Account,
    task: str,
    requests: Iterable[Request],
) -> tuple[set[str], PipelineError | None]:
    """Hand in requests: the keys of those that were, and why it was not all; a server that fails is no error.

    A server without a Batch API takes none, and nothing is said: the rest is to be asked directly."""
    posted: set[str] = set()
    stopped: PipelineError | None = None
    left = iter(requests)
    request = next(left, None)
    if request is None:
        return posted, stopped
    with BatchApi(endpoint) as api:
        while request is not None and stopped is None:  # one file after the other
            run_key = uuid4().hex
            lines, taken, size = list[bytes](), list[tuple[Request, int]](), 0
            # Held until the id is noted, so that nobody takes a batch that is on its way for a lost one.
            connection.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", (lock_of(run_key),))
            try:
                while request is not None and len(lines) < MAX_REQUESTS:
                    line = _line(endpoint, request.prompt, f"{run_key}-{len(lines)}")
                    if lines and size + len(line) > MAX_BYTES:
                        break
                    try:
                        worst = price.most(request.prompt.most_tokens, request.prompt.max_tokens)
                        call = reserve(connection, account, worst, task=task, model=endpoint.model).call_id
                    except BudgetExhausted as error:
                        stopped = error
                        break
                    size += len(line)
                    lines.append(line)
                    taken.append((request, call))
                    request = next(left, None)
                if not lines:
                    break
                _note(connection, account, endpoint, task, run_key, b"".join(lines), taken)
                try:
                    batch_id = api.send(b"".join(lines), run_key)
                except NoBatches:
                    forget(connection, run_key, "the server has no Batch API")
                    return posted, None
                except BatchesRefused as refused:
                    forget(connection, run_key, str(refused))
                    return posted, refused
                except PipelineError as error:  # it may be there, and is looked for when batches are polled
                    return posted, error
                connection.execute(
                    "UPDATE language_batches SET batch_id = %s, status = 'sent' WHERE run_key = %s", (batch_id, run_key)
                )
            finally:
                connection.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", (lock_of(run_key),))
            posted.update(key for one, _ in taken for key in one.keys)
    return posted, stopped


def _line(endpoint: ModelEndpoint, prompt: Prompt, custom_id: str) -> bytes:
    body = request_body(endpoint, prompt, endpoint.structured_mode)
    line = {"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": body}
    return json.dumps(line, ensure_ascii=False).encode() + b"\n"


def _note(
    connection: psycopg.Connection[Any],
    account: Account,
    endpoint: ModelEndpoint,
    task: str,
    run_key: str,
    content: bytes,
    taken: Sequence[tuple[Request, int]],
) -> None:
    with connection.transaction():
        connection.execute(
            "INSERT INTO language_batches (run_key, store_id, site, task, model, base_url, sha256, requests)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            (
                run_key, account.store_id, account.site, task, endpoint.model, endpoint.base_url,
                hashlib.sha256(content).hexdigest(), len(taken),
            ),
        )  # fmt: skip
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO language_batch_requests (custom_id, run_key, keys, about, product_ids, call_id)"
                " VALUES (%s, %s, %s, %s, %s, %s)",
                [
                    (f"{run_key}-{number}", run_key, list(one.keys), Jsonb(list(one.about)), list(one.product_ids), call)
                    for number, (one, call) in enumerate(taken)
                ],
            )
