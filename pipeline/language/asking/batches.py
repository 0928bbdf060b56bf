"""Questions in batches: handed in by one run, collected by polling, read by the next run of what asked.

Whoever asks brings requests and reads the answers (`batch_plans` for translations, `optimize`, `choices`); nothing here knows
what they say. Reserved and written down before a file leaves; the server's id is written down right after. A batch whose id was
never noted is looked for by its key before its questions are asked again. An answer is settled in the transaction that keeps it,
and then read by the same code that reads answers of single requests; what is wrong with it is asked again by single requests.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from pipeline.language.asking.batch_api import ENDED, BatchApi, BatchGone
from pipeline.language.asking.client import Prompt, Reply, read_answer
from pipeline.language.asking.ledger import Reservation, release, reservation_of, settle
from pipeline.language.asking.prices import Price, Usage
from pipeline.model.errors import PipelineError
from pipeline.platform.locks import is_locked
from pipeline.settings import ModelEndpoint

#: Why a question that was just handed in has no answer.
_IN_BATCH = "it was asked in a batch"
IN_BATCH = f"{_IN_BATCH}; answers come within a day"
#: What brings back the server of an open batch.
AS_IT_WAS = "set LLM_BASE_URL, LLM_API_KEY and LLM_MODEL as they were"
#: What a look at a batch comes to whose server could not be asked.
NOT_ASKED = "not asked"
_KEPT_DAYS = 30
#: In place of an answer: the batch ended without one, so the question is open. Kept to know what a batch was asked.
_LEFT = Jsonb({"kind": "left"})
_COLUMNS = "run_key, store_id, site, task, model, base_url, requests, batch_id, status, problem, created_at, polled_at, ended_at"
_REQUESTS = " FROM language_batch_requests JOIN language_batches USING (run_key) WHERE store_id = %s"


@dataclass(frozen=True)
class Batch:
    """A row of `language_batches`. `problem`: why it failed; of an open one why the last look at it did."""

    run_key: str
    store_id: UUID
    site: str | None
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


#: Called in the transaction in which a batch ends, once a batch.
Ended = Callable[[psycopg.Connection[Any], Batch], None]


@dataclass(frozen=True)
class Request:
    """A line of a batch: a prompt with the questions `keys`; `about` has for each of them what its reader will need (JSON)."""

    prompt: Prompt
    keys: Sequence[str]
    about: Sequence[Any]
    product_ids: Sequence[str] = ()


@dataclass(frozen=True)
class Answer:
    """The answer of a model to a request that was not read yet."""

    custom_id: str
    model: str
    keys: Sequence[str]
    about: Sequence[Any]
    reply: Reply


def is_in_batch(why: str) -> bool:
    """Whether that is why a question has no answer: it was handed in just now, or before."""
    return why.startswith(_IN_BATCH)


def asked(
    connection: psycopg.Connection[Any], store_id: UUID, task: str, keys: Iterable[str]
) -> tuple[list[Answer], dict[str, str]]:
    """What batches were asked of these questions: answers to read, and by key why others have none yet."""
    wanted = set(keys)
    if not wanted:
        return [], {}
    rows = connection.execute(
        f"SELECT custom_id, model, keys, about, reply, created_at{_REQUESTS}"  # noqa: S608
        " AND task = %s AND reply IS DISTINCT FROM %s AND EXISTS (SELECT FROM unnest(keys) AS key WHERE key = ANY(%s))"
        " ORDER BY created_at, custom_id",
        (store_id, task, _LEFT, list(wanted)),
    ).fetchall()
    answers, open_ = list[Answer](), dict[str, str]()
    for custom_id, model, its_keys, about, reply, since in rows:
        if reply is None:
            why = f"{_IN_BATCH} at {since:%Y-%m-%d %H:%M} UTC; answers come within a day"
            open_.update((key, why) for key in its_keys if key in wanted)
        else:
            answers.append(_answer(custom_id, model, its_keys, about, reply))
    return answers, open_


def unread_answers(connection: psycopg.Connection[Any], store_id: UUID, task: str) -> list[Answer]:
    """All answers of a store that nobody has read."""
    rows = connection.execute(
        f"SELECT custom_id, model, keys, about, reply{_REQUESTS} AND task = %s AND reply <> %s ORDER BY created_at, custom_id",
        (store_id, task, _LEFT),
    )
    return [_answer(*row) for row in rows.fetchall()]


def asked_of(connection: psycopg.Connection[Any], store_id: UUID, task: str, run_keys: Sequence[str]) -> set[str]:
    """The questions of these batches that were not read, and those of all open ones."""
    rows = connection.execute(
        f"SELECT unnest(keys){_REQUESTS} AND task = %s AND (run_key = ANY(%s) OR reply IS NULL)",
        (store_id, task, list(run_keys)),
    )
    return {row[0] for row in rows}


def in_batches(connection: psycopg.Connection[Any], store_id: UUID, task: str) -> int:
    """How many questions of a store are asked in batches, and not answered or their answers not read."""
    return _count(connection, store_id, task, "reply IS DISTINCT FROM %s", _LEFT)


def waiting(connection: psycopg.Connection[Any], store_id: UUID, task: str) -> int:
    """How many of them are not answered."""
    return _count(connection, store_id, task, "reply IS NULL")


def read(connection: psycopg.Connection[Any], answer: Answer, keys: Collection[str]) -> None:
    """These questions of an answer were read; in the transaction that records what it says. Others stay for who asks them."""
    left = [(key, about) for key, about in zip(answer.keys, answer.about, strict=False) if key not in keys]
    if left:
        kept = ([key for key, _ in left], Jsonb([about for _, about in left]), answer.custom_id)
        connection.execute("UPDATE language_batch_requests SET keys = %s, about = %s WHERE custom_id = %s", kept)
    else:
        connection.execute("DELETE FROM language_batch_requests WHERE custom_id = %s", (answer.custom_id,))


def collect(connection: psycopg.Connection[Any], api: BatchApi, price: Price, batch: Batch, ended: Ended) -> str:
    """Look after one open batch: its answers are settled and kept when it ended. Returns its status.

    `connection` is in autocommit mode. `price` is that of batches. Raises PipelineError when the server does not answer."""
    batch_id = batch.batch_id
    if batch_id is None:
        if is_locked(connection, lock_of(batch.run_key)):
            return "sending"
        batch_id = api.find(batch.run_key)
        if batch_id is None:
            forget(connection, batch.run_key, "it was never handed in: its process died")
            return "lost"
        connection.execute("UPDATE language_batches SET batch_id = %s WHERE run_key = %s", (batch_id, batch.run_key))
    try:
        state = api.state(batch_id)
    except BatchGone as gone:
        give_up(connection, batch.run_key, str(gone))
        return "lost"
    if state.status not in ENDED:
        connection.execute(
            "UPDATE language_batches SET status = %s, problem = NULL, polled_at = clock_timestamp() WHERE run_key = %s",
            (state.status, batch.run_key),
        )
        return state.status
    for file_id in state.files:
        for line in api.lines(file_id):
            _take(connection, price, batch.run_key, line)
    _release_rest(connection, batch.run_key, f"batch {state.status}")
    with connection.transaction():
        if _end(connection, batch.run_key, state.status, state.problem):
            ended(connection, batch)
    return state.status


def forget(connection: psycopg.Connection[Any], run_key: str, why: str) -> None:
    """A batch that the server never got costs nothing, and its questions are open again."""
    _release_rest(connection, run_key, why)
    _end(connection, run_key, "lost", why)


def give_up(connection: psycopg.Connection[Any], run_key: str, why: str) -> bool:
    """Wait no longer for an open batch: its questions are open again. It may have been billed, so what was reserved counts as
    spent. Returns whether it was open."""
    with connection.transaction():
        connection.execute("DELETE FROM language_batch_requests WHERE run_key = %s AND reply IS NULL", (run_key,))
        return _end(connection, run_key, "lost", why)


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


def products_of(connection: psycopg.Connection[Any], run_key: str) -> list[str]:
    """The products that a batch with any answer was asked about, also those of which it left something; else none."""
    rows = connection.execute(
        "SELECT DISTINCT unnest(product_ids) FROM language_batch_requests WHERE run_key = %(key)s AND EXISTS"
        " (SELECT FROM language_batch_requests WHERE run_key = %(key)s AND reply <> %(left)s) ORDER BY 1",
        {"key": run_key, "left": _LEFT},
    )
    return [str(row[0]) for row in rows]


def poll(
    connection: psycopg.Connection[Any], endpoint: ModelEndpoint, price: Price, told: Callable[[str], None], ended: Ended
) -> dict[str, str]:
    """Look after every open batch of this endpoint: key of the batch -> status. One that fails does not stop the others."""
    found: dict[str, str] = {}
    connection.execute(  # answers to texts that changed meanwhile
        "DELETE FROM language_batches WHERE ended_at < clock_timestamp() - make_interval(days => %s)", (_KEPT_DAYS,)
    )
    with BatchApi(endpoint) as api:
        for batch in list_batches(connection, only_open=True):
            try:
                if (batch.base_url, batch.model) != (endpoint.base_url, endpoint.model):
                    forget_ = f"pipeline language batches --forget {batch.batch_id or batch.run_key[:8]}"
                    where = f"it is at {batch.base_url} ({batch.model}), which is not configured now"
                    raise PipelineError(f"{where}: {AS_IT_WAS}, or wait for it no longer: {forget_}")
                found[batch.run_key] = collect(connection, api, price, batch, ended)
            except PipelineError as error:
                found[batch.run_key] = NOT_ASKED
                not_asked(connection, batch, str(error))
                told(f"batch {batch.run_key[:8]}: {error}")
    return found


def not_asked(connection: psycopg.Connection[Any], batch: Batch, why: str) -> None:
    """The server could not be asked about an open batch, or its answers not be had; the next look tries it again."""
    connection.execute(
        "UPDATE language_batches SET problem = %s, polled_at = clock_timestamp() WHERE run_key = %s AND ended_at IS NULL",
        (why, batch.run_key),
    )


def lock_of(run_key: str) -> str:
    """Held while a batch is on its way to the server."""
    return f"language batch {run_key}"


def _answer(custom_id: str, model: str, keys: Sequence[str], about: Sequence[Any], reply: Mapping[str, Any]) -> Answer:
    return Answer(custom_id, model, keys, about, Reply(reply["kind"], reply["value"], detail=reply["detail"]))


def _count(connection: psycopg.Connection[Any], store_id: UUID, task: str, which: str, *more: Any) -> int:
    query = f"SELECT coalesce(sum(cardinality(keys)), 0){_REQUESTS} AND task = %s AND {which}"
    row = connection.execute(query, (store_id, task, *more)).fetchone()
    return int(row[0]) if row else 0


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


def _end(connection: psycopg.Connection[Any], run_key: str, status: str, problem: str | None) -> bool:
    """Whether it ended now; somebody else may have seen it before."""
    done = connection.execute(
        "UPDATE language_batches SET status = %s, problem = %s, polled_at = clock_timestamp(), ended_at = clock_timestamp()"
        " WHERE run_key = %s AND ended_at IS NULL",
        (status, problem, run_key),
    )
    return done.rowcount == 1
