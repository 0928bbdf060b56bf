"""Questions in batches: handed in by one run, collected by polling, read by the next run of what asked.

Reserved and written down before a file leaves; the server's id is written down right after. A batch whose id was never noted is
looked for by its key before its questions are asked again. An answer is settled in the transaction that keeps it, and then read
by the same code that reads answers of single requests; what is wrong with it is asked again by single requests.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from pipeline.language import prompts
from pipeline.language.batch_api import ENDED, MAX_BYTES, MAX_REQUESTS, BatchApi, BatchGone, NoBatches
from pipeline.language.client import Prompt, Reply, read_answer, request_body
from pipeline.language.ledger import Account, BudgetExhausted, Reservation, release, reservation_of, reserve, settle
from pipeline.language.plan import Item, Plan, packs
from pipeline.language.prices import Price, Usage
from pipeline.language.segments import Result
from pipeline.model.errors import PipelineError
from pipeline.platform.locks import is_locked
from pipeline.settings import ModelEndpoint

_KEPT_DAYS = 30
#: In place of an answer: the batch ended without one, so the question is open. Kept to know what a batch was asked.
_LEFT = Jsonb({"kind": "left"})
_COLUMNS = "run_key, store_id, task, model, base_url, requests, batch_id, status, problem, created_at, polled_at, ended_at"


@dataclass(frozen=True)
class Batch:
    """A row of `language_batches`."""

    run_key: str
    store_id: UUID
    task: str
    model: str
    base_url: str
    requests: int
    batch_id: str | None
    status: str
    problem: str | None
    created_at: datetime
    polled_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True)
class Received:
    """An answer from a batch that was not read yet, with the questions that it is about."""

    custom_id: str
    items: list[Item]
    reply: Reply


def take_out(connection: psycopg.Connection[Any], plans: Sequence[Plan], task: str) -> tuple[list[Received], int]:
    """Take out of the plans what batches were asked: the answers that are there, and how many texts still wait."""
    received, left = list[Received](), 0
    for plan in plans:
        by_key = {item.question.key: item for item in plan.items}
        rows = connection.execute(
            "SELECT custom_id, keys, reply, created_at FROM language_batch_requests JOIN language_batches USING (run_key)"
            " WHERE store_id = %s AND task = %s AND keys && %s AND reply IS DISTINCT FROM %s ORDER BY created_at, custom_id",
            (plan.pair.store_id, task, list(by_key), _LEFT),
        ).fetchall()
        for custom_id, keys, reply, since in rows:
            found = [by_key.pop(key) for key in keys if key in by_key]
            if reply is None:
                left += len(found)
                _leave(plan, found, f"it was asked in a batch at {since:%Y-%m-%d %H:%M} UTC; answers come within a day")
            elif len(found) == len(keys):  # else texts changed since, and ids in the answer are not those of the rest
                received.append(Received(custom_id, found, Reply(reply["kind"], reply["value"], detail=reply["detail"])))
            else:
                by_key |= {item.question.key: item for item in found}
        plan.items = list(by_key.values())
    return received, left


def unasked(connection: psycopg.Connection[Any], plans: Sequence[Plan], task: str) -> list[Plan]:
    """The plans without what batches were asked already, for an estimate; nothing is changed."""
    found = []
    for plan in plans:
        rows = connection.execute(
            "SELECT unnest(keys) FROM language_batch_requests JOIN language_batches USING (run_key)"
            " WHERE store_id = %s AND task = %s AND keys && %s AND reply IS DISTINCT FROM %s",
            (plan.pair.store_id, task, [item.question.key for item in plan.items], _LEFT),
        )
        asked = {row[0] for row in rows}
        found.append(replace(plan, items=[item for item in plan.items if item.question.key not in asked]))
    return found


def keep_of(
    connection: psycopg.Connection[Any], store_id: UUID, task: str, plans: Sequence[Plan], run_keys: Sequence[str], why: str
) -> None:
    """Take out of the plans what neither these batches nor open ones were asked; `why` it stays untranslated."""
    rows = connection.execute(
        "SELECT unnest(keys) FROM language_batch_requests JOIN language_batches USING (run_key)"
        " WHERE store_id = %s AND task = %s AND (run_key = ANY(%s) OR reply IS NULL)",
        (store_id, task, list(run_keys)),
    )
    asked = {row[0] for row in rows}
    for plan in plans:
        _leave(plan, [item for item in plan.items if item.question.key not in asked], why)
        plan.items = [item for item in plan.items if item.question.key in asked]


def waiting(connection: psycopg.Connection[Any], store_id: UUID, task: str) -> int:
    """How many texts of a store are asked in batches and not answered."""
    row = connection.execute(
        "SELECT coalesce(sum(cardinality(keys)), 0) FROM language_batch_requests JOIN language_batches USING (run_key)"
        " WHERE store_id = %s AND task = %s AND reply IS NULL",
        (store_id, task),
    ).fetchone()
    return int(row[0]) if row else 0


def read(connection: psycopg.Connection[Any], custom_id: str) -> None:
    """An answer was read; in the transaction that records what it says."""
    connection.execute("DELETE FROM language_batch_requests WHERE custom_id = %s", (custom_id,))


def post(
    connection: psycopg.Connection[Any], endpoint: ModelEndpoint, price: Price, account: Account, task: str, plans: Sequence[Plan]
) -> tuple[int, str | None]:
    """Hand in all items of the plans and take them out; how many texts that is, and why it was not all.

    A server without a Batch API leaves the plans as they are."""
    asked = [(plan, pack) for plan in plans for pack in packs(plan.items)]
    posted, stopped = 0, None
    if not asked:
        return posted, stopped
    with BatchApi(endpoint) as api:
        while asked and stopped is None:  # one file after the other
            run_key = uuid4().hex
            lines, taken, size = list[bytes](), list[tuple[Plan, list[Item], int]](), 0
            # Held until the id is noted, so that nobody takes a batch that is on its way for a lost one.
            connection.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", (_lock(run_key),))
            try:
                while asked and len(lines) < MAX_REQUESTS and stopped is None:
                    plan, pack = asked[0]
                    prompt = _prompt(pack)
                    line = _line(endpoint, prompt, f"{run_key}-{len(lines)}")
                    if lines and size + len(line) > MAX_BYTES:
                        break
                    try:
                        worst = price.most(prompt.most_tokens, prompt.max_tokens)
                        call = reserve(connection, account, worst, task=task, model=endpoint.model).call_id
                    except BudgetExhausted as error:
                        stopped = str(error)
                        break
                    asked.pop(0)
                    size += len(line)
                    lines.append(line)
                    taken.append((plan, pack, call))
                if not lines:
                    break
                _note(connection, account, endpoint, task, run_key, b"".join(lines), taken)
                try:
                    batch_id = api.send(b"".join(lines), run_key)
                except NoBatches:
                    forget(connection, run_key, "the server has no Batch API")
                    return posted, None
                connection.execute(
                    "UPDATE language_batches SET batch_id = %s, status = 'sent' WHERE run_key = %s", (batch_id, run_key)
                )
            finally:
                connection.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", (_lock(run_key),))
            for plan, pack, _ in taken:
                posted += len(pack)
                keys = {item.question.key for item in pack}
                plan.items = [item for item in plan.items if item.question.key not in keys]
                _leave(plan, pack, "it was asked in a batch; answers come within a day")
    for plan, pack in asked:
        keys = {item.question.key for item in pack}
        plan.items = [item for item in plan.items if item.question.key not in keys]
        _leave(plan, pack, stopped or "")
    return posted, stopped


def collect(connection: psycopg.Connection[Any], api: BatchApi, price: Price, batch: Batch) -> str:
    """Look after one open batch: its answers are settled and kept when it ended. Returns its status.

    `connection` is in autocommit mode. `price` is that of batches. Raises PipelineError when the server does not answer."""
    batch_id = batch.batch_id
    if batch_id is None:
        if is_locked(connection, _lock(batch.run_key)):
            return "sending"
        batch_id = api.find(batch.run_key)
        if batch_id is None:
            forget(connection, batch.run_key, "it was never handed in: its process died")
            return "lost"
        connection.execute("UPDATE language_batches SET batch_id = %s WHERE run_key = %s", (batch_id, batch.run_key))
    try:
        state = api.state(batch_id)
    except BatchGone as gone:  # it may have been billed, so what was reserved counts as spent
        connection.execute("DELETE FROM language_batch_requests WHERE run_key = %s AND reply IS NULL", (batch.run_key,))
        _ended(connection, batch.run_key, "lost", str(gone))
        return "lost"
    if state.status not in ENDED:
        connection.execute(
            "UPDATE language_batches SET status = %s, polled_at = clock_timestamp() WHERE run_key = %s",
            (state.status, batch.run_key),
        )
        return state.status
    for file_id in state.files:
        for line in api.lines(file_id):
            _take(connection, price, batch.run_key, line)
    _release_rest(connection, batch.run_key, f"batch {state.status}")
    _ended(connection, batch.run_key, state.status, state.problem)
    return state.status


def forget(connection: psycopg.Connection[Any], run_key: str, why: str) -> None:
    """A batch that the server never got costs nothing, and its questions are open again."""
    _release_rest(connection, run_key, why)
    _ended(connection, run_key, "lost", why)


def list_batches(connection: psycopg.Connection[Any], *, only_open: bool = False, limit: int = 1000) -> list[Batch]:
    """The newest first."""
    where = " WHERE ended_at IS NULL" if only_open else ""
    with connection.cursor(row_factory=class_row(Batch)) as cursor:
        return cursor.execute(
            f"SELECT {_COLUMNS} FROM language_batches{where} ORDER BY created_at DESC LIMIT %s",  # noqa: S608
            (limit,),
        ).fetchall()


def unread(connection: psycopg.Connection[Any], task: str) -> list[tuple[str, str]]:
    """(key of the store, key of the batch) of batches that ended and have answers that nobody has read."""
    rows = connection.execute(
        "SELECT DISTINCT stores.key, run_key FROM language_batches JOIN stores ON stores.id = store_id"
        " JOIN language_batch_requests USING (run_key) WHERE task = %s AND ended_at IS NOT NULL AND reply <> %s ORDER BY 1, 2",
        (task, _LEFT),
    )
    return [(str(store), str(run_key)) for store, run_key in rows]


def poll(
    connection: psycopg.Connection[Any], endpoint: ModelEndpoint, price: Price, told: Callable[[str], None]
) -> dict[str, str]:
    """Look after every open batch of this endpoint: key of the batch -> status. One that fails does not stop the others."""
    found: dict[str, str] = {}
    connection.execute(  # answers to texts that changed meanwhile
        "DELETE FROM language_batches WHERE ended_at < clock_timestamp() - make_interval(days => %s)", (_KEPT_DAYS,)
    )
    with BatchApi(endpoint) as api:
        for batch in list_batches(connection, only_open=True):
            if (batch.base_url, batch.model) != (endpoint.base_url, endpoint.model):
                told(f"batch {batch.run_key[:8]} is at {batch.base_url} ({batch.model}), which is not configured now")
                continue
            try:
                found[batch.run_key] = collect(connection, api, price, batch)
            except PipelineError as error:
                found[batch.run_key] = "failed"
                told(f"batch {batch.run_key[:8]}: {error}")
    return found


def _lock(run_key: str) -> str:
    return f"language batch {run_key}"


def _prompt(pack: Sequence[Item]) -> Prompt:
    pair = pack[0].pair
    return prompts.translation([item.ask for item in pack], pair.source_locale, pair.target_locale)


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
    taken: Sequence[tuple[Plan, list[Item], int]],
) -> None:
    with connection.transaction():
        connection.execute(
            "INSERT INTO language_batches (run_key, store_id, task, model, base_url, sha256, requests)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s)",
            (run_key, account.store_id, task, endpoint.model, endpoint.base_url, hashlib.sha256(content).hexdigest(), len(taken)),
        )
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO language_batch_requests (custom_id, run_key, keys, call_id) VALUES (%s, %s, %s, %s)",
                [
                    (f"{run_key}-{number}", run_key, [item.question.key for item in pack], call)
                    for number, (_, pack, call) in enumerate(taken)
                ],
            )


def _leave(plan: Plan, items: Sequence[Item], why: str) -> None:
    for item in items:
        for use in item.uses:
            plan.results[use.index] = Result("untranslated", "none", problems=(why,))


def _take(connection: psycopg.Connection[Any], price: Price, run_key: str, line: Mapping[str, Any]) -> None:
    """One line of an answer or error file. One that was taken before, or is of nobody, changes nothing."""
    custom_id = line.get("custom_id")
    with connection.transaction():
        row = connection.execute(
            "SELECT call_id FROM language_batch_requests WHERE custom_id = %s AND run_key = %s AND reply IS NULL FOR UPDATE",
            (custom_id, run_key),
        ).fetchone()
        if row is None:
            return
        reservation = reservation_of(connection, row[0])
        answer = line.get("response")
        status = answer.get("status_code") if isinstance(answer, Mapping) else None
        if isinstance(answer, Mapping) and status == 200:
            reply = read_answer(json.dumps(answer.get("body")))
            _settle(connection, price, reservation, reply)
        elif isinstance(status, int) and 400 <= status < 500 and status not in (401, 402, 403, 404, 408, 409, 429):
            reply = Reply("bad_request", detail=f"HTTP {status} in a batch")
            release(connection, reservation, reply.detail)
        else:  # not answered: it is open again
            release(connection, reservation, f"HTTP {status} in a batch" if status else "error in a batch")
            connection.execute("UPDATE language_batch_requests SET reply = %s WHERE custom_id = %s", (_LEFT, custom_id))
            return
        kept = Jsonb({"kind": reply.kind, "value": reply.value, "detail": reply.detail})
        connection.execute("UPDATE language_batch_requests SET reply = %s WHERE custom_id = %s", (kept, custom_id))


def _settle(connection: psycopg.Connection[Any], price: Price, reservation: Reservation, reply: Reply) -> None:
    cost = price.cost(reply.usage) if reply.usage else reservation.usd_micro
    settle(connection, reservation, cost, reply.usage or Usage(0, 0, estimated=True), f"{reply.kind} (batch)")


def _release_rest(connection: psycopg.Connection[Any], run_key: str, why: str) -> None:
    with connection.transaction():
        rows = connection.execute(
            "UPDATE language_batch_requests SET reply = %s WHERE run_key = %s AND reply IS NULL RETURNING call_id",
            (_LEFT, run_key),
        ).fetchall()
        for (call,) in rows:
            release(connection, reservation_of(connection, call), why)


def _ended(connection: psycopg.Connection[Any], run_key: str, status: str, problem: str | None) -> None:
    connection.execute(
        "UPDATE language_batches SET status = %s, problem = %s, polled_at = clock_timestamp(), ended_at = clock_timestamp()"
        " WHERE run_key = %s",
        (status, problem, run_key),
    )
