"""Plans of translations in batches: what of them is handed in, what waits, and which answers are there to read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import psycopg

from pipeline.language.asking.batch_posts import post
from pipeline.language.asking.batches import IN_BATCH, Answer, Request, asked, asked_of
from pipeline.language.asking.ledger import Account
from pipeline.language.asking.prices import Price
from pipeline.language.translation import prompts
from pipeline.language.translation.plan import Item, Plan, first_numbers, packs
from pipeline.language.translation.segments import Result
from pipeline.model.errors import PipelineError
from pipeline.settings import ModelEndpoint


@dataclass(frozen=True)
class Received:
    """An answer from a batch that was not read yet: the items that ask for it, and the number of each one's first text in it.
    What was asked besides them has changed since, or is not asked in this run."""

    answer: Answer
    items: list[Item]
    numbers: list[int]


def take_out(connection: psycopg.Connection[Any], plans: Sequence[Plan], task: str) -> tuple[list[Received], int]:
    """Take out of the plans what batches were asked: the answers that are there, and how many texts still wait."""
    received, left = list[Received](), 0
    for plan in plans:
        by_key = {item.question.key: item for item in plan.items}
        answers, waiting = asked(connection, plan.pair.store_id, task, by_key)
        for answer in answers:
            numbers = {key: number for key, number in zip(answer.keys, answer.about, strict=False) if key in by_key}
            if numbers:
                received.append(Received(answer, [by_key.pop(key) for key in numbers], list(numbers.values())))
        for key, why in waiting.items():
            if key in by_key:
                leave(plan, [by_key.pop(key)], why)
                left += 1
        plan.items = list(by_key.values())
    return received, left


def unasked(connection: psycopg.Connection[Any], plans: Sequence[Plan], task: str) -> list[Plan]:
    """The plans without what batches were asked already, for an estimate; nothing is changed."""
    found = []
    for plan in plans:
        answers, waiting = asked(connection, plan.pair.store_id, task, [item.question.key for item in plan.items])
        known = waiting.keys() | {key for answer in answers for key in answer.keys}
        found.append(replace(plan, items=[item for item in plan.items if item.question.key not in known]))
    return found


def keep_of(
    connection: psycopg.Connection[Any], store_id: UUID, task: str, plans: Sequence[Plan], run_keys: Sequence[str], why: str
) -> None:
    """Take out of the plans what neither these batches nor open ones were asked; `why` it stays untranslated."""
    known = asked_of(connection, store_id, task, run_keys)
    for plan in plans:
        leave(plan, [item for item in plan.items if item.question.key not in known], why)
        plan.items = [item for item in plan.items if item.question.key in known]


def post_plans(
    connection: psycopg.Connection[Any], endpoint: ModelEndpoint, price: Price, account: Account, task: str, plans: Sequence[Plan]
) -> tuple[int, PipelineError | None]:
    """Hand in the items of the plans and take them out; how many texts that is, and why it was not all.

    A server without a Batch API leaves the plans as they are."""
    requests = (_request(pack) for plan in plans for pack in packs(plan.items))
    keys, stopped = post(connection, endpoint, price, account, task, requests)
    for plan in plans:
        leave(plan, [item for item in plan.items if item.question.key in keys], IN_BATCH)
        plan.items = [item for item in plan.items if item.question.key not in keys]
    return len(keys), stopped


def leave(plan: Plan, items: Sequence[Item], why: str) -> None:
    """These stay untranslated in this run."""
    for item in items:
        for use in item.uses:
            plan.results[use.index] = Result("untranslated", "none", problems=(why,))


def _request(pack: Sequence[Item]) -> Request:
    pair = pack[0].pair
    prompt = prompts.translation([item.ask for item in pack], pair.source_locale, pair.target_locale)
    products = dict.fromkeys(use.segment.product for item in pack for use in item.uses if use.segment.product)
    return Request(prompt, [item.question.key for item in pack], first_numbers(pack), list(products))
