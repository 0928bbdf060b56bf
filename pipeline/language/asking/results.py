"""What a model answered, and what of it was used: rows of `language_results`. A question that is here is never paid again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

#: `refused`: by guards, and is to be asked for once more; `rejected`: by guards for good; `quarantined`: there was no answer.
Status = Literal["accepted", "refused", "rejected", "quarantined"]


@dataclass(frozen=True)
class Question:
    """What identifies a text to translate: `key` hashes all that its answer depends on, `source_hash` text and forms alone."""

    key: str
    source_hash: str
    task: str
    source_locale: str
    target_locale: str


@dataclass(frozen=True)
class Recorded:
    """An answer. `answer`: form -> text with tokens; what is not used keeps it for people to look at."""

    key: str
    source_hash: str
    status: Status
    answer: Mapping[str, str]
    problems: Sequence[str]
    engine: str


_SILENT = " FROM language_results WHERE store_id = %s AND task = %s AND status = 'rejected' AND answer = '{}'"


def silent(connection: psycopg.Connection[Any], store_id: UUID, task: str) -> int:
    """How many questions of a task a model gave no answer to. They are not asked again by themselves."""
    row = connection.execute(f"SELECT count(*){_SILENT}", (store_id, task)).fetchone()
    return int(row[0]) if row else 0


def forget_silent(connection: psycopg.Connection[Any], store_id: UUID, task: str) -> int:
    """Forget them, so that they are asked once more; how many they are."""
    return connection.execute(f"DELETE{_SILENT}", (store_id, task)).rowcount


def record(
    connection: psycopg.Connection[Any],
    store_id: UUID,
    question: Question,
    status: Status,
    answer: Mapping[str, str],
    problems: Sequence[str],
    engine: str,
    *,
    piece: bool = False,
) -> None:
    """In the caller's transaction, with the settlement of the call. Another try replaces an answer that was not used. `piece`: it
    is no text of its own, and costs no credits."""
    connection.execute(
        "INSERT INTO language_results AS old (store_id, key, task, source_locale, target_locale, source_hash, status, answer,"
        " problems, engine, piece) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (store_id, key) DO UPDATE SET status = excluded.status, answer = excluded.answer,"
        " problems = excluded.problems, piece = excluded.piece, created_at = clock_timestamp() WHERE old.status <> 'accepted'",
        (
            store_id, question.key, question.task, question.source_locale, question.target_locale, question.source_hash, status,
            Jsonb(dict(answer)), Jsonb(list(problems)[:20]), engine, piece,
        ),
    )  # fmt: skip


def are_pieces(connection: psycopg.Connection[Any], store_id: UUID, questions: Sequence[Question]) -> bool:
    """Whether any of these, which are of one task and pair of languages, was answered as a piece."""
    first, hashes = questions[0], [question.source_hash for question in questions]
    row = connection.execute(
        "SELECT FROM language_results WHERE store_id = %s AND task = %s AND source_locale = %s AND target_locale = %s"
        " AND source_hash = ANY(%s) AND status = 'accepted' AND piece LIMIT 1",
        (store_id, first.task, first.source_locale, first.target_locale, hashes),
    ).fetchone()
    return row is not None


def recall(
    connection: psycopg.Connection[Any], store_id: UUID, task: str, source_locale: str, target_locale: str, hashes: Iterable[str]
) -> dict[str, list[Recorded]]:
    """Answers about these texts by `source_hash`, whichever model gave them; accepted ones first, then the newest."""
    with connection.cursor(row_factory=class_row(Recorded)) as cursor:
        rows = cursor.execute(
            "SELECT key, source_hash, status, answer, problems, engine FROM language_results WHERE store_id = %s AND task = %s"
            " AND source_locale = %s AND target_locale = %s AND source_hash = ANY(%s)"
            " ORDER BY source_hash, status = 'accepted' DESC, created_at DESC, key",
            (store_id, task, source_locale, target_locale, list(set(hashes))),
        ).fetchall()
    found: dict[str, list[Recorded]] = {}
    for row in rows:
        found.setdefault(row.source_hash, []).append(row)
    return found
