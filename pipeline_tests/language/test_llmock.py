"""The client against a server that is not ours: llmock, an independent OpenAI-compatible server with failures on demand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.language.asking.client import ModelClient, Prompt, Reply
from pipeline.language.translation.prompts import SCHEMA, texts_of
from pipeline.language.translation.segments import Result
from pipeline.model.secret import Secret
from pipeline.settings import ModelEndpoint
from pipeline_tests.language.conftest import Desk

PROMPT = Prompt("Translate.", '{"items": [{"id": 1, "text": "Close"}]}', SCHEMA, 500)


def environment(llmock: Any) -> dict[str, str]:
    return {"LLM_BASE_URL": llmock.base_url("openai"), "LLM_API_KEY": "sk-any", "LLM_MODEL": "gpt-6-luna"}


def ask(llmock: Any, mode: str = "json_schema") -> Reply:
    async def once() -> Reply:
        endpoint = ModelEndpoint(llmock.base_url("openai"), "gpt-6-luna", Secret("sk-any"), mode, True)
        async with ModelClient(endpoint) as client:
            return await client.ask(PROMPT)

    return asyncio.run(once())


def answer(*texts: str) -> str:
    return json.dumps({"items": [{"id": number, "text": text} for number, text in enumerate(texts, 1)]})


def translate(desk: Desk, llmock: Any, *segments: str) -> list[Result]:
    return desk.translate(segments, environment=environment(llmock))


@pytest.fixture
def chat(llmock: Any) -> Iterator[Any]:
    yield llmock
    assert {record.path for record in llmock.requests} <= {"/v1/chat/completions"}


def test_the_schema_is_one_that_a_server_can_answer(chat: Any) -> None:
    reply = ask(chat)
    assert reply.kind == "ok" and reply.usage is not None
    assert isinstance(texts_of(reply.value), dict)


@pytest.mark.parametrize("mode", ["json_schema", "json_object", "prompt"])
def test_what_models_write_around_json_is_read(chat: Any, mode: str) -> None:
    for text in (
        answer("Zu"),
        f"```json\n{answer('Zu')}\n```",
        f"<think>{{}}</think>{answer('Zu')}",
        f"Here: {answer('Zu')} Bye.",
    ):
        chat.reply(text)
        assert texts_of(ask(chat, mode).value) == {1: "Zu"}


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (401, None, "unusable"), (403, None, "unusable"), (404, "model_not_found", "unusable"),
        (429, "insufficient_quota", "unusable"),
        (429, None, "overloaded"), (500, None, "overloaded"), (503, None, "overloaded"), (408, None, "overloaded"),
        (400, None, "bad_request"), (422, None, "bad_request"), (400, "context_length_exceeded", "bad_request"),
    ],
)  # fmt: skip
def test_what_each_status_means(chat: Any, status: int, code: str | None, kind: str) -> None:
    chat.fail(status, code=code)
    assert ask(chat).kind == kind
    assert len(chat.requests) == 1  # the client itself repeats nothing


def test_retry_after_is_kept_by_the_verdict_of_the_server(desk: Desk, chat: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The only test that really waits: the server judges whether its Retry-After was respected."""
    chat.rate_limit(times=2, retry_after=0.2)
    chat.reply(answer("Schließen"))

    async def wait(seconds: float) -> None:
        desk.waits.append(seconds)
        await real(seconds)

    real = asyncio.sleep
    monkeypatch.setattr(desk, "pause", wait)
    assert [result.forms for result in translate(desk, chat, "Close")] == [{"": "Schließen"}]
    assert len(desk.waits) == 2
    chat.assert_resilient()


def test_malformed_and_truncated_answers_cost_one_more_question(desk: Desk, chat: Any) -> None:
    from llmock.scenarios import Reply as Scripted

    chat.reply('{"items": [{"id": 1, "te')
    chat.reply(answer("Schließen"))
    assert translate(desk, chat, "Close")[0].forms == {"": "Schließen"}
    chat.add(Scripted(text=answer("Öffnen")[:20], finish_reason="length"))
    chat.reply(answer("Öffnen"))
    assert translate(desk, chat, "Open")[0].forms == {"": "Öffnen"}
    assert [call["outcome"] for call in desk.calls()] == ["invalid", "ok", "truncated", "ok"]


def test_refused_content_is_set_aside_after_the_second_time(desk: Desk, chat: Any) -> None:
    from llmock.scenarios import Reply as Scripted

    chat.add(Scripted(text="", finish_reason="content_filter", times=2))
    result = translate(desk, chat, "Close")[0]
    assert (result.state, result.problems) == ("untranslated", ("the model gave no answer twice: the model refused",))
    before = len(chat.requests)
    translate(desk, chat, "Close")
    assert len(chat.requests) == before == 2


def test_quota_of_requests_a_minute(desk: Desk, chat: Any) -> None:
    """A server with a real quota says when to come back; that is too long for this run, and nothing is lost or paid."""
    chat.limits(rpm=1)
    chat.reply(answer("Schließen"))
    translate(desk, chat, "Close")
    result = translate(desk, chat, "Open")[0]
    assert result.state == "untranslated" and result.engine == "none"
    assert all(0 < wait <= 61 for wait in desk.waits)
    assert [call["state"] for call in desk.calls()].count("settled") == 1


def test_a_thousand_labels_by_the_log_of_the_server(desk: Desk, chat: Any) -> None:
    labels = [f"Text q{chr(97 + i % 26)}{chr(97 + i // 26 % 26)}{chr(97 + i // 676)}" for i in range(1000)]
    from pipeline.language.asking.limiter import Limiter
    from pipeline.language.translation.plan import packs

    plan = desk.plan(labels)
    for pack in packs(plan.items):
        chat.reply(answer(*(f"{item.uses[0].segment.forms['']}o" for item in pack)))
    results = desk.translate(labels, environment=environment(chat), limiter=Limiter(start=1, most=1))
    assert [result.forms.get("") for result in results] == [f"{label}o" for label in labels]
    assert len(chat.requests) <= 34
    desk.translate(labels, environment=environment(chat))
    assert len(chat.requests) <= 34
