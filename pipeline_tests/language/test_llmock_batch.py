"""Batches against a server that is not ours: llmock's /files and /batches, from handing in to used answers."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from pipeline.language.asking import batches
from pipeline.language.asking.batch_api import BatchApi, BatchGone
from pipeline.language.asking.ledger import Account, Budgets, spending
from pipeline.language.asking.models import Model
from pipeline.language.translation.plan import Plan
from pipeline.language.translation.run import ask_model
from pipeline.language.translation.translate import Work
from pipeline.settings import ModelEndpoint, model_endpoint
from pipeline_tests.language.conftest import PRICE, Desk
from pipeline_tests.language.test_llmock import environment

HALF = replace(PRICE, batch=PRICE.input / PRICE.input / 2)


@pytest.fixture
def endpoint(llmock: Any, monkeypatch: pytest.MonkeyPatch) -> ModelEndpoint:
    """The server answers at once, and to each item with its text and an o; the protocol is its own."""
    from llmock.routers import batch

    def say(*, prompt: str, **_: Any) -> str:
        asked = json.loads(prompt[prompt.rindex('{"from"') :])["items"]
        return json.dumps({"items": [{"id": item["id"], "text": f"{item['text']}o"} for item in asked]})

    monkeypatch.setattr(batch, "_BATCH_DELAY", 0.0)
    monkeypatch.setattr(batch, "build_mock_text", say)
    found = model_endpoint({**environment(llmock), "LLM_TRANSPORT": "batch"})
    assert found is not None
    return found


def run(desk: Desk, endpoint: ModelEndpoint, plan: Plan, run_id: str = "r") -> Work:
    account = Account(desk.store_id, "shop", run_id, Budgets(10**9, 10**9, 10**9))
    return ask_model(desk.connection, Model(endpoint, HALF), account, "label", [plan], lambda done, total: None)


LABELS = [f"Text {chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(90)]


def test_a_batch_from_end_to_end(desk: Desk, llmock: Any, endpoint: ModelEndpoint) -> None:
    assert run(desk, endpoint, desk.plan(LABELS)).pending == 90
    assert [(call["state"], call["spent"]) for call in desk.calls()] == [("reserved", None)] * 3
    statuses = set[str]()
    for _ in range(10):
        found = batches.poll(desk.connection, endpoint, HALF.in_batch(), pytest.fail, lambda _, batch: None)
        statuses |= set(found.values())
        if not found:
            break
    assert "completed" in statuses
    plan = desk.plan(LABELS)
    done = run(desk, endpoint, plan, "r2")
    assert (done.accepted, done.pending, done.calls) == (90, 0, 0)
    assert [result.forms[""] for result in plan.results if result] == [f"{label}o" for label in LABELS]
    assert spending(desk.connection).unsettled == 0
    log = [(record.method, record.path) for record in llmock.requests]
    assert "/v1/chat/completions" not in {path for _, path in log}
    assert log.count(("POST", "/v1/batches")) == log.count(("POST", "/v1/files")) == 1
    before = len(llmock.requests)
    assert run(desk, endpoint, desk.plan(LABELS), "r3").accepted == 0 and len(llmock.requests) == before


def test_a_batch_is_found_by_its_key_and_an_unknown_one_is_said(desk: Desk, endpoint: ModelEndpoint) -> None:
    run(desk, endpoint, desk.plan(LABELS))
    (batch,) = batches.list_batches(desk.connection)
    with BatchApi(endpoint) as api:
        assert api.find(batch.run_key) == batch.batch_id and api.find("another") is None
        with pytest.raises(BatchGone):
            api.state("batch_unknown")
