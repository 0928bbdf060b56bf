"""Labels asked in batches: handed in, collected by polling, used by the next run; nothing is paid twice or booked too low."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from typing import Any

import dagster as dg
import pytest

from pipeline.operations.sensors import language_batches
from pipeline_tests.flows.place import start
from pipeline_tests.labels.conftest import Shop
from pipeline_tests.language.conftest import PRICE

LABELS = {f"k{i}": f"Text {chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(100)}  # 3 requests


@pytest.fixture
def posted(shop: Shop) -> Shop:
    """100 labels that were handed in as one batch of three requests."""
    shop.add("en.json", json.dumps(LABELS))
    done = shop.translate("--to", "de", "--batch")
    assert (done["calls"], done["coverage"][0]["done"]) == (3, 0)
    assert shop.model.requests == [] and len(shop.model.batches.batches) == 1
    return shop


def poll(shop: Shop) -> list[Any]:
    found: list[Any] = shop.place.summary("language", "batches", "--poll")["batches"]
    return found


def translated(shop: Shop) -> int:
    return sum(row["state"] == "translated" for row in shop.rows("de"))


def money(shop: Shop) -> tuple[int, int, int]:
    """Booked, reserved and not settled, and what the server bills; in micro-USD."""
    ((booked, open_),) = shop.place.rows(
        "SELECT coalesce(sum(coalesce(spent_usd_micro, reserved_usd_micro)), 0), coalesce(sum(reserved_usd_micro)"
        " FILTER (WHERE state = 'reserved'), 0) FROM language_calls WHERE state <> 'released'"
    )
    real = sum(prompt * PRICE.input + completion * PRICE.output for prompt, completion in shop.model.tokens)
    return int(booked), int(open_), int(real)


def test_a_batch_is_handed_in_collected_and_used_at_half_the_price(posted: Shop) -> None:
    lines = [json.loads(line) for line in next(iter(posted.model.batches.files.values())).splitlines()]
    assert [line["url"] for line in lines] == ["/v1/chat/completions"] * 3
    assert lines[0]["body"]["response_format"]["type"] == "json_schema"
    booked, open_, _ = money(posted)
    assert booked == open_ > 0  # the worst case until it is settled
    again = posted.translate()
    assert (again["calls"], again["in_batches"]) == (0, 100)
    assert posted.translate("--dry-run")["estimated_calls"] == 0
    assert len(posted.model.batches.batches) == 1  # it waits, and is not asked again
    assert [batch["status"] for batch in poll(posted)] == ["validating"]
    posted.model.batches.end()
    assert [batch["status"] for batch in poll(posted)] == ["completed"]
    assert translated(posted) == 100
    booked, open_, real = money(posted)
    assert open_ == 0 and real / 2 <= booked <= real / 2 + 3
    assert posted.place.rows("SELECT count(*) FROM language_batch_requests") == [(0,)]
    assert posted.translate()["calls"] == 0
    assert posted.place.rows("SELECT usd_micro FROM language_spend WHERE scope LIKE 'month:%'") == [(booked,)]


def test_the_sensor_asks_for_a_look_and_then_for_translations(posted: Shop) -> None:
    def tick() -> list[Any]:
        with posted.place.instance() as instance:
            found = list(language_batches(dg.build_sensor_context(instance)))  # type: ignore[call-overload]
        return [(each.job_name, each.partition_key) if isinstance(each, dg.RunRequest) else None for each in found]

    assert tick() == [None]  # it was handed in this minute
    posted.place.rows("UPDATE language_batches SET created_at = created_at - interval '2 minutes' RETURNING 1")
    assert tick() == [("poll_language_batches", None)]
    posted.model.batches.end()
    from pipeline.definitions import defs

    with posted.place.instance() as instance:
        assert defs.resolve_job_def("poll_language_batches").execute_in_process(instance=instance).success
    assert tick() == [("translate_labels", "shop")]


def test_a_batch_that_the_server_could_not_be_asked_about_says_why(posted: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def look() -> str:
        done = posted.place.cli("language", "batches", "--poll", code=1)
        assert "is validating" not in done.out + done.err
        ((problem, when),) = posted.place.rows("SELECT problem, polled_at FROM language_batches")
        assert when is not None and problem in done.out + done.err
        return str(problem)

    posted.model.batches.refuse = True
    assert look() == (
        "the model gpt-6-luna cannot be used (HTTP 401: Incorrect API key provided): its key is refused, set LLM_API_KEY to one "
        "that is taken"
    )
    (seen,) = posted.place.cli("language", "batches", "--poll", "--json", code=1).json["polled"]
    assert (seen["asked"], seen["ended"]) == (False, False)
    with monkeypatch.context() as patch:
        patch.setenv("LLM_BASE_URL", "http://127.0.0.1:9/v1")
        (number,) = posted.model.batches.batches
        assert look() == (
            f"it is at {posted.model.url} (gpt-6-luna), which is not configured now: set LLM_BASE_URL, LLM_API_KEY and LLM_MODEL "
            f"as they were, or wait for it no longer: pipeline language batches --forget {number}"
        )
        patch.delenv("LLM_BASE_URL")
        patch.delenv("LLM_API_KEY")
        assert look().startswith("no model is configured: set LLM_BASE_URL")
    posted.model.batches.refuse = False
    assert [(batch["status"], batch["problem"]) for batch in poll(posted)] == [("validating", None)]


def test_a_look_that_asks_about_no_batch_is_a_failed_run_and_the_next_comes_later(posted: Shop) -> None:
    from pipeline.definitions import defs
    from pipeline.operations.runs import get_run

    def older(by: str) -> None:
        posted.place.rows(
            f"UPDATE language_batches SET polled_at = polled_at - interval '{by}', created_at = created_at - interval '{by}'"
            " RETURNING 1"
        )

    with posted.place.instance() as instance:

        def tick() -> list[str]:
            found = list(language_batches(dg.build_sensor_context(instance)))  # type: ignore[call-overload]
            return [str(each.job_name) for each in found if isinstance(each, dg.RunRequest)]

        def look() -> Any:
            job = defs.resolve_job_def("poll_language_batches")
            return job.execute_in_process(instance=instance, raise_on_error=False)

        posted.model.batches.refuse = True
        failed = look()
        why = str(get_run(instance, failed.run_id).error)
        assert not failed.success and why.startswith("the open batch could not be looked at: the model gpt-6-luna cannot be used")
        assert "its key is refused, set LLM_API_KEY to one that is taken" in why
        for by, wanted in (("2 minutes", []), ("4 minutes", ["poll_language_batches"])):
            older(by)
            assert tick() == wanted
        posted.place.rows("UPDATE language_batches SET created_at = created_at - interval '9 days' RETURNING 1")
        for by, wanted in (("50 minutes", []), ("10 minutes", ["poll_language_batches"])):  # at most an hour
            older(by)
            assert tick() == wanted
        # Beside one that can be asked about it is a warning, with the batch and the reason, and hides nothing.
        posted.model.batches.refuse = False
        posted.add("more.json", '{"more": "Another text"}')
        posted.translate("--batch")
        posted.place.rows("UPDATE language_batches SET base_url = 'https://gone.example/v1' WHERE requests = 3 RETURNING 1")
        done = look()
        assert done.success
        (output,) = instance.all_logs(done.run_id, of_type=dg.DagsterEventType.STEP_OUTPUT)
        said = output.dagster_event.step_output_data.metadata["could_not_be_asked"].records  # type: ignore[union-attr]
        assert len(said) == 1 and "https://gone.example/v1" in said[0].data["why"]


@pytest.mark.parametrize("status", ["expired", "cancelled"])
def test_what_was_answered_before_the_end_is_used_and_the_rest_is_open(posted: Shop, status: str) -> None:
    posted.model.batches.end(status, share=0.7)
    poll(posted)
    assert translated(posted) == 80
    assert [batch["requests"] for batch in poll(posted)] == [1, 3]  # the rest is in a batch of its own
    posted.model.batches.end()
    poll(posted)
    assert translated(posted) == 100 and len(posted.model.requests) == 3
    booked, open_, real = money(posted)
    assert open_ == 0 and real / 2 <= booked <= real / 2 + 3


def test_lines_that_are_missing_or_failed_are_open_again(posted: Shop) -> None:
    posted.model.batches.odd = {0: "missing", 1: 500}
    posted.model.batches.end()
    poll(posted)
    assert translated(posted) == 20
    posted.model.batches.odd = {}
    posted.model.batches.end()
    poll(posted)
    assert translated(posted) == 100 and money(posted)[1] == 0


def test_a_line_that_is_refused_is_asked_for_in_halves(posted: Shop) -> None:
    posted.model.batches.odd = {1: 400}
    posted.model.batches.end()
    poll(posted)
    assert translated(posted) == 100
    assert [len(json.loads(each["messages"][-1]["content"])["items"]) for each in posted.model.requests[-2:]] == [20, 20]


def test_a_failed_batch_costs_nothing_and_says_why(posted: Shop) -> None:
    posted.model.batches.end("failed")
    (batch,) = poll(posted)
    assert (batch["status"], batch["problem"]) == ("failed", "The file is no good")
    assert money(posted)[0] == 0
    posted.translate("--no-batch")
    assert translated(posted) == 100


def test_answers_that_fail_the_guards_are_asked_again_one_by_one(shop: Shop) -> None:
    shop.add("en.json", json.dumps({"a": "Hello {{ name }}", "b": "Cart"}))
    good = shop.model.say
    shop.model.say = lambda item, locale: "Hallo" if "Hello" in item["text"] and "rejected" not in item else good(item, locale)
    shop.translate("--to", "de", "--batch")
    shop.model.batches.end()
    shop.model.requests.clear()
    poll(shop)
    assert translated(shop) == 2
    assert "rejected" in shop.model.items[-1]


def test_a_batch_of_a_server_that_is_gone_is_forgotten_when_somebody_says_so(posted: Shop) -> None:
    (batch,) = posted.place.summary("language", "batches")["batches"]
    before = money(posted)[0]
    assert "is open" in posted.place.cli("language", "batches", "--forget", "other", code=2).error
    assert "asks its questions anew" in posted.place.cli("language", "batches", "--forget", batch["batch_id"], code=0).out
    (batch,) = posted.place.summary("language", "batches")["batches"]
    assert (batch["status"], batch["problem"]) == ("lost", "nobody waits for it any more")
    assert money(posted)[0] == before  # it may have been billed
    posted.translate("--to", "de", "--no-batch")
    assert translated(posted) == len(LABELS) and len(posted.model.batches.batches) == 1


def test_a_server_without_batches_is_asked_directly(shop: Shop) -> None:
    shop.model.batches.there = False
    shop.add("en.json", json.dumps(LABELS))
    done = shop.translate("--to", "de", "--batch")
    assert translated(shop) == 100 and done["stopped"] is None
    assert money(shop)[1] == 0 and [batch["status"] for batch in poll(shop)] == ["lost"]


def test_the_budget_holds_for_batches(shop: Shop) -> None:
    shop.add("en.json", json.dumps(LABELS))
    done = shop.translate("--to", "de", "--batch", "--max-usd", "0.000001")
    assert "(--max-usd) does not cover a single call" in done["stopped"]
    assert shop.model.batches.batches == {} and money(shop)[0] == 0


def test_a_refused_key_ends_the_run_and_leaves_no_batch(shop: Shop) -> None:
    shop.add("en.json", json.dumps(LABELS))
    shop.model.batches.refuse = True
    assert "set LLM_API_KEY to one that is taken" in shop.place.cli("labels", "translate", "shop", "--to", "de", "--batch").error
    shop.model.batches.refuse = False
    assert money(shop)[:2] == (0, 0)
    assert shop.translate("--batch")["in_batches"] == 100  # the next run asks at once


def test_a_batch_whose_answer_got_lost_is_found_by_its_key(shop: Shop) -> None:
    shop.add("en.json", json.dumps(LABELS))
    shop.model.batches.hang_up = True
    assert "tried again later" in shop.translate("--to", "de", "--batch")["stopped"]
    for number in range(3):  # others' batches, on further pages
        shop.model.batches.batches[f"other_{number}"] = {
            **next(iter(shop.model.batches.batches.values())), "id": f"other_{number}", "metadata": None, "status": "completed",
        }  # fmt: skip
    shop.model.batches.end()
    poll(shop)
    assert translated(shop) == 100 and len(shop.model.requests) == 3  # asked once
    assert money(shop)[1] == 0


def die_after(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    original(*args, **kwargs)
    os.kill(os.getpid(), signal.SIGKILL)


def die_before(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


SEND = "pipeline.language.asking.batch_api:BatchApi.send"


@pytest.mark.slow
@pytest.mark.parametrize("when", ["noted, not sent", "sent, id not noted", "one answer kept"])
def test_killed_batches(shop: Shop, when: str) -> None:
    shop.add("en.json", json.dumps(LABELS))
    hooks = {"noted, not sent": {SEND: (die_before,)}, "sent, id not noted": {SEND: (die_after,)}}.get(when)
    translating = ("labels", "translate", "shop", "--to", "de", "--batch")
    child = start(shop.place, *translating, hooks=hooks, environment=shop.model.environment())
    assert child.killed() if hooks else child.result().code == 0
    if when == "one answer kept":
        shop.model.batches.end()
        hooks = {"pipeline.language.asking.batches:_take": (die_after,)}
        assert start(shop.place, "language", "batches", "--poll", hooks=hooks, environment=shop.model.environment()).killed()
    shop.model.batches.end()
    poll(shop)
    shop.translate("--no-batch")
    assert translated(shop) == 100
    assert len(shop.model.requests) == 3  # nothing was paid twice
    booked, open_, real = money(shop)
    assert open_ == 0 and booked >= real // 2


def handed_in(shop: Shop) -> list[list[str]]:
    """The languages of each batch that the server has, the newest last."""
    batches = shop.model.batches
    found = []
    for batch in batches.batches.values():
        lines = [json.loads(line) for line in batches.files[batch["input_file_id"]].splitlines()]
        asked = [json.loads(line["body"]["messages"][-1]["content"])["to"] for line in lines]
        found.append([language.rpartition("(")[2].rstrip(")") for language in asked])
    return found


def test_after_a_batch_only_what_it_left_is_asked_for(shop: Shop) -> None:
    shop.add("en.json", json.dumps(LABELS))
    shop.translate("--to", "fr,it", "--batch", "--max-usd", "0.000001")  # kept for the store, left by its budget
    shop.translate("--to", "de", "--batch")
    assert handed_in(shop) == [["de"] * 3]
    shop.model.batches.end("expired", share=0.7)
    said = shop.place.cli("language", "batches", "--poll", code=0).out
    assert handed_in(shop) == [["de"] * 3, ["de"]]
    assert "shop: the batch of 3 requests (label) is expired\n" in said
    assert "shop: the answers of 1 batches are used; 1 requests were made for what is left: $0.000" in said
    assert "of it reserved until they are answered" in said
    assert translated(shop) == 80 and money(shop)[1] > 0
    (text, *_) = shop.rows("fr")
    assert (text["state"], text["problems"]) == (
        "untranslated", ["it was not asked for in this run: pipeline labels translate shop"],
    )  # fmt: skip
    shop.model.batches.end()
    done = shop.place.summary("language", "batches", "--poll")
    assert handed_in(shop) == [["de"] * 3, ["de"]] and translated(shop) == 100 and money(shop)[1] == 0
    assert [(one["store"], one["status"], one["used"]) for one in done["polled"]] == [("shop", "completed", True)]
    assert [one["requests"] for one in done["follow_ups"]] == [0]
    assert shop.place.summary("language", "batches", "--poll")["polled"] == []
    shop.translate("--batch")
    assert handed_in(shop)[2] == ["fr"] * 3 + ["it"] * 3  # whoever asks for all gets all


def test_a_batch_without_any_answer_is_not_handed_in_again_by_itself(posted: Shop) -> None:
    posted.model.batches.end("failed")
    said = posted.place.cli("language", "batches", "--poll", code=0).out
    assert (
        "shop: the batch of 3 requests (label) is failed (The file is no good); what it answered is used, and what it left"
        in said
    )
    assert "pipeline labels translate shop" in said and len(handed_in(posted)) == 1
    posted.translate("--batch")
    assert handed_in(posted) == [["de"] * 3] * 2


def test_what_the_sensor_starts_asks_for_no_more_than_the_batch_left(shop: Shop) -> None:
    from pipeline.definitions import defs

    shop.add("en.json", json.dumps(LABELS))
    shop.translate("--to", "fr", "--batch", "--max-usd", "0.000001")
    shop.translate("--to", "de", "--batch")
    shop.model.batches.end("expired", share=0.7)
    with shop.place.instance() as instance:
        assert defs.resolve_job_def("poll_language_batches").execute_in_process(instance=instance).success
        (wanted,) = list(language_batches(dg.build_sensor_context(instance)))  # type: ignore[call-overload]
        job = defs.resolve_job_def("translate_labels")
        assert job.execute_in_process(wanted.run_config, instance=instance, partition_key=wanted.partition_key).success
    assert handed_in(shop) == [["de"] * 3, ["de"]] and translated(shop) == 80
