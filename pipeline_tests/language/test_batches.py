"""Any question in a batch: better texts, choices and translations are handed in, read and paid by one mechanism."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from decimal import Decimal
from multiprocessing import get_context
from typing import Any
from uuid import UUID

import psycopg
import pytest

from pipeline.language.asking import batches
from pipeline.language.asking.ledger import Account, Budgets
from pipeline.language.asking.models import Model
from pipeline.language.choices import Choice, Chooser, ask_choices, estimate_choices, plan_choices
from pipeline.language.drafts import Product
from pipeline.language.optimize import TASK, Writer, ask_drafts, estimate_drafts, plan_drafts, record_unread
from pipeline.language.translation.run import ask_model
from pipeline.platform.database import Database
from pipeline.settings import ModelEndpoint, model_endpoint
from pipeline.stores.actions import Person
from pipeline.stores.credits import grant, read_account, switch_on
from pipeline_tests.fakes.openai_server import MODEL, FakeOpenAI
from pipeline_tests.language.conftest import PRICE, Desk
from pipeline_tests.language.test_choices import FakeChooser, chooser, mug
from pipeline_tests.language.test_llmock import environment
from pipeline_tests.language.test_optimize import BRIEF, GOOD, LIMITS, MUG, TEXT, TITLE

__all__ = ["chooser"]
HALF = replace(PRICE, batch=Decimal("0.5"))
MUGS = [Product(str(number), f"{TITLE} {number}", TEXT, MUG.about) for number in range(10)]
TWIN = Product("twin", f"{TITLE} 0", TEXT, MUG.about)


def endpoint_of(fake: FakeOpenAI, transport: str = "batch") -> ModelEndpoint:
    found = model_endpoint({**fake.environment(), "LLM_TRANSPORT": transport})
    assert found is not None
    return found


def account(desk: Desk, run: int = 10**9, run_id: str = "run") -> Account:
    return Account(desk.store_id, "shop", run_id, Budgets(run, 10**9, 10**9), "amazon-us")


def optimize(desk: Desk, products: list[Product], transport: str = "batch", *, run: int = 10**9, **more: Any) -> Writer:
    writer = Writer(desk.store_id, BRIEF, MODEL, **more)
    plan_drafts(desk.connection, writer, products)
    model = Model(endpoint_of(desk.model, transport), HALF)
    ask_drafts(desk.connection, model, account(desk, run), writer, lambda done, total: None)
    return writer


def answer(desk: Desk, status: str = "completed", share: float = 1.0, fake: FakeOpenAI | None = None) -> list[list[str]]:
    """The server ends its batches, and they are polled; the products of each that has answers. Its requests are forgotten."""
    ended = list[list[str]]()
    server = fake or desk.model
    server.batches.end(status, share)
    server.requests.clear()

    def note(connection: psycopg.Connection[Any], batch: batches.Batch) -> None:
        assert batch.site == "amazon-us"
        ended.append(batches.products_of(connection, batch.run_key))

    batches.poll(desk.connection, endpoint_of(server), HALF.in_batch(), pytest.fail, note)
    assert server.requests == []
    return ended


@pytest.fixture(autouse=True)
def good(desk: Desk) -> None:
    desk.model.write = lambda asked: {**GOOD, "title": f"Potterly Ceramic {asked['product']['title']}, 300 ml"}


def test_better_texts_at_half_the_price_without_a_single_request(desk: Desk) -> None:
    products = [*MUGS, TWIN]
    handed_in = optimize(desk, products)
    assert handed_in.waiting == {product.key for product in products} and handed_in.stopped is None
    assert handed_in.drafts["3"].problems == {name: [batches.IN_BATCH] for name in LIMITS} and not handed_in.drafts["3"].texts
    (batch,) = batches.list_batches(desk.connection)
    assert (batch.task, batch.requests, batch.site) == (TASK, 10, "amazon-us")  # equal products are one question
    assert answer(desk) == [sorted(product.key for product in products)]
    done = optimize(desk, products)
    assert desk.model.requests == [] and done.waiting == set()
    assert done.drafts["3"].texts["title"] == "Potterly Ceramic Mug Blue 3, 300 ml" and done.drafts["twin"] == done.drafts["0"]
    assert desk.connection.execute("SELECT count(*) FROM language_batch_requests").fetchone() == (0,)
    real = sum(prompt * PRICE.input + completion * PRICE.output for prompt, completion in desk.model.tokens)
    assert real / 2 <= desk.booked() <= real / 2 + 10 and {call["state"] for call in desk.calls()} == {"settled"}
    assert optimize(desk, products).drafts == done.drafts
    assert desk.model.requests == [] and len(desk.model.batches.batches) == 1


@pytest.mark.parametrize("transport", ["batch", "sync"])
def test_a_product_in_an_open_batch_is_not_asked_again(desk: Desk, transport: str) -> None:
    optimize(desk, MUGS)
    again = optimize(desk, MUGS, transport)
    assert len(again.waiting) == 10 and "asked in a batch at 2" in again.drafts["1"].problems["title"][0]
    assert desk.model.requests == [] and len(desk.model.batches.batches) == 1
    planned = Writer(desk.store_id, BRIEF, MODEL)
    plan_drafts(desk.connection, planned, MUGS)
    assert estimate_drafts(planned, HALF).calls == 0
    answer(desk)
    assert len(optimize(desk, MUGS, transport).drafts["1"].texts) == 4 and desk.model.requests == []


def test_what_an_expired_batch_left_goes_into_the_next(desk: Desk) -> None:
    optimize(desk, MUGS)
    assert answer(desk, "expired", 0.7) == [[product.key for product in MUGS]]
    second = optimize(desk, MUGS)
    assert len(second.waiting) == 3 and desk.model.requests == []
    answer(desk)
    assert all(draft.texts for draft in optimize(desk, MUGS).drafts.values()) and desk.model.requests == []
    assert [batch.requests for batch in batches.list_batches(desk.connection)] == [3, 10]
    assert desk.model.answered == 10


def test_a_batch_without_answers_makes_nothing_go_on(desk: Desk) -> None:
    optimize(desk, MUGS)
    assert answer(desk, "failed") == [[]] and desk.booked() == 0


def test_a_refused_field_is_asked_for_once_more_directly(desk: Desk) -> None:
    desk.model.write = lambda asked: {**GOOD, "title": "Nike Mug 500 ml"}
    optimize(desk, MUGS[:2])
    answer(desk)
    done = optimize(desk, MUGS[:2])
    assert len(desk.model.requests) == 2 and len(desk.model.batches.batches) == 1
    assert done.drafts["1"].texts.keys() == {"description", "bullets", "keywords"}
    assert any("Nike" in problem for problem in done.drafts["1"].problems["title"])
    assert optimize(desk, MUGS[:2]).drafts["1"].texts == done.drafts["1"].texts and len(desk.model.requests) == 2


@pytest.mark.parametrize("odd", [400, 500, "missing"])
def test_lines_that_were_not_answered(desk: Desk, odd: int | str) -> None:
    optimize(desk, MUGS[:3])
    desk.model.batches.odd = {1: odd}
    answer(desk)
    done = optimize(desk, MUGS[:3])
    # What the server does not take in a batch is tried directly; what it did not work on goes into the next one.
    assert (len(done.waiting), len(desk.model.requests)) == ((0, 1) if odd == 400 else (1, 0))
    desk.model.batches.odd = {}
    answer(desk)
    assert all(draft.texts for draft in optimize(desk, MUGS[:3]).drafts.values())


def test_a_server_without_batches_is_asked_directly(desk: Desk) -> None:
    desk.model.batches.there = False
    assert all(draft.texts for draft in optimize(desk, MUGS).drafts.values())
    assert len(desk.model.requests) == 10 and {call["state"] for call in desk.calls()} == {"released", "settled"}


def test_an_answer_about_a_text_that_was_changed_is_kept_for_that_text(desk: Desk) -> None:
    changed = replace(MUG, title="Mug Blue XL")
    optimize(desk, [MUG])
    optimize(desk, [changed])
    answer(desk)
    assert optimize(desk, [changed]).drafts["1"].texts["title"] == "Potterly Ceramic Mug Blue XL, 300 ml"
    record_unread(desk.connection, desk.store_id, BRIEF)
    rows = desk.connection.execute("SELECT source_hash, status FROM language_results ORDER BY status").fetchall()
    assert rows == [(changed.source_hash, "accepted"), (MUG.source_hash, "rejected")]
    assert desk.connection.execute("SELECT count(*) FROM language_batch_requests").fetchone() == (0,)
    back = optimize(desk, [MUG])
    assert back.drafts["1"].texts["title"] == "Potterly Ceramic Mug Blue, 300 ml"
    assert desk.model.requests == [] and len(desk.model.batches.batches) == 2


def test_the_budget_ends_a_batch_and_says_so(desk: Desk) -> None:
    planned = Writer(desk.store_id, BRIEF, MODEL)
    plan_drafts(desk.connection, planned, MUGS)
    limit = (estimate_drafts(planned, HALF.in_batch()).most_usd_micro or 0) // 2
    done = optimize(desk, MUGS, run=limit)
    assert done.stopped is not None and "budget" in done.stopped
    assert 0 < len(done.waiting) < 10 and desk.booked() <= limit and desk.model.requests == []
    again = optimize(desk, MUGS, run=limit)
    assert again.waiting == done.waiting and len(desk.model.batches.batches) == 1


def test_answers_are_read_after_a_stop_but_nothing_is_asked(desk: Desk) -> None:
    optimize(desk, MUGS[:3])
    answer(desk)
    writer = Writer(desk.store_id, BRIEF, MODEL, stopped="the budget is gone")
    plan_drafts(desk.connection, writer, MUGS)
    ask_drafts(desk.connection, Model(endpoint_of(desk.model), HALF), account(desk), writer, lambda done, total: None)
    assert writer.drafts.keys() == {"0", "1", "2"} and writer.stopped == "the budget is gone"
    assert desk.model.requests == [] and len(desk.model.batches.batches) == 1


def test_only_what_is_in_scope_is_asked_but_all_answers_are_read(desk: Desk) -> None:
    optimize(desk, MUGS[:3])
    answer(desk)
    done = optimize(desk, MUGS, scope=["5"])
    assert done.drafts.keys() == {"0", "1", "2", "5"} and done.waiting == {"5"}


def test_credits_are_paid_once_after_the_answer_and_what_is_under_way_counts(desk: Desk) -> None:
    switch_on(desk.connection, desk.store_id, "stop")
    grant(desk.connection, desk.store_id, 25, person=Person("ann", ""))

    def balance() -> int:
        found = read_account(desk.connection, desk.store_id)
        assert found is not None
        return found.balance

    first = optimize(desk, MUGS[:3])
    second = optimize(desk, MUGS[3:])  # 25 credits are five products
    assert (len(first.waiting), len(second.waiting), balance()) == (3, 2, 25)
    assert second.stopped is not None and "credits" in second.stopped
    answer(desk)
    assert balance() == 25
    optimize(desk, MUGS)
    assert balance() == 0 and desk.model.requests == []
    optimize(desk, MUGS)
    assert balance() == 0 and len(desk.model.batches.batches) == 2


KILLED = {
    "reserved, not noted": "pipeline.language.asking.batch_posts._note",
    "noted, not sent": "pipeline.language.asking.batch_api.BatchApi.send",
    "sent, id not noted": "pipeline.language.asking.batch_api.BatchApi.send",
    "one answer kept": "pipeline.language.asking.batches._take",
    "one answer read": "pipeline.language.optimize.read",
}


@pytest.mark.slow
@pytest.mark.parametrize("when", KILLED)
def test_killed_batches_pay_nothing_twice(desk: Desk, database: Database, when: str) -> None:
    if when.startswith("one answer"):
        optimize(desk, MUGS)
        desk.model.batches.end()
        if when == "one answer read":
            answer(desk)
    child = get_context("spawn").Process(target=_killed_at, args=(when, database.url, desk.store_id, desk.model.environment()))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    for _ in range(2):  # what a dead process left is found or released; the rest is asked
        answer(desk)
        optimize(desk, MUGS)
    done = optimize(desk, MUGS, "sync")
    assert desk.model.requests == [] and all(draft.texts for draft in done.drafts.values()) and len(done.drafts) == 10
    assert desk.model.answered == 10 and len(desk.model.batches.batches) == 1
    assert 2 * desk.booked() + 10 >= desk.real_cost()
    open_ = [call for call in desk.calls() if call["state"] == "reserved"]
    assert len(open_) == (10 if when == "reserved, not noted" else 0)  # nobody can know: they count as spent


def _killed_at(when: str, url: str, store_id: UUID, environment: dict[str, str]) -> None:
    from importlib import import_module

    parts = KILLED[when].split(".")
    owner: Any = import_module(".".join(parts[:3]))
    for name in parts[3:-1]:
        owner = getattr(owner, name)
    original = getattr(owner, parts[-1])

    def die(*arguments: Any, **named: Any) -> Any:
        if when in ("sent, id not noted", "one answer kept"):
            original(*arguments, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, parts[-1], die)
    endpoint = model_endpoint({**environment, "LLM_TRANSPORT": "batch"})
    assert endpoint is not None
    with psycopg.connect(url, autocommit=True, options="-c search_path=pipeline,public") as connection:
        if when == "one answer kept":
            batches.poll(connection, endpoint, HALF.in_batch(), print, lambda connection, batch: None)
        writer = Writer(store_id, BRIEF, MODEL)
        plan_drafts(connection, writer, MUGS)
        payer = Account(store_id, "shop", "run", Budgets(10**9, 10**9, 10**9), "amazon-us")
        ask_drafts(connection, Model(endpoint, HALF), payer, writer, lambda done, total: None)


def choose(desk: Desk, fake: FakeChooser, *choices: Choice, transport: str = "batch") -> Chooser:
    found = Chooser(desk.store_id, "category", MODEL)
    plan_choices(desk.connection, found, choices)
    model = Model(endpoint_of(fake, transport), HALF)
    ask_choices(desk.connection, model, account(desk), found, lambda done, total: None)
    return found


def test_choices_in_a_batch(desk: Desk, chooser: FakeChooser) -> None:
    chooser.choose = lambda item: {"choice": "b" if "2" in item["product"]["title"] else "a", "reason": "A mug."}
    mugs = [*map(mug, range(24)), replace(mug(3), key="twin")]
    first = choose(desk, chooser, *mugs)
    assert (first.found, first.left, first.left_in_batches, first.stopped) == ({}, 25, 25, None)
    for transport in ("batch", "sync"):
        again = choose(desk, chooser, *mugs, transport=transport)
        assert again.left_in_batches == 25 and chooser.requests == [] and len(chooser.batches.batches) == 1
        assert estimate_choices(again, HALF).calls == 0
    assert answer(desk, fake=chooser) == [sorted(one.key for one in mugs)]
    done = choose(desk, chooser, *mugs)
    assert chooser.requests == [] and (done.left, len(done.found)) == (0, 25)
    assert (done.found["1"].candidate, done.found["2"].candidate, done.found["twin"].candidate) == ("CUP", "RACK", "CUP")
    assert choose(desk, chooser, *mugs).found == done.found and chooser.requests == []


def test_letters_mean_the_order_in_which_candidates_were_asked(desk: Desk, chooser: FakeChooser) -> None:
    choose(desk, chooser, mug(1))
    answer(desk, fake=chooser)
    reordered = Choice("1", {"title": "Mug 1"}, {"RACK": "Kitchen > Racks", "CUP": "Kitchen > Cups"})
    assert choose(desk, chooser, reordered).found["1"].candidate == "CUP"


def test_products_that_changed_in_a_pack_cost_the_others_nothing(desk: Desk, chooser: FakeChooser) -> None:
    choose(desk, chooser, *map(mug, range(5)))
    answer(desk, fake=chooser)
    done = choose(desk, chooser, *map(mug, range(4)), mug(4, brand="Kiln"))
    assert len(done.found) == 4 and done.left_in_batches == 1 and chooser.requests == []
    back = choose(desk, chooser, mug(4))
    assert back.found["4"].candidate == "CUP" and len(chooser.batches.batches) == 2  # recorded for the text that was asked


def test_what_is_no_candidate_is_asked_again_alone(desk: Desk, chooser: FakeChooser) -> None:
    chooser.choose = lambda item: {"choice": "q", "reason": ""} if "1" in item["product"]["title"] else {"choice": "a"}
    choose(desk, chooser, *map(mug, range(3)))
    answer(desk, fake=chooser)
    done = choose(desk, chooser, *map(mug, range(3)))
    assert (len(done.found), done.unanswered, len(chooser.requests)) == (2, 1, 1)
    assert choose(desk, chooser, *map(mug, range(3))).unanswered == 1 and len(chooser.requests) == 1


def test_a_changed_text_costs_the_others_of_its_translation_nothing(desk: Desk) -> None:
    texts = ["Blue mug", "Red mug", "Green mug"]

    def translate(*wanted: str) -> list[Any]:
        plan = desk.plan(list(wanted))
        ask_model(desk.connection, Model(endpoint_of(desk.model), HALF), account(desk), "label", [plan], lambda done, total: None)
        return [result and result.forms.get("") for result in plan.results]

    translate(*texts)
    answer(desk)
    assert translate("Blue mug", "Green mug") == ["Blueo mugo", "Greeno mugo"]
    assert translate("Red mug", "Pink mug") == ["Redo mugo", None]  # what another run did not ask for is still there
    assert len(desk.model.batches.batches) == 2 and desk.model.requests == []


def test_an_independent_server(desk: Desk, llmock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """llmock: its own /files and /batches, from handing in to used texts."""
    from llmock.routers import batch

    monkeypatch.setattr(batch, "_BATCH_DELAY", 0.0)
    monkeypatch.setattr(batch, "build_mock_text", lambda **_: json.dumps(GOOD))
    endpoint = model_endpoint({**environment(llmock), "LLM_TRANSPORT": "batch"})
    assert endpoint is not None

    def work() -> Writer:
        writer = Writer(desk.store_id, BRIEF, MODEL)
        plan_drafts(desk.connection, writer, [MUG])
        ask_drafts(desk.connection, Model(endpoint, HALF), account(desk), writer, lambda done, total: None)
        return writer

    assert work().waiting == {"1"}
    for _ in range(10):
        if not batches.poll(desk.connection, endpoint, HALF.in_batch(), pytest.fail, lambda connection, batch: None):
            break
    assert set(work().drafts["1"].texts) == set(LIMITS)
    paths = [(record.method, record.path) for record in llmock.requests]
    assert "/v1/chat/completions" not in {path for _, path in paths} and paths.count(("POST", "/v1/batches")) == 1
    before = len(llmock.requests)
    assert set(work().drafts["1"].texts) == set(LIMITS) and len(llmock.requests) == before
