"""A text that is translated in pieces costs as much as any text, and nothing where it stays as it was."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from pipeline.language.asking.charging import pay_for_answers, unpaid_answers
from pipeline.language.translation.pieces import affordable, record_whole
from pipeline.language.translation.plan import estimate
from pipeline.language.translation.segments import TEXT, Segment
from pipeline.stores.actions import Person
from pipeline.stores.credits import grant, read_account, switch_on
from pipeline_tests.fakes.openai_server import translated
from pipeline_tests.language.conftest import Desk

NOTE = "Please note this."


def text(said: str = "Mug of clay.", note: str = NOTE, product: str = "p") -> Segment:
    return Segment({TEXT: f"<p>{said} {note} Warm. {note}</p>"}, html=True, product=product)


PLAIN = Segment({TEXT: "A plain bowl"}, product="p")


@pytest.fixture
def credits(desk: Desk) -> Iterator[Desk]:
    switch_on(desk.connection, desk.store_id, "stop")
    grant(desk.connection, desk.store_id, 100, person=Person("me", ""))
    yield desk


def spent(desk: Desk) -> int:
    """After what a run does at its end, twice."""
    for _ in range(2):
        record_whole(desk.connection, [desk.plan([text(), PLAIN])])
        pay_for_answers(desk.connection, desk.store_id, "label", "run")
    account = read_account(desk.connection, desk.store_id)
    assert account is not None and unpaid_answers(desk.connection, desk.store_id, "label") == 0
    return 100 - account.balance


def test_it_is_paid_once_as_a_whole_also_by_the_next_run(credits: Desk) -> None:
    desk = credits
    plan = desk.plan([text(), PLAIN])
    assert len(plan.items) == 3 and plan.texts == estimate([plan], None).texts == 2
    assert all(result.state == "translated" for result in desk.translate([text(), PLAIN]))
    # The run dies here: the answers are recorded, the text is not joined yet.
    pay_for_answers(desk.connection, desk.store_id, "label", "run")
    assert spent(desk) == 2


def test_it_is_paid_too_where_people_look_before_it_is_used(credits: Desk) -> None:
    desk = credits
    desk.translate([text()])
    plan = desk.plan([text()])
    plan.pair = replace(plan.pair, review=True)
    assert [result.state for result in plan.finished() if result] == ["untranslated"]
    record_whole(desk.connection, [plan])
    assert unpaid_answers(desk.connection, desk.store_id, "label") == 1


def test_what_is_refused_in_the_end_costs_nothing(credits: Desk) -> None:
    desk = credits
    desk.model.say = lambda item, locale: "Nein" if item["text"] == NOTE else translated(item, locale)
    states = [result.state for result in desk.translate([text(), PLAIN])]
    assert states == ["untranslated", "translated"] and spent(desk) == 1


def test_a_piece_that_is_also_a_text_is_paid_as_one(credits: Desk) -> None:
    desk = credits
    desk.translate([Segment({TEXT: NOTE}, product="other")])
    assert spent(desk) == 1
    desk.translate([text(), PLAIN])
    assert spent(desk) == 3


def test_what_was_paid_in_pieces_before_is_not_paid_again(credits: Desk) -> None:
    desk = credits
    desk.translate([text(), PLAIN])
    desk.connection.execute("UPDATE language_results SET piece = false")
    pay_for_answers(desk.connection, desk.store_id, "label", "run")
    assert spent(desk) == 3


def test_credits_for_some_texts_are_for_whole_ones(desk: Desk) -> None:
    segments = [text(), PLAIN, text("Bowl of oak.", "In German write ebony here.")]
    for most, pieces in ((0, 0), (1, 1), (2, 3), (3, 5), (9, 5)):
        plan = desk.plan(segments)
        plan.items, beyond = affordable(plan, most)
        assert (len(plan.items), len(beyond), plan.texts) == (pieces, 5 - pieces, min(most, 3))
