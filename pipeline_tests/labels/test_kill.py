"""Translations that are killed: nothing recorded is paid twice, nothing is booked too low, and the next run ends the work."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from pipeline_tests.flows.place import start
from pipeline_tests.flows.test_crash import MOVE, die_after, die_moving
from pipeline_tests.labels.conftest import Shop
from pipeline_tests.language.conftest import PRICE
from pipeline_tests.points import dying_at

_seen: list[int] = []


def die_after_the_second(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    found = original(*args, **kwargs)
    _seen.append(1)
    if len(_seen) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return found


POINTS = {
    "reserved": dying_at("llm_reserved"),
    "second reserved": dying_at("llm_reserved", 2),
    "replied": dying_at("llm_replied_unsaved"),
    "second replied": dying_at("llm_replied_unsaved", 2),
}
WHEN: dict[str, dict[str, tuple[Any, ...]]] = {
    "half recorded": {"pipeline.language.translation.translate:record": (die_after_the_second,)},
    "settled, not committed": {"pipeline.language.asking.asker:settle": (die_after,)},
    "second settled, not committed": {"pipeline.language.asking.asker:settle": (die_after_the_second,)},
    "all recorded": {"pipeline.labels.work:ask_model": (die_after,)},
    "no table": {MOVE: (die_moving, "translated_labels")},
}
LABELS = {f"k{i}": f"Text {chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(120)}


@pytest.mark.slow
@pytest.mark.parametrize("when", [*POINTS, *WHEN])
def test_killed_translation(shop: Shop, when: str) -> None:
    shop.add("en.json", json.dumps(LABELS))
    hooks, values, environment = WHEN.get(when), POINTS.get(when), shop.model.environment()
    command = ("labels", "translate", "shop", "--to", "de")
    assert start(shop.place, *command, hooks=hooks, values=values, environment=environment).killed()
    asked = len(shop.model.items)
    recorded = shop.place.rows("SELECT count(*) FROM language_results WHERE status = 'accepted'")[0][0]
    done = shop.translate()
    assert shop.texts("de") == {
        (key, None): "".join(f"{word}o " for word in text.split()).strip() for key, text in LABELS.items()
    }
    assert len(shop.model.items) - asked == len(LABELS) - recorded  # what was recorded is not paid twice
    real = sum(prompt * PRICE.input + completion * PRICE.output for prompt, completion in shop.model.tokens)
    booked = shop.place.rows(
        "SELECT sum(coalesce(spent_usd_micro, reserved_usd_micro)) FROM language_calls WHERE state <> 'released'"
    )[0][0]
    assert booked >= int(real)
    assert shop.place.rows("SELECT usd_micro FROM language_spend WHERE scope LIKE 'month:%'") == [(booked,)]
    if when in ("all recorded", "no table"):
        assert done["calls"] == 0


@pytest.mark.slow
def test_two_translations_at_once_pay_once(shop: Shop) -> None:
    shop.add("en.json", json.dumps(LABELS))
    children = [
        start(shop.place, "labels", "translate", "shop", "--to", "de", "--json", environment=shop.model.environment())
        for _ in range(2)
    ]
    results = [child.result() for child in children]
    assert [result.code for result in results] == [0, 0], [result.err for result in results]
    assert sorted(result.json["calls"] for result in results) == [0, 3]
    assert len(shop.model.items) == len(LABELS)
